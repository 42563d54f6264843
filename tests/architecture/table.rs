//! The table of the crate docs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a row allows.
#[derive(Debug, PartialEq, Eq)]
pub enum Allowed {
    Everything,
    These(BTreeSet<String>),
}

impl Allowed {
    pub fn contains(&self, module: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::These(modules) => modules.contains(module),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::These(modules) if modules.is_empty() => f.write_str("nothing of ours"),
            Self::These(modules) => {
                let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
                f.write_str(&modules.join(", "))
            }
        }
    }
}

/// The table of the crate docs.
#[derive(Debug)]
pub struct Table {
    pub rows: BTreeMap<String, Allowed>,
}

impl Table {
    /// Reads the rows between the heading `| module | owns | may import |` and the first line
    /// that is no row, and the line that begins with `Leaves:`.
    pub fn parse(lib: &str) -> Result<Self, String> {
        let docs: Vec<&str> = lib
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(str::trim)
            .collect();
        let leaves: BTreeSet<String> = docs
            .iter()
            .find_map(|line| line.strip_prefix("Leaves:"))
            .map(in_backticks)
            .ok_or("the crate docs have no line that begins with `Leaves:`")?
            .into_iter()
            .collect();
        let start = docs
            .iter()
            .position(|line| cells(line) == ["module", "owns", "may import"])
            .ok_or("the crate docs have no table `| module | owns | may import |`")?;
        let mut rows = BTreeMap::new();
        for line in docs[start + 2..].iter().take_while(|l| l.starts_with('|')) {
            let cells = cells(line);
            let [modules, _, allowed] = cells[..] else {
                return Err(format!("a row has not three cells: {line}"));
            };
            for module in in_backticks(modules) {
                let row = Self::allowed(allowed, &leaves)
                    .ok_or_else(|| format!("a row does not say what it may import: {line}"))?;
                if rows.insert(module.clone(), row).is_some() {
                    return Err(format!("`{module}` has two rows"));
                }
            }
        }
        Ok(Self { rows })
    }

    fn allowed(cell: &str, leaves: &BTreeSet<String>) -> Option<Allowed> {
        if cell == "everything" {
            return Some(Allowed::Everything);
        }
        let mut modules: BTreeSet<String> = in_backticks(cell).into_iter().collect();
        if cell.split(',').any(|part| part.trim() == "leaves") {
            modules.extend(leaves.iter().cloned());
        }
        (!modules.is_empty() || cell == "nothing of ours").then_some(Allowed::These(modules))
    }
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

fn in_backticks(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
