//! Text of our own in the main pane: what a script would do, what became of a build, why a job does
//! not run. Says what is shown and what role each part has; how a role looks is the business of `ui`.

use unicode_segmentation::UnicodeSegmentation;

use crate::domain::{
    BlobRef, Build, BuildStatus, Chosen, Exposed, GitInfo, JobGraph, JobId, JobKind, JobState,
    JobStatus,
};

use super::build_view::{BuildView, Selected};
use super::state::{Script, State};
use super::{Action, text, usage, why};

/// A line of text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocLine {
    /// Columns before it, also before what is wrapped.
    pub indent: usize,
    /// What it says.
    pub parts: Vec<Part>,
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text in a role; clean.
    Text(Role, String),
    /// The glyph of a job's status.
    Job(JobStatus),
    /// The glyph of a build's status.
    Build(BuildStatus),
    /// From where something is reached to what is reached.
    Arrow,
}

/// What a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Role {
    Plain,
    Dim,
    Strong,
    Heading,
    Good,
    Bad,
    Warn,
    Key,
    Code,
}

/// Puts a document together.
#[derive(Debug, Default)]
struct Doc {
    lines: Vec<DocLine>,
}

impl Doc {
    fn line(&mut self, indent: usize, parts: impl IntoIterator<Item = (Role, String)>) {
        let parts = parts
            .into_iter()
            .map(|(role, part)| Part::Text(role, text::clean(&part).into_owned()))
            .collect();
        self.lines.push(DocLine { indent, parts });
    }

    fn say(&mut self, role: Role, line: impl Into<String>) {
        self.line(0, [(role, line.into())]);
    }

    fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| !line.parts.is_empty()) {
            self.lines.push(DocLine::default());
        }
    }

    fn heading(&mut self, title: &str) {
        self.gap();
        self.say(Role::Heading, title);
    }

    /// `label    value`, the values one below the other.
    fn field(&mut self, label: &str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.line(
                0,
                [(Role::Dim, format!("{label:<11}")), (Role::Plain, value)],
            );
        }
    }
}

/// Returns what the main pane says when it shows no log and no artifacts.
pub fn main(state: &State) -> Vec<DocLine> {
    let mut doc = Doc::default();
    let view = state.view();
    match (&view.selected, state.job()) {
        (Selected::Job(_), Some(job)) => {
            if state.shows_build() {
                standing(&mut doc, view, job);
            }
            definition(&mut doc, &view.build, job);
        }
        _ if state.shows_build() => of_build(&mut doc, state, view),
        _ => of_project(&mut doc, state),
    }
    doc.lines
}

