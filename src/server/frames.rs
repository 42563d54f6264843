//! Events as they are sent, written once for all who watch a build.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::domain::{Event, Seq};
use crate::wire::{self, sse};

/// Most events that are kept: who watches is rarely further behind, and who is has them written
/// again.
const KEPT: usize = 256;

/// Longer ones are not kept.
const LONGEST: usize = 16 << 10;

/// The newest events of a build that runs.
#[derive(Debug, Default)]
pub(super) struct Frames(Mutex<BTreeMap<Seq, Bytes>>);

impl Frames {
    /// An event of the build, with its number.
    pub(super) fn of(&self, event: &Event) -> Bytes {
        // Written while the lock is held: all ask for the same one at once.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(frame) = kept.get(&event.seq) {
            return frame.clone();
        }
        let frame = written(event);
        if frame.len() <= LONGEST {
            kept.insert(event.seq, frame.clone());
            if kept.len() > KEPT {
                kept.pop_first();
            }
        }
        frame
    }
}

/// An event with its number.
pub(super) fn written(event: &Event) -> Bytes {
    let mut frame = String::new();
    sse::frame(&mut frame, Some(event.seq), &wire::write_event(event));
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EventKind;

    fn event(seq: Seq, message: &str) -> Event {
        let mut event = Event::new(EventKind::BuildStart).with_message(message);
        event.seq = seq;
        event
    }

    #[test]
    fn the_newest_are_written_once_and_the_others_again() {
        let frames = Frames::default();
        let all: Vec<Event> = (1..=300).map(|seq| event(seq, "m")).collect();
        let first: Vec<Bytes> = all.iter().map(|event| frames.of(event)).collect();
        let again: Vec<Bytes> = all.iter().rev().map(|event| frames.of(event)).collect();
        for ((event, first), again) in all.iter().zip(&first).zip(again.iter().rev()) {
            assert_eq!(first, again);
            assert_eq!(*first, written(event));
            let is_kept = event.seq > 300 - KEPT as Seq;
            assert_eq!(first.as_ptr() == again.as_ptr(), is_kept, "{}", event.seq);
        }
        // An old one, asked for late, takes the place of none.
        assert_eq!(frames.0.lock().unwrap().len(), KEPT);
        frames.of(&event(301, &"x".repeat(LONGEST)));
        assert_eq!(*frames.0.lock().unwrap().last_key_value().unwrap().0, 300);
    }
}
