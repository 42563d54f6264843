//! What the writer makes of values that EDN has no text for.

use crate::edn::{Keyword, Map, Value, read_str, write};

fn tagged(tag: &str, value: Value) -> Value {
    Value::Tagged(tag.into(), Box::new(value))
}

#[test]
fn a_map_is_written_as_clojure_prints_it() {
    let value = Value::map([
        ("type", Value::kw("job/end")),
        ("sid", Value::from(vec!["a".into(), "b".into()])),
        ("time", 1_795_456_619_840_i64.into()),
        ("result", Value::map([("message", Value::Nil)])),
    ]);
    assert_eq!(
        write(&value),
        r#"{:type :job/end, :sid ["a" "b"], :time 1795456619840, :result {:message nil}}"#
    );
    assert_eq!(value.to_string(), write(&value));
}

#[test]
fn a_string_stays_on_one_line_for_every_idea_of_a_line() {
    let text = "a\n\r\t\\\"\u{8}\u{c}\u{0}\u{b}\u{1b}\u{7f}\u{85}\u{2028}\u{2029} é “q” 😀";
    let written = write(&Value::from(text));
    assert_eq!(
        written,
        "\"a\\n\\r\\t\\\\\\\"\\u0008\\u000c\\u0000\\u000b\\u001b\\u007f\\u0085\\u2028\\u2029 é “q” 😀\""
    );
    assert_eq!(read_str(&written), Ok(Value::from(text)));
}

#[test]
fn floats_stay_floats() {
    for (number, text) in [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1e300, "1e300"),
        (1.5e-7, "1.5e-7"),
        (0.1, "0.1"),
        (f64::INFINITY, "##Inf"),
        (f64::NEG_INFINITY, "##-Inf"),
        (f64::NAN, "##NaN"),
    ] {
        assert_eq!(write(&Value::Float(number)), text);
        assert_eq!(read_str(text), Ok(Value::Float(number)));
    }
}

#[test]
fn what_edn_cannot_spell_is_written_as_a_string() {
    for (value, text) in [
        (Value::kw("a b"), r#"":a b""#),
        (Value::kw(""), r#"":""#),
        (Value::kw("a\nb"), r#"":a\nb""#),
        (Value::kw("a/1"), r#"":a/1""#),
        (Value::kw("a\u{a0}"), "\":a\u{a0}\""),
        (Value::Symbol("nil".into()), "\"nil\""),
        (Value::Symbol("-1".into()), "\"-1\""),
        (Value::Symbol("-٣".into()), "\"-٣\""),
        (Value::Symbol(":a".into()), "\":a\""),
        (Value::Symbol("#a".into()), "\"#a\""),
        (Value::Symbol("'a".into()), "\"'a\""),
        (Value::Symbol("a,b".into()), "\"a,b\""),
        (Value::BigInt("007".into()), "\"007\""),
        (Value::BigInt("".into()), "\"\""),
        (Value::BigDec("1.".into()), "\"1.\""),
        (Value::BigDec("x".into()), "\"x\""),
        (Value::Ratio("4/2".into()), "\"4/2\""),
        (Value::Ratio("1/0".into()), "\"1/0\""),
        (Value::Char('😀'), "\"😀\""),
        (Value::Char('\u{1}'), "\\u0001"),
        (Value::Char('\u{3000}'), "\\u3000"),
        (tagged("inst", "2026".into()), "#inst \"2026\""),
        (tagged("inst", "soon".into()), r##""#inst \"soon\"""##),
        (
            tagged("foo", tagged("bar", Value::kw("a"))),
            "\"#foo #bar :a\"",
        ),
    ] {
        let written = write(&value);
        assert_eq!(written, text);
        assert!(read_str(&written).is_ok(), "{text}");
    }
}

#[test]
fn keys_that_are_written_alike_do_not_meet() {
    let mut map = Map::new();
    map.insert(Value::kw("a b"), 1.into());
    map.insert(":c d".into(), 2.into());
    map.insert(":a b".into(), 3.into());
    assert_eq!(write(&Value::Map(map)), r#"{":a b" 3, ":c d" 2}"#);
    let set = Value::Set(vec![
        1.into(),
        Value::BigInt("1".into()),
        Value::kw("x y"),
        ":x y".into(),
    ]);
    assert_eq!(write(&set), r#"#{1 ":x y"}"#);
    let nested = Value::Set(vec![set.clone(), set]);
    assert_eq!(write(&nested), r#"#{#{1 ":x y"}}"#);
}

#[test]
fn nesting_beyond_the_limit_is_written_as_text() {
    let mut value = Value::from(1);
    for _ in 0..400 {
        value = Value::Vector(vec![value]);
    }
    let written = write(&value);
    assert!(written.len() < 2000);
    let mut read = read_str(&written).unwrap();
    let mut depth = 0;
    while let Some([inner]) = read.as_seq() {
        read = inner.clone();
        depth += 1;
    }
    assert_eq!(depth, 128);
    assert!(read.as_str().unwrap().starts_with("[[["));
}

#[test]
fn keywords_know_their_parts() {
    let parts = |name| {
        let keyword = Keyword::new(name);
        (
            keyword.namespace().map(str::to_owned),
            keyword.name().to_owned(),
        )
    };
    assert_eq!(parts("job/end"), (Some("job".into()), "end".into()));
    assert_eq!(parts("a/b/c"), (Some("a".into()), "b/c".into()));
    assert_eq!(parts("end"), (None, "end".into()));
    assert_eq!(parts("/"), (None, "/".into()));
    assert_eq!(Keyword::new("job/end").to_string(), ":job/end");
}

#[test]
fn a_map_keeps_its_order_through_changes() {
    let mut map: Map = (0..40)
        .map(|number| (Value::kw(&format!("k{number}")), Value::from(number)))
        .collect();
    assert_eq!(map.insert_kw("k3", "three"), Some(3.into()));
    assert_eq!(map.remove_kw("k0"), Some(0.into()));
    assert_eq!(map.remove_kw("k0"), None);
    assert_eq!(map.remove(&Value::kw("k39")), Some(39.into()));
    assert_eq!(map.get_kw("k38"), Some(&38.into()));
    assert_eq!(map.len(), 38);
    assert_eq!(map.values().nth(2), Some(&"three".into()));
    while map.len() > 1 {
        let key = map.keys().next().unwrap().clone();
        assert!(map.remove(&key).is_some());
    }
    assert_eq!(
        map.iter().collect::<Vec<_>>(),
        [(&Value::kw("k38"), &38.into())]
    );
}
