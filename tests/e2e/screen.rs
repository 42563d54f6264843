//! The program in a terminal of its own: a pseudo-terminal, what it shows, and hands that type.
//!
//! A thread feeds what the program writes to a terminal emulator, which answers no questions: a
//! program that asks where the cursor is waits in vain. A test waits for what the screen
//! shows, never for time to pass; whatever is still running when it ends is killed.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{LIMIT, NO_ENGINE, Project, eventually};

/// What the program has written so far.
struct Seen {
    emulator: vt100::Parser,
    raw: Vec<u8>,
    /// Nobody has the terminal open any more.
    closed: bool,
    /// The window is to be closed.
    closing: bool,
}

/// A terminal with the program in it.
pub struct Screen {
    seen: Arc<(Mutex<Seen>, Condvar)>,
    master: Option<Box<dyn MasterPty + Send>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    /// How the terminal was set before the program began.
    before: String,
}

/// A program that has left its terminal.
#[derive(Debug)]
pub struct Left {
    /// Its exit status.
    pub code: u32,
    /// What stands on the ordinary screen.
    pub scrollback: String,
    /// All that was ever written.
    pub raw: Vec<u8>,
}

impl Screen {
    /// Starts the program in a project's folder, in a terminal of 80×24.
    pub fn start(project: &Project, args: &[&str]) -> Self {
        Self::sized(project, args, (80, 24))
    }

    /// Starts the program in a terminal of some columns and rows.
    pub fn sized(project: &Project, args: &[&str], size: (u16, u16)) -> Self {
        Self::run(Self::command(project, args), size)
    }

    /// The command of the program, with the environment of an ordinary terminal.
    pub fn command(project: &Project, args: &[&str]) -> CommandBuilder {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_monkeyci-tui"));
        command.args(args);
        Self::surround(&mut command, project);
        command
    }

    /// A command of the program run by a shell with job control, which says how it went.
    pub fn in_a_shell(project: &Project, args: &[&str]) -> CommandBuilder {
        let mut command = CommandBuilder::new("sh");
        command.args([
            "-c",
            "set -m; \"$0\" \"$@\"; echo \"[shell: $?]\"; read go; fg >/dev/null; echo \"[ended: $?]\"",
            env!("CARGO_BIN_EXE_monkeyci-tui"),
        ]);
        command.args(args);
        Self::surround(&mut command, project);
        command
    }

    fn surround(command: &mut CommandBuilder, project: &Project) {
        command.cwd(project.dir());
        command.env("MONKEYCI_TUI_HOME", project.home());
        command.env("TZ", "UTC");
        command.env("DOCKER_HOST", NO_ENGINE);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        for name in [
            "MONKEYCI_TUI_EXECUTOR",
            "NO_COLOR",
            "COLORTERM",
            "LC_ALL",
            "MONKEYCI_TUI_MARK",
        ] {
            command.env_remove(name);
        }
    }

    /// Runs a command in a terminal.
    pub fn run(command: CommandBuilder, (cols, rows): (u16, u16)) -> Self {
        let size = PtySize {
            rows,
            cols,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let before = format!("{:?}", pair.master.get_termios());
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        // Only those in the terminal hold it open, so that its end is seen.
        drop(pair.slave);
        let seen = Seen {
            emulator: vt100::Parser::new(rows, cols, 0),
            raw: Vec::new(),
            closed: false,
            closing: false,
        };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let told = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                // A terminal that nobody has open any more is an error to read.
                let read = reader.read(&mut buffer).unwrap_or(0);
                // Poisoned by a test that has failed.
                let Ok(mut seen) = told.0.lock() else { return };
                if seen.closing {
                    return;
                }
                seen.emulator.process(&buffer[..read]);
                seen.raw.extend_from_slice(&buffer[..read]);
                seen.closed = read == 0;
                told.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Self {
            seen,
            master: Some(pair.master),
            keys,
            child,
            before,
        }
    }

    /// Waits until the screen is in some state.
    #[track_caller]
    pub fn when(&mut self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) -> &mut Self {
        drop(self.when_seen(what, |seen| is_so(seen.emulator.screen())));
        self
    }

    /// Waits until the screen shows a text.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> &mut Self {
        self.when(&format!("{text:?} is shown"), |screen| {
            screen.contents().contains(text)
        })
    }

    /// Waits until the screen does not show a text any more.
    #[track_caller]
    pub fn until_gone(&mut self, text: &str) -> &mut Self {
        self.when(&format!("{text:?} is not shown"), |screen| {
            !screen.contents().contains(text)
        })
    }

