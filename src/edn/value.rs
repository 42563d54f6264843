//! [`Value`]: any EDN value, and short ways to build one and to look into one.

use super::{Keyword, Map};

/// Any EDN value.
///
/// Numbers that no Rust type holds are kept as text, so that they are written back digit for digit. Equality is
/// Clojure's, see the module's page.
#[derive(Clone, Debug)]
pub enum Value {
    /// `nil`
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// A larger integer, or one written with `N`: decimal digits, with `-` before them where negative.
    BigInt(Box<str>),
    /// `1.5`, `##Inf`, `##NaN`
    Float(f64),
    /// A decimal, without its `M`: `100`, `1.50`, `1E+2`.
    BigDec(Box<str>),
    /// A ratio in lowest terms: `2/3`, `-1/2`.
    Ratio(Box<str>),
    /// `\c`. EDN has no characters beyond U+FFFF; those are written as strings.
    Char(char),
    /// `"text"`
    Str(String),
    /// `:job/end`
    Keyword(Keyword),
    /// `ns/name`
    Symbol(Box<str>),
    /// `(a b)`
    List(Vec<Value>),
    /// `[a b]`
    Vector(Vec<Value>),
    /// `{:a 1, :b 2}`
    Map(Map),
    /// `#{a b}`, in the order written. Whoever builds one need not care for duplicates: the writer leaves them out.
    Set(Vec<Value>),
    /// `#tag value`, the tag without `#`. The readers only produce valid `inst` and `uuid`; any other is written as a
    /// string of its text.
    Tagged(Box<str>, Box<Value>),
}

impl Value {
    /// Returns the keyword `:name`.
    pub fn kw(name: &str) -> Self {
        Self::Keyword(Keyword::new(name))
    }

    /// Returns a map with keyword keys, in the order given.
    pub fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        Self::Map(
            pairs
                .into_iter()
                .map(|(key, value)| (Self::kw(key), value))
                .collect(),
        )
    }

    /// Returns the value under a keyword key; `None` also where this is not a map.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get_kw(key)
    }

    /// Whether this is `nil`.
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// The text of a string (of nothing else).
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// An integer, also one written with `N` that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::BigInt(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// Any number as the nearest float.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::BigInt(text) | Self::BigDec(text) => text.parse().ok(),
            Self::Ratio(text) => {
                let (above, below) = text.split_once('/')?;
                Some(above.parse::<f64>().ok()? / below.parse::<f64>().ok()?)
            }
            _ => None,
        }
    }

    /// `true` or `false` (`nil` is neither).
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// A keyword.
    pub fn as_keyword(&self) -> Option<&Keyword> {
        match self {
            Self::Keyword(keyword) => Some(keyword),
            _ => None,
        }
    }

    /// A map.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// A map, to change it.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The items of a list, vector or set: lazy sequences print as lists where one expects vectors.
    pub fn as_seq(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) | Self::Vector(items) | Self::Set(items) => Some(items),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($type:ty => |$it:ident| $made:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($it: $type) -> Self {
                $made
            }
        }
    )*};
}

from! {
    &str => |text| Self::Str(text.to_owned());
    String => |text| Self::Str(text);
    &String => |text| Self::Str(text.clone());
    bool => |truth| Self::Bool(truth);
    i64 => |number| Self::Int(number);
    i32 => |number| Self::Int(number.into());
    u32 => |number| Self::Int(number.into());
    u64 => |number| i64::try_from(number).map_or_else(|_| Self::BigInt(number.to_string().into()), Self::Int);
    usize => |number| Self::from(number as u64);
    f64 => |number| Self::Float(number);
    char => |letter| Self::Char(letter);
    Keyword => |keyword| Self::Keyword(keyword);
    &Keyword => |keyword| Self::Keyword(keyword.clone());
    Map => |map| Self::Map(map);
    Vec<Value> => |items| Self::Vector(items);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(option: Option<T>) -> Self {
        option.map_or(Self::Nil, Into::into)
    }
}

impl FromIterator<Value> for Value {
    /// A vector.
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self::Vector(items.into_iter().collect())
    }
}
