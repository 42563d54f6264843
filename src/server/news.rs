//! What the operator of a server is told: which builds are queued, begin and end, and who is refused.
//!
//! News name ids, paths without their queries, and addresses; never a credential, a signature or a body. Most of
//! it is what others have written, and is for whoever shows it to clean. Who is refused can come back as often
//! as they like: of that only so much is told in a minute ([`Sparingly`]).

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use axum::http::Extensions;

use crate::domain::{BuildStatus, Millis, Sid};

use super::Server;
use super::listen::Peer;
use super::order::Order;

/// Who hears what there is to say.
pub trait Operator: Send + Sync + fmt::Debug {
    /// Says something, now or never; it must not block for long.
    fn hear(&self, news: &News);
}

/// Nobody.
#[derive(Debug)]
pub(super) struct Nobody;

impl Operator for Nobody {
    fn hear(&self, _: &News) {}
}

/// One thing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A build waits for a place.
    Queued {
        /// The build.
        sid: Sid,
        /// What triggered it: `api`, `github-webhook`.
        source: String,
        /// The commit, branch or tag that was asked for.
        of: Vec<String>,
    },
    /// A build has an engine.
    Started(Sid),
    /// A build is over.
    Ended {
        /// The build.
        sid: Sid,
        /// How it ended.
        status: BuildStatus,
        /// How long after its trigger, in ms.
        after: Millis,
        /// Why, where that was said.
        message: Option<String>,
    },
    /// Somebody showed a credential that is not good.
    LoginRefused {
        /// Who, and what they wanted.
        who: Refused,
        /// Why not.
        why: &'static str,
    },
    /// A delivery was not taken.
    DeliveryRefused {
        /// Who sent it where.
        who: Refused,
        /// Why not.
        why: String,
    },
    /// Something is wrong here.
    Trouble(String),
}

/// Who was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The other end of the connection.
    pub from: Option<SocketAddr>,
    /// What was asked for, without its query.
    pub path: String,
    /// How many others were refused before that nothing was said of.
    pub untold: u64,
}

/// Longest path that is told, in characters.
const LONGEST_PATH: usize = 100;

impl Refused {
    fn new(extensions: &Extensions, path: &str, untold: u64) -> Self {
        Self {
            from: extensions.get::<Peer>().map(|peer| peer.0),
            path: path.chars().take(LONGEST_PATH).collect(),
            untold,
        }
    }
}

/// A minute.
const WHILE: Millis = 60_000;

/// So many are told in a minute.
const MOST: u32 = 20;

/// Counts what is told, so that it does not become too much.
#[derive(Debug, Default)]
pub(super) struct Sparingly(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    since: Millis,
    told: u32,
    untold: u64,
}

impl Sparingly {
    /// Whether one more may be told; then it comes with how many were not.
    fn count(&self, now: Millis) -> Option<u64> {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back begins anew, too.
        if now < count.since || now >= count.since + WHILE {
            (count.since, count.told) = (now, 0);
        }
        if count.told >= MOST {
            count.untold += 1;
            return None;
        }
        count.told += 1;
        Some(std::mem::take(&mut count.untold))
    }
}

/// What is counted, each by itself: a flood of one must not hide the other.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    logins: Sparingly,
    deliveries: Sparingly,
}

impl Server {
    pub(super) fn tell(&self, news: &News) {
        self.settings().operator.hear(news);
    }

    pub(super) fn trouble(&self, text: String) {
        self.tell(&News::Trouble(text));
    }

    pub(super) fn tell_queued(&self, order: &Order) {
        let wanted = &order.wanted;
        let named = [
            ("tree", wanted.workspace.as_ref().map(|_| String::new())),
            ("branch", wanted.branch.clone()),
            ("tag", wanted.tag.clone()),
            ("commit", wanted.commit.clone()),
        ];
        let of = named.into_iter().filter_map(|(kind, name)| {
            let text = format!("{kind} {}", name?);
            Some(text.trim_end().to_owned())
        });
        self.tell(&News::Queued {
            sid: order.sid.clone(),
            source: order.source.clone(),
            of: of.collect(),
        });
    }

    pub(super) fn tell_ended(&self, order: &Order, status: BuildStatus, message: Option<String>) {
        self.tell(&News::Ended {
            sid: order.sid.clone(),
            status,
            after: self.now().saturating_sub(order.triggered),
            message,
        });
    }

    pub(super) fn tell_refused_login(&self, of: &Extensions, path: &str, why: &'static str) {
        if let Some(untold) = self.0.refusals.logins.count(self.now()) {
            let who = Refused::new(of, path, untold);
            self.tell(&News::LoginRefused { who, why });
        }
    }

    pub(super) fn tell_refused_delivery(&self, of: &Extensions, path: &str, why: String) {
        if let Some(untold) = self.0.refusals.deliveries.count(self.now()) {
            let who = Refused::new(of, path, untold);
            self.tell(&News::DeliveryRefused { who, why });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_much_is_told_in_a_minute_and_what_is_not_is_counted() {
        let counted = Sparingly::default();
        let start = 1_000_000;
        for n in 0..MOST {
            assert_eq!(counted.count(start + Millis::from(n)), Some(0));
        }
        for _ in 0..500 {
            assert_eq!(counted.count(start + WHILE - 1), None);
        }
        assert_eq!(counted.count(start + WHILE), Some(500));
        assert_eq!(counted.count(start + WHILE), Some(0));
        // A clock that was set back.
        assert_eq!(counted.count(start), Some(0));
    }
}
