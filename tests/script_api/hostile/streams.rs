//! Event streams: a thousand at once, of which half are never read, and more events than anyone
//! can swallow at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const STREAMS: usize = 1_000;
/// Events that all who read hear.
const FEW: usize = 400;
/// Events that come as fast as possible; `READERS` hear them.
const MANY: usize = 100_000;
const READERS: usize = 4;
const BATCH: usize = 500;

/// Files that this process may have open, raised as far as the system lets us.
fn open_files() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What was there is used if it cannot be raised.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

async fn open(rig: &Rig, transport: Transport) -> Wire {
    let mut wire = Wire::open(rig, transport).await;
    wire.send(&jdk("GET", "/events", &rig.script_token(), ""))
        .await
        .unwrap();
    wire
}

/// Reads the numbers of a stream until `last`; each has to be there once, in order.
async fn hear(wire: &mut Wire, from: usize, last: usize) {
    let mut text = Vec::new();
    let mut wanted = from;
    while wanted <= last {
        let chunk = wire.chunk().await.unwrap().expect("the stream goes on");
        text.extend(chunk);
        let end = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        for line in text[..end].split(|byte| *byte == b'\n') {
            let line = std::str::from_utf8(line).unwrap();
            if let Some((_, rest)) = line.split_once(":message \"") {
                let number: usize = rest.split('"').next().unwrap().parse().unwrap();
                assert_eq!(number, wanted, "{line}");
                wanted += 1;
            }
        }
        text.drain(..end);
    }
}

async fn post(rig: &Rig, transport: Transport, numbers: std::ops::RangeInclusive<usize>) {
    let token = rig.script_token();
    let mut wire = Wire::open(rig, transport).await;
    let numbers: Vec<usize> = numbers.collect();
    for batch in numbers.chunks(BATCH) {
        let events: Vec<String> = (batch.iter())
            .map(|n| format!("{{:type :job/start :job-id \"a\" :message \"{n}\"}}"))
            .collect();
        let body = format!("[{}]", events.join(" "));
        let answer = wire.ask(&jdk("POST", "/events", &token, &body)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_of_which_half_are_never_read() {
    if open_files() < 4_200 {
        crate::counted::not_run(
            "a_thousand_streams_of_which_half_are_never_read",
            "too few files may be open here (ulimit -n)",
        );
        return;
    }
    let mut rig = rig(Setup::default()).await;
    let before = large::most_memory();
    let (mut readers, mut deaf) = (Vec::new(), Vec::new());
    for n in 0..STREAMS / 2 {
        // A TCP connection takes in megabytes before it is full, a Unix socket far less.
        let transport = if n % 10 == 0 {
            Transport::Tcp
        } else {
            Transport::Unix
        };
        let mut reader = open(&rig, transport).await;
        assert_eq!(soon("a stream", reader.head()).await.unwrap().status, 200);
        readers.push(reader);
        deaf.push(open(&rig, transport).await);
    }
    let heard = AtomicUsize::new(0);
    let hearing = readers.iter_mut().map(|reader| async {
        hear(reader, 1, FEW).await;
        heard.fetch_add(FEW, Ordering::Relaxed);
    });
    let all = futures_util::future::join(
        post(&rig, Transport::Tcp, 1..=FEW),
        futures_util::future::join_all(hearing),
    );
    soon("what all hear", all).await;
    assert_eq!(heard.load(Ordering::Relaxed), FEW * STREAMS / 2);
    readers.truncate(READERS);
    let hearing = readers
        .iter_mut()
        .map(|reader| hear(reader, FEW + 1, FEW + MANY));
    let all = futures_util::future::join(
        post(&rig, Transport::Unix, FEW + 1..=FEW + MANY),
        futures_util::future::join_all(hearing),
    );
    soon("100,000 events", all).await;
    is_well(&rig).await;
    let journal = rig.engine.journal().events();
    assert!(journal.len() >= FEW + MANY);
    drop(journal);
    let grown = large::most_memory() - before;
    println!(
        "{STREAMS} streams, {} events: memory grew by {grown} MiB",
        FEW + MANY
    );
    // The journal itself is most of it: see `benches/RESULTS.md`.
    assert!(grown < 600, "memory grew by {grown} MiB");
    drop(deaf);
    rig.exit(0).await;
    rig.stop().await;
}
