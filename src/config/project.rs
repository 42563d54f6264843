//! `.monkeyci/tui.toml`: what a project says of itself. It comes with the code, so it is hostile
//! input: names and labels, no commands and no paths. Where artifacts and caches go is not for it to
//! say either: a checkout could send them to a stranger, or take a stranger's for its own. It may name
//! a server that the user knows, and never say where that is or what opens it.
//!
//! ```toml
//! [repo]
//! name = "App"
//! main-branch = "main"
//! labels = { team = "core" }
//!
//! [org]
//! id = "acme"
//! name = "Acme"
//!
//! [remote]
//! server = "work"          # of the user's own config.toml
//! org = "acme"             # there; default: [org] id, else that server's `org`
//! repo = "app"             # there; default: the one with the checkout's URL
//! ```

use std::path::Path;

use serde::Deserialize;

use super::user::USER_FILE;

/// The file's name in the script's folder.
pub const PROJECT_FILE: &str = "tui.toml";

/// Largest file that is read, in bytes.
const LARGEST: u64 = 64 << 10;

/// What a project says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ProjectConfig {
    /// Of its repository.
    pub repo: RepoConfig,
    /// Of its organisation.
    pub org: OrgConfig,
    /// Of the server that it is on.
    pub remote: RemoteConfig,
}

/// `[repo]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct RepoConfig {
    /// For people.
    pub name: Option<String>,
    /// The branch that others grow from.
    pub main_branch: Option<String>,
    /// Names and values.
    pub labels: Option<std::collections::BTreeMap<String, String>>,
}

/// `[org]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct OrgConfig {
    /// Its id on a server.
    pub id: Option<String>,
    /// For people.
    pub name: Option<String>,
}

/// `[remote]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct RemoteConfig {
    /// The name of a server in the user's own configuration.
    pub server: Option<String>,
    /// The org there, by either of its ids.
    pub org: Option<String>,
    /// The repo there.
    pub repo: Option<String>,
}

/// What a user says, and a project does not.
const STORAGE: &str = "storage";
/// … and where servers are.
const SERVERS: &str = "servers";

const FOR_USERS: [&str; 2] = [STORAGE, SERVERS];

const KNOWN: &[(&str, &[&str])] = &[
    ("repo", &["name", "main-branch", "labels"]),
    ("org", &["id", "name"]),
    ("remote", &["server", "org", "repo"]),
];

/// Reads the file of a script's folder. What is wrong with it is told, a sentence each, and the
/// rest counts; no file is an empty one.
pub fn read_project(script_dir: &Path) -> (ProjectConfig, Vec<String>) {
    let path = script_dir.join(PROJECT_FILE);
    let text = match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Default::default(),
        // A pipe or a device would never end.
        Ok(found) if !found.is_file() => Err("it is no file".to_owned()),
        Ok(found) if found.len() > LARGEST => Err(format!("it has more than {LARGEST} bytes")),
        Ok(_) => std::fs::read_to_string(&path).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let name = format!(".monkeyci/{PROJECT_FILE}");
    match text {
        Ok(text) => parse(&name, &text),
        Err(why) => (
            ProjectConfig::default(),
            vec![format!("{name} is passed over: {why}")],
        ),
    }
}

fn parse(name: &str, text: &str) -> (ProjectConfig, Vec<String>) {
    let config = match toml::from_str::<ProjectConfig>(text) {
        Ok(config) => config,
        Err(error) => {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            let why = error
                .message()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            let said = format!("{name}:{line} is passed over: {why}");
            return (ProjectConfig::default(), vec![said]);
        }
    };
    let mut said = unknown_keys(name, text);
    said.extend(for_users(name, text));
    (config, said)
}

/// What is not a project's to say.
fn for_users(name: &str, text: &str) -> Vec<String> {
    let Ok(table) = text.parse::<toml::Table>() else {
        return Vec::new();
    };
    let said = FOR_USERS.iter().filter(|key| table.contains_key(**key));
    said.map(|key| {
        let line = line_with(text, key);
        let what = match *key {
            STORAGE => "where your builds are kept",
            _ => "where servers are",
        };
        format!(
            "{name}:{line} sets {key}, which is passed over: it comes with the code, and only you \
             say {what}, in your own {USER_FILE}"
        )
    })
    .collect()
}

