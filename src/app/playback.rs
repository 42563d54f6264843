//! The past of a build on the screen: which moment is shown, and how time goes on there.
//!
//! A build is a journal of events, so its state at a moment is the fold of those that came until then, and
//! a log at that moment is what had been written. [`Playback`] knows the times of the events and where
//! playing stands; the build it shows is folded by [`BuildView`](super::BuildView), which also keeps what
//! all events together tell. Nothing here has a clock: time comes with the messages, and is turned into
//! the recording's own.

use std::fmt;
use std::str::FromStr;

use crate::domain::{Build, JobState, Millis, Snapshots};

/// Nothing happens for longer than this: a silence that may be skipped.
const SILENCE: Millis = 2_000;
/// How long before the next thing that happens a skipped silence ends.
const BEFORE: Millis = 300;
/// The screen is drawn at most this often while a recording plays, in milliseconds.
const FRAME: Millis = 33;
/// Times beyond this many milliseconds from the epoch, a quarter of a million years, are nobody's.
const FARTHEST: Millis = 8_640_000_000_000_000;

/// How fast a recording plays, in hundredths: 100 is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Speed(u32);

/// The text is no speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a speed is a number from 0.1 to 1000, such as 2 or ×10")]
pub struct SpeedError;

impl Speed {
    /// As it was.
    pub const NORMAL: Self = Self(100);
    const SLOWEST: u32 = 10;
    const FASTEST: u32 = 100_000;
    /// What the keys go through.
    const STEPS: [u32; 13] = [
        10, 25, 50, 100, 200, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000,
    ];

    /// The next faster one.
    #[must_use]
    pub fn faster(self) -> Self {
        let next = Self::STEPS.into_iter().find(|step| *step > self.0);
        Self(next.unwrap_or(Self::FASTEST))
    }

    /// The next slower one.
    #[must_use]
    pub fn slower(self) -> Self {
        let next = Self::STEPS.into_iter().rev().find(|step| *step < self.0);
        Self(next.unwrap_or(Self::SLOWEST))
    }

    /// How much of a recording plays in some time.
    fn of(self, ms: Millis) -> Millis {
        let played = i128::from(ms) * i128::from(self.0) / 100;
        Millis::try_from(played).unwrap_or(Millis::MAX)
    }

    /// How long some of a recording takes to play.
    fn takes(self, ms: Millis) -> Millis {
        let takes = (i128::from(ms) * 100).div_euclid(i128::from(self.0)) + 1;
        Millis::try_from(takes).unwrap_or(Millis::MAX)
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("×{}.{:02}", self.0 / 100, self.0 % 100);
        f.pad(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        let number: f64 = text
            .trim_start_matches(['×', 'x'])
            .parse()
            .map_err(|_| SpeedError)?;
        let hundredths = (number * 100.0).round();
        if (f64::from(Self::SLOWEST)..=f64::from(Self::FASTEST)).contains(&hundredths) {
            Ok(Self(hundredths as u32))
        } else {
            Err(SpeedError)
        }
    }
}

/// How a recording is to be played when it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// How fast.
    pub speed: Speed,
    /// Where to begin, as it is typed after `@`; nothing is the beginning.
    pub from: Option<String>,
    /// It plays at once.
    pub playing: bool,
    /// Silences are skipped.
    pub skip: bool,
}

/// Where the past of a build is looked at, and how time goes on there.
#[derive(Debug, Clone)]
pub struct Playback {
    /// How fast it plays.
    pub speed: Speed,
    /// Silences are skipped while it plays.
    pub skip: bool,
    /// The moment that is shown.
    at: Millis,
    /// Events that are folded into what is shown; places as in [`Events`](super::events::Events).
    pub(super) place: usize,
    /// When each event came, from the first that is kept on. Never goes back, as time does not.
    times: Vec<Millis>,
    /// The place of the first of them.
    first: usize,
    pub(super) snapshots: Snapshots,
    /// What all events tell, also those after the moment that is shown.
    pub(super) present: Build,
    /// While it plays: the time of the clock, and the moment that was shown then.
    playing: Option<(Millis, Millis)>,
    /// Where the recording ends; of a build that goes on, where it is by now.
    end: Millis,
}

/// Something that stands out in the course of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// A job began.
    Start,
    /// A job ended well.
    End,
    /// A job failed.
    Failure,
}

