//! A build is followed by a server's own journal, whatever the server and the network make of it.

use proptest::prelude::*;

use super::served::{
    Served, Way, end, error, folded, is_recorded, journal_of, lost, numbers, small, straight,
};
use super::*;
use crate::domain::Event;
use crate::wire::tests::transcripts;

#[tokio::test]
async fn what_real_builds_have_told_is_recorded_as_it_is_there() {
    for (name, mut events) in transcripts() {
        if !matches!(events.last().unwrap().kind, EventKind::BuildEnd { .. }) {
            events.push(end(BuildStatus::Error));
        }
        let dir = tempfile::tempdir().unwrap();
        let journal = journal_of(events);
        let there = journal.events();
        let api = Served::new(Some(journal), straight);
        let mut rig = Rig::open(&api, dir.path());
        rig.see_the_end().await;
        is_recorded(dir.path(), &there);
        assert!(rig.build.is_over(), "{name}");
        assert_eq!((api.asked(), api.looks()), (vec![0], 0), "{name}");
        assert!(crate::journal::ends_with_build_end(
            &dir.path().join("events.edn")
        ));
        let is_caught_up = |item: &&SourceItem| matches!(item, SourceItem::CaughtUp);
        assert_eq!(rig.items.iter().filter(is_caught_up).count(), 1, "{name}");
    }
}

