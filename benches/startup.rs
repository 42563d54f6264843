//! How long the program takes to be there. Goal: exec to the first full frame in at most 25 ms.
//!
//! Run with the release program: `cargo bench --bench startup`.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use divan::Bencher;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_monkeyci-tui");
const SIZE: PtySize = PtySize {
    rows: 24,
    cols: 80,
    pixel_width: 0,
    pixel_height: 0,
};

fn main() {
    divan::main();
}

/// The least the program can do: what is left is the loader and the argument parser.
#[divan::bench]
fn version(bencher: Bencher) {
    bencher.bench_local(|| {
        let status = Command::new(PROGRAM)
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .expect("the program starts");
        assert!(status.success());
    });
}

/// A program on a terminal; dropping it ends it.
struct Shown {
    child: Box<dyn Child + Send + Sync>,
    _terminal: Box<dyn MasterPty + Send>,
    _home: TempDir,
}

impl Drop for Shown {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The demo's project opened on a terminal of 80×24, until the first and the last row are
/// drawn. Nothing is recorded yet.
#[divan::bench]
fn exec_to_first_frame(bencher: Bencher) {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
    bencher
        .with_inputs(|| {
            let home = tempfile::tempdir().expect("there is a temp folder");
            let pty = native_pty_system().openpty(SIZE).expect("a terminal opens");
            let mut command = CommandBuilder::new(PROGRAM);
            command.arg("-d");
            command.arg(&demo);
            command.env("MONKEYCI_TUI_HOME", home.path());
            command.env("TERM", "xterm-256color");
            (home, pty, command)
        })
        .bench_local_values(|(home, pty, command)| {
            let child = pty
                .slave
                .spawn_command(command)
                .expect("the program starts");
            drop(pty.slave);
            let mut output = pty.master.try_clone_reader().expect("the terminal is read");
            let mut screen = vt100::Parser::new(SIZE.rows, SIZE.cols, 0);
            let mut bytes = vec![0; 64 * 1024];
            while !is_full(screen.screen()) {
                let count = output.read(&mut bytes).unwrap_or_default();
                assert!(count > 0, "the program ended without a frame");
                screen.process(&bytes[..count]);
            }
            Shown {
                child,
                _terminal: pty.master,
                _home: home,
            }
        });
}

fn is_full(screen: &vt100::Screen) -> bool {
    let rows: Vec<String> = screen.rows(0, SIZE.cols).collect();
    [rows.first(), rows.last()]
        .iter()
        .all(|row| row.is_some_and(|row| !row.trim().is_empty()))
}
