//! Equality and hash of values, as Clojure's `=` has them (the module's page says why).
//!
//! Sets and maps compare without order. To do that without comparing every item with every other (nested sets would make
//! that explode), collections inside them are compared by hash first.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::OnceLock;

use super::{Map, Value, instant, number};

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Int(a), Self::BigInt(b)) | (Self::BigInt(b), Self::Int(a)) => {
                b.parse() == Ok(*a)
            }
            (Self::BigInt(a), Self::BigInt(b)) => match (a.parse::<i64>(), b.parse::<i64>()) {
                (Ok(a), Ok(b)) => a == b,
                _ => a == b,
            },
            (Self::Float(a), Self::Float(b)) => float_bits(*a) == float_bits(*b),
            (Self::BigDec(a), Self::BigDec(b)) => {
                a == b || number::decimal_key(a) == number::decimal_key(b)
            }
            (Self::Ratio(a), Self::Ratio(b)) | (Self::Symbol(a), Self::Symbol(b)) => a == b,
            (Self::Char(a), Self::Char(b)) => a == b,
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Keyword(a), Self::Keyword(b)) => a == b,
            (Self::List(a) | Self::Vector(a), Self::List(b) | Self::Vector(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Set(a), Self::Set(b)) => same_members(a, b),
            (Self::Tagged(tag, a), Self::Tagged(other, b)) => {
                tag == other
                    && match (instant::tagged_key(tag, a), instant::tagged_key(tag, b)) {
                        (Some(a), Some(b)) => a == b,
                        _ => a == b,
                    }
            }
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Nil => state.write_u8(0),
            Self::Bool(truth) => (1_u8, truth).hash(state),
            Self::Int(number) => (2_u8, number).hash(state),
            Self::BigInt(digits) => match digits.parse::<i64>() {
                Ok(number) => (2_u8, number).hash(state),
                Err(_) => (3_u8, digits).hash(state),
            },
            Self::Float(number) => (4_u8, float_bits(*number)).hash(state),
            Self::BigDec(text) => (5_u8, number::decimal_key(text)).hash(state),
            Self::Ratio(text) => (6_u8, text).hash(state),
            Self::Char(letter) => (7_u8, letter).hash(state),
            Self::Str(text) => (8_u8, text).hash(state),
            Self::Keyword(keyword) => (KEYWORD, keyword.as_str()).hash(state),
            Self::Symbol(name) => (10_u8, name).hash(state),
            Self::List(items) | Self::Vector(items) => (11_u8, items).hash(state),
            Self::Map(map) => (12_u8, map).hash(state),
            Self::Set(members) => {
                let sum = members
                    .iter()
                    .fold(0_u64, |sum, member| sum.wrapping_add(hash_of(member)));
                (13_u8, members.len(), sum).hash(state);
            }
            Self::Tagged(tag, value) => match instant::tagged_key(tag, value) {
                Some(key) => (14_u8, key).hash(state),
                None => (15_u8, tag, value).hash(state),
            },
        }
    }
}

const KEYWORD: u8 = 9;

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        if self.len() != other.len() {
            return false;
        }
        let ordered = self
            .iter()
            .zip(other)
            .all(|((key, _), (there, _))| is_scalar(key) && key == there);
        if ordered {
            return self.values().eq(other.values());
        }
        if !self.keys().all(is_scalar) && hash_of_map(self) != hash_of_map(other) {
            return false;
        }
        self.iter()
            .all(|(key, value)| other.get(key) == Some(value))
    }
}

impl Eq for Map {}

impl Hash for Map {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.len(), hash_of_map(self)).hash(state);
    }
}

fn hash_of_map(map: &Map) -> u64 {
    map.iter().fold(0, |sum: u64, pair| {
        sum.wrapping_add(random_state().hash_one(pair))
    })
}

fn same_members(a: &[Value], b: &[Value]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let by_hash = |members: &[Value]| {
        let mut hashed: Vec<_> = members
            .iter()
            .enumerate()
            .map(|(at, member)| (hash_of(member), at))
            .collect();
        hashed.sort_unstable();
        hashed
    };
    let (hashed_a, hashed_b) = (by_hash(a), by_hash(b));
    hashed_a
        .iter()
        .zip(&hashed_b)
        .all(|((hash_a, _), (hash_b, _))| hash_a == hash_b)
        && hashed_a
            .iter()
            .zip(&hashed_b)
            .all(|((hash, at), (_, at_b))| {
                // The usual case first; different members of one hash are next to impossible, and may be in any order.
                a[*at] == b[*at_b]
                    || hashed_b
                        .iter()
                        .any(|(other, at_b)| other == hash && a[*at] == b[*at_b])
            })
}

/// Whether comparing this value takes no walk.
pub(super) fn is_scalar(value: &Value) -> bool {
    !matches!(
        value,
        Value::List(_) | Value::Vector(_) | Value::Map(_) | Value::Set(_) | Value::Tagged(..)
    )
}

/// The hash used inside this module; seeded per process.
pub(super) fn hash_of(value: &Value) -> u64 {
    random_state().hash_one(value)
}

/// The hash of the keyword with this name.
pub(super) fn hash_of_keyword(name: &str) -> u64 {
    random_state().hash_one((KEYWORD, name))
}

fn random_state() -> &'static RandomState {
    static STATE: OnceLock<RandomState> = OnceLock::new();
    STATE.get_or_init(RandomState::new)
}

fn float_bits(number: f64) -> u64 {
    if number.is_nan() {
        f64::NAN.to_bits()
    } else if number == 0.0 {
        0
    } else {
        number.to_bits()
    }
}
