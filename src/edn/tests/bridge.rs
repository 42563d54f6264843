//! Serde: Rust values to EDN and back.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::edn::{
    Keyword, SerdeError, Value, from_str, from_value, read_lenient, read_str, to_string, to_value,
};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Pending,
    Success,
    Exit(i32),
    Moved { from: String, to: String },
    Pair(u8, bool),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Job {
    #[serde(rename = "job/id")]
    id: String,
    status: Status,
    credit_multiplier: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    caches: Vec<Cache>,
    labels: BTreeMap<String, String>,
    kind: Keyword,
    result: Value,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cache {
    path: String,
    size: u64,
}

fn job() -> Job {
    Job {
        id: "test".into(),
        status: Status::Success,
        credit_multiplier: None,
        caches: vec![Cache {
            path: "~/.m2".into(),
            size: u64::MAX,
        }],
        labels: BTreeMap::from([("os".into(), "linux".into())]),
        kind: Keyword::new("ci/action"),
        result: read_lenient(
            "{:a #{1 (2) x/y} \"b\" [1/2 7N 1.50M \\c nil] {:k 1.0} #inst \"2026\"}",
        )
        .unwrap(),
    }
}

#[test]
fn a_struct_is_a_map_with_keyword_keys() {
    let text = to_string(&job()).unwrap();
    assert_eq!(
        text,
        "{:job/id \"test\", :status :success, :credit-multiplier nil, \
         :caches [{:path \"~/.m2\", :size 18446744073709551615N}], :labels {\"os\" \"linux\"}, :kind :ci/action, \
         :result {:a #{1 (2) x/y}, \"b\" [1/2 7N 1.50M \\c nil], {:k 1.0} #inst \"2026\"}}"
    );
    assert_eq!(from_str::<Job>(&text).unwrap(), job());
}

#[test]
fn a_value_goes_through_serde_unchanged() {
    let Job { result, .. } = job();
    let there = to_value(&result).unwrap();
    assert_eq!(format!("{there:?}"), format!("{result:?}"));
    let back: Value = from_value(there).unwrap();
    assert_eq!(format!("{back:?}"), format!("{result:?}"));
}

#[test]
fn names_may_be_keywords_symbols_or_strings() {
    for text in [":success", "success", "\"success\""] {
        assert_eq!(from_str::<Status>(text).unwrap(), Status::Success);
    }
    let cache: Cache = from_str("{\"path\" :x, size 100M, :more [1 {:a 2}]}").unwrap();
    assert_eq!(
        cache,
        Cache {
            path: "x".into(),
            size: 100
        }
    );
    assert_eq!(
        from_str::<HashMap<Keyword, Option<i8>>>("{:a 1 \"b\" nil}")
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        from_str::<Vec<f64>>("(1 2.5 3M 1/2)").unwrap(),
        [1.0, 2.5, 3.0, 0.5]
    );
}

#[test]
fn a_variant_with_data_is_a_map_with_one_key() {
    for (status, text) in [
        (Status::Pending, ":pending"),
        (Status::Exit(-1), "{:exit -1}"),
        (
            Status::Moved {
                from: "a".into(),
                to: "b".into(),
            },
            "{:moved {:from \"a\", :to \"b\"}}",
        ),
        (Status::Pair(1, true), "{:pair [1 true]}"),
    ] {
        assert_eq!(to_string(&status).unwrap(), text);
        assert_eq!(from_str::<Status>(text).unwrap(), status);
    }
}

#[test]
fn an_absent_option_is_none() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Opt {
        a: Option<i64>,
        b: Option<Value>,
    }
    assert_eq!(from_str::<Opt>("{}").unwrap(), Opt { a: None, b: None });
    assert_eq!(
        from_str::<Opt>("{:a nil :b :x}").unwrap(),
        Opt {
            a: None,
            b: Some(Value::kw("x"))
        }
    );
}

#[test]
fn an_error_names_the_way_to_the_place() {
    let wrong = "{:job/id \"x\" :status :success :labels {} :kind :a :result 1 :caches [{:path 5 :size 1}]}";
    let error = from_str::<Job>(wrong).unwrap_err();
    assert_eq!(
        error.to_string(),
        ":caches 0 :path: invalid type: integer `5`, expected a string"
    );
    let error = from_str::<Status>(":sucess").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("unknown variant `sucess`, expected one of `pending`"),
        "{error}"
    );
    assert!(matches!(
        from_str::<Status>("[").unwrap_err(),
        SerdeError::Read(_)
    ));
    assert!(from_str::<Keyword>("5").is_err());
    assert!(from_str::<u8>("256").is_err());
    assert!(from_str::<i64>("1.50M").is_err());
}

#[test]
fn other_formats_see_plain_strings_and_sequences() {
    let value = read_str("{\"k\" :a/b, \"s\" #{1}, \"d\" 1.5M}").unwrap();
    let json = serde_json::to_string(&value).unwrap();
    assert_eq!(json, r#"{"k":"a/b","s":[1],"d":"1.5"}"#);
    let back: Value = serde_json::from_str(r#"{"k":["a",null,1.5]}"#).unwrap();
    assert_eq!(back, read_str("{\"k\" [\"a\" nil 1.5]}").unwrap());
    assert_eq!(serde_json::from_str::<Keyword>("\"a/b\"").unwrap(), "a/b");
}
