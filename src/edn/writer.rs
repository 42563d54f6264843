//! Writing strict EDN on one physical line.
//!
//! Whatever value comes, what is written reads back by `clojure.edn`: a reader on the other side that stumbles once is
//! gone for good. What EDN cannot spell (a keyword with a blank, an unknown tag, a set with a member twice, nesting
//! beyond the usual limit) is written as a string or left out, and everything else reads back as an equal value.

use std::fmt::{self, Write as _};

use super::chars::{self, class};
use super::{Limits, Map, Value, instant, number};

/// Returns a value as strict EDN on one line.
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    write_to(&mut out, value);
    out
}

/// Appends a value as strict EDN on one line.
pub fn write_to(out: &mut String, value: &Value) {
    let depth_left = Limits::default().max_depth;
    put(
        &mut Out {
            text: out,
            depth_left,
            is_text: false,
        },
        value,
    );
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write(self))
    }
}

struct Out<'a> {
    text: &'a mut String,
    /// Collections that may still be opened.
    depth_left: usize,
    /// Whether this is the text of a string. A string in a string in a string would double its backslashes each time.
    is_text: bool,
}

fn put(out: &mut Out<'_>, value: &Value) {
    match value {
        Value::Nil => out.text.push_str("nil"),
        Value::Bool(true) => out.text.push_str("true"),
        Value::Bool(false) => out.text.push_str("false"),
        Value::Int(number) => put_fmt(out, format_args!("{number}")),
        Value::Float(number) => put_float(out, *number),
        Value::Str(text) => put_string(out.text, text),
        Value::Keyword(keyword) if chars::is_keyword(keyword.as_str()) => {
            out.text.push(':');
            out.text.push_str(keyword.as_str());
        }
        Value::Keyword(keyword) => put_string(out.text, &format!(":{}", keyword.as_str())),
        Value::Symbol(name) if chars::is_symbol(name) => out.text.push_str(name),
        Value::BigInt(digits) if number::is_writable_integer(digits) => {
            put_fmt(out, format_args!("{digits}N"));
        }
        Value::BigDec(digits) if number::is_writable_decimal(digits) => {
            put_fmt(out, format_args!("{digits}M"));
        }
        Value::Ratio(text) if number::is_writable_ratio(text) => out.text.push_str(text),
        Value::Symbol(text) | Value::BigInt(text) | Value::BigDec(text) | Value::Ratio(text) => {
            put_string(out.text, text);
        }
        Value::Char(letter) => match chars::name_of_char(*letter) {
            Some(name) => put_fmt(out, format_args!("\\{name}")),
            None => put_string(out.text, letter.encode_utf8(&mut [0; 4])),
        },
        Value::Tagged(tag, inner) if instant::is_valid(tag, inner) && out.depth_left > 0 => {
            put_tagged(out, tag, inner);
        }
        Value::Tagged(tag, inner) if out.is_text && out.depth_left > 0 => {
            put_tagged(out, tag, inner);
        }
        Value::Tagged(..) => put_as_text(out, value),
        Value::List(_) | Value::Vector(_) | Value::Map(_) | Value::Set(_)
            if out.depth_left == 0 =>
        {
            put_as_text(out, value);
        }
        Value::List(items) => put_items(out, "(", items, ")"),
        Value::Vector(items) => put_items(out, "[", items, "]"),
        Value::Set(members) => put_set(out, members),
        Value::Map(map) => put_map(out, map),
    }
}

fn put_fmt(out: &mut Out<'_>, text: fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = out.text.write_fmt(text);
}

fn put_float(out: &mut Out<'_>, number: f64) {
    if number.is_nan() {
        out.text.push_str("##NaN");
    } else if number.is_infinite() {
        out.text
            .push_str(if number > 0.0 { "##Inf" } else { "##-Inf" });
    } else {
        // `{}` would write 1.0 as an integer.
        put_fmt(out, format_args!("{number:?}"));
    }
}

fn put_tagged(out: &mut Out<'_>, tag: &str, inner: &Value) {
    put_fmt(out, format_args!("#{tag} "));
    out.depth_left -= 1;
    put(out, inner);
    out.depth_left += 1;
}

fn put_items<'v>(
    out: &mut Out<'_>,
    open: &str,
    items: impl IntoIterator<Item = &'v Value>,
    close: &str,
) {
    out.text.push_str(open);
    out.depth_left -= 1;
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.text.push(' ');
        }
        put(out, item);
    }
    out.depth_left += 1;
    out.text.push_str(close);
}

