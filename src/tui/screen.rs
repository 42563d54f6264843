//! The terminal, as the loop uses it, and the guard that leaves it as it was.

use std::cell::Cell;
use std::io::{self, BufWriter, Stdout, Write};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal};

/// What the loop needs of a terminal.
pub trait Screen {
    /// Draws a frame.
    fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()>;

    /// Forgets what is on the screen, so that the next frame draws all of it.
    fn clear(&mut self) -> io::Result<()>;

    /// Puts a text into the clipboard.
    fn copy(&mut self, text: &str) -> io::Result<()>;

    /// Takes the mouse, or leaves it to the terminal.
    fn mouse(&mut self, on: bool) -> io::Result<()>;

    /// Gives the terminal back and stops until the shell lets the program go on.
    fn suspend(&mut self) -> io::Result<()>;

    /// Takes the terminal once more: somebody else has used it meanwhile.
    fn retake(&mut self) -> io::Result<()>;

    /// Columns and rows.
    fn size(&self) -> io::Result<(u16, u16)>;
}

/// True while the terminal is ours: what the panic hook asks.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The real terminal. From [`Tty::take`] until it is dropped, it is in the alternate screen and in
/// raw mode.
#[derive(Debug)]
pub struct Tty {
    /// Never dropped: what it does then is ours to do, and it complains on stderr where it
    /// cannot, which is a panic when stderr went away together with the window.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
    mouse: bool,
}

impl Tty {
    /// Takes the terminal. A panic gives it back before it is reported.
    pub fn take(mouse: bool) -> io::Result<Self> {
        give_back_on_panic();
        // A frame is written at once.
        let out = BufWriter::with_capacity(64 * 1024, io::stdout());
        let terminal = ManuallyDrop::new(Terminal::new(CrosstermBackend::new(out))?);
        let mut tty = Self { terminal, mouse };
        if let Err(error) = tty.enter() {
            give_back();
            return Err(error);
        }
        Ok(tty)
    }

    /// Gives the terminal back. Dropping does the same.
    pub fn give_back(self) {
        drop(self);
    }

    fn enter(&mut self) -> io::Result<()> {
        TAKEN.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        let out = self.terminal.backend_mut();
        queue!(
            out,
            EnterAlternateScreen,
            EnableBracketedPaste,
            cursor::Hide
        )?;
        if self.mouse {
            queue!(out, EnableMouseCapture)?;
        }
        io::Write::flush(out)
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        give_back();
    }
}

impl Screen for Tty {
    fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !TAKEN.load(Ordering::SeqCst) {
            // A task has panicked: its report is on the other screen, and the program goes on.
            self.retake()?;
        }
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(draw)?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    fn clear(&mut self) -> io::Result<()> {
        // Not `Terminal::clear`: it asks the terminal where the cursor is, and the answer would
        // have to be picked from among the keys.
        let (width, height) = self.size()?;
        self.terminal.resize(Rect::new(0, 0, width, height))
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(
            self.terminal.backend_mut(),
            CopyToClipboard::to_clipboard_from(text)
        )
    }

    fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        if on {
            execute!(self.terminal.backend_mut(), EnableMouseCapture)
        } else {
            execute!(self.terminal.backend_mut(), DisableMouseCapture)
        }
    }

    fn suspend(&mut self) -> io::Result<()> {
        give_back();
        // The whole group, as the terminal would do it: a shell waits for all of a job (`cargo run`
        // and this program) to stop. Script hosts and jobs have groups of their own and go on.
        rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)?;
        self.retake()
    }

    fn retake(&mut self) -> io::Result<()> {
        self.enter()?;
        self.clear()
    }

    fn size(&self) -> io::Result<(u16, u16)> {
        crossterm::terminal::size()
    }
}

/// Gives the terminal back, once. Errors are of no use here: nobody is left to tell.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = queue!(
        out,
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = out.flush();
    let _ = disable_raw_mode();
}

thread_local! {
    /// What panics on this thread is caught, and nobody's business.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Does something with a library that may panic over hostile input; `None` when it has.
pub fn without_panic<T>(work: impl FnOnce() -> T) -> Option<T> {
    CAUGHT.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(false);
    done.ok()
}

fn give_back_on_panic() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CAUGHT.get() {
                return;
            }
            give_back();
            report(info);
        }));
    });
}
