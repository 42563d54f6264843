//! The interface in a real terminal, from the first key to the line that is left in the scrollback.

use std::path::Path;

use rustix::process::Signal;

use crate::harness::{Project, Running, child_of, json_lines, runs_somewhere};
use crate::hosts::clojure_is_here;
use crate::screen::{Screen, find, go};

const BUILD: &[&str] = &["build", "--executor", "host"];
const BARE: &[&str] = &["--executor", "host"];

const FAILING: &str = r#"
- id: compile
  image: i
  script: ["echo compiling"]
- id: test
  image: i
  script: ["seq 1000", "echo 'error: 2 is not 3' >&2; exit 7", "echo never"]
  dependencies: [compile]
- id: pack
  image: i
  script: ["echo packing"]
  dependencies: [test]
"#;

/// A job that counts to ten, waits for a file, and then counts on to a hundred.
fn counting() -> (Project, std::path::PathBuf) {
    let project = Project::empty();
    let file = project.dir().join("go");
    let yaml = format!(
        "- id: count\n  image: i\n  script: ['{}']\n",
        format_args!(
            "seq -f first-%03g 60; while [ ! -e {} ]; do sleep 0.02; done; seq -f then-%03g 60",
            file.display()
        )
    );
    (project.file(".monkeyci/build.yaml", &yaml), file)
}

/// A job that runs until it is stopped, marked so that it can be found.
fn endless(mark: &str) -> Project {
    Project::yaml(&format!(
        "- id: long\n  image: i\n  script: ['echo so far; exec sleep {mark}']\n\
         - id: after\n  image: i\n  script: ['true']\n  dependencies: [long]\n"
    ))
}

fn is_running(mark: &str) -> bool {
    runs_somewhere(&format!("sleep\0{mark}"))
}

#[test]
fn a_build_is_watched_to_its_end() {
    let project = Project::yaml(
        "- id: compile\n  image: i\n  script: ['echo compiling']\n\
         - id: test\n  image: i\n  script: ['echo testing']\n  dependencies: [compile]\n",
    );
    let mut screen = Screen::start(&project, BUILD);
    screen.until("SUCCESS").until("2/2 jobs").keys("q");
    let left = screen.ends(0);
    left.leaves("succeeded").leaves("2 of 2 jobs succeeded");
    assert!(find(&left.raw, b"\x1b[?1049h").is_some());
    assert_eq!(project.jobs().len(), 2);
}

#[test]
fn a_failure_is_shown_without_a_key_and_left_in_the_scrollback() {
    let project = Project::yaml(FAILING);
    let mut screen = Screen::start(&project, BUILD);
    screen
        .until("FAILED")
        // The job is selected, and of its thousand lines the one that matters is in sight.
        .when("the failed job is selected", |screen| {
            screen
                .contents()
                .lines()
                .any(|line| line.starts_with("▌✗ test"))
        })
        .when("its first error is in sight", |screen| {
            screen
                .contents()
                .lines()
                .any(|line| line.contains("error: 2 is not 3") && !line.contains('$'))
        })
        .until("skipped: test");
    screen.keys("q");
    let left = screen.ends(1);
    left.leaves("test failure")
        .leaves("| error: 2 is not 3")
        .leaves("| 1000")
        .leaves("pack skipped")
        .leaves("again  monkeyci-tui build -d ")
        .leaves("--executor host");
    let logs = left
        .scrollback
        .lines()
        .find_map(|line| line.trim().strip_prefix("logs"))
        .expect("the logs are named")
        .trim()
        .to_owned();
    assert!(Path::new(&logs).is_dir(), "{logs}");
}

