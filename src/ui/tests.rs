//! Screens by snapshot, and what has to hold at every size.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use crate::app::fixtures::{self, Stage};
use crate::app::shell_tests::with_shell;
use crate::app::{Edit, Msg, Project, Script, text};
use crate::config::{Background, ColorDepth, GlyphSet, Look};
use crate::domain::{JobStatus, Sid};

use super::Ui;

fn drawn(stage: &Stage, look: Look) -> Buffer {
    let (width, height) = stage.state.size;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    Ui::new(look).draw(&stage.state, &mut buffer);
    buffer
}

/// The screen as text; a wide character takes its two columns.
fn as_text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut out = String::new();
    for y in area.top()..area.bottom() {
        let mut row = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            x += text::width(symbol).max(1) as u16;
        }
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}

fn shown(stage: &Stage) -> String {
    as_text(&drawn(stage, Look::default()))
}

fn project(script: Script) -> Project {
    Project {
        script,
        ..fixtures::project()
    }
}

const BROKEN: &str =
    ".monkeyci/build.yaml:7:5: expected a list of jobs\n\n  7 |     jobs: 3\n    |     ^^^^";

// ---------------------------------------------------------------- snapshots

#[test]
fn a_shell_in_a_container_has_the_screen() {
    let stage = with_shell((80, 24));
    insta::assert_snapshot!("shell_80x24", shown(&stage));
    let buffer = drawn(&stage, Look::default());
    assert!(
        buffer[(31, 6)].modifier.contains(Modifier::REVERSED),
        "the cursor"
    );
    let stage = with_shell((120, 40));
    insta::assert_snapshot!("shell_120x40", shown(&stage));
    // Too small for what it shows, until it has heard of the new size.
    shown(&with_shell((60, 15)));
}

#[test]
fn the_script_before_anything_was_built() {
    insta::assert_snapshot!("script_80x24", shown(&Stage::new((80, 24))));
    let mut stage = Stage::new((80, 24));
    stage.press("j j j");
    insta::assert_snapshot!("script_job_80x24", shown(&stage));
}

#[test]
fn a_folder_without_a_script_offers_the_demo() {
    let stage = Stage::with_project((80, 24), project(Script::Missing));
    insta::assert_snapshot!("no_script_80x24", shown(&stage));
}

#[test]
fn a_script_that_cannot_be_read_says_where() {
    let stage = Stage::with_project((80, 24), project(Script::Broken(BROKEN.to_owned())));
    insta::assert_snapshot!("broken_script_80x24", shown(&stage));
}

#[test]
fn a_running_build() {
    insta::assert_snapshot!("running_80x24", shown(&fixtures::running((80, 24))));
    insta::assert_snapshot!("running_120x40", shown(&fixtures::running((120, 40))));
    insta::assert_snapshot!("running_200x60", shown(&fixtures::running((200, 60))));
}

#[test]
fn a_job_whose_image_is_on_its_way_says_how_far_it_is() {
    insta::assert_snapshot!("pulling_80x24", shown(&fixtures::pulling((80, 24))));
    let mut stage = fixtures::pulling((120, 40));
    insta::assert_snapshot!("pulling_120x40", shown(&stage));
    stage.press("8");
    insta::assert_snapshot!("pulling_events_120x40", shown(&stage));
}

#[test]
fn a_build_is_compared() {
    for (size, name) in [
        ((60, 15), "compared_60x15"),
        ((80, 24), "compared_80x24"),
        ((120, 40), "compared_120x40"),
        ((200, 60), "compared_200x60"),
    ] {
        let mut stage = fixtures::failed(size);
        stage.press("=");
        stage.state.notice = None;
        insta::assert_snapshot!(name, shown(&stage));
    }
}

#[test]
fn a_moment_of_the_past() {
    let replayed = |size| {
        let mut stage = fixtures::failed(size);
        stage.press("@");
        stage.send(Msg::Edit(Edit::Insert("60%".to_owned())));
        stage.send(Msg::Edit(Edit::Submit));
        stage.press(") Z p");
        stage.state.notice = None;
        stage
    };
    for (size, name) in [
        ((60, 15), "past_60x15"),
        ((80, 24), "past_80x24"),
        ((120, 40), "past_120x40"),
        ((200, 60), "past_200x60"),
    ] {
        insta::assert_snapshot!(name, shown(&replayed(size)));
    }
    let ascii = Look {
        glyphs: GlyphSet::Ascii,
        colors: ColorDepth::None,
        ..Look::default()
    };
    let held = {
        let mut stage = replayed((80, 24));
        stage.press("p @");
        stage
    };
    insta::assert_snapshot!("past_ascii_80x24", as_text(&drawn(&held, ascii)));
}

