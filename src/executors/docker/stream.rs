//! What a container writes: the text of its commands, and the marks of the driver in between.

use memchr::memmem::Finder;

/// The longest mark: anything longer only begins like one.
const LONGEST_MARK: usize = 128;

/// A part of what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes of the command that runs.
    Text(Vec<u8>),
    /// A command begins.
    Start(usize),
    /// A command has ended, with its exit status.
    End(usize, i64),
}

impl Piece {
    /// What it takes of the memory, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(bytes) => bytes.len() + size_of::<Self>(),
            Self::Start(_) | Self::End(..) => size_of::<Self>(),
        }
    }
}

/// Takes one output apart, however it is cut into chunks.
pub(super) struct Splitter {
    finder: Finder<'static>,
    /// What may be the beginning of a mark.
    held: Vec<u8>,
}

impl Splitter {
    pub(super) fn new(mark: &str) -> Self {
        Self {
            finder: Finder::new(mark.as_bytes()).into_owned(),
            held: Vec::new(),
        }
    }

    /// The pieces that are complete with this chunk. Text waits only when its end begins like
    /// a mark.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Vec<Piece> {
        let mut data = std::mem::take(&mut self.held);
        data.extend_from_slice(chunk);
        let mut rest = data.as_slice();
        let mut pieces = Vec::new();
        while let Some(at) = self.finder.find(rest) {
            text(&mut pieces, &rest[..at]);
            rest = &rest[at..];
            let Some(end) = rest.iter().take(LONGEST_MARK).position(|&b| b == b'\n') else {
                if rest.len() < LONGEST_MARK {
                    self.held = rest.to_vec();
                    return pieces;
                }
                let (mark, others) = rest.split_at(self.finder.needle().len());
                text(&mut pieces, mark);
                rest = others;
                continue;
            };
            match read(&rest[self.finder.needle().len()..end]) {
                Some(piece) => pieces.push(piece),
                None => text(&mut pieces, &rest[..=end]),
            }
            rest = &rest[end + 1..];
        }
        let needle = self.finder.needle();
        let most = rest.len().min(needle.len() - 1);
        let begun = (1..=most).rev().find(|&n| rest.ends_with(&needle[..n]));
        let (sure, begun) = rest.split_at(rest.len() - begun.unwrap_or(0));
        text(&mut pieces, sure);
        self.held = begun.to_vec();
        pieces
    }

    /// What was held back: nothing more comes.
    pub(super) fn end(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

fn text(pieces: &mut Vec<Piece>, bytes: &[u8]) {
    if !bytes.is_empty() {
        pieces.push(Piece::Text(bytes.to_vec()));
    }
}

/// What stands behind the marker: ` s 3` or ` e 3 0`.
fn read(bytes: &[u8]) -> Option<Piece> {
    let mut words = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace();
    let (kind, index) = (words.next()?, words.next()?.parse().ok()?);
    let exit = words.next().map(str::parse::<i64>);
    match (kind, exit) {
        ("s", None) => Some(Piece::Start(index)),
        ("e", Some(Ok(exit))) => Some(Piece::End(index, exit)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "\u{1e}0123abcd";

    fn written() -> Vec<u8> {
        format!("{MARK} s 0\none\ntwo without end{MARK} e 0 0\n{MARK} s 1\n\u{1e}{MARK} e 1 143\n")
            .into_bytes()
    }

    fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(more)) => before.extend(more),
                (_, piece) => joined.push(piece),
            }
        }
        joined
    }

    #[test]
    fn however_it_is_cut_the_pieces_are_the_same() {
        let whole = [
            Piece::Start(0),
            Piece::Text(b"one\ntwo without end".to_vec()),
            Piece::End(0, 0),
            Piece::Start(1),
            Piece::Text(b"\x1e".to_vec()),
            Piece::End(1, 143),
        ];
        for size in 1..written().len() {
            let mut splitter = Splitter::new(MARK);
            let pieces = written()
                .chunks(size)
                .flat_map(|chunk| splitter.feed(chunk))
                .collect();
            assert_eq!(joined(pieces), whole, "in chunks of {size}");
            assert!(splitter.end().is_empty());
        }
    }

    #[test]
    fn text_is_not_kept_waiting_and_what_only_looks_like_a_mark_is_text() {
        let mut splitter = Splitter::new(MARK);
        assert_eq!(
            splitter.feed(b"prompt> "),
            [Piece::Text(b"prompt> ".into())]
        );
        let odd = format!("{MARK} nonsense\n{MARK}{}", "x".repeat(LONGEST_MARK));
        let pieces = joined(splitter.feed(odd.as_bytes()));
        assert_eq!(pieces, [Piece::Text(odd.into_bytes())]);
        assert_eq!(splitter.feed(b"end\x1e012"), [Piece::Text(b"end".into())]);
        assert_eq!(splitter.end(), b"\x1e012");
    }
}
