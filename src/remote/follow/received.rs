//! What is recorded of an event of a server's journal.

use crate::domain::{Event, EventKind, Job, Seq, Sid, TuiEvent};
use crate::edn::{Keyword, Map, Value};

use super::numbers::NUMBER;

/// What stands for a value that may be a secret.
const HIDDEN: &str = "***";

/// Where an event may have values that may be secrets, beside what is typed (events.md §3).
const SECRET: [&str; 4] = ["params", "env", "container/env", "dek"];

/// Whether an event may be one of a build on a server. What only a recording of ours says, no server does:
/// how a build was asked for is carried out when it is run again.
pub(super) fn fits(event: &Event, here: &Sid) -> bool {
    let is_ours = matches!(
        event.kind,
        EventKind::Tui(TuiEvent::Remote { .. } | TuiEvent::Anew | TuiEvent::Request { .. })
    );
    // The org may be called otherwise there.
    let of_another = |sid: &Sid| sid.repo != here.repo || sid.build != here.build;
    !is_ours && !event.sid.as_ref().is_some_and(of_another)
}

/// The event as it is recorded here: with its number there, and without what may be secret.
pub(super) fn recorded(mut event: Event, number: Seq) -> Event {
    match &mut event.kind {
        EventKind::ScriptStart { jobs } => jobs.iter_mut().for_each(hide_values),
        EventKind::JobPending { job } | EventKind::JobQueued { job } => {
            job.as_deref_mut().into_iter().for_each(hide_values);
        }
        EventKind::ContainerJobQueued { job, dek } => {
            job.as_deref_mut().into_iter().for_each(hide_values);
            *dek = None;
        }
        EventKind::BuildUpdated { build, jobs } => {
            hide(build);
            for update in jobs {
                hide_values(&mut update.job);
            }
        }
        EventKind::BuildTriggered { build }
        | EventKind::BuildPending { build }
        | EventKind::BuildQueued { build }
        | EventKind::BuildInitializing { build }
        | EventKind::BuildEnd {
            build: Some(build), ..
        } => hide(build),
        _ => {}
    }
    hide(&mut event.extra);
    event.seq = 0;
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    event.extra.insert_kw(NUMBER, number);
    event
}

/// The names of a job's variables are for people, the values may be secrets (security.md §6).
pub(super) fn hide_values(job: &mut Job) {
    for (_, value) in &mut job.env {
        value.replace_range(.., HIDDEN);
    }
    hide(&mut job.extra);
}

/// The same, of what is not typed, however deep it is.
fn hide(map: &mut Map) {
    *map = shown(std::mem::take(map));
}

fn shown(map: Map) -> Map {
    let pairs = map.into_iter().map(|(key, value)| {
        let name = key.as_keyword().map(Keyword::as_str);
        let value = match value {
            Value::Map(of) if name.is_some_and(is_secret) => {
                let hidden = of.into_iter().map(|(name, _)| (name, HIDDEN.into()));
                Value::Map(hidden.collect())
            }
            _ if name.is_some_and(is_secret) => HIDDEN.into(),
            value => shown_value(value),
        };
        (key, value)
    });
    pairs.collect()
}

fn shown_value(value: Value) -> Value {
    let all = |items: Vec<Value>| items.into_iter().map(shown_value).collect();
    match value {
        Value::Map(map) => Value::Map(shown(map)),
        Value::List(items) => Value::List(all(items)),
        Value::Vector(items) => Value::Vector(all(items)),
        Value::Set(items) => Value::Set(all(items)),
        plain => plain,
    }
}

fn is_secret(key: &str) -> bool {
    SECRET.contains(&key)
}
