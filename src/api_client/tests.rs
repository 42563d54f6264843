use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::fake::{Cut, FakeApi, How, TOKEN};
use super::*;
use crate::domain::{BlobKind, BuildStatus, Event, EventKind, JobId, Seq, Sid};
use crate::edn::Value;
use crate::ports::{BuildSource, Control, SourceItem};

/// Long enough for a busy machine, short enough for a test that fails.
const LIMIT: Duration = Duration::from_secs(20);

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future)
        .await
        .expect("it takes longer than the limit")
}

fn queued(n: usize) -> Event {
    Event::of_job(&JobId::new(format!("job-{n}")), EventKind::JobBlocked)
}

fn build_end() -> Event {
    Event::new(EventKind::BuildEnd {
        status: Some(BuildStatus::Success),
        build: None,
    })
}

/// The numbers told until the end, and what else happened.
async fn read_all(stream: &mut EventStream) -> (Vec<Seq>, Vec<String>) {
    let mut seqs = Vec::new();
    let mut others = Vec::new();
    loop {
        match within(stream.next()).await {
            StreamItem::Event(event) => seqs.push(event.seq),
            StreamItem::Ping => {}
            StreamItem::LogGrew(id) => others.push(format!("grew {id}")),
            StreamItem::Lost { .. } => others.push("lost".to_owned()),
            StreamItem::Restored => others.push("restored".to_owned()),
            StreamItem::Failed(error) => others.push(error.to_string()),
            StreamItem::End => return (seqs, others),
        }
    }
}

#[tokio::test]
async fn requests_reach_the_api_through_the_socket() {
    let api = FakeApi::idle();
    let client = api.client();
    let build = client.get_edn("/build").await.unwrap();
    assert_eq!(build.get("org-id").and_then(Value::as_str), Some("o"));
    assert_eq!(client.get_edn("/empty").await.unwrap(), Value::Nil);
    client.post_events(&[queued(1), queued(2)]).await.unwrap();
    assert_eq!(api.events().len(), 2);
    client.cancel().await.unwrap();
    client.unblock(None).await.unwrap();
    client.unblock(Some(&"a b/c".into())).await.unwrap();
    assert_eq!(
        *api.state.controls.lock().unwrap(),
        ["/cancel", "/unblock", "/unblock/a%20b%2Fc"]
    );
}

#[tokio::test]
async fn a_blob_that_is_not_there_is_no_error() {
    let api = FakeApi::start(
        |_| Vec::new(),
        |job, id, _| (job, id) == ("test job", "a/b"),
    );
    let client = api.client();
    let restore = async |id: &str| {
        client
            .restore(
                BlobKind::Artifact,
                &"test job".into(),
                id,
                "/tmp/x y".as_ref(),
            )
            .await
            .unwrap()
    };
    assert!(restore("a/b").await);
    assert!(!restore("other").await);
    let cache = client
        .restore(BlobKind::Cache, &"j".into(), "c", "x".as_ref())
        .await;
    assert!(!cache.unwrap(), "404 means there is none");
}

#[tokio::test]
async fn errors_say_what_was_refused_and_why() {
    let api = FakeApi::idle();
    let client = ApiClient::new(&api.socket(), "wrong".into()).unwrap();
    let error = client.cancel().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the script API refused POST /cancel (401): no such token"
    );
    let gone = ApiClient::new("/no/such/socket".as_ref(), "x".into()).unwrap();
    let error = gone.cancel().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[tokio::test]
async fn the_token_is_in_no_debug_output() {
    let api = FakeApi::idle();
    let client = api.client();
    let shown = format!("{client:?} {:?}", client.events(None));
    assert!(!shown.contains(TOKEN), "{shown}");
}

#[tokio::test]
async fn a_stream_tells_the_journal_and_what_comes_after() {
    let api = FakeApi::idle();
    api.state.append([queued(1), queued(2)]);
    let mut stream = api.client().events(None);
    within(stream.connected()).await.unwrap();
    api.state.append([queued(3), build_end()]);
    api.state.close();
    let (seqs, others) = read_all(&mut stream).await;
    assert_eq!(seqs, [1, 2, 3, 4]);
    assert_eq!(others, Vec::<String>::new());
    assert!(matches!(stream.next().await, StreamItem::End));
}

#[tokio::test]
async fn a_stream_begins_after_the_number_given() {
    let api = FakeApi::idle();
    api.state.append([queued(1), queued(2), build_end()]);
    api.state.close();
    let mut stream = api.client().events(Some(2));
    assert_eq!(read_all(&mut stream).await.0, [3]);
}

