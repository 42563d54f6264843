//! The strict reader takes and refuses what `clojure.edn` does.

use crate::edn::{
    Limits, ReadErrorKind as Kind, Reader, Value, read_bytes, read_lenient, read_str, write,
};

/// Text, and how `clojure.edn` reads it, as we write that.
const TAKEN: &[(&str, &str)] = &[
    (":1a", ":1a"),
    (":a/b/c", ":a/b/c"),
    (":1/a", ":1/a"),
    (":/", ":/"),
    ("/", "/"),
    ("a//", "a//"),
    (":a//", ":a//"),
    ("foo/:bar", "foo/:bar"),
    (":monkey.ci/tests", ":monkey.ci/tests"),
    (":é", ":é"),
    (":🚀", ":🚀"),
    ("a'b", "a'b"),
    ("a#b", "a#b"),
    ("%", "%"),
    ("+", "+"),
    ("-", "-"),
    ("+a", "+a"),
    ("-a1", "-a1"),
    (".5", ".5"),
    ("nilx", "nilx"),
    ("0xFF", "255"),
    ("-0x1f", "-31"),
    ("017", "15"),
    ("-017", "-15"),
    ("09.5", "9.5"),
    ("1e3", "1000.0"),
    ("1.", "1.0"),
    ("1.0E300", "1e300"),
    ("1e400", "##Inf"),
    ("1M", "1M"),
    ("1.M", "1M"),
    ("1.50M", "1.50M"),
    ("1E+2M", "1E+2M"),
    ("+5", "5"),
    ("-0", "0"),
    ("-0N", "0N"),
    ("7N", "7N"),
    ("9223372036854775807", "9223372036854775807"),
    ("-9223372036854775808", "-9223372036854775808"),
    ("9223372036854775808", "9223372036854775808N"),
    ("0xFFFFFFFFFFFFFFFFFF", "4722366482869645213695N"),
    (
        "123456789012345678901234567890123456789012345678901234567890",
        "123456789012345678901234567890123456789012345678901234567890N",
    ),
    ("36rZZ", "1295"),
    ("3/4", "3/4"),
    ("-6/8", "-3/4"),
    ("+3/4", "3/4"),
    ("4/2", "2"),
    ("0/5", "0"),
    ("##Inf", "##Inf"),
    ("##-Inf", "##-Inf"),
    ("##NaN", "##NaN"),
    ("## Inf", "##Inf"),
    ("\\a", "\\a"),
    ("\\q", "\\q"),
    ("\\newline", "\\newline"),
    ("\\formfeed", "\\formfeed"),
    ("\\u03A9", "\\Ω"),
    ("\\o101", "\\A"),
    ("\\(", "\\("),
    ("\\ ", "\\space"),
    ("\\,", "\\,"),
    ("\\@", "\\@"),
    (r#""Ω\b\f\u03A9\101""#, r#""Ω\u0008\u000cΩA""#),
    (r#""\uD83D\uDE00""#, "\"😀\""),
    ("\"a\nb\u{1b}\"", r#""a\nb\u001b""#),
    ("[1,2,,3]", "[1 2 3]"),
    ("(1 \"a\")", "(1 \"a\")"),
    ("#{:a :b}", "#{:a :b}"),
    ("{:a 1 ; note\n :b nil}", "{:a 1, :b nil}"),
    ("[a\"b\"\\c(e):d]", "[a \"b\" \\c (e) :d]"),
    ("[1#_2 3]", "[1 3]"),
    ("#_1 2", "2"),
    ("#_ #_ 1 2 3", "3"),
    ("[1 #_2]", "[1]"),
    (
        "#:a{:b 1 :_/c 2 d 3 \"s\" 4 :x/y 5}",
        "{:a/b 1, :c 2, a/d 3, \"s\" 4, :x/y 5}",
    ),
    ("#:a {:b 1}", "{:a/b 1}"),
    ("^:m [1]", "[1]"),
    ("^{:a 1} x", "x"),
    ("#inst \"2026\"", "#inst \"2026\""),
    ("#inst \"2026-11Z\"", "#inst \"2026-11Z\""),
    (
        "#inst \"2026-11-23T12:00:00.000-00:00\"",
        "#inst \"2026-11-23T12:00:00.000-00:00\"",
    ),
    (
        "#inst \"2026-11-23T23:59:60Z\"",
        "#inst \"2026-11-23T23:59:60Z\"",
    ),
    ("#inst\"2026-11-23T12\"", "#inst \"2026-11-23T12\""),
    (
        "#uuid \"F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6\"",
        "#uuid \"F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6\"",
    ),
    ("#{1 1.0 1M}", "#{1 1.0 1M}"),
    ("a\u{2003}", "a"),
    ("\u{feff}{}", "{}"),
];

const REFUSED: &[&str] = &[
    "",
    "  ; nothing",
    ":",
    "::x",
    ":a/1",
    "a/",
    ":a:",
    "a:",
    "a::b",
    ":a/b:",
    "foo:/bar",
    ":/a",
    "a:://",
    "09",
    "1a",
    "1'",
    "1/0",
    "2r9",
    "1_000",
    "0x",
    "1e",
    "1e99999999999M",
    "\\ab",
    "\\uD800",
    "\\o400",
    "\\😀",
    "\\a@",
    "a@b",
    "@a",
    "~a",
    "\"\\q\"",
    "\"\\400\"",
    "\"\\u12\"",
    "\"\\uD800\"",
    "##Foo",
    "#foo 1",
    "#_ #foo 1 2",
    "#\"re\"",
    "#<a>",
    "#()",
    "#'a",
    "# inst \"2026\"",
    "#inst 5",
    "#inst \"2026-13-01\"",
    "#inst \"2026-02-29\"",
    "#inst \"2026-11-23 12:00\"",
    "#inst \"2026-11-23T12:00.5\"",
    "#uuid \"x\"",
    "#::a{:b 1}",
    "#:a/b{:c 1}",
    "#:a [1]",
    "^\"s\" 1",
    "^1 [1]",
    "^:a",
    "[^:a]",
    "#{1 1N}",
    "#{[1] (1)}",
    "#{0.0 -0.0}",
    "#{##NaN ##NaN}",
    "#{1.0M 1.00M}",
    "#{#inst \"2020\" #inst \"2020-01-01\"}",
    "#{#uuid \"F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6\" #uuid \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"}",
    "{:a 1 :a 2}",
    "#:a{:b 1 :a/b 2}",
    "{:a}",
    "{:a 1 :b}",
    "[#_]",
    "#_",
    "#",
    "(",
    "[1 2",
    "{:a 1",
    "\"a",
    "\"a\\",
    "(]",
    ")",
    "1 2",
    "{} }",
    "{:a 1} #_",
    // Clojure takes these into names; nobody means that.
    "a\u{a0}b",
    ":a\u{1}",
    "'a",
];

#[test]
fn what_clojure_takes_is_read_as_clojure_reads_it() {
    for (text, written) in TAKEN {
        let read = read_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(write(&read), *written, "{text}");
        assert_eq!(read_lenient(text), Ok(read), "{text}, leniently");
    }
}

#[test]
fn what_clojure_refuses_is_refused() {
    for text in REFUSED {
        assert!(
            read_str(text).is_err(),
            "{text} was read as {:?}",
            read_str(text)
        );
    }
}

#[test]
fn values_have_the_types_that_clojure_gives_them() {
    let read = |text| read_str(text).unwrap();
    assert!(matches!(read("017"), Value::Int(15)));
    assert!(matches!(read("7N"), Value::BigInt(digits) if &*digits == "7"));
    assert!(matches!(read("1e3"), Value::Float(1000.0)));
    assert!(matches!(read("100M"), Value::BigDec(digits) if &*digits == "100"));
    assert!(matches!(read("2/3"), Value::Ratio(text) if &*text == "2/3"));
    assert!(matches!(read("\\space"), Value::Char(' ')));
    assert!(matches!(read("(1)"), Value::List(_)));
    assert!(matches!(read("[1]"), Value::Vector(_)));
    assert!(matches!(read("#{1}"), Value::Set(_)));
    assert!(matches!(read("a/b"), Value::Symbol(name) if &*name == "a/b"));
    assert!(matches!(read("#inst \"2026\""), Value::Tagged(tag, _) if &*tag == "inst"));
}

#[test]
fn an_error_names_kind_line_and_column() {
    let error = read_str("{:jobs\n [{:id \"é\" :type ::x}]}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "unreadable token `::x` at line 2, column 18"
    );
    assert_eq!((error.line, error.column, error.offset), (2, 18, 25));

    let error = read_str("{:a 1\n :b [1 2\n :c 3}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`}` where `]` was expected at line 3, column 6"
    );

    let error = read_str("[1\n (2\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "this `(` is never closed at line 2, column 2"
    );
    assert!(error.is_incomplete());

    assert_eq!(
        read_str("{:a 1 :b 2 :a 3}").unwrap_err().kind,
        Kind::DuplicateKey(":a".into())
    );
    assert_eq!(read_str("1 2").unwrap_err().column, 3);
    assert_eq!(
        read_bytes(b"[\"a\xff\"]").unwrap_err().to_string(),
        "not UTF-8 text at line 1, column 4"
    );
}

#[test]
fn hostile_depth_is_refused_at_once() {
    let many = 200_000;
    for unit in [
        "[",
        "(",
        "{:a ",
        "#{",
        "#_ ",
        "#_",
        "^:a ",
        "#:a{:b ",
        "#inst ",
        "#x ",
        "#x [",
        "'",
        "'(",
        "#ordered/map (",
        "[#x [",
        "#_ [",
        "{{} ",
        "@#'[",
        "#'",
        "#^",
        "~@(",
    ] {
        for suffix in ["", "]", "1"] {
            let text = unit.repeat(many) + suffix;
            assert!(read_str(&text).is_err(), "{unit}");
            assert!(read_lenient(&text).is_err(), "{unit}");
        }
    }
}

#[test]
fn the_depth_limit_counts_collections_tags_and_discards() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(read_str(&nested(128)).is_ok());
    assert_eq!(read_str(&nested(129)).unwrap_err().kind, Kind::TooDeep(128));
    let limits = |max_depth| Limits {
        max_depth,
        ..Limits::default()
    };
    for (text, depth) in [
        ("[[1]]", 2),
        ("[#_[1] 2]", 3),
        ("[#_ #_ 1 2 3]", 3),
        ("[^:a []]", 3),
        ("[#inst \"2026\"]", 2),
    ] {
        assert!(
            Reader::strict(text)
                .limits(limits(depth))
                .read_one()
                .is_ok(),
            "{text}"
        );
        assert!(
            Reader::strict(text)
                .limits(limits(depth - 1))
                .read_one()
                .is_err(),
            "{text}"
        );
        assert!(
            Reader::lenient(text)
                .limits(limits(depth))
                .read_one()
                .is_ok(),
            "{text}"
        );
        assert!(
            Reader::lenient(text)
                .limits(limits(depth - 1))
                .read_one()
                .is_err(),
            "{text}"
        );
    }
    // Asking for more than the stack bears gives what it bears.
    let deep = nested(100_000);
    assert!(
        Reader::lenient(&deep)
            .limits(limits(usize::MAX))
            .read_one()
            .is_err()
    );
    let deep = nested(Limits::DEEPEST);
    assert!(
        Reader::lenient(&deep)
            .limits(limits(usize::MAX))
            .read_one()
            .is_ok()
    );
}

#[test]
fn more_bytes_than_allowed_are_refused() {
    let limits = Limits {
        max_bytes: 4,
        ..Limits::default()
    };
    assert!(Reader::strict("[1 ]").limits(limits).read_one().is_ok());
    assert_eq!(
        Reader::strict("[1  ]")
            .limits(limits)
            .read_one()
            .unwrap_err()
            .kind,
        Kind::TooLarge(4)
    );
}

#[test]
fn a_value_stays_small() {
    assert!(size_of::<Value>() <= 32, "{}", size_of::<Value>());
}
