//! Why a repository could not be fetched.

use std::io;
use std::path::PathBuf;

/// Why a repository could not be fetched. No text of it holds credentials or control characters.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// What was given is no URL that can be fetched. It is not repeated: it may be hostile.
    #[error("this URL of a repository cannot be used: {why}")]
    Url { why: String },
    /// A folder of this machine was named, which is not allowed.
    #[error("a repository in a folder of this machine may not be fetched here")]
    Folder,
    /// The host may not be connected to.
    #[error("`{url}` may not be fetched: {host} is {what}")]
    Forbidden {
        url: String,
        host: String,
        what: &'static str,
    },
    /// A name of a branch, a tag or a commit that is none.
    #[error("{what} is no name of {kind}")]
    Name { what: String, kind: &'static str },
    /// There is no such branch, tag, reference or commit.
    #[error("there is no {what} in `{url}`")]
    NoSuchRevision { url: String, what: String },
    /// The server does not know the repository, or not for these credentials.
    #[error(
        "there is no repository at `{url}`, or none that the credentials for it may read ({reason})"
    )]
    NoRepository { url: String, reason: String },
    /// Credentials are asked for.
    #[error("`{url}` asks for credentials: {hint}")]
    Credentials { url: String, hint: String },
    /// The server answered, but not with what was asked for.
    #[error("`{url}` was not fetched: {reason}")]
    Refused { url: String, reason: String },
    /// The server could not be reached, or the connection was lost.
    #[error("`{url}` cannot be reached: {reason}")]
    Unreachable { url: String, reason: String },
    /// More came than may come.
    #[error("`{url}` is larger than the {limit} bytes that may be fetched")]
    TooLarge { url: String, limit: u64 },
    /// The tree has more in it than may be written.
    #[error("the tree of `{url}` is too large: {why}")]
    Tree { url: String, why: String },
    /// Somebody has canceled the fetch.
    #[error("fetching was canceled")]
    Canceled,
    /// A program or a part of this one could not be started.
    #[error("cannot start {what}")]
    Start {
        what: String,
        #[source]
        source: io::Error,
    },
    /// A folder of ours could not be used.
    #[error("cannot use the folder `{}`", path.display())]
    Disk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// There is something where the repository should go.
    #[error("`{}` is not empty", path.display())]
    Occupied { path: PathBuf },
    /// What libgit2 says.
    #[error("`{url}` was not fetched: {reason}")]
    Git { url: String, reason: String },
}

/// A text from elsewhere: without control characters, on one line, not endless.
pub(super) fn plain(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(500).collect()
}
