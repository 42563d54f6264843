//! A comparison of two builds as lines: for the main pane, and for the command line.

use crate::domain::JobId;
use crate::domain::compare::{Comparison, Finding, Kind, Part, Side, Told};

use super::doc::{self, DocLine, Role};
use super::page::Page;
use super::text;

/// Columns of the word that says how something differs.
const KIND: usize = 8;

/// A line, and the job it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparisonLine {
    /// What it says.
    pub line: DocLine,
    /// The job, when it is about one.
    pub job: Option<JobId>,
}

/// A comparison that was asked for, and where the user is in it.
#[derive(Debug, Clone)]
pub struct Compared {
    /// The request that counts.
    generation: u64,
    /// What it says; `None` while it is made.
    pub page: Option<Page>,
    /// The job of each line.
    jobs: Vec<Option<JobId>>,
    cursor: usize,
}

impl Compared {
    pub(super) fn new(generation: u64) -> Self {
        Self {
            generation,
            page: None,
            jobs: Vec::new(),
            cursor: 0,
        }
    }

    /// Takes in what was found; returns whether it was waited for.
    pub(super) fn take(
        &mut self,
        generation: u64,
        found: &Result<Box<Comparison>, String>,
    ) -> bool {
        if generation != self.generation {
            return false;
        }
        let lines = match found {
            Ok(comparison) => lines(comparison),
            Err(why) => why
                .lines()
                .map(|line| ComparisonLine {
                    line: words([(Role::Warn, line.to_owned())]),
                    job: None,
                })
                .collect(),
        };
        // The first that leads somewhere.
        let first = lines.iter().position(|line| line.job.is_some());
        self.cursor = first.unwrap_or_default();
        (self.page, self.jobs) = {
            let (lines, jobs) = lines.into_iter().map(|it| (it.line, it.job)).unzip();
            (Some(Page::new(lines)), jobs)
        };
        true
    }

    /// The job that the selected line is about.
    pub(super) fn job(&self) -> Option<&JobId> {
        self.jobs.get(self.cursor)?.as_ref()
    }

    /// Selects a line so many lines on.
    pub(super) fn step(&mut self, by: isize) {
        let last = self.jobs.len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
    }

    /// Keeps the selected line in sight.
    pub(super) fn keep(&mut self, columns: usize, height: usize) {
        let Some(page) = &mut self.page else {
            return;
        };
        page.mark = Some(self.cursor);
        // What is above the first line that can be selected is always worth a look.
        page.top = page.top.min(self.cursor);
        let in_sight = |page: &Page| {
            let rows = page.rows(columns, height);
            rows.iter().any(|(number, _)| *number == self.cursor)
        };
        while page.top < self.cursor && !in_sight(page) {
            page.top = (page.top + 1).max(self.cursor.saturating_sub(height));
        }
    }
}

/// All there is to say, the most important first.
pub fn lines(comparison: &Comparison) -> Vec<ComparisonLine> {
    let mut out = Vec::new();
    let mut say = |line: DocLine, job: Option<&JobId>| {
        out.push(ComparisonLine {
            line,
            job: job.cloned(),
        });
    };
    say(side(&comparison.after, ""), None);
    say(side(&comparison.before, "compared with "), None);
    let files = match comparison.same_files {
        Some(true) => "the same files were built",
        Some(false) => "other files were built",
        None => "whether the same files were built is not known",
    };
    say(words([(Role::Dim, files.to_owned())]), None);
    for part in Part::ALL {
        let mut findings = comparison.of(part).peekable();
        if findings.peek().is_none() {
            continue;
        }
        say(DocLine::default(), None);
        say(words([(Role::Heading, title(part).to_owned())]), None);
        for found in findings {
            say(finding(found), found.job.as_ref());
        }
    }
    if comparison.is_same() {
        say(DocLine::default(), None);
        say(words([(Role::Good, "nothing differs".to_owned())]), None);
    }
    for remark in &comparison.remarks {
        say(DocLine::default(), None);
        say(words([(Role::Warn, remark.clone())]), None);
    }
    out
}

fn title(part: Part) -> &'static str {
    match part {
        Part::Outcome => "How it ended",
        Part::Tests => "Tests",
        Part::Logs => "Lines of logs",
        Part::Results => "Results",
        Part::Artifacts => "Artifacts",
        Part::Source => "What was built",
        Part::Script => "Jobs of the script",
        Part::Durations => "Durations",
    }
}

fn words(parts: impl IntoIterator<Item = (Role, String)>) -> DocLine {
    let parts = parts.into_iter().map(|(role, words)| {
        let words = text::clean(&words).into_owned();
        doc::Part::Text(role, words)
    });
    DocLine {
        indent: 0,
        parts: parts.collect(),
    }
}

/// `✗ local/app/17 error  main 1a2b3c4d5e`
fn side(side: &Side, before: &str) -> DocLine {
    let git = &side.git;
    let mut about = Vec::new();
    about.extend(git.branch.clone().or_else(|| git.tag.clone()));
    about.extend(git.commit_id.as_deref().map(text::short_commit));
    if git.dirty {
        about.push("with changes that are in no commit".to_owned());
    }
    let mut line = words([
        (Role::Plain, " ".to_owned()),
        (Role::Dim, before.to_owned()),
        (Role::Strong, side.name.clone()),
        (Role::Plain, format!(" {}", side.status)),
        (Role::Dim, format!("  {}", about.join(" "))),
    ]);
    line.parts.insert(0, doc::Part::Build(side.status.clone()));
    line
}

fn finding(found: &Finding) -> DocLine {
    let role = match found.kind {
        Kind::Broke => Role::Bad,
        Kind::Fixed | Kind::Faster => Role::Good,
        Kind::Slower => Role::Warn,
        Kind::Changed | Kind::Added | Kind::Removed => Role::Plain,
    };
    let mut parts = vec![(role, format!("{:<KIND$}", found.kind.as_str()))];
    if let Some(job) = &found.job {
        parts.push((Role::Strong, format!("{job}  ")));
    }
    let is_whole = matches!(&*found.name, "job" | "build") && found.job.is_some();
    if !is_whole {
        parts.push((Role::Plain, format!("{}  ", found.name)));
    }
    let mut line = words(parts);
    line.indent = 2;
    let mut more = |parts: Vec<(Role, String)>| line.parts.extend(words(parts).parts);
    match (&found.before, &found.after) {
        (Some(Told::Lines(gone)), Some(Told::Lines(new))) => {
            more(vec![(Role::Plain, format!("-{gone} +{new}"))]);
        }
        (Some(before), Some(after)) => {
            more(vec![(Role::Dim, format!("{} ", told(before)))]);
            line.parts.push(doc::Part::Arrow);
            line.parts
                .extend(words([(Role::Plain, format!(" {}", told(after)))]).parts);
        }
        (Some(one), None) | (None, Some(one)) => more(vec![(Role::Plain, told(one))]),
        (None, None) => {}
    }
    let mut more = |parts: Vec<(Role, String)>| line.parts.extend(words(parts).parts);
    if let Some(note) = &found.note {
        more(vec![(Role::Dim, format!("  {}", text::first_line(note)))]);
    }
    if found.flaky {
        more(vec![(Role::Warn, "  flaky: the same files".to_owned())]);
    }
    line
}

fn told(told: &Told) -> String {
    match told {
        Told::Text(text) => text::first_line(text).into_owned(),
        Told::Millis(ms) => text::duration(*ms),
        Told::Bytes(size) => text::bytes(*size),
        Told::Lines(count) => format!("{count} lines"),
    }
}
