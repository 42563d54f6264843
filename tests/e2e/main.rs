//! The whole binary, as users run it: real processes, sockets, files and terminals.

#![expect(clippy::unwrap_used, reason = "what cannot go on has failed its test")]
#![expect(
    clippy::format_collect,
    reason = "scripts of a few jobs, written as they read"
)]

mod access;
mod attached;
mod builds;
mod clients;
mod commands;
mod compare;
mod containers;
#[path = "../shared/counted.rs"]
mod counted;
mod crashes;
mod faults;
mod fixtures;
mod harness;
mod history;
mod hosts;
mod limits;
mod moto;
#[path = "../shared/playback.rs"]
mod playback;
mod portable;
mod real_library;
mod remote;
mod remote_tls;
mod remote_tty;
mod replay;
mod rerun;
mod retention;
mod screen;
mod scripts;
mod search;
mod serve;
mod serve_hostile;
mod storage;
mod terminal;
mod unit_tests;
mod upstream;