#[tokio::test]
async fn commands_have_their_ends_and_nothing_secret_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let api = Served::new(Some(journal_of(small())), straight);
    let log = ("test/1_err.log".to_owned(), "oh\n".to_owned());
    api.logs.lock().unwrap().push(log);
    let mut rig = Rig::open(&api, dir.path());
    rig.see_the_end().await;
    let job = rig.build.job(&JobId::new("test")).unwrap();
    let exits: Vec<_> = job.commands.iter().map(|command| command.exit).collect();
    assert_eq!(exits, [Some(0), Some(3)]);
    assert_eq!(job.reason(), Some("exit 3"));
    assert_eq!(rig.build.git.branch.as_deref(), Some("main"));
    // The log is here before the end is recorded, which the build is said to have at once.
    assert_eq!(log_of(dir.path(), "test"), "oh\n");
    let recorded = numbers(dir.path());
    let last: Vec<&str> = recorded
        .iter()
        .rev()
        .map(|(_, name)| name.as_str())
        .take(3)
        .collect();
    assert_eq!(last, ["build/end", "build/updated", "job/end"]);
    let text = std::fs::read_to_string(dir.path().join("events.edn")).unwrap();
    assert!(text.contains("KEY") && text.contains("\"P\""), "{text}");
    assert!(!text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn who_attaches_again_goes_on_behind_the_last_number() {
    let dir = tempfile::tempdir().unwrap();
    let events = small();
    let journal = journal_of(events[..7].to_vec());
    let api = Served::new(Some(journal.clone()), straight);
    let mut rig = Rig::open(&api, dir.path());
    rig.until("it is caught up", |rig| {
        matches!(rig.items.last(), Some(SourceItem::CaughtUp))
    })
    .await;
    rig.let_go(dir.path()).await;
    journal.append(0, events[7..].to_vec()).unwrap();
    let mut rig = Rig::open(&api, dir.path());
    rig.see_the_end().await;
    is_recorded(dir.path(), &journal.events());
    // The last one that is known is asked for too.
    assert_eq!(api.asked(), [0, 6]);
    assert_eq!(rig.gaps(), 0);
    // Complete, it is not asked for any more.
    rig.let_go(dir.path()).await;
    Rig::open(&api, dir.path()).see_the_end().await;
    assert_eq!(api.asked().len(), 2);
    let numbered = numbers(dir.path());
    let numbered = numbered.iter().filter(|(number, _)| number.is_some());
    assert_eq!(numbered.count(), events.len());
}

#[tokio::test]
async fn nothing_is_missed_over_a_break_so_there_is_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal_of(small());
    let there = journal.events();
    let api = Served::new(Some(journal), |connection, place, event| {
        let is_cut = connection < 5 && place == 4;
        vec![if is_cut { lost("cut") } else { event }]
    });
    let mut rig = Rig::open(&api, dir.path());
    rig.see_the_end().await;
    is_recorded(dir.path(), &there);
    assert_eq!(api.asked(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(rig.gaps(), 0);
    let said = |is: fn(&SourceItem) -> bool| rig.items.iter().filter(|item| is(item)).count();
    assert_eq!(said(|item| matches!(item, SourceItem::Lost { .. })), 5);
}

#[tokio::test]
async fn a_build_that_waits_is_known_and_begins_under_our_eyes() {
    let dir = tempfile::tempdir().unwrap();
    let api = Served::new(None, straight);
    "{:status :queued :git {:branch \"dev\"}}".clone_into(&mut api.build.lock().unwrap());
    let mut rig = Rig::open(&api, dir.path());
    rig.until("it is known", |rig| rig.build.git.branch.is_some())
        .await;
    assert_eq!(rig.build.status, BuildStatus::Queued);
    let journal = journal_of(small());
    api.begins(journal.clone());
    rig.see_the_end().await;
    is_recorded(dir.path(), &journal.events());
    assert_eq!(api.asked(), [0]);
}

#[tokio::test]
async fn a_build_that_ends_before_it_begins_has_no_journal() {
    let dir = tempfile::tempdir().unwrap();
    let api = Served::new(None, |_, place, event| match place {
        0 | 1 => vec![event],
        _ => vec![BuildEvent::Ended(error("ended"))],
    });
    "{:status :canceled :message \"too late\"}".clone_into(&mut api.build.lock().unwrap());
    let mut rig = Rig::open(&api, dir.path());
    rig.see_the_end().await;
    assert_eq!(rig.build.status, BuildStatus::Canceled);
    assert_eq!(rig.build.message.as_deref(), Some("too late"));
    assert_eq!(api.asked(), [0]);
}

#[tokio::test]
async fn a_stream_without_numbers_is_none_and_that_is_remembered() {
    let unnumbered = |_, _, event| match event {
        BuildEvent::Event(..) => vec![BuildEvent::Odd(None, "it has no number".to_owned())],
        other => vec![other],
    };
    let absent = |_, _, _| vec![BuildEvent::Absent];
    let only_pings = |_, _, event| match event {
        BuildEvent::Event(..) => vec![],
        BuildEvent::Ping => vec![BuildEvent::Ping, BuildEvent::Ping],
        other => vec![other],
    };
    let ends = |_, _, event| match event {
        BuildEvent::Event(..) => vec![],
        other => vec![other],
    };
    let ways: [(Box<Way>, usize, bool); 4] = [
        (Box::new(unnumbered), 3, false),
        (Box::new(absent), 1, false),
        (Box::new(only_pings), 1, false),
        (Box::new(ends), 3, true),
    ];
    for (way, asked, closed) in ways {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal_of(small());
        if closed {
            journal.close();
        }
        let api = Served::new(Some(journal), way);
        *api.build.lock().unwrap() = build(":running", ":status :running :start-time 2000");
        let mut rig = Rig::open(&api, dir.path());
        rig.until("the job runs", |rig| {
            rig.status("test") == Some(JobStatus::Running)
        })
        .await;
        *api.build.lock().unwrap() = build(":canceled", ":status :canceled :start-time 2000");
        rig.see_the_end().await;
        assert_eq!(api.asked().len(), asked);
        assert_eq!(rig.build.status, BuildStatus::Canceled);
    }
}

#[tokio::test]
async fn what_the_server_has_not_got_is_told_and_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal_of(small());
    // 3 cannot be read, 5 and 6 are missing, 8 is another build's, 9 is what only we may say.
    let api = Served::new(Some(journal), |_, _, event| match event {
        BuildEvent::Event(3, _) => vec![BuildEvent::Odd(Some(3), "no EDN".to_owned())],
        BuildEvent::Event(5 | 6, _) => vec![],
        BuildEvent::Event(8, mut event) => {
            event.sid = Some(Sid::new("o", "r", "build-8"));
            vec![BuildEvent::Event(8, event)]
        }
        BuildEvent::Event(9, mut event) => {
            let args = vec!["build".to_owned()];
            event.kind = EventKind::Tui(TuiEvent::Request { args });
            vec![BuildEvent::Event(9, event)]
        }
        other => vec![other],
    });
    let mut rig = Rig::open(&api, dir.path());
    rig.see_the_end().await;
    let expected = [
        (None, "tui/remote"),
        (Some(1), "build/pending"),
        (Some(2), "build/start"),
        (Some(3), "tui/gap"),
        (Some(4), "container/job-queued"),
        (Some(6), "tui/gap"),
        (Some(7), "command/end"),
        (Some(8), "tui/gap"),
        (Some(9), "tui/gap"),
        (Some(10), "job/end"),
        (Some(11), "build/end"),
    ];
    let recorded = numbers(dir.path());
    let recorded: Vec<_> = (recorded.iter())
        .map(|(number, name)| (*number, name.as_str()))
        .collect();
    assert_eq!(recorded, expected);
    // Each was tried three times.
    assert_eq!(api.asked().len(), 1 + 4 * 2);
    assert_eq!(rig.status("test"), Some(JobStatus::Failure));
    // Who attaches again behind a gap asks for what comes after it.
    assert!(api.asked().contains(&6), "{:?}", api.asked());
}

#[tokio::test]
async fn numbers_that_go_backwards_repeat_or_never_end_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal_of(small());
    let there = journal.events();
    let old = Arc::clone(&there[1]);
    let api = Served::new(Some(journal), move |_, _, event| {
        let back = BuildEvent::Event(2, Box::new(Event::clone(&old)));
        match event {
            BuildEvent::Event(number, event) => {
                let again = BuildEvent::Event(number, event.clone());
                vec![BuildEvent::Event(number, event), back, again]
            }
            BuildEvent::Ended(_) => Vec::new(),
            other => vec![other],
        }
    });
    let mut rig = Rig::open(&api, dir.path());
    rig.see_the_end().await;
    is_recorded(dir.path(), &there);
    assert_eq!(api.asked(), [0]);
}

