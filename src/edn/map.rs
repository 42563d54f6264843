//! [`Map`]: pairs in the order they were written, with an index once there are many.

use std::fmt;

use super::equality::{hash_of, hash_of_keyword, is_scalar};
use super::{Keyword, Value};

/// Up to here a look-up compares one key after the other.
const SMALL: usize = 12;

/// An EDN map that keeps the order of its keys. Two maps are equal whatever their order.
#[derive(Clone, Default)]
pub struct Map {
    pairs: Vec<(Value, Value)>,
    /// Present exactly while there are more than [`SMALL`] pairs.
    index: Option<Box<Index>>,
}

impl Map {
    /// Returns an empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Returns the value under a key.
    pub fn get(&self, key: &Value) -> Option<&Value> {
        self.position(key).map(|at| &self.pairs[at].1)
    }

    /// Returns the value under the keyword `:name`.
    pub fn get_kw(&self, name: &str) -> Option<&Value> {
        self.position_kw(name).map(|at| &self.pairs[at].1)
    }

    /// Returns the value under the keyword `:name`, to change it.
    pub fn get_kw_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.position_kw(name).map(|at| &mut self.pairs[at].1)
    }

    /// Whether there is a key `:name`, with whatever value.
    pub fn contains_kw(&self, name: &str) -> bool {
        self.position_kw(name).is_some()
    }

    /// Puts a value under a key and returns what was there. A key that is there keeps its place.
    pub fn insert(&mut self, key: Value, value: Value) -> Option<Value> {
        if let Some(at) = self.position(&key) {
            return Some(std::mem::replace(&mut self.pairs[at].1, value));
        }
        self.push_new(key, value);
        None
    }

    /// Puts a value under the keyword `:name` and returns what was there.
    pub fn insert_kw(&mut self, name: &str, value: impl Into<Value>) -> Option<Value> {
        self.insert(Value::kw(name), value.into())
    }

    /// Takes a key out; the order of the others stays. Costs time in proportion to the size of the map.
    pub fn remove(&mut self, key: &Value) -> Option<Value> {
        self.position(key).map(|at| self.remove_at(at))
    }

    /// Takes the keyword `:name` out.
    pub fn remove_kw(&mut self, name: &str) -> Option<Value> {
        self.position_kw(name).map(|at| self.remove_at(at))
    }

    /// The pairs in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.pairs.iter())
    }

    /// The keys in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.pairs.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.pairs.iter().map(|(_, value)| value)
    }

    /// Builds a map from pairs read; `Err` has the position of the first key that was there before.
    pub(super) fn from_distinct(
        pairs: Vec<(Value, Value)>,
    ) -> Result<Self, (usize, Vec<(Value, Value)>)> {
        match distinct(pairs.len(), |at| &pairs[at].0) {
            Ok(index) => {
                let index = index.filter(|_| pairs.len() > SMALL).map(Box::new);
                Ok(Self { pairs, index })
            }
            Err(at) => Err((at, pairs)),
        }
    }

    fn push_new(&mut self, key: Value, value: Value) {
        let at = self.pairs.len();
        self.pairs.push((key, value));
        match &mut self.index {
            Some(index) if !index.is_full() => index.add(hash_of(&self.pairs[at].0), at),
            _ if self.pairs.len() > SMALL => self.reindex(),
            _ => {}
        }
    }

    fn remove_at(&mut self, at: usize) -> Value {
        let (_, value) = self.pairs.remove(at);
        self.reindex();
        value
    }

    fn reindex(&mut self) {
        self.index = (self.pairs.len() > SMALL).then(|| {
            let mut index = Index::for_len(self.pairs.len());
            for (at, (key, _)) in self.pairs.iter().enumerate() {
                index.add(hash_of(key), at);
            }
            Box::new(index)
        });
    }

    fn position(&self, key: &Value) -> Option<usize> {
        match &self.index {
            Some(index) => index.find(hash_of(key), |at| self.pairs[at].0 == *key),
            None => self.pairs.iter().position(|(there, _)| there == key),
        }
    }

    fn position_kw(&self, name: &str) -> Option<usize> {
        let is_it =
            |key: &Value| matches!(key, Value::Keyword(keyword) if keyword.as_str() == name);
        match &self.index {
            Some(index) => index.find(hash_of_keyword(name), |at| is_it(&self.pairs[at].0)),
            None => self.pairs.iter().position(|(key, _)| is_it(key)),
        }
    }
}

/// Checks that `len` values differ from each other: `Err` has the position of the first that does not. Takes time in
/// proportion to their size, and hands over the index it may have made on the way.
pub(super) fn distinct<'a>(
    len: usize,
    value: impl Fn(usize) -> &'a Value,
) -> Result<Option<Index>, usize> {
    if len <= SMALL && (0..len).all(|at| is_scalar(value(at))) {
        return match (1..len).find(|at| (0..*at).any(|before| value(before) == value(*at))) {
            Some(at) => Err(at),
            None => Ok(None),
        };
    }
    if len < 2 {
        return Ok(None);
    }
    let mut index = Index::for_len(len);
    for at in 0..len {
        let hash = hash_of(value(at));
        if index
            .find(hash, |before| value(before) == value(at))
            .is_some()
        {
            return Err(at);
        }
        index.add(hash, at);
    }
    Ok(Some(index))
}

/// Where a key with a given hash may be: open addressing, at most half full. The hash is seeded per process, so that a
/// script cannot choose keys that meet in one slot.
#[derive(Clone)]
pub(super) struct Index {
    /// Upper half: of the hash; lower half: position plus one. Zero: free.
    slots: Box<[u64]>,
    used: usize,
}

impl Index {
    fn for_len(len: usize) -> Self {
        Self {
            slots: vec![0; (len * 2).next_power_of_two()].into(),
            used: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.used * 2 >= self.slots.len()
    }

    fn add(&mut self, hash: u64, position: usize) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = (hash & !0xffff_ffff) | (position as u64 + 1);
        self.used += 1;
    }

    fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let there = self.slots[slot];
            if there == 0 {
                return None;
            }
            let position = (there & 0xffff_ffff) as usize - 1;
            if (there ^ hash) >> 32 == 0 && is_it(position) {
                return Some(position);
            }
            slot = (slot + 1) & mask;
        }
    }
}

impl FromIterator<(Value, Value)> for Map {
    /// Of two equal keys the last value wins, in the place of the first.
    fn from_iter<I: IntoIterator<Item = (Value, Value)>>(pairs: I) -> Self {
        let mut map = Self::new();
        map.extend(pairs);
        map
    }
}

impl<const N: usize> From<[(Value, Value); N]> for Map {
    fn from(pairs: [(Value, Value); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl Extend<(Value, Value)> for Map {
    fn extend<I: IntoIterator<Item = (Value, Value)>>(&mut self, pairs: I) {
        for (key, value) in pairs {
            self.insert(key, value);
        }
    }
}

impl FromIterator<(Keyword, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (Keyword, Value)>>(pairs: I) -> Self {
        pairs
            .into_iter()
            .map(|(key, value)| (Value::Keyword(key), value))
            .collect()
    }
}

impl IntoIterator for Map {
    type Item = (Value, Value);
    type IntoIter = std::vec::IntoIter<(Value, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.pairs.into_iter()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a Value, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The pairs of a map in order.
#[derive(Clone, Debug)]
pub struct Iter<'a>(std::slice::Iter<'a, (Value, Value)>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Value, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
