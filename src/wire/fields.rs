//! Taking typed values out of a map, leaving what does not fit where it is.

use crate::edn::{Map, Value};

/// A map that is being taken apart. What nobody takes ends up in `extra`, so a known key
/// with an odd value is not lost either.
#[derive(Debug)]
pub(super) struct Fields(Map);

impl Fields {
    pub(super) fn new(map: Map) -> Self {
        Self(map)
    }

    /// What was not taken.
    pub(super) fn rest(self) -> Map {
        self.0
    }

    /// Takes a key if `read` can use its value. Nil counts as absent and is dropped.
    pub(super) fn take<T>(&mut self, key: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let value = self.0.get_kw(key)?;
        if *value == Value::Nil {
            self.0.remove_kw(key);
            return None;
        }
        let taken = read(value)?;
        self.0.remove_kw(key);
        Some(taken)
    }

    /// Text: a string, or the name of a keyword or symbol.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, text)
    }

    pub(super) fn int(&mut self, key: &str) -> Option<i64> {
        self.take(key, Value::as_i64)
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.take(key, Value::as_bool)
    }

    pub(super) fn map(&mut self, key: &str) -> Option<Map> {
        self.take(key, |value| value.as_map().cloned())
    }

    /// A list of texts; a single text counts as a list of one.
    pub(super) fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        self.take(key, |value| match value.as_seq() {
            Some(items) => items.iter().map(text).collect(),
            None => text(value).map(|one| vec![one]),
        })
    }
}

/// A string, or the name of a keyword or symbol, or a number as it is written.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.clone()),
        Value::Keyword(keyword) => Some(keyword.as_str().to_owned()),
        Value::Symbol(name) => Some(name.to_string()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}