#[test]
fn what_a_running_job_uses_is_in_its_title_and_all_of_it_in_its_details() {
    for (size, name) in [
        ((80, 24), "measured_80x24"),
        ((120, 40), "measured_120x40"),
        ((200, 60), "measured_200x60"),
    ] {
        insta::assert_snapshot!(name, shown(&fixtures::measured(size)));
    }
    let mut stage = fixtures::measured((80, 24));
    stage.press("9");
    insta::assert_snapshot!("measured_details_80x24", shown(&stage));
    let mut stage = fixtures::measured((120, 40));
    stage.press("k j 9");
    stage.end("docs", JobStatus::Success);
    insta::assert_snapshot!("measured_over_120x40", shown(&stage));
}

#[test]
fn where_a_running_job_is_reached_stands_above_its_log() {
    for (size, name) in [
        ((80, 24), "reached_80x24"),
        ((120, 40), "reached_120x40"),
        ((60, 15), "reached_60x15"),
    ] {
        let stage = fixtures::reached(size, "172.17.0.1");
        insta::assert_snapshot!(name, shown(&stage));
    }
    let mut stage = fixtures::reached((80, 24), "172.17.0.1");
    stage.press("9");
    insta::assert_snapshot!("reached_details_80x24", shown(&stage));
    let hostile = fixtures::reached((80, 24), "\u{1b}[31m10.0.0.1\u{202e}\n");
    insta::assert_snapshot!("reached_hostile_80x24", shown(&hostile));
    let mut over = fixtures::reached((80, 24), "172.17.0.1");
    over.press("k j");
    over.end("docs", JobStatus::Success);
    assert!(!shown(&over).contains("172.17.0.1"));
}

#[test]
fn a_failed_build() {
    insta::assert_snapshot!("failed_80x24", shown(&fixtures::failed((80, 24))));
    insta::assert_snapshot!("failed_120x40", shown(&fixtures::failed((120, 40))));
    insta::assert_snapshot!("failed_60x15", shown(&fixtures::failed((60, 15))));
    let mut stage = fixtures::failed((100, 30));
    stage.press("g");
    insta::assert_snapshot!("failed_the_build_100x30", shown(&stage));
}

#[test]
fn the_script_has_a_row_and_a_log_of_its_own() {
    for (size, name) in [
        ((80, 24), "script_log_80x24"),
        ((120, 40), "script_log_120x40"),
        ((200, 60), "script_log_200x60"),
    ] {
        let mut stage = fixtures::hosted(size);
        stage.press("g j");
        insta::assert_snapshot!(name, shown(&stage));
    }
}

#[test]
fn a_script_that_cannot_be_loaded_shows_its_log_without_a_key() {
    insta::assert_snapshot!("load_error_80x24", shown(&fixtures::load_error((80, 24))));
    insta::assert_snapshot!("load_error_120x40", shown(&fixtures::load_error((120, 40))));
}

#[test]
fn a_blocked_build_and_a_job_that_waits() {
    let mut stage = fixtures::blocked((100, 30));
    insta::assert_snapshot!("blocked_100x30", shown(&stage));
    stage.press("G");
    insta::assert_snapshot!("blocked_job_100x30", shown(&stage));
}

#[test]
fn artifacts_questions_and_keys() {
    let mut stage = fixtures::failed((100, 30));
    stage.press("g 5");
    insta::assert_snapshot!("artifacts_100x30", shown(&stage));
    stage.press("enter");
    insta::assert_snapshot!("save_100x30", shown(&stage));
    let mut stage = fixtures::running((80, 24));
    stage.press("q");
    insta::assert_snapshot!("quit_80x24", shown(&stage));
    stage.press("esc x");
    insta::assert_snapshot!("cancel_80x24", shown(&stage));
    stage.press("esc enter ?");
    insta::assert_snapshot!("help_80x24", shown(&stage));
}

#[test]
fn a_search_marks_what_it_finds() {
    let mut stage = fixtures::failed((100, 30));
    stage.press("enter /");
    stage.send(Msg::Edit(Edit::Insert("test".to_owned())));
    insta::assert_snapshot!("typing_100x30", shown(&stage));
    stage.send(Msg::Edit(Edit::Submit));
    insta::assert_snapshot!("found_100x30", shown(&stage));
    let warn = drawn(&stage, Look::default());
    let hits = warn
        .content
        .iter()
        .filter(|cell| cell.bg == Color::Rgb(227, 179, 106));
    assert!(hits.count() >= 8, "at least two hits have their colour");
}