/// Keys that mean nothing, in one sentence with the place of the first.
fn unknown_keys(name: &str, text: &str) -> Vec<String> {
    let Ok(table) = text.parse::<toml::Table>() else {
        return Vec::new();
    };
    let mut unknown = Vec::new();
    for (section, value) in table
        .iter()
        .filter(|(section, _)| !FOR_USERS.contains(&section.as_str()))
    {
        match KNOWN.iter().find(|(known, _)| known == section) {
            None => unknown.push(section.clone()),
            Some((_, keys)) => unknown.extend(
                (value.as_table().into_iter().flat_map(toml::Table::keys))
                    .filter(|key| !keys.contains(&key.as_str()))
                    .map(|key| format!("{section}.{key}")),
            ),
        }
    }
    let Some(first) = unknown.first() else {
        return Vec::new();
    };
    let key = first.rsplit('.').next().unwrap_or(first);
    let line = line_with(text, key);
    vec![format!(
        "{name}:{line} has keys that mean nothing here: {}",
        unknown.join(", ")
    )]
}

/// The line that begins with a key.
fn line_with(text: &str, key: &str) -> usize {
    text.lines()
        .position(|line| line.trim_start_matches(['[', '"', ' ']).starts_with(key))
        .map_or(1, |line| line + 1)
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_says_what_it_is_called() {
        let (config, said) = parse(
            "f",
            "[repo]\nname = \"App\"\nmain-branch = \"trunk\"\nlabels = { team = \"core\" }\n\
             [org]\nid = \"acme\"\n",
        );
        assert_eq!(said, Vec::<String>::new());
        assert_eq!(config.repo.name.as_deref(), Some("App"));
        assert_eq!(config.repo.main_branch.as_deref(), Some("trunk"));
        assert_eq!(config.repo.labels.unwrap()["team"], "core");
        assert_eq!(config.org.id.as_deref(), Some("acme"));
        assert_eq!(config.org.name, None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let (config, said) = parse("f", "[repo]\nname = 1\n");
        assert_eq!(config, ProjectConfig::default());
        assert!(said[0].starts_with("f:2 is passed over:"), "{said:?}");
        let (config, said) = parse(
            "f",
            "[repo]\nname = \"a\"\ncommand = \"rm\"\n[more]\nx = 1\n",
        );
        assert_eq!(config.repo.name.as_deref(), Some("a"));
        assert_eq!(
            said,
            ["f:4 has keys that mean nothing here: more, repo.command"]
        );
    }

    #[test]
    fn a_project_has_no_say_in_where_builds_are_kept() {
        for text in [
            "[repo]\nname = \"a\"\n[storage]\nkind = \"s3\"\n",
            "[repo]\nname = \"a\"\nx = 1\n[storage.more]\nbucket = \"b\"\n",
        ] {
            let (config, said) = parse("f", text);
            assert_eq!(config.repo.name.as_deref(), Some("a"));
            let last = said.last().unwrap();
            assert!(
                last.contains(" sets storage, which is passed over"),
                "{said:?}"
            );
            assert!(last.ends_with("in your own config.toml"), "{said:?}");
        }
    }

    #[test]
    fn a_project_may_name_a_server_and_not_say_where_it_is() {
        let (config, said) = parse(
            "f",
            "[remote]\nserver = \"work\"\norg = \"acme\"\nurl = \"https://evil.example\"\n\
             token = \"t\"\n[servers.work]\nurl = \"https://evil.example\"\n",
        );
        assert_eq!(config.remote.server.as_deref(), Some("work"));
        assert_eq!(config.remote.org.as_deref(), Some("acme"));
        assert_eq!(config.remote.repo, None);
        assert_eq!(
            said,
            [
                "f:5 has keys that mean nothing here: remote.token, remote.url",
                "f:6 sets servers, which is passed over: it comes with the code, and only you say \
                 where servers are, in your own config.toml",
            ]
        );
    }

    #[test]
    fn no_file_is_an_empty_one_and_a_strange_one_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_project(dir.path()), Default::default());
        let path = dir.path().join(PROJECT_FILE);
        std::fs::write(&path, vec![b' '; 70_000]).unwrap();
        assert_eq!(read_project(dir.path()).1.len(), 1);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(read_project(dir.path()).1[0].ends_with("it is no file"));
    }
}
