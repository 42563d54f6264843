//! What of our own environment an untrusted child may see.

use std::ffi::{OsStr, OsString};

/// Variables handed on under exactly these names.
const NAMES: [&str; 8] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TZ",
    "TMPDIR",
    "JAVA_HOME",
    "SSH_AUTH_SOCK",
];

/// Returns the part of our environment that a script child gets, plus the variables named in `extra`.
///
/// Handed on: `PATH HOME USER LANG LC_* TZ TMPDIR JAVA_HOME *_PROXY SSH_AUTH_SOCK` (proxies in lower case too, as most
/// programs read them). A name in `extra` that is not set is left out.
pub fn scrubbed_env<S: AsRef<OsStr>>(extra: &[S]) -> Vec<(OsString, OsString)> {
    scrubbed_env_from(std::env::vars_os(), extra)
}

/// As [`scrubbed_env`], from the given variables.
pub fn scrubbed_env_from<S: AsRef<OsStr>>(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    extra: &[S],
) -> Vec<(OsString, OsString)> {
    variables
        .into_iter()
        .filter(|(name, _)| is_harmless(name) || extra.iter().any(|wanted| wanted.as_ref() == name))
        .collect()
}

fn is_harmless(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    NAMES.contains(&name) || name.starts_with("LC_") || is_proxy(name)
}

fn is_proxy(name: &str) -> bool {
    name.len() > "_PROXY".len() && (name.ends_with("_PROXY") || name.ends_with("_proxy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(extra: &[&str]) -> Vec<String> {
        let given = [
            "PATH",
            "LC_ALL",
            "https_proxy",
            "NO_PROXY",
            "_PROXY",
            "AWS_SECRET_ACCESS_KEY",
            "MY_TOKEN",
            "LANGUAGE",
        ];
        scrubbed_env_from(
            given.into_iter().map(|name| (name.into(), "value".into())),
            extra,
        )
        .into_iter()
        .map(|(name, _)| name.into_string().unwrap())
        .collect()
    }

    #[test]
    fn only_harmless_variables_are_handed_on() {
        assert_eq!(names(&[]), ["PATH", "LC_ALL", "https_proxy", "NO_PROXY"]);
    }

    #[test]
    fn variables_asked_for_by_name_are_handed_on() {
        assert_eq!(
            names(&["MY_TOKEN", "NOT_SET"]),
            ["PATH", "LC_ALL", "https_proxy", "NO_PROXY", "MY_TOKEN"]
        );
    }
}
