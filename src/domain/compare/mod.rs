//! What differs between two builds.
//!
//! A [`Comparison`] is a list of [`Finding`]s, one for each thing that is not the same: what went in (commit, options,
//! the script), what came out (how jobs and tests ended, what they left behind), and how long it took. It is made of
//! two folded builds alone; what only files know (values of results, contents of artifacts, logs) is read by
//! somebody else and added as findings of the same kind. Comparing is symmetric: the other way round, what was added is
//! removed, and what broke is mended.
//!
//! Start reading at [`Comparison::new`]. `jobs` has definitions and ends, `cases` the tests, `values` what results say,
//! `entries` what archives hold.

mod cases;
mod entries;
mod jobs;
#[cfg(test)]
mod tests;
mod values;

pub use entries::{EntryFact, entries};
pub use jobs::aligned;
pub use values::{coverage, texts, values};

use super::{BlobKind, Build, BuildStatus, GitInfo, JobId, Millis};

/// Findings of one result, artifact or list of tests; of more only the number is told.
pub const MOST_OF_ONE: usize = 1000;

/// Characters of a text that are kept.
const LONGEST_TEXT: usize = 300;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// How the build and its jobs ended.
    Outcome,
    /// Single tests.
    Tests,
    /// Lines of logs.
    Logs,
    /// Named results.
    Results,
    /// Artifacts, and what is in them.
    Artifacts,
    /// Commit, files, options: what was built, and how it was asked for.
    Source,
    /// Jobs as the script defines them.
    Script,
    /// How long it took.
    Durations,
}

impl Part {
    /// All of them, the most important first.
    pub const ALL: [Self; 8] = [
        Self::Outcome,
        Self::Tests,
        Self::Logs,
        Self::Results,
        Self::Artifacts,
        Self::Source,
        Self::Script,
        Self::Durations,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outcome => "outcome",
            Self::Tests => "tests",
            Self::Logs => "logs",
            Self::Results => "results",
            Self::Artifacts => "artifacts",
            Self::Source => "source",
            Self::Script => "script",
            Self::Durations => "durations",
        }
    }
}

/// How the later build differs from the earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// It was good, and is not any more.
    Broke,
    /// It was not good, and is now.
    Fixed,
    /// It is another one.
    Changed,
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// It takes longer, beyond what is chance.
    Slower,
    /// It takes less time, beyond what is chance.
    Faster,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broke => "broke",
            Self::Fixed => "fixed",
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Slower => "slower",
            Self::Faster => "faster",
        }
    }

    /// What it is when the builds change places.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Broke => Self::Fixed,
            Self::Fixed => Self::Broke,
            Self::Changed => Self::Changed,
            Self::Added => Self::Removed,
            Self::Removed => Self::Added,
            Self::Slower => Self::Faster,
            Self::Faster => Self::Slower,
        }
    }
}

/// What something was, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A text, at most `LONGEST_TEXT` characters of it.
    Text(String),
    /// A duration in milliseconds.
    Millis(Millis),
    /// A size in bytes.
    Bytes(u64),
    /// So many lines that the other one has not.
    Lines(u64),
}

impl From<String> for Told {
    fn from(text: String) -> Self {
        Self::Text(cut(text))
    }
}

impl From<&str> for Told {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// One thing that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub part: Part,
    /// How it differs.
    pub kind: Kind,
    /// The job it is about, if it is about one.
    pub job: Option<JobId>,
    /// What differs, within its part: `status`, a test, `coverage line.rate`.
    pub name: String,
    /// What it was; a name alone may be all there is to say.
    pub before: Option<Told>,
    /// What it is.
    pub after: Option<Told>,
    /// What else there is to say: a difference in numbers, a reason.
    pub note: Option<String>,
    /// The same files were built, and it ended otherwise all the same.
    pub flaky: bool,
}

impl Finding {
    /// A finding of a build as a whole, with nothing but its name.
    pub fn new(part: Part, kind: Kind, name: impl Into<String>) -> Self {
        Self {
            part,
            kind,
            job: None,
            name: name.into(),
            before: None,
            after: None,
            note: None,
            flaky: false,
        }
    }

    /// Compares a value that may be missing; nothing when it is the same.
    pub fn of<T: Into<Told> + PartialEq>(
        part: Part,
        name: impl Into<String>,
        before: Option<T>,
        after: Option<T>,
    ) -> Option<Self> {
        let kind = match (&before, &after) {
            (before, after) if before == after => return None,
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            _ => Kind::Changed,
        };
        Some(Self::new(part, kind, name).from_to(before, after))
    }

    /// Says what it was and is.
    #[must_use]
    pub fn from_to<T: Into<Told>>(mut self, before: Option<T>, after: Option<T>) -> Self {
        self.before = before.map(Into::into);
        self.after = after.map(Into::into);
        self
    }

    /// Says which job it is about.
    #[must_use]
    pub fn of_job(mut self, job: &JobId) -> Self {
        self.job = Some(job.clone());
        self
    }

