//! A build after any number of its events, without folding all of them anew each time.
//!
//! While a journal is folded, a copy of the build is kept now and then; going back starts at the copy
//! before the place that is wanted. The copies stay few: when there are too many, every other one is let
//! go, and the next are kept twice as far apart.

use super::{Build, Event};

/// Copies that are kept at most.
const MOST: usize = 32;
/// Events between two of them, at first: folding so many takes less than a millisecond.
const FIRST_STRIDE: usize = 4096;

/// Copies of a build, each after some number of its events.
///
/// Places count events from the first one ever told; a place is *after* so many events.
#[derive(Debug, Clone)]
pub struct Snapshots {
    /// In the order of their places; the first is where the journal begins.
    kept: Vec<(usize, Build)>,
    stride: usize,
}

impl Snapshots {
    /// Begins with a build after `first` events.
    pub fn new(first: usize, build: Build) -> Self {
        Self {
            kept: vec![(first, build)],
            stride: FIRST_STRIDE,
        }
    }

    /// The first place that can be gone to.
    pub fn first(&self) -> usize {
        self.kept[0].0
    }

    /// Returns the build after `to` events; `event` tells the one after a place.
    pub fn seek<'a>(&mut self, to: usize, event: impl Fn(usize) -> Option<&'a Event>) -> Build {
        let near = self.kept.partition_point(|(place, _)| *place <= to);
        let (from, build) = &self.kept[near.saturating_sub(1)];
        let (from, mut build) = (*from, build.clone());
        self.play(&mut build, from, to, event);
        build
    }

    /// Folds the events from a place to another into a build, which is to be the one at the first.
    pub fn play<'a>(
        &mut self,
        build: &mut Build,
        from: usize,
        to: usize,
        event: impl Fn(usize) -> Option<&'a Event>,
    ) {
        for place in from..to {
            let Some(event) = event(place) else { return };
            build.apply(event);
            self.keep(place + 1, build);
        }
    }

    fn keep(&mut self, place: usize, build: &Build) {
        let last = self.kept[self.kept.len() - 1].0;
        if place < last + self.stride {
            return;
        }
        if self.kept.len() == MOST {
            self.stride *= 2;
            let mut number = 0;
            self.kept.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            return self.keep(place, build);
        }
        self.kept.push((place, build.clone()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::domain::{EventKind, Job, JobId, JobStatus};
    use crate::edn::Map;

    use super::*;

    fn journal(length: usize) -> Vec<Event> {
        let ids = ["a", "b", "c"].map(JobId::new);
        let jobs = ids.iter().map(|id| Job::new(id.clone())).collect();
        let mut events = vec![Event::new(EventKind::ScriptStart { jobs })];
        for n in 0..length {
            let kind = match n % 4 {
                0 => EventKind::CommandStart {
                    command: (n / 4).to_string(),
                    stdout: None,
                    stderr: None,
                },
                1 => EventKind::CommandEnd {
                    command: (n / 4).to_string(),
                    exit: Some(0),
                    stdout: None,
                    stderr: None,
                },
                2 => EventKind::JobStart,
                _ => EventKind::JobExecuted {
                    status: Some(JobStatus::Success),
                    result: Map::new(),
                },
            };
            let mut event = Event::of_job(&ids[n % 3], kind);
            event.seq = n as u64 + 2;
            event.time = Some(n as i64);
            events.push(event);
        }
        events
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn going_anywhere_gives_the_build_that_playing_gives(
            length in 0..600_usize,
            places in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
        ) {
            let events = journal(length);
            let mut snapshots = Snapshots::new(0, Build::default());
            // Small steps, so that copies are kept and let go again.
            snapshots.stride = 5;
            for place in places {
                let to = place.index(events.len() + 1);
                let build = snapshots.seek(to, |place| events.get(place));
                prop_assert_eq!(build, Build::fold(&events[..to]));
                prop_assert!(snapshots.kept.len() <= MOST);
            }
        }
    }

    #[test]
    fn copies_stay_few_and_apart() {
        let events = journal(2000);
        let mut snapshots = Snapshots::new(0, Build::default());
        snapshots.stride = 4;
        snapshots.seek(events.len(), |place| events.get(place));
        let places: Vec<usize> = snapshots.kept.iter().map(|kept| kept.0).collect();
        assert!(
            places.len() > MOST / 3 && places.len() <= MOST,
            "{places:?}"
        );
        assert!(places.is_sorted() && places[0] == 0);
    }
}
