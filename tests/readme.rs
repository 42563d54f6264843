//! What the README and the pages of the manual point at is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The README and every page of the manual.
fn pages() -> Vec<PathBuf> {
    let manual = fs::read_dir(top().join("assets/docs")).expect("the manual is there");
    let mut pages: Vec<PathBuf> = manual
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "md"))
        .collect();
    pages.sort();
    pages.insert(0, top().join("README.md"));
    pages
}

/// The text without blocks of code and without code in backticks.
fn prose(markdown: &str) -> String {
    let mut fenced = false;
    let mut prose = String::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            for text in line.split('`').step_by(2) {
                prose.push_str(text);
            }
            prose.push('\n');
        }
    }
    prose
}

/// Where the links and images of a page lead: `](target)`, `src="target"`, `href="target"`.
fn targets(markdown: &str) -> BTreeSet<String> {
    let prose = prose(markdown);
    [("](", ')'), ("src=\"", '"'), ("href=\"", '"')]
        .iter()
        .flat_map(|(open, close)| {
            prose
                .split(open)
                .skip(1)
                .filter_map(move |rest| rest.split_once(*close))
        })
        .map(|(target, _)| {
            target
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

/// The anchors of a page's headings, spelled as code forges do.
fn anchors(markdown: &str) -> BTreeSet<String> {
    markdown
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

/// What a page points at that is not there.
fn dead_links(page: &Path) -> Vec<String> {
    let text = read(page);
    let folder = page.parent().expect("a page is in a folder");
    targets(&text)
        .into_iter()
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .filter(|target| {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = folder.join(path);
            if !path.is_empty() && !file.exists() {
                return true;
            }
            let markdown = match path {
                "" => text.clone(),
                _ if file.extension().is_some_and(|ext| ext == "md") => read(&file),
                _ => return false,
            };
            !anchor.is_empty() && !anchors(&markdown).contains(anchor)
        })
        .collect()
}

#[test]
fn every_image_and_every_local_link_leads_somewhere() {
    let dead: Vec<String> = pages()
        .iter()
        .flat_map(|page| {
            dead_links(page)
                .into_iter()
                .map(|target| format!("{}: {target}", page.display()))
        })
        .collect();
    assert!(dead.is_empty(), "these lead nowhere:\n{}", dead.join("\n"));
}

#[test]
fn the_readme_shows_the_pictures_it_promises() {
    let targets = targets(&read(&top().join("README.md")));
    for name in [
        "demo",
        "running",
        "failed",
        "log-search",
        "artifacts",
        "help",
        "project",
    ] {
        let path = format!("screenshots/{name}.svg");
        assert!(targets.contains(&path), "the README does not show {path}");
    }
}

#[test]
fn the_readme_links_every_page_of_the_manual() {
    let targets = targets(&read(&top().join("README.md")));
    for page in &pages()[1..] {
        let path = page
            .strip_prefix(top())
            .expect("found below the top folder");
        let path = path.to_string_lossy();
        assert!(
            targets.contains(path.as_ref()),
            "the README does not link {path}"
        );
    }
}

#[test]
fn ci_runs_the_second_command_of_the_readme_and_nothing_else() {
    let readme = read(&top().join("README.md"));
    let commands: Vec<&str> = readme
        .split("```sh\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("the README has a block of commands")
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .collect();
    let [first, second] = commands[..] else {
        panic!("the README begins with two commands, not with {commands:?}");
    };
    assert_eq!(
        first,
        "cargo run --release -- build -d assets/demo --executor host"
    );
    let ci = read(&top().join(".ci/run"));
    let steps: Vec<&str> = ci
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("cd "))
        .collect();
    assert_eq!(steps, [format!("exec {second}")]);
}

#[test]
fn links_are_found_and_code_is_not_taken_for_them() {
    let page = "See [a](b.md#c \"t\") and ![i](d.svg).\n`[no](x.md)`\n```\n[no](y.md)\n```\n<img src=\"e.svg\">";
    let found: Vec<String> = targets(page).into_iter().collect();
    assert_eq!(found, ["b.md#c", "d.svg", "e.svg"]);
    assert!(anchors("## What is `not`, there?\n").contains("what-is-not-there"));
}
