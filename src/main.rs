//! Arguments in, exit status out.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    monkeyci_tui::wiring::run(monkeyci_tui::cli::Args::parse())
}
