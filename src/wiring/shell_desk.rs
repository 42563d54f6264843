//! Shells in containers: finds the engine, carries what is typed to the shell, and keeps a terminal for
//! what it writes.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::app::{Msg, Notice, ShellScreen};
use crate::domain::{JobId, Sid};
use crate::executors::docker::{Engine, Keeping, Shell};
use crate::logs::{Color, Span, Style, StyledLine};
use crate::tui::without_panic;

/// Least time between two pictures of the screen: 60 a second.
const FRAME: Duration = Duration::from_micros(16_667);
/// What is read at most before a picture is due.
const BATCH: usize = 64;

/// What is asked of a shell that is open.
#[derive(Debug)]
pub(super) enum Order {
    Type(Vec<u8>),
    Resize((u16, u16)),
    Close,
}

/// Which shell is wanted.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) generation: u64,
    pub(super) sid: Sid,
    pub(super) job: JobId,
    pub(super) size: (u16, u16),
}

/// Keeps the container of a job, or not, and says what came of it.
pub(super) async fn keep(sid: Sid, job: JobId) -> Notice {
    let kept = match engine().await {
        Ok(engine) => engine.keep_or_not(&sid, &job).await,
        Err(reason) => Err(reason),
    };
    match kept {
        Ok(Keeping::WillStay) => {
            Notice::good(format!("the container of {job} stays if the job fails"))
        }
        Ok(Keeping::WillGo) => Notice::good(format!("the container of {job} will be removed")),
        Ok(Keeping::Removed) => {
            Notice::good(format!("the container kept of {job} has been removed"))
        }
        Err(reason) => Notice::bad(reason),
    }
}

async fn engine() -> Result<Engine, String> {
    Engine::find(|name| std::env::var(name).ok()).await
}

/// Opens a shell and sees it through.
pub(super) async fn run(
    wanted: Wanted,
    mut orders: mpsc::UnboundedReceiver<Order>,
    to_app: mpsc::UnboundedSender<Msg>,
) {
    let generation = wanted.generation;
    let opened = match engine().await {
        Ok(engine) => engine.enter(&wanted.sid, &wanted.job, wanted.size).await,
        Err(reason) => Err(reason),
    };
    let end = match opened {
        Ok(shell) => {
            let mut terminal = Terminal::new(wanted.size);
            converse(shell, &mut terminal, &mut orders, |screen| {
                // An app that is gone needs no picture.
                let _ = to_app.send(Msg::ShellScreen(generation, Box::new(screen)));
            })
            .await
        }
        Err(reason) => Err(reason),
    };
    let _ = to_app.send(Msg::ShellEnded(generation, end));
}

/// The exit status of the shell; `None` when it was left.
async fn converse(
    mut shell: Shell,
    terminal: &mut Terminal,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    mut show: impl FnMut(ShellScreen),
) -> Result<Option<i64>, String> {
    let mut changed = true;
    let mut due = Instant::now();
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(Order::Type(bytes)) => {
                    // A shell that has ended says so itself.
                    let _ = shell.write(&bytes).await;
                }
                Some(Order::Resize(size)) => {
                    terminal.resize(size);
                    shell.resize(size).await;
                    changed = true;
                }
                Some(Order::Close) | None => {
                    shell.hang_up().await;
                    return Ok(None);
                }
            },
            () = sleep_until(due), if changed => {
                changed = false;
                due = Instant::now() + FRAME;
                show(terminal.screen());
            }
            written = shell.read() => {
                let Some(written) = written else {
                    return Ok(shell.exit().await);
                };
                let mut answers = terminal.hear(&written);
                for _ in 0..BATCH {
                    let Some(more) = shell.read_now() else { break };
                    answers.extend(terminal.hear(&more));
                }
                if !answers.is_empty() {
                    let _ = shell.write(&answers).await;
                }
                changed = true;
            }
        }
    }
}

/// A terminal that is not there: what a shell writes, as a screen.
///
/// The emulator counts rows and columns without a net: what confuses it so that it panics leaves an empty
/// screen behind, as `reset` would.
struct Terminal(vt100::Parser<Answers>);

/// What programs ask of their terminal, and what it says.
#[derive(Debug, Default)]
struct Answers(Vec<u8>);

impl vt100::Callbacks for Answers {
    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        first: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        c: char,
    ) {
        let param = params.first().and_then(|param| param.first()).copied();
        let answer = match (first, param.unwrap_or_default(), c) {
            // Where is the cursor? Line editors ask that.
            (None, 6, 'n') => {
                let (row, column) = screen.cursor_position();
                format!("\x1b[{};{}R", row + 1, column + 1)
            }
            (None, 5, 'n') => "\x1b[0n".to_owned(),
            // What are you? A VT100 with its advanced video.
            (None, 0, 'c') => "\x1b[?1;2c".to_owned(),
            _ => return,
        };
        self.0.extend(answer.into_bytes());
    }
}

