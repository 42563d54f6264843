//! A log as the pane lists it: its lines under a heading for each command, and what became of the
//! job at the end.
//!
//! An item is a heading, a line or a closing remark. Items are counted from 0; a line that is
//! wrapped is still one item. Made from the sections of the log and the commands of the job, without
//! reading the log.

use std::ops::Range;

use crate::domain::{Build, CommandState, JobState, LogId};
use crate::logs::{NO_COMMAND, Section};

use super::doc::{self, DocLine};
use super::why;

/// What the pane lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    segments: Vec<Segment>,
    remarks: Vec<String>,
    lines: usize,
    items: usize,
}

/// Whose log it is: what is known of it besides the lines.
#[derive(Debug)]
pub struct Owner<'a> {
    commands: &'a [CommandState],
    remarks: Vec<String>,
}

impl<'a> Owner<'a> {
    /// What the build knows of the owner of a log; `None` for a job it does not know. What is said
    /// of the script's end is wrapped: it names a place in a file, often at its end.
    pub fn new(build: &'a Build, log: &LogId, columns: usize) -> Option<Self> {
        match log {
            LogId::Job(id) => build.job(id).map(Self::job),
            LogId::Script => Some(Self {
                commands: &[],
                remarks: wrapped(&why::script_remarks(build), columns),
            }),
        }
    }

    fn job(job: &'a JobState) -> Self {
        Self {
            commands: &job.commands,
            remarks: why::remarks(job),
        }
    }
}

fn wrapped(remarks: &[String], columns: usize) -> Vec<String> {
    let lines = remarks.iter().map(|text| DocLine::plain(text)).collect();
    let lines = doc::wrap(lines, columns.saturating_sub(1).max(1));
    lines.iter().map(DocLine::text).collect()
}

/// Lines with the heading above them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    heading: Option<Heading>,
    lines: Range<usize>,
    /// The number of the first item: the heading, or the first line.
    first: usize,
}

/// What stands above the lines of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Heading {
    /// Index of the script line.
    pub command: usize,
    /// Its lines went on after those of another command.
    pub again: bool,
}

/// One entry of the pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Item {
    /// A command begins; its first line would be this one.
    Heading(Heading, usize),
    /// A line of the log.
    Line(usize),
    /// A remark at the end, by number.
    Remark(usize),
}

impl Outline {
    /// Puts together what a log of `total` lines shows.
    pub fn new(sections: &[Section], total: usize, owner: &Owner<'_>) -> Self {
        let mut outline = Self {
            lines: total,
            ..Self::default()
        };
        let mut seen: Vec<usize> = Vec::new();
        let mut last = None;
        for section in sections {
            let lines = section.lines.start.min(total)..section.lines.end.min(total);
            if lines.is_empty() {
                continue;
            }
            if section.command == NO_COMMAND {
                outline.push(None, lines);
                last = None;
                continue;
            }
            let command = section.command as usize;
            // Commands that said nothing come before the next one that did.
            outline.silent(owner.commands, Some(command), &mut seen, lines.start);
            let heading = (last != Some(command)).then(|| Heading {
                command,
                again: seen.contains(&command),
            });
            if !seen.contains(&command) {
                seen.push(command);
            }
            outline.push(heading, lines);
            last = Some(command);
        }
        // Lines that no section names (a log that is read while it grows) stand at the end.
        let known = outline.segments.last().map_or(0, |last| last.lines.end);
        if known < total {
            outline.push(None, known..total);
        }
        outline.silent(owner.commands, None, &mut seen, total);
        outline.remarks.clone_from(&owner.remarks);
        outline.items += outline.remarks.len();
        outline
    }

    fn silent(
        &mut self,
        commands: &[CommandState],
        before: Option<usize>,
        seen: &mut Vec<usize>,
        at: usize,
    ) {
        for command in commands {
            let index = command.index;
            if before.is_some_and(|before| index >= before) {
                break;
            }
            if command.start_time.is_some() && !seen.contains(&index) {
                seen.push(index);
                let heading = Heading {
                    command: index,
                    again: false,
                };
                self.push(Some(heading), at..at);
            }
        }
    }

    fn push(&mut self, heading: Option<Heading>, lines: Range<usize>) {
        let first = self.items;
        self.items += usize::from(heading.is_some()) + lines.len();
        self.segments.push(Segment {
            heading,
            lines,
            first,
        });
    }

    /// Returns how many items there are.
    pub fn len(&self) -> usize {
        self.items
    }

    /// Returns whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Returns the remarks at the end.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Returns the item at a place.
    pub fn item(&self, place: usize) -> Option<Item> {
        if place >= self.items {
            return None;
        }
        let remarks = self.items - self.remarks.len();
        if place >= remarks {
            return Some(Item::Remark(place - remarks));
        }
        let at = self
            .segments
            .partition_point(|segment| segment.first <= place)
            - 1;
        let segment = &self.segments[at];
        let inside = place - segment.first;
        Some(match segment.heading {
            Some(heading) if inside == 0 => Item::Heading(heading, segment.lines.start),
            Some(_) => Item::Line(segment.lines.start + inside - 1),
            None => Item::Line(segment.lines.start + inside),
        })
    }

