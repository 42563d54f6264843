//! The EDN codec: values, two readers, one writer, and a bridge to serde.
//!
//! It owns what EDN text means and how we write it. It leaves to others what a value means (`domain`), the JSON view of a
//! value (`wire`), and files and sockets: everything here is text in, values out, and back.
//!
//! There are two readers over one parser. The **strict** one ([`read_str`]) takes what `clojure.edn` takes and refuses the
//! rest with a line and a column: it is for files that people write. The **lenient** one ([`read_lenient`]) is for what
//! MonkeyCI really sends, which is whatever `pr-str` printed: a value that is not EDN (`#error {…}`, `#object[…]`,
//! `#"regex"`, an unknown tag) becomes a string of its source text, so that one odd value never loses an event. Only
//! input whose nesting cannot be followed, or that is too deep or too large, fails there. What the strict reader takes,
//! the lenient one reads as the same value.
//!
//! [`write()`] produces strict EDN on one physical line, whatever it is given: the strict reader always reads it back.
//!
//! Equality is Clojure's `=`, because two things that Clojure holds equal must not meet in one set or as two keys of one
//! map, or its reader refuses the text: a list equals a vector of the same items, `1` equals `1N`, `1.0M` equals `1.00M`.
//! The one difference: `##NaN` equals itself here.
//!
//! Start with [`Value`] in `value.rs`, then `reader.rs`; `opaque.rs` follows the forms that are not EDN.

mod atoms;
mod chars;
mod collections;
mod de;
mod dispatch;
mod equality;
mod error;
mod instant;
mod keyword;
mod map;
mod number;
mod opaque;
mod reader;
mod ser;
mod serde_value;
#[cfg(test)]
mod tests;
mod value;
mod writer;

pub use de::{from_str, from_value};
pub use error::{ReadError, ReadErrorKind, SerdeError};
pub use keyword::Keyword;
pub use map::Map;
pub use reader::{
    Form, Limits, Reader, forms, read_all_lenient, read_bytes, read_lenient, read_lenient_bytes,
    read_str,
};
pub use ser::{to_string, to_value};
pub use serde_value::{as_list, as_set};
pub use value::Value;
pub use writer::{write, write_to};