    /// Says more.
    #[must_use]
    pub fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = Some(cut(note.into()));
        self
    }

    /// The finding when the builds change places; notes are about one direction, and go.
    #[must_use]
    pub fn mirrored(self) -> Self {
        Self {
            kind: self.kind.mirrored(),
            before: self.after,
            after: self.before,
            note: None,
            ..self
        }
    }
}

/// What is told of a build that is compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Side {
    /// Its name, as it is known here.
    pub name: String,
    /// Where it stands.
    pub status: BuildStatus,
    /// When it was first heard of.
    pub created: Option<Millis>,
    /// Its commit, branch and message.
    pub git: GitInfo,
}

/// Two builds, and what differs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// The earlier one.
    pub before: Side,
    /// The later one.
    pub after: Side,
    /// The same files were built, as far as that is known.
    pub same_files: Option<bool>,
    /// What differs, the most important first.
    findings: Vec<Finding>,
    /// What could not be compared, and why: sentences.
    pub remarks: Vec<String>,
}

impl Comparison {
    /// Compares what the journals of two builds tell.
    pub fn new(before: &Build, after: &Build) -> Self {
        let same_files = same_files(before, after);
        let mut findings = source(before, after);
        findings.extend(jobs::definitions(before, after));
        findings.extend(jobs::outcomes(before, after));
        findings.extend(jobs::durations(before, after));
        findings.extend(cases::compare(before, after));
        findings.extend(results(before, after));
        findings.extend(artifacts(before, after));
        for finding in &mut findings {
            let ended_otherwise = matches!(finding.kind, Kind::Broke | Kind::Fixed);
            finding.flaky = same_files == Some(true) && ended_otherwise;
        }
        let mut comparison = Self {
            before: Side::of(before),
            after: Side::of(after),
            same_files,
            findings: Vec::new(),
            remarks: Vec::new(),
        };
        comparison.add(findings);
        comparison
    }

    /// What differs, the most important first.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The findings of a part.
    pub fn of(&self, part: Part) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.part == part)
    }

    /// Adds what was found elsewhere.
    pub fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        self.findings
            .sort_by_key(|finding| (finding.part, finding.kind));
    }

    /// What is in an artifact is known now: it takes the place of what was told of its size.
    pub fn know_contents(&mut self, job: &JobId, id: &str, findings: Vec<Finding>) {
        self.findings.retain(|finding| {
            finding.part != Part::Artifacts
                || finding.job.as_ref() != Some(job)
                || finding.name != id
        });
        self.add(findings);
    }

    /// Nothing differs but how long it took, which no two builds have in common.
    pub fn is_same(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.part == Part::Durations)
    }

    /// Keeps what is about one job.
    pub fn only_job(&mut self, job: &JobId) {
        self.findings
            .retain(|finding| finding.job.as_ref() == Some(job));
    }
}

impl Side {
    fn of(build: &Build) -> Self {
        Self {
            name: build
                .sid
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            status: build.status.clone(),
            created: build.created.or(build.start_time),
            git: build.git.clone(),
        }
    }
}

/// Whether the same files were built: by their fingerprint, else by the commit where nothing was changed.
fn same_files(before: &Build, after: &Build) -> Option<bool> {
    if let (Some(before), Some(after)) = (&before.workspace, &after.workspace) {
        return Some(before == after);
    }
    match (&before.git.commit_id, &after.git.commit_id) {
        (Some(a), Some(b)) if a == b && !before.git.dirty && !after.git.dirty => Some(true),
        (Some(a), Some(b)) if a != b => Some(false),
        _ => None,
    }
}

