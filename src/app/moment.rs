//! A moment of a recording as it is typed after `@`, or after `--from`:
//!
//! | typed | means |
//! | --- | --- |
//! | `1:23`, `1:02:03`, `90s`, `2m30s` | that long after the beginning |
//! | `+10s`, `-1:00` | that much later or earlier |
//! | `at 14:03`, `at 14:03:59` | when the clock showed that |
//! | `50%` | halfway |
//! | `#17` | the event of that number |
//! | `start`, `end` | the beginning, the end |
//! | `failure` | when a job failed first |
//! | `test`, `tes` | when that job began, by its id or the beginning of it |

use crate::domain::{Build, JobState, Millis, Seq};

/// A place in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// A time, in milliseconds since the epoch.
    At(Millis),
    /// An event by its number in the journal.
    Event(Seq),
}

/// What a moment is read against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale<'a> {
    /// When the journal begins.
    pub begin: Millis,
    /// When it ends.
    pub end: Millis,
    /// The moment that is shown.
    pub now: Millis,
    /// Seconds east of UTC.
    pub utc_offset: i32,
    /// What all events tell.
    pub build: &'a Build,
}

/// Reads a moment. The error is a sentence.
pub(super) fn read(text: &str, scale: &Scale<'_>) -> Result<Moment, String> {
    let text = text.trim();
    // A job is allowed to be called `end`.
    if let Some(job) = job(text, scale.build)? {
        let began = job.start_time.or(job.queued_time).or(job.end_time);
        return began
            .map(Moment::At)
            .ok_or_else(|| format!("{} never began", job.id()));
    }
    match text {
        "start" => return Ok(Moment::At(scale.begin)),
        "end" => return Ok(Moment::At(scale.end)),
        "failure" => {
            let failed = scale.build.failed_jobs();
            let first = failed.iter().filter_map(|job| job.end_time).min();
            return first
                .map(Moment::At)
                .ok_or_else(|| "no job has failed".to_owned());
        }
        _ => {}
    }
    let other = || {
        format!(
            "{text:?} is no moment and no job: 1:23, +10s, 50%, at 14:03, #17, failure or a job is one"
        )
    };
    if let Some(number) = text.strip_prefix('#') {
        return number.parse().map(Moment::Event).map_err(|_| other());
    }
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.parse().map_err(|_| other())?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(other());
        }
        let length = (scale.end - scale.begin) as f64;
        return Ok(Moment::At(
            scale.begin + (length * percent / 100.0) as Millis,
        ));
    }
    let moved = |rest: &str, sign: Millis| {
        let by = duration(rest).ok_or_else(other)?;
        Ok(Moment::At(
            scale.now.saturating_add(by.saturating_mul(sign)),
        ))
    };
    if let Some(rest) = text.strip_prefix('+') {
        return moved(rest, 1);
    }
    if let Some(rest) = text.strip_prefix('-') {
        return moved(rest, -1);
    }
    if let Some(rest) = text.strip_prefix("at ") {
        let of_day = clock(rest).ok_or_else(other)?;
        return Ok(Moment::At(next_at(of_day, scale)));
    }
    duration(text)
        .map(|after| Moment::At(scale.begin.saturating_add(after)))
        .ok_or_else(other)
}

/// The job of an id, or of the beginning of one.
fn job<'a>(text: &str, build: &'a Build) -> Result<Option<&'a JobState>, String> {
    let of = |fits: &dyn Fn(&str) -> bool| -> Vec<&JobState> {
        let jobs = build.jobs().iter();
        jobs.filter(|job| fits(job.id().as_str())).collect()
    };
    if let [job] = of(&|id| id == text)[..] {
        return Ok(Some(job));
    }
    let begins = text.chars().next().is_some_and(char::is_alphabetic);
    match of(&|id| begins && id.starts_with(text))[..] {
        [] => Ok(None),
        [job] => Ok(Some(job)),
        [one, other, ..] => Err(format!(
            "{text:?} is the beginning of more than one job: {}, {} …",
            one.id(),
            other.id()
        )),
    }
}