#[test]
fn the_command_that_runs_a_build_again_works_as_it_stands() {
    let project = Project::yaml(FAILING);
    let folder = project.dir().join("it's a folder");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::rename(project.dir().join(".monkeyci"), folder.join(".monkeyci")).unwrap();
    for home in [None, Some(project.dir())] {
        let mut command = Screen::command(&project, BUILD);
        command.cwd(&folder);
        if let Some(home) = &home {
            command.env("HOME", home);
        }
        // Wide enough for one line.
        let mut screen = Screen::run(command, (200, 40));
        screen.until("FAILED").keys("q");
        let left = screen.ends(1);
        let again = left
            .scrollback
            .lines()
            .find_map(|line| line.trim().strip_prefix("again"))
            .expect("the command is named")
            .trim()
            .replacen("monkeyci-tui", env!("CARGO_BIN_EXE_monkeyci-tui"), 1);
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", &format!("{again} --plain")])
            .current_dir("/")
            .env("MONKEYCI_TUI_HOME", project.home())
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        if let Some(home) = &home {
            shell.env("HOME", home);
        }
        Running::start(shell)
            .wait()
            .exits(1)
            .says("error: 2 is not 3");
    }
}

#[test]
fn a_build_is_canceled_by_a_key_and_its_answer() {
    let project = endless("72001");
    let mut screen = Screen::start(&project, BUILD);
    screen.until("so far").keys("x");
    screen.until("Cancel this build?").keys("n");
    screen.until_gone("Cancel this build?");
    assert!(is_running("72001"));
    screen.keys("x").until("Cancel this build?").keys("y");
    screen.until("CANCELED").keys("q");
    screen.ends(3).leaves("was canceled");
    assert!(!is_running("72001"));
}

#[test]
fn a_second_ctrl_c_leaves_at_once_and_nothing_running() {
    let project = endless("72002");
    let mut screen = Screen::start(&project, BUILD);
    screen.until("so far").keys("\x03");
    screen.until("A build is running").keys("\x03");
    screen.ends(130).leaves("logs ");
    assert!(!is_running("72002"));
    assert_eq!(
        project.jobs()[1],
        ("long".to_owned(), "canceled".to_owned())
    );
}

#[test]
fn quitting_asks_and_stops_the_build_when_told_to() {
    let project = endless("72003");
    let mut screen = Screen::start(&project, BUILD);
    screen.until("so far").keys("q");
    screen.until("stop and quit").keys("n");
    screen.until_gone("stop and quit").keys("q");
    screen.until("stop and quit").keys("s");
    screen.ends(3).leaves("was canceled");
    assert!(!is_running("72003"));
}

#[test]
fn signals_that_end_the_program_give_the_terminal_back() {
    for signal in [Signal::TERM, Signal::HUP] {
        let project = endless("72004");
        let mut screen = Screen::start(&project, BUILD);
        screen.until("so far").signal(signal);
        screen.ends(3).leaves("logs ");
        assert!(!is_running("72004"));
    }
    let project = endless("72004");
    let mut screen = Screen::start(&project, BARE);
    screen.until("READY").signal(Signal::TERM);
    screen.ends(3);
}

#[test]
fn a_window_that_is_closed_stops_the_build() {
    let project = endless("72005");
    let mut screen = Screen::start(&project, BUILD);
    screen.until("so far").close();
    assert!(!is_running("72005"));
    assert_eq!(project.events().last().unwrap()["type"], "build/end");
}

#[test]
fn a_script_host_that_is_killed_is_shown_and_leaves_the_terminal_intact() {
    let project = endless("72006");
    let mut screen = Screen::start(&project, BUILD);
    screen.until("so far");
    let host = child_of(screen.pid(), "script-host");
    rustix::process::kill_process(host, Signal::KILL).unwrap();
    screen.until("FAILED").keys("q");
    screen.ends(1).leaves("ended by signal 9");
    assert!(!is_running("72006"));
}

#[test]
fn the_program_is_suspended_and_resumed_and_the_build_goes_on() {
    let (project, file) = counting();
    let mut screen = Screen::run(Screen::in_a_shell(&project, BUILD), (80, 24));
    screen.until("first-060").keys("\x1a");
    screen.when("the shell is back", |screen| {
        screen.contents().contains("[shell: ") && !screen.alternate_screen()
    });
    screen.is_given_back();
    go(&file);
    screen.keys("\n").until("SUCCESS").until("then-060");
    screen.keys("q").until("[ended: 0]");
    screen.ends(0).leaves("succeeded");
}

