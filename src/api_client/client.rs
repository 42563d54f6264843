//! Requests to the script API.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::{BlobKind, Event, JobId, Seq};
use crate::edn::{self, Value};
use crate::wire;

use super::error::ApiError;
use super::stream::EventStream;
use super::transport::Transport;

/// The host in our URLs. The socket decides who answers.
const BASE: &str = "http://localhost/";

/// How long an ordinary request may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long unpacking an artifact may take.
const BLOB_PATIENCE: Duration = Duration::from_mins(30);

/// A stream that is silent for longer is broken: the server pings every 30 s.
const SILENCE: Duration = Duration::from_secs(90);

/// A client of one build's script API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiClient {
    requests: Client,
    streams: Client,
    token: SecretString,
}

impl ApiClient {
    /// A client for the API behind a Unix socket. Connects only when asked something.
    pub fn new(socket: &Path, token: SecretString) -> Result<Self, ApiError> {
        let builder = || {
            Client::builder()
                .unix_socket(socket)
                // There is no TLS on a socket; looking up whom the system trusts takes time.
                .tls_certs_only(std::iter::empty())
                .redirect(reqwest::redirect::Policy::none())
        };
        let setup = |error: reqwest::Error| ApiError::Setup(super::error::innermost(&error));
        Ok(Self {
            requests: builder().build().map_err(setup)?,
            streams: builder().read_timeout(SILENCE).build().map_err(setup)?,
            token,
        })
    }

    /// Reads an EDN answer, of `GET /build` for example. An empty answer is nil.
    pub async fn get_edn(&self, path: &str) -> Result<Value, ApiError> {
        let what = format!("GET {path}");
        let url = Url::parse(BASE)
            .and_then(|base| base.join(path))
            .map_err(|_| ApiError::Id(path.to_owned()))?;
        let response = self.send(&what, self.request(Method::GET, url)).await?;
        let text = response
            .text()
            .await
            .map_err(|error| ApiError::unreachable(&error))?;
        if text.trim().is_empty() {
            return Ok(Value::Nil);
        }
        edn::read_lenient(&text).map_err(|error| ApiError::Answer {
            what,
            reason: error.to_string(),
        })
    }

    /// Posts events, in order, in one request. Returns when the engine has them.
    pub async fn post_events(&self, events: &[Event]) -> Result<(), ApiError> {
        let lines: Vec<String> = events.iter().map(wire::write_event).collect();
        let request = self
            .request(Method::POST, url(&["events"])?)
            .header(http::header::CONTENT_TYPE, "application/edn")
            .body(format!("[{}]", lines.join("\n")));
        self.send("POST /events", request).await.map(drop)
    }

    /// Has an artifact or a cache unpacked into a folder, as a job asks for it. Returns
    /// whether there was one.
    pub async fn restore(
        &self,
        kind: BlobKind,
        job: &JobId,
        id: &str,
        to: &Path,
    ) -> Result<bool, ApiError> {
        let route = match kind {
            BlobKind::Artifact => "artifact",
            BlobKind::Cache => "cache",
        };
        let to = to
            .to_str()
            .ok_or_else(|| ApiError::Id(to.display().to_string()))?;
        let request = self
            .request(Method::GET, url(&[route, job.as_str(), id])?)
            .query(&[("path", to)])
            .timeout(BLOB_PATIENCE);
        match self.send(&format!("GET /{route}"), request).await {
            Ok(response) => Ok(response.status() != StatusCode::NO_CONTENT),
            Err(ApiError::Refused { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stops the build.
    pub async fn cancel(&self) -> Result<(), ApiError> {
        self.control(&["cancel"]).await
    }

    /// Approves a blocked job, or all of them.
    pub async fn unblock(&self, job: Option<&JobId>) -> Result<(), ApiError> {
        match job {
            Some(job) => self.control(&["unblock", job.as_str()]).await,
            None => self.control(&["unblock"]).await,
        }
    }

    /// The build's events after a number, or all of them.
    pub fn events(&self, after: Option<Seq>) -> EventStream {
        EventStream::new(self.clone(), after)
    }

    async fn control(&self, segments: &[&str]) -> Result<(), ApiError> {
        let request = self.request(Method::POST, url(segments)?);
        let what = format!("POST /{}", segments.join("/"));
        self.send(&what, request).await.map(drop)
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.requests
            .request(method, url)
            .bearer_auth(self.token.expose_secret())
            .timeout(PATIENCE)
    }

    async fn send(&self, what: &str, request: RequestBuilder) -> Result<Response, ApiError> {
        let response = request
            .send()
            .await
            .map_err(|error| ApiError::unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.text().await.unwrap_or_default();
        Err(ApiError::Refused {
            what: what.to_owned(),
            status,
            message: body
                .trim()
                .chars()
                .filter(|c| !c.is_control())
                .take(300)
                .collect(),
        })
    }

    /// One connection of an event stream; it ends at the first trouble.
    pub(super) fn open_stream(
        &self,
        after: Option<Seq>,
    ) -> Result<
        eventsource_client::BoxStream<eventsource_client::Result<eventsource_client::SSE>>,
        ApiError,
    > {
        use eventsource_client::{Client as _, ClientBuilder, ReconnectOptions};
        let setup = |error: eventsource_client::Error| ApiError::Setup(error.to_string());
        // The library's own reconnecting forgets the number when a heartbeat has none, and
        // says nothing while a server is away: see `stream`.
        let reconnect = ReconnectOptions::reconnect(false)
            .retry_initial(false)
            .build();
        let token = format!("Bearer {}", self.token.expose_secret());
        let mut builder = ClientBuilder::for_url(&format!("{BASE}events"))
            .and_then(|builder| builder.header("Authorization", &token))
            .map_err(setup)?
            .reconnect(reconnect)
            .redirect_limit(0);
        if let Some(seq) = after {
            builder = builder.last_event_id(seq.to_string());
        }
        let client = builder.build_with_transport(Transport(self.streams.clone()));
        Ok(client.stream())
    }
}

fn url(segments: &[&str]) -> Result<Url, ApiError> {
    // A URL resolves these two, encoded or not, so no request can carry them.
    if let Some(odd) = segments.iter().find(|s| matches!(**s, "" | "." | "..")) {
        return Err(ApiError::Id((*odd).to_owned()));
    }
    let mut url = Url::parse(BASE).map_err(|error| ApiError::Setup(error.to_string()))?;
    url.path_segments_mut()
        .map_err(|()| ApiError::Setup("no path".to_owned()))?
        .pop_if_empty()
        .extend(segments);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_travel_encoded_in_the_path() {
        let path = |id: &str| url(&["unblock", id]).unwrap().path().to_owned();
        assert_eq!(path("unit tests"), "/unblock/unit%20tests");
        assert_eq!(path("a/b"), "/unblock/a%2Fb");
        assert_eq!(path("100%?#"), "/unblock/100%25%3F%23");
        assert_eq!(path("🐒"), "/unblock/%F0%9F%90%92");
    }

    #[test]
    fn an_id_that_a_url_would_resolve_is_refused() {
        for id in ["", ".", ".."] {
            assert!(
                matches!(url(&["unblock", id]), Err(ApiError::Id(_))),
                "{id:?}"
            );
        }
    }
}
