//! What really differs between two logs of one job.
//!
//! Two runs of the same thing never write the same bytes: times, durations, hashes and temporary folders are others,
//! and tools that work in parallel say the same in another order. So lines are compared by their skeletons
//! ([`Masks`]), command by command, and a line that only moved is no difference: what differs is the lines that one
//! of them has more often than the other.
//!
//! Of a line only a hash is kept, so memory is bounded by the number of lines, and of lines only the first
//! [`MOST_LINES`] are compared.

mod skeleton;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;

use imara_diff::{Algorithm, Diff, InternedInput};

pub use skeleton::Masks;

use super::ansi::strip_cow;
use super::reader::LogReader;

/// More lines of a log are not compared.
pub const MOST_LINES: usize = 4_000_000;

/// Of a line longer than this only the first bytes are looked at.
const LONGEST_LINE: usize = 64 * 1024;

/// How many lines around what differs are told.
const CONTEXT: usize = 3;

/// What differs in the output of one command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SectionDiff {
    /// The command in the earlier log, by its index; `None` where it has none.
    pub before: Option<u32>,
    /// The command in the later log.
    pub after: Option<u32>,
    /// Lines of the earlier log that the later one has not, by their numbers from 0.
    pub removed: Vec<usize>,
    /// Lines of the later log that the earlier one has not.
    pub added: Vec<usize>,
    /// How many lines stand elsewhere.
    pub moved: usize,
    /// What differs with the lines around it.
    pub hunks: Vec<Vec<Row>>,
}

/// A line of a hunk, by the numbers of lines in their logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// Both have it.
    Same(usize, usize),
    /// Only the earlier one has it.
    Removed(usize),
    /// Only the later one has it.
    Added(usize),
    /// The later one has it here, the earlier one elsewhere.
    Moved(usize),
}

/// What differs between two logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogDiff {
    /// Commands with a difference.
    pub sections: Vec<SectionDiff>,
    /// How many lines stand elsewhere, in all commands.
    pub moved: usize,
    /// One of the logs has more lines than are compared.
    pub cut: bool,
}

impl SectionDiff {
    /// How many lines differ: one that is another counts once.
    pub fn lines(&self) -> usize {
        self.removed.len().max(self.added.len())
    }
}

impl LogDiff {
    /// How many lines differ: one that is another counts once.
    pub fn lines(&self) -> usize {
        self.sections.iter().map(SectionDiff::lines).sum()
    }
}

/// One of two logs, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The log.
    pub log: &'a LogReader,
    /// What is no difference in it.
    pub masks: &'a Masks,
}

/// Compares two logs. `pairs` has the commands of both that belong together, in their order; what a log says for no
/// command ([`NO_COMMAND`](super::NO_COMMAND)) and for commands in no pair is compared by the index.
pub fn compare(
    before: Side<'_>,
    after: Side<'_>,
    pairs: &[(Option<u32>, Option<u32>)],
) -> io::Result<LogDiff> {
    let hasher = RandomState::new();
    let mut old = Lines::read(before, &hasher)?;
    let mut new = Lines::read(after, &hasher)?;
    let mut all = pairs.to_vec();
    let mut more: Vec<u32> = old
        .by_command
        .keys()
        .chain(new.by_command.keys())
        .copied()
        .collect();
    more.sort_unstable();
    more.dedup();
    for command in more {
        let known =
            |pair: &(Option<u32>, Option<u32>)| (pair.0 == Some(command), pair.1 == Some(command));
        let as_old = !all.iter().any(|pair| known(pair).0);
        let as_new = !all.iter().any(|pair| known(pair).1);
        all.push((as_old.then_some(command), as_new.then_some(command)));
    }
    let mut diff = LogDiff {
        cut: old.cut || new.cut,
        ..LogDiff::default()
    };
    for (of_old, of_new) in all {
        let section = SectionDiff {
            before: of_old,
            after: of_new,
            ..section(&old.take(of_old), &new.take(of_new))
        };
        diff.moved += section.moved;
        if section.lines() > 0 {
            diff.sections.push(section);
        }
    }
    Ok(diff)
}

/// A line, as far as it is compared.
#[derive(Debug, Clone, Copy)]
struct Line {
    number: usize,
    hash: u64,
}

/// The lines of a log by their command.
#[derive(Debug, Default)]
struct Lines {
    by_command: HashMap<u32, Vec<Line>>,
    cut: bool,
}

