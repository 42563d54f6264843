//! `Serialize` and `Deserialize` of [`Value`] and [`Keyword`] themselves.
//!
//! Serde's data model knows no keywords, sets or ratios. Between our own serializer and deserializer such a value travels
//! as a newtype struct with a name that nobody else uses; any other format sees the plain string or sequence in it. Serde
//! buffers what is under `flatten` or in an untagged enum, and there the kinds are lost: keywords arrive as strings.

use std::fmt;

use serde::de::value::U32Deserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::ser::{Serialize, Serializer};

use super::de::ValueDeserializer;
use super::{Keyword, SerdeError, Value};

/// The name under which a [`Value`] asks our deserializer for all there is to know.
pub(super) const VALUE: &str = "$edn::value";
/// The name under which a [`Keyword`] asks for itself.
pub(super) const KEYWORD: &str = "$edn::keyword";

/// What a plain value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Keyword,
    Symbol,
    BigInt,
    BigDec,
    Ratio,
    List,
    Set,
    Tagged,
}

const KINDS: [(Kind, &str); 9] = [
    (Kind::Plain, "$edn::plain"),
    (Kind::Keyword, KEYWORD),
    (Kind::Symbol, "$edn::symbol"),
    (Kind::BigInt, "$edn::bigint"),
    (Kind::BigDec, "$edn::bigdec"),
    (Kind::Ratio, "$edn::ratio"),
    (Kind::List, "$edn::list"),
    (Kind::Set, "$edn::set"),
    (Kind::Tagged, "$edn::tagged"),
];

impl Kind {
    pub(super) fn named(name: &str) -> Option<Self> {
        if !name.starts_with('$') {
            return None;
        }
        KINDS
            .iter()
            .find(|(_, its_name)| *its_name == name)
            .map(|(kind, _)| *kind)
    }

    fn name(self) -> &'static str {
        KINDS[self as usize].1
    }

    /// Makes the value that the plain one stands for.
    pub(super) fn of(self, plain: Value) -> Value {
        match (self, plain) {
            (Self::Keyword, Value::Str(text)) => Value::kw(&text),
            (Self::Symbol, Value::Str(text)) => Value::Symbol(text.into()),
            (Self::BigInt, Value::Str(text)) => Value::BigInt(text.into()),
            (Self::BigDec, Value::Str(text)) => Value::BigDec(text.into()),
            (Self::Ratio, Value::Str(text)) => Value::Ratio(text.into()),
            (Self::List, Value::Vector(items)) => Value::List(items),
            (Self::Set, Value::Vector(items)) => Value::Set(items),
            (Self::Tagged, Value::Vector(items)) => match <[Value; 2]>::try_from(items) {
                Ok([Value::Str(tag), value]) => Value::Tagged(tag.into(), Box::new(value)),
                Ok(items) => Value::Vector(items.into()),
                Err(items) => Value::Vector(items),
            },
            (_, plain) => plain,
        }
    }

    /// The reverse of [`Kind::of`].
    fn split(value: Value) -> (Self, Value) {
        match value {
            Value::Keyword(keyword) => (Self::Keyword, Value::from(keyword.as_str())),
            Value::Symbol(text) => (Self::Symbol, Value::Str(text.into())),
            Value::BigInt(text) => (Self::BigInt, Value::Str(text.into())),
            Value::BigDec(text) => (Self::BigDec, Value::Str(text.into())),
            Value::Ratio(text) => (Self::Ratio, Value::Str(text.into())),
            Value::List(items) => (Self::List, Value::Vector(items)),
            Value::Set(items) => (Self::Set, Value::Vector(items)),
            Value::Tagged(tag, value) => (
                Self::Tagged,
                Value::Vector(vec![Value::Str(tag.into()), *value]),
            ),
            plain => (Self::Plain, plain),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Char(letter) => serializer.serialize_char(*letter),
            Self::Str(text) => serializer.serialize_str(text),
            Self::Keyword(keyword) => keyword.serialize(serializer),
            Self::Symbol(text) => serializer.serialize_newtype_struct(Kind::Symbol.name(), &**text),
            Self::BigInt(text) => serializer.serialize_newtype_struct(Kind::BigInt.name(), &**text),
            Self::BigDec(text) => serializer.serialize_newtype_struct(Kind::BigDec.name(), &**text),
            Self::Ratio(text) => serializer.serialize_newtype_struct(Kind::Ratio.name(), &**text),
            Self::Vector(items) => items.serialize(serializer),
            Self::List(items) => serializer.serialize_newtype_struct(Kind::List.name(), items),
            Self::Set(items) => serializer.serialize_newtype_struct(Kind::Set.name(), items),
            Self::Map(map) => serializer.collect_map(map),
            Self::Tagged(tag, value) => {
                serializer.serialize_newtype_struct(Kind::Tagged.name(), &(tag, value))
            }
        }
    }
}

