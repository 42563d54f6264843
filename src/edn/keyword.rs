//! [`Keyword`]: a name such as `:job/end`, cheap to make, to copy and to compare.

use std::cell::RefCell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A keyword's name without the colon.
#[derive(Clone, PartialOrd, Ord)]
pub struct Keyword(Arc<str>);

/// Names seen lately, one slot per hash: events repeat the same few dozen keywords, and a hit saves the allocation.
const SLOTS: usize = 256;
/// Longer names are not worth keeping alive.
const LONGEST_KEPT: usize = 48;

thread_local! {
    static SEEN: RefCell<Vec<Option<Arc<str>>>> = const { RefCell::new(Vec::new()) };
}

impl Keyword {
    /// Returns the keyword with this name (`job/end`, no colon).
    ///
    /// Any text is accepted; a name that EDN cannot spell is written as a string.
    pub fn new(name: impl AsRef<str>) -> Self {
        let name = name.as_ref();
        if name.len() > LONGEST_KEPT {
            return Self(name.into());
        }
        SEEN.with_borrow_mut(|seen| {
            if seen.is_empty() {
                seen.resize(SLOTS, None);
            }
            let slot = &mut seen[slot_of(name)];
            match slot {
                Some(kept) if **kept == *name => Self(Arc::clone(kept)),
                _ => Self(Arc::clone(slot.insert(name.into()))),
            }
        })
    }

    /// The whole name: `job/end`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the first `/`, or everything: `end`.
    pub fn name(&self) -> &str {
        self.split().1
    }

    /// What precedes the first `/`: `job`.
    pub fn namespace(&self) -> Option<&str> {
        self.split().0
    }

    fn split(&self) -> (Option<&str>, &str) {
        match self.0.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() => (Some(namespace), name),
            _ => (None, &self.0),
        }
    }
}

/// FNV-1a: short names, and a collision costs an allocation and no more.
fn slot_of(name: &str) -> usize {
    let hash = name.bytes().fold(0xcbf2_9ce4_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    (hash ^ (hash >> 15)) as usize % SLOTS
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Keyword {}

impl Hash for Keyword {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq<str> for Keyword {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for Keyword {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl AsRef<str> for Keyword {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Keyword {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}", self.0)
    }
}

impl fmt::Debug for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