#[test]
fn being_stopped_by_somebody_else_loses_nothing() {
    let project = endless("72007");
    let mut screen = Screen::start(&project, BUILD);
    screen.until("so far").signal(Signal::STOP);
    screen.signal(Signal::CONT);
    screen.keys("\x0c").keys("?").until("keys in").keys("\x1b");
    screen.until_gone("keys in").keys("\x03");
    screen.until("A build is running").keys("\x03");
    screen.ends(130);
    assert!(!is_running("72007"));
}

#[test]
fn the_bare_program_shows_the_project_and_its_builds_and_starts_one() {
    let project = Project::yaml(FAILING);
    let mut screen = Screen::start(&project, BARE);
    screen
        .until("READY")
        .until("compile")
        .until("after compile");
    screen.keys("B").until("FAILED");
    screen.keys("q");
    // Leaving the bare program is a success whatever became of its builds.
    screen.ends(0).leaves("test failure");

    let mut screen = Screen::start(&project, BARE);
    screen
        .until("READY")
        .when("the build is listed", |screen| {
            let text = screen.contents();
            text.split_once(" Builds ")
                .is_some_and(|(_, builds)| builds.contains('✗'))
        })
        .keys("b")
        .keys("j")
        .keys("\r");
    screen.until("FAILED").until("skipped: test").keys("q");
    screen.ends(0);
}

#[test]
fn a_project_without_a_script_is_offered_the_demo() {
    let project = Project::empty();
    let mut screen = Screen::start(&project, BARE);
    screen
        .until("There is no .monkeyci here")
        .until("B  starts the demo")
        .keys("B")
        .until("demo")
        .until("RUNNING")
        .keys("q")
        .until("stop and quit")
        .keys("y");
    screen.ends(0);
}

#[test]
fn a_broken_script_is_shown_with_its_place() {
    let project = Project::yaml("- id: a\n  image: i\n  script: {a: b}\n");
    let mut screen = Screen::start(&project, BARE);
    screen
        .until("BROKEN SCRIPT")
        .until("build.yaml:3:")
        .until("script: {a: b}")
        .keys("q");
    screen.ends(0);
    let mut screen = Screen::start(&project, BUILD);
    screen.until("FAILED").until("build.yaml:3:").keys("q");
    screen.ends(2).leaves("build.yaml:3:");
}

#[test]
fn a_log_is_searched_to_and_fro() {
    let project = Project::yaml("- id: a\n  image: i\n  script: ['seq -f line-%04g-end 3000']\n");
    let mut screen = Screen::start(&project, BUILD);
    screen.until("SUCCESS").keys("j").until("line-3000-end");
    screen.keys("/").until("search the log").keys("e-0100\r");
    screen.until("line-0100-end").until_gone("line-3000-end");
    screen.keys("/").until("search the log").keys("50-end\r");
    screen.until("line-0150-end").keys("n");
    screen.until("line-0250-end").keys("N");
    screen.until("line-0150-end").keys("/");
    screen.until("search the log").keys("no such text\r");
    screen.until("no such text").keys("q");
    screen.ends(0);
}

#[test]
fn scrolling_up_pauses_following_and_g_takes_it_up_again() {
    let (project, file) = counting();
    let mut screen = Screen::start(&project, BUILD);
    screen
        .until("first-060")
        .keys("\r")
        .keys("\x15\x15\x15\x15");
    screen.until_gone("first-060");
    let before = screen.text();
    go(&file);
    screen.until("60 new").until("SUCCESS");
    let log = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.find("first-").map(|at| line[at..at + 9].to_owned()))
            .collect()
    };
    assert_eq!(log(&before), log(&screen.text()), "what is read stays");
    screen.keys("G").until("then-060").keys("q");
    screen.ends(0);
}

#[test]
fn the_keys_are_listed_and_the_list_scrolls() {
    let project = endless("72008");
    let mut screen = Screen::start(&project, BARE);
    screen
        .until("READY")
        .keys("?")
        .until("keys in the list of jobs");
    screen.keys("G").until("take the mouse").keys("?");
    screen.until_gone("keys in the list of jobs").keys("q");
    screen.ends(0);
}

