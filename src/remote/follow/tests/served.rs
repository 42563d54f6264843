//! A server with a journal, for tests, and what is recorded of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::domain::{Event, Job, JobState, Src};
use crate::journal::Cursor;
use crate::remote::RemoteError;

/// What is made of something on its way: the number of the connection, how much came before on it, and
/// what it is. Nothing is an end.
pub(super) type Way = dyn Fn(usize, usize, BuildEvent) -> Vec<BuildEvent> + Send + Sync;

/// A server with a journal.
#[derive(Clone)]
pub(super) struct Served(Arc<Inner>);

pub(super) struct Inner {
    /// `None` as long as the build waits.
    pub(super) journal: Mutex<Option<Journal>>,
    begun: watch::Sender<bool>,
    way: Box<Way>,
    /// After which numbers it was asked.
    asked: Mutex<Vec<Seq>>,
    /// What it knows of the build.
    pub(super) build: Mutex<String>,
    looks: AtomicUsize,
    pub(super) logs: Mutex<Vec<(String, String)>>,
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Served")
    }
}

impl std::ops::Deref for Served {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

pub(super) fn straight(_: usize, _: usize, event: BuildEvent) -> Vec<BuildEvent> {
    vec![event]
}

impl Served {
    pub(super) fn new(
        journal: Option<Journal>,
        way: impl Fn(usize, usize, BuildEvent) -> Vec<BuildEvent> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self(Arc::new(Inner {
            begun: watch::Sender::new(journal.is_some()),
            journal: Mutex::new(journal),
            way: Box::new(way),
            asked: Mutex::default(),
            build: Mutex::new("{:status :pending}".to_owned()),
            looks: AtomicUsize::new(0),
            logs: Mutex::default(),
        })))
    }

    pub(super) fn begins(&self, journal: Journal) {
        *self.journal.lock().unwrap() = Some(journal);
        self.begun.send_replace(true);
    }

    pub(super) fn asked(&self) -> Vec<Seq> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }
}

pub(super) fn lost(reason: &str) -> BuildEvent {
    BuildEvent::Lost(error(reason))
}

pub(super) fn error(reason: &str) -> RemoteError {
    RemoteError::Unreachable {
        what: "GET the events".to_owned(),
        host: "ci".to_owned(),
        reason: reason.to_owned(),
    }
}

/// As the server's stream: ping, what there is, ping, what comes.
async fn course(
    served: &Served,
    state: &mut (Option<Cursor>, Seq, bool),
) -> Option<Vec<BuildEvent>> {
    let (cursor, after, behind) = state;
    let numbered = |events: Vec<Arc<Event>>| {
        let numbered = events.into_iter().map(|event| {
            let seq = event.seq;
            BuildEvent::Event(seq, Box::new(Event::clone(&event)))
        });
        numbered.collect()
    };
    if cursor.is_none() {
        *cursor = (served.journal.lock().unwrap().as_ref()).map(|journal| journal.cursor(*after));
    }
    if *behind {
        if let Some(events) = cursor.as_mut().and_then(Cursor::try_next) {
            return Some(numbered(events));
        }
        *behind = false;
        return Some(vec![BuildEvent::Ping]);
    }
    let Some(cursor) = cursor else {
        let mut begun = served.begun.subscribe();
        begun.wait_for(|begun| *begun).await.ok()?;
        return Some(Vec::new());
    };
    match cursor.next().await {
        Some(events) => Some(numbered(events)),
        None => Some(vec![BuildEvent::Ended(error("ended"))]),
    }
}

impl BuildApi for Served {
    fn build(&self) -> BoxFuture<'_, Result<Map, Trouble>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(map(&self.build.lock().unwrap()))).boxed()
    }

    fn log<'a>(
        &'a self,
        job: &'a JobId,
        file: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Trouble>> {
        let logs = self.logs.lock().unwrap();
        let name = format!("{job}/{file}");
        let found = logs.iter().find(|(known, _)| *known == name);
        let found = found.map(|(_, text)| text.clone().into_bytes());
        std::future::ready(Ok(found)).boxed()
    }

    fn events(&self) -> BoxStream<'static, Result<Heard, Trouble>> {
        futures_util::stream::iter([Ok(Heard::Alive), Err(broken("cut"))]).boxed()
    }

    fn journal(&self, after: Seq) -> BoxStream<'static, BuildEvent> {
        let mut asked = self.asked.lock().unwrap();
        let connection = asked.len();
        asked.push(after);
        let served = self.clone();
        let first = futures_util::stream::iter([BuildEvent::Connected, BuildEvent::Ping]);
        let state = (served, (None, after, true));
        let course = futures_util::stream::unfold(state, |(served, mut state)| async {
            let events = course(&served, &mut state).await?;
            Some((futures_util::stream::iter(events), (served, state)))
        });
        let served = self.clone();
        let all = first.chain(course.flatten()).enumerate();
        let all = all.flat_map(move |(place, event)| {
            futures_util::stream::iter((served.way)(connection, place, event))
        });
        // Nothing comes after an end.
        let mut over = false;
        all.take_while(move |event| {
            let is_last = matches!(
                event,
                BuildEvent::Lost(_) | BuildEvent::Ended(_) | BuildEvent::Absent
            );
            let was_over = std::mem::replace(&mut over, is_last);
            std::future::ready(!was_over)
        })
        .boxed()
    }

    fn control(&self, _: Control) -> BoxFuture<'static, Result<(), String>> {
        std::future::ready(Ok(())).boxed()
    }
}

