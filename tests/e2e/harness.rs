//! A project in a folder of its own, and the program run in it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Nothing in these tests takes longer, unless it hangs.
pub const LIMIT: Duration = Duration::from_mins(1);

/// A project and a home for the program.
pub struct Project {
    folder: tempfile::TempDir,
}

/// Where no container engine is.
pub const NO_ENGINE: &str = "unix:///no/engine.sock";

impl Project {
    /// A folder without a script.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("project")).unwrap();
        Self { folder }
    }

    /// A project with a `build.yaml`.
    pub fn yaml(text: &str) -> Self {
        Self::empty().file(".monkeyci/build.yaml", text)
    }

    /// Adds a file.
    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.dir().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Where the project is.
    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// Where the program keeps its things.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A command of the program, run in the project's folder.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_monkeyci-tui"), args)
    }

    /// The same of another program, one that becomes ours.
    pub fn command_of(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.dir())
            .env("MONKEYCI_TUI_HOME", self.home())
            .env("TZ", "UTC")
            // No engine but for those who want one.
            .env("DOCKER_HOST", NO_ENGINE)
            .env_remove("MONKEYCI_TUI_EXECUTOR")
            .env_remove("NO_COLOR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Running::start(self.command(args)).wait()
    }

    /// Builds on the host, with plain output.
    pub fn build(&self, args: &[&str]) -> Ran {
        let mut all = vec!["build", "--executor", "host", "--plain"];
        all.extend(args);
        self.run(&all)
    }

    /// Starts a build on the host, with plain output.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut all = vec!["build", "--executor", "host", "--plain"];
        all.extend(args);
        Running::start(self.command(&all))
    }

    /// The journal of the newest build, as JSON.
    pub fn events(&self) -> Vec<serde_json::Value> {
        json_lines(&self.run(&["show", "last", "--json"]).out)
    }

    /// How the jobs of the newest build ended, sorted by id.
    pub fn jobs(&self) -> Vec<(String, String)> {
        let mut ends = std::collections::BTreeMap::new();
        for event in self.events() {
            let id = event["job-id"].as_str().unwrap_or_default().to_owned();
            match event["type"].as_str().unwrap() {
                "job/end" => ends.insert(id, event["status"].as_str().unwrap().to_owned()),
                "job/skipped" => ends.insert(id, "skipped".to_owned()),
                _ => None,
            };
        }
        ends.into_iter().collect()
    }
}

/// Every line as JSON.
pub fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it complained about.
    pub err: String,
}

impl Ran {
    /// Asserts the exit status.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "\n--- out\n{}\n--- err\n{}",
            self.out,
            self.err
        );
        self
    }

    /// Asserts that stdout has a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.out.contains(text),
            "no {text:?} in\n--- out\n{}\n--- err\n{}",
            self.out,
            self.err
        );
        self
    }

    /// Asserts that stdout does not have a text.
    #[track_caller]
    pub fn keeps_quiet_about(self, text: &str) -> Self {
        assert!(
            !self.out.contains(text) && !self.err.contains(text),
            "{text:?} in {self:?}"
        );
        self
    }

    /// Asserts that stderr has a text.
    #[track_caller]
    pub fn complains(self, text: &str) -> Self {
        assert!(
            self.err.contains(text),
            "no {text:?} in\n--- err\n{}\n--- out\n{}",
            self.err,
            self.out
        );
        self
    }
}

/// A program that runs; killed when dropped.
pub struct Running {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
    seen: String,
    err: Option<std::thread::JoinHandle<String>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                // A test that has what it wants does not listen any more.
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
                line.clear();
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let err = std::thread::spawn(move || {
            let mut text = Vec::new();
            // Bytes that cannot be read are no reason to fail: the assertion says what is missing.
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            child,
            lines,
            seen: String::new(),
            err: Some(err),
        }
    }

    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    /// Waits until stdout has a text.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> &mut Self {
        let end = Instant::now() + LIMIT;
        while !self.seen.contains(text) {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push_str(&line),
                Err(error) => panic!("no {text:?}, {error}, in\n{}", self.seen),
            }
        }
        self
    }

    /// What stdout had so far.
    pub fn seen(&self) -> &str {
        &self.seen
    }

    /// Waits until stdout has that many lines, or has ended.
    #[track_caller]
    pub fn until_lines(&mut self, count: usize) -> &mut Self {
        while self.seen.lines().count() < count {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => self.seen.push_str(&line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("no {count} lines in\n{}", self.seen)
                }
            }
        }
        self
    }

    pub fn signal(&mut self, signal: rustix::process::Signal) -> &mut Self {
        rustix::process::kill_process(self.pid(), signal).unwrap();
        self
    }

    /// True when it has ended.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end.
    #[track_caller]
    pub fn wait(mut self) -> Ran {
        let end = Instant::now() + LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push_str(&line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("hangs after\n{}", self.seen)
                }
            }
        }
        let status = self.child.wait().unwrap();
        let err = self.err.take().unwrap().join().unwrap();
        Ran {
            code: status.code(),
            out: std::mem::take(&mut self.seen),
            err,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Waits until something is true.
#[track_caller]
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_true() {
        assert!(Instant::now() < end, "not so within the limit: {what}");
        std::thread::yield_now();
    }
}

/// True while some process has this text in its command line.
pub fn runs_somewhere(text: &str) -> bool {
    !running(text).is_empty()
}

/// The processes that have a text in their command line.
pub fn running(text: &str) -> Vec<rustix::process::Pid> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let found = String::from_utf8_lossy(&line).contains(text);
            found.then(|| rustix::process::Pid::from_raw(pid)).flatten()
        })
        .collect()
}

/// The child of a process that has a text in its command line.
#[track_caller]
pub fn child_of(parent: rustix::process::Pid, name: &str) -> rustix::process::Pid {
    let parent = format!("PPid:\t{}\n", parent.as_raw_nonzero());
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .find_map(|entry| {
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            (status.contains(&parent) && line.contains(name))
                .then(|| rustix::process::Pid::from_raw(pid))
                .flatten()
        })
        .expect("the script host runs")
}

/// A process and all that descend from it.
pub fn family(first: rustix::process::Pid) -> Vec<i32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let parent = status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
        parents.push((pid, parent.unwrap_or(0)));
    }
    let mut family: Vec<i32> = vec![first.as_raw_nonzero().get()];
    let mut at = 0;
    while at < family.len() {
        let children = parents.iter().filter(|(_, parent)| *parent == family[at]);
        let children: Vec<i32> = children.map(|(pid, _)| *pid).collect();
        family.extend(children);
        at += 1;
    }
    family
}

/// The processes that work below a folder.
pub fn at_work_in(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path().join("cwd")).ok())
        .filter(|cwd| cwd.starts_with(folder))
        .collect()
}

/// Waits for a file that somebody else writes.
#[track_caller]
pub fn wait_for_file(file: &Path) {
    eventually(&format!("{} is there", file.display()), || file.exists());
}
