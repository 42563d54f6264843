//! Where the taking in of a server's journal stands: which number comes next, and whether it is the
//! journal that was begun with.
//!
//! Every connection asks for the last event that is known once more. That it is the same there shows
//! that the journal is; what has a smaller number is known, what has the next one is news. Anything else
//! is a fault of the connection first, since that is what it mostly is: it is made again. What stays so is
//! believed the third time.

use std::sync::Arc;

use crate::domain::{Event, EventKind, JobId, Millis, Seq, TuiEvent};
use crate::edn::Value;

/// The key of the number that an event has in the server's journal, in ours.
pub(super) const NUMBER: &str = "tui/server-seq";

/// How often something has to be so before it is believed.
const BELIEVED: u8 = 3;

/// What is known of a server's journal.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// The server has no such stream of this build.
    absent: bool,
    /// It has said so, and was not heard otherwise yet.
    unheard: bool,
    /// The number of the last event that is recorded here, or was left out; 0 before the first.
    last: Seq,
    /// The event with that number; `None` for one that was left out.
    mark: Option<Mark>,
    /// This connection has the journal that is known.
    confirmed: bool,
    /// How often in a row a connection had another one, or none.
    doubts: u8,
    /// How often in a row the next event could not be had.
    missed: u8,
    /// How often in a row the stream has ended without anything new.
    ends: u8,
    /// Heartbeats of this connection.
    pings: u8,
}

/// By what an event is known again.
#[derive(Debug, Clone, PartialEq)]
struct Mark {
    kind: String,
    time: Option<Millis>,
    job: Option<JobId>,
}

/// What to do about something that was heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the next event.
    Next,
    /// It is known, or means nothing.
    Known,
    /// The connection is of no use; the reason is a sentence.
    Broken(String),
    /// What comes before this number, or it, is not to be had: a sentence to record.
    Without(Seq, String),
    /// The server's journal is another one than before.
    Anew,
    /// What the server offers has no numbers.
    Unnumbered,
}

impl Mark {
    fn of(event: &Event) -> Self {
        Self {
            kind: event.type_name().to_owned(),
            time: event.time,
            job: event.job_id.clone(),
        }
    }

    /// Whether an event is the same. One without a time was given one here.
    fn is(&self, event: &Event) -> bool {
        self.kind == event.type_name()
            && self.job == event.job_id
            && (event.time.is_none() || self.time == event.time)
    }
}

impl Numbers {
    /// What a recording tells of it.
    pub(super) fn of(recorded: &[Arc<Event>]) -> Self {
        let mut numbers = Self::default();
        for event in recorded {
            let number = event.extra.get_kw(NUMBER).and_then(Value::as_i64);
            match (&event.kind, number.and_then(|n| Seq::try_from(n).ok())) {
                (EventKind::Tui(TuiEvent::Anew), _) => numbers = Self::default(),
                // What stands for something that was left out was never there.
                (EventKind::Tui(TuiEvent::Gap), Some(number)) if event.src.is_none() => {
                    numbers.left_out(number);
                }
                (_, Some(number)) => numbers.took(number, event),
                (_, None) => {}
            }
        }
        numbers
    }

    /// Whether the server is to be asked for its journal.
    pub(super) fn may_be_had(&self) -> bool {
        !self.absent
    }

    /// Something of the journal is known.
    pub(super) fn is_begun(&self) -> bool {
        self.last > 0
    }

    /// The journal is what tells when the build is over.
    pub(super) fn tell_the_end(&self) -> bool {
        self.is_begun() && !self.absent
    }

    /// After which number a connection has to begin.
    pub(super) fn after(&self) -> Seq {
        match self.mark {
            Some(_) => self.last.saturating_sub(1),
            None => self.last,
        }
    }

    /// A connection was made.
    pub(super) fn connected(&mut self) {
        self.pings = 0;
        self.confirmed = self.mark.is_none();
    }

    /// This connection has the journal that is known.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// The server says that it has no such stream. It is remembered once it has answered something else.
    pub(super) fn refused(&mut self) {
        self.unheard = true;
    }

    /// The server has answered another question about the build.
    pub(super) fn answered(&mut self) {
        self.absent |= std::mem::take(&mut self.unheard);
    }

    /// There is no more of it, however it goes on.
    pub(super) fn give_up(&mut self) {
        self.absent = true;
    }

    /// An event was recorded.
    pub(super) fn took(&mut self, number: Seq, event: &Event) {
        self.settle(number, Some(Mark::of(event)));
    }

    /// Everything up to this number that is not recorded was left out.
    pub(super) fn left_out(&mut self, number: Seq) {
        self.settle(number, None);
    }

    fn settle(&mut self, number: Seq, mark: Option<Mark>) {
        self.last = number;
        self.mark = mark;
        self.missed = 0;
        self.ends = 0;
    }

    /// An event was heard. `fits`: it may be one of this build.
    pub(super) fn hear(&mut self, number: Seq, event: &Event, fits: bool) -> Verdict {
        if number < self.last || (number == self.last && self.confirmed) {
            return Verdict::Known;
        }
        if !self.confirmed {
            if number == self.last && self.mark.as_ref().is_some_and(|mark| mark.is(event)) {
                self.confirmed = true;
                self.doubts = 0;
                return Verdict::Known;
            }
            return self.doubt();
        }
        if number - 1 > self.last {
            return self.miss(number - 1, "the server has left it out");
        }
        if !fits {
            return self.miss(number, "it is none of this build");
        }
        self.doubts = 0;
        Verdict::Next
    }

