//! Where a server is, and paths below that.

use std::fmt;

use reqwest::Url;

use super::error::RemoteError;

/// The address of a server's API: `https://api.example.org`, with a path where it sits under one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Reads an address. A credential in it is refused and not repeated: an address is shown
    /// around, and ends up in files.
    pub fn parse(text: &str) -> Result<Self, RemoteError> {
        let refuse = |why: &str| RemoteError::Address(why.to_owned());
        let mut url = Url::parse(text.trim())
            .map_err(|_| refuse("it is no URL like https://api.monkeyci.com"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(refuse("it is no URL like https://api.monkeyci.com"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse(
                "there is a user name or a password in it; `monkeyci-tui login` takes credentials",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("there is a `?` or a `#` in it; give it without"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// The URL of a path below, of encoded segments.
    pub fn join(&self, segments: &[&str]) -> Result<Url, RemoteError> {
        // A URL resolves these two, encoded or not, so no request can carry them.
        if let Some(odd) = segments.iter().find(|s| matches!(**s, "" | "." | "..")) {
            return Err(RemoteError::Id((*odd).to_owned()));
        }
        let mut url = self.0.clone();
        url.path_segments_mut()
            .map_err(|()| RemoteError::Address("it has no path".to_owned()))?
            .pop_if_empty()
            .extend(segments);
        Ok(url)
    }

    /// Whether what is sent there can be read on the way.
    pub fn is_clear(&self) -> bool {
        self.0.scheme() == "http" && !self.is_loopback()
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        match self.0.host_str() {
            Some("localhost") => true,
            Some(host) => host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback()),
            None => false,
        }
    }

    /// Whether TLS is used.
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host, with its port where that is not the usual one.
    pub fn host(&self) -> String {
        host_of(&self.0)
    }

    /// Scheme, host and port: what a browser would call the origin.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The same server with another path.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        url.set_path(path.trim_end_matches('/'));
        Self(url)
    }

    /// The path, without a slash at its end; empty for none.
    pub fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }
}

/// Host and port of a URL, for people.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Without a slash at its end.
impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_travel_encoded_below_the_base() {
        let path = |base: &str, id: &str| {
            let url = BaseUrl::parse(base).unwrap().join(&["job", id]).unwrap();
            url.path().to_owned()
        };
        assert_eq!(path("https://h", "unit tests"), "/job/unit%20tests");
        assert_eq!(path("https://h/", "a/b"), "/job/a%2Fb");
        assert_eq!(path("https://h/v1/", "100%?#"), "/v1/job/100%25%3F%23");
        assert_eq!(path("https://h/a/b", "é"), "/a/b/job/%C3%A9");
        for id in ["", ".", ".."] {
            let base = BaseUrl::parse("https://h").unwrap();
            assert!(
                matches!(base.join(&[id]), Err(RemoteError::Id(_))),
                "{id:?}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_no_secret_repeated() {
        for text in [
            "",
            "h",
            "ftp://h",
            "https://",
            "unix:/x",
            "https://me:hunter2@h",
            "https://hunter2@h",
            "https://h/?authorization=hunter2",
            "https://h/#hunter2",
        ] {
            let error = BaseUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn only_this_machine_may_be_talked_to_in_the_clear() {
        for (text, clear) in [
            ("http://localhost:3000", false),
            ("http://127.0.0.1", false),
            ("http://[::1]:80", false),
            ("http://example.org", true),
            ("http://127.0.0.1.example.org", true),
            ("https://example.org", false),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().is_clear(), clear, "{text}");
        }
    }

    #[test]
    fn an_address_is_shown_without_a_last_slash() {
        for (text, shown) in [
            ("https://h/", "https://h"),
            ("https://h:8443/v1/", "https://h:8443/v1"),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().to_string(), shown);
        }
    }
}
