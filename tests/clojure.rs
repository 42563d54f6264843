//! The unit tests of the script library in `assets/clojure`, which are Clojure themselves.

use std::io::Write;
use std::process::Command;

#[test]
fn the_librarys_own_tests_pass() {
    let classes = ["assets/clojure/src", "tests/clojure"].join(":");
    let ran = Command::new("clojure")
        .args(["-cp", &classes, "tests/clojure/run.clj"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let ran = match ran {
        Ok(ran) => ran,
        Err(error) => return not_run(&format!("there is no clojure here: {error}")),
    };
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("0 failures, 0 errors."),
        "{said}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

fn not_run(why: &str) {
    let line = format!("not run: the tests of the Clojure library: {why}\n");
    print!("{line}");
    if let Some(file) = std::env::var_os("MONKEYCI_TUI_NOT_RUN") {
        let noted = std::fs::OpenOptions::new()
            .append(true)
            .open(file)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        noted.expect("what is not run has to be counted");
    }
}