#[tokio::test]
async fn cuts_anywhere_lose_and_repeat_nothing() {
    const EVENTS: usize = 12;
    for how in [How::Broken, How::MidFrame, How::Ended] {
        for after in 0..=EVENTS {
            let api = FakeApi::idle();
            api.state.append((1..EVENTS).map(queued));
            api.state.append([build_end()]);
            api.state.close();
            // Cut at this event, then at the very next, then let through.
            *api.state.cuts.lock().unwrap() =
                VecDeque::from([Cut { after, how }, Cut { after: 1, how }]);
            let mut stream = api.client().events(None);
            let (seqs, _) = read_all(&mut stream).await;
            let expected: Vec<Seq> = (1..=EVENTS as Seq).collect();
            assert_eq!(seqs, expected, "{how:?} after {after}");
        }
    }
}

#[tokio::test]
async fn a_cut_is_told_and_so_is_the_return() {
    let api = FakeApi::idle();
    api.state.append([queued(1), build_end()]);
    api.state.close();
    api.state.cuts.lock().unwrap().push_back(Cut {
        after: 1,
        how: How::Broken,
    });
    let (seqs, others) = read_all(&mut api.client().events(None)).await;
    assert_eq!(seqs, [1, 2]);
    assert_eq!(others, ["lost", "restored"]);
}

#[tokio::test]
async fn a_refusal_is_final() {
    for status in [401, 403, 404] {
        let api = FakeApi::idle();
        api.state.refuse.store(status, Ordering::SeqCst);
        let mut stream = api.client().events(None);
        let error = within(stream.connected()).await.unwrap_err();
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        assert_eq!(api.state.connections.load(Ordering::SeqCst), 1);
        assert!(matches!(stream.next().await, StreamItem::End));
    }
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_again() {
    let api = FakeApi::idle();
    api.state.refuse.store(503, Ordering::SeqCst);
    let mut stream = api.client().events(None);
    assert!(matches!(
        within(stream.next()).await,
        StreamItem::Lost { .. }
    ));
    api.state.refuse.store(0, Ordering::SeqCst);
    within(stream.connected()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_gone_for_good_ends_the_stream() {
    let api = FakeApi::idle();
    let mut stream = api
        .client()
        .events(None)
        .persevere(Duration::from_millis(200));
    within(stream.connected()).await.unwrap();
    api.state.append([queued(1)]);
    while !matches!(within(stream.next()).await, StreamItem::Event(_)) {}
    api.die();
    let (_, others) = read_all(&mut stream).await;
    assert!(others.len() >= 2, "{others:?}");
    assert!(others.last().unwrap().contains("gone"), "{others:?}");
}

#[tokio::test]
async fn a_journal_that_is_closed_without_an_end_ends_the_stream() {
    let api = FakeApi::idle();
    api.state.append([queued(1)]);
    api.state.close();
    let (seqs, _) = read_all(&mut api.client().events(None)).await;
    assert_eq!(seqs, [1]);
}

fn watch(api: &FakeApi) -> WatchSource {
    let sid = Sid::new("o", "r", "b");
    WatchSource::new(api.client(), sid, PathBuf::from("/logs"))
}

#[tokio::test]
async fn a_watcher_is_caught_up_after_the_backlog() {
    let api = FakeApi::idle();
    api.state.append((0..2000).map(queued));
    let mut source = watch(&api);
    let mut told = 0;
    loop {
        match within(source.next()).await.unwrap() {
            SourceItem::Events(events) => told += events.len(),
            SourceItem::CaughtUp => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, 2000);
    api.state.append([build_end()]);
    api.state.close();
    let item = within(source.next()).await.unwrap();
    assert!(matches!(item, SourceItem::Events(events) if events[0].seq == 2001));
    assert!(within(source.next()).await.is_none());
}

#[tokio::test]
async fn a_watcher_that_is_cut_off_while_it_catches_up_tells_all_the_same() {
    let api = FakeApi::idle();
    api.state.append((0..9).map(queued));
    api.state.append([build_end()]);
    api.state.close();
    *api.state.cuts.lock().unwrap() = (0..5)
        .map(|after| Cut {
            after,
            how: How::Broken,
        })
        .collect();
    let mut source = watch(&api);
    let mut seqs = Vec::new();
    let mut caught_up_at = None;
    while let Some(item) = within(source.next()).await {
        match item {
            SourceItem::Events(events) => seqs.extend(events.iter().map(|event| event.seq)),
            SourceItem::CaughtUp => caught_up_at = Some(seqs.len()),
            _ => {}
        }
    }
    assert_eq!(seqs, (1..=10).collect::<Vec<Seq>>());
    assert_eq!(caught_up_at, Some(10));
}

#[tokio::test]
async fn a_watcher_may_stop_and_approve() {
    let api = FakeApi::idle();
    let source = watch(&api);
    assert!(source.offers().cancel && source.offers().unblock && !source.offers().owned);
    source.control(Control::Unblock("x".into())).await.unwrap();
    source.control(Control::UnblockAll).await.unwrap();
    source.control(Control::Cancel).await.unwrap();
    assert_eq!(
        *api.state.controls.lock().unwrap(),
        ["/unblock/x", "/unblock", "/cancel"]
    );
}
