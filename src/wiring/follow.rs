//! Following a build on a server to its end, as lines: each job's and the build's changes, once.
//!
//! The event stream says when something changes; what it has lost is asked for. Where there is no
//! stream (a token that may not, a proxy that lets none through) asking now and then does as well.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::clean;
use crate::cli::plain::spell_duration;
use crate::domain::{BuildStatus, JobId, JobStatus, Sid};
use crate::remote::{BuildInfo, Client, JobInfo, OrgEvent, OrgEvents, RemoteError};

use super::error::{Exit, UserError};
use super::history::quiet;
use super::servers::said;

/// How often a build is asked for without a stream.
const WITHOUT_STREAM: Duration = Duration::from_secs(3);

/// How often with one: it may have lost something.
const WITH_STREAM: Duration = Duration::from_secs(30);

/// How often once the end was told.
pub(super) const AT_END: Duration = Duration::from_secs(1);

/// How long to wait for a stream before the first question.
const FIRST_WAIT: Duration = Duration::from_secs(10);

/// The pause before a lost stream is opened again; it doubles.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Prints what becomes of a build until it is over; how it ended is the exit status. `Ctrl-c` ends
/// the watching, not the build.
pub(super) async fn follow(client: &Client, sid: &Sid) -> Result<Exit, UserError> {
    tokio::select! {
        ended = to_the_end(client, sid) => ended,
        _ = tokio::signal::ctrl_c() => {
            complain!(
                "{} goes on; `monkeyci-tui cancel {}` stops it",
                clean(&sid.build),
                clean(&sid.to_string())
            );
            Ok(Exit::Interrupted)
        }
    }
}

async fn to_the_end(client: &Client, sid: &Sid) -> Result<Exit, UserError> {
    let mut told = Told::default();
    let mut stream = Stream::new(client.events(&sid.org));
    // Subscribed before the first question, so that nothing falls between the two.
    let _ = tokio::time::timeout(FIRST_WAIT, stream.connected()).await;
    let mut ask_at = Instant::now();
    loop {
        tokio::select! {
            // A question that is due goes first: a stream that never pauses must not hold it up.
            biased;
            () = tokio::time::sleep_until(ask_at) => {}
            heard = stream.next(client, sid) => match heard {
                Heard::Build(build) => {
                    tell(&mut told, &build)?;
                    if !build.status.is_final() {
                        continue;
                    }
                    // What is told at the end is asked for once: the event may be a moment old.
                }
                Heard::Reload => {}
                Heard::Nothing => continue,
            },
        }
        let pause = match stream.is_open() {
            // The end was told, and is not there yet where it is asked for.
            _ if told.is_over() => AT_END,
            true => WITH_STREAM,
            false => WITHOUT_STREAM,
        };
        ask_at = Instant::now() + pause;
        match client.build(sid).await {
            Ok(build) => {
                tell(&mut told, &build)?;
                if build.status.is_final() {
                    return Ok(exit_of(&build));
                }
            }
            Err(error) if error.is_transient() => told.trouble(&error),
            Err(error) => return Err(said(&error)),
        }
    }
}

/// How a build that is over ended (decisions.md, "Exit status").
pub(super) fn exit_of(build: &BuildInfo) -> Exit {
    let never = |job: &JobInfo| matches!(job.status, JobStatus::Pending | JobStatus::Skipped);
    match build.status {
        BuildStatus::Success => Exit::Success,
        BuildStatus::Canceled => Exit::Canceled,
        _ if build.jobs().iter().all(never) => Exit::NotRun,
        _ => Exit::Failed,
    }
}

/// What a stream has to say.
enum Heard {
    Build(Box<BuildInfo>),
    /// Something may have been missed.
    Reload,
    Nothing,
}

/// The event stream, opened again when it is lost.
struct Stream {
    events: Option<OrgEvents>,
    open: bool,
    again_at: Option<Instant>,
    pause: Duration,
}

impl Stream {
    fn new(events: OrgEvents) -> Self {
        Self {
            events: Some(events),
            open: false,
            again_at: None,
            pause: SHORTEST_PAUSE,
        }
    }