/// Writes a sequence as a list, `(…)`, where a `Vec` alone would be a vector: for `serialize_with`.
pub fn as_list<T: Serialize, S: Serializer>(items: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_newtype_struct(Kind::List.name(), items)
}

/// Writes a sequence as a set, `#{…}`: for `serialize_with`. No member may come twice.
pub fn as_set<T: Serialize, S: Serializer>(items: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_newtype_struct(Kind::Set.name(), items)
}

impl Serialize for Keyword {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(KEYWORD, self.as_str())
    }
}

impl<'de> Deserialize<'de> for Keyword {
    /// From a keyword or a string.
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfKeyword;

        impl<'de> Visitor<'de> for OfKeyword {
            type Value = Keyword;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a keyword")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Keyword, E> {
                Ok(Keyword::new(name))
            }

            fn visit_newtype_struct<D: de::Deserializer<'de>>(
                self,
                inner: D,
            ) -> Result<Keyword, D::Error> {
                inner.deserialize_str(self)
            }
        }

        deserializer.deserialize_newtype_struct(KEYWORD, OfKeyword)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(VALUE, OfValue)
    }
}

/// A value of which only the plain side is looked at.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfValue).map(Self)
    }
}

struct OfValue;

impl<'de> Visitor<'de> for OfValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_char<E>(self, letter: char) -> Result<Value, E> {
        Ok(letter.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_some<D: de::Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        Value::deserialize(inner)
    }

    fn visit_newtype_struct<D: de::Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Vector(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs = super::Map::new();
        while let Some((key, value)) = map.next_entry()? {
            pairs.insert(key, value);
        }
        Ok(Value::Map(pairs))
    }

    /// How our own deserializer hands over a value: the number of its kind, and what is plain of it.
    fn visit_enum<A: EnumAccess<'de>>(self, whole: A) -> Result<Value, A::Error> {
        let (kind, plain) = whole.variant::<u32>()?;
        let kind = KINDS
            .get(kind as usize)
            .map_or(Kind::Plain, |(kind, _)| *kind);
        plain
            .newtype_variant::<Plain>()
            .map(|Plain(value)| kind.of(value))
    }
}

/// A value on its way from our deserializer to [`OfValue`].
pub(super) struct Whole(pub(super) Value);

impl<'de> EnumAccess<'de> for Whole {
    type Error = SerdeError;
    type Variant = PlainPart;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, PlainPart), SerdeError> {
        let (kind, plain) = Kind::split(self.0);
        let kind: U32Deserializer<SerdeError> =
            de::IntoDeserializer::into_deserializer(kind as u32);
        Ok((seed.deserialize(kind)?, PlainPart(plain)))
    }
}

pub(super) struct PlainPart(Value);

impl<'de> VariantAccess<'de> for PlainPart {
    type Error = SerdeError;

    fn unit_variant(self) -> Result<(), SerdeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, SerdeError> {
        seed.deserialize(ValueDeserializer::of(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, SerdeError> {
        de::Deserializer::deserialize_any(ValueDeserializer::of(self.0), visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        de::Deserializer::deserialize_any(ValueDeserializer::of(self.0), visitor)
    }
}
