//! What containers use is counted.

use super::*;

/// A job that holds 50 MB and works for some seconds.
pub fn work(seconds: u32) -> String {
    let work = r#"image: "IMAGE", script: ["x=$(head -c 50000000 /dev/zero | tr '\\0' x); end=$(($(date +%s) + SECONDS)); while [ $(date +%s) -lt $end ]; do :; done"]"#;
    work.replace("SECONDS", &seconds.to_string())
}

#[test]
fn what_a_container_uses_is_kept_and_shown_and_a_short_one_is_not_asked_about() {
    let name = "what_a_container_uses_is_kept_and_shown_and_a_short_one_is_not_asked_about";
    if !engine_is_here(name) {
        return;
    }
    let project = jobs(&[
        ("busy", &work(4)),
        ("short", r#"image: "IMAGE", script: ["true"]"#),
    ]);
    build(&project, &["-j", "2"]).exits(0);
    let events = project.events();
    let used: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "tui/resources")
        .collect();
    assert!(used.iter().all(|event| event["job-id"] == "busy"));
    // One once a share is known, and one at the end.
    assert!((1..=2).contains(&used.len()), "{used:?}");
    let last = |key: &str| used[used.len() - 1][key].as_u64().unwrap_or_default();
    assert!((500..8000).contains(&last("cpu-ms")), "{used:?}");
    // The job has one processor.
    assert!(last("cpu-percent") <= 150, "{used:?}");
    let memory = 50_000_000..400_000_000;
    assert!(memory.contains(&last("memory-peak-bytes")), "{used:?}");
    assert_eq!(last("memory-limit-bytes"), 2 << 30);
    assert!(last("processes") >= 1, "{used:?}");
    let shown = project.run(&["show", "last"]).exits(0).out;
    let line = shown.lines().find(|line| line.starts_with("  used "));
    let line = line.unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains("s of processor time, "), "{line}");
    assert!(line.contains(" MB of 2.1 GB of memory at most"), "{line}");
    assert_eq!(shown.matches("  used ").count(), 1, "{shown}");
    assert!(containers_of(&project).is_empty());
}
