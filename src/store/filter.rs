//! Which builds of a list are wanted.
//!
//! The same words mean the same wherever a list comes from: the index asks with SQL, the folders
//! and a server's builds are held against [`Filter::matches`].

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::domain::{BuildStatus, JobId, JobStatus, Millis};

/// What a build has to be to be listed. Nothing set: every build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this branch.
    pub branch: Option<String>,
    /// With this status; of the job, if one is named.
    pub status: Option<Wanted>,
    /// First heard of at this moment or after it.
    pub since: Option<Millis>,
    /// First heard of before this moment.
    pub until: Option<Millis>,
    /// With this job.
    pub job: Option<JobId>,
    /// With words that begin so, all of them, as [`words`] cuts them.
    pub words: Vec<String>,
}

/// A status as a user asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever spoils a build: failure and error.
    Failed,
    /// The one of this name.
    Exactly(String),
}

/// What is known of a build that a filter may ask for.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Where it stands.
    pub status: &'a BuildStatus,
    /// Its branch.
    pub branch: Option<&'a str>,
    /// When it was first heard of.
    pub created: Option<Millis>,
    /// Its jobs.
    pub jobs: &'a [(JobId, JobStatus)],
    /// All words about it; made with [`words`].
    pub words: &'a BTreeSet<String>,
}

impl Wanted {
    /// The statuses that are known by name, for messages.
    pub const NAMES: &'static [&'static str] = &[
        "pending",
        "queued",
        "blocked",
        "initializing",
        "running",
        "success",
        "failure",
        "error",
        "failed",
        "skipped",
        "canceled",
    ];

    /// Reads a status as typed; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "failed" => Some(Self::Failed),
            "cancelled" => Some(Self::Exactly("canceled".to_owned())),
            name => Self::NAMES
                .contains(&name)
                .then(|| Self::Exactly(name.to_owned())),
        }
    }

    /// The names of the statuses that are meant.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Failed => vec!["failure", "error"],
            Self::Exactly(name) => vec![name],
        }
    }

    fn is(&self, status: &str) -> bool {
        self.names().contains(&status)
    }
}

impl Filter {
    /// True when nothing is left out.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a build is wanted.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        let Self {
            branch,
            status,
            since,
            until,
            job,
            words,
        } = self;
        branch.as_deref().is_none_or(|it| facts.branch == Some(it))
            && since.is_none_or(|it| facts.created.is_some_and(|at| at >= it))
            && until.is_none_or(|it| facts.created.is_some_and(|at| at < it))
            && match (job, status) {
                (None, None) => true,
                (None, Some(wanted)) => wanted.is(facts.status.as_str()),
                (Some(job), wanted) => facts.jobs.iter().any(|(id, status)| {
                    let is_wanted = |wanted: &Wanted| wanted.is(status.as_str());
                    id == job && wanted.as_ref().is_none_or(is_wanted)
                }),
            }
            && words.iter().all(|word| {
                let from = (Bound::Included(word.as_str()), Bound::Unbounded);
                let mut from = facts.words.range::<str, _>(from);
                from.next().is_some_and(|first| first.starts_with(word))
            })
    }
}

/// Characters of a word that count.
const LONGEST_WORD: usize = 100;

/// Cuts a text into words as a search understands them: letters and digits, in lower case.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .map(|word| {
            // The lower case of a letter may be more than letters.
            let letters = word.chars().filter(|c| c.is_alphanumeric());
            letters.take(LONGEST_WORD).collect()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits_in_lower_case() {
        let all: Vec<String> = words("Fix: the_parser's İ-10 “Ünicode”, a/b\0c").collect();
        assert_eq!(
            all,
            [
                "fix", "the", "parser", "s", "i", "10", "ünicode", "a", "b", "c"
            ]
        );
    }

    #[test]
    fn a_build_is_wanted_when_all_that_is_asked_for_holds() {
        let jobs = [
            (JobId::new("lint"), JobStatus::Success),
            (JobId::new("test"), JobStatus::Failure),
        ];
        let told: BTreeSet<String> = words("Fix the parser").collect();
        let facts = Facts {
            status: &BuildStatus::Error,
            branch: Some("main"),
            created: Some(100),
            jobs: &jobs,
            words: &told,
        };
        let all = Filter {
            branch: Some("main".to_owned()),
            status: Wanted::parse("failed"),
            since: Some(100),
            until: Some(101),
            job: Some("test".into()),
            words: vec!["pars".to_owned(), "fix".to_owned()],
        };
        assert!(all.matches(&facts));
        assert!(Filter::default().matches(&facts));
        let one_off = [
            Filter {
                branch: Some("mai".to_owned()),
                ..all.clone()
            },
            Filter {
                status: Wanted::parse("error"),
                ..all.clone()
            },
            Filter {
                since: Some(101),
                ..all.clone()
            },
            Filter {
                until: Some(100),
                ..all.clone()
            },
            Filter {
                job: Some("lint".into()),
                ..all.clone()
            },
            Filter {
                words: vec!["arser".to_owned()],
                ..all.clone()
            },
        ];
        for filter in one_off {
            assert!(!filter.matches(&facts), "{filter:?}");
        }
        // Without a job the status is the build's.
        let of_build = Filter {
            status: Wanted::parse("error"),
            ..Filter::default()
        };
        assert!(of_build.matches(&facts));
        assert_eq!(Wanted::parse("fine"), None);
    }
}
