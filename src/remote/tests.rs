//! The client against a server on loopback: the recorded answers of a real one, and faults.

#[path = "../../tests/shared/playback.rs"]
mod playback;

mod contract;
mod downloads;
mod faults;
mod forward;
mod numbered;
mod stream;

use std::time::Duration;

use super::{BaseUrl, Client, ClientOptions, Credential, Retry};
use crate::domain::Sid;
use playback::{Answer, ORG, Playback, TOKEN};

/// The path of the recorded org.
fn org_path() -> String {
    format!("/org/{ORG}")
}

fn sid(build: &str) -> Sid {
    Sid::new(ORG, "demo-repo", build)
}

fn options(server: &Playback, credential: Credential) -> ClientOptions {
    ClientOptions {
        retry: Retry {
            tries: 3,
            first: Duration::from_millis(1),
            longest: Duration::from_secs(30),
        },
        ..ClientOptions::new(BaseUrl::parse(&server.url()).unwrap(), credential)
    }
}

fn client(server: &Playback) -> Client {
    Client::new(options(server, Credential::Token(TOKEN.into()))).unwrap()
}

fn stranger(server: &Playback) -> Client {
    Client::new(options(server, Credential::None)).unwrap()
}
