//! The script child against real shells.

use std::path::Path;

use tempfile::TempDir;

use crate::ports::SystemClock;

use super::super::handle::GrowthHub;
use super::super::logbook::Logbook;
use super::super::masks::Masks;
use super::*;

/// Far beyond what anything here takes on the slowest machine.
const LIMIT: Duration = Duration::from_mins(1);

struct Child {
    dir: TempDir,
    handle: ScriptChild,
    exit: tokio::task::JoinHandle<ChildExit>,
}

impl Child {
    fn start(script: &str, stdin: &[u8], grace: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let command = ChildCommand {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("PATH".into(), std::env::var_os("PATH").unwrap())],
            cwd: dir.path().to_owned(),
            stdin: stdin.to_owned(),
        };
        let logs = dir.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        let book = Logbook::new(
            logs,
            Masks::default(),
            GrowthHub::default(),
            Arc::new(SystemClock),
        );
        let log = book.of_script().unwrap();
        let (handle, watch) = ScriptChild::start(command, grace).unwrap();
        let exit = tokio::spawn(async move {
            let (exit, logged) = watch.wait(&log).await;
            logged.unwrap();
            log.end_command().unwrap();
            exit
        });
        Self { dir, handle, exit }
    }

    fn log(&self) -> String {
        let path = self
            .dir
            .path()
            .join("logs")
            .join(format!("{}.log", crate::domain::LogId::Script.stem()));
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
    }

    async fn wait_for(&self, text: &str) {
        tokio::time::timeout(LIMIT, async {
            while !self.log().contains(text) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{text:?} was never written"));
    }

    async fn exit(&mut self) -> ChildExit {
        tokio::time::timeout(LIMIT, &mut self.exit)
            .await
            .expect("this takes far too long")
            .unwrap()
    }
}

/// Tells whether a process can still do anything: one that is on its way out has no memory left.
fn is_alive(pid: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| !command.is_empty())
}

#[tokio::test]
async fn the_child_reads_its_orders_and_what_it_prints_is_logged() {
    let mut child = Child::start(
        "cat; echo oops >&2; exit 7",
        &b"0123456789\n".repeat(100_000),
        LIMIT,
    );
    let exit = child.exit().await;
    assert_eq!(
        exit,
        ChildExit {
            code: Some(7),
            signal: None,
            last_words: "oops".into(),
        }
    );
    let log = child.log();
    // Between the two streams the order is that of arrival.
    assert_eq!(
        log.replacen("oops\n", "", 1),
        "0123456789\n".repeat(100_000)
    );
}

#[tokio::test]
async fn a_child_that_reads_nothing_ends_all_the_same() {
    let orders = vec![b'x'; 1_000_000];
    let mut child = Child::start("exec 0<&-; echo done", &orders, LIMIT);
    assert_eq!(child.exit().await.code, Some(0));
    // A stray that holds the input open does not hold the build up.
    let mut child = Child::start(
        "setsid sleep 1000 >/dev/null 2>&1 <&0 & exit 0",
        &orders,
        LIMIT,
    );
    assert_eq!(child.exit().await.code, Some(0));
}

#[tokio::test]
async fn a_child_that_is_asked_may_clean_up() {
    let script = "trap 'echo bye; exit 5' TERM; echo ready; while true; do sleep 0.01; done";
    let mut child = Child::start(script, b"", LIMIT);
    child.wait_for("ready").await;
    child.handle.terminate();
    child.handle.terminate();
    assert_eq!(child.exit().await.code, Some(5));
    assert!(child.log().contains("bye"));
    // Nobody is there to hear these.
    child.handle.terminate();
    child.handle.kill();
}

const DEAF: &str = "trap '' TERM; echo ready; while true; do sleep 0.05; done";