    #[track_caller]
    fn when_seen(&self, what: &str, is_so: impl Fn(&Seen) -> bool) -> MutexGuard<'_, Seen> {
        let end = Instant::now() + LIMIT;
        let mut seen = self.seen.0.lock().unwrap();
        while !is_so(&seen) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !seen.closed,
                "not so {}: {what}; the screen shows\n{}",
                if seen.closed {
                    "at the program's end"
                } else {
                    "within the limit"
                },
                seen.emulator.screen().contents()
            );
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
        seen
    }

    /// What the screen shows now.
    pub fn text(&self) -> String {
        self.seen.0.lock().unwrap().emulator.screen().contents()
    }

    /// Types keys.
    pub fn keys(&mut self, keys: &str) -> &mut Self {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
        self
    }

    /// Gives the window another size.
    pub fn resize(&mut self, cols: u16, rows: u16) -> &mut Self {
        let size = PtySize {
            rows,
            cols,
            ..PtySize::default()
        };
        let mut seen = self.seen.0.lock().unwrap();
        seen.emulator.screen_mut().set_size(rows, cols);
        self.master.as_ref().unwrap().resize(size).unwrap();
        drop(seen);
        self
    }

    /// Sends the program a signal.
    pub fn signal(&mut self, signal: Signal) -> &mut Self {
        kill_process(self.pid(), signal).unwrap();
        self
    }

    /// The program's process.
    pub fn pid(&self) -> Pid {
        let pid = self.child.process_id().unwrap();
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    /// Closes the window, as a user does with a mouse, and waits until the program has ended.
    #[track_caller]
    pub fn close(&mut self) {
        self.seen.0.lock().unwrap().closing = true;
        // Drawing anew wakes the thread that reads, which has the window open too.
        self.resize(81, 25);
        self.keys = Box::new(std::io::sink());
        self.master = None;
        eventually("the program ends", || {
            self.child.try_wait().unwrap().is_some()
        });
    }

    /// Asserts that the terminal is as it was before the program began.
    #[track_caller]
    pub fn is_given_back(&self) {
        let seen = self.seen.0.lock().unwrap();
        let screen = seen.emulator.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is left");
        assert!(!screen.hide_cursor(), "the cursor is shown");
        assert!(!screen.bracketed_paste(), "bracketed paste is off");
        assert_eq!(
            screen.mouse_protocol_mode(),
            vt100::MouseProtocolMode::None,
            "the mouse is the terminal's"
        );
        assert!(
            !unfinished_update(&seen.raw),
            "no synchronized update is left open"
        );
        let master = self.master.as_ref().unwrap();
        assert_eq!(
            format!("{:?}", master.get_termios()),
            self.before,
            "raw mode is off"
        );
    }

    /// Waits until the program has ended, and asserts that it has given the terminal back.
    #[track_caller]
    pub fn ends(mut self, code: u32) -> Left {
        let left = self.ends_somehow();
        self.is_given_back();
        assert_eq!(left.code, code, "\n{}", left.scrollback);
        left
    }

    /// Waits until the program has ended and nobody has its terminal any more.
    #[track_caller]
    pub fn ends_somehow(&mut self) -> Left {
        let raw = self
            .when_seen("the program ends", |seen| seen.closed)
            .raw
            .clone();
        let code = self.child.wait().unwrap().exit_code();
        Left {
            code,
            scrollback: plain(&raw),
            raw,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Left {
    /// Asserts that the ordinary screen has a text.
    #[track_caller]
    pub fn leaves(&self, text: &str) -> &Self {
        assert!(
            self.scrollback.contains(text),
            "no {text:?} in\n{}",
            self.scrollback
        );
        self
    }
}

/// What was written outside of the alternate screen, as text.
fn plain(raw: &[u8]) -> String {
    let enter = b"\x1b[?1049h";
    let leave = b"\x1b[?1049l";
    let mut rest = raw;
    let mut outside = Vec::new();
    while let Some(at) = find(rest, enter) {
        outside.extend_from_slice(&rest[..at]);
        rest = find(rest, leave).map_or(&[][..], |at| &rest[at + leave.len()..]);
    }
    outside.extend_from_slice(rest);
    let mut emulator = vt100::Parser::new(400, 400, 0);
    emulator.process(&outside);
    emulator.screen().contents()
}

fn unfinished_update(raw: &[u8]) -> bool {
    let count = |text: &[u8]| raw.windows(text.len()).filter(|part| *part == text).count();
    count(b"\x1b[?2026h") > count(b"\x1b[?2026l")
}

/// Where some bytes are in others.
pub fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}

/// A place that a job of a test waits for, so that the test says when it goes on.
pub fn go(path: &Path) {
    std::fs::write(path, "").unwrap();
}
