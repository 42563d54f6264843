//! What somebody should know of secrets before he shows a recording to others.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cli::clean;
use crate::domain::{Build, LogId};
use crate::journal;
use crate::logs::suspects::{Suspect, suspect, suspects};
use crate::logs::{Budget, LogPaths, LogReader, Search};
use crate::store::BuildFolder;

use super::error::UserError;
use super::reference;

/// Places that are named.
const MOST: usize = 20;

/// What was found in a recording.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Masked texts in the journal and the logs.
    masked: usize,
    /// Kinds of things that scripts and jobs have read and that are masked, with names.
    read: BTreeSet<String>,
    /// Where something looks like a secret: `BUILD:JOB:LINE`, `BUILD:#EVENT`.
    places: Vec<(String, Suspect)>,
    /// There are more places than those.
    more: bool,
}

/// Goes through a recording. Blocks.
pub(super) fn look_for(folder: &BuildFolder, build: &Build) -> Result<Findings, UserError> {
    let mut findings = Findings::default();
    for read in &build.reads {
        match (read.access.what.as_str(), &read.access.name) {
            ("params", _) => drop(findings.read.insert("parameters".to_owned())),
            ("secret", Some(name)) => drop(findings.read.insert(format!("secret {}", clean(name)))),
            _ => {}
        }
    }
    let name = build
        .sid
        .as_ref()
        .map(|sid| clean(&sid.build))
        .unwrap_or_default();
    journal::read_lines(&folder.journal, |line| {
        let text = String::from_utf8_lossy(line.bytes());
        findings.masked += text.matches("***").count();
        if let Some(kind) = suspect(&text) {
            findings.add(format!("{name}:#{}", line.seq), kind);
        }
    })
    .map_err(|error| UserError::of(&error))?;
    let jobs = build.jobs().iter().map(|job| LogId::Job(job.id().clone()));
    for log in std::iter::once(LogId::Script).chain(jobs) {
        findings.look_into(&folder.logs, &name, &log)?;
    }
    Ok(findings)
}

impl Findings {
    fn look_into(&mut self, logs: &Path, build: &str, log: &LogId) -> Result<(), UserError> {
        let reader = LogReader::open(LogPaths::new(logs, &log.stem()))
            .map_err(|error| UserError::of(&error))?;
        let failed = |error: std::io::Error| UserError::new(format!("cannot read a log: {error}"));
        let masked = Search::new("***").count(&reader, 0, Budget::ALL);
        self.masked += masked.map_err(failed)?.lines;
        let (found, more) = suspects(&reader, MOST + 1).map_err(failed)?;
        self.more |= more;
        let job = reference::name_of(log);
        for (line, kind) in found {
            self.add(format!("{build}:{job}:{}", line + 1), kind);
        }
        Ok(())
    }

    fn add(&mut self, place: String, kind: Suspect) {
        if self.places.len() < MOST {
            self.places.push((place, kind));
        } else {
            self.more = true;
        }
    }

    /// Sentences for people; none of them has anything of a secret.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.masked > 0 || !self.read.is_empty() {
            let names: Vec<&str> = self.read.iter().map(String::as_str).collect();
            let read = if names.is_empty() {
                String::new()
            } else {
                format!("; it has read {}", names.join(", "))
            };
            lines.push(format!(
                "masked when it was recorded: values of parameters and secrets, of variables with secret names, \
                 tokens; *** stands {} times in it{read}",
                self.masked
            ));
        }
        if !self.places.is_empty() {
            lines.push(
                "what looks like a secret is still in it; look before you show it to others:"
                    .to_owned(),
            );
            lines.extend(
                self.places
                    .iter()
                    .map(|(place, kind)| format!("  {place}: {kind}")),
            );
            if self.more {
                lines.push("  and more".to_owned());
            }
        }
        lines
    }
}
