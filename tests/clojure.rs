//! The unit tests of the script library in `assets/clojure`, which are Clojure themselves.

#[path = "shared/counted.rs"]
mod counted;

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
        Err(error) => {
            return counted::not_run(
                "the tests of the Clojure library",
                &format!("there is no clojure here: {error}"),
            );
        }
    };
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("0 failures, 0 errors."),
        "{said}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}
