//! The JSON view of EDN (decisions.md, "`--json`").

use serde_json::{Number, Value as Json};

use crate::domain::Event;
use crate::edn::{self, Value};

use super::edn_event;

/// Integers beyond this lose digits in programs that read JSON numbers as doubles.
const LARGEST_SAFE: u64 = 1 << 53;

/// One event as one line of JSON: its EDN map with `seq` added.
pub fn json_event(event: &Event) -> String {
    let mut json = to_json(&edn_event(event));
    if let Json::Object(map) = &mut json {
        map.insert("seq".to_owned(), Json::from(event.seq));
    }
    json.to_string()
}

/// Any EDN value as JSON: keywords and symbols by their name, sets and lists as arrays,
/// keys that are no strings by their EDN text, and as strings what JSON cannot hold:
/// integers beyond 2^53, ratios, decimals, dates and other tagged values.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) if number.unsigned_abs() <= LARGEST_SAFE => Json::from(*number),
        Value::Int(number) => Json::String(number.to_string()),
        Value::BigInt(digits) | Value::BigDec(digits) | Value::Ratio(digits) => {
            Json::String(digits.to_string())
        }
        Value::Float(number) => match Number::from_f64(*number) {
            Some(number) => Json::Number(number),
            None => Json::String(edn::write(value)),
        },
        Value::Char(c) => Json::String(c.to_string()),
        Value::Str(text) => Json::String(text.clone()),
        Value::Keyword(keyword) => Json::String(keyword.as_str().to_owned()),
        Value::Symbol(name) => Json::String(name.to_string()),
        Value::List(items) | Value::Vector(items) | Value::Set(items) => {
            Json::Array(items.iter().map(to_json).collect())
        }
        Value::Map(map) => Json::Object(
            map.iter()
                .map(|(key, value)| (json_key(key), to_json(value)))
                .collect(),
        ),
        Value::Tagged(_, inner) => match &**inner {
            Value::Str(text) => Json::String(text.clone()),
            other => Json::String(edn::write(other)),
        },
    }
}

/// JSON as EDN; what becomes of the keys of objects is `key`'s to say.
pub fn from_json(json: Json, key: &dyn Fn(String) -> Value) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Str(text),
        Json::Array(items) => {
            Value::Vector(items.into_iter().map(|item| from_json(item, key)).collect())
        }
        Json::Object(fields) => Value::Map(
            fields
                .into_iter()
                .map(|(name, value)| (key(name), from_json(value, key)))
                .collect(),
        ),
    }
}

fn json_key(key: &Value) -> String {
    match key {
        Value::Keyword(keyword) => keyword.as_str().to_owned(),
        Value::Str(text) => text.clone(),
        other => edn::write(other),
    }
}
