//! Where everything is on the screen: a pure function of the size and of what is shown, so that
//! `update` scrolls by the numbers that `ui` draws with.
//!
//! ```text
//!  80 columns and more                  narrower
//!  header  header  header               header
//!  jobs          │ log                  jobs
//!  jobs          │ log                  log
//!  builds        │ log                  log
//!  footer  footer  footer               footer
//! ```

use ratatui::layout::Rect;

/// The smallest size that shows panes.
pub const SMALLEST: (u16, u16) = (60, 15);
/// From this width on, lists and log stand side by side.
pub const TWO_COLUMNS: u16 = 80;

/// Columns of the scrubber's text: what it does, how fast, which moment of how long.
pub const SCRUBBER_TEXT: u16 = 32;

/// A part of the screen with focus and keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pane {
    /// The build and its jobs.
    Jobs,
    /// The builds of this project.
    Builds,
    /// The log of the selected job, or its artifacts.
    Main,
}

/// What the layout depends on besides the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// The pane with the focus.
    pub focus: Pane,
    /// It has the whole screen.
    pub full: bool,
    /// Rows that the list of jobs could use.
    pub jobs: usize,
    /// Rows that the list of builds could use.
    pub builds: usize,
    /// The past of a build is shown: a row says which moment.
    pub scrubber: bool,
}

/// Where everything is. A pane's first row is its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Areas {
    /// One row or two.
    pub header: Rect,
    /// The list of jobs.
    pub jobs: Option<Rect>,
    /// The list of builds.
    pub builds: Option<Rect>,
    /// The line between the columns.
    pub rule: Option<Rect>,
    /// Log or artifacts.
    pub main: Option<Rect>,
    /// Above the last row: which moment of the past is shown.
    pub scrubber: Option<Rect>,
    /// The last row.
    pub footer: Rect,
    /// There is no room for panes.
    pub too_small: bool,
}

impl Areas {
    /// Lays out a screen of `size` (columns, rows).
    pub fn new(size: (u16, u16), wants: &Wants) -> Self {
        let (width, height) = size;
        if width < SMALLEST.0 || height < SMALLEST.1 {
            return Self {
                header: Rect::new(0, 0, width, height),
                too_small: true,
                ..Self::default()
            };
        }
        let header_rows = if height >= 20 { 3 } else { 1 };
        let header = Rect::new(0, 0, width, header_rows);
        let footer = Rect::new(0, height - 1, width, 1);
        let below = 1 + u16::from(wants.scrubber);
        let body = Rect::new(0, header_rows, width, height - header_rows - below);
        let mut areas = Self {
            header,
            footer,
            scrubber: wants
                .scrubber
                .then(|| Rect::new(0, height - below, width, 1)),
            ..Self::default()
        };
        if wants.full {
            match wants.focus {
                Pane::Jobs => areas.jobs = Some(body),
                Pane::Builds => areas.builds = Some(body),
                Pane::Main => areas.main = Some(body),
            }
            return areas;
        }
        let lists;
        if width >= TWO_COLUMNS {
            let left = (width / 3).clamp(32, 46);
            lists = Rect::new(body.x, body.y, left, body.height);
            areas.rule = Some(Rect::new(left, body.y, 1, body.height));
            areas.main = Some(Rect::new(left + 1, body.y, width - left - 1, body.height));
        } else {
            let wanted = match wants.focus {
                Pane::Builds => wants.builds,
                _ => wants.jobs,
            };
            let rows = rows(wanted) + 1;
            let rows = rows.clamp(3, (body.height * 2 / 5).max(3));
            lists = Rect::new(body.x, body.y, width, rows);
            areas.main = Some(Rect::new(body.x, body.y + rows, width, body.height - rows));
        }
        areas.lists(lists, wants, width >= TWO_COLUMNS);
        areas
    }

    /// Shares the room of the lists between jobs and builds.
    fn lists(&mut self, area: Rect, wants: &Wants, share: bool) {
        if !share || area.height < 12 {
            match wants.focus {
                Pane::Builds => self.builds = Some(area),
                _ => self.jobs = Some(area),
            }
            return;
        }
        // The builds get a third, more when the jobs leave room, less when they are few.
        let for_jobs = rows(wants.jobs) + 2;
        let third = area.height / 3;
        let most = third
            .max(area.height.saturating_sub(for_jobs))
            .min(area.height - 4);
        let builds = (rows(wants.builds) + 1).clamp(3, most.max(3));
        self.jobs = Some(Rect {
            height: area.height - builds,
            ..area
        });
        self.builds = Some(Rect {
            y: area.y + area.height - builds,
            height: builds,
            ..area
        });
    }

    /// Returns the area of a pane.
    pub fn of(&self, pane: Pane) -> Option<Rect> {
        match pane {
            Pane::Jobs => self.jobs,
            Pane::Builds => self.builds,
            Pane::Main => self.main,
        }
    }
}

/// Returns the part of the scrubber that stands for the time of the build.
pub fn track(scrubber: Rect) -> Rect {
    let left = SCRUBBER_TEXT.min(scrubber.width);
    Rect {
        x: scrubber.x + left,
        width: (scrubber.width - left).saturating_sub(1),
        ..scrubber
    }
}

/// Returns what is left of a pane below its title.
pub fn content(pane: Rect) -> Rect {
    let title = pane.height.min(1);
    Rect {
        y: pane.y + title,
        height: pane.height - title,
        ..pane
    }
}

fn rows(count: usize) -> u16 {
    count.min(1000) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_every_size_the_areas_fill_the_screen_without_overlap() {
        for width in 0..=220 {
            for height in 0..=70 {
                for focus in [Pane::Jobs, Pane::Builds, Pane::Main] {
                    for (full, jobs, builds) in [(false, 3, 0), (true, 3, 4), (false, 5000, 5000)] {
                        let areas = Areas::new(
                            (width, height),
                            &Wants {
                                focus,
                                full,
                                jobs,
                                builds,
                                scrubber: jobs == 3 && builds == 0 || width % 2 == 0,
                            },
                        );
                        check(&areas, (width, height), focus);
                    }
                }
            }
        }
    }

    fn check(areas: &Areas, (width, height): (u16, u16), focus: Pane) {
        let parts = [
            areas.jobs,
            areas.builds,
            areas.rule,
            areas.main,
            areas.scrubber,
        ];
        let parts: Vec<Rect> = [Some(areas.header), Some(areas.footer)]
            .into_iter()
            .chain(parts)
            .flatten()
            .collect();
        let cells: u32 = parts.iter().map(|part| part.area()).sum();
        assert_eq!(cells, u32::from(width) * u32::from(height));
        for (place, part) in parts.iter().enumerate() {
            assert!(part.right() <= width && part.bottom() <= height);
            assert!(parts[place + 1..].iter().all(|other| {
                part.area() == 0 || other.area() == 0 || !part.intersects(*other)
            }));
        }
        if !areas.too_small {
            let area = areas.of(focus).expect("the focused pane is shown");
            assert!(content(area).height >= 2);
        }
    }
}