pub(super) fn there() -> Sid {
    Sid::new("o", "r", "build-7")
}

/// A journal as the server has it.
pub(super) fn journal_of(events: impl IntoIterator<Item = Event>) -> Journal {
    let journal = Journal::in_memory(there());
    let events = events.into_iter().map(|event| Event {
        sid: Some(there()),
        ..event
    });
    journal.append(1000, events.collect()).unwrap();
    journal
}

pub(super) fn of_test(kind: EventKind) -> Event {
    Event::of_job(&JobId::new("test"), kind)
}

pub(super) fn end(status: BuildStatus) -> Event {
    let status = Some(status);
    Event::new(EventKind::BuildEnd {
        status,
        build: None,
    })
}

/// A build with a job of two commands, each event at another time.
pub(super) fn small() -> Vec<Event> {
    let mut job = Job::new("test");
    job.script = vec!["one".to_owned(), "two".to_owned()];
    job.env = vec![("KEY".to_owned(), "hidden value".to_owned())];
    let command = |index: &str| index.to_owned();
    let start = |index: &str| EventKind::CommandStart {
        command: command(index),
        stdout: None,
        stderr: None,
    };
    let over = |index: &str, exit| EventKind::CommandEnd {
        command: command(index),
        exit: Some(exit),
        stdout: None,
        stderr: None,
    };
    let status = Some(JobStatus::Failure);
    let result = map("{:exit 3 :message \"exit 3\"}");
    let params = map("{:params {\"P\" \"hidden too\"} :git {:branch \"main\"}}");
    let events = vec![
        Event::new(EventKind::BuildPending { build: params }),
        Event::new(EventKind::BuildStart),
        Event::new(EventKind::ScriptStart {
            jobs: vec![job.clone()],
        }),
        of_test(EventKind::ContainerJobQueued {
            job: Some(Box::new(job)),
            dek: Some("hidden as well".to_owned()),
        }),
        of_test(EventKind::JobStart),
        of_test(start("0")),
        of_test(over("0", 0)),
        of_test(start("1")),
        of_test(over("1", 3)),
        of_test(EventKind::JobEnd { status, result }),
        end(BuildStatus::Error),
    ];
    let timed = events.into_iter().zip(2000..).map(|(event, time)| Event {
        time: Some(time),
        src: Some(Src::Engine),
        ..event
    });
    timed.collect()
}

/// What is recorded of the server's journal: numbers and types; what stands between them has none.
pub(super) fn numbers(dir: &Path) -> Vec<(Option<i64>, String)> {
    let recorded = Journal::read(&dir.join("events.edn")).unwrap().events();
    let numbered = recorded.iter().map(|event| {
        let number = event.extra.get_kw("tui/server-seq").and_then(Value::as_i64);
        (number, event.type_name().to_owned())
    });
    numbered.collect()
}

/// Every event of the server's journal is recorded once, in order, and as it is there.
#[track_caller]
pub(super) fn is_recorded(dir: &Path, there: &[Arc<Event>]) {
    let recorded = Journal::read(&dir.join("events.edn")).unwrap().events();
    let mut recorded: Vec<Event> = (recorded.iter())
        .filter(|event| event.extra.contains_kw("tui/server-seq"))
        .map(|event| Event::clone(event))
        .collect();
    for (event, number) in recorded.iter_mut().zip(1..) {
        let known = event.extra.remove_kw("tui/server-seq");
        assert_eq!(known, Some(Value::Int(number)));
        assert_eq!(event.sid, Some(Sid::new("o@ci", "r", "build-7")));
        event.sid = Some(self::there());
        event.seq = u64::try_from(number).unwrap();
    }
    let expected = (there.iter()).map(|event| received::recorded(Event::clone(event), 1));
    for (ours, (expected, there)) in recorded.iter().zip(expected.zip(there)) {
        assert_eq!(
            (ours.time, ours.type_name()),
            (there.time, there.type_name())
        );
        assert_eq!(ours.kind, expected.kind);
    }
    assert_eq!(recorded.len(), there.len());
    assert_eq!(
        folded(&recorded),
        folded(there.iter().map(|event| &**event))
    );
}

/// What a user sees of a build.
pub(super) fn folded<'a>(events: impl IntoIterator<Item = &'a Event>) -> String {
    let build = Build::fold(events);
    let mut text = format!(
        "{:?} {:?} {:?}\n",
        build.status, build.end_time, build.message
    );
    for job in build.jobs() {
        let JobState {
            status,
            commands,
            result,
            start_time,
            end_time,
            blobs,
            ..
        } = job;
        text.push_str(&format!(
            "{}: {status} {start_time:?} {end_time:?} {result:?} {commands:?} {blobs:?}\n",
            job.id()
        ));
    }
    text
}