#[test]
fn the_events_of_a_build_and_one_of_them() {
    for size in [(80, 24), (120, 40), (200, 60), (60, 15)] {
        let mut stage = fixtures::warned(size);
        stage.press("g 8");
        let name = format!("events_{}x{}", size.0, size.1);
        insta::assert_snapshot!(name, shown(&stage));
    }
    let mut stage = fixtures::failed((80, 24));
    stage.press("g 8 e enter");
    insta::assert_snapshot!("event_80x24", shown(&stage));
    let mut stage = fixtures::failed((120, 40));
    stage.press("g 8 g j j enter");
    insta::assert_snapshot!("event_120x40", shown(&stage));
}

#[test]
fn the_results_of_a_build_and_one_of_them() {
    for size in [(80, 24), (120, 40), (200, 60), (60, 15)] {
        let mut stage = fixtures::with_results(size);
        stage.press("g 6");
        let name = format!("results_{}x{}", size.0, size.1);
        insta::assert_snapshot!(name, shown(&stage));
    }
    let mut stage = fixtures::with_results((80, 24));
    stage.press("g 6 enter");
    insta::assert_snapshot!("result_80x24", shown(&stage));
}

#[test]
fn times_and_wrapping() {
    let mut stage = fixtures::failed((80, 24));
    stage.press("enter w t");
    insta::assert_snapshot!("clock_wrapped_80x24", shown(&stage));
    stage.press("t");
    insta::assert_snapshot!("since_start_wrapped_80x24", shown(&stage));
}

#[test]
fn in_ascii_nothing_else_is_drawn() {
    let look = Look {
        glyphs: GlyphSet::Ascii,
        ..Look::default()
    };
    let mut events = fixtures::warned((120, 40));
    events.press("g 8");
    for stage in [
        fixtures::failed((80, 24)),
        fixtures::blocked((80, 24)),
        fixtures::reached((80, 24), "::1"),
        events,
    ] {
        let screen = as_text(&drawn(&stage, look));
        assert!(screen.is_ascii(), "{screen}");
    }
    insta::assert_snapshot!(
        "ascii_80x24",
        as_text(&drawn(&fixtures::failed((80, 24)), look))
    );
}

// ---------------------------------------------------------------- what has to hold

#[test]
fn at_every_size_something_sensible_is_drawn() {
    let mut stage = fixtures::failed((80, 24));
    for width in (0..140).step_by(7) {
        for height in 0..40 {
            stage.send(Msg::Resize(width, height));
            for keys in ["", "?", "esc q esc f", "f b", "5", "1 g", "}"] {
                stage.press(keys);
                drawn(&stage, Look::default());
            }
            stage.effects.clear();
        }
    }
    stage.send(Msg::Resize(20, 5));
    assert!(shown(&stage).contains("20×5 is too small"));
    stage.send(Msg::Resize(10, 2));
    assert!(shown(&stage).contains("too small"));
}

#[test]
fn without_colours_no_colour_is_used_and_status_is_still_told() {
    let look = Look {
        colors: ColorDepth::None,
        ..Look::default()
    };
    let buffer = drawn(&fixtures::failed((100, 30)), look);
    for cell in &buffer.content {
        assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
    }
    let screen = as_text(&buffer);
    for told in [
        "FAILED",
        "✗ unit-tests failure",
        "✓ compile",
        "skipped: unit-te",
    ] {
        assert!(screen.contains(told), "{told}\n{screen}");
    }
    assert!(
        buffer
            .content
            .iter()
            .any(|cell| cell.modifier.contains(Modifier::REVERSED))
    );
}

#[test]
fn every_depth_uses_only_its_own_colours() {
    for background in [Background::Dark, Background::Light] {
        for colors in [ColorDepth::Ansi16, ColorDepth::Ansi256, ColorDepth::True] {
            let look = Look {
                colors,
                background,
                ..Look::default()
            };
            let mut stage = fixtures::failed((100, 30));
            stage.write(
                "unit-tests",
                1,
                "\x1b[38;2;10;200;30mgreen\x1b[48;5;93mviolet",
            );
            for cell in &drawn(&stage, look).content {
                for color in [cell.fg, cell.bg] {
                    let fits = match color {
                        Color::Rgb(..) => colors == ColorDepth::True,
                        Color::Indexed(_) => colors != ColorDepth::Ansi16,
                        _ => true,
                    };
                    assert!(fits, "{color:?} at {colors:?}");
                }
            }
        }
    }
}

