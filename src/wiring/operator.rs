//! What `serve` says on stderr: a line for each build that is queued, begins and ends, and for who is refused.
//!
//! A line begins with the time, unless systemd's journal is at the other end, which knows it. Lines are written by
//! a thread of their own: where nobody reads them the server goes on, and says later how many are missing.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::clean;
use crate::cli::plain::spell_duration;
use crate::server::{News, Operator, Refused};

/// So many lines may wait to be written.
const WAITING: usize = 1000;

/// So long the end of the server waits until all is written.
const LAST: Duration = Duration::from_secs(1);

/// What systemd sets for those whose stderr goes to its journal.
const OF_JOURNAL: &str = "JOURNAL_STREAM";

/// The operator at stderr.
#[derive(Debug)]
pub(super) struct Stderr {
    lines: Mutex<Option<SyncSender<String>>>,
    /// Lines for which there was no room.
    missing: Arc<AtomicU64>,
    written: Mutex<Receiver<()>>,
    with_time: bool,
    /// Only what is wrong is told.
    quiet: bool,
}

impl Stderr {
    pub(super) fn new(quiet: bool) -> Self {
        let (lines, waiting) = sync_channel::<String>(WAITING);
        let (done, written) = sync_channel(1);
        let missing = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&missing);
        std::thread::spawn(move || {
            for line in waiting {
                write(&line);
                let lost = lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    write(&format!(
                        "monkeyci-tui: {lost} lines are missing here: nobody read them"
                    ));
                }
            }
            // Nobody may wait for it.
            let _ = done.send(());
        });
        Self {
            lines: Mutex::new(Some(lines)),
            missing,
            written: Mutex::new(written),
            with_time: std::env::var_os(OF_JOURNAL).is_none(),
            quiet,
        }
    }

    /// Waits for a while until all that was said is written; nothing more is.
    pub(super) fn finish(&self) {
        let lines = self
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(lines);
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        // Who does not read by now has heard enough.
        let _ = written.recv_timeout(LAST);
    }
}

fn write(line: &str) {
    // One that has gone away hears nothing.
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Operator for Stderr {
    fn hear(&self, news: &News) {
        if self.quiet && !matches!(news, News::Trouble(_)) {
            return;
        }
        let mut line = clean(&line(news));
        if self.with_time {
            line = format!("{} {line}", Timestamp::now().strftime("%FT%TZ"));
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = lines.as_ref().map(|lines| lines.try_send(line));
        if !matches!(sent, Some(Ok(()))) {
            self.missing.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn line(news: &News) -> String {
    match news {
        News::Queued { sid, source, of } => match &of[..] {
            [] => format!("{sid} queued by {source}"),
            of => format!("{sid} queued by {source}: {}", of.join(", ")),
        },
        News::Started(sid) => format!("{sid} started"),
        News::Ended {
            sid,
            status,
            after,
            message,
        } => {
            let why = message.as_ref().map(|why| format!(": {why}"));
            let after = spell_duration(*after);
            format!(
                "{sid} ended: {status} after {after}{}",
                why.unwrap_or_default()
            )
        }
        News::LoginRefused { who, why } => format!("refused {}: {why}", shown(who, "at")),
        News::DeliveryRefused { who, why } => {
            format!("refused a delivery of {}: {why}", shown(who, "to"))
        }
        News::Trouble(text) => format!("monkeyci-tui: {text}"),
    }
}

fn shown(who: &Refused, word: &str) -> String {
    let from = who
        .from
        .map_or_else(|| "somebody".to_owned(), |from| from.ip().to_string());
    let others = match who.untold {
        0 => String::new(),
        untold => format!(", after {untold} others that are not told"),
    };
    format!("{from} {word} {}{others}", who.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BuildStatus, Sid};

    #[test]
    fn every_piece_of_news_is_one_line() {
        let sid = || Sid::new("acme", "app", "build-7");
        let who = |untold| Refused {
            from: Some("10.0.0.7:1234".parse().unwrap()),
            path: "/org/acme".to_owned(),
            untold,
        };
        for (news, said) in [
            (
                News::Queued {
                    sid: sid(),
                    source: "github-webhook".to_owned(),
                    of: vec!["branch main".to_owned(), "commit 3f2a".to_owned()],
                },
                "acme/app/build-7 queued by github-webhook: branch main, commit 3f2a",
            ),
            (News::Started(sid()), "acme/app/build-7 started"),
            (
                News::Ended {
                    sid: sid(),
                    status: BuildStatus::Error,
                    after: 65_000,
                    message: Some("no\nsuch branch".to_owned()),
                },
                "acme/app/build-7 ended: error after 1 min 05 s: no such branch",
            ),
            (
                News::LoginRefused {
                    who: who(3),
                    why: "why",
                },
                "refused 10.0.0.7 at /org/acme, after 3 others that are not told: why",
            ),
            (
                News::DeliveryRefused {
                    who: who(0),
                    why: "why".to_owned(),
                },
                "refused a delivery of 10.0.0.7 to /org/acme: why",
            ),
        ] {
            assert_eq!(clean(&line(&news)), said);
        }
    }
}
