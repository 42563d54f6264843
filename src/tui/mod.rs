//! The loop of the interface, the terminal, and what its keys mean.
//!
//! [`run`] is the loop: take messages until there are none, then draw, if something has changed.
//! [`Tty`] is the terminal and gives it back in every way the program can end; `input` turns what the
//! terminal sends into messages. What a message does is decided in `app`, how it looks in `ui`; the
//! effects that are not the loop's own are handed to whoever called [`run`].

mod input;
mod screen;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::{Action, Effect, Msg, Notice, QuitManner, State, update};
use crate::ports::{Clock, SourceItem};
use crate::ui::Ui;

pub use input::{Input, terminal_input};
pub use screen::{Screen, Tty, without_panic};

/// Least time between two frames: 60 a second.
const FRAME: Duration = Duration::from_micros(16_667);
/// Messages that are handled before a frame that is due is drawn.
const BATCH: usize = 512;

/// How the loop ended.
#[derive(Debug)]
pub struct Ended {
    /// What was known then.
    pub state: State,
    /// How the program is left.
    pub manner: QuitManner,
}

/// The terminal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the terminal cannot be used")]
pub struct TuiError(#[from] io::Error);

/// Shows the state and changes it until the program is left. An idle loop sleeps: nothing wakes it
/// but input, a message, and once a second the clock while something runs.
pub async fn run<S: Screen>(
    mut state: State,
    ui: &Ui,
    screen: &mut S,
    mut input: impl Stream<Item = io::Result<Input>> + Unpin,
    mut msgs: UnboundedReceiver<Msg>,
    clock: &dyn Clock,
    mut perform: impl FnMut(Effect),
) -> Result<Ended, TuiError> {
    let mut may_draw = Instant::now();
    let mut known = state.size;
    let mut msgs_open = true;
    let mut waiting: Vec<Msg> = Vec::new();
    loop {
        // Draw, if something has changed and the last frame is long enough ago.
        if state.dirty && Instant::now() >= may_draw {
            state.dirty = false;
            screen.draw(|frame| ui.render(&state, frame))?;
            may_draw = Instant::now() + FRAME;
        }
        let wakes_in = state.wakes_in(clock.now());
        let wakes_in = wakes_in.map(|ms| Duration::from_millis(ms.unsigned_abs()));
        // Wait. Keys come first, so that a flood of events does not keep them waiting.
        let woken = tokio::select! {
            biased;
            event = input.next() => Woken::Input(event),
            msg = msgs.recv(), if msgs_open => Woken::Msg(msg),
            () = sleep_until(may_draw), if state.dirty => Woken::Time,
            () = sleep(wakes_in.unwrap_or_default()), if wakes_in.is_some() => Woken::Time,
        };
        // Take what there is, until there is nothing or a frame's worth.
        waiting.push(Msg::Tick(clock.now()));
        // The news of another size can be lost among keys that come in the same instant.
        if let Ok(size) = screen.size()
            && size != known
        {
            known = size;
            waiting.push(Msg::Resize(size.0, size.1));
        }
        match woken {
            Woken::Input(event) => take(event, &state, screen, &mut waiting)?,
            Woken::Msg(Some(msg)) => waiting.push(msg),
            Woken::Msg(None) => msgs_open = false,
            Woken::Time => {}
        }
        let mut handled = 0;
        loop {
            for msg in std::mem::take(&mut waiting) {
                handled += 1;
                for effect in update(&mut state, msg) {
                    match effect {
                        Effect::Quit(manner) => return Ok(Ended { state, manner }),
                        own if own.is_of_the_loop() => {
                            carry_out(own, screen, &mut state, &mut waiting)?;
                        }
                        effect => perform(effect),
                    }
                }
            }
            if !waiting.is_empty() {
                continue;
            }
            if handled >= BATCH {
                break;
            }
            if let Some(event) = input.next().now_or_never() {
                // One at a time: what the next key means depends on what this one does.
                take(event, &state, screen, &mut waiting)?;
                continue;
            }
            while waiting.len() < BATCH
                && let Ok(msg) = msgs.try_recv()
            {
                join(&mut waiting, msg);
            }
            if waiting.is_empty() {
                break;
            }
        }
    }
}

/// Adds a message; news of a build that follows older news of it becomes one message with it, so
/// that a flood of events is looked at once and not after each of them.
fn join(msgs: &mut Vec<Msg>, msg: Msg) {
    match (msgs.last_mut(), msg) {
        (
            Some(Msg::Source(sid, SourceItem::Events(known))),
            Msg::Source(of, SourceItem::Events(events)),
        ) if *sid == of => known.extend(events),
        // Only the last picture is seen.
        (Some(Msg::ShellScreen(of, old)), Msg::ShellScreen(number, screen)) if *of == number => {
            *old = screen;
        }
        (_, msg) => msgs.push(msg),
    }
}

/// What ended a wait.
enum Woken {
    Input(Option<io::Result<Input>>),
    Msg(Option<Msg>),
    Time,
}

/// Turns an input into messages.
fn take<S: Screen>(
    event: Option<io::Result<Input>>,
    state: &State,
    screen: &mut S,
    msgs: &mut Vec<Msg>,
) -> Result<(), TuiError> {
    match event {
        Some(Err(error)) => return Err(error.into()),
        // A terminal that has gone away sends nothing more.
        None | Some(Ok(Input::Terminate)) => msgs.push(Msg::Terminate),
        Some(Ok(Input::Interrupt)) => msgs.push(Msg::Action(Action::Interrupt)),
        Some(Ok(Input::Continued)) => {
            screen.retake()?;
            let (width, height) = screen.size()?;
            msgs.push(Msg::Resize(width, height));
        }
        Some(Ok(Input::Terminal(event))) => msgs.extend(input::message(state, &event)),
    }
    Ok(())
}

/// Carries out what the loop does itself; what follows from it is put into `msgs`.
fn carry_out<S: Screen>(
    effect: Effect,
    screen: &mut S,
    state: &mut State,
    msgs: &mut Vec<Msg>,
) -> io::Result<()> {
    match effect {
        Effect::Redraw => screen.clear()?,
        Effect::Suspend => screen.suspend()?,
        Effect::Mouse(on) => screen.mouse(on)?,
        Effect::Copy(text) => {
            // A clipboard that cannot be reached is no reason to leave.
            if let Err(error) = screen.copy(&text) {
                state.notice = Some(Notice::bad(format!("cannot copy: {error}")));
            }
        }
        _ => {}
    }
    // The window may have another size by now, and somebody else may have written on it.
    let (width, height) = screen.size()?;
    msgs.push(Msg::Resize(width, height));
    Ok(())
}