#[test]
fn hostile_names_neither_move_nor_break_anything() {
    let mut stage = fixtures::running((100, 30));
    for id in [
        "a\u{1b}[2J\u{7}b",
        "\u{202e}desrever",
        "日本語日本語日本語日本語日本語",
        "👩‍👩‍👧 family",
        "a\nb\tc",
    ] {
        stage.begin(id);
        stage.write(id, 0, "\x1b]0;title\x07text\x1b[5;5Hmoved");
        stage.end(id, JobStatus::Other("od\u{1b}d".into()));
    }
    stage.press("G");
    let buffer = drawn(&stage, Look::default());
    for cell in &buffer.content {
        assert!(
            !cell.symbol().chars().any(char::is_control),
            "{:?}",
            cell.symbol()
        );
        assert!(!cell.symbol().contains('\u{202e}'));
    }
    // The line between the panes stands where it stood.
    let rule = stage.state.areas().rule.unwrap();
    for y in rule.top()..rule.bottom() {
        assert!("│┬┤".contains(buffer[(rule.x, y)].symbol()), "row {y}");
    }
}

#[test]
fn a_smaller_screen_than_the_state_knows_of_is_no_trouble() {
    let stage = fixtures::failed((120, 40));
    let mut help = fixtures::failed((120, 40));
    help.press("?");
    for size in [(120, 20), (60, 40), (5, 5), (1, 1), (0, 0)] {
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
        let ui = Ui::new(Look::default());
        ui.draw(&stage.state, &mut buffer);
        ui.draw(&help.state, &mut buffer);
    }
}

#[test]
fn two_columns_of_the_list_of_builds_never_run_into_each_other() {
    let mut stage = Stage::new((80, 24));
    let mut history = fixtures::history();
    history[0].branch = Some("a-branch-with-a-name-that-is-longer-than-the-pane".to_owned());
    history[1].sid = Sid::new("local", "calc", "x".repeat(90));
    history[1].branch = None;
    history[1].commit = None;
    stage.send(Msg::History(history));
    for row in shown(&stage).lines().filter(|row| row.contains(" ago ")) {
        let list: String = row.chars().take(32).collect();
        assert!(list.ends_with("ago "), "{row}");
        assert!(!list.contains("…2") && !list.contains("…7"), "{row}");
    }
}

// ---------------------------------------------------------------- pictures, to look at

/// Writes pictures of the main screens into the folder that `LOOK_DIR` names.
#[test]
fn pictures_for_people() {
    let Ok(dir) = std::env::var("LOOK_DIR") else {
        return;
    };
    let size = (110, 32);
    let after = |mut stage: Stage, keys: &str| {
        stage.press(keys);
        stage
    };
    let light = Look {
        background: Background::Light,
        ..Look::default()
    };
    let sixteen = Look {
        colors: ColorDepth::Ansi16,
        ..Look::default()
    };
    for (name, stage, look) in vec![
        ("plan", Stage::new(size), Look::default()),
        ("running", fixtures::running(size), Look::default()),
        ("failed", fixtures::failed(size), Look::default()),
        (
            "blocked",
            after(fixtures::blocked(size), "G"),
            Look::default(),
        ),
        ("small", fixtures::failed((80, 24)), Look::default()),
        ("tiny", fixtures::failed((60, 15)), Look::default()),
        ("help", after(fixtures::running(size), "?"), Look::default()),
        ("quit", after(fixtures::running(size), "q"), Look::default()),
        ("build", after(fixtures::failed(size), "g"), Look::default()),
        (
            "artifacts",
            after(fixtures::failed(size), "g 5"),
            Look::default(),
        ),
        (
            "read",
            after(fixtures::running(size), "g j j j enter"),
            Look::default(),
        ),
        ("sixteen", fixtures::failed(size), sixteen),
        ("light", fixtures::failed(size), light),
    ] {
        let picture = super::svg::svg(&drawn(&stage, look));
        std::fs::write(format!("{dir}/{name}.svg"), picture).unwrap();
    }
    let mut stage = fixtures::running(size);
    let mut frames = Vec::new();
    for _ in 0..20 {
        stage.wait(500);
        stage.write("docs", 0, "one more line");
        frames.push((500, drawn(&stage, Look::default())));
    }
    let picture = super::svg::animated_svg(&frames);
    std::fs::write(format!("{dir}/animated.svg"), picture).unwrap();
}
