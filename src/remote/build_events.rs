//! The journal of one build, numbered, as a server of this program offers it: `GET B/events`
//! (`assets/docs/serve.md`). A MonkeyCI server has no such thing.
//!
//! One connection: it is never made again from inside. Whoever makes the next one says after which
//! number, and checks that it is the same journal still.

use crate::domain::{Event, LogId, Seq, Sid};
use crate::wire::sse::{self, Told};

use super::client::Client;
use super::error::RemoteError;
use super::frames::{Frames, Heard};

/// What [`BuildEvents`] has to tell.
#[derive(Debug)]
pub enum BuildEvent {
    /// The server has such a stream.
    Connected,
    /// A heartbeat: after the first and what there is comes another one, then one in silence.
    Ping,
    /// What has that number in the server's journal.
    Event(Seq, Box<Event>),
    /// What has that number cannot be read; or something without a number, which belongs in no journal.
    Odd(Option<Seq>, String),
    /// The log of a job grew, or the script's own.
    LogGrew(LogId),
    /// The server says that it has no such stream of this build.
    Absent,
    /// The server has ended it in order.
    Ended(RemoteError),
    /// The connection is gone; a new one may be opened after a pause.
    Lost(RemoteError),
    /// The server refuses: the credential. Trying again helps nobody.
    Refused(RemoteError),
}

/// The journal of a build, over one connection. After [`BuildEvent::Absent`], [`BuildEvent::Ended`],
/// [`BuildEvent::Lost`] or [`BuildEvent::Refused`] there is nothing more.
#[derive(Debug)]
pub struct BuildEvents {
    frames: Frames,
    over: bool,
}

impl Client {
    /// The events of a build after the one of that number; 0 stands before the first. Connects when
    /// the first one is waited for.
    pub fn build_events(&self, sid: &Sid, after: Seq) -> BuildEvents {
        let path = [
            "org", &sid.org, "repo", &sid.repo, "builds", &sid.build, "events",
        ];
        BuildEvents {
            frames: Frames::new(self, &path, (after > 0).then_some(after)),
            over: false,
        }
    }
}

impl BuildEvents {
    /// Waits for the next one; `None` once the connection is over. What is waited for may be
    /// dropped at any time, nothing is lost by it.
    pub async fn next(&mut self) -> Option<BuildEvent> {
        if self.over {
            return None;
        }
        loop {
            return Some(match self.frames.next().await? {
                Heard::Connected { is_stream: true } => BuildEvent::Connected,
                // A page of a gateway, for example.
                Heard::Connected { is_stream: false } => {
                    self.over = true;
                    BuildEvent::Odd(None, "it is no stream of events".to_owned())
                }
                // Somebody on the way may keep a connection alive so.
                Heard::Comment => continue,
                Heard::Frame { id, data } => read(id.as_deref(), &data),
                Heard::Ended(error) => BuildEvent::Ended(error),
                Heard::Lost(error) => BuildEvent::Lost(error),
                Heard::Refused(Some(404 | 405 | 406 | 410 | 501), _) => BuildEvent::Absent,
                Heard::Refused(_, error) => BuildEvent::Refused(error),
            });
        }
    }
}

fn read(id: Option<&str>, data: &str) -> BuildEvent {
    let number = id.and_then(|id| id.parse().ok());
    // No journal begins with 0, and none has more than that.
    let number = number.filter(|number| (1..i64::MAX as Seq).contains(number));
    // A frame of ours is one line; more of them were put together on the way.
    if data.contains('\n') {
        return BuildEvent::Odd(number, "it has several lines".to_owned());
    }
    match (sse::read(data), number) {
        (Ok(Told::Ping), _) => BuildEvent::Ping,
        (Ok(Told::LogGrew(log)), _) => BuildEvent::LogGrew(log),
        (Ok(Told::Event(event)), Some(number)) => BuildEvent::Event(number, event),
        (Ok(Told::Event(_)), None) => BuildEvent::Odd(None, "it has no number".to_owned()),
        (Err(error), number) => BuildEvent::Odd(number, error.to_string()),
    }
}
