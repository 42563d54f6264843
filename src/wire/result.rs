//! How a named result is kept: a line with its media type and where secrets stand in it, then its
//! bytes as they came.
//!
//! ```text
//! application/edn 9-20 40-51
//! {:token "…"
//! ```
//!
//! What a script stores it gets back as it was. People see it without secrets, also when nobody
//! knows any more what they were: a recording keeps no values.

use std::ops::Range;

/// How many bytes of a result people are shown at most, and secrets are looked for in.
pub const SHOWN: usize = 1_000_000;

/// Longest head line, in bytes.
pub const LONGEST_HEAD: u64 = 64 * 1024;

/// More places are told as one that reaches to the end of what is shown.
const MOST_PLACES: usize = 3000;

/// What stands in place of a secret.
const HIDDEN: &[u8] = b"***";

/// The first line of a kept result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultHead {
    /// Its media type.
    pub media_type: String,
    /// Where secrets stand in its first [`SHOWN`] bytes: in order, without overlap.
    secrets: Vec<Range<usize>>,
}

impl ResultHead {
    /// The head of a result, with where secrets stand in it: in order, without overlap.
    pub fn new(media_type: impl Into<String>, mut secrets: Vec<Range<usize>>) -> Self {
        if secrets.len() > MOST_PLACES {
            let from = secrets[MOST_PLACES - 1].start;
            secrets.truncate(MOST_PLACES - 1);
            secrets.push(from..SHOWN);
        }
        Self {
            media_type: media_type.into(),
            secrets,
        }
    }

    /// The line, with its line break.
    pub fn line(&self) -> String {
        let mut line = self.media_type.clone();
        for place in &self.secrets {
            line.push_str(&format!(" {}-{}", place.start, place.end));
        }
        line.push('\n');
        line
    }

    /// Reads the line. What is no place is passed over.
    pub fn read(line: &[u8]) -> Self {
        let line = String::from_utf8_lossy(line);
        let mut words = line.split_whitespace();
        let media_type = words.next().unwrap_or_default().to_owned();
        let mut end = 0;
        let secrets = words
            .filter_map(|word| {
                let (from, to) = word.split_once('-')?;
                let place: Range<usize> = from.parse().ok()?..to.parse().ok()?;
                let fits = end <= place.start && place.start < place.end;
                fits.then(|| {
                    end = place.end;
                    place
                })
            })
            .collect();
        Self {
            media_type,
            secrets,
        }
    }

    /// The first bytes of the result as people may see them.
    pub fn masked(&self, bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(bytes.len());
        let mut done = 0;
        for place in &self.secrets {
            if place.start >= bytes.len() {
                break;
            }
            shown.extend_from_slice(&bytes[done..place.start]);
            shown.extend_from_slice(HIDDEN);
            done = place.end.min(bytes.len());
        }
        shown.extend_from_slice(&bytes[done..]);
        shown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_secret_is_not_shown() {
        let head = ResultHead::new("application/edn", vec![1..3, 4..9]);
        assert_eq!(head.line(), "application/edn 1-3 4-9\n");
        assert_eq!(ResultHead::read(head.line().as_bytes()), head);
        assert_eq!(head.masked(b"0ab1secret2"), b"0***1***t2");
        // The rest of it was cut off.
        assert_eq!(head.masked(b"0ab1sec"), b"0***1***");
        assert_eq!(head.masked(b"0"), b"0");
    }

    #[test]
    fn of_too_many_places_the_rest_is_hidden() {
        let places = (0..10_000).map(|at| at * 4..at * 4 + 2).collect();
        let head = ResultHead::new("text/plain", places);
        assert!((head.line().len() as u64) < LONGEST_HEAD);
        let shown = head.masked(&vec![b'x'; SHOWN]);
        assert_eq!(shown.len(), (MOST_PLACES - 1) * 5 + 3);
    }

    #[test]
    fn a_damaged_head_is_read_as_far_as_it_goes() {
        let head = ResultHead::read(b"text/plain 7-9 3-5 x 9-9 12-\xff 10-12");
        assert_eq!(head.media_type, "text/plain");
        assert_eq!(head.masked(b"0123456789abcdef"), b"0123456***9***cdef");
        assert_eq!(ResultHead::read(b"").media_type, "");
    }

    proptest! {
        #[test]
        fn any_line_can_be_read_and_applied(line in prop::collection::vec(any::<u8>(), 0..60), bytes in prop::collection::vec(any::<u8>(), 0..30)) {
            let _ = ResultHead::read(&line).masked(&bytes);
        }
    }
}