    /// Something was heard that is no event, or has no number.
    pub(super) fn hear_odd(&mut self, number: Option<Seq>, why: &str) -> Verdict {
        match number {
            None if self.is_begun() => Verdict::Known,
            None => self.doubt(),
            Some(number) if number < self.last => Verdict::Known,
            Some(number) if number == self.last && self.confirmed => Verdict::Known,
            Some(_) if !self.confirmed => self.doubt(),
            Some(number) if number - 1 > self.last => {
                self.miss(number - 1, "the server has left it out")
            }
            Some(number) => self.miss(number, why),
        }
    }

    /// A heartbeat was heard; which of this connection's it is. The second one comes after all there is.
    pub(super) fn ping(&mut self) -> u8 {
        self.pings = self.pings.saturating_add(1);
        self.pings
    }

    /// All there is was heard.
    pub(super) fn caught_up(&mut self) -> Verdict {
        if self.confirmed {
            Verdict::Known
        } else {
            self.doubt()
        }
    }

    /// The stream has ended in order, without the build's end. True: not for the first time in a row, or
    /// before anything came.
    pub(super) fn ended(&mut self) -> bool {
        self.ends = self.ends.saturating_add(1);
        self.ends > 1 || !self.is_begun()
    }

    /// The stream is not what is known, or has no numbers.
    pub(super) fn doubt(&mut self) -> Verdict {
        self.doubts = self.doubts.saturating_add(1);
        match (self.is_begun(), self.doubts < BELIEVED) {
            (true, true) => {
                Verdict::Broken("the server's journal is not the one that is known".to_owned())
            }
            (true, false) => {
                *self = Self::default();
                Verdict::Anew
            }
            (false, true) => {
                Verdict::Broken("the server's events of this build have no numbers".to_owned())
            }
            (false, false) => {
                self.absent = true;
                Verdict::Unnumbered
            }
        }
    }

    /// The next event cannot be had: nothing up to that number can.
    fn miss(&mut self, until: Seq, why: &str) -> Verdict {
        self.missed = self.missed.saturating_add(1);
        let first = self.last.saturating_add(1);
        let which = if first == until {
            format!("event {until}")
        } else {
            format!("events {first} to {until}")
        };
        let sentence = format!("{which} of the server's journal cannot be had: {why}");
        if self.missed < BELIEVED {
            return Verdict::Broken(sentence);
        }
        self.left_out(until);
        self.confirmed = true;
        Verdict::Without(until, sentence)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What may be heard.
    #[derive(Debug, Clone)]
    enum Heard {
        Connected,
        Event(Seq, Millis, bool),
        Odd(Option<Seq>),
        Ping,
        Ended,
    }

    fn number() -> impl Strategy<Value = Seq> {
        prop_oneof![8 => 1_u64..8, 1 => (i64::MAX as Seq - 3)..i64::MAX as Seq]
    }

    fn heard() -> impl Strategy<Value = Heard> {
        prop_oneof![
            1 => Just(Heard::Connected),
            6 => (number(), 0_i64..2, any::<bool>()).prop_map(|(n, t, fits)| Heard::Event(n, t, fits)),
            2 => prop::option::of(number()).prop_map(Heard::Odd),
            1 => Just(Heard::Ping),
            1 => Just(Heard::Ended),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_heard_numbers_only_go_up_until_it_begins_anew(
            all in prop::collection::vec(heard(), 0..200)
        ) {
            let mut numbers = Numbers::default();
            numbers.connected();
            let mut last = 0;
            for one in all {
                let event = |time| {
                    let mut event = Event::new(EventKind::BuildStart);
                    event.time = Some(time);
                    event
                };
                let verdict = match &one {
                    Heard::Connected => {
                        numbers.connected();
                        continue;
                    }
                    Heard::Ended => {
                        numbers.ended();
                        continue;
                    }
                    Heard::Ping => match numbers.ping() {
                        2 => numbers.caught_up(),
                        _ => continue,
                    },
                    Heard::Odd(number) => numbers.hear_odd(*number, "odd"),
                    Heard::Event(number, time, fits) => numbers.hear(*number, &event(*time), *fits),
                };
                match (verdict, one) {
                    (Verdict::Next, Heard::Event(number, time, fits)) => {
                        prop_assert!(fits);
                        prop_assert_eq!(number, last + 1);
                        numbers.took(number, &event(time));
                        last = number;
                    }
                    (Verdict::Without(until, _), _) => {
                        prop_assert!(until > last);
                        last = until;
                    }
                    (Verdict::Anew, _) => {
                        prop_assert!(last > 0);
                        last = 0;
                        numbers.connected();
                    }
                    (Verdict::Unnumbered, _) => prop_assert_eq!(last, 0),
                    (Verdict::Next, _) => prop_assert!(false, "only an event is news"),
                    (Verdict::Known | Verdict::Broken(_), _) => {}
                }
                prop_assert!(numbers.after() <= last);
            }
        }
    }
}