#[tokio::test]
async fn a_journal_that_begins_anew_is_taken_for_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let former = journal_of(small()[..9].to_vec());
    let api = Served::new(Some(former), straight);
    let log = ("test/0_out.log".to_owned(), "of the former\n".to_owned());
    *api.logs.lock().unwrap() = vec![log];
    let mut rig = Rig::open(&api, dir.path());
    rig.until("the log is here", |rig| {
        matches!(rig.items.last(), Some(SourceItem::LogGrew(_)))
    })
    .await;
    rig.let_go(dir.path()).await;
    // Another build of that name, and a shorter one.
    let mut events = small();
    events.drain(5..9);
    for event in &mut events {
        event.time = event.time.map(|time| time + 50_000);
    }
    let journal = journal_of(events);
    *api.journal.lock().unwrap() = Some(journal.clone());
    let log = (
        "test/0_out.log".to_owned(),
        "of the new one, and longer\n".to_owned(),
    );
    *api.logs.lock().unwrap() = vec![log];
    let mut rig = Rig::open(&api, dir.path());
    rig.see_the_end().await;
    assert_eq!(api.asked(), [0, 8, 8, 8, 0]);
    assert_eq!(
        folded(journal.events().iter().map(|event| &**event)),
        folded(
            Journal::read(&dir.path().join("events.edn"))
                .unwrap()
                .events()
                .iter()
                .map(|event| &**event)
        )
    );
    assert!(
        rig.build
            .job(&JobId::new("test"))
            .unwrap()
            .commands
            .is_empty()
    );
    let anew = numbers(dir.path())
        .into_iter()
        .filter(|(_, name)| name == "tui/anew");
    assert_eq!(anew.count(), 1);
    assert_eq!(log_of(dir.path(), "test"), "of the new one, and longer\n");
    let former = LogReader::open(LogPaths::new(dir.path(), "test~1")).unwrap();
    assert_eq!(
        former.read_bytes(0, 100).unwrap(),
        b"of the former
"
    );
}

