//! Where a login comes from: the caller, the URL, or the helpers of the user's git.
//!
//! Helpers are asked by `git credential fill`, which knows all of git's rules about them. They are only asked: nothing
//! is stored with them, and a login that a server refuses is not removed from them, since that is for the user's own
//! git to do.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::AsyncWriteExt as _;

use super::error::FetchError;
use super::remote_url::Login;
use super::session::Session;
use crate::process::{Spawn, SpawnError, Stream};

/// How long the helpers may take. One may ask the user in a window of its own.
const PATIENCE: Duration = Duration::from_mins(2);
/// What they may say, in bytes.
const MOST_ANSWER: usize = 64 * 1024;

/// Where a login for a server comes from, when it asks for one.
#[derive(Clone, Default)]
pub enum Credentials {
    /// From nowhere: what needs a login is not fetched.
    None,
    /// From the URL, else from the helpers of the user's git.
    #[default]
    OfUser,
    /// From the caller.
    Given {
        /// The user; for a token, what the server wants in its place.
        user: String,
        /// The password or token.
        password: SecretString,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::OfUser => "OfUser",
            Self::Given { .. } => "Given",
        })
    }
}

impl Login {
    /// Tells whether there is more than the name of a user, or a token in its place.
    pub(super) fn is_whole(&self) -> bool {
        !self.password.expose_secret().is_empty()
    }
}

/// Looks for a login for a server. `own` tells whether it is the server of the URL that was given, rather than one
/// that a redirect leads to. The error says why there is none.
pub(super) async fn login(
    session: &Session,
    url: &Url,
    user: Option<&str>,
    own: bool,
) -> Result<Login, FetchError> {
    let none = |hint: &str| FetchError::Credentials {
        url: session.url.shown.clone(),
        hint: hint.to_owned(),
    };
    match &session.credentials {
        Credentials::None => Err(none("this fetch has none")),
        Credentials::Given { user, password } if own => Ok(Login {
            user: user.clone(),
            password: password.clone(),
        }),
        Credentials::Given { .. } => Err(none(
            "those for it are not handed on to the server that it redirects to",
        )),
        Credentials::OfUser => ask_git(session, url, user)
            .await?
            .ok_or_else(|| none("the user's git knows none for it (see `git help credentials`)")),
    }
}

async fn ask_git(
    session: &Session,
    url: &Url,
    user: Option<&str>,
) -> Result<Option<Login>, FetchError> {
    // Parts of a URL have no line breaks in them, which would let it speak for another host.
    let host = url.host_str().unwrap_or_default();
    let host = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let path = url.path().trim_start_matches('/');
    let mut question = format!("protocol={}\nhost={host}\npath={path}\n", url.scheme());
    if let Some(user) = user.filter(|user| !user.is_empty()) {
        question.push_str(&format!("username={user}\n"));
    }
    question.push('\n');

    let started = Spawn::new("git")
        .args(["credential", "fill"])
        .envs(session.git.env().iter().cloned())
        // The terminal is not there for questions; a program that the user has named for them may ask.
        .env("GIT_TERMINAL_PROMPT", "0")
        // No repository's settings count.
        .cwd("/")
        .piped_stdin()
        .start();
    let mut git = match started {
        Ok(git) => git,
        Err(SpawnError::ProgramNotFound { .. }) => {
            return Err(FetchError::Credentials {
                url: session.url.shown.clone(),
                hint:
                    "the helpers that may know them are asked through `git`, which is not installed"
                        .to_owned(),
            });
        }
        Err(error) => {
            return Err(FetchError::Start {
                what: "`git credential fill`".to_owned(),
                source: std::io::Error::other(error),
            });
        }
    };
    if let Some(mut stdin) = git.stdin.take() {
        // One that does not read has its answer already.
        let _ = stdin.write_all(question.as_bytes()).await;
    }
    let mut answer = Vec::new();
    let finished = git
        .finish(
            |stream, bytes| {
                if stream == Stream::Stdout && answer.len() + bytes.len() <= MOST_ANSWER {
                    answer.extend_from_slice(bytes);
                }
            },
            tokio::time::sleep(PATIENCE),
            Duration::from_secs(1),
        )
        .await;
    // What it says on stderr is that it cannot ask anybody.
    if !finished.is_ok_and(|finished| finished.status.success()) {
        return Ok(None);
    }
    Ok(read(&String::from_utf8_lossy(&answer)))
}

fn read(answer: &str) -> Option<Login> {
    let value = |name: &str| {
        answer
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    let login = Login {
        user: value("username")?.to_owned(),
        password: value("password")?.to_owned().into(),
    };
    login.is_whole().then_some(login)
}