    fn is_open(&self) -> bool {
        self.open
    }

    /// Waits until the first connection is made, or fails.
    async fn connected(&mut self) {
        if let Some(events) = &mut self.events {
            let event = events.next().await;
            self.hear(event.as_ref());
        }
    }

    async fn next(&mut self, client: &Client, sid: &Sid) -> Heard {
        if let Some(at) = self.again_at {
            tokio::time::sleep_until(at).await;
            self.again_at = None;
            self.events = Some(client.events(&sid.org));
        }
        let Some(events) = &mut self.events else {
            return std::future::pending().await;
        };
        let event = events.next().await;
        match event {
            Some(OrgEvent::Build(build)) if build.sid() == *sid => Heard::Build(build),
            Some(OrgEvent::Connected) => {
                self.open = true;
                self.pause = SHORTEST_PAUSE;
                Heard::Reload
            }
            event => {
                self.hear(event.as_ref());
                Heard::Nothing
            }
        }
    }

    fn hear(&mut self, event: Option<&OrgEvent>) {
        match event {
            Some(OrgEvent::Connected) => self.open = true,
            Some(OrgEvent::Build(_) | OrgEvent::Ping) => {}
            // The questions go on, and say what is wrong where something is.
            Some(OrgEvent::Refused(_)) => {
                self.open = false;
                self.events = None;
            }
            Some(OrgEvent::Lost(_)) | None => {
                self.open = false;
                self.events = None;
                self.again_at = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// What has been printed.
#[derive(Debug, Default)]
struct Told {
    build: Option<BuildStatus>,
    jobs: HashMap<JobId, JobStatus>,
    trouble: bool,
}

impl Told {
    fn is_over(&self) -> bool {
        self.build.as_ref().is_some_and(BuildStatus::is_final)
    }

    /// The lines that a newer state is worth. Nothing goes backwards: an event may be older than
    /// what was asked for (public-api.md §8).
    fn lines(&mut self, build: &BuildInfo) -> Vec<String> {
        let mut lines = Vec::new();
        self.trouble = false;
        let sid = build.sid();
        let is_over = build.status.is_final();
        // A build that is over is told after its jobs.
        if !is_over {
            lines.extend(self.build_line(build));
        }
        for job in build.jobs() {
            let known = self.jobs.get(&job.id);
            let is_news = match known {
                // What waits for its turn is no news.
                None => job.status != JobStatus::Pending,
                Some(known) => job_rank(&job.status) > job_rank(known) || is_approved(known, &job),
            };
            if !is_news && known.is_some() {
                continue;
            }
            self.jobs.insert(job.id.clone(), job.status.clone());
            if is_news {
                lines.push(job_line(&job, &sid));
            }
        }
        if is_over {
            lines.extend(self.build_line(build));
        }
        lines
    }

    fn build_line(&mut self, build: &BuildInfo) -> Option<String> {
        let rank = build_rank(&build.status);
        let known = self.build.as_ref().map(build_rank);
        if known.is_some_and(|known| rank <= known) {
            return None;
        }
        self.build = Some(build.status.clone());
        let mut line = format!("{} {}", build.build_id, build.status);
        if let (true, Some(start), Some(end)) = (build.status.is_final(), build.start, build.end) {
            line.push_str(&format!(" in {}", spell_duration(end - start)));
        }
        if let Some(message) = &build.message {
            line.push_str(&format!(": {message}"));
        }
        Some(line)
    }

    /// Said once, until it goes well again.
    fn trouble(&mut self, error: &RemoteError) {
        if !std::mem::replace(&mut self.trouble, true) {
            complain!("monkeyci-tui: {}; it is tried again", said(error));
        }
    }
}

fn tell(told: &mut Told, build: &BuildInfo) -> Result<(), UserError> {
    let mut out = std::io::stdout().lock();
    for line in told.lines(build) {
        quiet(writeln!(out, "{}", clean(&line)))?;
    }
    quiet(out.flush())?;
    Ok(())
}

fn job_line(job: &JobInfo, sid: &Sid) -> String {
    let mut line = format!("  {} {}", job.id, job.status);
    if let (Some(start), Some(end)) = (job.start, job.end)
        && job_rank(&job.status) == LAST
    {
        line.push_str(&format!(" in {}", spell_duration(end - start)));
    }
    if job.status == JobStatus::Blocked {
        line.push_str(&format!(
            ": `monkeyci-tui unblock {} {sid}` lets it run",
            job.id
        ));
    } else if let Some(message) = job.message().filter(|_| job.status.is_failed()) {
        line.push_str(&format!(": {message}"));
    }
    line
}

/// Approved: from blocked to queued, which is no step forward.
fn is_approved(known: &JobStatus, job: &JobInfo) -> bool {
    *known == JobStatus::Blocked && job.status == JobStatus::Queued
}

/// Where a job ends.
const LAST: u8 = 4;

fn job_rank(status: &JobStatus) -> u8 {
    match status {
        JobStatus::Pending => 0,
        JobStatus::Queued | JobStatus::Blocked => 1,
        JobStatus::Initializing => 2,
        JobStatus::Running | JobStatus::Other(_) => 3,
        JobStatus::Success
        | JobStatus::Failure
        | JobStatus::Error
        | JobStatus::Skipped
        | JobStatus::Canceled => LAST,
    }
}

fn build_rank(status: &BuildStatus) -> u8 {
    match status {
        BuildStatus::Pending => 0,
        BuildStatus::Queued => 1,
        BuildStatus::Initializing => 2,
        BuildStatus::Running | BuildStatus::Other(_) => 3,
        BuildStatus::Success | BuildStatus::Error | BuildStatus::Canceled => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn;

    fn build(status: &str, jobs: &str, more: &str) -> BuildInfo {
        let text = format!(
            "{{:org-id \"o\" :repo-id \"r\" :build-id \"build-1\" :status :{status} \
             :script {{:jobs {jobs}}} {more}}}"
        );
        BuildInfo::read(edn::read_str(&text).unwrap().as_map().unwrap()).unwrap()
    }

    #[test]
    fn changes_are_told_once_and_never_backwards() {
        let mut told = Told::default();
        assert_eq!(told.lines(&build("pending", "[]", "")), ["build-1 pending"]);
        let running = build(
            "running",
            r#"[{:id "a" :status :running} {:id "b" :status :pending} {:id "c" :status :blocked}]"#,
            "",
        );
        assert_eq!(
            told.lines(&running),
            [
                "build-1 running",
                "  a running",
                "  c blocked: `monkeyci-tui unblock c o/r/build-1` lets it run"
            ]
        );
        assert!(told.lines(&running).is_empty());
        let next = build(
            "running",
            r#"{"a" {:status :failure :start-time 1000 :end-time 3000 :result {:message "exit 1"}}
                "b" {:status :skipped} "c" {:status :queued}}"#,
            "",
        );
        let lines = told.lines(&next);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("  a failure in 2") && lines[0].ends_with(": exit 1"));
        // An older state comes late.
        assert!(told.lines(&running).is_empty());
        let end = build(
            "error",
            "[]",
            ":message \"no\" :start-time 0 :end-time 5000",
        );
        let lines = told.lines(&end);
        assert!(
            lines[0].starts_with("build-1 error in 5") && lines[0].ends_with(": no"),
            "{lines:?}"
        );
    }

    #[test]
    fn the_end_is_the_exit_status() {
        for (status, jobs, exit) in [
            ("success", "[]", Exit::Success),
            ("canceled", "[]", Exit::Canceled),
            ("error", r#"[{:id "a" :status :failure}]"#, Exit::Failed),
            ("error", r#"[{:id "a" :status :pending}]"#, Exit::NotRun),
            ("error", "nil", Exit::NotRun),
        ] {
            assert_eq!(exit_of(&build(status, jobs, "")), exit, "{status} {jobs}");
        }
    }
}
