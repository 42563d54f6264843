//! What could not be run here, and what stood in for what users have: said, and counted by `tests/run`.

#![allow(dead_code, reason = "not every crate of tests says both")]

use std::io::Write;

/// Says that a test could not be run here, and why.
pub fn not_run(name: &str, why: &str) {
    note(&format!("not run: {name}: {why}\n"));
}

/// Says that something stood in for what users have.
pub fn stand_in(name: &str, what: &str) {
    note(&format!("stand-in: {name}: {what}\n"));
}

fn note(line: &str) {
    print!("{line}");
    if let Some(file) = std::env::var_os("MONKEYCI_TUI_NOT_RUN") {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(file);
        let noted = file.and_then(|mut file| file.write_all(line.as_bytes()));
        noted.expect("what is not run has to be counted");
    }
}
