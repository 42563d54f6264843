//! What can go wrong between a client and the script API.

use std::error::Error;

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The client could not be made.
    #[error("cannot prepare a connection to the script API: {0}")]
    Setup(String),
    /// Nobody answers on the socket, or the connection broke.
    #[error("cannot reach the script API: {reason}")]
    Unreachable {
        /// The innermost cause.
        reason: String,
    },
    /// The server said no.
    #[error("the script API refused {what} ({status}){}", detail(message))]
    Refused {
        /// Method and path.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What the server said, shortened.
        message: String,
    },
    /// The answer is not what was asked for.
    #[error("the script API answered {what} with something unreadable: {reason}")]
    Answer {
        /// Method and path.
        what: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// An id that no path can carry.
    #[error("the id {0:?} cannot be part of a request")]
    Id(String),
    /// It was tried again and again for as long as that makes sense.
    #[error("the script API is gone: {reason}")]
    Gone {
        /// The last reason.
        reason: String,
    },
}

impl ApiError {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            _ => false,
        }
    }

    pub(super) fn unreachable(error: &(dyn Error + 'static)) -> Self {
        Self::Unreachable {
            reason: innermost(error),
        }
    }
}

fn detail(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

/// The innermost cause, which is the one that tells: "Connection refused", not "error
/// sending request for url".
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
