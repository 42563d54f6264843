//! What the folder of a build holds, as far as the index keeps it.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::journal::{self, JournalError};

use super::super::BuildFolder;
use super::super::pins;
use super::rows::{Folding, Rows};
use super::scan::nanoseconds;

/// What was found in a folder.
#[derive(Debug)]
pub(super) enum Found {
    /// A recording.
    Build(Box<Recording>),
    /// No journal: a build that is just being created has none yet.
    Nothing,
    /// A journal that cannot be read.
    Unreadable(JournalError),
}

/// A recording, read.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) state: JournalState,
    pub(super) rows: Rows,
    /// Of everything in the folder.
    pub(super) bytes: u64,
    pub(super) pinned: bool,
}

/// By which it shows that a journal has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JournalState {
    /// In bytes.
    pub(super) length: i64,
    /// In ns since the epoch.
    pub(super) modified: i64,
    /// Some process appends to it.
    pub(super) in_use: bool,
}

impl Recording {
    /// Nothing more will come: it has its end, and nobody is left to add to that.
    pub(super) fn is_settled(&self) -> bool {
        self.rows.has_end && !self.state.in_use
    }
}

impl JournalState {
    /// How a journal is now; `None` when there is none.
    pub(super) fn of(journal: &Path) -> Option<Self> {
        // Asked first: one who ends in between leaves the end of the build behind.
        let in_use = journal::is_in_use(journal);
        let found = fs::metadata(journal).ok()?;
        Some(Self {
            length: found.len().cast_signed(),
            modified: nanoseconds(&found),
            in_use,
        })
    }

    /// The same, but for who has it open: for a journal that is known to be at its end.
    pub(super) fn is_that_of(self, journal: &Path) -> bool {
        fs::metadata(journal).is_ok_and(|found| {
            (found.len().cast_signed(), nanoseconds(&found)) == (self.length, self.modified)
        })
    }
}

/// Reads a folder.
pub(super) fn read(folder: &BuildFolder) -> Found {
    // Before its text: what is written after this look makes it another one.
    let Some(state) = JournalState::of(&folder.journal) else {
        return Found::Nothing;
    };
    let mut folding = Folding::default();
    let read = journal::read_lines(&folder.journal, |line| match line.event() {
        Ok(event) => folding.apply(&event),
        Err(_) => folding.pass_over(),
    });
    match read {
        Ok(sid) => Found::Build(Box::new(Recording {
            state,
            rows: folding.rows(&sid),
            bytes: if state.in_use {
                0
            } else {
                size_of(&folder.dir)
            },
            pinned: pins::is_pinned(folder),
        })),
        Err(JournalError::Missing(_)) => Found::Nothing,
        Err(error) => Found::Unreadable(error),
    }
}

/// The bytes of the files in a folder and in those in it, as far as they can be seen.
pub fn size_of(dir: &Path) -> u64 {
    let mut bytes = 0;
    let mut folders = vec![dir.to_owned()];
    while let Some(dir) = folders.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes += found.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// Reads many folders, several at a time, and hands them to `each` in any order until it fails.
pub(super) fn read_all<E>(
    folders: &[(i64, BuildFolder)],
    mut each: impl FnMut(i64, Found) -> Result<(), E>,
) -> Result<(), E> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let readers = cores.min(folders.len() / 16);
    if readers < 2 {
        for (id, folder) in folders {
            each(*id, read(folder))?;
        }
        return Ok(());
    }
    let next = AtomicUsize::new(0);
    // So many that the writer always has some, and a flood of them is not held in memory.
    let (found, received) = mpsc::sync_channel(64);
    std::thread::scope(|scope| {
        for _ in 0..readers {
            let (next, found) = (&next, found.clone());
            scope.spawn(move || {
                while let Some((id, folder)) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Nobody takes it any more after an error.
                    if found.send((*id, read(folder))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(found);
        // Dropped with this closure's end: readers that wait for room give up.
        received
            .into_iter()
            .try_for_each(|(id, found)| each(id, found))
    })
}