    /// Returns the place of an item, or of the nearest one that is still there.
    pub fn place(&self, item: Item) -> usize {
        let place = match item {
            Item::Line(line) => self.line_place(line),
            Item::Remark(number) => self.items - self.remarks.len() + number,
            Item::Heading(heading, line) => self
                .segments
                .iter()
                .find(|segment| segment.heading == Some(heading) && segment.lines.start >= line)
                .map_or_else(|| self.line_place(line), |segment| segment.first),
        };
        place.min(self.items.saturating_sub(1))
    }

    fn line_place(&self, line: usize) -> usize {
        let at = self
            .segments
            .partition_point(|segment| segment.lines.end <= line);
        match self.segments.get(at) {
            Some(segment) => {
                let heading = usize::from(segment.heading.is_some());
                segment.first + heading + line.saturating_sub(segment.lines.start)
            }
            None => self.items - self.remarks.len(),
        }
    }

    /// Returns the lines among the items of a range of places.
    pub fn lines_in(&self, places: Range<usize>) -> Range<usize> {
        let from = self.line_at_or_after(places.start);
        let to = self.line_at_or_after(places.end);
        from..to.max(from)
    }

    fn line_at_or_after(&self, place: usize) -> usize {
        match self.item(place) {
            Some(Item::Line(line) | Item::Heading(_, line)) => line,
            Some(Item::Remark(_)) | None => self.lines,
        }
    }

    /// Returns the places of the headings.
    pub fn headings(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.segments
            .iter()
            .filter(|segment| segment.heading.is_some())
            .map(|segment| segment.first)
    }

    /// Returns the first lines that a command wrote.
    pub fn lines_of(&self, command: usize) -> Option<Range<usize>> {
        self.segments
            .iter()
            .find(|segment| segment.heading.is_some_and(|h| h.command == command))
            .map(|segment| segment.lines.clone())
    }

    /// Returns the place of a command's heading.
    pub fn heading_of(&self, command: usize) -> Option<usize> {
        self.segments
            .iter()
            .find(|segment| segment.heading.is_some_and(|h| h.command == command))
            .map(|segment| segment.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CommandState, Job};

    fn job(started: &[usize]) -> JobState {
        let mut job = JobState::new(Job::new("job"));
        job.commands = started
            .iter()
            .map(|&index| CommandState {
                index,
                start_time: Some(0),
                end_time: None,
                ended: false,
                exit: None,
            })
            .collect();
        job
    }

    fn section(command: u32, lines: Range<usize>) -> Section {
        Section {
            command,
            lines,
            ms: None,
        }
    }

    fn shown(outline: &Outline) -> Vec<String> {
        (0..outline.len())
            .map(|place| match outline.item(place).unwrap() {
                Item::Heading(heading, _) if heading.again => format!("${} again", heading.command),
                Item::Heading(heading, _) => format!("${}", heading.command),
                Item::Line(line) => line.to_string(),
                Item::Remark(number) => format!("remark {number}"),
            })
            .collect()
    }

    #[test]
    fn every_command_has_its_heading_also_one_that_says_nothing() {
        let sections = [
            section(NO_COMMAND, 0..1),
            section(1, 1..3),
            section(3, 3..4),
            section(1, 4..5),
        ];
        let outline = Outline::new(&sections, 6, &Owner::job(&job(&[0, 1, 2, 3, 4])));
        assert_eq!(
            shown(&outline),
            [
                "0", "$0", "$1", "1", "2", "$2", "$3", "3", "$1 again", "4", "5", "$4"
            ]
        );
    }

    #[test]
    fn places_and_items_are_each_others_inverse() {
        let sections = [section(1, 0..2), section(0, 2..5), section(1, 5..9)];
        let mut job = job(&[0, 1, 2]);
        job.phase = crate::domain::Phase::Ended;
        job.status = crate::domain::JobStatus::Error;
        job.message = Some("no shell".to_owned());
        let outline = Outline::new(&sections, 9, &Owner::job(&job));
        assert!(!outline.remarks().is_empty());
        for place in 0..outline.len() {
            let item = outline.item(place).unwrap();
            assert_eq!(outline.place(item), place, "{item:?}");
        }
        assert_eq!(outline.item(outline.len()), None);
        assert_eq!(outline.lines_in(0..outline.len()), 0..9);
        // What is no longer there is replaced by what is nearest.
        assert!(outline.place(Item::Line(100)) < outline.len());
    }

    #[test]
    fn an_empty_log_has_no_items() {
        let outline = Outline::new(&[], 0, &Owner::job(&job(&[])));
        assert!(outline.is_empty());
        assert_eq!(outline.place(Item::Line(7)), 0);
        assert_eq!(outline.lines_in(0..3), 0..0);
    }
}