#[test]
fn an_artifact_is_listed_and_saved() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  saveArtifacts: [{id: report, path: out.txt}]\n  script: ['echo content > out.txt']\n",
    );
    let mut screen = Screen::start(&project, BUILD);
    screen
        .until("SUCCESS")
        .keys("5")
        .until("report")
        .until("out.txt");
    screen.keys("\x13").until("save report to").keys("\r");
    screen
        .until("saved to")
        .keys("\x13")
        .until("save report to");
    // The same name again: nothing is overwritten.
    screen
        .keys("\r")
        .until("there is such a file already")
        .keys("q");
    screen.ends(0);
    let saved = std::fs::read(project.dir().join("report.tgz")).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(saved.as_slice()));
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert!(
        names.iter().any(|name| name.ends_with("out.txt")),
        "{names:?}"
    );
}

#[test]
fn results_are_listed_looked_at_and_saved_and_nothing_is_replaced() {
    if !clojure_is_here("results_are_listed_looked_at_and_saved_and_nothing_is_replaced") {
        return;
    }
    let script = include_str!("../scripts/results/.monkeyci/build.clj");
    let project = Project::empty().file(".monkeyci/build.clj", script);
    let mut screen = Screen::start(&project, BUILD);
    screen.until("SUCCESS").until("script clojure");
    screen.keys("g6").until("coverage").until("{:lines 80}");
    screen.keys("j").until("some words");
    screen.keys("\x13").until("save notes to");
    screen.keys("\r").until("saved to notes.txt");
    let saved = project.dir().join("notes.txt");
    assert_eq!(std::fs::read_to_string(&saved).unwrap(), "some words");
    screen.keys("\x13").until("save notes to");
    screen.keys("\r").until("there is such a file");
    screen.keys("q");
    screen.ends(0);
}

