//! Reading lists, vectors, sets and maps.

use super::map::distinct;
use super::reader::{Next, Reader, Result, excerpt};
use super::{Map, ReadErrorKind as Kind, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    List,
    Vector,
    Set,
}

impl Reader<'_> {
    /// Reads up to and with the closing delimiter; `start` is the form's first byte, `self.at` the opening delimiter.
    pub(super) fn items(
        &mut self,
        start: usize,
        depth: usize,
        mut take: impl FnMut(Value),
    ) -> Result<()> {
        let depth = self.deeper(start, depth)?;
        let open = self.text.as_bytes()[self.at];
        self.at += 1;
        loop {
            match self.next_form(depth)? {
                Next::Form(value) => take(value),
                Next::Close(found) => {
                    self.close(open, found)?;
                    return Ok(());
                }
                Next::End => return Err(self.error(start, Kind::Unclosed(open.into()))),
            }
        }
    }

    pub(super) fn close(&mut self, open: u8, found: u8) -> Result<()> {
        let expected = closing(open);
        if found != expected {
            let kind = Kind::WrongClose {
                found: found.into(),
                expected: expected.into(),
            };
            return Err(self.error(self.at, kind));
        }
        self.at += 1;
        Ok(())
    }

    pub(super) fn collection(&mut self, opened: Opened, depth: usize) -> Result<Value> {
        let start = if opened == Opened::Set {
            self.at - 1
        } else {
            self.at
        };
        let mut items = Vec::new();
        self.items(start, depth, |item| items.push(item))?;
        Ok(match opened {
            Opened::List => Value::List(items),
            Opened::Vector => Value::Vector(items),
            Opened::Set => match distinct(items.len(), |at| &items[at]) {
                Ok(_) => Value::Set(items),
                Err(at) if !self.lenient => {
                    return Err(self.error(start, Kind::DuplicateMember(shown(&items[at]))));
                }
                Err(_) => {
                    let members: Map = items
                        .into_iter()
                        .map(|member| (member, Value::Nil))
                        .collect();
                    Value::Set(members.into_iter().map(|(member, _)| member).collect())
                }
            },
        })
    }

    pub(super) fn map(&mut self, start: usize, depth: usize) -> Result<Value> {
        match self.pairs(start, depth)? {
            Some(pairs) => self.map_of(start, pairs),
            None if self.lenient => Ok(self.source_from(start)),
            None => Err(self.error(start, Kind::OddMap)),
        }
    }

    /// Keys and values up to the closing brace; `None` when a value is missing.
    pub(super) fn pairs(
        &mut self,
        start: usize,
        depth: usize,
    ) -> Result<Option<Vec<(Value, Value)>>> {
        let mut pairs = Vec::new();
        let mut key = None;
        self.items(start, depth, |form| match key.take() {
            None => key = Some(form),
            Some(key) => pairs.push((key, form)),
        })?;
        Ok(key.is_none().then_some(pairs))
    }

    pub(super) fn map_of(&self, start: usize, pairs: Vec<(Value, Value)>) -> Result<Value> {
        match Map::from_distinct(pairs) {
            Ok(map) => Ok(Value::Map(map)),
            Err((_, pairs)) if self.lenient => Ok(Value::Map(pairs.into_iter().collect())),
            Err((at, pairs)) => Err(self.error(start, Kind::DuplicateKey(shown(&pairs[at].0)))),
        }
    }
}

pub(super) fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}

fn shown(value: &Value) -> String {
    excerpt(&super::write(value))
}
