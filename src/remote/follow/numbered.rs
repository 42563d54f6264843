//! Takes in a build's own journal, as a server of this program offers it: every event once, in order, by its
//! number there.
//!
//! ```text
//! ask for the last known event ─▶ it is the same ─▶ news ─▶ build/end ─▶ the rest of the logs
//!        ▲                             │ broken, another one, something is missing
//!        └────────────── wait ◀────────┘
//! ```
//!
//! What such an event is recorded as keeps its number there, since the two journals count differently: ours
//! begins with where the build runs. So the next connection, and the next time the build is attached to,
//! goes on behind it.

use futures_util::StreamExt;

use crate::domain::{BuildStatus, Event, EventKind, JobState, Seq, TuiEvent};
use crate::edn::{Map, Value};
use crate::ports::SourceItem;

use super::super::BuildEvent;
use super::follower::{Course, Follower, Outcome, Over, cut};
use super::numbers::Verdict;
use super::server::trouble;
use super::{Trouble, received};

/// Events that are recorded in one go, at most.
const BATCH: usize = 1024;

/// What becomes of a connection.
enum Next {
    /// It goes on.
    Go,
    /// It is over.
    Ended(Outcome),
    /// The build has to be looked at in another way.
    Otherwise,
}

impl Follower {
    /// One connection, from its first sign of life to its end or to that of the build. `None`: the server has
    /// no such stream, or does not give it.
    pub(super) async fn numbered(&mut self, course: &mut Course) -> Result<Option<Outcome>, Over> {
        let mut events = self.api.journal(self.numbers.after()).ready_chunks(BATCH);
        self.numbers.connected();
        self.logs.connected(true);
        loop {
            let logs_due = self.logs.due(&self.build, &self.interest, &self.pace);
            tokio::select! {
                heard = events.next() => {
                    match self.hear_all(heard.unwrap_or_default(), course).await? {
                        Next::Go if self.end.is_some() => return Ok(Some(Ok(()))),
                        Next::Go => {}
                        Next::Ended(outcome) => return Ok(Some(outcome)),
                        Next::Otherwise => {
                            self.logs.connected(false);
                            return Ok(None);
                        }
                    }
                }
                job = logs_due => {
                    let is_over = self.build.job(&job).is_some_and(JobState::is_over);
                    // What cannot be read now is read later; the events do not wait for it.
                    let _ = self.read_logs(&job, is_over).await?;
                }
                // The log that is on screen is another one: it may be due at once.
                () = self.interest.changed() => {}
            }
        }
    }

    /// What has come at once. Nothing is the end of the connection.
    async fn hear_all(
        &mut self,
        heard: Vec<BuildEvent>,
        course: &mut Course,
    ) -> Result<Next, Over> {
        if heard.is_empty() {
            return Ok(Next::Ended(Err(cut())));
        }
        let mut news = Vec::new();
        for event in heard {
            let next = match event {
                BuildEvent::Event(number, event) => {
                    self.hear_event(number, *event, &mut news, course)?
                }
                other => {
                    self.take_in(&mut news)?;
                    self.hear_other(other, course).await?
                }
            };
            if self.end.is_some() || !matches!(next, Next::Go) {
                self.take_in(&mut news)?;
                return Ok(next);
            }
        }
        self.take_in(&mut news)?;
        Ok(Next::Go)
    }

    /// An event of that number. It is news, is known, or shows that something is wrong.
    fn hear_event(
        &mut self,
        number: Seq,
        event: Event,
        news: &mut Vec<Event>,
        course: &mut Course,
    ) -> Result<Next, Over> {
        let fits = received::fits(&event, &self.sid);
        let mut verdict = self.numbers.hear(number, &event, fits);
        if let Verdict::Without(until, _) = verdict
            && until < number
        {
            self.take_in(news)?;
            self.judge(verdict)?;
            verdict = self.numbers.hear(number, &event, fits);
        }
        match verdict {
            Verdict::Next => {
                let event = received::recorded(event, number);
                self.numbers.took(number, &event);
                match event.kind {
                    EventKind::BuildEnd { .. } => self.end = Some(event),
                    _ => news.push(event),
                }
                Ok(Next::Go)
            }
            Verdict::Known => {
                if self.numbers.is_confirmed() && course.has_caught_up() {
                    self.is_well(course)?;
                }
                Ok(Next::Go)
            }
            other => {
                self.take_in(news)?;
                self.judge(other)
            }
        }
    }

    async fn hear_other(&mut self, heard: BuildEvent, course: &mut Course) -> Result<Next, Over> {
        match heard {
            BuildEvent::Connected | BuildEvent::Event(..) => Ok(Next::Go),
            BuildEvent::Ping => self.hear_ping(course).await,
            BuildEvent::LogGrew(log) => {
                self.logs.grew(&log);
                Ok(Next::Go)
            }
            BuildEvent::Odd(number, why) => {
                let verdict = self.numbers.hear_odd(number, &why);
                self.judge(verdict)
            }
            BuildEvent::Absent => {
                self.numbers.refused();
                Ok(Next::Otherwise)
            }
            BuildEvent::Refused(error) if self.numbers.is_begun() => {
                Ok(Next::Ended(Err(trouble(&error))))
            }
            // Somebody on the way may let nothing through that he does not know.
            BuildEvent::Refused(_) => Ok(Next::Otherwise),
            BuildEvent::Lost(error) => Ok(Next::Ended(Err(trouble(&error)))),
            BuildEvent::Ended(error) => self.hear_the_end(trouble(&error)).await,
        }
    }