fn of_project(doc: &mut Doc, state: &State) {
    let project = &state.project;
    let key = |action: Action| state.bindings.label(action).unwrap_or_default();
    match &project.script {
        Script::Loading => doc.say(Role::Dim, "reading the script …"),
        Script::Missing => {
            doc.line(0, [(Role::Strong, "There is no .monkeyci here".to_owned())]);
            doc.gap();
            doc.field("folder", project.dir.clone());
            doc.gap();
            doc.say(
                Role::Plain,
                "A build script lives in the folder .monkeyci: build.yaml, build.json or build.edn. \
                 Start this program where there is one, or watch a build that comes with it:",
            );
            doc.gap();
            doc.line(
                2,
                [
                    (Role::Key, key(Action::StartBuild)),
                    (
                        Role::Plain,
                        "  starts the demo: a small C program, compiled, tested and packed"
                            .to_owned(),
                    ),
                ],
            );
            doc.line(
                2,
                [
                    (Role::Key, key(Action::Help)),
                    (Role::Plain, "  shows all keys".to_owned()),
                ],
            );
            doc.line(
                2,
                [
                    (Role::Key, key(Action::Quit)),
                    (Role::Plain, "  quits".to_owned()),
                ],
            );
        }
        Script::Broken(why) => {
            doc.line(0, [(Role::Bad, "The script cannot be run".to_owned())]);
            doc.gap();
            for line in why.lines() {
                doc.line(0, [(Role::Code, line.to_owned())]);
            }
            doc.gap();
            doc.line(
                0,
                [
                    (Role::Dim, "mend it and press ".to_owned()),
                    (Role::Key, key(Action::StartBuild)),
                ],
            );
        }
        Script::Loaded {
            jobs,
            clojure,
            warnings,
        } => {
            doc.line(0, [(Role::Strong, project.name.clone())]);
            doc.gap();
            doc.field("folder", project.dir.clone());
            git(doc, &project.git);
            let counted = text::count(jobs.len(), "job");
            doc.field(
                "script",
                match (clojure, jobs.is_empty()) {
                    (false, _) => counted,
                    (true, true) => "build.clj: its jobs are known once it runs".to_owned(),
                    (true, false) => format!("{counted}, and what build.clj adds once it runs"),
                },
            );
            let blocked: Vec<&JobId> = jobs
                .iter()
                .filter(|job| job.blocked)
                .map(|job| &job.id)
                .collect();
            if !blocked.is_empty() {
                doc.field("approval", why::names(blocked));
            }
            warn(doc, warnings);
            doc.gap();
            if jobs.is_empty() && !clojure {
                doc.say(
                    Role::Warn,
                    "The script defines no jobs, so there is nothing to build.",
                );
            } else {
                doc.line(
                    0,
                    [
                        (Role::Key, key(Action::StartBuild)),
                        (Role::Plain, "  starts a build".to_owned()),
                    ],
                );
            }
            if !jobs.is_empty() {
                doc.line(
                    0,
                    [
                        (Role::Key, key(Action::Rerun)),
                        (
                            Role::Plain,
                            "  runs the selected job, with what it needs".to_owned(),
                        ),
                    ],
                );
            }
        }
    }
}

fn git(doc: &mut Doc, git: &GitInfo) {
    let name = git
        .branch
        .as_deref()
        .or(git.tag.as_deref())
        .unwrap_or_default();
    doc.field("branch", name);
    let mut commit = git
        .commit_id
        .as_deref()
        .map(text::short_commit)
        .unwrap_or_default();
    if git.dirty && !commit.is_empty() {
        commit.push_str(", with changes that are in no commit");
    }
    doc.field("commit", commit);
    if let Some(message) = &git.message {
        doc.field("", text::first_line(message));
    }
    doc.field("author", git.author.clone().unwrap_or_default());
}

fn warn<'a>(doc: &mut Doc, warnings: impl IntoIterator<Item = &'a String>) {
    let mut warnings = warnings.into_iter().peekable();
    if warnings.peek().is_some() {
        doc.heading("Warnings");
        for warning in warnings {
            doc.line(2, [(Role::Warn, warning.clone())]);
        }
    }
}

/// A build in one sentence: `failed after 12s: 5 of 9 jobs done`.
pub fn sentence(view: &BuildView, now: crate::domain::Millis) -> String {
    let build = &view.build;
    let took = build.elapsed(view.until(now));
    let total = build.jobs().len();
    let done = build.jobs_done();
    let succeeded = build
        .jobs()
        .iter()
        .filter(|job| job.status == JobStatus::Success)
        .count();
    let verb = match &build.status {
        _ if build.interrupted => "was cut off",
        BuildStatus::Success => "succeeded",
        BuildStatus::Error => "failed",
        BuildStatus::Canceled => "was canceled",
        _ if view.canceling => "is being canceled",
        BuildStatus::Running if view.goes_on() => "runs",
        BuildStatus::Running => "broke off",
        BuildStatus::Pending | BuildStatus::Queued => "waits to begin",
        BuildStatus::Initializing => "is being prepared",
        BuildStatus::Other(_) => "goes on",
    };
    let mut sentence = verb.to_owned();
    if let Some(took) = took {
        let link = if build.is_over() || !view.goes_on() {
            "after"
        } else {
            "for"
        };
        let took = if build.is_over() {
            text::duration(took)
        } else {
            text::elapsed(took)
        };
        sentence = format!("{sentence} {link} {took}");
    }
    if total > 0 {
        if build.is_over() {
            sentence = format!(
                "{sentence}, {succeeded} of {} succeeded",
                text::count(total, "job")
            );
        } else {
            sentence = format!("{sentence}, {done} of {} done", text::count(total, "job"));
        }
    }
    sentence
}

