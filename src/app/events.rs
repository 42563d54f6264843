//! The journal of a build as a pane shows it: one row an event, and one event taken apart.
//!
//! The events themselves belong to the source; here are references to them, an index of what is about
//! which job, and where the user is. Places count from the first event that was told, and stay: what is
//! read does not move when events come, when another job is looked at, or when the oldest are let go.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::domain::{
    Build, BuildStatus, Event, EventKind, JobId, JobStatus, JobUpdate, Millis, Src, TuiEvent,
};

use crate::edn::{Map, Value};
use crate::logs::Search;
use crate::wire;

/// Jobs that one line names at most.
const MOST_JOBS: usize = 3;

use super::build_view::Selected;
use super::page::Page;
use super::{text, tree};

/// Events that are kept; of a longer build the oldest are let go. The journal's file has them all.
const KEPT: usize = 200_000;

/// The events of a build, and where the user is among them.
#[derive(Debug, Clone)]
pub struct Events {
    all: VecDeque<Arc<Event>>,
    /// The place of the first that is kept.
    first: usize,
    /// The places of those that are about something.
    about: HashMap<Selected, VecDeque<usize>>,
    /// The last event stays in sight.
    pub follow: bool,
    /// The place that is selected.
    cursor: usize,
    /// The place of the first row on the screen.
    top: usize,
    /// How many events there were when following was paused.
    paused_at: usize,
    /// The event that is taken apart.
    pub open: Option<OpenEvent>,
    /// What the events tell that were let go.
    base: Build,
    /// Only those before this place have come at the moment that is shown; none is let go meanwhile.
    until: Option<usize>,
}

/// An event that is taken apart.
#[derive(Debug, Clone)]
pub struct OpenEvent {
    /// Which one.
    pub event: Arc<Event>,
    /// Its lines.
    pub page: Page,
}

/// What an event has to say to someone who skims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// One of many.
    Plain,
    /// Something ended well.
    Good,
    /// Something a user should know: a warning, a refusal.
    Warn,
    /// Something failed.
    Bad,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            all: VecDeque::new(),
            first: 0,
            about: HashMap::new(),
            follow: true,
            cursor: 0,
            top: 0,
            paused_at: 0,
            open: None,
            base: Build::default(),
            until: None,
        }
    }
}

impl Events {
    /// Takes an event in.
    pub(super) fn push(&mut self, event: &Arc<Event>) {
        let place = self.first + self.all.len();
        self.all.push_back(Arc::clone(event));
        if let Some(about) = about(event) {
            self.about.entry(about).or_default().push_back(place);
        }
        while self.all.len() > KEPT
            && self.until.is_none()
            && let Some(oldest) = self.all.pop_front()
        {
            self.base.apply(&oldest);
            self.first += 1;
            if let Some(places) = about(&oldest).and_then(|about| self.about.get_mut(&about)) {
                places.pop_front();
            }
        }
    }

    /// How many events were let go because there are too many.
    pub fn gone(&self) -> usize {
        self.first
    }

    /// What the events tell that were let go.
    pub(super) fn base(&self) -> &Build {
        &self.base
    }

    /// The event of a place.
    pub(super) fn at(&self, place: usize) -> Option<&Event> {
        self.all
            .get(place.checked_sub(self.first)?)
            .map(|event| &**event)
    }