    /// After all there is comes a second heartbeat.
    async fn hear_ping(&mut self, course: &mut Course) -> Result<Next, Over> {
        let pings = self.numbers.ping();
        if pings < 2 {
            return Ok(Next::Go);
        }
        if pings == 2 {
            match self.numbers.caught_up() {
                Verdict::Known => self.is_well(course)?,
                other => return self.judge(other),
            }
        }
        if self.numbers.is_begun() {
            return Ok(Next::Go);
        }
        // It waits for its turn, or its events have no numbers.
        let map = match self.api.build().await {
            Ok(map) => map,
            Err(trouble) => return Ok(Next::Ended(Err(trouble))),
        };
        if !has_begun(&map) {
            self.take(map, None)?;
        } else if pings > 2 {
            self.numbers.give_up();
            return Ok(Next::Otherwise);
        }
        Ok(Next::Go)
    }

    /// The server has ended the stream in order, though not with the end of the build. What has not begun
    /// when it ends has no journal.
    async fn hear_the_end(&mut self, trouble: Trouble) -> Result<Next, Over> {
        if !self.numbers.ended() {
            return Ok(Next::Ended(Err(trouble)));
        }
        let map = match self.api.build().await {
            Ok(map) => map,
            Err(trouble) => return Ok(Next::Ended(Err(trouble))),
        };
        if status_of(&map).is_final() {
            self.numbers.give_up();
            self.take(map, None)?;
            return Ok(Next::Ended(Ok(())));
        }
        if self.numbers.is_begun() || !has_begun(&map) {
            return Ok(Next::Ended(Err(trouble)));
        }
        let verdict = self.numbers.doubt();
        self.judge(verdict)
    }

    /// Does what is to be done about something that is no news.
    fn judge(&mut self, verdict: Verdict) -> Result<Next, Over> {
        let fact = |kind, message: String| Event::new(EventKind::Tui(kind)).with_message(message);
        let broken = |reason: &str| {
            Next::Ended(Err(Trouble {
                reason: reason.to_owned(),
                lasts: false,
            }))
        };
        match verdict {
            Verdict::Next | Verdict::Known => Ok(Next::Go),
            Verdict::Broken(reason) => Ok(broken(&reason)),
            Verdict::Unnumbered => Ok(Next::Otherwise),
            Verdict::Without(number, sentence) => {
                self.record(vec![received::recorded(
                    fact(TuiEvent::Gap, sentence),
                    number,
                )])?;
                Ok(Next::Go)
            }
            Verdict::Anew => {
                let text = "the server's journal of this build is another one than before: what follows is \
                            all of it";
                self.told.clear();
                self.told_build = None;
                self.logs.begin_anew(&self.build);
                self.record(vec![fact(TuiEvent::Anew, text.to_owned())])?;
                Ok(broken(
                    "the server's journal of this build is another one than before",
                ))
            }
        }
    }

    /// Records news.
    fn take_in(&mut self, news: &mut Vec<Event>) -> Result<(), Over> {
        if news.is_empty() {
            return Ok(());
        }
        self.record(std::mem::take(news))?;
        for log in self.logs.take_outputs(&self.build) {
            self.tell(SourceItem::LogGrew(log))?;
        }
        Ok(())
    }

    /// Says how the build has ended, while there are logs still to come: what is behind its end is complete.
    pub(super) fn is_about_to_end(&mut self, end: &Event) -> Result<(), Over> {
        let EventKind::BuildEnd { status, .. } = &end.kind else {
            return Ok(());
        };
        let status = status.as_ref().map_or("error", BuildStatus::as_str);
        let mut build = Map::new();
        build.insert_kw("status", Value::kw(status));
        if let Some(time) = end.time {
            build.insert_kw("end-time", time);
        }
        if let Some(message) = &end.message {
            build.insert_kw("message", message.as_str());
        }
        let jobs = Vec::new();
        self.record(vec![Event::new(EventKind::BuildUpdated { build, jobs })])
    }

    /// Reads what logs have that is not here yet.
    pub(super) async fn last_logs(&mut self) -> Result<Outcome, Over> {
        while let Some(job) = self.logs.lacking(&self.build) {
            if let Err(trouble) = self.read_logs(&job, true).await? {
                return Ok(Err(trouble));
            }
        }
        Ok(Ok(()))
    }
}

fn status_of(build: &Map) -> BuildStatus {
    let status = build.get_kw("status").and_then(Value::as_keyword);
    status.map_or(BuildStatus::Pending, |status| {
        BuildStatus::parse(status.as_str())
    })
}

/// Whether something of a build has happened, so that its journal has it.
fn has_begun(build: &Map) -> bool {
    !matches!(status_of(build), BuildStatus::Pending | BuildStatus::Queued)
}
