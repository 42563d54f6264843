//! Jobs of two builds: how they are defined, how they ended, how long they took.

use super::super::{BlobRef, Build, BuildStatus, Job, JobId, JobKind, JobState, Millis};
use super::{Finding, Kind, Part, Told, both, differing_sets};

/// Less is chance, whatever it is a part of.
const SHORTEST: Millis = 1000;

/// The ids of the jobs of both.
pub(super) fn ids<'a>(before: &'a Build, after: &'a Build) -> Vec<&'a JobId> {
    both(
        before.jobs().iter().map(JobState::id),
        after.jobs().iter().map(JobState::id),
    )
}

/// Jobs that were added, removed, or are defined otherwise. Of a build that never had its jobs there is nothing to
/// compare.
pub(super) fn definitions(before: &Build, after: &Build) -> Vec<Finding> {
    if before.jobs().is_empty() || after.jobs().is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for id in ids(before, after) {
        match (before.job(id), after.job(id)) {
            (Some(before), Some(after)) => {
                let fields = fields(&before.job, &after.job);
                found.extend(fields.into_iter().map(|field| field.of_job(id)));
            }
            (before, _) => {
                let kind = if before.is_some() {
                    Kind::Removed
                } else {
                    Kind::Added
                };
                found.push(Finding::new(Part::Script, kind, "job").of_job(id));
            }
        }
    }
    found
}

fn fields(before: &Job, after: &Job) -> Vec<Finding> {
    let field = |name: &str, of: &dyn Fn(&Job) -> Option<String>| {
        Finding::of(Part::Script, name, of(before), of(after))
    };
    let line = |words: &[String]| (!words.is_empty()).then(|| words.join(" "));
    let mut found: Vec<Finding> = [
        field("kind", &|job| {
            let kind = match job.kind {
                JobKind::Action => "action",
                JobKind::Container => "container",
            };
            Some(kind.to_owned())
        }),
        field("image", &|job| job.image.clone()),
        field("entrypoint", &|job| line(&job.entrypoint)),
        field("cmd", &|job| line(&job.cmd)),
        field("work-dir", &|job| job.work_dir.clone()),
        field("timeout", &|job| job.timeout.map(|ms| format!("{ms} ms"))),
        field("blocked", &|job| job.blocked.then(|| "yes".to_owned())),
    ]
    .into_iter()
    .flatten()
    .collect();
    found.extend(commands(&before.script, &after.script));
    let sets: [(&str, &Names); 5] = [
        ("dependency", &|job| {
            job.dependencies.iter().map(ToString::to_string).collect()
        }),
        ("env", &|job| {
            job.env.iter().map(|it| it.0.clone()).collect()
        }),
        ("save-artifacts", &|job| blobs(&job.save_artifacts)),
        ("restore-artifacts", &|job| blobs(&job.restore_artifacts)),
        ("caches", &|job| blobs(&job.caches)),
    ];
    for (name, of) in sets {
        found.extend(differing_sets(Part::Script, name, &of(before), &of(after)));
    }
    found.extend(values_of_env(before, after));
    found.extend(extras(before, after));
    found
}

/// Which items of two lists belong together, by their places: those that both begin and end with, and what is
/// between them where it is as many.
pub fn aligned<T: PartialEq>(before: &[T], after: &[T]) -> Vec<(Option<usize>, Option<usize>)> {
    let shorter = before.len().min(after.len());
    let start = (0..shorter)
        .take_while(|&at| before[at] == after[at])
        .count();
    let end = (0..shorter - start)
        .take_while(|&at| before[before.len() - 1 - at] == after[after.len() - 1 - at])
        .count();
    let (old, new) = (before.len() - end, after.len() - end);
    let mut pairs: Vec<_> = (0..start).map(|at| (Some(at), Some(at))).collect();
    if old == new {
        pairs.extend((start..old).map(|at| (Some(at), Some(at))));
    } else {
        pairs.extend((start..old).map(|at| (Some(at), None)));
        pairs.extend((start..new).map(|at| (None, Some(at))));
    }
    pairs.extend((0..end).map(|at| (Some(old + at), Some(new + at))));
    pairs
}

/// The names of something that a job has several of.
type Names = dyn Fn(&Job) -> Vec<String>;

/// Commands that are not the same.
fn commands(before: &[String], after: &[String]) -> Vec<Finding> {
    aligned(before, after)
        .into_iter()
        .filter_map(|(old, new)| {
            let old = old.map(|at| before[at].clone());
            let new = new.map(|at| after[at].clone());
            Finding::of(Part::Script, "command", old, new)
        })
        .collect()
}

fn blobs(blobs: &[BlobRef]) -> Vec<String> {
    blobs
        .iter()
        .map(|blob| format!("{} ({})", blob.id, blob.path))
        .collect()
}

/// Variables that both have with unlike values, which are nobody's business here.
fn values_of_env(before: &Job, after: &Job) -> Vec<Finding> {
    // The last of a name counts.
    let value = |job: &Job, name: &str| {
        let mut env = job.env.iter().rev();
        env.find(|it| it.0 == name).map(|it| it.1.clone())
    };
    let names = both(
        before.env.iter().map(|it| it.0.as_str()),
        after.env.iter().map(|it| it.0.as_str()),
    );
    names
        .into_iter()
        .filter(|name| {
            let (old, new) = (value(before, name), value(after, name));
            old.is_some() && new.is_some() && old != new
        })
        .map(|name| {
            let found = Finding::new(Part::Script, Kind::Changed, format!("env {name}"));
            found.noted("another value")
        })
        .collect()
}