    /// All events that are kept.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Event> {
        self.all.iter().map(|event| &**event)
    }

    /// Lists only what comes before a place, or all.
    pub(super) fn show_until(&mut self, place: Option<usize>) {
        self.until = place;
    }

    /// The place after the last that is listed.
    fn end(&self) -> usize {
        let end = self.first + self.all.len();
        self.until.map_or(end, |until| until.min(end))
    }

    /// The places of what is listed, and perhaps more behind; `None`: all of them.
    fn places(&self, of: &Selected) -> Option<Cow<'_, VecDeque<usize>>> {
        if *of == Selected::Build {
            return None;
        }
        Some(match self.about.get(of) {
            Some(places) => Cow::Borrowed(places),
            None => Cow::default(),
        })
    }

    /// How many events there are of what is selected.
    pub fn len(&self, of: &Selected) -> usize {
        let end = self.end();
        match self.places(of) {
            None => end.saturating_sub(self.first),
            Some(places) => places.partition_point(|place| *place < end),
        }
    }

    /// The event in a row.
    pub fn event(&self, of: &Selected, row: usize) -> Option<&Arc<Event>> {
        self.all.get(self.place(of, row)?.checked_sub(self.first)?)
    }

    fn place(&self, of: &Selected, row: usize) -> Option<usize> {
        match self.places(of) {
            None => (row < self.len(of)).then_some(self.first + row),
            Some(places) => places.get(row).copied().filter(|place| *place < self.end()),
        }
    }

    /// The row of a place, or of the next one that is listed.
    fn row(&self, of: &Selected, place: usize) -> usize {
        match self.places(of) {
            None => place.saturating_sub(self.first),
            Some(places) => places.partition_point(|known| *known < place),
        }
    }

    /// The row that is selected.
    pub fn selected(&self, of: &Selected) -> usize {
        let last = self.len(of).saturating_sub(1);
        if self.follow {
            last
        } else {
            self.row(of, self.cursor).min(last)
        }
    }

    /// The first row on the screen.
    pub fn top(&self, of: &Selected, height: usize) -> usize {
        let count = self.len(of);
        let top = self.row(of, self.top);
        super::update::scrolled(top, self.selected(of), count, height)
    }

    /// How many events came since following was paused.
    pub fn since(&self, of: &Selected) -> usize {
        if self.follow {
            return 0;
        }
        self.len(of) - self.row(of, self.paused_at).min(self.len(of))
    }

    /// Selects a row and keeps it in sight.
    pub(super) fn select(&mut self, of: &Selected, row: usize, height: usize) {
        self.pause(of, height);
        let row = row.min(self.len(of).saturating_sub(1));
        if let Some(place) = self.place(of, row) {
            self.cursor = place;
        }
        self.settle(of, height);
    }

    /// Stops following: what is on the screen stays there.
    pub(super) fn pause(&mut self, of: &Selected, height: usize) {
        if self.follow {
            self.settle(of, height);
            self.follow = false;
            self.paused_at = self.end();
        }
    }

    /// Follows the events again.
    pub(super) fn resume(&mut self) {
        self.follow = true;
    }

    /// Remembers where the screen stands.
    pub(super) fn settle(&mut self, of: &Selected, height: usize) {
        let (row, top) = (self.selected(of), self.top(of, height));
        if self.follow
            && let Some(place) = self.place(of, row)
        {
            self.cursor = place;
        }
        if let Some(place) = self.place(of, top) {
            self.top = place;
        }
    }

    /// Takes the selected event apart.
    pub(super) fn enter(&mut self, of: &Selected) {
        if let Some(event) = self.event(of, self.selected(of)) {
            self.open = Some(OpenEvent::new(Arc::clone(event)));
        }
    }

    /// The next row with such an event, or the one before; round and round.
    pub(super) fn find(
        &self,
        of: &Selected,
        from: usize,
        backwards: bool,
        wanted: impl Fn(&Event) -> bool,
    ) -> Option<usize> {
        let count = self.len(of);
        round(from, count, backwards)
            .find(|row| self.event(of, *row).is_some_and(|event| wanted(event)))
    }
}

impl OpenEvent {
    fn new(event: Arc<Event>) -> Self {
        Self {
            page: Page::new(tree::lines(&wire::edn_event(&event))),
            event,
        }
    }
}

/// All numbers below `count`, from one on, round and round.
pub(super) fn round(from: usize, count: usize, backwards: bool) -> impl Iterator<Item = usize> {
    (0..count).map(move |step| {
        let step = if backwards { count - step } else { step };
        (from + step) % count
    })
}

/// What an event is about, besides the build.
fn about(event: &Event) -> Option<Selected> {
    if let Some(id) = &event.job_id {
        return Some(Selected::Job(id.clone()));
    }
    match &event.kind {
        EventKind::ScriptInitializing { .. }
        | EventKind::ScriptStart { .. }
        | EventKind::ScriptEnd { .. }
        | EventKind::Tui(
            TuiEvent::Host { .. } | TuiEvent::ResultSaved { .. } | TuiEvent::Read(_),
        ) => Some(Selected::Script),
        _ => None,
    }
}

