//! What an engine tells of the layers of an image while it pulls them, as a few numbers and the
//! lines of a log.
//!
//! Pure: time comes with the news. What an engine says is bounded here, however much it is: the
//! layers, the lines, and the length of each.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::CreateImageInfo;
use tokio::time::Instant;

use crate::domain::PullProgress;

/// How often the log tells of one layer that is on its way.
const TELL: Duration = Duration::from_secs(1);
/// How often the numbers are told, at most.
pub(super) const COUNT: Duration = Duration::from_millis(500);
/// The longer a pull takes, the less often: by then a user looks at it now and then, and each
/// time is an event of the journal. Of a pull of six hours there are some 1,300.
const COUNT_PART: u32 = 200;
/// Docker's images have 127 at most.
const MOST_LAYERS: usize = 1_000;
/// An image of as many layers as Docker has needs fewer, even when it takes an hour.
const MOST_LINES: usize = 5_000;
/// No id, and nothing that is said of one, is longer.
const LONGEST: usize = 100;

/// How far a layer has come; never back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Known,
    Loading,
    Loaded,
    Unpacking,
    Done,
}

impl Stage {
    fn of(status: &str) -> Option<Self> {
        Some(match status {
            "Pulling fs layer" | "Waiting" => Self::Known,
            "Downloading" => Self::Loading,
            "Verifying Checksum" | "Download complete" => Self::Loaded,
            "Extracting" => Self::Unpacking,
            "Pull complete" | "Already exists" => Self::Done,
            _ => return None,
        })
    }
}

#[derive(Debug)]
struct Layer {
    stage: Stage,
    /// Bytes that have come, and that are to come.
    bytes: u64,
    total: u64,
    told: Instant,
}

/// The layers of an image.
#[derive(Debug)]
pub(super) struct Layers {
    began: Instant,
    known: HashMap<String, Layer>,
    lines: usize,
    /// The last numbers that were told, and when.
    counted: (PullProgress, Instant),
}

impl Layers {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            known: HashMap::new(),
            lines: 0,
            counted: (PullProgress::default(), now),
        }
    }

    /// Takes what the engine says; returns a line for the log, if there is one to write. There is none
    /// of layers that only wait.
    pub(super) fn take(&mut self, news: &CreateImageInfo, now: Instant) -> Option<String> {
        let id = plain(news.id.as_deref()?);
        let status = plain(news.status.as_deref()?);
        let stage = Stage::of(&status);
        if !self.known.contains_key(&id) {
            self.begin(&id, &status, stage?, now)?;
        }
        let layer = self.known.get_mut(&id)?;
        let detail = news.progress_detail.as_ref();
        let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        let done = number(detail.and_then(|detail| detail.current));
        let all = number(detail.and_then(|detail| detail.total)).filter(|all| *all > 0);
        if stage == Some(Stage::Loading) {
            layer.total = all.unwrap_or(layer.total);
            layer.bytes = done.unwrap_or(layer.bytes).min(layer.total);
        }
        let advances = stage.is_some_and(|stage| stage > layer.stage);
        if let Some(stage) = stage.filter(|_| advances) {
            layer.stage = stage;
            if stage >= Stage::Loaded {
                layer.bytes = layer.total;
            }
        }
        if !advances && now.duration_since(layer.told) < TELL {
            return None;
        }
        layer.told = now;
        let amount = done.zip(all).map(|(done, all)| {
            let (done, all) = (megabytes(done), megabytes(all));
            format!(" {done} of {all}")
        });
        self.line(format!("{id}: {status}{}", amount.unwrap_or_default()))
    }

    /// One that is heard of for the first time. What is said of others is not of layers: of
    /// `latest: Pulling from library/alpine`, or of the image at the end.
    fn begin(&mut self, id: &str, status: &str, stage: Stage, now: Instant) -> Option<()> {
        let begins = stage <= Stage::Loading || status == "Already exists";
        if !begins || self.known.len() >= MOST_LAYERS {
            return None;
        }
        let layer = Layer {
            stage: Stage::Known,
            bytes: 0,
            total: 0,
            told: now,
        };
        self.known.insert(id.to_owned(), layer);
        Some(())
    }

    fn line(&mut self, line: String) -> Option<String> {
        self.lines += 1;
        match self.lines {
            ..MOST_LINES => Some(line),
            MOST_LINES => Some("the rest of what the engine says of it is left out".to_owned()),
            _ => None,
        }
    }

    /// The numbers, when they are to be told.
    pub(super) fn count(&mut self, now: Instant) -> Option<PullProgress> {
        let (before, at) = self.counted;
        let pause = (now.duration_since(self.began) / COUNT_PART).max(COUNT);
        if now.duration_since(at) < pause {
            return None;
        }
        let progress = self.progress();
        if progress == before {
            return None;
        }
        self.counted = (progress, now);
        Some(progress)
    }

    fn progress(&self) -> PullProgress {
        let reached = |stage: Stage| {
            let reached = self.known.values().filter(|layer| layer.stage >= stage);
            reached.count() as u32
        };
        let sum =
            |bytes: fn(&Layer) -> u64| self.known.values().map(bytes).fold(0, u64::saturating_add);
        let layers = reached(Stage::Known);
        let loaded = reached(Stage::Loaded);
        // Of those that were there before there is nothing to unpack.
        let unpacks = |layer: &Layer| layer.stage >= Stage::Unpacking && layer.total > 0;
        let unpacking = loaded == layers && self.known.values().any(unpacks);
        PullProgress {
            layers,
            done: if unpacking {
                reached(Stage::Done)
            } else {
                loaded
            },
            bytes: sum(|layer| layer.bytes),
            total: sum(|layer| layer.total),
            unpacking,
        }
    }
}

