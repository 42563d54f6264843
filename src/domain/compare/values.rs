//! What results say, then and now: values taken apart into paths, and coverage reports into their totals.

use std::collections::BTreeMap;

use quick_xml::events::Event as Xml;

use crate::edn::{Map, Value};

use super::{Finding, Part, limited};

/// Deeper values are compared as they are written.
const DEEPEST: usize = 32;

/// Compares two values path by path: `coverage lines.covered`, numbers with their difference.
pub fn values(name: &str, before: &Value, after: &Value) -> Vec<Finding> {
    let (old, new) = (flat(before), flat(after));
    let mut paths: Vec<&String> = old.keys().chain(new.keys()).collect();
    paths.sort();
    paths.dedup();
    let found = paths
        .into_iter()
        .filter_map(|path| {
            let name = match path.as_str() {
                "" => name.to_owned(),
                path => format!("{name} {path}"),
            };
            leaf(name, old.get(path).copied(), new.get(path).copied())
        })
        .collect();
    limited(found, Part::Results, name)
}

fn leaf(name: String, before: Option<&Value>, after: Option<&Value>) -> Option<Finding> {
    let told = |value: &Value| match value {
        Value::Str(text) => text.clone(),
        other => other.to_string(),
    };
    if before == after {
        return None;
    }
    let mut found = Finding::of(Part::Results, name, before.map(told), after.map(told))?;
    let numbers = (before.and_then(number), after.and_then(number));
    if let (Some(before), Some(after)) = numbers {
        found.note = Some(difference(before, after));
    }
    Some(found)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(number) => Some(*number),
        other => other.as_i64().map(|number| number as f64),
    }
}

/// `+3`, `-0.25`.
fn difference(before: f64, after: f64) -> String {
    let apart = ((after - before) * 1e6).round() / 1e6;
    format!("{apart:+}")
}

/// `+12 %`, or `×40` where that says more.
pub(super) fn growth(before: f64, after: f64) -> String {
    if before <= 0.0 {
        return difference(before, after);
    }
    let times = after / before;
    if times >= 10.0 {
        format!("×{times:.0}")
    } else {
        format!("{:+.0} %", (times - 1.0) * 100.0)
    }
}

/// The leaves of a value by their paths: `a.b[3]`. A collection without anything in it is a leaf.
fn flat(value: &Value) -> BTreeMap<String, &Value> {
    let mut leaves = BTreeMap::new();
    let mut open = vec![(String::new(), value, 0)];
    while let Some((path, value, depth)) = open.pop() {
        let map = value.as_map().filter(|map| !map.is_empty());
        let seq = value.as_seq().filter(|seq| !seq.is_empty());
        match (map, seq) {
            _ if depth == DEEPEST => {
                leaves.insert(path, value);
            }
            (Some(map), _) => open.extend(map.iter().map(|(key, value)| {
                let key = key_name(key);
                let inside = if path.is_empty() {
                    key
                } else {
                    format!("{path}.{key}")
                };
                (inside, value, depth + 1)
            })),
            (None, Some(seq)) => {
                let items = seq.iter().enumerate();
                open.extend(items.map(|(at, value)| (format!("{path}[{at}]"), value, depth + 1)));
            }
            (None, None) => {
                leaves.insert(path, value);
            }
        }
    }
    leaves
}

fn key_name(key: &Value) -> String {
    match key {
        Value::Str(text) => text.clone(),
        Value::Keyword(key) => key.to_string().trim_start_matches(':').to_owned(),
        other => other.to_string(),
    }
}

/// Compares texts: coverage reports by their totals, others by how many lines are only in one.
pub fn texts(name: &str, before: &str, after: &str) -> Vec<Finding> {
    if before == after {
        return Vec::new();
    }
    if let (Some(before), Some(after)) = (coverage(before), coverage(after)) {
        return values(name, &before, &after);
    }
    if let ([before], [after]) = (
        &before.lines().collect::<Vec<_>>()[..],
        &after.lines().collect::<Vec<_>>()[..],
    ) {
        let told = |line: &str| Some(line.to_owned());
        return Finding::of(Part::Results, name, told(before), told(after))
            .into_iter()
            .collect();
    }
    let told = |text: &str| Some(format!("{} lines, {} B", text.lines().count(), text.len()));
    let found = Finding::new(Part::Results, super::Kind::Changed, name);
    vec![found.from_to(told(before), told(after))]
}

/// The totals of a coverage report: LCOV or Cobertura.
pub fn coverage(text: &str) -> Option<Value> {
    lcov(text).or_else(|| cobertura(text))
}