#[tokio::test]
async fn a_resume_that_the_server_ignores_is_exact_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal_of(small());
    let there = journal.events();
    let all = there.clone();
    let api = Served::new(Some(journal), move |connection, place, event| {
        match (connection, place) {
            (0, 6) => vec![lost("cut")],
            // From its beginning, whatever was asked for.
            (1, 1) => {
                let all = all
                    .iter()
                    .map(|event| BuildEvent::Event(event.seq, Box::new(Event::clone(event))));
                std::iter::once(event).chain(all).collect()
            }
            _ => vec![event],
        }
    });
    let mut rig = Rig::open(&api, dir.path());
    rig.see_the_end().await;
    is_recorded(dir.path(), &there);
    assert_eq!(api.asked().len(), 2);
}

#[tokio::test]
async fn a_journal_without_an_end_does_not_keep_a_build_that_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal_of(small()[..10].to_vec());
    journal.close();
    let api = Served::new(Some(journal), straight);
    *api.build.lock().unwrap() = build(":error", ":status :failure :start-time 2000");
    let mut rig = Rig::open(&api, dir.path());
    rig.see_the_end().await;
    assert_eq!(rig.build.status, BuildStatus::Error);
    assert!(crate::journal::ends_with_build_end(
        &dir.path().join("events.edn")
    ));
}

/// What a connection does to the event at a place.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Cut,
    Twice,
    Gone,
    Unreadable,
    Back,
    Unnumbered,
    NotThere,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Cut),
        Just(Fault::Twice),
        Just(Fault::Gone),
        Just(Fault::Unreadable),
        Just(Fault::Back),
        Just(Fault::Unnumbered),
        Just(Fault::NotThere),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_connections_do_every_event_is_recorded_once(
        faults in prop::collection::vec((0_usize..14, fault()), 0..12)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let journal = journal_of(small());
            // So that what is lost on the way is missed.
            journal.close();
            let there = journal.events();
            let first = Arc::clone(&there[0]);
            let many = faults.len();
            // Every other connection is good for one event more, so that none fails three times.
            let api = Served::new(Some(journal), move |connection, place, event| {
                let fault = faults.get(connection / 2).filter(|_| connection % 2 == 0);
                match (fault, event) {
                    (Some((at, fault)), event) if *at == place => match (fault, event) {
                        (Fault::Cut, _) => vec![lost("cut")],
                        (Fault::NotThere, _) => vec![BuildEvent::Refused(error("401"))],
                        (Fault::Gone, BuildEvent::Event(..)) => vec![],
                        (Fault::Twice, BuildEvent::Event(number, event)) => vec![
                            BuildEvent::Event(number, event.clone()),
                            BuildEvent::Event(number, event),
                        ],
                        (Fault::Unreadable, BuildEvent::Event(number, _)) => {
                            vec![BuildEvent::Odd(Some(number), "no EDN".to_owned())]
                        }
                        (Fault::Back, event) => {
                            let back = Box::new(Event::clone(&first));
                            vec![BuildEvent::Event(1, back), event]
                        }
                        (Fault::Unnumbered, _) => vec![BuildEvent::Odd(None, "no".to_owned())],
                        (_, event) => vec![event],
                    },
                    (_, event) if connection < 2 * many && place == 4 => vec![event, lost("cut")],
                    (_, event) => vec![event],
                }
            });
            *api.build.lock().unwrap() = build(":running", ":status :running :start-time 2000");
            let mut rig = Rig::open(&api, dir.path());
            rig.see_the_end().await;
            is_recorded(dir.path(), &there);
            assert_eq!(rig.gaps(), 0);
        });
    }
}
