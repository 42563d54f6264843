//! Follows a build on a server: what it says of the build becomes a journal, and its logs become ours.
//!
//! A server of this program is asked for the build's own journal (`numbered.rs`). Any other, by looking at the
//! build now and then, which is here:
//!
//! ```text
//! open the stream ─▶ GET the build ─▶ updates, logs by polling ─▶ final ─▶ GET, logs ─▶ build/end
//!        ▲                                   │ broken
//!        └────────────── wait ◀──────────────┘
//! ```
//!
//! The stream is opened before the state is asked for, so that nothing falls between the two
//! (public-api.md §8). A server that has no stream for us is polled.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep, sleep_until};

use crate::domain::{
    Build, Event, EventKind, JobId, JobState, JobStatus, JobUpdate, LogId, Millis, Sid, TuiEvent,
};
use crate::edn::Map;
use crate::journal::{Journal, JournalError};
use crate::ports::{Clock, SourceItem, chain};
use crate::wire;

use super::super::retry::jittered;
use super::logs::{Interest, RemoteLogs};
use super::numbers::Numbers;
use super::{BuildApi, Heard, Pace, Trouble, received};

/// What follows one build.
pub(super) struct Follower {
    pub(super) sid: Sid,
    pub(super) server: String,
    pub(super) api: Arc<dyn BuildApi>,
    pub(super) journal: Journal,
    pub(super) logs: RemoteLogs,
    pub(super) interest: Arc<Interest>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) pace: Pace,
    pub(super) to: UnboundedSender<SourceItem>,
    /// What the journal comes to.
    pub(super) build: Build,
    /// Where the server's own journal stands.
    pub(super) numbers: Numbers,
    /// The end of the build as that says, which is recorded when the logs are here too.
    pub(super) end: Option<Event>,
    /// What was told last of each job, so that only news is journaled.
    pub(super) told: HashMap<JobId, JobUpdate>,
    /// Likewise of the build itself.
    pub(super) told_build: Option<Map>,
}

/// Nobody listens any more, or the journal cannot be written: it is over.
pub(super) struct Over;

/// How a connection has ended: with the build, or broken.
pub(super) type Outcome = Result<(), Trouble>;

/// What lasts from one connection to the next.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// All that was there in the beginning has been told.
    caught_up: bool,
    /// Since when there is no connection.
    lost_since: Option<Millis>,
    /// This connection was said to be good.
    is_well: bool,
}

impl Course {
    /// All that was there in the beginning has been told.
    pub(super) fn has_caught_up(&self) -> bool {
        self.caught_up
    }
}

impl Follower {
    pub(super) async fn run(mut self) {
        // Nobody is left to be told.
        let _ = self.follow().await;
    }

    async fn follow(&mut self) -> Result<(), Over> {
        let known = self.journal.events();
        let is_whole = (known.iter()).any(|event| matches!(event.kind, EventKind::BuildEnd { .. }));
        self.begin(known)?;
        if is_whole {
            self.tell(SourceItem::CaughtUp)?;
            self.journal.close();
            return Ok(());
        }
        let mut failures = 0_u32;
        let mut course = Course::default();
        while !self.is_done() {
            let heard_before = self.journal.last_seq();
            let trouble = match self.connection(&mut course).await? {
                Ok(()) => continue,
                Err(trouble) => trouble,
            };
            course.lost_since.get_or_insert(self.clock.now());
            let lasts = trouble.lasts;
            failures = if self.journal.last_seq() > heard_before {
                1
            } else {
                failures.saturating_add(1)
            };
            let retry_in = if lasts {
                self.pace.back_off.1
            } else {
                self.back_off(failures)
            };
            self.tell(SourceItem::Lost {
                reason: trouble.reason,
                retry_in,
            })?;
            sleep(retry_in).await;
        }
        if !course.caught_up {
            self.tell(SourceItem::CaughtUp)?;
        }
        self.finish().await
    }

    /// The build is over, and what says so has said all.
    fn is_done(&self) -> bool {
        self.end.is_some() || (self.build.is_over() && !self.numbers.tell_the_end())
    }

    /// One connection: to the build's own journal where the server has it.
    async fn connection(&mut self, course: &mut Course) -> Result<Outcome, Over> {
        course.is_well = false;
        if self.numbers.may_be_had()
            && let Some(outcome) = self.numbered(course).await?
        {
            return Ok(outcome);
        }
        self.updates(course).await
    }