impl Terminal {
    fn new((columns, rows): (u16, u16)) -> Self {
        Self(vt100::Parser::new_with_callbacks(
            rows.max(1),
            columns.max(2),
            0,
            Answers::default(),
        ))
    }

    fn resize(&mut self, (columns, rows): (u16, u16)) {
        let parser = &mut self.0;
        let resized = without_panic(|| parser.screen_mut().set_size(rows.max(1), columns.max(2)));
        if resized.is_none() {
            *self = Self::new((columns, rows));
        }
    }

    /// Takes what was written. Returns what the terminal answers.
    fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (rows, columns) = self.0.screen().size();
        let parser = &mut self.0;
        if without_panic(|| parser.process(bytes)).is_none() {
            *self = Self::new((columns, rows));
        }
        std::mem::take(&mut self.0.callbacks_mut().0)
    }

    fn screen(&self) -> ShellScreen {
        let screen = self.0.screen();
        let (rows, columns) = screen.size();
        let (row, column) = screen.cursor_position();
        ShellScreen {
            rows: (0..rows).map(|row| styled(screen, row, columns)).collect(),
            cursor: (!screen.hide_cursor()).then_some((column, row)),
            application_cursor: screen.application_cursor(),
            bracketed_paste: screen.bracketed_paste(),
        }
    }
}

/// A row, without the emptiness at its end.
fn styled(screen: &vt100::Screen, row: u16, columns: u16) -> StyledLine {
    let mut spans: Vec<Span> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column) else {
            break;
        };
        if cell.is_wide_continuation() {
            continue;
        }
        let text = if cell.has_contents() {
            cell.contents()
        } else {
            " "
        };
        let style = style_of(cell);
        match spans.last_mut() {
            Some(span) if span.style == style => span.text.push_str(text),
            _ => spans.push(Span {
                text: text.to_owned(),
                style,
            }),
        }
    }
    if let Some(last) = spans.last_mut()
        && last.style == Style::default()
    {
        last.text.truncate(last.text.trim_end_matches(' ').len());
        if last.text.is_empty() {
            spans.pop();
        }
    }
    StyledLine { spans, cut: false }
}

fn style_of(cell: &vt100::Cell) -> Style {
    let color = |color| match color {
        vt100::Color::Default => Color::Default,
        vt100::Color::Idx(number) => Color::Indexed(number),
        vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
    };
    Style {
        fg: color(cell.fgcolor()),
        bg: color(cell.bgcolor()),
        bold: cell.bold(),
        dim: cell.dim(),
        italic: cell.italic(),
        underline: cell.underline(),
        inverse: cell.inverse(),
        ..Style::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(terminal: &Terminal) -> Vec<String> {
        let rows = terminal.screen().rows;
        rows.iter().map(StyledLine::text).collect()
    }

    #[test]
    fn what_is_written_is_seen_where_it_belongs() {
        let mut terminal = Terminal::new((20, 3));
        let answers = terminal.hear(b"one\r\n\x1b[1;31mtwo\x1b[0m \xe4\xbd\xa0\x1b[6n");
        assert_eq!(texts(&terminal), ["one", "two 你", ""]);
        assert_eq!(answers, b"\x1b[2;7R");
        let screen = terminal.screen();
        assert_eq!(screen.cursor, Some((6, 1)));
        let two = &screen.rows[1].spans[0];
        assert_eq!((two.style.fg, two.style.bold), (Color::Indexed(1), true));
        terminal.hear(b"\x1b[?25l\x1b[?1h\x1b[?2004h");
        let screen = terminal.screen();
        assert_eq!(screen.cursor, None);
        assert!(screen.application_cursor && screen.bracketed_paste);
    }

    proptest! {
        /// Whatever comes, at whatever size: no control character is left, and nothing panics.
        #[test]
        fn hostile_output_stays_inside_the_screen(
            chunks in prop::collection::vec(
                (
                    prop::collection::vec(
                        prop_oneof![any::<u8>(), Just(0x1b), Just(b'['), b'0'..=b'9', Just(b';'), b'A'..=b'z'],
                        0..40,
                    ),
                    (0_u16..30, 0_u16..10),
                ),
                0..20,
            ),
        ) {
            let mut terminal = Terminal::new((10, 4));
            for (bytes, size) in chunks {
                terminal.hear(&bytes);
                terminal.resize(size);
                let screen = terminal.screen();
                for row in screen.rows {
                    prop_assert!(!row.text().contains(char::is_control), "{:?}", row);
                }
            }
        }
    }
}
