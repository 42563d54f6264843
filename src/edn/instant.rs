//! `#inst` and `#uuid`: which texts are valid, and which are the same.
//!
//! The text is kept as it was written; only comparing looks into it.

use super::Value;

/// Whether a tag's value is one that every reader of ours and of Clojure takes.
pub(super) fn is_valid(tag: &str, value: &Value) -> bool {
    tagged_key(tag, value).is_some()
}

/// What makes two `#inst` or two `#uuid` equal; `None` for anything else.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum TaggedKey {
    /// Milliseconds since 1970: Clojure keeps no more.
    Instant(i64),
    /// In lower case.
    Uuid(String),
}

pub(super) fn tagged_key(tag: &str, value: &Value) -> Option<TaggedKey> {
    let Value::Str(text) = value else { return None };
    match tag {
        "inst" => instant(text).map(TaggedKey::Instant),
        "uuid" => is_uuid(text).then(|| TaggedKey::Uuid(text.to_ascii_lowercase())),
        _ => None,
    }
}

/// The last of the parts behind the year.
const SECOND: usize = 4;

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// `2026`, `2026-11`, … `2026-11-23T12:00:00.000-00:00`: every part after the year may be left out, from the right.
fn instant(text: &str) -> Option<i64> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.digits(4)?;
    let mut fields = [1, 1, 0, 0, 0];
    let mut millis = 0;
    for (part, before) in b"--T::".iter().enumerate() {
        if !rest.is_part(*before) {
            break;
        }
        rest.skip();
        fields[part] = rest.digits(2)?;
        if part == SECOND && rest.0.first() == Some(&b'.') {
            rest.skip();
            millis = rest.millis()?;
        }
    }
    let [month, day, hour, minute, second] = fields;
    let offset = rest.offset()?;
    let last_second = if minute == 59 { 60 } else { 59 };
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= last_second;
    in_range.then(|| {
        (((days_before(year, month) + day - 1) * 24 + hour) * 3600
            + (minute - offset) * 60
            + second)
            * 1000
            + millis
    })
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn skip(&mut self) {
        self.0 = &self.0[1..];
    }

    /// Whether another part of the date follows, and not an offset that starts like one (`2026-05:30`).
    fn is_part(&self, before: u8) -> bool {
        self.0.first() == Some(&before) && !(before == b'-' && self.0.get(3) == Some(&b':'))
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let digits = self
            .0
            .get(..count)
            .filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        self.0 = &self.0[count..];
        Some(
            digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')),
        )
    }

    fn millis(&mut self) -> Option<i64> {
        let count = self
            .0
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let digits = self.0[..count].iter().chain(b"00").take(3);
        self.0 = &self.0[count..];
        (count > 0).then(|| digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    }

    /// Minutes that the clock is ahead.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.0 {
            [] | [b'Z'] => return Some(0),
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return None,
        };
        self.skip();
        let hours = self.digits(2)?;
        if self.0.first() != Some(&b':') {
            return None;
        }
        self.skip();
        let minutes = self.digits(2)?;
        (self.0.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of a month.
fn days_before(year: i64, month: i64) -> i64 {
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let of_months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    before * 365 + leap_days + of_months - 719_162
}