#[test]
fn a_result_is_kept_as_it_is_and_shown_without_secrets() {
    if !clojure_is_here("a_result_is_kept_as_it_is_and_shown_without_secrets") {
        return;
    }
    let script = r#"(require '[monkey.ci.api :as m])
(m/action-job "save"
  (fn [ctx] (m/save-result ctx "told" {:word (get (m/build-params ctx) "word")}) nil))
"#;
    let project = Project::empty().file(".monkeyci/build.clj", script);
    let arguments = [BUILD, &["--param", "word=sword\"fish"]].concat();
    let mut screen = Screen::start(&project, &arguments);
    screen.until("SUCCESS").keys("g6").until("{:word \"***\"}");
    screen.keys("\x13").until("save told to");
    screen.keys("\r").until("saved to ");
    screen.keys("q");
    screen.ends(0);
    // Who reads it again once the build is over does not know what was secret.
    let mut screen = Screen::start(&project, BARE);
    screen.until("READY").until("now").keys("bj\r");
    screen.until("SUCCESS").keys("g6");
    screen.until("{:word \"***\"}").keys("q");
    screen.ends(0);
    let saved = std::fs::read_dir(project.dir()).unwrap().flatten();
    let saved = saved.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    assert!(
        saved
            .into_iter()
            .any(|text| text == r#"{:word "sword\"fish"}"#)
    );
}

#[test]
fn a_script_that_cannot_be_loaded_shows_where_in_its_log() {
    if !clojure_is_here("a_script_that_cannot_be_loaded_shows_where_in_its_log") {
        return;
    }
    let script = "(ns build)\n(println \"so far\")\n\n(undefined-thing 1)\n";
    let project = Project::empty().file(".monkeyci/build.clj", script);
    let mut screen = Screen::start(&project, BUILD);
    screen.until("FAILED").until("so far").until("build.clj:4");
    screen.until("clojure: ");
    screen.keys("q");
    screen.ends(2);
}

#[test]
fn a_blocked_job_waits_for_its_approval() {
    let project =
        Project::yaml("- id: gate\n  image: i\n  blocked: true\n  script: ['echo published']\n");
    let mut screen = Screen::start(&project, BUILD);
    screen.until("BLOCKED").keys("A").until("SUCCESS").keys("q");
    screen.ends(0);
    project
        .run(&["logs", "last", "gate"])
        .exits(0)
        .says("published");
}

#[test]
fn a_build_and_a_job_are_run_again_by_a_key() {
    let project = Project::yaml(FAILING);
    let mut screen = Screen::start(&project, BUILD);
    // The failed job is selected: it is run again, with what it needs.
    screen.until("FAILED").until("3/3 jobs").keys("r");
    screen.until("2/2 jobs").until("FAILED");
    // And then the build.
    screen.keys("g").until("FAILED").keys("r").until("3/3 jobs");
    screen.until("FAILED").keys("q");
    screen.ends(1);
    let builds = json_lines(&project.run(&["list", "--json"]).out);
    assert_eq!(builds.len(), 3);
}

#[test]
fn the_window_is_resized_while_a_build_runs() {
    let (project, file) = counting();
    let mut screen = Screen::start(&project, BUILD);
    screen.until("first-060").resize(40, 10);
    screen.until("40×10 is too small").resize(200, 80);
    screen.until("first-001").until("first-060").resize(60, 15);
    screen.until("first-060").resize(80, 24);
    go(&file);
    screen.until("SUCCESS").until("then-060").keys("q");
    screen.ends(0);
}

#[test]
fn a_window_that_grows_while_the_program_starts_is_filled() {
    let project = Project::yaml("- id: a\n  image: i\n  script: ['true']\n");
    for _ in 0..10 {
        let mut screen = Screen::sized(&project, BARE, (20, 5));
        // As soon as there is a program: it has taken the terminal, and asked for its size or not.
        screen.when("the program begins", vt100::Screen::alternate_screen);
        screen.resize(80, 24);
        screen.until("READY").until("B  starts a build").keys("q");
        screen.ends(0);
    }
}

#[test]
fn a_tiny_window_says_so_and_does_no_harm() {
    let project = Project::yaml("- id: a\n  image: i\n  script: ['true']\n");
    let mut screen = Screen::sized(&project, BUILD, (20, 5));
    screen.until("too small").until("build success");
    screen.keys("?j/x\x155\x1b[A").signal(Signal::TERM);
    screen.ends(0).leaves("succeeded");
    for size in [(2, 2), (3, 40), (300, 2)] {
        let mut screen = Screen::sized(&project, BUILD, size);
        screen.when("something is drawn", |screen| {
            !screen.contents().trim().is_empty()
        });
        screen.resize(80, 24);
        screen.until("SUCCESS").until("1/1 job").keys("q");
        screen.ends(0);
    }
}

#[test]
fn no_color_is_no_color_and_status_is_a_word() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  script: ['printf \"\\033[31mred\\033[0m \\033[48;5;20mblue\\033[0m\\n\"; exit 1']\n",
    );
    for option in [true, false] {
        let mut args = BUILD.to_vec();
        args.extend(option.then_some("--no-color"));
        let mut command = Screen::command(&project, &args);
        if !option {
            command.env("NO_COLOR", "1");
        }
        let mut screen = Screen::run(command, (80, 24));
        screen
            .until("FAILED")
            .until("failure")
            .until("red")
            .keys("q");
        let left = screen.ends(1);
        let colors = colors(&left.raw);
        assert!(colors.is_empty(), "{colors:?}");
    }
    let mut screen = Screen::start(&project, BUILD);
    screen.until("FAILED").keys("q");
    assert!(!colors(&screen.ends(1).raw).is_empty());
}

/// The sequences that set a colour.
fn colors(raw: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(raw);
    text.split("\x1b[")
        .filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit() && !";:".contains(c))?;
            (rest[end..].starts_with('m')).then(|| rest[..end].to_owned())
        })
        .filter(|params| {
            params.split([';', ':']).any(|param| {
                param
                    .parse()
                    .is_ok_and(|n: u32| matches!(n, 30..=38 | 40..=48 | 90..=107))
            })
        })
        .collect()
}