fn of_build(doc: &mut Doc, state: &State, view: &BuildView) {
    let build = &view.build;
    let key = |action: Action| state.bindings.label(action).unwrap_or_default();
    let role = match build.status {
        BuildStatus::Success => Role::Good,
        BuildStatus::Error => Role::Bad,
        BuildStatus::Canceled => Role::Warn,
        _ => Role::Strong,
    };
    doc.lines.push(DocLine {
        indent: 0,
        parts: vec![
            Part::Build(build.status.clone()),
            Part::Text(role, format!(" The build {}", sentence(view, state.now))),
        ],
    });
    if let Some(message) = &build.message {
        for line in message.lines() {
            doc.line(2, [(Role::Plain, line.to_owned())]);
        }
    }
    if let Some(lost) = &view.lost {
        doc.gap();
        doc.say(Role::Warn, lost_sentence(lost, state.now));
    }
    let failed = build.failed_jobs();
    if !failed.is_empty() {
        doc.heading("Failed");
        for job in failed {
            doc.lines.push(DocLine {
                indent: 2,
                parts: vec![
                    Part::Job(job.status.clone()),
                    Part::Text(Role::Strong, format!(" {}  ", job.id())),
                    Part::Text(Role::Plain, why::ending(job).unwrap_or_default()),
                ],
            });
            let tail = view
                .tails
                .get(job.id())
                .map(Vec::as_slice)
                .unwrap_or_default();
            for line in &tail[tail.len().saturating_sub(6)..] {
                doc.line(4, [(Role::Code, line.clone())]);
            }
        }
    }
    let blocked = view.blocked();
    if !blocked.is_empty() && view.goes_on() {
        doc.heading("Waits for approval");
        for id in blocked {
            doc.line(2, [(Role::Warn, id.to_string())]);
        }
        if view.info.offers.unblock {
            doc.line(
                2,
                [
                    (Role::Key, key(Action::Unblock)),
                    (Role::Dim, "  approves".to_owned()),
                ],
            );
        }
    }
    let warnings: Vec<String> = build
        .warnings
        .iter()
        .map(|warning| match &warning.job_id {
            Some(id) => format!("{id}: {}", warning.message),
            None => warning.message.clone(),
        })
        .collect();
    warn(doc, &warnings);
    doc.gap();
    doc.field("build", view.info.sid.to_string());
    git(doc, &build.git);
    doc.field("folder", view.info.place.clone().unwrap_or_default());
    if let Some(host) = &build.host {
        doc.field("script", format!("{}: {}", host.name, host.reason));
    }
    if let Some(executor) = &build.executor {
        doc.field(
            "executor",
            format!("{}: {}", executor.name, executor.reason),
        );
    }
    if let Some(logs) = &view.info.logs {
        doc.field("logs", logs.to_string_lossy());
    }
    if build.is_over()
        && let Some(again) = &view.info.again
    {
        doc.field("again", again.clone());
    }
}

/// What runs a script, and why.
pub fn host(host: &Chosen) -> Vec<DocLine> {
    let mut doc = Doc::default();
    let why = (Role::Dim, format!(": {}", host.reason));
    doc.line(0, [(Role::Strong, host.name.clone()), why]);
    doc.lines
}

