//! When a request is tried again, and after how long.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// How patient a client is with a server that is busy or away. Only requests that change nothing
/// are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often a request is sent at most.
    pub tries: u32,
    /// The wait after the first try; it doubles from then on.
    pub first: Duration,
    /// The longest wait, and the longest that a server may ask for.
    pub longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 4,
            first: Duration::from_millis(250),
            longest: Duration::from_secs(30),
        }
    }
}

impl Retry {
    /// How long to wait after try number `tried` (from 1), or `None` when that was the last one.
    /// `asked` is what the server asked for; a wait that is too long is none.
    pub fn wait(&self, tried: u32, asked: Option<Duration>) -> Option<Duration> {
        if tried >= self.tries {
            return None;
        }
        if let Some(asked) = asked {
            return (asked <= self.longest).then_some(asked);
        }
        let backoff = self
            .first
            .saturating_mul(2_u32.saturating_pow(tried - 1))
            .min(self.longest);
        Some(jittered(backoff))
    }
}

/// Somewhere between half and all of it, so that those who failed together do not come back together.
pub(super) fn jittered(time: Duration) -> Duration {
    // A new `RandomState` has new keys, which is all the chance that is needed here.
    let chance = RandomState::new().build_hasher().finish();
    let share = 0.5 + (chance >> 11) as f64 / (1_u64 << 53) as f64 / 2.0;
    time.mul_f64(share)
}

/// What a `Retry-After` header asks for: seconds, or a moment.
pub(super) fn asked(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let parser = DateTimeParser::new();
    let until = parser.parse_timestamp(header).ok()?;
    // A moment that has passed means: now.
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_bounds() {
        let retry = Retry {
            tries: 5,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(3),
        };
        for (tried, longest) in [(1, 1), (2, 2), (3, 3), (4, 3)] {
            for _ in 0..50 {
                let wait = retry.wait(tried, None).unwrap();
                let longest = Duration::from_secs(longest);
                assert!(wait <= longest && wait >= longest / 2, "{wait:?}");
            }
        }
        assert_eq!(retry.wait(5, None), None);
    }

    #[test]
    fn a_server_is_obeyed_unless_it_asks_too_much() {
        let retry = Retry::default();
        let asks = |seconds| retry.wait(1, Some(Duration::from_secs(seconds)));
        assert_eq!(asks(0), Some(Duration::ZERO));
        assert_eq!(asks(30), Some(Duration::from_secs(30)));
        assert_eq!(asks(31), None);
        assert_eq!(retry.wait(4, Some(Duration::ZERO)), None);
    }

    #[test]
    fn a_wait_is_seconds_or_a_moment() {
        let now: Timestamp = "2026-11-23T18:35:13Z".parse().unwrap();
        for (header, seconds) in [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("Mon, 23 Nov 2026 18:35:43 GMT", Some(30)),
            ("Mon, 23 Nov 2026 18:35:03 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(
                asked(header, now),
                seconds.map(Duration::from_secs),
                "{header}"
            );
        }
    }
}
