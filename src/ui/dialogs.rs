//! What lies over the panes: questions and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::build_view::BuildView;
use crate::app::help::{self, HelpRow};
use crate::app::state::{Dialog, State};
use crate::app::{Action, Context, Key, doc, text};

use super::{Ui, line};

/// How wide a reason in a question may be, in columns.
const ASKED_WIDTH: usize = 56;
/// How many lines of it are shown.
const ASKED_LINES: usize = 5;

impl Ui {
    pub(super) fn dialog(&self, state: &State, buffer: &mut Buffer) {
        match &state.dialog {
            Some(Dialog::Quit) => self.ask_to_quit(state, buffer),
            Some(Dialog::Cancel(sid)) => {
                let what = state.builds.get(sid).map(|view| describe(view, state));
                let lines = [
                    ("Cancel this build?".to_owned(), self.styles.strong),
                    (what.unwrap_or_default(), self.styles.text),
                ];
                self.question(state, "cancel", &lines, ("cancel it", "let it run"), buffer);
            }
            Some(Dialog::Host(_, reason)) => {
                let mut lines = vec![(
                    "Run the jobs in this machine's shell?".to_owned(),
                    self.styles.strong,
                )];
                let reason = doc::DocLine::plain(&text::clean(reason));
                let reason = doc::wrap(vec![reason], ASKED_WIDTH);
                let reason = reason.iter().take(ASKED_LINES).map(doc::DocLine::text);
                lines.extend(reason.map(|line| (line, self.styles.text)));
                for said in [
                    "Each job gets a private copy of the project,",
                    "and may do whatever you may do.",
                ] {
                    lines.push((said.to_owned(), self.styles.text));
                }
                self.question(state, "build", &lines, ("yes, run them here", "no"), buffer);
            }
            Some(Dialog::Help(top)) => self.help(state, *top, buffer),
            Some(
                Dialog::Search(_)
                | Dialog::Save(..)
                | Dialog::Trigger(..)
                | Dialog::GoTo(_)
                | Dialog::Repeat(..),
            )
            | None => {}
        }
    }

    fn ask_to_quit(&self, state: &State, buffer: &mut Buffer) {
        let running = state.running_here();
        let mut lines = vec![(
            match running.len() {
                1 => "A build is running:".to_owned(),
                number => format!("{number} builds are running:"),
            },
            self.styles.strong,
        )];
        for view in running.iter().take(4) {
            lines.push((describe(view, state), self.styles.text));
        }
        if running.is_empty() {
            "A build is being started.".clone_into(&mut lines[0].0);
        }
        self.question(state, "quit", &lines, ("stop and quit", "stay"), buffer);
    }

    /// A question with its two answers.
    fn question(
        &self,
        state: &State,
        title: &str,
        lines: &[(String, Style)],
        (yes, no): (&str, &str),
        buffer: &mut Buffer,
    ) {
        let longest = lines
            .iter()
            .map(|line| text::width(&line.0))
            .max()
            .unwrap_or_default();
        let (width, height) = (longest.max(34) + 4, lines.len() + 4);
        let inside = self.frame(title, (width, height), buffer);
        for (at, (words, style)) in lines.iter().enumerate() {
            self.row(buffer, line(inside, at)).put(words, *style);
        }
        // Of the keys for an answer, the one that its words begin with.
        let key = |action, words: &str| {
            let keys = state.bindings.keys(action);
            let labels: Vec<String> = keys.iter().map(Key::label).collect();
            let fitting = labels
                .iter()
                .find(|label| words.starts_with(label.as_str()));
            fitting.or(labels.first()).cloned().unwrap_or_default()
        };
        self.row(buffer, line(inside, lines.len() + 1))
            .put(&key(Action::Yes, yes), self.styles.key)
            .put(&format!(" {yes}    "), self.styles.text)
            .put(&key(Action::No, no), self.styles.key)
            .put(&format!(" {no}"), self.styles.text);
    }

