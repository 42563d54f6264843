//! A build without a screen: plain lines or JSON, signals, exit status.

use std::io::{self, IsTerminal, Write};

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::plain::{LAST_LINES, PlainOptions, PlainReporter};
use crate::cli::{clean, clean_lines};
use crate::engine::{EngineHandle, LocalSource, StopReason};
use crate::ports::{BuildSource, SourceItem};
use crate::wire;

use super::error::{Exit, UserError};
use super::local::RunningBuild;

/// What is printed, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printing {
    /// One JSON object a line instead of text for people.
    pub(super) json: bool,
    /// Colours are wanted, where stdout is a terminal.
    pub(super) color: bool,
    /// ASCII only.
    pub(super) ascii: bool,
}

/// Prints a build of this program to its end.
pub(super) async fn run(running: RunningBuild, printing: Printing) -> Result<Exit, UserError> {
    let stopper = tokio::spawn(stop_on_signals(running.handle.clone()));
    let source = LocalSource::new(running.handle.clone());
    let printed = print(Box::new(source), printing).await;
    if let Err(error) = &printed {
        // Nobody reads any more (`| head`): the build is not kept running in the dark.
        running.handle.stop(StopReason::Terminated);
        if error.kind() != io::ErrorKind::BrokenPipe {
            complain!("monkeyci-tui: cannot print: {error}");
        }
    }
    let summary = running
        .summary
        .await
        .map_err(|error| UserError::new(format!("the engine failed: {error}")))?;
    stopper.abort();
    // What is not removed by then is removed after another build.
    let _ = tokio::time::timeout(super::LEFTOVERS, running.tidied).await;
    if printing.json
        && let Some(message) = &summary.message
    {
        complain!("monkeyci-tui: {}", clean_lines(message));
    }
    Ok(Exit::of(&summary))
}

/// Prints a build that is not ours; what it ends with is its own affair, but for the status.
pub(super) async fn watch(
    source: Box<dyn BuildSource>,
    printing: Printing,
) -> Result<Exit, UserError> {
    match print(source, printing).await {
        Ok(()) => Ok(Exit::Success),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Success),
        Err(error) => Err(UserError::new(format!("cannot print: {error}"))),
    }
}

/// Prints whatever a source tells, until it has no more to tell.
pub(super) async fn print(mut source: Box<dyn BuildSource>, printing: Printing) -> io::Result<()> {
    let stdout = io::stdout();
    let color = printing.color && stdout.is_terminal();
    let mut out = io::BufWriter::new(stdout);
    let mut lost = Lost::default();
    if printing.json {
        while let Some(item) = source.next().await {
            match item {
                SourceItem::Events(events) => {
                    for event in events {
                        writeln!(out, "{}", wire::json_event(&event))?;
                    }
                    out.flush()?;
                }
                SourceItem::Lost { reason, .. } => lost.say(&reason),
                SourceItem::Restored => lost.restored(),
                SourceItem::LogGrew(_) | SourceItem::CaughtUp => {}
            }
        }
        return out.flush();
    }
    let options = PlainOptions {
        color,
        ascii: printing.ascii,
        zone: jiff::tz::TimeZone::system(),
        logs_dir: source.logs_dir(),
    };
    let mut reporter = PlainReporter::new(out, options);
    while let Some(item) = source.next().await {
        match item {
            SourceItem::Events(events) => {
                for event in events {
                    reporter.event(&event)?;
                }
            }
            SourceItem::LogGrew(job) => reporter.log_grew(&job)?,
            SourceItem::Lost { reason, .. } => lost.say(&reason),
            SourceItem::Restored => lost.restored(),
            SourceItem::CaughtUp => {}
        }
        reporter.flush()?;
    }
    reporter.finish(LAST_LINES)
}

/// What was said of a lost connection: once, not at every try.
#[derive(Debug, Default)]
struct Lost(bool);

impl Lost {
    fn say(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.0, true) {
            complain!(
                "monkeyci-tui: the connection to the build is lost, trying again: {}",
                clean(reason)
            );
        }
    }

    fn restored(&mut self) {
        if std::mem::take(&mut self.0) {
            complain!("monkeyci-tui: the connection is back");
        }
    }
}

/// `Ctrl-c`, SIGTERM and SIGHUP stop the build; a second one stops it at once.
pub(super) async fn stop_on_signals(handle: EngineHandle) {
    let install = || {
        Ok::<_, io::Error>((
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ))
    };
    // Without handlers the signals end the program as they always did.
    let Ok((mut interrupt, mut terminate, mut hangup)) = install() else {
        return;
    };
    loop {
        let reason = tokio::select! {
            _ = interrupt.recv() => StopReason::Interrupted,
            _ = terminate.recv() => StopReason::Terminated,
            _ = hangup.recv() => StopReason::Terminated,
        };
        handle.stop(reason);
    }
}