/// Keys that this version does not act on.
fn extras(before: &Job, after: &Job) -> Vec<Finding> {
    let keys =
        |job: &Job| -> Vec<String> { job.extra.iter().map(|(key, _)| key.to_string()).collect() };
    let (old, new) = (keys(before), keys(after));
    let told = |job: &Job, name: &str| {
        let mut extra = job.extra.iter();
        let found = extra.find(|(key, _)| key.to_string() == name)?;
        Some(found.1.to_string())
    };
    both(
        old.iter().map(String::as_str),
        new.iter().map(String::as_str),
    )
    .into_iter()
    .filter_map(|name| {
        let (old, new) = (told(before, name), told(after, name));
        // A function is another one in every process.
        let is_object =
            |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains("#object"));
        if is_object(&old) && is_object(&new) {
            return None;
        }
        Finding::of(Part::Script, name, old, new)
    })
    .collect()
}

/// How the build and its jobs ended.
pub(super) fn outcomes(before: &Build, after: &Build) -> Vec<Finding> {
    let mut found = Vec::new();
    if before.status != after.status {
        let is_bad = |status: &BuildStatus| *status == BuildStatus::Error;
        let kind = turn(is_bad(&before.status), is_bad(&after.status));
        let mut status = Finding::new(Part::Outcome, kind, "build").from_to(
            Some(before.status.to_string()),
            Some(after.status.to_string()),
        );
        status.note.clone_from(&after.message);
        found.push(status);
    }
    for id in ids(before, after) {
        let (Some(old), Some(new)) = (before.job(id), after.job(id)) else {
            continue;
        };
        if old.status != new.status {
            let kind = turn(old.status.is_failed(), new.status.is_failed());
            let mut status = Finding::new(Part::Outcome, kind, "job")
                .of_job(id)
                .from_to(Some(old.status.to_string()), Some(new.status.to_string()));
            let why = new.reason().filter(|_| new.status.is_failed());
            status.note = why
                .and_then(|why| why.lines().next())
                .map(|why| super::cut(why.to_owned()));
            found.push(status);
        }
        found.extend(exits(old, new).into_iter().map(|exit| exit.of_job(id)));
        let attempts = Finding::of(
            Part::Outcome,
            "attempt",
            Some(old.attempt.to_string()),
            Some(new.attempt.to_string()),
        );
        found.extend(attempts.map(|attempts| attempts.of_job(id)));
    }
    found
}

fn turn(was_bad: bool, is_bad: bool) -> Kind {
    match (was_bad, is_bad) {
        (false, true) => Kind::Broke,
        (true, false) => Kind::Fixed,
        _ => Kind::Changed,
    }
}

/// Commands that both have run, with unlike ends.
fn exits(before: &JobState, after: &JobState) -> Vec<Finding> {
    let ended = |job: &JobState, index: usize| {
        let mut commands = job.commands.iter();
        commands.find(|it| it.index == index).and_then(|it| it.exit)
    };
    before
        .commands
        .iter()
        .filter_map(|command| {
            let (old, new) = (command.exit?, ended(after, command.index)?);
            let name = match after.job.script.get(command.index) {
                Some(line) => format!("$ {}", line.lines().next().unwrap_or_default()),
                None => format!("command {}", command.index + 1),
            };
            if before.job.script.get(command.index) != after.job.script.get(command.index) {
                return None;
            }
            (old != new).then(|| {
                Finding::new(Part::Outcome, turn(old != 0, new != 0), super::cut(name))
                    .from_to(Some(format!("exit {old}")), Some(format!("exit {new}")))
            })
        })
        .collect()
}

/// How long the build and its jobs took, where that is no chance.
pub(super) fn durations(before: &Build, after: &Build) -> Vec<Finding> {
    let of_build = |build: &Build| build.end_time.and_then(|end| build.elapsed(end));
    let of_job = |build: &Build, id: &JobId| {
        let job = build.job(id)?;
        job.end_time.and_then(|end| job.elapsed(end))
    };
    let mut found: Vec<Finding> = took("build", of_build(before), of_build(after))
        .into_iter()
        .collect();
    for id in ids(before, after) {
        let took = took("job", of_job(before, id), of_job(after, id));
        found.extend(took.map(|took| took.of_job(id)));
    }
    found
}

fn took(name: &str, before: Option<Millis>, after: Option<Millis>) -> Option<Finding> {
    let (before, after) = (before?, after?);
    let apart = before.abs_diff(after);
    if apart < SHORTEST as u64 || apart.saturating_mul(10) <= before.max(after).unsigned_abs() {
        return None;
    }
    let kind = if after > before {
        Kind::Slower
    } else {
        Kind::Faster
    };
    let told = |ms: Millis| Some(Told::Millis(ms));
    let found = Finding::new(Part::Durations, kind, name).from_to(told(before), told(after));
    Some(found.noted(super::values::growth(before as f64, after as f64)))
}