#[test]
fn nothing_that_a_job_writes_reaches_the_terminal_as_a_command() {
    let project = Project::yaml(
        "- id: a\n  image: i\n  script:\n\
         \x20   - 'printf \"\\033]0;evil\\007\\033[2J\\033[?1049l\\033[?25h\\033c one\\n\"'\n\
         \x20   - 'printf \"\\233?1049l \\302\\233?1049l \\302\\235;evil\\302\\234 two\\n\"'\n\
         \x20   - 'printf \"\\033Pdcs\\033\\\\\\\\ \\033]52;c;ZXZpbA==\\007 \\033[6n three\\n\" >&2; exit 1'\n\
         - id: \"b\\e]0;evil\\a\"\n  image: i\n  script: ['true']\n",
    );
    let mut screen = Screen::start(&project, BUILD);
    screen.until("FAILED").until("three").until("two");
    for keys in ["j", "j", "\r", "G", "g", "5", "1", "?", "?"] {
        screen.keys(keys);
    }
    screen.keys("q");
    let left = screen.ends(1);
    // The screen is left once, at the end, with everything that was drawn before.
    let end = find(&left.raw, b"\x1b[?1049l").unwrap();
    assert!(find(&left.raw[end + 1..], b"\x1b[?1049l").is_none());
    assert!(find(&left.raw[..end], b"\x1b[?25h").is_none_or(|at| end - at < 100));
    for never in [
        &b"\x1b]"[..],
        b"\x1bP",
        b"\x1bc",
        b"\x1b[6n",
        b"\x07",
        b"\xef\xbf\xbd\x1b]",
    ] {
        assert!(find(&left.raw, never).is_none(), "{never:?}");
    }
    let text = String::from_utf8(left.raw).expect("what is written is UTF-8");
    assert!(!text.contains(|c| ('\u{80}'..'\u{a0}').contains(&c)));
    // Nor on the way through a plain output.
    for args in [
        &["show", "last"][..],
        &["logs", "last"],
        &["logs", "last", "--strip"],
        &["attach", "last", "--plain"],
        &["list"],
    ] {
        let ran = project.run(args).exits(0);
        let bad = ran
            .out
            .find(|c: char| c.is_control() && c != '\n' && c != '\t');
        assert!(bad.is_none(), "{args:?}: {:?}", ran.out);
    }
}

#[test]
fn a_second_terminal_follows_a_build_to_its_end() {
    let (project, file) = counting();
    let mut first = Screen::start(&project, BUILD);
    first.until("first-060");
    let mut second = Screen::start(&project, &["attach", "last"]);
    second.until("RUNNING").until("first-060");
    go(&file);
    second.until("then-060").until("SUCCESS").keys("q");
    second.ends(0);
    first.until("SUCCESS").keys("q");
    first.ends(0);
}

#[test]
fn a_watcher_that_leaves_does_not_stop_the_build() {
    let (project, file) = counting();
    let mut first = Screen::start(&project, BUILD);
    first.until("first-060");
    let mut second = Screen::start(&project, &["attach", "last"]);
    second.until("first-060").keys("q");
    second.ends(0);
    let mut third = Screen::start(&project, &["attach", "last"]);
    third.until("first-060").keys("\x03");
    third.ends_somehow();
    go(&file);
    first.until("then-060").until("SUCCESS").keys("q");
    first.ends(0);
}

#[test]
fn a_watcher_cancels_the_build_of_the_other_terminal() {
    let project = endless("72009");
    let mut first = Screen::start(&project, BUILD);
    first.until("so far");
    let mut second = Screen::start(&project, &["attach", "last"]);
    second.until("so far").keys("x").until("Cancel this build?");
    second.keys("y").until("CANCELED").keys("q");
    second.ends(0);
    first.until("CANCELED").keys("q");
    first.ends(3);
    assert!(!is_running("72009"));
}

#[test]
fn without_a_terminal_the_bare_program_says_what_else_there_is() {
    let project = Project::yaml(FAILING);
    project
        .run(&[])
        .exits(2)
        .complains("needs a terminal")
        .complains("build --plain");
}

#[test]
fn input_that_is_no_key_does_no_harm() {
    let project = endless("72010");
    let mut screen = Screen::start(&project, BARE);
    screen.until("READY");
    screen.keys("\x1b[200~pasted q text\x1b[201~");
    screen.keys("\x1b[<0;5;5M\x1b[<0;5;5m\x1b[999;999H\x1b[?1;2c\u{1F600}\u{e9}");
    screen.keys("?").until("keys in").keys("?");
    screen.until_gone("keys in").keys("q");
    screen.ends(0);
}
