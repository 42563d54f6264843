//! An EDN value as an indented tree: what is small stays on one line, what is large is taken apart,
//! a text of several lines is shown as several lines.
//!
//! For reading, not for reading back: that is what `edn::write` is for.

use crate::edn::{self, Map, Value};

use super::doc::{DocLine, Part, Role};
use super::text;

/// Collections whose text is longer than this are taken apart.
const ONE_LINE: usize = 56;
/// Columns of one step to the right.
const STEP: usize = 2;

/// Returns the lines of a value.
pub fn lines(value: &Value) -> Vec<DocLine> {
    let mut tree = Tree::default();
    tree.put(0, Vec::new(), value, String::new());
    tree.lines
}

#[derive(Default)]
struct Tree {
    lines: Vec<DocLine>,
}

impl Tree {
    fn line(&mut self, indent: usize, parts: Vec<(Role, String)>) {
        let parts = parts
            .into_iter()
            .filter(|(_, part)| !part.is_empty())
            .map(|(role, part)| Part::Text(role, text::clean(&part).into_owned()))
            .collect();
        self.lines.push(DocLine { indent, parts });
    }

    /// Appends a value; `before` stands before it on its first line, `after` behind its last.
    fn put(
        &mut self,
        indent: usize,
        mut before: Vec<(Role, String)>,
        value: &Value,
        after: String,
    ) {
        let inside = indent + STEP;
        match value {
            Value::Str(words) if words.trim_end().contains('\n') => {
                before.push((Role::Dim, "\"".to_owned()));
                self.line(indent, before);
                for line in words.lines() {
                    self.line(inside, vec![(Role::Plain, line.to_owned())]);
                }
                self.line(indent, vec![(Role::Dim, format!("\"{after}"))]);
            }
            Value::Map(map) if !is_small(value) => {
                before.push((Role::Dim, "{".to_owned()));
                self.line(indent, before);
                self.pairs(inside, map);
                self.line(indent, vec![(Role::Dim, format!("}}{after}"))]);
            }
            Value::Vector(items) | Value::List(items) | Value::Set(items) if !is_small(value) => {
                let (open, close) = match value {
                    Value::Vector(_) => ("[", "]"),
                    Value::List(_) => ("(", ")"),
                    _ => ("#{", "}"),
                };
                before.push((Role::Dim, open.to_owned()));
                self.line(indent, before);
                for item in items {
                    self.put(inside, Vec::new(), item, String::new());
                }
                self.line(indent, vec![(Role::Dim, format!("{close}{after}"))]);
            }
            Value::Tagged(tag, value) if !is_small(value) => {
                before.push((Role::Dim, format!("#{tag} ")));
                self.put(indent, before, value, after);
            }
            small => {
                before.push((Role::Plain, edn::write(small)));
                before.push((Role::Dim, after));
                self.line(indent, before);
            }
        }
    }

    fn pairs(&mut self, indent: usize, map: &Map) {
        for (key, value) in map {
            let taken_apart = matches!(
                key,
                Value::Map(_) | Value::Vector(_) | Value::List(_) | Value::Set(_)
            );
            if taken_apart {
                self.put(indent, Vec::new(), key, String::new());
                self.put(indent + STEP, Vec::new(), value, String::new());
            } else {
                let key = vec![(Role::Dim, format!("{} ", edn::write(key)))];
                self.put(indent, key, value, String::new());
            }
        }
    }
}

/// True for a collection that stands on one line. Looks only as far as it has to.
fn is_small(value: &Value) -> bool {
    left(value, ONE_LINE).is_some()
}

/// What is left of some columns after a value; `None` when it is too long, or has lines of its own.
fn left(value: &Value, columns: usize) -> Option<usize> {
    let all = |items: &[Value]| {
        items
            .iter()
            .try_fold(columns.checked_sub(2)?, |room, item| {
                left(item, room)?.checked_sub(1)
            })
    };
    match value {
        Value::Str(words) if words.trim_end().contains('\n') => None,
        Value::Str(words) => columns.checked_sub(words.len() + 2),
        Value::Keyword(keyword) => columns.checked_sub(keyword.as_str().len() + 1),
        Value::Vector(items) | Value::List(items) | Value::Set(items) => all(items),
        Value::Map(map) => map
            .iter()
            .try_fold(columns.checked_sub(2)?, |room, (key, value)| {
                let room = left(key, room)?.checked_sub(1)?;
                left(value, room)?.checked_sub(1)
            }),
        Value::Tagged(tag, value) => left(value, columns.checked_sub(tag.len() + 2)?),
        _ => columns.checked_sub(6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let value = edn::read_str(text).unwrap();
        lines(&value).iter().map(DocLine::text).collect()
    }

    #[test]
    fn what_is_small_stays_on_one_line_and_what_is_large_is_taken_apart() {
        assert_eq!(shown("{:a 1 :b [2 3]}"), ["{:a 1, :b [2 3]}"]);
        assert_eq!(
            shown(
                "{:type :job/queued :job-id \"compile\" :job {:id \"compile\" :script [\"make -j2 build/calc\" \"build/calc --version\"]}}"
            ),
            [
                "{",
                "  :type :job/queued",
                "  :job-id \"compile\"",
                "  :job {",
                "    :id \"compile\"",
                "    :script [\"make -j2 build/calc\" \"build/calc --version\"]",
                "  }",
                "}",
            ]
        );
    }

    #[test]
    fn a_text_of_several_lines_is_shown_as_several_lines() {
        assert_eq!(
            shown("{:message \"Syntax error\\n  at build.clj:3\"}"),
            [
                "{",
                "  :message \"",
                "    Syntax error",
                "      at build.clj:3",
                "  \"",
                "}",
            ]
        );
    }

    #[test]
    fn what_would_move_the_cursor_is_not_shown() {
        let value = Value::map([("message", "a\u{1b}[2Jb\nc\u{7}".into())]);
        let shown: Vec<String> = lines(&value).iter().map(DocLine::text).collect();
        assert!(!shown.concat().chars().any(char::is_control), "{shown:?}");
    }

    #[test]
    fn a_deep_value_is_no_trouble() {
        let mut value = Value::Int(1);
        for _ in 0..60 {
            value = Value::Vector(vec![value, Value::Str("x".repeat(60))]);
        }
        assert!(lines(&value).len() > 120);
    }
}
