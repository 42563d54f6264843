//! YAML files as [`Node`]s.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::edn::Value;

use super::error::{LoadError, Source};
use super::node::{Kind, Node};

/// Nodes a file may have: enough for 10,000 large jobs, and no more than a second's work.
const NODES: usize = 1_000_000;
/// How much of that may stand behind anchors: aliases within aliases grow without bounds.
const ALIASED: usize = 100_000;

/// Reads one document.
pub(super) fn read(source: Source<'_>) -> Result<Node, LoadError> {
    let options = serde_saphyr::options! {
        // `yes` and `on` are words, as YAML 1.2 has it.
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_nodes: NODES,
            max_events: 3 * NODES,
            max_recorded_anchor_events: ALIASED,
        },
    };
    let tree: Spanned<Tree> =
        serde_saphyr::from_str_with_options(source.text, options).map_err(|error| {
            let offset = error
                .location()
                .map_or(0, |location| offset_of(source, location));
            let message = error.without_snippet().to_string();
            source.fault(offset, sentence(&message))
        })?;
    Ok(node(source, tree))
}

/// Takes from a message of the library what our own display says already.
fn sentence(message: &str) -> String {
    let message = match message.rfind(" at line ") {
        Some(at) => &message[..at],
        None => message,
    };
    let advice = [", set DuplicateKeyPolicy", "; use from_str"];
    let end = advice
        .iter()
        .filter_map(|text| message.find(text))
        .min()
        .unwrap_or(message.len());
    message[..end].to_owned()
}

fn offset_of(source: Source<'_>, location: Location) -> usize {
    match location.span().byte_offset() {
        Some(offset) => offset as usize,
        None => source.offset(location.line() as usize, location.column() as usize),
    }
}

/// What the library hands over; without places of its own, those are around it.
enum Tree {
    Null,
    Str(String),
    Scalar(Value),
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<Tree>, Spanned<Tree>)>),
}

fn node(source: Source<'_>, tree: Spanned<Tree>) -> Node {
    // An alias is shown where it is used; the spelling is found where it was defined.
    let at = offset_of(source, tree.referenced);
    let kind = match tree.value {
        Tree::Null => Kind::Null,
        Tree::Str(text) => Kind::Str(text),
        Tree::Scalar(value) => Kind::Scalar {
            text: spelling(source, tree.defined).unwrap_or_else(|| crate::edn::write(&value)),
            value,
        },
        Tree::List(items) => Kind::List(items.into_iter().map(|item| node(source, item)).collect()),
        Tree::Map(pairs) => Kind::Map(
            pairs
                .into_iter()
                .map(|(key, value)| (node(source, key), node(source, value)))
                .collect(),
        ),
    };
    Node { at, kind }
}

fn spelling(source: Source<'_>, location: Location) -> Option<String> {
    let span = location.span();
    let start = span.byte_offset()? as usize;
    let end = start + span.byte_len()? as usize;
    let text = source.text.get(start..end)?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Int(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(match i64::try_from(value) {
            Ok(value) => Value::Int(value),
            Err(_) => Value::Float(value as f64),
        }))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Float(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Str(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Str(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = access.next_key()? {
            pairs.push((key, access.next_value()?));
        }
        Ok(Tree::Map(pairs))
    }
}
