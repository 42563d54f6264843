//! The handle that everyone shares: append, look, follow.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::watch;

use crate::domain::{Event, Millis, Seq, Sid};
use crate::wire;

use super::file::JournalFile;
use super::{Cursor, JournalError, Recovery, read};

/// The journal of one build. A cheap handle: clones share it.
///
/// Appending blocks for one `write(2)`; that is what makes "accepted" mean "in the file".
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sid: Sid,
    events: Arc<Events>,
    tail: watch::Sender<Tail>,
    /// Held while events are numbered, written and stored, so that these happen in one order.
    writer: Mutex<Writer>,
    /// How many events are known to be on the disk; held while flushing, so that calls
    /// that come meanwhile find their work done.
    flushed: Mutex<Seq>,
}

#[derive(Debug)]
struct Writer {
    /// `None`: in memory only.
    file: Option<JournalFile>,
    closed: bool,
}

/// All events so far. Shared with the cursors, which must not keep the journal itself
/// alive: that it is gone is how they know that nothing more will come.
#[derive(Debug, Default)]
pub(super) struct Events(RwLock<Vec<Arc<Event>>>);

/// What cursors wait for a change of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tail {
    pub(super) closed: bool,
}

impl Events {
    /// Up to `limit` events that come after a number.
    pub(super) fn after(&self, seq: Seq, limit: usize) -> Vec<Arc<Event>> {
        let events = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let start = usize::try_from(seq).map_or(events.len(), |seq| seq.min(events.len()));
        let end = start.saturating_add(limit).min(events.len());
        events[start..end].to_vec()
    }

    fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn extend(&self, new: &[Arc<Event>]) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(new);
    }
}

impl Journal {
    /// A journal that is kept in memory only.
    pub fn in_memory(sid: Sid) -> Self {
        Self::new(sid, Vec::new(), None, false)
    }

    /// Creates the journal file (mode 0600) with its header. The folder has to exist, the
    /// file must not.
    pub fn create(path: &Path, sid: &Sid) -> Result<Self, JournalError> {
        let file = JournalFile::create(path, sid)?;
        Ok(Self::new(sid.clone(), Vec::new(), Some(file), false))
    }

    /// Opens a journal file to append to it, and puts right what a crash has left.
    pub fn open(path: &Path) -> Result<(Self, Recovery), JournalError> {
        let (file, contents) = JournalFile::open(path)?;
        let journal = Self::new(contents.sid, contents.events, Some(file), false);
        Ok((journal, contents.recovery))
    }

    /// Reads a journal file as it is now, without waiting for whoever writes it and without
    /// changing it. The journal is closed: a torn tail is left out, more never comes.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let contents = read::read_all(path)?;
        Ok(Self::new(contents.sid, contents.events, None, true))
    }

    #[cfg(test)]
    pub(super) fn with_file(sid: Sid, file: JournalFile) -> Self {
        Self::new(sid, Vec::new(), Some(file), false)
    }

    fn new(sid: Sid, events: Vec<Arc<Event>>, file: Option<JournalFile>, closed: bool) -> Self {
        let flushed = Mutex::new(0);
        Self(Arc::new(Inner {
            sid,
            events: Arc::new(Events(RwLock::new(events))),
            tail: watch::Sender::new(Tail { closed }),
            writer: Mutex::new(Writer { file, closed }),
            flushed,
        }))
    }

    /// Appends events: numbers them, stamps those without a time with `now`, and returns
    /// when they are written to the file (though not flushed to the disk).
    ///
    /// When the file cannot be written (the disk is full), the error is returned once. The
    /// events count all the same: they are numbered, kept in memory and seen by all
    /// cursors, and the file is caught up as soon as it can be written again. It never
    /// has half a line or a hole.
    pub fn append(&self, now: Millis, events: Vec<Event>) -> Result<Vec<Arc<Event>>, JournalError> {
        let mut writer = self.writer();
        if writer.closed {
            return Err(JournalError::Closed(self.0.sid.clone()));
        }
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.last_seq() + 1;
        let events: Vec<Arc<Event>> = (first..)
            .zip(events)
            .map(|(seq, mut event)| {
                event.seq = seq;
                event.time = event.time.or(Some(now));
                Arc::new(event)
            })
            .collect();
        let written = match &mut writer.file {
            Some(file) => {
                let mut lines = String::new();
                for event in &events {
                    lines.push_str(&wire::write_event(event));
                    lines.push('\n');
                }
                file.append(now, lines.as_bytes())
            }
            None => Ok(()),
        };
        self.0.events.extend(&events);
        self.0.tail.send_replace(Tail { closed: false });
        drop(writer);
        written.map(|()| events)
    }

    /// Makes the disk have all that was appended before the call. Blocks, and can take
    /// many milliseconds: a busy loop calls it on a blocking thread. Calls that come
    /// together share the work.
    pub fn sync(&self) -> Result<(), JournalError> {
        let wanted = self.last_seq();
        let mut flushed = self
            .0
            .flushed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *flushed >= wanted {
            return Ok(());
        }
        let (reached, handle) = {
            let mut writer = self.writer();
            let Some(file) = &mut writer.file else {
                return Ok(());
            };
            file.catch_up()?;
            (self.last_seq(), file.flush_handle())
        };
        // Outside the writer's lock: others may append while the disk works.
        handle.flush()?;
        *flushed = reached;
        Ok(())
    }

    /// Says that no more events will come: cursors end after the last one, and another
    /// process may open the file.
    pub fn close(&self) {
        let mut writer = self.writer();
        if !writer.closed {
            writer.closed = true;
            if let Some(mut file) = writer.file.take() {
                // Reported when it failed first; this is the last try.
                let _ = file.catch_up();
            }
        }
        self.0.tail.send_replace(Tail { closed: true });
    }

    /// A reader that starts after the event of that number; 0 starts at the first.
    pub fn cursor(&self, after: Seq) -> Cursor {
        Cursor::new(Arc::clone(&self.0.events), self.0.tail.subscribe(), after)
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Arc<Event>> {
        self.0.events.after(0, usize::MAX)
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.0.events.len()
    }

    /// True before the first event.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the last event; 0 before the first.
    pub fn last_seq(&self) -> Seq {
        self.len() as Seq
    }

    /// The build.
    pub fn sid(&self) -> &Sid {
        &self.0.sid
    }

    /// True when no more events will come.
    pub fn is_closed(&self) -> bool {
        self.0.tail.borrow().closed
    }

    /// Why the file lags behind, while it does.
    pub fn fault(&self) -> Option<String> {
        let writer = self.writer();
        writer.file.as_ref().and_then(JournalFile::fault)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
