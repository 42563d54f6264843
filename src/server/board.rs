//! The builds of a server: which wait, which run, which are over, and who hears of it.
//!
//! ```text
//! Queued ──► Starting ──► Running ──► Over
//!    └── canceled ───────────────────► Over
//! ```
//!
//! The lock is held for looking things up only; journals are read outside of it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::domain::{Build, BuildStatus, Millis, Sid};
use crate::edn::{self, Value};
use crate::engine::EngineHandle;
use crate::wire::{self, Jobs, PublicBuild, sse};

use super::frames::Frames;
use super::order::{Order, Unbegun};

/// A build's repository and number.
pub(super) type Key = (String, u64);

/// How many events a slow reader of the event stream may fall behind before it loses the oldest
/// (public-api.md §8: there, ten).
const BEHIND: usize = 256;

/// A build that runs.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) handle: EngineHandle,
    /// What its journal tells so far.
    pub(super) build: Arc<Mutex<Build>>,
    /// What is sent of it.
    pub(super) frames: Arc<Frames>,
}

/// Where a build stands.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    Queued,
    /// A cancel ends it before it has an engine, or as soon as it has.
    Starting(CancellationToken),
    Running(Live),
    Over,
}

/// What a list shows of a build that is over, and no longer changes.
#[derive(Debug)]
pub(super) struct Short {
    pub(super) value: Value,
    pub(super) status: BuildStatus,
    pub(super) start: Millis,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) order: Arc<Order>,
    pub(super) stage: Stage,
    pub(super) short: Option<Arc<Short>>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<Key, Entry>,
    queue: VecDeque<Key>,
    deliveries: HashSet<String>,
}

/// What became of a new build.
#[derive(Debug)]
pub(super) enum Added {
    Queued,
    /// One of its deliveries has been seen.
    Seen,
    /// As many wait as may.
    Full,
}

/// All builds.
#[derive(Debug)]
pub(super) struct Board {
    state: Mutex<State>,
    /// Counts changes of stages.
    changed: watch::Sender<u64>,
    events: broadcast::Sender<Arc<Told>>,
}