#[tokio::test]
async fn a_child_deaf_to_term_is_ended_after_the_grace_time() {
    let mut child = Child::start(DEAF, b"", Duration::from_millis(50));
    child.wait_for("ready").await;
    child.handle.terminate();
    let exit = child.exit().await;
    assert_eq!((exit.code, exit.signal), (None, Some(9)));
}

#[tokio::test]
async fn a_child_is_killed_at_once() {
    for ask_first in [true, false] {
        let mut child = Child::start(DEAF, b"", LIMIT);
        child.wait_for("ready").await;
        if ask_first {
            child.handle.terminate();
        }
        child.handle.kill();
        assert_eq!(child.exit().await.signal, Some(9));
    }
}

#[tokio::test]
async fn what_the_child_started_ends_with_it() {
    for orphan in [
        "sleep 1000 >/dev/null 2>&1 & echo $!",
        "sleep 1000 & echo $!",
        "setsid sleep 1000 >/dev/null 2>&1 & echo $!",
        "setsid sleep 1000 & echo $!",
    ] {
        let mut child = Child::start(orphan, b"", LIMIT);
        assert_eq!(child.exit().await.code, Some(0));
        let pid = child.log().trim().to_owned();
        assert!(pid.parse::<u32>().is_ok(), "{pid:?}");
        assert!(!is_alive(&pid), "{orphan}");
    }
}

#[tokio::test]
async fn a_child_that_nobody_waits_for_is_ended() {
    let mut child = Child::start(
        "setsid sleep 1000 >/dev/null & echo $! $$ ready; wait",
        b"",
        LIMIT,
    );
    child.wait_for("ready").await;
    let log = child.log();
    child.exit.abort();
    assert!((&mut child.exit).await.is_err());
    for pid in log.split(' ').take(2) {
        tokio::time::timeout(LIMIT, async {
            while is_alive(pid) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("it is ended");
    }
}

#[tokio::test]
async fn a_flood_is_logged_and_only_its_end_is_remembered() {
    let script = "yes 0123456789 | head -c 20000000; yes aargh | head -c 20000000 >&2; \
                  printf '\\n\\033[31mred\\033[0m end\\n\\n' >&2";
    let mut child = Child::start(script, b"", LIMIT);
    let exit = child.exit().await;
    assert!(exit.last_words.ends_with("aa / red end"), "{exit:?}");
    assert!(exit.last_words.len() < 1000);
    assert!(child.log().len() > 40_000_000);
}

#[test]
fn last_words_are_the_last_lines_without_colours() {
    let mut words = LastWords::default();
    assert_eq!(LastWords::default().said(), "");
    words.hear(b"first\n\n\x1b[1mError\x1b[0m: no\n  \n\tat line 3\r\n\n");
    assert_eq!(words.said(), "first / Error: no / at line 3");

    let mut words = LastWords::default();
    words.hear("é".repeat(100_000).as_bytes());
    let said = words.said();
    assert_eq!(said.chars().count(), 501);
    assert!(said.starts_with('…'));
}

#[tokio::test]
async fn a_child_that_cannot_be_started_is_explained() {
    let command = |program: &Path, cwd: &str| ChildCommand {
        program: program.to_owned(),
        args: Vec::new(),
        env: Vec::new(),
        cwd: cwd.into(),
        stdin: b"token".to_vec(),
    };
    let why = |command| match ScriptChild::start(command, LIMIT) {
        Ok(_) => panic!("this cannot be started"),
        Err(why) => why,
    };
    assert_eq!(
        why(command(Path::new("no-such-program"), "/")),
        "cannot run the script: there is no program `no-such-program`; install it, or put it on the PATH"
    );
    assert!(why(command(Path::new("/bin/sh"), "/no/such/folder")).contains("/no/such/folder"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("no-program");
    std::fs::write(&file, "").unwrap();
    assert!(why(command(&file, "/")).contains("may this user run it?"));
    let shown = format!("{:?}", command(&file, "/"));
    assert!(!shown.contains("token") && !shown.contains(&format!("{:?}", b"token")));
}