/// What an event has to say to someone who skims.
pub fn tone(event: &Event) -> Tone {
    let of_job = |status: Option<&JobStatus>| match status {
        Some(JobStatus::Success) => Tone::Good,
        Some(status) if status.is_failed() => Tone::Bad,
        _ => Tone::Plain,
    };
    let of_build = |status: Option<&BuildStatus>| match status {
        Some(BuildStatus::Success) => Tone::Good,
        Some(BuildStatus::Error) => Tone::Bad,
        _ => Tone::Plain,
    };
    match &event.kind {
        EventKind::BuildEnd { status, .. } | EventKind::ScriptEnd { status } => {
            of_build(status.as_ref())
        }
        EventKind::JobExecuted { status, .. }
        | EventKind::JobEnd { status, .. }
        | EventKind::ContainerEnd { status, .. } => of_job(status.as_ref()),
        EventKind::CommandEnd { exit, .. } => match exit {
            Some(0) => Tone::Good,
            Some(_) => Tone::Bad,
            None => Tone::Plain,
        },
        EventKind::BuildCanceled
        | EventKind::Tui(
            TuiEvent::Warning | TuiEvent::Interrupted | TuiEvent::Gap | TuiEvent::Anew,
        ) => Tone::Warn,
        _ => Tone::Plain,
    }
}

/// Who an event comes from.
pub fn source(event: &Event) -> &str {
    event.src.as_ref().map_or("", Src::as_str)
}

/// What matters of an event besides its type and its job, in one line; `dot` stands between the parts.
pub fn what(event: &Event, dot: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    match &event.kind {
        EventKind::BuildTriggered { build }
        | EventKind::BuildPending { build }
        | EventKind::BuildQueued { build }
        | EventKind::BuildInitializing { build } => parts.extend(of_build(build)),
        EventKind::BuildUpdated { build, jobs } => {
            let named = |update: &JobUpdate| {
                let status = update.status.as_ref().map_or("pending", JobStatus::as_str);
                format!("{} {status}", update.job.id)
            };
            if jobs.is_empty() {
                parts.extend(text_of(build.get_kw("status")));
            }
            parts.extend(jobs.iter().take(MOST_JOBS).map(named));
            if jobs.len() > MOST_JOBS {
                parts.push(format!("{} more", jobs.len() - MOST_JOBS));
            }
        }
        EventKind::BuildEnd { status, .. } | EventKind::ScriptEnd { status } => {
            parts.extend(status.as_ref().map(ToString::to_string));
        }
        EventKind::ScriptInitializing { script_dir } => parts.extend(script_dir.clone()),
        EventKind::ScriptStart { jobs } => parts.push(text::count(jobs.len(), "job")),
        EventKind::JobInitializing { local_dir, .. } => parts.extend(local_dir.clone()),
        EventKind::JobExecuted { status, result }
        | EventKind::JobEnd { status, result }
        | EventKind::ContainerEnd { status, result } => {
            parts.extend(status.as_ref().map(ToString::to_string));
            parts.extend(of_result(result));
        }
        EventKind::ContainerScriptEnd { result, .. } | EventKind::SidecarEnd { result } => {
            parts.extend(of_result(result));
        }
        EventKind::JobPending { job }
        | EventKind::JobQueued { job }
        | EventKind::ContainerJobQueued { job, .. } => {
            parts.extend(job.as_ref().and_then(|job| job.image.clone()));
        }
        EventKind::CommandStart { command, .. } => {
            parts.push(format!("command {}", ordinal(command)));
        }
        EventKind::CommandEnd { command, exit, .. } => {
            parts.push(format!("command {}", ordinal(command)));
            parts.extend(exit.map(|exit| format!("exit {exit}")));
        }
        EventKind::Tui(event) => of_ours(event, &mut parts),
        EventKind::Other(_) => parts.extend(of_map(&event.extra)),
        _ => {}
    }
    if let Some(message) = &event.message
        && !parts.contains(message)
    {
        parts.push(message.clone());
    }
    text::clean(&parts.join(&format!(" {dot} "))).into_owned()
}

