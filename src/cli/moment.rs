//! Moments as they are typed: `2h`, `3d`, `2026-11-03`, `2026-11-03T10:00`, RFC 3339.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::config::parse_age;
use crate::domain::Millis;

/// A moment as typed; what it is depends on when and where it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// So long ago.
    Ago(Duration),
    /// A whole day, of the time zone where it was typed.
    Day(Date),
    /// A time of that time zone.
    Local(DateTime),
    /// A moment, wherever.
    At(Timestamp),
}

impl Moment {
    /// Reads a moment as typed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(age) = parse_age(text) {
            return Ok(Self::Ago(age));
        }
        // A date is also the beginning of a date and time.
        if text.len() == 10
            && let Ok(day) = text.parse()
        {
            return Ok(Self::Day(day));
        }
        let local = || text.parse().map(Self::Local);
        let at = text.parse().map(Self::At).or_else(|_| local());
        at.map_err(|_| "write 90s, 20m, 2h, 3d, 2w, 2026-11-03, or 2026-11-03T10:00".to_owned())
    }

    /// When that begins.
    pub fn begin(&self, now: Millis, zone: &TimeZone) -> Millis {
        match self {
            Self::Ago(age) => {
                now.saturating_sub(Millis::try_from(age.as_millis()).unwrap_or(Millis::MAX))
            }
            Self::Day(day) => in_zone(day.to_datetime(jiff::civil::Time::midnight()), zone),
            Self::Local(time) => in_zone(*time, zone),
            Self::At(at) => at.as_millisecond(),
        }
    }

    /// When that is over: a day ends with the next one.
    pub fn end(&self, now: Millis, zone: &TimeZone) -> Millis {
        match self {
            Self::Day(day) => match day.checked_add(1.day()) {
                Ok(next) => Self::Day(next).begin(now, zone),
                Err(_) => Millis::MAX,
            },
            other => other.begin(now, zone),
        }
    }
}

/// Of two moments with that name, when clocks are set back, the first; of none, the one after it.
fn in_zone(time: DateTime, zone: &TimeZone) -> Millis {
    match zone.to_timestamp(time) {
        Ok(at) => at.as_millisecond(),
        // Out of what the calendar has.
        Err(_) if time.year() < 0 => Millis::MIN,
        Err(_) => Millis::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_the_ways_people_write_them() {
        let now = 1_793_700_000_000; // 2026-11-03T10:00:00Z
        let zone = TimeZone::get("Europe/Brussels").unwrap();
        let hour = 3_600_000;
        let day = 1_793_660_400_000; // that day's midnight in Brussels
        for (text, begin, end) in [
            ("90s", now - 90_000, now - 90_000),
            ("20m", now - hour / 3, now - hour / 3),
            ("2h", now - 2 * hour, now - 2 * hour),
            ("3d", now - 72 * hour, now - 72 * hour),
            ("2w", now - 336 * hour, now - 336 * hour),
            ("2026-11-03", day, day + 24 * hour),
            // The clocks were set back that night.
            (
                "2026-10-25",
                day - 9 * 24 * hour - hour,
                day - 8 * 24 * hour,
            ),
            ("2026-11-03T11:00", now, now),
            ("2026-11-03 11:00:00", now, now),
            ("2026-11-03T10:00:00Z", now, now),
            ("2026-11-03T12:00:00+02:00", now, now),
        ] {
            let moment = Moment::parse(text).unwrap();
            assert_eq!(
                (moment.begin(now, &zone), moment.end(now, &zone)),
                (begin, end),
                "{text}"
            );
        }
        for text in [
            "",
            "soon",
            "2 hours ago",
            "-3d",
            "2026-13-01",
            "99999999999999999999h",
            "3x",
        ] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
        let far = Moment::parse("18446744073709551615s").unwrap();
        assert_eq!(far.begin(now, &zone), now.saturating_sub(Millis::MAX));
    }
}
