//! The import directions hold: what our sources name of each other is what the table in the
//! crate docs (`src/lib.rs`) allows.
//!
//! This is a reader of tokens, not a compiler. It sees `crate::…` and `super::…` paths wherever
//! they stand, also in nested `use` groups and in code; it does not look at comments, strings,
//! doc comments or anything under `#[cfg(test)]`, nor inside what macros expand to. That is
//! enough to catch what people write.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use imports::{Import, imports, test_modules};
use table::Table;

#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/table.rs"]
mod table;

#[path = "architecture/reader_tests.rs"]
mod reader_tests;

#[test]
fn modules_import_what_the_table_allows() {
    let table = Table::parse(&read(&source_folder().join("lib.rs"))).expect("the table reads");
    let offences: Vec<String> = sources()
        .iter()
        .flat_map(|source| offences(source, &table))
        .collect();
    assert!(
        offences.is_empty(),
        "imports against the table in src/lib.rs:\n{}\n\
         Move the code to the side that may know of the other, pass it in through `ports` or \
         `wiring`, or change the table and say why.",
        offences.join("\n")
    );
}

#[test]
fn every_module_has_a_row_and_every_row_a_module() {
    let table = Table::parse(&read(&source_folder().join("lib.rs"))).expect("the table reads");
    let rows: BTreeSet<&str> = table.rows.keys().map(String::as_str).collect();
    let modules = modules();
    let modules: BTreeSet<&str> = modules.iter().map(String::as_str).collect();
    let without_row: Vec<_> = modules.difference(&rows).collect();
    let without_module: Vec<_> = rows.difference(&modules).collect();
    assert!(
        without_row.is_empty() && without_module.is_empty(),
        "the table in src/lib.rs does not fit the folder src: modules without a row: \
         {without_row:?}; rows without a module: {without_module:?}"
    );
}

/// One file under `src`.
struct Source {
    /// As people call it: `src/engine/core.rs`.
    name: String,
    /// The path of its module: `["engine", "core"]`; nothing for `lib.rs` and `main.rs`.
    module: Vec<String>,
    text: String,
}

impl Source {
    fn new(name: &str, text: &str) -> Self {
        let path = name.strip_prefix("src/").unwrap_or(name);
        let path = path.strip_suffix(".rs").unwrap_or(path);
        let path = path.strip_suffix("/mod").unwrap_or(path);
        let root = matches!(path, "lib" | "main");
        Self {
            name: name.to_owned(),
            module: path
                .split('/')
                .filter(|_| !root)
                .map(str::to_owned)
                .collect(),
            text: text.to_owned(),
        }
    }

    /// The modules of the folder that the file is in.
    fn folder(&self) -> &[String] {
        match self.module.split_last() {
            Some((_, folder)) if !self.name.ends_with("/mod.rs") => folder,
            _ => &self.module,
        }
    }

    /// The row of the table that this file falls under.
    fn row(&self) -> &str {
        match self.module.first() {
            Some(module) => module,
            None if self.name.ends_with("main.rs") => "main",
            None => "lib",
        }
    }
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files of ours that are not there for tests only.
fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&source_folder(), &mut paths);
    paths.sort();
    let all: Vec<Source> = paths
        .iter()
        .map(|path| {
            let inside = path
                .strip_prefix(env!("CARGO_MANIFEST_DIR"))
                .expect("found below the manifest");
            Source::new(&inside.to_string_lossy(), &read(path))
        })
        .collect();
    let for_tests: Vec<Vec<String>> = all.iter().flat_map(test_modules).collect();
    all.into_iter()
        .filter(|source| {
            !for_tests
                .iter()
                .any(|module| source.module.starts_with(module))
        })
        .collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            into.push(path);
        }
    }
}

/// The top-level modules: files and folders directly in `src`.
fn modules() -> BTreeSet<String> {
    sources()
        .iter()
        .map(|source| source.row().to_owned())
        .collect()
}

/// What a file imports against the table, a sentence each.
fn offences(source: &Source, table: &Table) -> Vec<String> {
    let row = source.row();
    let Some(allowed) = table.rows.get(row) else {
        return vec![format!("{}: `{row}` has no row in the table", source.name)];
    };
    imports(source)
        .into_iter()
        .filter(|import| import.name != row)
        .filter(|import| !allowed.contains(&import.name))
        .map(|Import { line, name }| {
            format!(
                "{}:{line}: `{row}` imports `{name}`; it may import {allowed}",
                source.name
            )
        })
        .collect()
}
