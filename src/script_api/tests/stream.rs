//! The event stream.

use std::collections::VecDeque;

use futures_util::StreamExt;

use super::*;
use crate::domain::Seq;

/// One frame of a stream.
#[derive(Debug, Clone, PartialEq)]
struct Frame {
    id: Option<Seq>,
    data: Value,
}

impl Frame {
    fn is_ping(&self) -> bool {
        self.data == read("{:type :ping}")
    }

    fn job(&self) -> Option<&str> {
        self.data.get("job-id").and_then(Value::as_str)
    }
}

/// A client that reads frames as the script library does, and ids as ours does.
struct Stream {
    response: Response,
    text: String,
    frames: VecDeque<Frame>,
}

impl Stream {
    async fn open(caller: &Caller, after: Option<Seq>) -> Self {
        let mut request = caller.request(&Method::GET, "/events");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = send(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
            frames: VecDeque::new(),
        }
    }

    /// The next frame, or the end of the stream.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            let chunk = soon("a frame", self.response.chunk()).await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some(end) = self.text.find("\n\n") {
                let frame: String = self.text.drain(..end + 2).collect();
                self.frames.push_back(parse(&frame));
            }
        }
    }

    /// The next frame that is no ping.
    async fn next_event(&mut self) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if !frame.is_ping() {
                return Some(frame);
            }
        }
    }
}

fn parse(frame: &str) -> Frame {
    let mut id = None;
    let mut data = None;
    for line in frame.lines().filter(|line| !line.is_empty()) {
        if let Some(line) = line.strip_prefix("data: ") {
            assert!(
                data.replace(read(line)).is_none(),
                "one line of data a frame"
            );
        } else {
            id = Some(
                line.strip_prefix("id: ")
                    .expect("nothing else")
                    .parse()
                    .unwrap(),
            );
        }
    }
    Frame {
        id,
        data: data.expect("every frame has data"),
    }
}

