//! Shells in containers, as the reducer sees them.

use crate::logs::{Span, Style, StyledLine};

use super::fixtures::{self, Stage};
use super::shell::ShellScreen;
use super::*;

const SIZE: (u16, u16) = (80, 24);

fn line(text: &str) -> StyledLine {
    StyledLine {
        spans: vec![Span {
            text: text.to_owned(),
            style: Style::default(),
        }],
        cut: false,
    }
}

fn key(spelled: &str) -> Msg {
    Msg::ShellKey(spelled.parse().unwrap())
}

/// A shell in the job `test`, and the number of its request.
fn opened() -> (Stage, u64) {
    let mut stage = fixtures::running(SIZE);
    stage.effects.clear();
    stage.press("s");
    let [
        Effect::OpenShell {
            generation, size, ..
        },
    ] = &stage.effects[..]
    else {
        panic!("{:?}", stage.effects);
    };
    // The whole screen, without header, title and footer.
    assert_eq!(*size, (80, 19));
    let generation = *generation;
    stage.effects.clear();
    (stage, generation)
}

#[test]
fn every_key_but_one_is_the_shells() {
    let (mut stage, generation) = opened();
    assert_eq!(stage.state.context(), Context::Shell);
    for spelled in ["q", "ctrl-c", "ctrl-z", "ctrl-l", "x", "esc"] {
        let pressed = spelled.parse().unwrap();
        let action = stage.state.bindings.action(Context::Shell, pressed);
        assert_eq!(action, None, "{spelled}");
    }
    // Also before it is there.
    stage.send(key("l"));
    let screen = ShellScreen {
        application_cursor: true,
        ..ShellScreen::default()
    };
    stage.send(Msg::ShellScreen(generation, Box::new(screen)));
    stage.send(key("up"));
    stage.send(Msg::ShellPaste("a\nb".to_owned()));
    let typed = |text: &[u8]| Effect::TypeIntoShell(text.to_vec());
    assert_eq!(
        stage.effects,
        [typed(b"l"), typed(b"\x1bOA"), typed(b"a\rb")]
    );
    stage.effects.clear();
    stage.send(Msg::Action(Action::LeaveShell));
    assert_eq!(stage.effects, [Effect::CloseShell]);
    assert!(stage.state.shell.is_none());
}

#[test]
fn its_end_leads_back_and_is_told() {
    let (mut stage, generation) = opened();
    // Of one that was left before.
    stage.send(Msg::ShellEnded(generation - 1, Ok(Some(0))));
    assert!(stage.state.shell.is_some());
    stage.send(Msg::ShellEnded(generation, Ok(Some(3))));
    assert!(stage.state.shell.is_none());
    let said = stage.state.notice.clone().unwrap();
    assert_eq!(said.text, "the shell has ended with exit status 3");
    assert_eq!(stage.state.context(), Context::Jobs);

    let (mut stage, generation) = opened();
    let reason = "no container of test is there".to_owned();
    stage.send(Msg::ShellEnded(generation, Err(reason.clone())));
    let said = stage.state.notice.clone().unwrap();
    assert_eq!((said.bad, said.text), (true, reason));
}

#[test]
fn it_hears_of_another_size() {
    let (mut stage, _) = opened();
    stage.send(Msg::Resize(80, 24));
    assert_eq!(stage.effects, []);
    stage.send(Msg::Resize(120, 40));
    assert_eq!(stage.effects, [Effect::ResizeShell(120, 35)]);
}

#[test]
fn without_a_job_there_is_no_shell() {
    let mut stage = Stage::new(SIZE);
    stage.effects.clear();
    for keys in ["s", "K"] {
        stage.press(keys);
        assert!(stage.state.notice.as_ref().unwrap().bad);
        assert_eq!(stage.effects, []);
    }
    let mut stage = fixtures::running(SIZE);
    stage.effects.clear();
    stage.press("K");
    assert!(matches!(stage.effects[..], [Effect::KeepContainer(..)]));
}

/// For pictures: a shell in which something was typed.
pub(crate) fn with_shell(size: (u16, u16)) -> Stage {
    let mut stage = fixtures::running(size);
    stage.press("s");
    let generation = stage.state.shell.as_ref().unwrap().generation;
    let red = Style {
        fg: crate::logs::Color::Indexed(1),
        ..Style::default()
    };
    let mut error = line("FAIL ");
    error.spans[0].style = red;
    error.spans.extend(line("calc.test: 2 + 2 is 5").spans);
    let screen = ShellScreen {
        rows: vec![
            line("/home/monkeyci # ./test.sh"),
            error,
            line("/home/monkeyci # vi calc.c 你好"),
        ],
        cursor: Some((31, 2)),
        ..ShellScreen::default()
    };
    stage.send(Msg::ShellScreen(generation, Box::new(screen)));
    stage
}
