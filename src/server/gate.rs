//! Lets requests in: whose they are, and what those may do here (public-api.md §2, §5).
//!
//! | credential | may |
//! | --- | --- |
//! | none, or one that is not good | what is open to everybody; else 401 |
//! | `Token …`, `Bearer …` of a person | what their role allows, in this org |
//! | `Bearer …` of a build | see that build, and nothing else |
//!
//! Where a request comes from counts for nothing.

use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::domain::Sid;

use super::Server;
use super::jwt::Holder;
use super::reply::Format;
use super::tokens::Role;

/// What a route asks of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// To see.
    Read,
    /// To start, cancel, approve.
    Run,
    /// Anything else that changes something.
    Admin,
}

/// The middleware before every route that is not open. Handlers find the [`Holder`] among the
/// extensions.
pub(super) async fn pass(
    State((server, needs)): State<(Server, Needs)>,
    params: RawPathParams,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let format = Format::wished(request.headers());
    let holder = match server.holder(request.headers(), request.uri()) {
        Ok(holder) => holder,
        Err(why) => {
            // Who shows nothing is nobody who was refused.
            if let Some(why) = why {
                server.tell_refused_login(request.extensions(), request.uri().path(), why);
            }
            return format.error(StatusCode::UNAUTHORIZED, "Unauthenticated");
        }
    };
    let part = |name: &str| {
        let found = params.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.to_owned())
    };
    let org = part("org");
    if org.is_some_and(|org| org != server.settings().org) {
        let why = "Credentials do not grant access to this org";
        return format.error(StatusCode::FORBIDDEN, why);
    }
    let build = part("repo").zip(part("build"));
    let build = build.map(|(repo, build)| Sid::new(&server.settings().org, repo, build));
    if let Err(why) = may(&holder, needs, build.as_ref()) {
        return format.error(StatusCode::FORBIDDEN, why);
    }
    request.extensions_mut().insert(holder);
    next.run(request).await
}

/// Whether somebody may do something to a build, or to all of them.
fn may(holder: &Holder, needs: Needs, build: Option<&Sid>) -> Result<(), &'static str> {
    match holder {
        Holder::Build(own) if build != Some(own) => {
            Err("Credentials of a build do not grant access to anything but that build")
        }
        Holder::Build(_) if needs != Needs::Read => {
            Err("Credentials of a build do not allow to change anything")
        }
        Holder::Build(_) => Ok(()),
        Holder::Person(role) => {
            let needed = match needs {
                Needs::Read => Role::Read,
                Needs::Run => Role::Run,
                Needs::Admin => Role::Admin,
            };
            if role >= &needed {
                Ok(())
            } else {
                Err("Credentials do not allow that: their role is not enough")
            }
        }
    }
}

impl Server {
    /// Who asks. The credential of a header counts, and only without one that of the query, which
    /// is always a JSON web token. The error says what is wrong with one that was shown.
    fn holder(&self, headers: &HeaderMap, uri: &Uri) -> Result<Holder, Option<&'static str>> {
        let signed = |text: &str| {
            let holder = self.0.signer.holder(text, self.now());
            holder.ok_or(Some(
                "the JSON web token is none of this server, or is over",
            ))
        };
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            let mut pairs = uri.query().unwrap_or_default().split('&');
            let text = pairs.find_map(|pair| pair.strip_prefix("authorization="));
            return signed(text.ok_or(None)?);
        };
        let shown = value.to_str().ok().and_then(|value| value.split_once(' '));
        let (scheme, text) = shown.ok_or(Some("it is no credential"))?;
        let text = text.trim();
        if scheme.eq_ignore_ascii_case("token") {
            let tokens = self.0.tokens.now();
            let tokens = tokens.map_err(|_| Some("tokens.edn cannot be read"))?;
            let role = tokens.role(text, self.now()).map(Holder::Person);
            role.ok_or(Some("the API token is not known, or is over"))
        } else if scheme.eq_ignore_ascii_case("bearer") {
            signed(text)
        } else {
            Err(Some("neither Token nor Bearer"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_do_what() {
        let own = Sid::new("o", "r", "build-1");
        let other = Sid::new("o", "r", "build-2");
        let all = [Needs::Read, Needs::Run, Needs::Admin];
        let allowed = |holder: &Holder, build: Option<&Sid>| {
            all.map(|needs| u8::from(may(holder, needs, build).is_ok()))
        };
        for (role, expected) in [
            (Role::Read, [1, 0, 0]),
            (Role::Run, [1, 1, 0]),
            (Role::Admin, [1, 1, 1]),
        ] {
            assert_eq!(allowed(&Holder::Person(role), None), expected);
            assert_eq!(allowed(&Holder::Person(role), Some(&other)), expected);
        }
        let build = Holder::Build(own.clone());
        assert_eq!(allowed(&build, Some(&own)), [1, 0, 0]);
        assert_eq!(allowed(&build, Some(&other)), [0, 0, 0]);
        assert_eq!(allowed(&build, None), [0, 0, 0]);
    }
}
