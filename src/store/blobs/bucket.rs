//! A bucket of S3, or of something that speaks like it.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::{BackoffConfig, ClientOptions, Error, ObjectStore, RetryConfig};
use secrecy::ExposeSecret;

use super::credentials::Keys;

/// A server that cannot be connected to in this time is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a request is tried again, when trying again makes sense.
const RETRIES: usize = 3;

/// Where blobs are kept, and what opens it. Everything is checked.
#[derive(Debug, Clone)]
pub struct BucketSettings {
    /// `http(s)://host[:port]`; `None` is Amazon's own in that region.
    pub endpoint: Option<String>,
    /// The bucket's name.
    pub bucket: String,
    /// What goes before every key; may be empty.
    pub prefix: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket is in the path of a URL, not in its host.
    pub path_style: bool,
    /// A server that says nothing for this long has gone.
    pub timeout: Duration,
    /// What requests are signed with.
    pub keys: Keys,
}

impl BucketSettings {
    /// For people.
    pub(super) fn name(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("the bucket {} at {endpoint}", self.bucket),
            None => format!("the bucket {} at Amazon S3, {}", self.bucket, self.region),
        }
    }

    /// What the crate wants to know as its endpoint.
    fn endpoint(&self) -> Option<String> {
        let endpoint = self.endpoint.as_deref()?.trim_end_matches('/');
        if self.path_style {
            return Some(endpoint.to_owned());
        }
        let (scheme, host) = endpoint.split_once("://")?;
        Some(format!("{scheme}://{}.{host}", self.bucket))
    }
}

/// Opens a bucket; nothing is sent yet. The error is the end of a sentence.
pub(super) fn open(settings: &BucketSettings) -> Result<Arc<dyn ObjectStore>, String> {
    let client = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        // Large blobs take their time; what must not happen is that nothing moves.
        .with_timeout_disabled()
        .with_read_timeout(settings.timeout)
        // The settings were checked: who says http means it.
        .with_allow_http(true);
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: settings.timeout * 2,
    };
    let mut builder = AmazonS3Builder::new()
        .with_client_options(client)
        .with_retry(retry)
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_virtual_hosted_style_request(!settings.path_style)
        // The request for many deletions is not everywhere.
        .with_disable_bulk_delete(true)
        .with_access_key_id(&settings.keys.id)
        .with_secret_access_key(settings.keys.secret.expose_secret());
    if let Some(token) = &settings.keys.token {
        builder = builder.with_token(token.expose_secret());
    }
    if let Some(endpoint) = settings.endpoint() {
        builder = builder.with_endpoint(endpoint);
    }
    match builder.build() {
        Ok(bucket) => Ok(Arc::new(bucket)),
        Err(error) => Err(innermost(&error)),
    }
}

/// True when there is a store, and the blob is not in it.
pub(super) fn is_missing_key(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. })
        && code(&error.to_string()).is_none_or(|code| code != "NoSuchBucket")
}

/// Why a bucket did not do what it was asked for: the end of a sentence.
pub(super) fn reason(error: &Error) -> String {
    let said = error.to_string();
    let code = code(&said);
    let with_code = |text: &str| match code {
        Some(code) => format!("{text} ({code})"),
        None => text.to_owned(),
    };
    match (error, code) {
        (_, Some("NoSuchBucket")) => with_code("there is no such bucket"),
        (
            _,
            Some(
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "ExpiredToken"
                | "InvalidToken"
                | "InvalidClientTokenId"
                | "AuthFailure",
            ),
        )
        | (Error::Unauthenticated { .. }, _) => with_code("the credentials are refused"),
        (Error::PermissionDenied { .. }, _) => with_code("access is denied"),
        (_, Some(_)) => match element(&said, "Message") {
            Some(message) => with_code(message),
            None => with_code("the server refuses"),
        },
        _ => innermost(error),
    }
}

/// What caused an error in the end.
fn innermost(error: &Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !text.is_empty() {
            said = text;
        }
        cause = error.source();
    }
    said
}

/// The code of an error of S3.
fn code(said: &str) -> Option<&str> {
    element(said, "Code").filter(|code| code.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The text of an element, if it is a short one.
fn element<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = said.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    (text.len() <= 200 && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_found(body: &str) -> Error {
        Error::NotFound {
            path: "a".to_owned(),
            source: body.into(),
        }
    }

    #[test]
    fn a_missing_blob_is_no_missing_bucket() {
        assert!(is_missing_key(&not_found("404")));
        assert!(is_missing_key(&not_found("<Code>NoSuchKey</Code>")));
        let error = not_found("<Error><Code>NoSuchBucket</Code><Message>x</Message></Error>");
        assert!(!is_missing_key(&error));
        assert_eq!(reason(&error), "there is no such bucket (NoSuchBucket)");
    }

    #[test]
    fn refusals_say_what_is_refused() {
        let denied = |body: &'static str| Error::PermissionDenied {
            path: "a".to_owned(),
            source: body.into(),
        };
        for (body, said) in [
            (
                "<Code>InvalidAccessKeyId</Code>",
                "the credentials are refused (InvalidAccessKeyId)",
            ),
            (
                "<Code>AccessDenied</Code>",
                "access is denied (AccessDenied)",
            ),
            ("", "access is denied"),
        ] {
            assert_eq!(reason(&denied(body)), said);
        }
        let other = Error::Generic {
            store: "S3",
            source: "<Code>SlowDown</Code><Message>Please reduce your rate.</Message>".into(),
        };
        assert_eq!(reason(&other), "Please reduce your rate. (SlowDown)");
    }

    #[test]
    fn a_bucket_may_be_in_the_host() {
        let settings = |path_style| BucketSettings {
            endpoint: Some("https://s3.example:9000/".to_owned()),
            bucket: "ci".to_owned(),
            prefix: String::new(),
            region: "us-east-1".to_owned(),
            path_style,
            timeout: Duration::from_secs(1),
            keys: Keys {
                id: "AKIA".to_owned(),
                secret: "top-secret".into(),
                token: Some("session-token".into()),
            },
        };
        let endpoint = |path_style| settings(path_style).endpoint().unwrap();
        assert_eq!(endpoint(true), "https://s3.example:9000");
        assert_eq!(endpoint(false), "https://ci.s3.example:9000");
        assert!(open(&settings(true)).is_ok());
        let shown = format!("{:?}", settings(true));
        assert!(!shown.contains("top-secret") && !shown.contains("session-token"));
    }
}