/// An event of the public stream.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) sid: Sid,
    /// As it is sent, the same to all.
    pub(super) frame: Bytes,
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            events: broadcast::Sender::new(BEHIND),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let done = work(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
        done
    }

    /// Wakes when the stage of some build changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Hears the public events from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<Told>> {
        self.events.subscribe()
    }

    /// Takes in a build that was found at start.
    pub(super) fn found(&self, order: Order, queued: bool) {
        self.change(|state| {
            let key = (order.sid.repo.clone(), order.idx);
            state.deliveries.extend(order.deliveries.iter().cloned());
            let stage = if queued {
                state.queue.push_back(key.clone());
                Stage::Queued
            } else {
                Stage::Over
            };
            state.entries.insert(
                key,
                Entry {
                    order: Arc::new(order),
                    stage,
                    short: None,
                },
            );
        });
    }

    /// Numbers a new build, keeps it by `save`, and queues it.
    pub(super) fn add<E>(
        &self,
        repo: &str,
        most: usize,
        make: impl FnOnce(u64) -> Order,
        save: impl FnOnce(&Order) -> Result<(), E>,
    ) -> Result<Added, E> {
        // The lock is held while the order is written: two triggers at once get two numbers, and
        // a number that could not be kept is given again.
        self.change(|state| {
            let highest = state
                .entries
                .range((repo.to_owned(), 0)..=(repo.to_owned(), u64::MAX))
                .next_back()
                .map_or(0, |((_, idx), _)| *idx);
            let order = make(highest + 1);
            let seen = |one: &String| state.deliveries.contains(one);
            if order.deliveries.iter().any(seen) {
                return Ok(Added::Seen);
            }
            if state.queue.len() >= most {
                return Ok(Added::Full);
            }
            save(&order)?;
            state.deliveries.extend(order.deliveries.iter().cloned());
            let key = (repo.to_owned(), order.idx);
            state.queue.push_back(key.clone());
            state.entries.insert(
                key,
                Entry {
                    order: Arc::new(order),
                    stage: Stage::Queued,
                    short: None,
                },
            );
            Ok(Added::Queued)
        })
    }

    /// The next build to start; it is starting from now on.
    pub(super) fn next(&self) -> Option<(Arc<Order>, CancellationToken)> {
        let cancel = CancellationToken::new();
        let order = {
            let mut state = self.lock();
            let key = state.queue.pop_front()?;
            let entry = state.entries.get_mut(&key)?;
            entry.stage = Stage::Starting(cancel.clone());
            Arc::clone(&entry.order)
        };
        // Not for an empty queue: those who wait for changes ask for the next.
        self.changed.send_modify(|count| *count += 1);
        Some((order, cancel))
    }

    /// Gives up what is being started.
    pub(super) fn give_up_starting(&self) {
        for entry in self.lock().entries.values() {
            if let Stage::Starting(cancel) = &entry.stage {
                cancel.cancel();
            }
        }
    }

    /// Says that a build runs. True: somebody has canceled it meanwhile.
    pub(super) fn runs(&self, order: Order, live: Live) -> bool {
        self.change(|state| {
            let Some(entry) = state.entries.get_mut(&key_of(&order)) else {
                return false;
            };
            let canceled = matches!(&entry.stage, Stage::Starting(cancel) if cancel.is_cancelled());
            entry.order = Arc::new(order);
            entry.stage = Stage::Running(live);
            canceled
        })
    }

    /// Says that a build is over, with its order as it is kept now.
    pub(super) fn is_over(&self, order: Order) {
        self.change(|state| {
            if let Some(entry) = state.entries.get_mut(&key_of(&order)) {
                entry.order = Arc::new(order);
                entry.stage = Stage::Over;
            }
        });
    }

    /// Cancels a build that has no engine yet: one in the queue is over, with the order as it is
    /// to be kept; one that starts is stopped as soon as it can be.
    pub(super) fn cancel_early(&self, key: &Key, end: Unbegun) -> Option<Arc<Order>> {
        self.change(|state| {
            let entry = state.entries.get_mut(key)?;
            match &mut entry.stage {
                Stage::Queued => {
                    let mut order = Order::clone(&entry.order);
                    order.end = Some(end);
                    order.params.clear();
                    entry.order = Arc::new(order);
                    entry.stage = Stage::Over;
                    state.queue.retain(|queued| queued != key);
                    Some(Arc::clone(&entry.order))
                }
                Stage::Starting(cancel) => {
                    cancel.cancel();
                    None
                }
                Stage::Running(_) | Stage::Over => None,
            }
        })
    }

    /// One build.
    pub(super) fn get(&self, key: &Key) -> Option<Entry> {
        self.lock().entries.get(key).cloned()
    }

    /// The builds of a repository, or of all, by number.
    pub(super) fn list(&self, repo: Option<&str>) -> Vec<Entry> {
        let state = self.lock();
        match repo {
            Some(repo) => state
                .entries
                .range((repo.to_owned(), 0)..=(repo.to_owned(), u64::MAX))
                .map(|(_, entry)| entry.clone())
                .collect(),
            None => state.entries.values().cloned().collect(),
        }
    }

    /// Remembers what a list shows of a build that is over.
    pub(super) fn remember(&self, key: &Key, short: Arc<Short>) {
        if let Some(entry) = self.lock().entries.get_mut(key)
            && matches!(entry.stage, Stage::Over)
        {
            entry.short = Some(short);
        }
    }

    /// The engines at work.
    pub(super) fn engines(&self) -> Vec<EngineHandle> {
        let state = self.lock();
        let handles = state
            .entries
            .values()
            .filter_map(|entry| match &entry.stage {
                Stage::Running(live) => Some(live.handle.clone()),
                _ => None,
            });
        handles.collect()
    }

    /// How many builds wait, and how many are being started or run.
    pub(super) fn load(&self) -> (usize, usize) {
        let state = self.lock();
        let busy = |entry: &&Entry| matches!(entry.stage, Stage::Starting(_) | Stage::Running(_));
        (
            state.queue.len(),
            state.entries.values().filter(busy).count(),
        )
    }

    /// Whether somebody listens.
    pub(super) fn is_heard(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// Tells what a build has become to all who listen.
    pub(super) fn tell(&self, order: &Order, build: &Build, time: Millis, script_ended: bool) {
        let value = wire::public_build(&known(order), build, Jobs::ById);
        let status = build.script_status.as_ref();
        let status = status.filter(|_| script_ended).map(BuildStatus::as_str);
        let event = wire::build_updated(&order.sid, time, value, status);
        let mut frame = String::new();
        sse::frame(&mut frame, None, &edn::write(&event));
        // With nobody there, nobody hears it.
        let _ = self.events.send(Arc::new(Told {
            sid: order.sid.clone(),
            frame: frame.into(),
        }));
    }
}

/// Where a build is on the board.
pub(super) fn key_of(order: &Order) -> Key {
    (order.sid.repo.clone(), order.idx)
}

/// What the public API tells of an order.
pub(super) fn known(order: &Order) -> PublicBuild<'_> {
    PublicBuild {
        sid: &order.sid,
        idx: order.idx,
        source: &order.source,
        triggered: order.triggered,
        git: &order.git,
    }
}
