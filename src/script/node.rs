//! The common form of what YAML, JSON and EDN files say: a tree whose every node knows
//! its place and, for scalars, how it was spelled.

use crate::edn::Value;

/// A value at a place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Byte offset in the file.
    pub(super) at: usize,
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Nothing: `null`, `~`, `nil`.
    Null,
    /// Text.
    Str(String),
    /// Anything else that is one value; `text` is its spelling in the file, so that
    /// `1.10` can still become the string "1.10".
    Scalar { text: String, value: Value },
    /// Values in order.
    List(Vec<Node>),
    /// Pairs in order.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Says what the node is, for "expected …, found …".
    pub(super) fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Str(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::Scalar { value, .. } => match value {
                Value::Bool(_) => "true or false",
                Value::Int(_) | Value::BigInt(_) => "a whole number",
                Value::Float(_) | Value::BigDec(_) | Value::Ratio(..) => "a number",
                Value::Keyword(_) => "a keyword",
                Value::Symbol(_) => "a symbol",
                Value::Set(_) => "a set",
                _ => "another value",
            },
        }
    }
}

/// The three languages a declarative script may be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Yaml,
    Json,
    Edn,
}
