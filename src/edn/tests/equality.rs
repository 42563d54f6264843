//! Equality is Clojure's `=`, and the hash agrees.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::edn::{Value, read_lenient};

fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn read(text: &str) -> Value {
    read_lenient(text).unwrap()
}

#[test]
fn equal_values_hash_alike() {
    for (a, b) in [
        ("1", "1N"),
        ("[1 2]", "(1 2)"),
        ("0.0", "-0.0"),
        ("##NaN", "##NaN"),
        ("1.0M", "1.00M"),
        ("100M", "1E+2M"),
        ("0M", "-0.0M"),
        ("{:a 1, :b [2]}", "{:b (2), :a 1N}"),
        ("{{:a 1} 1, #{1 2} 2}", "{#{2 1} 2, {:a 1} 1}"),
        ("#{1 2 #{3 [4]}}", "#{#{(4) 3} 2 1}"),
        ("#inst \"2020\"", "#inst \"2020-01-01T01:30:00.0001+01:30\""),
        (
            "#inst \"2020-03-01T00:00:00.5Z\"",
            "#inst \"2020-02-29T23:00:00.500-01:00\"",
        ),
        ("#inst \"2016-12-31T23:59:60Z\"", "#inst \"2017-01-01\""),
        (
            "#uuid \"F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6\"",
            "#uuid \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"",
        ),
    ] {
        assert_eq!(read(a), read(b));
        assert_eq!(hash(&read(a)), hash(&read(b)), "{a} {b}");
    }
}

#[test]
fn different_values_differ() {
    for (a, b) in [
        ("1", "1.0"),
        ("1", "1M"),
        ("1", "\"1\""),
        (":a", "a"),
        (":a", "\":a\""),
        ("\\a", "\"a\""),
        ("[1]", "#{1}"),
        ("[]", "{}"),
        ("nil", "[]"),
        ("{:a nil}", "{:b nil}"),
        ("{:a 1}", "{:a 2}"),
        ("{[1] 1}", "{[2] 1}"),
        ("#{1 2}", "#{1 3}"),
        ("#{#{1}}", "#{#{2}}"),
        ("1.0M", "1.1M"),
        ("10M", "1M"),
        ("#inst \"2020\"", "#inst \"2021\""),
    ] {
        assert_ne!(read(a), read(b));
    }
}

#[test]
fn dates_are_counted_as_java_counts_them() {
    for (text, same) in [
        ("2026-11-23T12:00:00.123456Z", "2026-11-23T12:00:00.123Z"),
        ("2024-02-29T12:00:00+05:30", "2024-02-29T06:30Z"),
        ("1970-01-01T00:00:00-00:00", "1970"),
        ("1999-12-31T23:30:00-01:00", "2000-01-01T00:30"),
        ("2026-05:30", "2026-01-01T05:30"),
    ] {
        let read = |text: &str| read(&format!("#inst \"{text}\""));
        assert!(matches!(read(text), Value::Tagged(..)), "{text}");
        assert_eq!(read(text), read(same));
    }
}

#[test]
fn nested_sets_compare_in_reasonable_time() {
    // Compared member by member this would take 64 to the power of 5 steps.
    let mut text = "#{1}".to_owned();
    for level in 0..5 {
        text = format!(
            "#{{{}}}",
            (0..8)
                .map(|at| format!("#{{{at} {level} {text}}}"))
                .collect::<Vec<_>>()
                .join(" ")
        );
    }
    let value = read(&text);
    assert_eq!(value, read(&text));
}
