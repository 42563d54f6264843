//! What an order comes to: the commands, the working directory, what is ignored. Pure.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::domain::Job;

/// What is run, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Commands {
    /// Lines of shell, each in a shell of its own (containers.md §3).
    Lines(Vec<String>),
    /// One program with its arguments, without a shell.
    Program(Vec<String>),
}

/// What a job runs, and the directory it works in, relative to its workspace. The error is a sentence
/// that names what stands against it.
pub(super) fn of(job: &Job) -> Result<(Commands, PathBuf), String> {
    let commands = Commands::of(job).ok_or("the job has nothing to run")?;
    if let Some(ms) = job.timeout.filter(|ms| *ms <= 0) {
        return Err(format!("timeout: {ms} ms is no time to run"));
    }
    let wanted = job.work_dir.as_deref().unwrap_or_default();
    let dir = inside(Path::new(""), wanted)
        .ok_or_else(|| format!("work-dir {wanted:?} leads out of the workspace"))?;
    Ok((commands, dir))
}

impl Commands {
    /// What a job runs. `:container/cmd` replaces the script; an entrypoint alone is run
    /// where there is neither. A script brings its shell along, so it needs no entrypoint.
    pub(super) fn of(job: &Job) -> Option<Self> {
        if !job.cmd.is_empty() || job.script.is_empty() {
            let program: Vec<String> = job.entrypoint.iter().chain(&job.cmd).cloned().collect();
            return (!program.is_empty()).then_some(Self::Program(program));
        }
        Some(Self::Lines(job.script.clone()))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Lines(lines) => lines.len(),
            Self::Program(_) => 1,
        }
    }

    /// What a command is called in a message: its place, and as much of its text as fits.
    pub(super) fn describe(&self, index: usize) -> String {
        match self {
            Self::Lines(lines) => {
                let text = lines.get(index).map_or("", String::as_str);
                format!("command {}: {}", index + 1, short(text))
            }
            Self::Program(program) => short(&program.join(" ")),
        }
    }
}

/// Puts words into a list for people: `a, b and c`.
pub(super) fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Reads a path that a job names: relative, without `.` and `..`, starting at `base`, which
/// is such a path itself. `None` when it leaves the workspace.
pub(super) fn inside(base: &Path, path: &str) -> Option<PathBuf> {
    if path.contains('\0') {
        return None;
    }
    let mut inside = base.to_owned();
    for component in Path::new(path).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => inside.push(name),
            // `pop` says no at the top, which is where the workspace ends.
            Component::ParentDir if inside.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(inside)
}

/// Says a time limit as people do: `20 min`, `1 h 30 min`, `1.5 s`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        return format!("{} s", duration.as_millis() as f64 / 1000.0);
    }
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    said.join(" ")
}

/// The first line of a text, without control characters, cut where a message would get long.
pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    let text = text.trim();
    let line = text.lines().next().unwrap_or_default().trim_end();
    let mut short: String = line
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(script: &[&str], entrypoint: &[&str], cmd: &[&str]) -> Job {
        let strings = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let mut job = Job::new("job");
        job.script = strings(script);
        job.entrypoint = strings(entrypoint);
        job.cmd = strings(cmd);
        job
    }

    #[test]
    fn what_stands_against_a_job_is_named() {
        let said = |job: &Job| of(job).unwrap_err();
        let fine = job(&["make"], &[], &[]);
        assert_eq!(said(&job(&[], &[], &[])), "the job has nothing to run");
        for ms in [0, -5] {
            let mut job = fine.clone();
            job.timeout = Some(ms);
            assert_eq!(said(&job), format!("timeout: {ms} ms is no time to run"));
        }
        let mut above = fine;
        above.work_dir = Some("../..".to_owned());
        assert_eq!(
            said(&above),
            "work-dir \"../..\" leads out of the workspace"
        );
    }

    #[test]
    fn a_cmd_replaces_the_script_and_an_entrypoint_goes_before_it() {
        let program = |words: &[&str]| {
            Some(Commands::Program(
                words.iter().map(|&word| word.to_owned()).collect(),
            ))
        };
        assert_eq!(
            Commands::of(&job(&["make"], &[], &["true"])),
            program(&["true"])
        );
        assert_eq!(
            Commands::of(&job(&[], &["env"], &["true"])),
            program(&["env", "true"])
        );
        assert_eq!(Commands::of(&job(&[], &["env"], &[])), program(&["env"]));
        assert_eq!(
            Commands::of(&job(&["make"], &["/bin/bash"], &[])),
            Some(Commands::Lines(vec!["make".into()]))
        );
        assert_eq!(Commands::of(&job(&[], &[], &[])), None);
    }

    #[test]
    fn paths_that_leave_the_workspace_are_refused() {
        let top = Path::new("");
        for path in ["/etc", "..", "a/../..", "a\0b", "./../a"] {
            assert_eq!(inside(top, path), None, "{path:?}");
        }
        assert_eq!(inside(top, "./a/../b/"), Some("b".into()));
        assert_eq!(inside(Path::new("sub"), "../out"), Some("out".into()));
        assert_eq!(inside(Path::new("sub"), "../../out"), None);
    }

    #[test]
    fn limits_are_said_as_people_say_them() {
        let said = |ms| duration(Duration::from_millis(ms));
        assert_eq!(said(20 * 60 * 1000), "20 min");
        assert_eq!(said(90 * 60 * 1000), "1 h 30 min");
        assert_eq!(said(61_000), "1 min 1 s");
        assert_eq!(said(1500), "1.5 s");
        assert_eq!(said(6 * 3_600_000), "6 h");
    }

    #[test]
    fn a_command_is_described_in_one_short_line() {
        let commands = Commands::Lines(vec![
            "true".into(),
            "make\u{1b}[1m check\nmake more".into(),
            "x".repeat(100),
        ]);
        assert_eq!(commands.describe(0), "command 1: true");
        assert_eq!(commands.describe(1), "command 2: make [1m check…");
        assert_eq!(
            commands.describe(2),
            format!("command 3: {}…", "x".repeat(60))
        );
    }
}
