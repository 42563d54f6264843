//! Bodies that are not what they should be: recorded ones and a corpus of odd ones, damaged.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::document::{Operation, operations};
use crate::recording;

const BODIES: usize = 10_000;

/// Odd bodies, one a line; what stands in the corpus was once a way to break a reader.
const CORPUS: &str = include_str!("corpus.txt");

/// A change of a body.
#[derive(Debug, Clone)]
enum Damage {
    Byte(Index, u8),
    Insert(Index, &'static [u8]),
    Cut(Index, Index),
    Repeat(Index, usize),
    Nest(&'static [u8], usize),
    Splice(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = || any::<Index>();
    let pieces: &[&'static [u8]] = &[
        b"#",
        b"\\",
        b"\"",
        b"{",
        b"}",
        b"[",
        b"]",
        b"(",
        b")",
        b"#_",
        b"#{",
        b"#:a{",
        b"##Inf",
        b";",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\x1b[2J",
        b"1e999",
        b"9999999999999999999999N",
        b":",
        b"^{",
        b"nil",
        b"\r\n",
        b"#inst \"9999-99-99\"",
        b"\\u0000",
        b"\x1f\x8b\x08",
    ];
    let openings: &[&'static [u8]] = &[b"[", b"{:a ", b"#{", b"(", b"#a ", b"#_", b"{\"a\":"];
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (place(), prop::sample::select(pieces.to_vec()))
            .prop_map(|(at, piece)| Damage::Insert(at, piece)),
        (place(), place()).prop_map(|(from, to)| Damage::Cut(from, to)),
        (place(), 1..200_usize).prop_map(|(at, times)| Damage::Repeat(at, times)),
        (prop::sample::select(openings.to_vec()), 1..20_000_usize)
            .prop_map(|(piece, times)| Damage::Nest(piece, times)),
        place().prop_map(Damage::Splice),
    ]
}

fn apply(body: &mut Vec<u8>, damage: &Damage, corpus: &[Vec<u8>]) {
    let len = body.len();
    match damage {
        Damage::Byte(at, byte) if len > 0 => body[at.index(len)] = *byte,
        Damage::Insert(at, piece) => {
            let at = at.index(len + 1);
            body.splice(at..at, piece.iter().copied());
        }
        Damage::Cut(from, to) => {
            let (from, to) = (from.index(len + 1), to.index(len + 1));
            body.drain(from.min(to)..from.max(to));
        }
        Damage::Repeat(at, times) => {
            let tail = body[at.index(len + 1)..].to_vec();
            body.extend(
                tail.iter()
                    .take(200)
                    .copied()
                    .cycle()
                    .take(tail.len().min(200) * times),
            );
        }
        Damage::Nest(piece, times) => {
            let nested: Vec<u8> = piece.repeat(*times);
            body.splice(0..0, nested);
        }
        Damage::Splice(other) => {
            let other = other.get(corpus);
            body.truncate(len / 2);
            body.extend_from_slice(&other[other.len() / 2..]);
        }
        Damage::Byte(..) => {}
    }
}

const MEDIA: [Option<&str>; 6] = [
    None,
    Some("application/edn"),
    Some("application/json"),
    Some("application/octet-stream"),
    Some("text/plain; charset=\"\\"),
    Some("application/transit+json"),
];

/// What is sent: which operation, as what, and the body.
fn requests() -> impl Strategy<Value = (Index, Option<&'static str>, Index, Vec<Damage>)> {
    (
        any::<Index>(),
        prop::sample::select(&MEDIA[..]),
        any::<Index>(),
        prop::collection::vec(damage(), 1..4),
    )
}

fn corpus() -> Vec<Vec<u8>> {
    let recorded = recording::all().into_iter().flat_map(|recording| {
        let bodies = recording.exchanges.into_iter();
        bodies.map(|exchange| exchange.body.into_bytes())
    });
    let odd = CORPUS.lines().map(|line| line.as_bytes().to_vec());
    let mut all: Vec<Vec<u8>> = recorded
        .chain(odd)
        .filter(|body| !body.is_empty())
        .collect();
    all.sort();
    all.dedup();
    assert!(all.len() > 100, "{}", all.len());
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_malformed_bodies_are_answered_as_described() {
    let mut rig = rig(Setup::default()).await;
    let scopes: Vec<Scope> = (Scope::ALL.into_iter())
        .filter(|scope| *scope != Scope::BuildControl)
        .collect();
    let token = rig.token(&scopes);
    let corpus = corpus();
    let with_body: Vec<Operation> = (operations().into_iter())
        .filter(|operation| operation.method != "GET")
        .collect();
    let mut runner = TestRunner::deterministic();
    let strategy = requests();
    let mut clients =
        [Transport::Tcp, Transport::Unix].map(|transport| Client::with(&rig, transport, &token));
    let mut seen = std::collections::BTreeMap::<u16, usize>::new();
    // First the corpus as it stands, to every operation; then damaged.
    let mut whole = Vec::new();
    for operation in &with_body {
        for body in CORPUS.lines() {
            whole.push((operation, None, body.as_bytes().to_vec()));
        }
    }
    assert!(whole.len() < BODIES);
    for n in 0..BODIES {
        let (operation, media, body) = if let Some(whole) = whole.pop() {
            whole
        } else {
            let (which, media, body, damages) = strategy.new_tree(&mut runner).unwrap().current();
            let mut body = body.get(&corpus).clone();
            for damage in &damages {
                apply(&mut body, damage, &corpus);
            }
            (which.get(&with_body), media, body)
        };
        let media = media.map(|media| ("content-type", media));
        let path = operation.filled("some-name");
        let bytes = request(&operation.method, &path, &token, media.as_slice(), &body);
        let answer = clients[n % 2].ask(&bytes).await;
        *seen.entry(answer.status).or_default() += 1;
        assert!(
            operation.statuses.contains(&answer.status) && answer.status < 500,
            "{operation:?} answers {answer:?} to {media:?} {:?}",
            String::from_utf8_lossy(&body)
        );
    }
    println!("{BODIES} bodies: {seen:?}");
    assert!(seen.len() >= 4, "all kinds of answers: {seen:?}");
    is_well(&rig).await;
    // Whatever they said, the build is its runner's.
    rig.exit(0).await;
    rig.stop().await;
}
