//! EDN values to Rust values.
//!
//! It takes more than `ser.rs` writes. A field may be a keyword or a string in the map, a name (of a field, a variant, or
//! in a `String`) a keyword, a symbol or a string; a list, vector or set is a sequence; `100M` is a number where one is
//! wanted. An error names the way to the place: `:job :caches 0: invalid type …`.

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::serde_value::{KEYWORD, VALUE, Whole};
use super::{Map, SerdeError, Value, read_str};

type Result<T> = std::result::Result<T, SerdeError>;

/// Makes a Rust value from an EDN value.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T> {
    T::deserialize(ValueDeserializer(value))
}

/// Makes a Rust value from one form of strict EDN.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T> {
    from_value(read_str(text)?)
}

#[derive(Debug)]
pub(super) struct ValueDeserializer(Value);

impl ValueDeserializer {
    pub(super) fn of(value: Value) -> Self {
        Self(value)
    }

    fn wrong(&self, wanted: &dyn de::Expected) -> SerdeError {
        let text;
        let found = match &self.0 {
            Value::Nil => Unexpected::Other("nil"),
            Value::Bool(truth) => Unexpected::Bool(*truth),
            Value::Int(number) => Unexpected::Signed(*number),
            Value::Float(number) => Unexpected::Float(*number),
            Value::Char(letter) => Unexpected::Char(*letter),
            Value::Str(text) => Unexpected::Str(text),
            Value::List(_) => Unexpected::Other("a list"),
            Value::Vector(_) => Unexpected::Other("a vector"),
            Value::Map(_) => Unexpected::Map,
            Value::Set(_) => Unexpected::Other("a set"),
            other => {
                text = format!("`{other}`");
                Unexpected::Other(&text)
            }
        };
        SerdeError::invalid_type(found, wanted)
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let (Value::BigDec(text) | Value::BigInt(text)) = &self.0 else {
            return de::Deserializer::deserialize_any(self, visitor);
        };
        match (text.parse::<i64>(), text.parse::<u64>()) {
            (Ok(number), _) => visitor.visit_i64(number),
            (_, Ok(number)) => visitor.visit_u64(number),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn float<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0.as_f64() {
            Some(number) => visitor.visit_f64(number),
            None => Err(self.wrong(&visitor)),
        }
    }
}

macro_rules! numbers {
    ($how:ident: $($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.$how(visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for ValueDeserializer {
    type Error = SerdeError;

    numbers! { number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }
    numbers! { float: deserialize_f32 deserialize_f64 }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Nil => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(truth),
            Value::Int(number) => visitor.visit_i64(number),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Char(letter) => visitor.visit_char(letter),
            Value::Str(text) => visitor.visit_string(text),
            Value::Keyword(keyword) => visitor.visit_str(keyword.as_str()),
            Value::BigInt(text)
            | Value::BigDec(text)
            | Value::Ratio(text)
            | Value::Symbol(text) => visitor.visit_string(text.into()),
            Value::List(items) | Value::Vector(items) | Value::Set(items) => {
                visitor.visit_seq(Items {
                    items: items.into_iter(),
                    at: 0,
                })
            }
            Value::Map(map) => visitor.visit_map(Pairs::new(map)),
            Value::Tagged(_, value) => Self(*value).deserialize_any(visitor),
        }
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match &self.0 {
            Value::BigInt(text) => match text.parse() {
                Ok(number) => visitor.visit_i128(number),
                Err(_) => Err(self.wrong(&visitor)),
            },
            _ => self.number(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match &self.0 {
            Value::BigInt(text) => match text.parse() {
                Ok(number) => visitor.visit_u128(number),
                Err(_) => Err(self.wrong(&visitor)),
            },
            _ => self.number(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.0.is_nil() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        match (name, &self.0) {
            (VALUE, _) => visitor.visit_enum(Whole(self.0)),
            (KEYWORD, Value::Keyword(keyword)) => visitor.visit_str(keyword.as_str()),
            (KEYWORD, Value::Str(text)) => visitor.visit_str(text),
            (KEYWORD, _) => Err(self.wrong(&visitor)),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.0 {
            Value::Keyword(_) | Value::Symbol(_) | Value::Str(_) => visitor.visit_enum(Variant {
                name: self.0,
                content: None,
            }),
            Value::Map(map) if map.len() == 1 => match map.into_iter().next() {
                Some((name, content)) => visitor.visit_enum(Variant {
                    name,
                    content: Some(content),
                }),
                None => Err(SerdeError::custom("an empty map names no variant")),
            },
            _ => Err(self.wrong(&"a keyword, or a map with one key")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

struct Items {
    items: std::vec::IntoIter<Value>,
    at: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = SerdeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        let at = self.at;
        self.at += 1;
        seed.deserialize(ValueDeserializer(item))
            .map(Some)
            .map_err(|error| error.inside(|| at.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Pairs {
    pairs: std::vec::IntoIter<(Value, Value)>,
    /// The key that was read last, for messages, and its value.
    open: Option<(Value, Value)>,
}

impl Pairs {
    fn new(map: Map) -> Self {
        Self {
            pairs: map.into_iter(),
            open: None,
        }
    }
}

impl<'de> MapAccess<'de> for Pairs {
    type Error = SerdeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((key, value)) = self.pairs.next() else {
            return Ok(None);
        };
        self.open = Some((key.clone(), value));
        seed.deserialize(ValueDeserializer(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let (key, value) = self
            .open
            .take()
            .ok_or_else(|| SerdeError::custom("a value was asked for before its key"))?;
        seed.deserialize(ValueDeserializer(value))
            .map_err(|error| error.inside(|| key.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.pairs.len())
    }
}

struct Variant {
    name: Value,
    content: Option<Value>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = SerdeError;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content)> {
        Ok((
            seed.deserialize(ValueDeserializer(self.name))?,
            Content(self.content),
        ))
    }
}

struct Content(Option<Value>);

impl Content {
    fn present(self) -> Result<ValueDeserializer> {
        let content = self
            .0
            .ok_or_else(|| SerdeError::custom("a variant without its value"))?;
        Ok(ValueDeserializer(content))
    }
}

impl<'de> VariantAccess<'de> for Content {
    type Error = SerdeError;

    fn unit_variant(self) -> Result<()> {
        match self.0 {
            None | Some(Value::Nil) => Ok(()),
            Some(value) => Err(ValueDeserializer(value).wrong(&"no value with this variant")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.present()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_any(self.present()?, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        de::Deserializer::deserialize_any(self.present()?, visitor)
    }
}