    fn help(&self, state: &State, top: usize, buffer: &mut Buffer) {
        let context = state.pane_context();
        let rows = help::rows(&state.bindings, context);
        let keys = rows.iter().map(|row| match row {
            HelpRow::Keys(keys, _) => text::width(keys),
            _ => 0,
        });
        let keys = keys.max().unwrap_or_default();
        let about = rows.iter().map(|row| match row {
            HelpRow::Keys(_, about) => text::width(about),
            _ => 0,
        });
        let width = keys + 2 + about.max().unwrap_or_default() + 4;
        let title = match context {
            Context::Jobs => "keys in the list of jobs",
            Context::Builds => "keys in the list of builds",
            Context::Artifacts => "keys among the artifacts",
            Context::Results => "keys among the results",
            Context::Events => "keys among the events",
            _ => "keys in a log",
        };
        let most = usize::from(state.size.1).saturating_sub(4);
        let inside = self.frame(title, (width, (rows.len() + 2).min(most)), buffer);
        for at in 0..usize::from(inside.height) {
            let Some(help) = rows.get(top + at) else {
                break;
            };
            let mut row = self.row(buffer, line(inside, at));
            match help {
                HelpRow::Heading(title) => row.put(title, self.styles.title),
                HelpRow::Keys(labels, about) => row
                    .column(labels, keys, self.styles.key)
                    .skip(2)
                    .put(about, self.styles.text),
                HelpRow::Gap => &mut row,
            };
        }
        let below = rows.len().saturating_sub(top + usize::from(inside.height));
        if below > 0 {
            let area = Rect {
                y: inside.bottom(),
                height: 1,
                ..inside
            };
            let told = format!(" {below} more {} ", self.glyphs.down);
            self.row(buffer, area)
                .right(&[(told, self.styles.accent)], 0);
        }
    }

    /// Draws a frame in the middle of the screen over whatever is there; returns its inside.
    fn frame(&self, title: &str, (width, height): (usize, usize), buffer: &mut Buffer) -> Rect {
        let screen = buffer.area;
        let width = (width.min(usize::from(screen.width.saturating_sub(2)))) as u16;
        let height = (height.min(usize::from(screen.height))) as u16;
        let area = Rect::new(
            screen.x + (screen.width - width) / 2,
            screen.y + (screen.height - height) / 2,
            width,
            height,
        );
        for y in area.top()..area.bottom() {
            // A wide character that the frame cuts in half leaves nothing behind.
            if area.x > 0 && text::width(buffer[(area.x - 1, y)].symbol()) > 1 {
                buffer[(area.x - 1, y)].set_symbol(" ");
            }
            for x in area.left()..area.right() {
                buffer[(x, y)].reset();
            }
        }
        let [top_left, top_right, bottom_left, bottom_right] = self.glyphs.corners;
        let border = self.styles.dialog_border;
        let mut top = self.row(buffer, line(area, 0));
        top.right(&[(top_right.to_owned(), border)], 0);
        top.put(top_left, border)
            .put(self.glyphs.horizontal, border)
            .put(&format!(" {title} "), self.styles.title_focused)
            .fill(self.glyphs.horizontal, border);
        for at in 1..usize::from(height).saturating_sub(1) {
            let mut row = self.row(buffer, line(area, at));
            row.right(&[(self.glyphs.vertical.to_owned(), border)], 0);
            row.put(self.glyphs.vertical, border);
        }
        let mut bottom = self.row(buffer, line(area, usize::from(height).saturating_sub(1)));
        bottom.right(&[(bottom_right.to_owned(), border)], 0);
        bottom
            .put(bottom_left, border)
            .fill(self.glyphs.horizontal, border);
        Rect {
            x: area.x + 2,
            y: area.y + 1,
            width: area.width.saturating_sub(4),
            height: area.height.saturating_sub(2),
        }
    }
}

fn describe(view: &BuildView, state: &State) -> String {
    format!("{} {}", view.info.sid.build, doc::sentence(view, state.now))
}