    /// The journal's first line says where the build runs.
    fn begin(&mut self, known: Vec<Arc<Event>>) -> Result<(), Over> {
        if known.is_empty() {
            let server = self.server.clone();
            return self.record(vec![Event::new(EventKind::Tui(TuiEvent::Remote {
                server,
            }))]);
        }
        self.tell(SourceItem::Events(known))
    }

    /// The connection is good: what is known is what the server knows.
    pub(super) fn is_well(&mut self, course: &mut Course) -> Result<(), Over> {
        course.lost_since = None;
        if std::mem::replace(&mut course.is_well, true) {
            return Ok(());
        }
        if course.caught_up {
            self.tell(SourceItem::Restored)
        } else {
            course.caught_up = true;
            self.tell(SourceItem::CaughtUp)
        }
    }

    /// One connection to the stream of an org, from its first sign of life to its end or to that of the
    /// build.
    async fn updates(&mut self, course: &mut Course) -> Result<Outcome, Over> {
        let mut stream = Some(self.api.events());
        // Subscribed first, asked then.
        if let Some(open) = &mut stream {
            match open.next().await {
                Some(Ok(heard)) => self.hear(heard)?,
                Some(Err(trouble)) if trouble.lasts => stream = None,
                Some(Err(trouble)) => return Ok(Err(trouble)),
                None => return Ok(Err(cut())),
            }
        }
        match self.api.build().await {
            Ok(map) => self.take(map, course.lost_since.take())?,
            Err(trouble) => return Ok(Err(trouble)),
        }
        self.numbers.answered();
        self.is_well(course)?;
        let mut ask_again = Instant::now() + self.pace.poll;
        while !self.build.is_over() {
            let logs_due = self.logs.due(&self.build, &self.interest, &self.pace);
            let is_polled = stream.is_none();
            let heard = async {
                match &mut stream {
                    Some(stream) => stream.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                heard = heard => match heard {
                    Some(Ok(heard)) => self.hear(heard)?,
                    Some(Err(trouble)) => return Ok(Err(trouble)),
                    None => return Ok(Err(cut())),
                },
                () = sleep_until(ask_again), if is_polled => {
                    match self.api.build().await {
                        Ok(map) => self.take(map, None)?,
                        Err(trouble) => return Ok(Err(trouble)),
                    }
                    ask_again = Instant::now() + self.pace.poll;
                }
                job = logs_due => {
                    let is_over = self.build.job(&job).is_some_and(JobState::is_over);
                    if let Err(trouble) = self.read_logs(&job, is_over).await? {
                        return Ok(Err(trouble));
                    }
                }
                // The log that is on screen is another one: it may be due at once.
                () = self.interest.changed() => {}
            }
        }
        Ok(Ok(()))
    }

    fn hear(&mut self, heard: Heard) -> Result<(), Over> {
        match heard {
            Heard::Alive | Heard::Other => Ok(()),
            Heard::Build(map) => self.take(map, None),
        }
    }

    /// What is final is asked for once more, and the logs as long as they may still grow.
    async fn finish(&mut self) -> Result<(), Over> {
        let end = self.end.take();
        if let Some(end) = &end
            && self.logs.lacking(&self.build).is_some()
        {
            self.is_about_to_end(end)?;
        }
        let mut failures = 0;
        loop {
            let looked = match end {
                Some(_) => self.last_logs().await?,
                None => self.last_look().await?,
            };
            match looked {
                Ok(()) => break,
                Err(trouble) if failures == 10 => {
                    let gap = Event::new(EventKind::Tui(TuiEvent::Gap));
                    let message = format!("the end of its logs is not known: {}", trouble.reason);
                    self.record(vec![gap.with_message(message)])?;
                    break;
                }
                Err(_) => {
                    failures += 1;
                    sleep(self.back_off(failures)).await;
                }
            }
        }
        let end = end.unwrap_or_else(|| {
            let status = Some(self.build.status.clone());
            Event::new(EventKind::BuildEnd {
                status,
                build: None,
            })
        });
        self.record(vec![end])?;
        // What is not flushed now is when the system likes to.
        let _ = self.journal.sync();
        self.journal.close();
        Ok(())
    }

    async fn last_look(&mut self) -> Result<Outcome, Over> {
        match self.api.build().await {
            Ok(map) => self.take(map, None)?,
            Err(trouble) => return Ok(Err(trouble)),
        }
        let jobs: Vec<JobId> = self
            .build
            .jobs()
            .iter()
            .map(|job| job.id().clone())
            .collect();
        for once_more in [false, true] {
            if once_more && RemoteLogs::may_still_grow(&self.build, self.clock.now()) {
                sleep(self.pace.last_log).await;
            }
            for job in &jobs {
                if let Err(trouble) = self.read_logs(job, true).await? {
                    return Ok(Err(trouble));
                }
            }
        }
        Ok(Ok(()))
    }

    /// Takes in what the server knows, as far as it is news.
    pub(super) fn take(&mut self, map: Map, lost_since: Option<Millis>) -> Result<(), Over> {
        let EventKind::BuildUpdated { build, mut jobs } = wire::updated(map) else {
            return Ok(());
        };
        for update in &mut jobs {
            received::hide_values(&mut update.job);
        }
        jobs.retain(|update| self.told.get(&update.job.id) != Some(update));
        let is_news = !jobs.is_empty() || self.told_build.as_ref() != Some(&build);
        let now = self.clock.now();
        let mut events = Vec::new();
        if let Some(since) = lost_since
            && is_news
        {
            let seconds = now.saturating_sub(since) / 1000;
            let gap = Event::new(EventKind::Tui(TuiEvent::Gap));
            events.push(gap.with_message(format!(
                "the server was out of reach for {seconds} s: what changed meanwhile shows, when it did may not"
            )));
        }
        if is_news {
            for update in &jobs {
                self.told.insert(update.job.id.clone(), update.clone());
            }
            self.told_build = Some(build.clone());
            events.push(Event::new(EventKind::BuildUpdated { build, jobs }));
        }
        self.record(events)?;
        self.record(self.artifacts())?;
        for log in self.logs.take_outputs(&self.build) {
            self.tell(SourceItem::LogGrew(log))?;
        }
        Ok(())
    }

    /// What jobs that have ended meant to save, as far as it is not told yet. A server lists it so too,
    /// whether it was saved or not (public-api.md §6.1).
    fn artifacts(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for job in self.build.jobs() {
            if !matches!(job.status, JobStatus::Success | JobStatus::Failure) {
                continue;
            }
            for artifact in &job.job.save_artifacts {
                if job.blobs.iter().all(|blob| blob.id != artifact.id) {
                    let saved = TuiEvent::ArtifactSaved {
                        id: artifact.id.clone(),
                        path: artifact.path.clone(),
                        size: 0,
                    };
                    events.push(Event::of_job(job.id(), EventKind::Tui(saved)));
                }
            }
        }
        events
    }

    pub(super) async fn read_logs(&mut self, job: &JobId, all: bool) -> Result<Outcome, Over> {
        let Some(state) = self.build.job(job) else {
            return Ok(Ok(()));
        };
        let read = self.logs.read(&*self.api, state, all, &*self.clock).await;
        match read {
            Ok(true) => self.tell(SourceItem::LogGrew(LogId::Job(job.clone())))?,
            Ok(false) => {}
            Err(trouble) => return Ok(Err(trouble)),
        }
        Ok(Ok(()))
    }

    pub(super) fn record(&mut self, events: Vec<Event>) -> Result<(), Over> {
        if events.is_empty() {
            return Ok(());
        }
        let sid = Some(self.sid.clone());
        let events = events
            .into_iter()
            .map(|event| Event {
                sid: sid.clone(),
                ..event
            })
            .collect();
        let events = self.append(events)?;
        for event in &events {
            self.build.apply(event);
        }
        self.tell(SourceItem::Events(events))
    }

    /// What cannot be written to the disk is in memory all the same: it is watched on, and the user is told.
    fn append(&self, events: Vec<Event>) -> Result<Vec<Arc<Event>>, Over> {
        let before = self.journal.last_seq();
        let now = self.clock.now();
        let error = match self.journal.append(now, events) {
            Ok(events) => return Ok(events),
            Err(JournalError::Closed(_)) => return Err(Over),
            Err(error) => error,
        };
        let warning = Event::new(EventKind::Tui(TuiEvent::Warning));
        let text = format!(
            "the recording of this build is not whole: {}",
            chain(&error)
        );
        // It says so only once.
        let _ = self.journal.append(now, vec![warning.with_message(text)]);
        let mut events = self.journal.events();
        events.retain(|event| event.seq > before);
        Ok(events)
    }

    pub(super) fn tell(&self, item: SourceItem) -> Result<(), Over> {
        self.to.send(item).map_err(|_| Over)
    }

    /// Not at the same moment as everybody else.
    pub(super) fn back_off(&self, failures: u32) -> Duration {
        jittered(self.pace.after_failures(failures))
    }
}

pub(super) fn cut() -> Trouble {
    Trouble {
        reason: "the server has ended the connection".to_owned(),
        lasts: false,
    }
}
