//! The small part of regular expressions that file patterns need: literals, `.`, escapes,
//! classes, `*`, `+`, `?`, `^` and `$`. Anything else is refused, not guessed.

/// A pattern, to be found anywhere in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    at_start: bool,
    at_end: bool,
    parts: Vec<(Atom, Repeat)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Atom {
    Any,
    One(char),
    Class {
        not: bool,
        ranges: Vec<(char, char)>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Once,
    Maybe,
    Some,
    Many,
}

impl Pattern {
    /// Reads a pattern; `None` when it uses what is not known here.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars().peekable();
        let at_start = chars.next_if_eq(&'^').is_some();
        let mut at_end = false;
        let mut parts = Vec::new();
        while let Some(c) = chars.next() {
            let atom = match c {
                '$' if chars.peek().is_none() => {
                    at_end = true;
                    break;
                }
                '.' => Atom::Any,
                '\\' => escaped(chars.next()?)?,
                '[' => class(&mut chars)?,
                '(' | ')' | '|' | '{' | '}' | ']' | '*' | '+' | '?' | '$' | '^' => return None,
                c => Atom::One(c),
            };
            let repeat = match chars.peek() {
                Some('*') => Repeat::Many,
                Some('+') => Repeat::Some,
                Some('?') => Repeat::Maybe,
                _ => Repeat::Once,
            };
            if repeat != Repeat::Once {
                chars.next();
            }
            parts.push((atom, repeat));
        }
        Some(Self {
            at_start,
            at_end,
            parts,
        })
    }

    /// Whether the pattern occurs in a text. Takes time in proportion to pattern times
    /// text, whatever they are: it follows all possibilities at once.
    pub(super) fn is_found_in(&self, text: &str) -> bool {
        let mut states = vec![false; self.parts.len() + 1];
        self.enter(0, &mut states);
        for c in text.chars() {
            if states[self.parts.len()] && !self.at_end {
                return true;
            }
            let mut next = vec![false; states.len()];
            for (place, (atom, repeat)) in self.parts.iter().enumerate() {
                if states[place] && atom.matches(c) {
                    self.enter(place + 1, &mut next);
                    if matches!(repeat, Repeat::Some | Repeat::Many) {
                        next[place] = true;
                    }
                }
            }
            if !self.at_start {
                self.enter(0, &mut next);
            }
            states = next;
        }
        states[self.parts.len()]
    }

    /// Marks a place as reached, and those behind parts that may be empty.
    fn enter(&self, mut place: usize, states: &mut [bool]) {
        loop {
            states[place] = true;
            match self.parts.get(place) {
                Some((_, Repeat::Maybe | Repeat::Many)) => place += 1,
                _ => return,
            }
        }
    }
}

impl Atom {
    fn matches(&self, c: char) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => *one == c,
            Self::Class { not, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *not
            }
        }
    }
}

/// What `\w` means.
const WORD: [(char, char); 4] = [('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')];

fn escaped(c: char) -> Option<Atom> {
    let class = |not, ranges: &[(char, char)]| Atom::Class {
        not,
        ranges: ranges.to_vec(),
    };
    Some(match c {
        'd' => class(false, &[('0', '9')]),
        'D' => class(true, &[('0', '9')]),
        'w' => class(false, &WORD),
        'W' => class(true, &WORD),
        c if c.is_alphanumeric() => return None,
        c => Atom::One(c),
    })
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Atom> {
    let not = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let from = match chars.next()? {
            ']' if !ranges.is_empty() => return Some(Atom::Class { not, ranges }),
            '[' => return None,
            '\\' => match escaped(chars.next()?)? {
                Atom::One(c) => c,
                Atom::Class {
                    not: false,
                    ranges: more,
                } => {
                    ranges.extend(more);
                    continue;
                }
                _ => return None,
            },
            c => c,
        };
        let mut to = from;
        if chars.peek() == Some(&'-') {
            chars.next();
            match chars.peek()? {
                ']' => ranges.push(('-', '-')),
                _ => to = chars.next()?,
            }
        }
        ranges.push((from, to));
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_are_found_as_regular_expressions_are() {
        let table = [
            (r".*\.xml", "out/junit.xml", true),
            (r".*\.xml$", "out/junit.xml.bak", false),
            (r"^TEST-.*\.xml$", "TEST-core.xml", true),
            (r"^TEST-.*\.xml$", "out/TEST-core.xml", false),
            (r"TEST-[a-z_]+\d*\.xml", "out/TEST-core_7.xml", true),
            (r"TEST-[^/]+\.xml", "TEST-/x.xml", false),
            ("junit", "a/junit/b.xml", true),
            ("junit", "a/junt/b.xml", false),
            ("a?b", "b", true),
            ("", "anything", true),
            ("a.c", "abc", true),
            (r"a\.c", "abc", false),
            (r"[\w-]+x", "a-bx", true),
        ];
        for (pattern, text, found) in table {
            let pattern = Pattern::parse(pattern).unwrap();
            assert_eq!(pattern.is_found_in(text), found, "{pattern:?} in {text:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for pattern in ["(a|b)", "a{2}", "*a", r"\b", "[", "[a", r"\", "a**"] {
            assert_eq!(Pattern::parse(pattern), None, "{pattern:?}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern = Pattern::parse(&format!("^{}b$", "a*".repeat(200))).unwrap();
        assert!(!pattern.is_found_in(&"a".repeat(2000)));
    }
}
