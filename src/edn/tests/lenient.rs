//! What Clojure prints and EDN does not know.

use crate::edn::{Value, read_lenient, read_lenient_bytes, read_str, write};

fn read(text: &str) -> Value {
    read_lenient(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_value_that_is_no_edn_becomes_a_string_of_its_source() {
    for text in [
        "#\"re(\\\"[\"",
        "#regex \"a\\\"b\"",
        "#error {\n :cause \"boom } ]\"\n :via\n [{:type java.lang.Exception\n   :at [a$b 1 \"x.clj\" 2]}]\n :trace\n [[a b \"c\" 1]]}",
        "#object[build$eval22$fn__25 0x42a97f39 \"build$eval22$fn__25@42a97f39\"]",
        "#object [java.lang.Object 0x1 \"x\"]",
        "#'clojure.core/map",
        "#my.ns.Record{:a 1, :b #{2}}",
        "#com.monkeyci/PrivateKey \"pem\"",
        "@(promise)",
        "'sym",
        "'(1 2)",
        "`(a ~b ~@c)",
        "~@x",
        "#a #b #c [1 #d 2]",
        "#foo #_ 1 2",
        "#foo ; why\n 1",
        "#foo \\]",
        "#?(:clj 1 :cljs 2)",
        "#?@(:clj [1])",
        "#=(+ 1 2)",
        "#(inc %)",
        "#<Foo a <b> ]c>",
        "#inst \"yesterday\"",
        "#inst 5",
        "#uuid \"x\"",
        "#::a{:b 1}",
        "#:a [1]",
        "#:a{:b}",
        "#ordered/map [1 2]",
        "#ordered/map {:a 1}",
        "{:a}",
        "::x",
        ":",
        "a@b",
        "09",
        "1/0",
        "1.2.3",
        "2026-11-23",
        "\\qq",
        "\\😀",
        "##Foo",
        "##",
        "#",
        "'",
    ] {
        for (before, after) in [
            ("", ""),
            ("[", "]"),
            ("{:a ", " :b 1}"),
            ("#{", " 1}"),
            ("(:x ", "\n)"),
            ("#:a{:b ", "}"),
            ("[#_", " 1]"),
        ] {
            // A sign at the end of the text stands for something cut off.
            if after.is_empty() && text.len() < 2 && text != ":" && text != "'" {
                continue;
            }
            let around = format!("{before}{text}{after}");
            let value = read(&around);
            let found = match &value {
                Value::Map(map) => map.values().next().cloned(),
                _ if before == "[#_" => {
                    Some(Value::from(text)).filter(|_| value == read_str("[1]").unwrap())
                }
                _ => value.as_seq().map_or(Some(value.clone()), |items| {
                    items.iter().find(|item| item.as_str().is_some()).cloned()
                }),
            };
            assert_eq!(
                found,
                Some(Value::from(text)),
                "{around} was read as {value}"
            );
            assert_eq!(read_str(&write(&value)), Ok(value), "{around}");
        }
    }
}

#[test]
fn an_ordered_map_is_a_map() {
    let value = read("#ordered/map ([:b 1] [:a #ordered/map ((:c 2))])");
    assert_eq!(write(&value), "{:b 1, :a {:c 2}}");
    assert_eq!(write(&read("#ordered/map ()")), "{}");
}

#[test]
fn the_last_of_equal_keys_wins_and_a_member_counts_once() {
    assert_eq!(write(&read("{:a 1, :b 2, :a 3}")), "{:a 3, :b 2}");
    assert_eq!(write(&read("#{1 2 1 1N}")), "#{1 2}");
    assert_eq!(write(&read("#:a{:b 1 :a/b 2}")), "{:a/b 2}");
    let many: Vec<_> = (0..100_000)
        .map(|number| format!("{} {number}", number % 50_000))
        .collect();
    let map = read(&format!("{{{}}}", many.join(" ")));
    let map = map.as_map().unwrap();
    assert_eq!(map.len(), 50_000);
    assert_eq!(map.get(&Value::Int(7)), Some(&Value::Int(50_007)));
}

#[test]
fn strings_keep_what_they_can() {
    assert_eq!(read(r#""a\qb\u12""#), Value::from(r"a\qb\u12"));
    assert_eq!(read(r#""\uD800x""#), Value::from("\u{fffd}x"));
    assert_eq!(
        read_lenient_bytes(b"[\"a\xffb\"]")
            .unwrap()
            .as_seq()
            .unwrap()[0],
        Value::from("a\u{fffd}b")
    );
}

#[test]
fn metadata_is_dropped() {
    assert_eq!(write(&read("[^{:line 1} (a) ^:x 5]")), "[(a) 5]");
}

#[test]
fn a_form_that_is_missing_ends_at_the_bracket() {
    assert_eq!(write(&read("[1 #foo]")), "[1 \"#foo\"]");
    assert_eq!(write(&read("[1 #_ ]")), "[1]");
    assert_eq!(write(&read("(' )")), "(\"'\")");
    assert_eq!(write(&read("[^:a]")), "[\"^:a\"]");
}

#[test]
fn only_broken_nesting_fails() {
    for text in [
        "",
        "[",
        "[1",
        "{:a",
        "\"a",
        "#\"re",
        "#foo",
        "#error {:a [1 2}",
        "[1)",
        ")",
        "#_",
        "#{",
        "1 2",
        "\\",
        "#x [\"a]",
    ] {
        assert!(
            read_lenient(text).is_err(),
            "{text} was read as {:?}",
            read_lenient(text)
        );
    }
    assert_eq!(
        read_lenient("[#x {:a\n (1 2]}").unwrap_err().to_string(),
        "`]` where `)` was expected at line 2, column 6"
    );
}
