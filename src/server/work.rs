//! The queue at work: starts builds, follows them, ends them with the server.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::{Build, BuildStatus, Event, EventKind, JobId, JobStatus};
use crate::engine::StopReason;
use crate::journal::{self, JournalError};
use crate::ports::chain;
use crate::wire::{self, Jobs};

use super::board::{Entry, Live, Short, Stage, key_of, known};
use super::news::News;
use super::order::{Order, Unbegun};
use super::{Server, Started, beside};

impl Server {
    /// Starts builds as places become free, until the service ends.
    pub async fn work(&self) {
        let mut changes = self.board().changes();
        loop {
            changes.borrow_and_update();
            while !self.is_draining() && self.load().1 < self.settings().builds {
                let Some((order, cancel)) = self.board().next() else {
                    break;
                };
                let server = self.clone();
                tokio::spawn(async move { server.build(&order, cancel).await });
            }
            tokio::select! {
                () = self.shutdown().cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Takes no more builds, and waits until those that run are over; after `grace`, or when
    /// `hurry` is done, they are stopped. What is queued stays so for the next start.
    pub async fn drain(&self, grace: Duration, hurry: impl Future<Output = ()>) {
        self.0.draining.store(true, Ordering::Release);
        let idle = self.idle();
        let late = async {
            tokio::select! {
                () = tokio::time::sleep(grace) => {}
                () = hurry => {}
            }
        };
        tokio::select! {
            () = idle => return,
            () = late => {}
        }
        let mut changes = self.board().changes();
        let mut asked = HashSet::new();
        loop {
            // Before it is asked who is at work: what changes after that ends the wait.
            changes.borrow_and_update();
            if self.load().1 == 0 {
                return;
            }
            self.board().give_up_starting();
            // Each once, since a second
            // time would kill its jobs without asking them.
            for engine in self.board().engines() {
                if asked.insert(engine.sid().clone()) {
                    engine.stop(StopReason::Terminated);
                }
            }
            // The sender lives as long as this server.
            let _ = changes.changed().await;
        }
    }

    /// Waits until no build is at work.
    async fn idle(&self) {
        let mut changes = self.board().changes();
        while self.load().1 > 0 {
            // The sender lives as long as this server.
            let _ = changes.changed().await;
        }
    }

    async fn build(&self, order: &Order, cancel: CancellationToken) {
        let started = self.0.runner.start(order.clone(), cancel.clone()).await;
        self.forget_workspace(order).await;
        let mut kept = order.clone();
        kept.params.clear();
        match started {
            Err(why) => {
                let (status, message) = if cancel.is_cancelled() {
                    (BuildStatus::Canceled, "canceled before it began".to_owned())
                } else {
                    (BuildStatus::Error, why)
                };
                kept.end = Some(Unbegun {
                    status,
                    message: Some(message),
                    time: self.now(),
                });
                self.keep(&kept).await;
                let build = unbegun(&kept);
                // Who sees that it is over may ask what was said of it.
                self.tell_ended(&kept, build.status.clone(), build.message.clone());
                self.board().is_over(kept.clone());
                self.board().tell(&kept, &build, self.now(), false);
            }
            Ok(started) => {
                if !order.params.is_empty() {
                    self.keep(&kept).await;
                }
                self.tell(&News::Started(order.sid.clone()));
                let build = self.follow(&kept, started).await;
                self.tell_ended(&kept, build.status, build.message);
                self.board().is_over(kept);
            }
        }
    }

    /// Writes an order again. That it cannot be is told to the operator: the build goes on.
    pub(super) async fn keep(&self, order: &Order) {
        let (folder, kept) = (self.orders(), order.clone());
        if let Err(why) = beside(move || kept.save(&folder)).await {
            self.trouble(format!("the order of {} cannot be kept: {why}", order.sid));
        }
    }

    /// Folds what a build's journal tells until nothing of it is at work any more; what came of it.
    async fn follow(&self, order: &Order, started: Started) -> Build {
        let Started { handle, ended } = started;
        let build = Arc::new(Mutex::new(Build::default()));
        let mut cursor = handle.journal().cursor(0);
        let live = Live {
            handle: handle.clone(),
            build: Arc::clone(&build),
            frames: Arc::default(),
        };
        if self.board().runs(order.clone(), live) {
            handle.stop(StopReason::Canceled);
        }
        drop(handle);
        while let Some(events) = cursor.next().await {
            fold(&build, &events, |event| {
                if self.board().is_heard() {
                    let script_ended = matches!(event.kind, EventKind::ScriptEnd { .. });
                    let build = lock(&build).clone();
                    self.board().tell(order, &build, event.at(), script_ended);
                }
            });
        }
        ended.await;
        lock(&build).clone()
    }

    /// What is known of a build now. The error is a sentence for the operator.
    pub(super) async fn state(&self, entry: &Entry) -> Result<Build, String> {
        match &entry.stage {
            Stage::Queued | Stage::Starting(_) => Ok(Build::default()),
            Stage::Running(live) => Ok(lock(&live.build).clone()),
            Stage::Over if entry.order.end.is_some() => Ok(unbegun(&entry.order)),
            Stage::Over => {
                let path = self.0.runner.recording(&entry.order.sid).journal;
                beside(move || recorded(&path)).await
            }
        }
    }

    /// What a list shows of a build.
    pub(super) async fn short(&self, entry: &Entry) -> Result<Arc<Short>, String> {
        if let Some(short) = &entry.short {
            return Ok(Arc::clone(short));
        }
        let build = self.state(entry).await?;
        let short = Arc::new(Short {
            value: wire::public_build(&known(&entry.order), &build, Jobs::Left),
            start: build.start_time.unwrap_or(entry.order.triggered),
            status: build.status,
        });
        if matches!(entry.stage, Stage::Over) {
            self.board()
                .remember(&key_of(&entry.order), Arc::clone(&short));
        }
        Ok(short)
    }
}

fn lock(build: &Mutex<Build>) -> MutexGuard<'_, Build> {
    build.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Folds in events that came together, and calls `tell` when the build is as the public stream is
/// to tell it (public-api.md §8). Each time the whole build is told: jobs that change at once, all
/// those that get into the queue, are told at once too.
fn fold(build: &Mutex<Build>, events: &[Arc<Event>], mut tell: impl FnMut(&Event)) {
    let mut untold = None;
    for event in events {
        let change = apply(&mut lock(build), event);
        match change {
            Change::None => {}
            Change::OfJob => untold = Some(event),
            Change::OfBuild => {
                untold = None;
                tell(event);
            }
        }
    }
    if let Some(event) = untold {
        tell(event);
    }
}

/// What an event changes that the public stream tells of.
enum Change {
    None,
    OfJob,
    OfBuild,
}

fn apply(build: &mut Build, event: &Event) -> Change {
    let status = |build: &Build, id: &JobId| -> Option<(JobStatus, bool)> {
        let job = build.job(id)?;
        // It may have failed before it has ended.
        Some((job.status.clone(), job.end_time.is_some()))
    };
    let id = event.job_id.as_ref();
    let before = id.and_then(|id| status(build, id));
    build.apply(event);
    match event.kind {
        EventKind::BuildInitializing { .. }
        | EventKind::BuildStart
        | EventKind::BuildEnd { .. }
        | EventKind::BuildCanceled
        | EventKind::ScriptInitializing { .. }
        | EventKind::ScriptStart { .. }
        | EventKind::ScriptEnd { .. } => Change::OfBuild,
        _ if id.is_some_and(|id| status(build, id) != before) => Change::OfJob,
        _ => Change::None,
    }
}

/// A build that ended before it began.
pub(super) fn unbegun(order: &Order) -> Build {
    let mut build = Build::default();
    if let Some(end) = &order.end {
        build.status = end.status.clone();
        build.message.clone_from(&end.message);
        build.end_time = Some(end.time);
    }
    build
}

/// What a journal tells. A recording that is gone is told as an error of its build.
fn recorded(path: &std::path::Path) -> Result<Build, String> {
    let mut build = Build::default();
    let read = journal::read_lines(path, |line| {
        if let Ok(event) = line.event() {
            build.apply(&event);
        }
    });
    match read {
        Ok(_) => Ok(build),
        Err(JournalError::Missing(_)) => {
            build.status = BuildStatus::Error;
            build.message = Some("its recording is gone".to_owned());
            Ok(build)
        }
        Err(error) => Err(chain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Job;

    #[test]
    fn jobs_that_change_together_are_told_together() {
        let ids = ["a", "b", "c"].map(JobId::new);
        let of_all = |kind: &EventKind| ids.clone().map(|id| Event::of_job(&id, kind.clone()));
        let jobs = ids.iter().map(|id| Job::new(id.as_str())).collect();
        let mut events = vec![Event::new(EventKind::ScriptStart { jobs })];
        events.extend(of_all(&EventKind::JobInitializing {
            local_dir: None,
            agent: None,
        }));
        let script_end = EventKind::ScriptEnd {
            status: Some(BuildStatus::Success),
        };
        events.push(Event::new(script_end));
        events.extend(of_all(&EventKind::JobStart));
        let started = |build: &Build| -> usize {
            let jobs = build.jobs().iter();
            jobs.filter(|job| job.status == JobStatus::Running).count()
        };
        let build = Mutex::default();
        let mut told = Vec::new();
        let events: Vec<_> = events.into_iter().map(Arc::new).collect();
        fold(&build, &events, |event| {
            told.push((event.kind.type_name().to_owned(), started(&lock(&build))));
        });
        let told: Vec<_> = told.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
        assert_eq!(
            told,
            [("script/start", 0), ("script/end", 0), ("job/start", 3)]
        );
        // What says nothing new is not told.
        fold(&build, &events[5..], |event| panic!("told of {event:?}"));
    }
}