fn put_map(out: &mut Out<'_>, map: &Map) {
    if !map.keys().all(|key| is_kept(key, out.depth_left - 1)) {
        // Two keys may be written alike: then the last one stays, as it would for the lenient reader.
        let kept: Map = map
            .iter()
            .map(|(key, value)| (as_read_back(out, key), value.clone()))
            .collect();
        put_pairs(out, kept.iter());
        return;
    }
    put_pairs(out, map.iter());
}

fn put_pairs<'v>(out: &mut Out<'_>, pairs: impl Iterator<Item = (&'v Value, &'v Value)>) {
    out.text.push('{');
    out.depth_left -= 1;
    for (at, (key, value)) in pairs.enumerate() {
        if at > 0 {
            out.text.push_str(", ");
        }
        put(out, key);
        out.text.push(' ');
        put(out, value);
    }
    out.depth_left += 1;
    out.text.push('}');
}

fn put_set(out: &mut Out<'_>, members: &[Value]) {
    let kept = members
        .iter()
        .all(|member| is_kept(member, out.depth_left - 1));
    if kept && super::map::distinct(members.len(), |at| &members[at]).is_ok() {
        put_items(out, "#{", members, "}");
        return;
    }
    let distinct: Map = members
        .iter()
        .map(|member| (as_read_back(out, member), Value::Nil))
        .collect();
    put_items(out, "#{", distinct.keys(), "}");
}

/// Writes what cannot stand there as a string of its text.
fn put_as_text(out: &mut Out<'_>, value: &Value) {
    let mut text = String::new();
    if out.is_text {
        text.push('…');
    } else {
        let depth_left = Limits::default().max_depth;
        let mut inner = Out {
            text: &mut text,
            depth_left,
            is_text: true,
        };
        put(&mut inner, value);
    }
    put_string(out.text, &text);
}

/// Whether a key or member is written as what it is, so that different ones stay different.
fn is_kept(value: &Value, depth_left: usize) -> bool {
    match value {
        Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Str(_) => true,
        Value::Keyword(keyword) => chars::is_keyword(keyword.as_str()),
        Value::Symbol(name) => chars::is_symbol(name),
        Value::BigInt(digits) => number::is_writable_integer(digits),
        Value::BigDec(digits) => number::is_writable_decimal(digits),
        Value::Ratio(text) => number::is_writable_ratio(text),
        Value::Char(letter) => chars::name_of_char(*letter).is_some(),
        Value::Tagged(tag, inner) => depth_left > 0 && instant::is_valid(tag, inner),
        Value::List(items) | Value::Vector(items) => {
            depth_left > 0 && items.iter().all(|item| is_kept(item, depth_left - 1))
        }
        Value::Set(members) => {
            depth_left > 0
                && members.iter().all(|member| is_kept(member, depth_left - 1))
                && super::map::distinct(members.len(), |at| &members[at]).is_ok()
        }
        Value::Map(map) => {
            depth_left > 0
                && map.iter().all(|(key, value)| {
                    is_kept(key, depth_left - 1) && is_kept(value, depth_left - 1)
                })
        }
    }
}

/// The value that a reader will get for this one.
fn as_read_back(out: &Out<'_>, value: &Value) -> Value {
    let mut text = String::new();
    put(
        &mut Out {
            text: &mut text,
            depth_left: out.depth_left - 1,
            is_text: out.is_text,
        },
        value,
    );
    super::Reader::strict(&text)
        .limits(Limits {
            max_bytes: usize::MAX,
            ..Limits::default()
        })
        .read_one()
        .unwrap_or_else(|_| Value::Str(text.clone()))
}

fn put_string(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    let bytes = text.as_bytes();
    let mut from = 0;
    let mut at = 0;
    while let Some(length) = bytes[at..]
        .iter()
        .position(|byte| chars::is(*byte, class::ESCAPED))
    {
        at += length;
        let Some(letter) = text[at..].chars().next() else {
            break;
        };
        let next = at + letter.len_utf8();
        let escape = match letter {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            _ if chars::must_escape(letter) => "",
            _ => {
                at = next;
                continue;
            }
        };
        out.push_str(&text[from..at]);
        if escape.is_empty() {
            // A String takes everything.
            let _ = write!(out, "\\u{:04x}", u32::from(letter));
        } else {
            out.push_str(escape);
        }
        at = next;
        from = next;
    }
    out.push_str(&text[from..]);
    out.push('"');
}