/// The index of a command as people count.
fn ordinal(command: &str) -> String {
    match command.parse::<u64>() {
        Ok(index) => (index.saturating_add(1)).to_string(),
        Err(_) => command.to_owned(),
    }
}

/// A keyword's or a string's name.
fn text_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Keyword(keyword) => Some(keyword.as_str().to_owned()),
        other => other.as_str().map(str::to_owned),
    }
}

fn of_build(build: &Map) -> Option<String> {
    let git = build.get_kw("git")?;
    let part = |key: &str| git.get(key).and_then(Value::as_str);
    let commit = part("commit-id").map(text::short_commit);
    let parts: Vec<String> = part("branch")
        .or_else(|| part("ref"))
        .map(str::to_owned)
        .into_iter()
        .chain(commit)
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn of_result(result: &Map) -> Vec<String> {
    let exit = result.get_kw("exit").and_then(Value::as_i64);
    let message = result.get_kw("message").and_then(Value::as_str);
    exit.map(|exit| format!("exit {exit}"))
        .into_iter()
        .chain(message.map(str::to_owned))
        .collect()
}

fn of_ours(event: &TuiEvent, parts: &mut Vec<String>) {
    match event {
        TuiEvent::Remote { server } => parts.push(server.clone()),
        TuiEvent::Request { args } => parts.push(args.join(" ")),
        TuiEvent::Workspace { digest } => parts.push(digest.clone()),
        TuiEvent::Reused { build } => parts.push(build.clone()),
        TuiEvent::Warning
        | TuiEvent::Interrupted
        | TuiEvent::Gap
        | TuiEvent::Anew
        | TuiEvent::Pulled => {}
        TuiEvent::Pulling(pull) => parts.push(pull.to_string()),
        TuiEvent::ArtifactSaved { id, path, size } | TuiEvent::CacheSaved { id, path, size } => {
            let size = (*size > 0).then(|| text::bytes(*size));
            parts.extend(
                [Some(id.clone()), size, Some(path.clone())]
                    .into_iter()
                    .flatten(),
            );
        }
        TuiEvent::Resources(used) => {
            parts.push(format!("{}% cpu", used.cpu_percent));
            parts.push(text::bytes(used.memory));
        }
        TuiEvent::Attempt { attempt } => parts.push(format!("attempt {attempt}")),
        TuiEvent::Executor { name } | TuiEvent::Host { name } => parts.push(name.clone()),
        TuiEvent::ResultSaved {
            name,
            media_type,
            size,
        } => parts.extend([name.clone(), media_type.clone(), text::bytes(*size)]),
        TuiEvent::Read(access) => {
            parts.push(match &access.name {
                Some(name) => format!("{} {name}", access.what),
                None => access.what.clone(),
            });
            parts.push(format!("by the {}", access.by));
        }
    }
}

/// The plain values of a map, as far as they are short; what is large is seen when it is opened.
fn of_map(map: &Map) -> Option<String> {
    let parts: Vec<String> = map
        .iter()
        .filter(|(_, value)| {
            !matches!(
                value,
                Value::Map(_)
                    | Value::Vector(_)
                    | Value::List(_)
                    | Value::Set(_)
                    | Value::Tagged(..)
            ) && value.as_str().is_none_or(|words| words.len() <= 200)
        })
        .take(4)
        .map(|(key, value)| format!("{key} {value}"))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// An event as one line of text, as the pane has it: what a search looks at.
pub fn line(event: &Event, utc_offset: i32) -> String {
    let job = event.job_id.as_ref().map(JobId::as_str).unwrap_or_default();
    format!(
        "{} {} {} {} {job} {}",
        event.seq,
        clock(event.at(), utc_offset),
        source(event),
        event.type_name(),
        what(event, "·")
    )
}

/// True when the pane shows what is looked for in the event's row.
pub(super) fn matches(event: &Event, search: &Search, utc_offset: i32) -> bool {
    search.is_match(&text::clean(&line(event, utc_offset)))
}

/// The time of day with milliseconds: `14:03:59.120`.
pub fn clock(at: Millis, utc_offset: i32) -> String {
    format!("{}.{:03}", text::clock(at, utc_offset), at.rem_euclid(1000))
}