/// `1:23`, `1:02:03`, `90s`, `2m30s`, `1h`, in milliseconds.
fn duration(text: &str) -> Option<Millis> {
    let seconds = if text.contains(':') {
        let parts: Vec<&str> = text.split(':').collect();
        if parts.len() > 3 {
            return None;
        }
        parts.iter().try_fold(0_i64, |sum, part| {
            let part: u32 = digits(part)?;
            Some(sum.checked_mul(60)? + i64::from(part))
        })?
    } else {
        let mut sum = 0_i64;
        let mut number = String::new();
        for c in text.chars() {
            let factor = match c {
                '0'..='9' => {
                    number.push(c);
                    continue;
                }
                'h' => 3600,
                'm' => 60,
                's' => 1,
                _ => return None,
            };
            let part: u32 = digits(&std::mem::take(&mut number))?;
            sum += i64::from(part) * factor;
        }
        if !number.is_empty() {
            // A number alone: seconds.
            sum += i64::from(digits(&number)?);
        } else if text.is_empty() {
            return None;
        }
        sum
    };
    seconds.checked_mul(1000)
}

fn digits(text: &str) -> Option<u32> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

/// `14:03` or `14:03:59`, in milliseconds since midnight.
fn clock(text: &str) -> Option<Millis> {
    let parts: Vec<u32> = text.split(':').map(digits).collect::<Option<_>>()?;
    let [hours, minutes, rest @ ..] = &parts[..] else {
        return None;
    };
    let seconds = match rest {
        [] => 0,
        [seconds] => *seconds,
        _ => return None,
    };
    let valid = *hours < 24 && *minutes < 60 && seconds < 60;
    valid.then(|| i64::from(hours * 3600 + minutes * 60 + seconds) * 1000)
}

/// The first time in the recording at which a clock shows a time of day.
fn next_at(of_day: Millis, scale: &Scale<'_>) -> Millis {
    const DAY: Millis = 86_400_000;
    let offset = i64::from(scale.utc_offset) * 1000;
    let begin = scale.begin + offset;
    // The second in which it begins counts too.
    let begin_second = begin - begin.rem_euclid(1000);
    let midnight = begin - begin.rem_euclid(DAY);
    let at = midnight + of_day;
    let at = if at < begin_second { at + DAY } else { at };
    (at - offset).max(scale.begin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, EventKind, Job, JobId, JobStatus};
    use crate::edn::Map;
    use proptest::prelude::*;

    fn build() -> Build {
        let of = |job: &str, time, kind| Event {
            time: Some(time),
            ..Event::of_job(&JobId::new(job), kind)
        };
        let jobs = ["test", "test-all", "deploy", "end", "never"].map(Job::new);
        let end = |status| EventKind::JobEnd {
            status: Some(status),
            result: Map::new(),
        };
        Build::fold(&[
            Event::new(EventKind::ScriptStart { jobs: jobs.into() }),
            of("test", 11_000, EventKind::JobStart),
            of("test-all", 12_000, EventKind::JobStart),
            of("test-all", 14_000, end(JobStatus::Failure)),
            of("deploy", 13_000, EventKind::JobStart),
            of("end", 15_000, EventKind::JobStart),
        ])
    }

    fn at(text: &str) -> Result<Moment, String> {
        read(
            text,
            &Scale {
                begin: 10_000,
                end: 110_000,
                now: 50_000,
                utc_offset: 3600,
                build: &build(),
            },
        )
    }

    #[test]
    fn moments_are_times_events_and_jobs() {
        for (text, ms) in [
            ("0:05", 15_000),
            ("1:02:03", 3_733_000),
            ("90s", 100_000),
            ("1m5s", 75_000),
            ("7", 17_000),
            ("+10s", 60_000),
            ("-0:10", 40_000),
            ("50%", 60_000),
            ("start", 10_000),
            ("failure", 14_000),
            ("test", 11_000),
            ("dep", 13_000),
            // A job's name comes first.
            ("end", 15_000),
            // 10 s after midnight UTC is 1:00:10 here.
            ("at 1:00:30", 30_000),
            ("at 1:00:10", 10_000),
            ("at 1:00:09", 86_409_000),
        ] {
            assert_eq!(at(text), Ok(Moment::At(ms)), "{text}");
        }
        assert_eq!(at("#17"), Ok(Moment::Event(17)));
    }

    #[test]
    fn what_is_no_moment_says_what_is() {
        for (text, word) in [
            ("never", "never began"),
            ("te", "more than one"),
            ("101%", "is no moment"),
            ("#x", "is no moment"),
            ("", "is no moment"),
            ("at 25:00", "is no moment"),
            ("1:2:3:4", "is no moment"),
            ("99999999999h", "is no moment"),
        ] {
            let error = at(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_panics(text in "[-+#@%:0-9hms a-z]{0,12}|\\PC{0,6}") {
            let _ = at(&text);
        }
    }
}