/// Sums `LF`/`LH` (lines), `BRF`/`BRH` (branches), `FNF`/`FNH` (functions) over the records.
fn lcov(text: &str) -> Option<Value> {
    if !text.lines().any(|line| line.trim() == "end_of_record") {
        return None;
    }
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for line in text.lines() {
        if let Some((key, number)) = line.split_once(':')
            && let Ok(number) = number.trim().parse::<i64>()
        {
            let sum = sums.entry(key.trim()).or_default();
            *sum = sum.saturating_add(number);
        }
    }
    let totals = [
        ("lines", "LF", "LH"),
        ("branches", "BRF", "BRH"),
        ("functions", "FNF", "FNH"),
    ];
    let totals = totals.into_iter().filter_map(|(name, found, hit)| {
        let found = *sums.get(found)?;
        let hit = sums.get(hit).copied().unwrap_or_default();
        let mut total = vec![("covered", Value::from(hit)), ("of", Value::from(found))];
        if found > 0 {
            total.push(("percent", Value::Float(percent(hit as f64 / found as f64))));
        }
        Some((Value::kw(name), Value::map(total)))
    });
    Some(Value::Map(totals.collect::<Map>()))
}

fn percent(rate: f64) -> f64 {
    (rate * 10_000.0).round() / 100.0
}

/// The rates of the report's own element.
fn cobertura(text: &str) -> Option<Value> {
    if !text.trim_start().starts_with('<') {
        return None;
    }
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        let element = match reader.read_event().ok()? {
            Xml::Start(element) | Xml::Empty(element) => element,
            Xml::Eof => return None,
            _ => continue,
        };
        if element.name().as_ref() != b"coverage" {
            return None;
        }
        let rates = [("lines", "line-rate"), ("branches", "branch-rate")];
        let rates = rates.into_iter().filter_map(|(name, attribute)| {
            let found = element.try_get_attribute(attribute).ok()??;
            let rate: f64 = std::str::from_utf8(&found.value)
                .ok()?
                .trim()
                .parse()
                .ok()?;
            let total = [("percent", Value::Float(percent(rate)))];
            rate.is_finite()
                .then(|| (Value::kw(name), Value::map(total)))
        });
        let rates: Map = rates.collect();
        return (!rates.is_empty()).then_some(Value::Map(rates));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Told;
    use super::*;
    use crate::edn;

    fn told(found: &[Finding]) -> Vec<String> {
        found
            .iter()
            .map(|it| {
                let side = |side: &Option<Told>| match side {
                    Some(Told::Text(text)) => text.clone(),
                    None => "-".to_owned(),
                    other => format!("{other:?}"),
                };
                let note = it.note.clone().unwrap_or_default();
                format!(
                    "{} {} {} {note}",
                    it.name,
                    side(&it.before),
                    side(&it.after)
                )
            })
            .collect()
    }

    #[test]
    fn values_are_compared_path_by_path() {
        let read = |text: &str| edn::read_str(text).unwrap();
        let before = read(r#"{:a {:b 3 "c d" [1 2]} :same :x :gone nil}"#);
        let after = read(r#"{:a {:b 5.5 "c d" [1 2 9]} :same :x :new "t"}"#);
        assert_eq!(
            told(&values("r", &before, &after)),
            [
                "r a.b 3 5.5 +2.5",
                "r a.c d[2] - 9 ",
                "r gone nil - ",
                "r new - t "
            ]
        );
        assert_eq!(told(&values("r", &read("1"), &read("4"))), ["r 1 4 +3"]);
        assert!(values("r", &after, &after).is_empty());
    }

    #[test]
    fn coverage_is_compared_by_its_totals() {
        let lcov = |hit: u32| {
            format!("SF:a\nLF:10\nLH:{hit}\nend_of_record\nSF:b\nLF:10\nLH:10\nend_of_record\n")
        };
        assert_eq!(
            told(&texts("cov", &lcov(8), &lcov(9))),
            [
                "cov lines.covered 18 19 +1",
                "cov lines.percent 90.0 95.0 +5"
            ]
        );
        let xml = |rate: &str| {
            format!(
                "<?xml version=\"1.0\"?>\n<!DOCTYPE c>\n<coverage line-rate=\"{rate}\"><packages/></coverage>"
            )
        };
        assert_eq!(
            told(&texts("cov", &xml("0.8512"), &xml("0.8"))),
            ["cov lines.percent 85.12 80.0 -5.12"]
        );
        assert_eq!(
            told(&texts("cov", &xml("x"), "one\ntwo")),
            ["cov 3 lines, 81 B 2 lines, 7 B "]
        );
    }

    #[test]
    fn depth_has_an_end() {
        let deep = |leaf: &str| {
            let text = format!("{}{leaf}{}", "[".repeat(60), "]".repeat(60));
            edn::read_str(&text).unwrap()
        };
        assert_eq!(values("r", &deep("1"), &deep("2")).len(), 1);
    }
}