impl Playback {
    /// The present of a build, held: it has ended at `end`, or goes on and it is `end` by now. `base` is the
    /// build before the first of the events, whose times are given.
    pub(super) fn new(
        first: usize,
        base: Build,
        times: impl IntoIterator<Item = Option<Millis>>,
        present: Build,
        end: Millis,
    ) -> Self {
        let end = end.clamp(-FARTHEST, FARTHEST);
        let mut playback = Self {
            speed: Speed::NORMAL,
            skip: false,
            at: end,
            place: first,
            times: Vec::new(),
            first,
            snapshots: Snapshots::new(first, base),
            present,
            playing: None,
            end,
        };
        for time in times {
            playback.heard(time);
        }
        playback.place = first + playback.times.len();
        playback.at = playback.end;
        playback
    }

    /// Another event was told; the moment that is shown stays.
    pub(super) fn heard(&mut self, time: Option<Millis>) {
        let last = self.times.last().copied();
        let time = time.or(last).unwrap_or_default();
        let time = time.clamp(-FARTHEST, FARTHEST);
        let time = last.map_or(time, |last| last.max(time));
        self.times.push(time);
        self.end = self.end.max(time);
    }

    /// The moment that is shown.
    pub fn at(&self) -> Millis {
        self.at
    }

    /// When the journal begins.
    pub fn begin(&self) -> Millis {
        self.times.first().copied().unwrap_or(self.end)
    }

    /// When it ends, as far as is known.
    pub fn end(&self) -> Millis {
        self.end
    }

    /// True while it plays.
    pub fn plays(&self) -> bool {
        self.playing.is_some()
    }

    /// True when all that has happened is shown.
    pub fn at_end(&self) -> bool {
        self.place == self.first + self.times.len() && self.at >= self.end
    }

    /// The place of the first event that is known.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// The place after all events.
    pub(super) fn last(&self) -> usize {
        self.first + self.times.len()
    }

    /// When the event after a place comes.
    fn next_event(&self) -> Option<Millis> {
        self.times.get(self.place - self.first).copied()
    }

    /// Shows another moment, inside the recording; returns the place to fold to.
    pub(super) fn go_to(&mut self, at: Millis) -> usize {
        self.at = at.clamp(self.begin(), self.end);
        self.anchor_here();
        self.first + self.times.partition_point(|time| *time <= self.at)
    }

    /// Shows the moment at which an event, counted by places, has just come; returns the place to fold to:
    /// of events of one millisecond the later ones have not come yet.
    pub(super) fn go_to_event(&mut self, place: usize) -> usize {
        let place = place.clamp(self.first, self.last());
        self.at = match place.checked_sub(self.first + 1) {
            Some(before) => self.times[before],
            None => self.begin(),
        };
        self.anchor_here();
        place
    }

    fn anchor_here(&mut self) {
        if let Some((_, at)) = &mut self.playing {
            *at = self.at;
        }
    }

    /// Plays from the moment that is shown on.
    pub(super) fn play(&mut self, now: Millis) {
        self.playing = Some((now, self.at));
    }

    /// Stands still.
    pub(super) fn pause(&mut self) {
        self.playing = None;
    }

    /// Changes how fast it plays.
    pub(super) fn set_speed(&mut self, speed: Speed, now: Millis) {
        self.speed = speed;
        if self.plays() {
            self.play(now);
        }
    }

    /// What time it is by now, for a build that goes on.
    pub(super) fn grows_until(&mut self, now: Millis) {
        self.end = self.end.max(now.clamp(-FARTHEST, FARTHEST));
    }

    /// Lets time go on; returns the place to fold to, if it plays. `next` is when the log on the screen
    /// goes on, if it does.
    pub(super) fn tick(&mut self, now: Millis, next: Option<Millis>) -> Option<usize> {
        let (then, at) = self.playing?;
        let moment = at.saturating_add(self.speed.of(now - then).max(0));
        self.at = moment.clamp(self.begin(), self.end);
        if self.skip
            && let Some(next) = self
                .next_change(next)
                .filter(|next| next - self.at > SILENCE)
        {
            self.at = next - BEFORE;
            self.playing = Some((now, self.at));
        }
        Some(self.first + self.times.partition_point(|time| *time <= self.at))
    }

    /// When something changes on the screen next, besides the clocks.
    fn next_change(&self, log: Option<Millis>) -> Option<Millis> {
        let log = log.filter(|log| *log > self.at);
        [self.next_event(), log, Some(self.end)]
            .into_iter()
            .flatten()
            .filter(|next| *next > self.at)
            .min()
    }

    /// In how many milliseconds the screen changes, while it plays. Clocks show whole seconds.
    pub(super) fn due_in(&self, now: Millis, log: Option<Millis>) -> Option<Millis> {
        let (then, at) = self.playing?;
        let second = (self.at.div_euclid(1000) + 1) * 1000;
        let next = self
            .next_change(log)
            .map_or(second, |next| next.min(second));
        let due = then.saturating_add(self.speed.takes(next - at));
        Some((due - now).max(FRAME))
    }

