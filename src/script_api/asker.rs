//! Who asks: the script or one of its jobs.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::domain::JobId;

use super::{Api, Grant};

/// The header in which a script says for which of its action jobs it asks.
pub(super) const JOB_HEADER: &str = "monkeyci-job";

/// The one that a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asker {
    /// The job: the one that the token is for; of the script's own token, the one it names,
    /// if its build has it. All jobs of a script share its token, so that is only its word.
    pub(super) job: Option<JobId>,
    /// The token is a container job's.
    is_job: bool,
}

impl Asker {
    /// Whether it is a container job, with a token of its own.
    pub(super) fn is_job(&self) -> bool {
        self.is_job
    }

    /// Whose token it is, for the journal.
    pub(super) fn by(&self) -> &'static str {
        if self.is_job { "job" } else { "script" }
    }
}

impl FromRequestParts<Api> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        let job = parts
            .extensions
            .get::<Grant>()
            .and_then(|grant| grant.job().cloned());
        if job.is_some() {
            return Ok(Self { job, is_job: true });
        }
        let job = named_job(api, &parts.headers).await;
        Ok(Self { job, is_job: false })
    }
}

/// The job for which the script says that it asks, if its build has one of that name.
pub(super) async fn named_job(api: &Api, headers: &HeaderMap) -> Option<JobId> {
    let named = headers.get(JOB_HEADER)?.to_str().ok()?;
    let job = JobId::new(percent_decoded(named));
    let build = api.engine().build().await.ok()?;
    build.job(&job).is_some().then_some(job)
}

/// A header's text, which has anything but plain ASCII percent-encoded.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%')
            .then(|| text_of(tail.get(..2)?))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn text_of(bytes: &[u8]) -> Option<&str> {
    let digits = bytes.iter().all(u8::is_ascii_hexdigit);
    std::str::from_utf8(bytes).ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_ids_travel_percent_encoded() {
        assert_eq!(percent_decoded("unit%20tests"), "unit tests");
        assert_eq!(percent_decoded("%C3%BC+100%"), "ü+100%");
        assert_eq!(percent_decoded("%+1%zz"), "%+1%zz");
    }
}
