//! Shells in containers: opened, typed into, left.

use crate::app::msg::Effect;
use crate::app::shell::{ShellScreen, ShellView};
use crate::app::state::State;
use crate::domain::{JobId, Sid};

use super::{refuse, say};

/// Opens a shell in the container of the selected job.
pub(super) fn open(state: &mut State, effects: &mut Vec<Effect>) {
    let Some((sid, job)) = selected(state) else {
        return;
    };
    state.generation += 1;
    let generation = state.generation;
    state.shell = Some(ShellView {
        generation,
        sid: sid.clone(),
        job: job.clone(),
        size: (0, 0),
        screen: None,
    });
    // It has another area than what was there.
    let size = state.shell_size();
    if let Some(shell) = &mut state.shell {
        shell.size = size;
    }
    effects.push(Effect::OpenShell {
        generation,
        sid,
        job,
        size,
    });
}

/// Asks to keep the container of the selected job if it fails, or not to.
pub(super) fn keep(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some((sid, job)) = selected(state) {
        effects.push(Effect::KeepContainer(sid, job));
    }
}

fn selected(state: &mut State) -> Option<(Sid, JobId)> {
    let job = state.job().map(|job| job.id().clone());
    let found = state.shown.clone().zip(job);
    if found.is_none() {
        refuse(state, "select a job of a build: its container is meant");
    }
    found
}

/// Leaves the shell.
pub(super) fn leave(state: &mut State, effects: &mut Vec<Effect>) {
    if state.shell.take().is_some() {
        effects.push(Effect::CloseShell);
    }
}

/// Something is typed. A shell that is not there yet hears it too.
pub(super) fn typed(
    state: &State,
    bytes: impl FnOnce(&ShellScreen) -> Vec<u8>,
    effects: &mut Vec<Effect>,
) -> bool {
    if let Some(shell) = &state.shell {
        let bytes = match &shell.screen {
            Some(screen) => bytes(screen),
            None => bytes(&ShellScreen::default()),
        };
        if !bytes.is_empty() {
            effects.push(Effect::TypeIntoShell(bytes));
        }
    }
    false
}

/// The terminal has another size.
pub(super) fn resized(state: &mut State, effects: &mut Vec<Effect>) {
    let size = state.shell_size();
    if let Some(shell) = &mut state.shell
        && shell.size != size
        && size.0 > 0
    {
        shell.size = size;
        effects.push(Effect::ResizeShell(size.0, size.1));
    }
}

/// The shell shows something else.
pub(super) fn shows(state: &mut State, generation: u64, screen: ShellScreen) -> bool {
    match &mut state.shell {
        Some(shell) if shell.generation == generation => {
            shell.screen = Some(screen);
            state.dirty = true;
        }
        // It was left meanwhile.
        _ => {}
    }
    false
}

/// The shell has ended, or was never there.
pub(super) fn ended(state: &mut State, generation: u64, end: Result<Option<i64>, String>) -> bool {
    let is_it = |shell: &ShellView| shell.generation == generation;
    if !state.shell.as_ref().is_some_and(is_it) {
        return false;
    }
    state.shell = None;
    match end {
        Ok(Some(exit)) => say(
            state,
            format!("the shell has ended with exit status {exit}"),
        ),
        Ok(None) => say(state, "the shell has ended"),
        Err(reason) => refuse(state, reason),
    }
    true
}