impl Lines {
    fn read(side: Side<'_>, hasher: &RandomState) -> io::Result<Self> {
        let count = side.log.line_count();
        let mut lines = Self {
            cut: count > MOST_LINES,
            ..Self::default()
        };
        let (mut bytes, mut work) = (Vec::new(), skeleton::Work::default());
        for section in side.log.sections() {
            let of_command = lines.by_command.entry(section.command).or_default();
            for number in section.lines.start..section.lines.end.min(MOST_LINES) {
                bytes.clear();
                side.log.read_line_into(number, LONGEST_LINE, &mut bytes)?;
                let outline = side.masks.outline(&strip_cow(&bytes), &mut work);
                if outline.text.is_empty() {
                    continue;
                }
                let hash = hasher.hash_one(outline.text);
                // A progress that is told line by line is told as often as there was time.
                let repeats = of_command
                    .last()
                    .is_some_and(|last: &Line| last.hash == hash);
                if !(outline.progress && repeats) {
                    of_command.push(Line { number, hash });
                }
            }
        }
        Ok(lines)
    }

    fn take(&mut self, command: Option<u32>) -> Vec<Line> {
        command
            .and_then(|command| self.by_command.remove(&command))
            .unwrap_or_default()
    }
}

/// Compares the output of one command.
fn section(old: &[Line], new: &[Line]) -> SectionDiff {
    let mut input = InternedInput::<u64>::default();
    input.update_before(old.iter().map(|line| line.hash));
    input.update_after(new.iter().map(|line| line.hash));
    let diff = Diff::compute(Algorithm::Histogram, &input);
    // How often a line was taken away somewhere and put in elsewhere.
    let mut gone: HashMap<u64, usize> = HashMap::new();
    for hunk in diff.hunks() {
        for line in &old[hunk.before.start as usize..hunk.before.end as usize] {
            *gone.entry(line.hash).or_default() += 1;
        }
    }
    let mut moved: HashMap<u64, usize> = HashMap::new();
    for hunk in diff.hunks() {
        for line in &new[hunk.after.start as usize..hunk.after.end as usize] {
            let moved = moved.entry(line.hash).or_default();
            if gone.get(&line.hash).is_some_and(|gone| gone > moved) {
                *moved += 1;
            }
        }
    }
    let mut found = SectionDiff {
        moved: moved.values().sum(),
        ..SectionDiff::default()
    };
    let mut left = [moved.clone(), moved];
    let mut take = |side: usize, hash: u64| {
        let left = left[side].get_mut(&hash).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    };
    let mut hunks = Hunks::default();
    let (mut at_old, mut at_new) = (0, 0);
    for hunk in diff.hunks() {
        hunks.same(
            &old[at_old..hunk.before.start as usize],
            &new[at_new..hunk.after.start as usize],
        );
        (at_old, at_new) = (hunk.before.end as usize, hunk.after.end as usize);
        for line in &old[hunk.before.start as usize..at_old] {
            if !take(0, line.hash) {
                found.removed.push(line.number);
                hunks.differs(Row::Removed(line.number));
            }
        }
        for line in &new[hunk.after.start as usize..at_new] {
            if take(1, line.hash) {
                hunks.same_row(Row::Moved(line.number));
            } else {
                found.added.push(line.number);
                hunks.differs(Row::Added(line.number));
            }
        }
    }
    hunks.same(&old[at_old..], &new[at_new..]);
    found.hunks = hunks.done;
    found
}

/// Puts rows together that are near a difference.
#[derive(Debug, Default)]
struct Hunks {
    done: Vec<Vec<Row>>,
    /// The last rows that did not differ: what comes before the next difference.
    before: Vec<Row>,
    /// How many rows may still follow the last difference.
    room: usize,
}

impl Hunks {
    fn same(&mut self, old: &[Line], new: &[Line]) {
        for (old, new) in old.iter().zip(new) {
            self.same_row(Row::Same(old.number, new.number));
        }
    }

    fn same_row(&mut self, row: Row) {
        if self.before.len() == 2 * CONTEXT {
            self.before.remove(0);
        }
        self.before.push(row);
        // They belong to the hunk before when nothing else follows soon.
        if self.room > 0 && self.before.len() == 2 * CONTEXT {
            self.close();
        }
    }

    fn differs(&mut self, row: Row) {
        let around = std::mem::take(&mut self.before);
        match self.done.last_mut() {
            // So near to the one before that the lines between belong to both.
            Some(hunk) if self.room > 0 => {
                hunk.extend(around);
                hunk.push(row);
            }
            _ => {
                let start = around.len().saturating_sub(CONTEXT);
                let mut hunk = around[start..].to_vec();
                hunk.push(row);
                self.done.push(hunk);
            }
        }
        self.room = CONTEXT;
    }

    /// What follows a difference, and no other follows soon.
    fn close(&mut self) {
        if let Some(hunk) = self.done.last_mut() {
            hunk.extend(self.before.drain(..CONTEXT));
        }
        self.room = 0;
    }
}

#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod tests;
