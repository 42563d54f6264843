//! Rust values to EDN values: struct fields and unit variants become keywords, the keys of Rust maps stay what they are.
//!
//! A variant with data is a map with one keyword key: `{:exit 1}`, `{:moved {:from 1, :to 2}}`, `{:pair [1 2]}`.

use serde::ser::{self, Serialize};

use super::serde_value::Kind;
use super::{Map, SerdeError, Value, write};

type Result<T> = std::result::Result<T, SerdeError>;

/// Turns a Rust value into an EDN value.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value> {
    value.serialize(Serializer)
}

/// Turns a Rust value into strict EDN on one line.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    to_value(value).map(|value| write(&value))
}

#[derive(Clone, Copy, Debug)]
struct Serializer;

macro_rules! plain {
    ($($method:ident: $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<Value> {
            Ok(value.into())
        }
    )*};
}

impl ser::Serializer for Serializer {
    type Ok = Value;
    type Error = SerdeError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Pairs;
    type SerializeStruct = Pairs;
    type SerializeStructVariant = Pairs;

    plain! {
        serialize_bool: bool;
        serialize_i32: i32;
        serialize_i64: i64;
        serialize_u32: u32;
        serialize_u64: u64;
        serialize_f64: f64;
        serialize_char: char;
        serialize_str: &str;
    }

    fn serialize_i8(self, value: i8) -> Result<Value> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_i16(self, value: i16) -> Result<Value> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_u8(self, value: u8) -> Result<Value> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_u16(self, value: u16) -> Result<Value> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_i128(self, value: i128) -> Result<Value> {
        Ok(i64::try_from(value)
            .map_or_else(|_| Value::BigInt(value.to_string().into()), Value::Int))
    }

    fn serialize_u128(self, value: u128) -> Result<Value> {
        Ok(i64::try_from(value)
            .map_or_else(|_| Value::BigInt(value.to_string().into()), Value::Int))
    }

    /// By its shortest decimal form: 0.1 stays 0.1.
    fn serialize_f32(self, value: f32) -> Result<Value> {
        Ok(Value::Float(
            value
                .to_string()
                .parse()
                .unwrap_or_else(|_| f64::from(value)),
        ))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value> {
        Ok(bytes
            .iter()
            .map(|byte| Value::Int((*byte).into()))
            .collect())
    }

    fn serialize_none(self) -> Result<Value> {
        Ok(Value::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value> {
        Ok(Value::Nil)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value> {
        Ok(Value::Nil)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value> {
        Ok(Value::kw(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value> {
        let value = value.serialize(self)?;
        Ok(match Kind::named(name) {
            Some(kind) => kind.of(value),
            None => value,
        })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value> {
        Ok(in_variant(variant, value.serialize(self)?))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items> {
        Ok(Items {
            variant: None,
            items: Vec::with_capacity(length.unwrap_or(0)),
        })
    }

    fn serialize_tuple(self, length: usize) -> Result<Items> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items> {
        Ok(Items {
            variant: Some(variant),
            items: Vec::with_capacity(length),
        })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Pairs> {
        Ok(Pairs::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Pairs> {
        Ok(Pairs::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Pairs> {
        Ok(Pairs {
            variant: Some(variant),
            ..Pairs::default()
        })
    }
}

fn in_variant(variant: &str, value: Value) -> Value {
    Value::map([(variant, value)])
}

#[derive(Debug)]
struct Items {
    variant: Option<&'static str>,
    items: Vec<Value>,
}

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.items.push(value.serialize(Serializer)?);
        Ok(())
    }

    fn finish(self) -> Value {
        let items = Value::Vector(self.items);
        match self.variant {
            Some(variant) => in_variant(variant, items),
            None => items,
        }
    }
}

macro_rules! items {
    ($($of:ident: $method:ident;)*) => {$(
        impl ser::$of for Items {
            type Ok = Value;
            type Error = SerdeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.push(value)
            }

            fn end(self) -> Result<Value> {
                Ok(self.finish())
            }
        }
    )*};
}

items! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

#[derive(Debug, Default)]
struct Pairs {
    variant: Option<&'static str>,
    key: Option<Value>,
    map: Map,
}

impl Pairs {
    fn finish(self) -> Value {
        let map = Value::Map(self.map);
        match self.variant {
            Some(variant) => in_variant(variant, map),
            None => map,
        }
    }
}

impl ser::SerializeMap for Pairs {
    type Ok = Value;
    type Error = SerdeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = Some(key.serialize(Serializer)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let value = value.serialize(Serializer)?;
        self.map
            .insert(self.key.take().unwrap_or(Value::Nil), value);
        Ok(())
    }

    fn end(self) -> Result<Value> {
        Ok(self.finish())
    }
}

macro_rules! fields {
    ($($of:ident)*) => {$(
        impl ser::$of for Pairs {
            type Ok = Value;
            type Error = SerdeError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
                let value = value.serialize(Serializer)?;
                self.map.insert_kw(name, value);
                Ok(())
            }

            fn end(self) -> Result<Value> {
                Ok(self.finish())
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }
