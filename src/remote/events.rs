//! What a server tells of an org's builds as it happens (public-api.md §8).
//!
//! One connection: it is never made again from inside. The server replays nothing, so whoever
//! connects again has to load what is on screen again too, and that is the caller's decision.

use std::fmt;

use crate::domain::Sid;
use crate::edn::{self, Value};

use super::client::Client;
use super::error::RemoteError;
use super::frames::{Frames, Heard};
use super::types::BuildInfo;

/// What [`OrgEvents`] has to tell.
#[derive(Debug)]
pub enum OrgEvent {
    /// The server has accepted: from now on builds that change are told. What was before has to be
    /// asked for.
    Connected,
    /// A build as it is now; its jobs are a map by id.
    Build(Box<BuildInfo>),
    /// A heartbeat.
    Ping,
    /// The connection is gone; a new one may be opened after a pause.
    Lost(RemoteError),
    /// The server refuses: the credential, or there is no such org. Trying again helps nobody.
    Refused(RemoteError),
}

/// The builds of an org as they change, over one connection. After [`OrgEvent::Lost`] or
/// [`OrgEvent::Refused`] there is nothing more.
pub struct OrgEvents {
    org: String,
    frames: Frames,
}

impl Client {
    /// The events of an org. Connects when the first one is waited for.
    pub fn events(&self, org: &str) -> OrgEvents {
        OrgEvents {
            org: org.to_owned(),
            frames: Frames::new(self, &["org", org, "events"], None),
        }
    }
}

impl OrgEvents {
    /// Waits for the next one; `None` once the connection is over. What is waited for may be
    /// dropped at any time, nothing is lost by it.
    pub async fn next(&mut self) -> Option<OrgEvent> {
        loop {
            return Some(match self.frames.next().await? {
                Heard::Connected { .. } => OrgEvent::Connected,
                Heard::Comment => OrgEvent::Ping,
                // Only a broken server sends what cannot be read; the next frame may be fine.
                Heard::Frame { data, .. } => match read(&data) {
                    Some(event) => event,
                    None => continue,
                },
                Heard::Ended(error) | Heard::Lost(error) => OrgEvent::Lost(error),
                Heard::Refused(_, error) => OrgEvent::Refused(error),
            });
        }
    }

    /// The org whose builds are told.
    pub fn org(&self) -> &str {
        &self.org
    }
}

fn read(data: &str) -> Option<OrgEvent> {
    let value = edn::read_lenient(data).ok()?;
    match value.get("type")? {
        Value::Keyword(keyword) if keyword.as_str() == "ping" => Some(OrgEvent::Ping),
        Value::Keyword(keyword) if keyword.as_str() == "build/updated" => {
            let mut map = value.get("build")?.as_map()?.clone();
            // The event names its build also where the build does not.
            if let Some(sid) = sid_of(&value) {
                for (key, id) in [
                    ("org-id", sid.org),
                    ("repo-id", sid.repo),
                    ("build-id", sid.build),
                ] {
                    if !map.contains_kw(key) {
                        map.insert_kw(key, id);
                    }
                }
            }
            BuildInfo::read(&map).map(|build| OrgEvent::Build(Box::new(build)))
        }
        _ => None,
    }
}

fn sid_of(event: &Value) -> Option<Sid> {
    match event.get("sid")?.as_seq()? {
        [org, repo, build] => Some(Sid::new(org.as_str()?, repo.as_str()?, build.as_str()?)),
        _ => None,
    }
}

impl fmt::Debug for OrgEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrgEvents")
            .field("org", &self.org)
            .field("frames", &self.frames)
            .finish()
    }
}
