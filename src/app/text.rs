//! Small rules for text on a screen: how wide it is, how it is cut, how times and sizes are written.
//!
//! Everything that comes from a script, a commit or a log goes through [`clean`] before it is shown.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::domain::Millis;

/// Returns the text without what a terminal would act on: control characters become U+FFFD (line
/// breaks and tabs a space), and so do the characters that turn the direction of text.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let shown = |c| match c {
        '\n' | '\r' | '\t' => ' ',
        c if is_hostile(c) => '\u{fffd}',
        c => c,
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// Returns the first line of a text, cleaned.
pub fn first_line(text: &str) -> Cow<'_, str> {
    clean(text.trim_start().lines().next().unwrap_or_default())
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}' | '\u{2029}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Returns how many columns the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Returns the text in at most `columns` columns; what is cut off is marked with `mark`.
pub fn fit(text: &str, columns: usize, mark: &str) -> String {
    let text = clean(text);
    if width(&text) <= columns {
        return text.into_owned();
    }
    let room = columns.saturating_sub(width(mark));
    let mut cut = take(&text, room).0.to_owned();
    if columns >= width(mark) {
        cut.push_str(mark);
    }
    cut
}

/// Returns the text in exactly `columns` columns: cut with `mark`, or filled with spaces.
pub fn fill(text: &str, columns: usize, mark: &str) -> String {
    let mut text = fit(text, columns, mark);
    let missing = columns.saturating_sub(width(&text));
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

/// Returns the longest beginning that takes at most `columns` columns, and its width.
pub fn take(text: &str, columns: usize) -> (&str, usize) {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        let wide = grapheme.width();
        if used + wide > columns {
            return (&text[..at], used);
        }
        used += wide;
    }
    (text, used)
}

/// Returns a duration that is over: `0.4s`, `12s`, `1m02s`, `3h07m`.
pub fn duration(ms: Millis) -> String {
    if ms < 10_000 {
        // Rounded up, 9.96 s would read 10.0s.
        format!("{}.{}s", ms / 1000, ms % 1000 / 100)
    } else {
        elapsed(ms)
    }
}

/// Returns a duration that goes on, in whole seconds: `0s`, `12s`, `1m02s`, `3h07m`.
pub fn elapsed(ms: Millis) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Returns how long ago a moment was: `now`, `5m ago`, `3h ago`, `12d ago`.
pub fn ago(then: Millis, now: Millis) -> String {
    let seconds = now.saturating_sub(then).max(0) / 1000;
    match seconds {
        0..60 => "now".to_owned(),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..86_400 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

/// Returns the time of day, `14:03:59`, at an offset from UTC in seconds.
pub fn clock(at: Millis, utc_offset: i32) -> String {
    let seconds = (at.div_euclid(1000) + i64::from(utc_offset)).rem_euclid(86_400);
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds % 3600 / 60,
        seconds % 60
    )
}

/// Returns a number of bytes: `312 B`, `4.0 kB`, `1.2 MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut tenths = count / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    if tenths < 1000 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}

/// Returns a count with its noun: `1 line`, `3 lines`.
pub fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

/// Returns the first characters of a commit's id, as git does.
pub fn short_commit(id: &str) -> String {
    clean(id).chars().take(7).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_a_stopwatch() {
        let shown: Vec<String> = [0, 430, 9_990, 10_000, 61_000, 3_600_000, 11_220_000]
            .map(duration)
            .into();
        assert_eq!(
            shown,
            ["0.0s", "0.4s", "9.9s", "10s", "1m01s", "1h00m", "3h07m"]
        );
        assert_eq!(elapsed(430), "0s");
        assert_eq!(elapsed(-5), "0s");
    }

    #[test]
    fn sizes_keep_two_digits() {
        let shown: Vec<String> = [0, 999, 1000, 4_096, 120_000, 1_250_000, 999_999_999_999_999]
            .map(bytes)
            .into();
        assert_eq!(
            shown,
            [
                "0 B", "999 B", "1.0 kB", "4.0 kB", "120 kB", "1.2 MB", "999 TB"
            ]
        );
    }

    #[test]
    fn wide_characters_are_cut_at_their_columns() {
        assert_eq!(fit("日本語", 6, "…"), "日本語");
        assert_eq!(fit("日本語", 5, "…"), "日本…");
        assert_eq!(fit("日本語", 4, "…"), "日…");
        assert_eq!(fill("日本語", 4, "…"), "日… ");
        assert_eq!(fit("abc", 0, "…"), "");
        assert_eq!(width(&fill("👩‍👩‍👧 family", 9, "…")), 9);
    }

    #[test]
    fn nothing_a_terminal_acts_on_is_shown() {
        assert_eq!(clean("a\x1b[31mb\u{202e}c\nd"), "a\u{fffd}[31mb\u{fffd}c d");
        assert_eq!(first_line("\n one\r\ntwo"), "one");
    }

    #[test]
    fn the_clock_knows_its_offset() {
        assert_eq!(clock(1_700_000_000_000, 0), "22:13:20");
        assert_eq!(clock(1_700_000_000_000, 2 * 3600), "00:13:20");
        assert_eq!(clock(-1, 0), "23:59:59");
    }
}