/// Where the ports of a job are reached, a line each: `172.17.0.1:32770 → 8080`.
pub fn exposed(job: &JobState) -> Vec<DocLine> {
    let line = |exposed: &Exposed| DocLine {
        indent: 0,
        parts: port(exposed, Role::Strong),
    };
    job.exposed().iter().map(line).collect()
}

fn port(exposed: &Exposed, role: Role) -> Vec<Part> {
    let address = text::clean(&exposed.to_string()).into_owned();
    vec![
        Part::Text(role, format!("{address} ")),
        Part::Arrow,
        Part::Text(Role::Dim, format!(" {}", exposed.inside)),
    ]
}

/// Says that a connection is gone, how old that makes what is shown, and when it is tried again.
pub fn lost_sentence(lost: &super::build_view::Lost, now: crate::domain::Millis) -> String {
    let left = (lost.retry_at - now + 999) / 1000;
    let reason = text::first_line(&lost.reason).into_owned();
    let old = match (now - lost.since) / 1000 {
        0 => String::new(),
        seconds => format!(" {} ago", text::elapsed(seconds * 1000)),
    };
    if left > 0 {
        format!("connection lost{old} ({reason}); tried again in {left}s")
    } else {
        format!("connection lost{old} ({reason}); trying again")
    }
}

fn standing(doc: &mut Doc, view: &BuildView, job: &JobState) {
    let said = match why::why(&view.build, job) {
        Some(why) => why.sentence(&view.build),
        None => why::remarks(job).join("; "),
    };
    if said.is_empty() {
        return;
    }
    doc.lines.push(DocLine {
        indent: 0,
        parts: vec![
            Part::Job(job.status.clone()),
            Part::Text(Role::Strong, format!(" {}", text::clean(&said))),
        ],
    });
    doc.gap();
}

fn definition(doc: &mut Doc, build: &Build, state: &JobState) {
    let job = &state.job;
    let kind = match job.kind {
        JobKind::Action => "action, runs in the script",
        JobKind::Container => "container",
    };
    doc.field("job", job.id.to_string());
    doc.field("kind", kind);
    doc.field("image", job.image.clone().unwrap_or_default());
    doc.field("needs", why::names(&job.dependencies));
    let graph = JobGraph::new(build.jobs().iter().map(|job| &job.job));
    doc.field("needed by", why::names(graph.dependents(&job.id)));
    if job.blocked {
        doc.field("approval", "waits for a user before it runs");
    }
    doc.field("folder", job.work_dir.clone().unwrap_or_default());
    if let Some(timeout) = job.timeout {
        doc.field("timeout", text::elapsed(timeout));
    }
    for (at, exposed) in state.exposed().iter().enumerate() {
        let label = if at == 0 { "reached at" } else { "" };
        let mut parts = vec![Part::Text(Role::Dim, format!("{label:<11}"))];
        parts.extend(port(exposed, Role::Plain));
        doc.lines.push(DocLine { indent: 0, parts });
    }
    doc.field("used", usage::parts(state).join(", "));
    doc.field("restores", blobs(&job.restore_artifacts));
    doc.field("saves", blobs(&job.save_artifacts));
    doc.field("caches", blobs(&job.caches));
    let commands = if job.script.is_empty() {
        &job.cmd
    } else {
        &job.script
    };
    if !commands.is_empty() {
        doc.heading("Script");
        for command in commands {
            let mut lines = command.lines();
            let first = lines.next().unwrap_or_default();
            doc.line(
                2,
                [(Role::Dim, "$ ".to_owned()), (Role::Code, first.to_owned())],
            );
            for line in lines {
                doc.line(4, [(Role::Code, line.to_owned())]);
            }
        }
    }
    if !job.env.is_empty() {
        doc.heading("Environment");
        for (name, value) in &job.env {
            doc.line(
                2,
                [
                    (Role::Plain, name.clone()),
                    (Role::Dim, format!("={value}")),
                ],
            );
        }
    }
}

