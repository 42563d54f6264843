//! Ids and the two numbers that go with every event.

use std::fmt;
use std::sync::Arc;

/// A moment: milliseconds since the Unix epoch.
pub type Millis = i64;

/// The place of an event in its journal, counted from 1. Zero means: not numbered yet.
pub type Seq = u64;

/// The three-part id of a build: org, repo, build (protocol/README, "Vocabulary").
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sid {
    /// Organisation: `local` for builds that run here.
    pub org: String,
    /// Repository, unique inside its organisation.
    pub repo: String,
    /// Build, unique inside its repository.
    pub build: String,
}

/// The text is no `ORG/REPO/BUILD`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a build's sid has the form ORG/REPO/BUILD, not {0:?}")]
pub struct SidError(String);

impl Sid {
    /// Puts a sid together from its parts.
    pub fn new(org: impl Into<String>, repo: impl Into<String>, build: impl Into<String>) -> Self {
        Self {
            org: org.into(),
            repo: repo.into(),
            build: build.into(),
        }
    }

    /// Reads `ORG/REPO/BUILD`.
    pub fn parse(text: &str) -> Result<Self, SidError> {
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(org), Some(repo), Some(build), None)
                if !org.is_empty() && !repo.is_empty() && !build.is_empty() =>
            {
                Ok(Self::new(org, repo, build))
            }
            _ => Err(SidError(text.to_owned())),
        }
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.org, self.repo, self.build)
    }
}

/// The id of a job, chosen by the script: any text, hostile until proved otherwise.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(Arc<str>);

impl JobId {
    /// Wraps an id as the script wrote it.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(Arc::from(id.as_ref()))
    }

    /// The id as the script wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Writes the id without control characters, so that it may be shown anywhere.
impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.chars().any(char::is_control) {
            let shown: String = self
                .0
                .chars()
                .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
                .collect();
            f.pad(&shown)
        } else {
            f.pad(&self.0)
        }
    }
}

impl From<&str> for JobId {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

/// Which log of a build: that of the script itself, or a job's. A job may have any id, so no id
/// stands for the script.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogId {
    /// What the script's process wrote.
    Script,
    /// What a job wrote.
    Job(JobId),
}

impl LogId {
    /// The name of its files, without the ending. No job's can have that of the script: a `%` is
    /// always followed by two digits in those.
    pub fn stem(&self) -> String {
        match self {
            Self::Script => "%script".to_owned(),
            Self::Job(id) => file_name(id.as_str()),
        }
    }

    /// The job, if it is a job's.
    pub fn job(&self) -> Option<&JobId> {
        match self {
            Self::Script => None,
            Self::Job(id) => Some(id),
        }
    }
}

impl From<JobId> for LogId {
    fn from(id: JobId) -> Self {
        Self::Job(id)
    }
}

/// The log of the job with this id.
impl From<&str> for LogId {
    fn from(id: &str) -> Self {
        Self::Job(JobId::new(id))
    }
}

/// Whose log it is, for people; a job's id without control characters.
impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script => f.pad("the script"),
            Self::Job(id) => id.fmt(f),
        }
    }
}

/// Longest file name made from an id, in bytes.
const LONGEST_NAME: usize = 100;

/// Makes a file name from an id: percent-encoded outside `[A-Za-z0-9._-]` and for
/// leading dots, cut and closed with a hash over 100 bytes. Different ids give
/// different names.
pub fn file_name(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for (place, byte) in id.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'-')
            || (byte == b'.' && place > 0);
        if plain {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    if name.is_empty() {
        return "%".to_owned();
    }
    if name.len() > LONGEST_NAME {
        // `name` is ASCII, so any cut is a character boundary.
        name.truncate(LONGEST_NAME - 17);
        name.push_str(&format!("~{:016x}", stable_hash(id.as_bytes())));
    }
    name
}

/// The 64-bit FNV-1a hash: tiny, and the same in every process, version and machine, which
/// the standard library's hashers do not promise. For names, not for secrets.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The id that a file name was made of; nothing, where [`file_name`] had to cut it, or for a name that
/// it does not make.
pub fn id_of_file_name(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' if name.len() == 1 => break,
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        });
    }
    let id = String::from_utf8(bytes).ok()?;
    (file_name(&id) == name).then_some(id)
}
