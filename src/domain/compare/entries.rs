//! What is in an archive, then and now.

use std::collections::BTreeMap;

use super::{Finding, Part, Told, limited};

/// What counts of an entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryFact {
    /// Its size in bytes.
    pub size: u64,
    /// What it holds, and whether it may be run: equal for equal entries only.
    pub digest: String,
}

/// Compares the entries of two archives by their names.
pub fn entries(
    id: &str,
    before: &BTreeMap<String, EntryFact>,
    after: &BTreeMap<String, EntryFact>,
) -> Vec<Finding> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let found = names
        .into_iter()
        .filter_map(|name| {
            let (old, new) = (before.get(name), after.get(name));
            if old == new {
                return None;
            }
            let size = |entry: Option<&EntryFact>| entry.map(|entry| Told::Bytes(entry.size));
            let (was, is) = (size(old), size(new));
            let name = format!("{id} {name}");
            if was == is {
                let found = Finding::new(Part::Artifacts, super::Kind::Changed, name);
                return Some(found.from_to(was, is).noted("other bytes of the same size"));
            }
            Finding::of(Part::Artifacts, name, was, is)
        })
        .collect();
    limited(found, Part::Artifacts, id)
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[test]
    fn entries_are_compared_by_what_they_hold() {
        let archive = |entries: &[(&str, u64, &str)]| -> BTreeMap<String, EntryFact> {
            let fact = |size, digest: &str| EntryFact {
                size,
                digest: digest.to_owned(),
            };
            let facts = entries.iter();
            facts
                .map(|(name, size, digest)| ((*name).to_owned(), fact(*size, digest)))
                .collect()
        };
        let before = archive(&[("a", 1, "x"), ("b", 1, "x"), ("c", 1, "x"), ("d", 1, "x")]);
        let after = archive(&[("a", 1, "x"), ("b", 1, "y"), ("c", 2, "z"), ("e", 1, "x")]);
        let found = entries("out", &before, &after);
        let told: Vec<_> = found.iter().map(|it| (it.kind, &*it.name)).collect();
        assert_eq!(
            told,
            [
                (Kind::Changed, "out b"),
                (Kind::Changed, "out c"),
                (Kind::Removed, "out d"),
                (Kind::Added, "out e"),
            ]
        );
        assert!(entries("out", &after, &after).is_empty());
    }
}