/// What an engine says, on one line and not too long.
fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(LONGEST).map(plain).collect()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn news(id: &str, status: &str, amount: Option<(i64, i64)>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: amount.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn layers_are_counted_while_they_come_and_while_they_are_unpacked() {
        let now = Instant::now();
        let mut layers = Layers::new(now);
        let mut hear = |id, status, amount| {
            layers.take(&news(id, status, amount), now);
            layers.progress().to_string()
        };
        assert_eq!(hear("latest", "Pulling from a/b", None), "pulling");
        assert_eq!(hear("one", "Already exists", None), "pulling 1/1 layers");
        hear("two", "Pulling fs layer", None);
        hear("three", "Waiting", None);
        let loading = hear("two", "Downloading", Some((1_000_000, 8_000_000)));
        assert_eq!(loading, "pulling 1/3 layers 1/8 MB");
        let loading = hear("three", "Downloading", Some((0, 4_000_000)));
        assert_eq!(loading, "pulling 1/3 layers 1/12 MB");
        hear("two", "Verifying Checksum", None);
        assert_eq!(
            hear("two", "Extracting", Some((1, 8_000_000))),
            "pulling 2/3 layers 8/12 MB"
        );
        hear("three", "Download complete", None);
        assert_eq!(hear("two", "Pull complete", None), "unpacking 2/3 layers");
        assert_eq!(
            hear("0a1b", "Download complete", None),
            "unpacking 2/3 layers"
        );
        assert_eq!(hear("three", "Pull complete", None), "unpacking 3/3 layers");
    }

    #[test]
    fn numbers_are_told_when_they_have_changed_and_less_and_less_often() {
        let start = Instant::now();
        let mut layers = Layers::new(start);
        let mut at = Duration::ZERO;
        let mut told = 0;
        // An engine that tells a hundred times a second, for an hour.
        for step in 0..360_000 {
            at += Duration::from_millis(10);
            let downloading = news("one", "Downloading", Some((step, 360_000)));
            layers.take(&downloading, start + at);
            told += u32::from(layers.count(start + at).is_some());
        }
        assert!((900..1_000).contains(&told), "{told}");
        at += Duration::from_mins(1);
        assert_eq!(
            layers.count(start + at).map(|pull| pull.bytes),
            Some(359_999)
        );
        assert_eq!(layers.count(start + at * 2), None, "nothing is new");
    }

    #[test]
    fn a_hostile_engine_fills_neither_the_memory_nor_the_log() {
        let now = Instant::now();
        let mut layers = Layers::new(now);
        let mut lines = Vec::new();
        for step in 0..50_000_u64 {
            let id = format!("\u{1b}[2J{step}\n{}", "x".repeat(10_000));
            for status in ["Pulling fs layer", "\u{7}gone", "Downloading"] {
                let later = now + Duration::from_secs(step * 2);
                let said = news(&id, status, Some((i64::MAX, i64::MAX)));
                lines.extend(layers.take(&said, later));
            }
        }
        assert_eq!(layers.known.len(), MOST_LAYERS);
        assert!(lines.len() <= MOST_LINES);
        for line in &lines {
            assert!(
                line.len() < 3 * LONGEST && !line.contains(char::is_control),
                "{line:?}"
            );
        }
        assert_eq!(layers.progress().total, u64::MAX);
        let lies = news("one", "Downloading", Some((-1, -1)));
        Layers::new(now).take(&lies, now);
    }

    #[test]
    fn a_log_that_has_been_told_enough_says_so_once() {
        let start = Instant::now();
        let mut layers = Layers::new(start);
        let mut lines = Vec::new();
        for step in 1..10_000 {
            let said = news("one", "Downloading", Some((step, 10_000)));
            lines.extend(layers.take(&said, start + TELL * step as u32));
        }
        assert_eq!(lines.len(), MOST_LINES);
        assert!(lines[0].starts_with("one: Downloading 0.0 MB of"));
        assert!(lines[MOST_LINES - 1].contains("left out"));
    }
}
