//! Tokens for container jobs that ask for the script API with the key `api` of their definition.
//!
//! | `api` | scopes |
//! | --- | --- |
//! | absent, `false`, `nil` | no token at all |
//! | `true` | [`Scope::job_default`] |
//! | `{:scopes [results:write …]}` | those |
//!
//! Never more than the script itself has, and never what is the script's own to say.

use std::time::Duration;

use secrecy::ExposeSecret;

use crate::domain::{Job, Sid};
use crate::edn::Value;
use crate::engine::masks::Masks;
use crate::ports::{JobApi, JobTokens};

use super::{Keys, Scope};

/// How much longer than its job a token is good for; it is refused earlier, when the job is over.
const MARGIN: Duration = Duration::from_mins(10);

/// Makes the tokens of one build's jobs.
#[derive(Debug)]
pub struct JobTokenMaker {
    /// The build.
    pub sid: Sid,
    /// What the tokens are signed with.
    pub keys: Keys,
    /// What the script may do.
    pub granted: Vec<Scope>,
    /// Where the API is on loopback TCP.
    pub url: Option<String>,
    /// Where the Unix socket is.
    pub socket: String,
    /// Tokens are secrets like any other.
    pub masks: Masks,
}

impl JobTokens for JobTokenMaker {
    fn for_job(&self, job: &Job) -> Option<JobApi> {
        let wanted = wanted(job.extra("api")?)?;
        let scopes: Vec<Scope> = Scope::job_most()
            .filter(|scope| wanted.contains(scope) && self.granted.contains(scope))
            .collect();
        let timeout = u64::try_from(job.effective_timeout()).unwrap_or_default();
        let lifetime = Duration::from_millis(timeout) + MARGIN;
        let token = self
            .keys
            .mint_for_job(&self.sid, &job.id, &scopes, lifetime);
        self.masks.add([token.expose_secret()]);
        Some(JobApi {
            url: self.url.clone(),
            socket: self.socket.clone(),
            token,
        })
    }
}

/// What a definition asks for; names that nobody knows give nothing.
fn wanted(api: &Value) -> Option<Vec<Scope>> {
    match api {
        Value::Nil | Value::Bool(false) => None,
        _ => {
            let Some(names) = api.get("scopes").and_then(Value::as_seq) else {
                return Some(Scope::job_default().to_vec());
            };
            let names = names.iter().filter_map(|name| match name {
                Value::Keyword(keyword) => Scope::parse(keyword.as_str()),
                other => Scope::parse(other.as_str()?),
            });
            Some(names.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn;

    fn maker(granted: &[Scope]) -> JobTokenMaker {
        JobTokenMaker {
            sid: Sid::new("local", "app", "b1"),
            keys: Keys::random().unwrap(),
            granted: granted.to_vec(),
            url: None,
            socket: "/s".to_owned(),
            masks: Masks::default(),
        }
    }

    /// What the token of a job with this `api` may do.
    fn scopes(maker: &JobTokenMaker, api: &str) -> Option<Vec<Scope>> {
        let mut job = Job::new("a");
        job.extra
            .insert(Value::kw("api"), edn::read_str(api).unwrap());
        let token = maker.for_job(&job)?.token;
        let grant = maker.keys.verify(&maker.sid, &token).unwrap();
        assert_eq!(grant.job(), Some(&"a".into()));
        let has = |scope: &Scope| grant.has(*scope);
        Some(Scope::ALL.into_iter().filter(has).collect())
    }

    #[test]
    fn a_job_gets_what_it_asks_for_and_never_more_than_its_script() {
        let all = maker(Scope::script_default());
        assert_eq!(
            scopes(
                &all,
                "{:scopes [\"results:write\" \"events:write\" \"build:control\" \"x\"]}"
            ),
            Some(vec![Scope::ResultsWrite])
        );
        assert_eq!(
            scopes(&all, "true").unwrap().len(),
            Scope::job_default().len()
        );
        assert_eq!(scopes(&all, "false"), None);
        let few = maker(&[Scope::ResultsRead]);
        assert_eq!(scopes(&few, "true"), Some(vec![Scope::ResultsRead]));
        assert!(all.for_job(&Job::new("a")).is_none());
    }
}
