//! What holds for all values and all texts.

use proptest::prelude::*;

use crate::edn::{
    Keyword, Map, Value, forms, from_value, read_bytes, read_lenient, read_lenient_bytes, read_str,
    to_value, write,
};

/// Values that EDN can spell.
fn spellable() -> impl Strategy<Value = Value> {
    let name = "[a-z*!_?<>=.$%&|é🚀][a-zA-Z0-9*!_?.#':é-]{0,6}[a-z]";
    let names = prop_oneof![Just(name), Just("[a-z.]{1,5}/[a-z][a-z0-9-]{0,5}")]
        .prop_flat_map(|pattern| pattern);
    let names = names.prop_filter("two colons in a row make no name", |name| {
        !name.contains("::")
    });
    let symbols = names.clone().prop_filter("a word of its own", |name| {
        !["nil", "true", "false"].contains(&&**name)
    });
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        "-?[1-9][0-9]{0,40}".prop_map(|digits| Value::BigInt(digits.into())),
        any::<f64>().prop_map(Value::Float),
        "-?[0-9]{1,20}(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?"
            .prop_map(|digits| Value::BigDec(digits.into())),
        (any::<i32>(), 1..50_u8)
            .prop_map(|(above, below)| read_str(&format!("{above}/{below}")).unwrap()),
        any::<char>()
            .prop_filter("beyond U+FFFF", |letter| u32::from(*letter) < 0x10000)
            .prop_map(Value::Char),
        any::<String>().prop_map(Value::Str),
        "[ -~]{0,12}".prop_map(Value::Str),
        prop_oneof![
            names.clone(),
            Just("1a".to_owned()),
            Just("a/b/c".to_owned()),
            Just("/".to_owned())
        ]
        .prop_map(|name| Value::Keyword(Keyword::new(name))),
        symbols.prop_map(|name| Value::Symbol(name.into())),
        (1970..2100, 1..13, 1..29, 0..24)
            .prop_map(|(year, month, day, hour)| format!(
                "{year}-{month:02}-{day:02}T{hour:02}:30:00.123-00:00"
            ))
            .prop_map(|text| Value::Tagged("inst".into(), Box::new(text.into()))),
    ];
    leaf.prop_recursive(5, 64, 16, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..6);
        let pairs = prop::collection::vec((inner.clone(), inner), 0..16);
        prop_oneof![
            items.clone().prop_map(Value::List),
            items.clone().prop_map(Value::Vector),
            items.prop_map(|items| {
                let distinct: Map = items.into_iter().map(|item| (item, Value::Nil)).collect();
                Value::Set(distinct.into_iter().map(|(item, _)| item).collect())
            }),
            pairs.prop_map(|pairs| Value::Map(pairs.into_iter().collect())),
        ]
    })
}

/// Any value at all, also those that make no sense.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        spellable(),
        "\\PC{0,4}".prop_map(|text| Value::Keyword(Keyword::new(text))),
        any::<String>().prop_map(|text| Value::Symbol(text.into())),
        "[-+0-9aN/. ]{0,4}".prop_map(|text| Value::BigInt(text.into())),
        "[-+0-9aM/.eE]{0,6}".prop_map(|text| Value::BigDec(text.into())),
        "[-0-9/]{0,4}".prop_map(|text| Value::Ratio(text.into())),
        any::<char>().prop_map(Value::Char),
        "[:'#/a1 -]{0,4}".prop_map(|text| Value::Keyword(Keyword::new(text))),
        "[:'#/a1 -]{0,4}".prop_map(|text| Value::Symbol(text.into())),
    ];
    leaf.prop_recursive(4, 32, 8, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..5);
        let tag = prop_oneof![
            Just("inst"),
            Just("uuid"),
            Just("foo"),
            Just("a b"),
            Just("")
        ];
        prop_oneof![
            items.clone().prop_map(Value::Set),
            items.prop_map(Value::List),
            prop::collection::vec((inner.clone(), inner.clone()), 0..5)
                .prop_map(|pairs| Value::Map(pairs.into_iter().collect())),
            (tag, inner).prop_map(|(tag, value)| Value::Tagged(tag.into(), Box::new(value))),
        ]
    })
}

/// Text with much that means something to a reader.
fn noise() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(
        &[
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "#{",
            "#_",
            "#:a",
            "#",
            "##",
            "##Inf",
            "^",
            "'",
            "`",
            "~",
            "@",
            "\"",
            "\\",
            ";",
            "\n",
            ",",
            " ",
            ":",
            ":a",
            "::",
            "/",
            "1",
            "0x",
            "1/2",
            "-",
            "+1",
            "M",
            "N",
            "e",
            "a",
            "nil",
            "é",
            "\u{2003}",
            "\u{feff}",
            "😀",
            "#inst ",
            "\"2026\"",
            "#uuid",
            "#ordered/map ",
            "#foo ",
            "#\"",
            "#<",
            ">",
            "#?",
            "#=",
            "\\u00",
            "\\n",
        ][..],
    );
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn what_is_written_reads_back(value in spellable()) {
        let text = write(&value);
        let line_ends = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
        prop_assert!(!text.contains(line_ends));
        let read = read_str(&text);
        prop_assert_eq!(read.as_ref(), Ok(&value), "{}", text);
        // Equality does not tell a list from a vector; the text does.
        prop_assert_eq!(write(&read.unwrap()), text.clone());
        prop_assert_eq!(read_lenient(&text), Ok(value));
    }

    #[test]
    fn whatever_is_written_is_strict_edn(value in any_value()) {
        let text = write(&value);
        let read = read_str(&text);
        prop_assert!(read.is_ok(), "{}: {:?}", text, read);
        prop_assert_eq!(write(&read.unwrap()), text);
    }

    #[test]
    fn serde_carries_every_value(value in spellable()) {
        let back: Value = from_value(to_value(&value).unwrap()).unwrap();
        prop_assert_eq!(write(&back), write(&value));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = read_bytes(&bytes);
        let _ = read_lenient_bytes(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_lenient_reader_agrees_with_the_strict_one(text in noise()) {
        let lenient = read_lenient(&text);
        if let Ok(value) = read_str(&text) {
            prop_assert_eq!(write(lenient.as_ref().unwrap()), write(&value));
        }
        if let Ok(value) = lenient {
            prop_assert_eq!(read_str(&write(&value)), Ok(value));
        }
    }

    #[test]
    fn forms_stand_one_behind_the_other(text in noise()) {
        let mut end = 0;
        for form in forms(&text).map_while(Result::ok) {
            prop_assert!(form.start >= end && form.end > form.start && form.end <= text.len());
            end = form.end;
        }
    }

    #[test]
    fn within_brackets_any_balanced_noise_reads(text in noise()) {
        // Strings, comments, characters and brackets of its own may break the nesting; the rest may not.
        let text: String = text.chars().filter(|letter| !"()[]{}\"\\;".contains(*letter)).collect();
        prop_assert!(read_lenient(&format!("[{text}\n]")).is_ok(), "{}", text);
    }
}
