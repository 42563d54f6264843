//! Putting what a host has to know into a user's own configuration.

use std::io;
use std::path::Path;

use crate::edn::{self, Map, Value};

use super::HostError;

/// A user's configuration, as far as it can be handed on.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Own {
    /// What it says; empty when there is none.
    pub(super) map: Map,
    /// What was left out, as a sentence.
    pub(super) remark: Option<String>,
}

/// Reads a user's `deps.edn` or `bb.edn`; one that is not there says nothing.
///
/// Tasks of babashka are Clojure code, which need not be EDN: where they are not, they are
/// left out, since a build runs none of them.
pub(super) fn read(path: &Path) -> Result<Own, HostError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Own::default()),
        Err(error) => {
            return Err(HostError::file(
                format!("{} cannot be read", path.display()),
                error,
            ));
        }
    };
    let refused = |why: &str| HostError::Refused(format!("{} {why}", path.display()));
    if text.trim().is_empty() {
        return Ok(Own::default());
    }
    match edn::read_str(&text) {
        Ok(Value::Map(map)) => Ok(Own { map, remark: None }),
        Ok(_) => Err(refused("is no map")),
        Err(fault) => match edn::read_lenient(&text) {
            Ok(Value::Map(map)) if map.contains_kw("tasks") => Ok(Own {
                map: map
                    .into_iter()
                    .filter(|(key, _)| *key != Value::kw("tasks"))
                    .collect(),
                remark: Some(format!(
                    "the tasks of {} are left out: they are no EDN ({fault})",
                    path.display()
                )),
            }),
            _ => Err(refused(&format!("is no EDN: {fault}"))),
        },
    }
}

/// Puts one map into another: maps are merged at every depth, lists under `:paths` joined, and
/// else the new value counts.
pub(super) fn merge(into: &mut Map, new: &Map) {
    for (key, value) in new {
        let merged = match (into.get(key), value) {
            (Some(Value::Map(old)), Value::Map(new)) => {
                let mut both = old.clone();
                merge(&mut both, new);
                Value::Map(both)
            }
            (Some(old), new) if *key == Value::kw("paths") => join(old, new),
            _ => value.clone(),
        };
        into.insert(key.clone(), merged);
    }
}

/// The items of both lists, each once.
fn join(old: &Value, new: &Value) -> Value {
    let mut items: Vec<Value> = Vec::new();
    for item in [old, new].into_iter().filter_map(Value::as_seq).flatten() {
        if !items.contains(item) {
            items.push(item.clone());
        }
    }
    Value::Vector(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Map {
        let Value::Map(map) = edn::read_str(text).unwrap() else {
            panic!("{text} is no map")
        };
        map
    }

    fn merged(old: &str, new: &str) -> Map {
        let mut both = map(old);
        merge(&mut both, &map(new));
        both
    }

    #[test]
    fn what_the_user_has_stays_and_what_is_new_counts() {
        assert_eq!(
            merged(
                r#"{:mvn/repos {"own" {:url "u"}} :aliases {:dev {:extra-paths ["dev"]} :x {:a 1 :b 2}} :n 1}"#,
                "{:aliases {:build {:exec-fn a/b} :x {:b 3}} :n 2}"
            ),
            map(
                r#"{:mvn/repos {"own" {:url "u"}} :aliases {:dev {:extra-paths ["dev"]} :build {:exec-fn a/b} :x {:a 1 :b 3}} :n 2}"#
            )
        );
    }

    #[test]
    fn paths_are_joined_and_each_is_there_once() {
        assert_eq!(
            merged(
                r#"{:paths ["src" "."]}"#,
                r#"{:paths ["." "/lib/src"] :deps {a/b {:mvn/version "1"}}}"#
            ),
            map(r#"{:paths ["src" "." "/lib/src"] :deps {a/b {:mvn/version "1"}}}"#)
        );
    }

    #[test]
    fn files_are_read_as_far_as_they_are_edn() {
        let folder = tempfile::tempdir().unwrap();
        let file = |text: &str| {
            let path = folder.path().join("bb.edn");
            std::fs::write(&path, text).unwrap();
            read(&path)
        };
        assert_eq!(read(&folder.path().join("none")).unwrap(), Own::default());
        assert_eq!(file(" \n").unwrap(), Own::default());
        let own = file("{:deps #:a{:b 1} :tasks {t (run x)}}").unwrap();
        assert_eq!(own.map.len(), 2);
        let own = file(r#"{:paths ["src"] :tasks {t (re-find #"\d" "1")}}"#).unwrap();
        assert_eq!(own.map, map(r#"{:paths ["src"]}"#));
        assert!(own.remark.unwrap().contains("tasks"));
        for wrong in ["[1]", "{:a", r#"{:a #"\d"}"#] {
            let said = file(wrong).unwrap_err().to_string();
            assert!(said.contains("bb.edn"), "{said}");
        }
    }
}
