//! Reading what starts with `#` or `^`: sets, discards, namespaced maps, tags, metadata.

use super::chars;
use super::collections::Opened;
use super::reader::{Next, Reader, Result};
use super::{ReadErrorKind as Kind, Value, instant};

impl Reader<'_> {
    /// Reads a form that starts with `#`; `None` for one that is discarded.
    pub(super) fn dispatch(&mut self, depth: usize) -> Result<Option<Value>> {
        let start = self.at;
        let Some(second) = self.text[start + 1..].chars().next() else {
            return Err(self.error(start, Kind::Truncated));
        };
        self.at += 1;
        match second {
            '{' => self.collection(Opened::Set, depth),
            '_' => return self.discard(start, depth).map(|()| None),
            '#' => self.symbolic(start, depth),
            ':' => self.namespaced_map(start, depth),
            '^' => self.after_metadata(start, start + 2, depth),
            _ if second.is_alphabetic() => self.tagged(start, depth),
            _ => {
                self.at += second.len_utf8();
                self.odd(start, depth, |text| Kind::Token(text.into()))
            }
        }
        .map(Some)
    }

    fn discard(&mut self, start: usize, depth: usize) -> Result<()> {
        self.at = start + 2;
        let depth = self.deeper(start, depth)?;
        if self.lenient {
            return self.pass_form(start, depth);
        }
        match self.next_form(depth)? {
            Next::Form(_) => Ok(()),
            Next::Close(_) => Err(self.error(start, Kind::Dangling("#_".into()))),
            Next::End => Err(self.error(start, Kind::Truncated)),
        }
    }

    fn symbolic(&mut self, start: usize, depth: usize) -> Result<Value> {
        self.at = start + 2;
        self.skip_blank();
        match self.token() {
            "Inf" => Ok(Value::Float(f64::INFINITY)),
            "-Inf" => Ok(Value::Float(f64::NEG_INFINITY)),
            "NaN" => Ok(Value::Float(f64::NAN)),
            _ => self.odd(start, depth, |text| Kind::Token(text.into())),
        }
    }

    fn namespaced_map(&mut self, start: usize, depth: usize) -> Result<Value> {
        self.at = start + 2;
        let namespace = self.token();
        self.skip_blank();
        if !chars::is_symbol(namespace)
            || namespace.contains('/')
            || self.byte(self.at) != Some(b'{')
        {
            return self.odd(start, depth, |_| Kind::NamespacedMap);
        }
        match self.pairs(start, depth)? {
            Some(pairs) => {
                let expanded = pairs
                    .into_iter()
                    .map(|(key, value)| (in_namespace(namespace, key), value));
                self.map_of(start, expanded.collect())
            }
            None if self.lenient => Ok(self.source_from(start)),
            None => Err(self.error(start, Kind::OddMap)),
        }
    }

    fn tagged(&mut self, start: usize, depth: usize) -> Result<Value> {
        let tag = self.token();
        self.skip_blank();
        let next = self.byte(self.at);
        match tag {
            "inst" | "uuid" if next == Some(b'"') => {
                self.deeper(start, depth)?;
                let value = self.string()?;
                if instant::is_valid(tag, &value) {
                    return Ok(Value::Tagged(tag.into(), Box::new(value)));
                }
            }
            "ordered/map" if self.lenient && matches!(next, Some(b'(' | b'[')) => {
                let depth = self.deeper(start, depth)?;
                let mut items = Vec::new();
                self.items(start, depth, |item| items.push(pair(item)))?;
                return match items.into_iter().collect() {
                    Some(pairs) => self.map_of(start, pairs),
                    None => Ok(self.source_from(start)),
                };
            }
            _ => {}
        }
        self.odd(start, depth, |_| match tag {
            "inst" | "uuid" => Kind::Tagged(tag.into()),
            _ => Kind::Tag(tag.into()),
        })
    }

    /// Reads the form behind `^meta`; metadata is not kept.
    pub(super) fn after_metadata(
        &mut self,
        start: usize,
        metadata: usize,
        depth: usize,
    ) -> Result<Value> {
        self.at = metadata;
        let depth = self.deeper(start, depth)?;
        let mut forms = [Value::Nil, Value::Nil];
        for form in &mut forms {
            *form = match self.next_form(depth)? {
                Next::Form(value) => value,
                Next::Close(_) if self.lenient => return Ok(self.source_from(start)),
                Next::Close(_) => return Err(self.error(start, Kind::Meta)),
                Next::End => return Err(self.error(start, Kind::Truncated)),
            };
        }
        let [metadata, value] = forms;
        let takes_it = matches!(
            metadata,
            Value::Map(_) | Value::Keyword(_) | Value::Symbol(_) | Value::Str(_)
        ) && (matches!(value, Value::Map(_) | Value::Symbol(_))
            || value.as_seq().is_some());
        if takes_it || self.lenient {
            Ok(value)
        } else {
            Err(self.error(start, Kind::Meta))
        }
    }
}

fn in_namespace(namespace: &str, key: Value) -> Value {
    let expand = |name: &str| match name.strip_prefix("_/") {
        Some(bare) => Some(bare.to_owned()),
        None if name.contains('/') => None,
        None => Some(format!("{namespace}/{name}")),
    };
    match &key {
        Value::Keyword(keyword) => expand(keyword.as_str()).map_or(key, |name| Value::kw(&name)),
        Value::Symbol(name) => expand(name).map_or(key, |name| Value::Symbol(name.into())),
        _ => key,
    }
}

fn pair(item: Value) -> Option<(Value, Value)> {
    let (Value::Vector(items) | Value::List(items)) = item else {
        return None;
    };
    <[Value; 2]>::try_from(items)
        .ok()
        .map(|[key, value]| (key, value))
}
