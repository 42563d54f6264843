//! A terminal UI for watching and driving MonkeyCI builds.
//!
//! **A build is a journal of events.** What a user sees is a fold over that journal, and what
//! the engine does is a reaction to it. So the panes show a build that runs here, one that runs
//! in another terminal and one that is over in the same way: each is a source of events and log
//! bytes, and of the controls it is able to offer.
//!
//! Start reading at [`domain`] (what a build is), then [`engine`] (what makes one happen), then
//! [`app`] and [`tui`] (what a user sees of it). `assets/docs/architecture.md` is the longer map.
//!
//! # Who may import whom
//!
//! Edges meet in [`wiring`] only. The compiler does not hold this line inside one package, so
//! `tests/architecture.rs` reads the paths in our sources and compares them with this table:
//! what is not listed here does not pass. Tests inside `src` are free.
//!
//! | module | owns | may import |
//! | --- | --- | --- |
//! | `lib`, `main` | arguments in, exit status out; this table | `cli`, `wiring` |
//! | `domain` | ids, events, statuses, jobs, builds, the fold, the job graph | `edn` |
//! | `edn` | the EDN codec: values, reader, writer | nothing of ours |
//! | `logs` | one job's log: append, line index, ANSI, search, errors | nothing of ours |
//! | `archive` | tar, gzip, and entries that mean harm | nothing of ours |
//! | `process` | process groups, limits, reaping | nothing of ours |
//! | `crypto` | the encryption of a server's parameters and keys | nothing of ours |
//! | `ports` | the traits at the edges, and what crosses them | `domain` |
//! | `wire` | EDN and JSON ⇄ domain, the framing of event streams | `domain`, `edn` |
//! | `journal` | append, number, cursors, the file and its recovery | `domain`, `edn`, `wire` |
//! | `engine` | one dispatcher per build, from checkout to `build/end`; stopping; the script child | leaves, `ports`, `wire`, `journal` |
//! | `executors` | what runs container jobs: the host's shell, a fake for tests | leaves, `ports` |
//! | `script` | script files → jobs, the scheduler, the embedded script host | leaves, `ports`, `wire`, `api_client` |
//! | `hosts` | what runs a script: the choice, tools, command lines, our Clojure library, quick starts | leaves, `wire`, `engine` (its child command) |
//! | `service` | what both HTTP services need of a connection: requests read to their end, answers that arrive | nothing of ours |
//! | `script_api` | the HTTP service for scripts and watchers: routes, tokens, scopes | leaves, `ports`, `wire`, `journal`, `engine` (its handle), `service` |
//! | `api_client` | the client of that service, for the script host and for watchers | leaves, `ports`, `wire` |
//! | `server` | the engine as a small MonkeyCI server: routes, credentials, queue, webhooks | leaves, `ports`, `wire`, `journal`, `engine` (its handle), `service` |
//! | `store` | the folders on disk: recordings, artifacts, caches (these two also in a bucket), what builds there are and the index of them | leaves, `ports`, `journal` |
//! | `remote` | the client of a MonkeyCI server: credentials on the wire, calls, events, downloads; a build there as a source | leaves, `ports`, `wire`, `journal` |
//! | `secrets` | where credentials of servers are kept: the keyring, a file for those who ask for it | leaves, `ports` |
//! | `vcs` | what git says of a checkout; the workspace; fetching repositories | leaves, `ports` |
//! | `replay` | a recording as a source | leaves, `ports`, `journal` |
//! | `config` | files, layers, defaults; keys and theme as typed | leaves |
//! | `app` | State, Msg, Action, Effect, update: all that is known of what is on screen | `domain`, `edn`, `logs` (to read), `ports` (its plain data), `wire` (to show events) |
//! | `ui` | panes, widgets, styles: pure drawing | `app` (to read), `domain`, `logs` (to read), `config` |
//! | `tui` | the loop, the terminal guard, input | `app`, `ui`, `config`, `domain`, `ports` (its clock) |
//! | `cli` | commands as typed; the plain and JSON reporters | leaves, `wire`, `config` |
//! | `wiring` | the composition root: resolves what was typed, builds the edges, carries out Effects | everything |
//!
//! Leaves: `domain`, `edn`, `logs`, `archive`, `process`, `crypto`. They know nothing of the rest, so any
//! edge may use them.

pub mod api_client;
pub mod app;
pub mod archive;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod edn;
pub mod engine;
pub mod executors;
pub mod hosts;
pub mod journal;
pub mod logs;
pub mod ports;
pub mod process;
pub mod remote;
pub mod replay;
pub mod script;
pub mod script_api;
pub mod secrets;
pub mod server;
pub mod service;
pub mod store;
pub mod tui;
pub mod ui;
pub mod vcs;
pub mod wire;
pub mod wiring;

/// Shared with the tests outside of the library, so it is here once for all of its own.
#[cfg(test)]
#[path = "../tests/shared/counted.rs"]
mod counted;
