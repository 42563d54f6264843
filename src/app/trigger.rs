//! What a build on a server is started with, typed as one line of words:
//!
//! | word | means |
//! | --- | --- |
//! | `main` or `branch:main` | the tip of a branch |
//! | `tag:v1.0` | a tag |
//! | `commit:3f2a1bc` | a commit |
//! | `NAME=VALUE`, `NAME="two words"` | a parameter |
//!
//! Nothing at all is the repository's main branch.

use std::fmt;

/// A build that a server is asked for.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Trigger {
    /// The tip of this branch.
    pub branch: Option<String>,
    /// This tag.
    pub tag: Option<String>,
    /// This commit.
    pub commit: Option<String>,
    /// Names and values of parameters.
    pub params: Vec<(String, String)>,
}

/// Without values.
impl fmt::Debug for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.params.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Trigger")
            .field("branch", &self.branch)
            .field("tag", &self.tag)
            .field("commit", &self.commit)
            .field("params", &names)
            .finish()
    }
}

impl Trigger {
    /// Reads a line. The error is a sentence.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut trigger = Self::default();
        for word in words(line)? {
            let (slot, kind, value) = match word.split_once(':') {
                Some(("tag", name)) => (&mut trigger.tag, "tag", name),
                Some(("commit", id)) => (&mut trigger.commit, "commit", id),
                Some(("branch", name)) => (&mut trigger.branch, "branch", name),
                _ => match word.split_once('=') {
                    Some(("", _)) => return Err(format!("{word:?} has no name before the =")),
                    Some((name, value)) => {
                        trigger.params.push((name.to_owned(), value.to_owned()));
                        continue;
                    }
                    None => (&mut trigger.branch, "branch", word.as_str()),
                },
            };
            if value.is_empty() {
                return Err(format!("the {kind} has no name"));
            }
            if slot.replace(value.to_owned()).is_some() {
                return Err(format!("there are two names of a {kind}"));
            }
        }
        if trigger.branch.is_some() && trigger.tag.is_some() {
            return Err("a build is of a branch or of a tag".to_owned());
        }
        Ok(trigger)
    }
}

/// Splits at spaces, but for those between double quotes.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !is_quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    if is_quoted {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_what_is_built_and_its_parameters() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(Trigger::parse("  "), Ok(Trigger::default()));
        let line = r#"main commit:3f2a1bc NAME=value TEXT="two  words" EMPTY= URL=http://x:1/?a=b"#;
        let trigger = Trigger::parse(line).unwrap();
        assert_eq!(
            (trigger.branch, trigger.commit),
            (some("main"), some("3f2a1bc"))
        );
        let params: Vec<(&str, &str)> = (trigger.params.iter())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            params,
            [
                ("NAME", "value"),
                ("TEXT", "two  words"),
                ("EMPTY", ""),
                ("URL", "http://x:1/?a=b")
            ]
        );
        assert_eq!(Trigger::parse("tag:v1").unwrap().tag, some("v1"));
        assert_eq!(Trigger::parse("branch:a/b").unwrap().branch, some("a/b"));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (line, said) in [
            ("main other", "two names of a branch"),
            ("main tag:v1", "of a branch or of a tag"),
            ("tag:", "the tag has no name"),
            ("=x", "no name before the ="),
            ("A=\"x", "a quote is not closed"),
        ] {
            let error = Trigger::parse(line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
    }

    #[test]
    fn values_are_not_shown_in_passing() {
        let trigger = Trigger::parse("PASSWORD=swordfish").unwrap();
        let shown = format!("{trigger:?}");
        assert!(shown.contains("PASSWORD") && !shown.contains("swordfish"));
    }
}
