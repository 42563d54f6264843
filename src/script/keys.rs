//! How YAML and JSON keys become keywords (protocol/scripts.md §2.1).

/// The class of a character, which decides where a word begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Digit,
    Upper,
    Other,
}

impl Class {
    fn of(c: char) -> Self {
        match c {
            '-' | '_' => Self::Space,
            c if c.is_whitespace() => Self::Space,
            c if c.is_ascii_digit() => Self::Digit,
            c if c.is_uppercase() => Self::Upper,
            _ => Self::Other,
        }
    }
}

/// Turns a key into kebab-case: `saveArtifacts` → `save-artifacts`.
///
/// A word begins at an upper-case letter that follows something else, at a digit that
/// follows something else, and at the last upper-case letter of a run before a
/// lower-case one (`HTTPServer` → `http-server`). Everything that is neither a space, a
/// dash nor an underscore is part of a word, so namespaces stay: `container/image`.
pub fn kebab_case(key: &str) -> String {
    let chars: Vec<(char, Class)> = key.chars().map(|c| (c, Class::of(c))).collect();
    let mut out = String::with_capacity(key.len() + 4);
    let mut word_open = false;
    for (place, &(c, class)) in chars.iter().enumerate() {
        if class == Class::Space {
            word_open = false;
            continue;
        }
        let before = place.checked_sub(1).map(|p| chars[p].1);
        let after_is_lower = chars
            .get(place + 1)
            .is_some_and(|(c, class)| *class == Class::Other && c.is_lowercase());
        let begins = match class {
            Class::Upper => before != Some(Class::Upper) || after_is_lower,
            Class::Digit => before != Some(Class::Digit),
            Class::Space | Class::Other => false,
        };
        if (begins || !word_open) && !out.is_empty() {
            out.push('-');
        }
        word_open = true;
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::kebab_case;

    #[test]
    fn every_row_of_the_conversion_table_holds() {
        let table = [
            ("workDir", "work-dir"),
            ("work_dir", "work-dir"),
            ("work-dir", "work-dir"),
            ("saveArtifacts", "save-artifacts"),
            ("container/image", "container/image"),
            ("container/env", "container/env"),
            ("monkey.ci/tests", "monkey.ci/tests"),
            ("PATH", "path"),
            ("FOO_BAR", "foo-bar"),
            ("fooBar", "foo-bar"),
            ("HTTPServer", "http-server"),
            ("s3-url", "s-3-url"),
            ("foo1", "foo-1"),
            ("x1y2", "x-1y-2"),
            ("JAVA_8_HOME", "java-8-home"),
            ("my key", "my-key"),
            // Seen in a recording.
            ("camelCase", "camel-case"),
            ("unknownProp", "unknown-prop"),
            ("nestedKey", "nested-key"),
            // Edges.
            ("", ""),
            ("_", ""),
            ("id", "id"),
            ("_leading", "leading"),
            ("a--b", "a-b"),
            ("8Home", "8-home"),
        ];
        for (written, read) in table {
            assert_eq!(kebab_case(written), read, "{written:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_key_converts_without_dashes_at_the_ends(key in ".{0,40}") {
            let out = kebab_case(&key);
            proptest::prop_assert!(!out.starts_with('-') && !out.ends_with('-'));
        }

        #[test]
        fn kebab_case_without_digits_stays(key in "[a-z]{1,8}(-[a-z]{1,8}){0,3}") {
            proptest::prop_assert_eq!(kebab_case(&key), key);
        }
    }
}