fn blobs(blobs: &[BlobRef]) -> String {
    let shown: Vec<String> = blobs
        .iter()
        .map(|blob| {
            if blob.path.is_empty() || blob.id == blob.path {
                blob.id.clone()
            } else {
                format!("{} ({})", blob.id, blob.path)
            }
        })
        .collect();
    shown.join(", ")
}

/// Wraps lines at words, so that each fits into these columns.
pub fn wrap(lines: Vec<DocLine>, columns: usize) -> Vec<DocLine> {
    lines
        .into_iter()
        .flat_map(|line| wrap_line(line, columns.max(8)))
        .collect()
}

fn wrap_line(line: DocLine, columns: usize) -> Vec<DocLine> {
    let indent = line.indent.min(columns / 2);
    let width = |part: &Part| match part {
        Part::Text(_, text) => text::width(text),
        _ => 1,
    };
    let room = columns - indent;
    if line.parts.iter().map(width).sum::<usize>() <= room {
        return vec![DocLine { indent, ..line }];
    }
    // What goes on in the next row stands under the value of a field.
    let hang = match line.parts.first() {
        Some(Part::Text(Role::Dim, label)) if line.parts.len() > 1 => {
            text::width(label).min(room / 2)
        }
        _ => 0,
    };
    let mut out = vec![DocLine {
        indent,
        parts: Vec::new(),
    }];
    let mut used = 0;
    for part in line.parts {
        let Part::Text(role, content) = part else {
            used += 1;
            if let Some(last) = out.last_mut() {
                last.parts.push(part);
            }
            continue;
        };
        let mut row = String::new();
        for word in content.split_word_bounds() {
            let room = if out.len() == 1 { room } else { room - hang };
            let wide = text::width(word);
            if used + wide > room && used > 0 && wide <= room {
                finish(&mut out, role, &mut row);
                out.push(DocLine {
                    indent: indent + hang,
                    parts: Vec::new(),
                });
                used = 0;
                if word.trim().is_empty() {
                    continue;
                }
            }
            for grapheme in word.graphemes(true) {
                let room = if out.len() == 1 {
                    room
                } else {
                    columns - indent - hang
                };
                let wide = text::width(grapheme);
                if used + wide > room {
                    finish(&mut out, role, &mut row);
                    out.push(DocLine {
                        indent: indent + hang,
                        parts: Vec::new(),
                    });
                    used = 0;
                }
                row.push_str(grapheme);
                used += wide;
            }
        }
        finish(&mut out, role, &mut row);
    }
    out
}

fn finish(out: &mut [DocLine], role: Role, row: &mut String) {
    if let Some(last) = out.last_mut()
        && !row.is_empty()
    {
        last.parts.push(Part::Text(role, std::mem::take(row)));
    }
}

impl DocLine {
    /// One line of plain text.
    pub fn plain(words: &str) -> Self {
        let part = Part::Text(Role::Plain, text::clean(words).into_owned());
        Self {
            indent: 0,
            parts: vec![part],
        }
    }

    /// The text alone; a status is its word.
    pub fn text(&self) -> String {
        let mut line = " ".repeat(self.indent);
        for part in &self.parts {
            match part {
                Part::Text(_, text) => line.push_str(text),
                Part::Job(status) => line.push_str(&text::clean(status.as_str())),
                Part::Build(status) => line.push_str(&text::clean(status.as_str())),
                Part::Arrow => line.push('→'),
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_at_words_and_under_their_value() {
        let mut doc = Doc::default();
        doc.field(
            "needs",
            "alpha, beta, gamma, delta and one_that_is_far_too_long_for_the_row",
        );
        let rows: Vec<String> = wrap(doc.lines, 30).iter().map(DocLine::text).collect();
        for row in &rows {
            assert!(text::width(row) <= 30, "{row:?}");
        }
        assert_eq!(rows[0].trim_end(), "needs      alpha, beta, gamma,");
        assert!(rows[1].starts_with("           delta"), "{rows:?}");
    }
}