/// What was built, and how it was asked for.
fn source(before: &Build, after: &Build) -> Vec<Finding> {
    let field = |name: &str, of: &dyn Fn(&Build) -> Option<String>| {
        Finding::of(Part::Source, name, of(before), of(after))
    };
    let git = |of: fn(&GitInfo) -> &Option<String>| move |build: &Build| of(&build.git).clone();
    let mut found: Vec<Finding> = [
        field("commit", &git(|git| &git.commit_id)),
        field("message", &|build| {
            let message = build.git.message.as_deref()?;
            message.lines().next().map(str::to_owned)
        }),
        field("branch", &git(|git| &git.branch)),
        field("tag", &git(|git| &git.tag)),
        field("uncommitted changes", &|build| {
            build.git.dirty.then(|| "yes".to_owned())
        }),
        field("started by", &|build| build.source.clone()),
        field("script host", &|build| {
            build.host.as_ref().map(|host| host.name.clone())
        }),
        field("executor", &|build| {
            build
                .executor
                .as_ref()
                .map(|executor| executor.name.clone())
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    // Two unlike trees of one commit, or the other way round: the commit alone does not tell.
    let is_new = same_files(before, after) == Some(false);
    if is_new && !found.iter().any(|finding| finding.name == "commit") {
        found.push(Finding::new(Part::Source, Kind::Changed, "files"));
    }
    // What does not tell how it was asked for was not asked for without options.
    if !before.request.is_empty() && !after.request.is_empty() {
        found.extend(differing_sets(
            Part::Source,
            "option",
            &options(&before.request),
            &options(&after.request),
        ));
    }
    found
}

/// The options of a command line, with their values; of parameters only the names were recorded.
fn options(args: &[String]) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    for arg in args {
        match options.last_mut() {
            Some(last) if !arg.starts_with('-') && last.starts_with('-') && !last.contains(' ') => {
                last.push(' ');
                last.push_str(arg);
            }
            _ => options.push(arg.clone()),
        }
    }
    options
}

/// What of one list is not in the other, as findings of one name: `option: --strict`.
fn differing_sets(part: Part, name: &str, before: &[String], after: &[String]) -> Vec<Finding> {
    let missing = |from: &[String], of: &[String]| -> Vec<String> {
        let mut missing: Vec<String> = of
            .iter()
            .filter(|item| !from.contains(item))
            .cloned()
            .collect();
        missing.sort();
        missing.dedup();
        missing
    };
    let gone = missing(after, before).into_iter().map(|item| {
        let gone = Finding::new(part, Kind::Removed, name);
        gone.from_to(Some(item), None)
    });
    let new = missing(before, after).into_iter().map(|item| {
        let new = Finding::new(part, Kind::Added, name);
        new.from_to(None, Some(item))
    });
    gone.chain(new).collect()
}

/// Which results there are; what they say is read elsewhere.
fn results(before: &Build, after: &Build) -> Vec<Finding> {
    let kind = |build: &Build, name: &str| {
        let mut results = build.results.iter();
        let found = results.find(|result| result.name == name)?;
        Some((found.media_type.clone(), found.job_id.clone()))
    };
    let names = both(
        before.results.iter().map(|result| &*result.name),
        after.results.iter().map(|result| &*result.name),
    );
    names
        .into_iter()
        .filter_map(|name| {
            let (old, new) = (kind(before, name), kind(after, name));
            let job = new.as_ref().or(old.as_ref()).and_then(|it| it.1.clone());
            let mut found =
                Finding::of(Part::Results, name, old.map(|it| it.0), new.map(|it| it.0))?;
            found.job = job;
            Some(found)
        })
        .collect()
}

/// Which artifacts there are, and how large.
fn artifacts(before: &Build, after: &Build) -> Vec<Finding> {
    let mut found = Vec::new();
    for id in jobs::ids(before, after) {
        let saved = |build: &Build| -> Vec<(String, u64)> {
            let blobs = build.job(id).map(|job| &*job.blobs).unwrap_or_default();
            let artifacts = blobs.iter().filter(|blob| blob.kind == BlobKind::Artifact);
            artifacts.map(|blob| (blob.id.clone(), blob.size)).collect()
        };
        let (old, new) = (saved(before), saved(after));
        let names = both(
            old.iter().map(|it| it.0.as_str()),
            new.iter().map(|it| it.0.as_str()),
        );
        let size =
            |of: &[(String, u64)], name: &str| of.iter().find(|it| it.0 == name).map(|it| it.1);
        for name in names {
            let (old, new) = (size(&old, name), size(&new, name));
            found.extend(sized(name, old, new).map(|it| it.of_job(id)));
        }
    }
    found
}

/// An artifact by its size; 0 is what a server says that does not know.
fn sized(name: &str, before: Option<u64>, after: Option<u64>) -> Option<Finding> {
    if let (Some(0), Some(_)) | (Some(_), Some(0)) = (before, after) {
        return None;
    }
    let found = Finding::of(
        Part::Artifacts,
        name,
        before.map(Told::Bytes),
        after.map(Told::Bytes),
    )?;
    Some(match (before, after) {
        (Some(before), Some(after)) => found.noted(values::growth(before as f64, after as f64)),
        _ => found,
    })
}

/// The names of both lists, each once, in the order of the first and then of the second.
fn both<'a, T: PartialEq + Eq + std::hash::Hash + ?Sized>(
    before: impl IntoIterator<Item = &'a T>,
    after: impl IntoIterator<Item = &'a T>,
) -> Vec<&'a T> {
    let mut seen = std::collections::HashSet::new();
    let all = before.into_iter().chain(after);
    all.filter(|name| seen.insert(*name)).collect()
}

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(LONGEST_TEXT) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// At most so many findings; of the rest a last one tells how many there are.
fn limited(mut found: Vec<Finding>, part: Part, name: &str) -> Vec<Finding> {
    if found.len() > MOST_OF_ONE {
        let more = found.len() - MOST_OF_ONE;
        found.truncate(MOST_OF_ONE);
        let rest = Finding::new(part, Kind::Changed, name);
        found.push(rest.noted(format!("and {more} more")));
    }
    found
}
