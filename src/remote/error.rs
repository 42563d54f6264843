//! What can go wrong between a client and a server, each as a sentence that says what to do.
//!
//! A sentence names method and path, never a credential: paths have ids in them, and the header
//! that carries the credential is shown nowhere.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

/// Why a request to a server did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The address of a server cannot be used.
    #[error("this is no address of a MonkeyCI server: {0}")]
    Address(String),
    /// A credential would travel in the clear.
    #[error(
        "{host} is reached by http, where others can read the credential; use https, or say \
         `allow-http = true` for this server if that is meant"
    )]
    Clear {
        /// The host.
        host: String,
    },
    /// The client could not be made.
    #[error("cannot prepare a connection: {0}")]
    Setup(String),
    /// An id that no path can carry.
    #[error("the id {0:?} cannot be part of a request")]
    Id(String),
    /// Nobody answers, or the connection broke.
    #[error(
        "cannot reach {host} for {what}: {reason}; check the address and the network, and that a \
         proxy lets it through"
    )]
    Unreachable {
        /// Method and path.
        what: String,
        /// The server.
        host: String,
        /// The innermost cause.
        reason: String,
    },
    /// The server took the request and said nothing more.
    #[error("{host} says nothing about {what}; try again later, or raise the server's `timeout`")]
    Silent {
        /// Method and path.
        what: String,
        /// The server.
        host: String,
    },
    /// No MonkeyCI server is at an address.
    #[error("no MonkeyCI server answers at {host}: {reason}; give the address of its API")]
    NoServer {
        /// The server.
        host: String,
        /// What it answered.
        reason: String,
    },
    /// 401 without a credential.
    #[error("{what} needs a credential; log in with `monkeyci-tui login`")]
    LoginNeeded {
        /// Method and path.
        what: String,
    },
    /// 401 with a credential.
    #[error(
        "the server does not accept the credential for {what}: {}; log in again with \
         `monkeyci-tui login`",
        if *.expired { "it has expired" } else { "it is wrong, was withdrawn or has expired" }
    )]
    LoginRefused {
        /// Method and path.
        what: String,
        /// The credential says so itself.
        expired: bool,
    },
    /// 403.
    #[error(
        "the credential does not allow that{} ({what}); ask for access, or log in with another one",
        detail(message)
    )]
    Forbidden {
        /// Method and path.
        what: String,
        /// What the server said.
        message: String,
    },
    /// 404.
    #[error(
        "{what} found nothing{}; check the names of org, repo, build and job",
        detail(message)
    )]
    NotFound {
        /// Method and path.
        what: String,
        /// What the server said; often nothing.
        message: String,
    },
    /// 400 and its like: the server does not take the request as it is.
    #[error(
        "the server does not take {what} as it was sent ({status}){}",
        detail(message)
    )]
    Invalid {
        /// Method and path.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What the server said, without values.
        message: String,
    },
    /// A redirect that is not followed.
    #[error(
        "{what} was sent on to {to}, which is not followed, because the credential would go there \
         too; if that is the server, log in to its own address"
    )]
    Redirected {
        /// Method and path.
        what: String,
        /// The host it points to, or its path on the same one.
        to: String,
    },
    /// 429, 502, 503, 504 for as long as it makes sense to try.
    #[error("{}{}", busy(what, *status, message), again(*.retry_after))]
    Busy {
        /// Method and path.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What the server said; of a gateway nothing that tells anybody anything.
        message: String,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// 500 and the rest of its hundred.
    #[error(
        "the server failed at {what} ({status}){}; try again later, and tell who runs it if it \
         stays so",
        detail(message)
    )]
    Failed {
        /// Method and path.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What the server said.
        message: String,
    },
    /// An answer beyond all bounds.
    #[error("the answer to {what} has more than {} MB; it was not read to its end", *.limit >> 20)]
    TooLarge {
        /// Method and path.
        what: String,
        /// The bound, in bytes.
        limit: u64,
    },
    /// The answer is not what was asked for.
    #[error(
        "the answer to {what} cannot be read: {reason}; is {host} the address of a MonkeyCI API?"
    )]
    Answer {
        /// Method and path.
        what: String,
        /// The server.
        host: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// The login has expired and cannot be renewed.
    #[error(
        "the login has expired and cannot be renewed: {reason}; log in again with `monkeyci-tui login`"
    )]
    Renewal {
        /// Why.
        reason: String,
    },
    /// A build was asked for, and is nowhere.
    #[error(
        "the server has taken the order, but no new build of {repo} has appeared; \
         `monkeyci-tui attach {repo}` shows what there is"
    )]
    Unseen {
        /// Org and repo.
        repo: String,
    },
    /// A file that is to be sent.
    #[error("cannot read {}: {reason}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file of this machine.
    #[error("cannot write {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// What was downloaded is no archive.
    #[error("what {what} brought is no whole gzip archive: {reason}; it was not kept")]
    Damaged {
        /// Method and path.
        what: String,
        /// Why.
        reason: String,
    },
}

impl RemoteError {
    /// Whether the same request may succeed later, without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Silent { .. }
                | Self::Busy { .. }
                | Self::Failed { .. }
        )
    }

    /// Whether it is about the credential.
    pub fn is_about_login(&self) -> bool {
        matches!(
            self,
            Self::LoginNeeded { .. }
                | Self::LoginRefused { .. }
                | Self::Forbidden { .. }
                | Self::Renewal { .. }
        )
    }

    /// Whether there is nothing of that name.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

fn detail(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

/// A server that says why is believed: it may be about to end.
fn busy(what: &str, status: u16, message: &str) -> String {
    if message.is_empty() {
        return format!("the server is too busy for {what} ({status})");
    }
    format!("the server does not take {what} now ({status}): {message}")
}

fn again(after: Option<Duration>) -> String {
    match after {
        Some(time) => format!("; it asks to come back in {} s", time.as_secs()),
        None => "; try again later".to_owned(),
    }
}

/// The innermost cause, which is the one that tells: "Connection refused", not "error
/// sending request for url".
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    clean(&cause.to_string())
}

/// Text from outside, for one line of a terminal.
pub(super) fn clean(text: &str) -> String {
    const LONGEST: usize = 300;
    let text: String = text
        .trim()
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect();
    text.trim().to_owned()
}