    /// The marks of a build's course, in the order of time. Jobs that never ran have none.
    pub fn marks(&self) -> Vec<(Millis, Mark)> {
        let of = |job: &JobState| {
            let end = if job.status.is_failed() {
                Mark::Failure
            } else {
                Mark::End
            };
            let end = job.start_time.and(job.end_time).map(|at| (at, end));
            let start = job.start_time.map(|at| (at, Mark::Start));
            [start, end].into_iter().flatten()
        };
        let mut marks: Vec<_> = self.present.jobs().iter().flat_map(of).collect();
        marks.sort_unstable();
        marks
    }

    /// The time of the next mark, or of the one before the moment that is shown.
    pub(super) fn mark_beside(&self, backwards: bool) -> Option<Millis> {
        let times = self.marks().into_iter().map(|mark| mark.0);
        if backwards {
            times.filter(|time| *time < self.at).max()
        } else {
            times.filter(|time| *time > self.at).min()
        }
    }
}

/// A duration on a scale of `total`: `1:02`, or `0:01:02` where there are hours.
pub fn stopwatch(ms: Millis, total: Millis) -> String {
    let seconds = ms.max(0) / 1000;
    if total >= 3_600_000 {
        format!(
            "{}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    } else {
        format!("{}:{:02}", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playback(times: &[Millis]) -> Playback {
        let times = times.iter().map(|time| Some(*time));
        Playback::new(0, Build::default(), times, Build::default(), 0)
    }

    #[test]
    fn speeds_go_from_a_tenth_to_a_thousand_and_read_as_they_print() {
        let mut speed: Speed = "0.1".parse().unwrap();
        let mut seen = vec![speed.to_string()];
        while speed.faster() != speed {
            assert_eq!(speed.faster().slower(), speed);
            speed = speed.faster();
            seen.push(speed.to_string());
        }
        assert_eq!(seen.len(), Speed::STEPS.len());
        assert_eq!(seen[..4], ["×0.1", "×0.25", "×0.5", "×1"]);
        assert_eq!(seen[11..], ["×500", "×1000"]);
        for text in &seen {
            assert_eq!(text.parse::<Speed>().unwrap().to_string(), *text);
        }
        assert_eq!("3".parse::<Speed>().unwrap().faster().to_string(), "×5");
        for bad in ["", "0", "0.09", "1001", "fast", "-1", "NaN", "inf"] {
            assert!(bad.parse::<Speed>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_has_the_events_until_then_and_time_never_goes_back() {
        let mut playback = playback(&[1000, 1010, 1005, 1010, 3000]);
        assert!(playback.at_end());
        assert_eq!((playback.begin(), playback.end()), (1000, 3000));
        assert_eq!(playback.go_to(1000), 1);
        assert_eq!(playback.go_to(1009), 1);
        // The one that says 1005 came after the one that says 1010.
        assert_eq!(playback.go_to(1010), 4);
        assert_eq!(playback.go_to(0), 1);
        assert_eq!(playback.go_to(9999), 5);
        assert_eq!((playback.go_to_event(2), playback.at()), (2, 1010));
        assert_eq!((playback.go_to_event(0), playback.at()), (0, 1000));
    }

    #[test]
    fn it_plays_as_fast_as_it_is_told() {
        let mut playback = playback(&[1000, 2000, 9000]);
        playback.go_to(1000);
        playback.place = 1;
        assert_eq!(playback.tick(50, None), None, "it stands still");
        playback.play(50);
        assert_eq!(playback.due_in(50, None), Some(1001));
        assert_eq!(playback.tick(550, None), Some(1));
        assert_eq!(playback.at(), 1500);
        playback.set_speed("10".parse().unwrap(), 550);
        assert_eq!(playback.due_in(550, None), Some(51));
        assert_eq!(playback.due_in(550, Some(1510)), Some(FRAME));
        playback.place = playback.tick(600, None).unwrap();
        assert_eq!((playback.at(), playback.place), (2000, 2));
        playback.skip = true;
        assert_eq!(playback.tick(601, None), Some(2));
        assert_eq!(playback.at(), 9000 - BEFORE, "nothing happens until then");
        assert_eq!(playback.tick(10_000, None), Some(3));
        assert_eq!(playback.at(), 9000);
    }

    #[test]
    fn a_stopwatch_has_hours_only_where_there_are_some() {
        assert_eq!(stopwatch(62_000, 100_000), "1:02");
        assert_eq!(stopwatch(62_000, 4_000_000), "0:01:02");
    }
}
