//! The pages that are inside the program, and what else it prints of itself.

use std::io::Write;

use crate::cli::{DescribedApi, LibraryPart};
use crate::hosts::Tools;
use crate::store::Home;

use super::error::{Exit, UserError};

/// Name, and text.
const PAGES: &[(&str, &str)] = &[
    (
        "architecture",
        include_str!("../../assets/docs/architecture.md"),
    ),
    ("compare", include_str!("../../assets/docs/compare.md")),
    (
        "containers",
        include_str!("../../assets/docs/containers.md"),
    ),
    (
        "exit-status",
        include_str!("../../assets/docs/exit-status.md"),
    ),
    ("files", include_str!("../../assets/docs/files.md")),
    ("history", include_str!("../../assets/docs/history.md")),
    ("library", include_str!("../../assets/docs/library.md")),
    ("protocol", include_str!("../../assets/docs/protocol.md")),
    (
        "recordings",
        include_str!("../../assets/docs/recordings.md"),
    ),
    ("remote", include_str!("../../assets/docs/remote.md")),
    ("replay", include_str!("../../assets/docs/replay.md")),
    ("rerun", include_str!("../../assets/docs/rerun.md")),
    ("scripts", include_str!("../../assets/docs/scripts.md")),
    ("search", include_str!("../../assets/docs/search.md")),
    ("security", include_str!("../../assets/docs/security.md")),
    ("serve", include_str!("../../assets/docs/serve.md")),
    ("storage", include_str!("../../assets/docs/storage.md")),
    ("testing", include_str!("../../assets/docs/testing.md")),
    (
        "troubleshooting",
        include_str!("../../assets/docs/troubleshooting.md"),
    ),
];

/// `help`.
pub(super) fn help(topic: Option<&str>) -> Result<Exit, UserError> {
    let text = match topic {
        None => {
            let names: Vec<&str> = PAGES.iter().map(|(name, _)| *name).collect();
            format!(
                "monkeyci-tui --help has the commands, monkeyci-tui keys the keys.\n\
                 Pages of the manual, as monkeyci-tui help PAGE:\n  {}\n",
                names.join("\n  ")
            )
        }
        Some("keys") => return keys(),
        Some(topic) => match PAGES.iter().find(|(name, _)| *name == topic) {
            Some((_, text)) => (*text).to_owned(),
            None => {
                let names: Vec<&str> = PAGES.iter().map(|(name, _)| *name).collect();
                return Err(UserError::new(format!("there is no page \"{topic}\""))
                    .hint(format!("pages: {}", names.join(", "))));
            }
        },
    };
    print(text)
}

/// `keys`.
pub(super) fn keys() -> Result<Exit, UserError> {
    print(crate::app::help::markdown(&crate::app::Bindings::default()))
}

/// `openapi`.
pub(super) fn openapi(api: DescribedApi) -> Result<Exit, UserError> {
    let document = match api {
        DescribedApi::Script => crate::script_api::openapi(),
    };
    print(format!("{document:#}\n"))
}

/// `library`.
pub(super) fn library(home: &Home, part: LibraryPart) -> Result<Exit, UserError> {
    let root = Tools::from_env()
        .script_library(home.cache())
        .map_err(|error| UserError::of(&error))?;
    let path = match part {
        LibraryPart::Root => root,
        LibraryPart::Path if root.to_string_lossy().contains(':') => {
            let place = root.display();
            let message = format!("{place} has a colon, which Java cannot have in its class path");
            return Err(UserError::new(message)
                .hint("MONKEYCI_TUI_HOME moves it, and every other folder, to another place"));
        }
        LibraryPart::Path => root.join("src"),
    };
    let mut line = path.into_os_string().into_encoded_bytes();
    line.push(b'\n');
    print(line)
}

pub(super) fn print(text: impl AsRef<[u8]>) -> Result<Exit, UserError> {
    let mut out = std::io::stdout().lock();
    super::history::quiet(out.write_all(text.as_ref()))?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_the_keys_of_the_table() {
        let readme = include_str!("../../README.md");
        let list = readme
            .split_once("<!-- keys:begin -->\n")
            .and_then(|(_, rest)| rest.split_once("<!-- keys:end -->"))
            .map(|(list, _)| list.trim());
        let table = crate::app::help::markdown(&crate::app::Bindings::default());
        assert_eq!(
            list,
            Some(table.trim()),
            "put what `monkeyci-tui keys` prints there"
        );
    }

    #[test]
    fn every_page_has_a_title() {
        for (name, text) in PAGES {
            assert!(text.starts_with("# "), "{name}");
        }
    }
}