async fn post_jobs(service: &Service, from: usize, to: usize) {
    for n in from..to {
        let body = format!(r#"[{{:type :job/start :job-id "{n}"}}]"#);
        assert_eq!(service.script().post("/events", body).await.status(), 202);
    }
}

#[tokio::test]
async fn headers_and_a_ping_come_at_once_and_a_ping_when_caught_up() {
    let service = Service::start().await;
    post_jobs(&service, 0, 3).await;
    let mut stream = Stream::open(&service.script(), None).await;
    assert!(stream.next().await.unwrap().is_ping());
    for n in 0..3 {
        let frame = stream.next().await.unwrap();
        assert_eq!(
            (frame.id, frame.job()),
            (Some(n + 1), Some(&*n.to_string()))
        );
    }
    assert!(stream.next().await.unwrap().is_ping());
    post_jobs(&service, 3, 4).await;
    assert_eq!(stream.next().await.unwrap().job(), Some("3"));
}

#[tokio::test]
async fn an_empty_journal_still_answers_at_once() {
    let service = Service::start().await;
    let mut stream = Stream::open(&service.script(), None).await;
    assert!(stream.next().await.unwrap().is_ping());
    assert!(stream.next().await.unwrap().is_ping());
}

#[tokio::test]
async fn silence_is_broken_by_pings() {
    let service = Service::with(Settings {
        ping_every: Duration::from_millis(20),
        ..Settings::default()
    })
    .await;
    let mut stream = Stream::open(&service.script(), None).await;
    for _ in 0..6 {
        assert!(stream.next().await.unwrap().is_ping());
    }
}

#[test]
fn the_usual_silence_is_shorter_than_clients_expect() {
    assert!(Settings::default().ping_every <= Duration::from_secs(25));
}

#[tokio::test]
async fn a_cut_after_any_event_loses_nothing_and_repeats_nothing() {
    let service = Service::start().await;
    post_jobs(&service, 0, 40).await;
    for after in 0..=40 {
        let mut stream = Stream::open(&service.script(), Some(after)).await;
        let mut seen = Vec::new();
        while seen.len() < 40 - usize::try_from(after).unwrap() {
            seen.push(stream.next_event().await.unwrap().id.unwrap());
        }
        assert_eq!(seen, (after + 1..=40).collect::<Vec<_>>());
        assert!(
            stream.next().await.unwrap().is_ping(),
            "and no more than that"
        );
    }
}

#[tokio::test]
async fn a_client_that_reconnects_after_every_event_sees_each_once() {
    let service = Service::start().await;
    let (mut last, mut seen) = (None, Vec::new());
    for n in 0..30 {
        post_jobs(&service, n, n + 1).await;
        let mut stream = Stream::open(&service.script(), last).await;
        let frame = stream.next_event().await.unwrap();
        last = frame.id;
        seen.push(frame.job().unwrap().to_owned());
    }
    assert_eq!(seen, (0..30).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_last_id_that_is_none_of_ours_means_from_the_beginning() {
    let service = Service::start().await;
    post_jobs(&service, 0, 2).await;
    let script = service.script();
    for odd in ["", "x", "-1", "99", "18446744073709551616"] {
        let request = script
            .request(&Method::GET, "/events")
            .header("last-event-id", odd);
        let mut stream = Stream {
            response: send(request).await,
            text: String::new(),
            frames: VecDeque::new(),
        };
        assert_eq!(stream.next_event().await.unwrap().id, Some(1), "{odd:?}");
    }
}

#[tokio::test]
async fn facts_of_our_own_are_for_watchers_only() {
    let service = Service::start().await;
    service.engine.warn(None, "for people");
    service.warning("for people").await;
    post_jobs(&service, 0, 1).await;
    let mut script = Stream::open(&service.script(), None).await;
    let first = script.next_event().await.unwrap();
    assert_eq!((first.id, first.job()), (Some(2), Some("0")));
    let mut watcher = Stream::open(&service.watcher(), None).await;
    let first = watcher.next_event().await.unwrap();
    assert_eq!(first.data.get("message"), Some(&"for people".into()));
}

#[tokio::test]
async fn a_script_hears_a_ping_though_people_hear_much() {
    let service = Service::with(Settings {
        ping_every: Duration::from_millis(100),
        ..Settings::default()
    })
    .await;
    let mut stream = Stream::open(&service.script(), None).await;
    for _ in 0..2 {
        stream.next().await;
    }
    let engine = service.engine.clone();
    let chatter = tokio::spawn(async move {
        loop {
            engine.warn(None, "for people");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(stream.next().await.unwrap().is_ping());
    chatter.abort();
}

#[tokio::test]
async fn the_stream_ends_behind_the_last_event_of_a_closed_journal() {
    let service = Service::start().await;
    let mut early = Stream::open(&service.script(), None).await;
    post_jobs(&service, 0, 3).await;
    service.engine.journal().close();
    let mut late = Stream::open(&service.watcher(), Some(1)).await;
    for (stream, expected) in [(&mut early, 3), (&mut late, 2)] {
        let mut count = 0;
        while stream.next_event().await.is_some() {
            count += 1;
        }
        assert_eq!(count, expected);
    }
}

#[tokio::test]
async fn shutdown_ends_streams_but_not_before_they_have_told_all() {
    let service = Service::start().await;
    let mut stream = Stream::open(&service.script(), None).await;
    post_jobs(&service, 0, 20).await;
    service.shutdown.cancel();
    let mut count = 0;
    while stream.next_event().await.is_some() {
        count += 1;
    }
    assert_eq!(count, 20);
    soon("the end of the service", service.serving)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_reader_that_does_not_read_blocks_nobody_and_loses_nothing() {
    let service = Service::start().await;
    let mut slow = Stream::open(&service.script(), None).await;
    let text = "x".repeat(100_000);
    // Many times what socket buffers hold.
    for n in 0..200 {
        let body = format!(r#"[{{:type :job/start :job-id "{n}" :message "{text}"}}]"#);
        assert_eq!(service.script().post("/events", body).await.status(), 202);
    }
    let mut quick = Stream::open(&service.script(), Some(199)).await;
    assert_eq!(quick.next_event().await.unwrap().job(), Some("199"));
    for n in 0..200 {
        let frame = slow.next_event().await.unwrap();
        assert_eq!(frame.job(), Some(&*n.to_string()));
    }
}

#[tokio::test]
async fn many_events_at_once_arrive_in_order() {
    let service = Service::start().await;
    let mut stream = Stream::open(&service.script(), None).await;
    let events: Vec<String> = (0..5000)
        .map(|n| format!(r#"{{:type :job/start :job-id "{n}"}}"#))
        .collect();
    let body = format!("[{}]", events.join(" "));
    assert_eq!(service.script().post("/events", body).await.status(), 202);
    for n in 0..5000 {
        assert_eq!(stream.next_event().await.unwrap().id, Some(n + 1));
    }
}

#[tokio::test]
async fn every_line_is_strict_edn_whatever_was_posted() {
    let service = Service::start().await;
    let odd = "[{:type :job/end :job-id \"a\" :result {:e #error {\n :cause \"x\\ny\"\n} \
               :re #\"x\" :o #'a/b \"k\" #ordered/map ([:a 1])}}]";
    service.script().post("/events", odd).await;
    let mut stream = Stream::open(&service.script(), None).await;
    // `parse` reads strictly.
    assert_eq!(stream.next_event().await.unwrap().job(), Some("a"));
}

/// How large the chunks are that a stream of so many events of a size is made of, and its text.
async fn chunks_of(events: usize, size: usize) -> (Vec<usize>, String) {
    let service = Service::start().await;
    let text = "x".repeat(size);
    let posted: Vec<String> = (0..events)
        .map(|n| format!(r#"{{:type :job/start :job-id "{n}" :message "{text}"}}"#))
        .collect();
    for some in posted.chunks((32 << 20) / size) {
        let body = format!("[{}]", some.join(" "));
        assert_eq!(service.script().post("/events", body).await.status(), 202);
    }
    service.engine.journal().close();
    let token = service.token(Scope::script_default());
    let grant = service.keys.verify(&sid(), &token).unwrap();
    let mut stream = crate::script_api::stream::body(&service.api, &grant, 0).into_data_stream();
    let (mut sizes, mut all) = (Vec::new(), String::new());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.unwrap();
        sizes.push(chunk.len());
        all.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    (sizes, all)
}

/// The ids of frames, in order.
fn ids(text: &str) -> Vec<Seq> {
    let frames = text.split_inclusive("\n\n").map(parse);
    frames.filter_map(|frame| frame.id).collect()
}

#[tokio::test]
async fn a_reader_that_stands_still_holds_one_chunk_however_large_the_events() {
    const LARGE: usize = 40_000;
    // More than a batch of the journal, of which each would come to 40 MB.
    let (sizes, text) = chunks_of(1500, LARGE).await;
    let largest = *sizes.iter().max().unwrap();
    assert!(
        largest < (64 << 10) + LARGE + 200,
        "{largest} bytes at once"
    );
    assert_eq!(ids(&text), (1..=1500).collect::<Vec<_>>());
}

#[tokio::test]
async fn small_events_travel_together() {
    let (sizes, text) = chunks_of(2000, 10).await;
    assert!(sizes.len() < 20, "{sizes:?}");
    assert_eq!(ids(&text), (1..=2000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_that_ends_between_two_chunks_tells_the_rest_of_what_it_took() {
    let service = Service::start().await;
    let text = "x".repeat(50_000);
    let posted: Vec<String> = (0..20)
        .map(|n| format!(r#"{{:type :job/start :job-id "{n}" :message "{text}"}}"#))
        .collect();
    let body = format!("[{}]", posted.join(" "));
    assert_eq!(service.script().post("/events", body).await.status(), 202);
    let token = service.token(Scope::script_default());
    let grant = service.keys.verify(&sid(), &token).unwrap();
    let mut stream = crate::script_api::stream::body(&service.api, &grant, 3).into_data_stream();
    let mut all = String::new();
    while ids(&all).is_empty() {
        let chunk = stream.next().await.unwrap().unwrap();
        all.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    post_jobs(&service, 20, 21).await;
    service.shutdown.cancel();
    while let Some(chunk) = soon("the rest", stream.next()).await {
        all.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    assert_eq!(ids(&all), (4..=21).collect::<Vec<_>>());
}
