//! The signs that are drawn. Each is one column wide and has a form in ASCII.

use crate::config::GlyphSet;
use crate::domain::{BuildStatus, JobStatus};

/// The signs of a set.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Glyphs {
    pub pending: &'static str,
    pub queued: &'static str,
    pub blocked: &'static str,
    pub preparing: &'static str,
    /// One after the other while something runs.
    pub running: &'static [&'static str],
    pub success: &'static str,
    pub failure: &'static str,
    pub error: &'static str,
    pub skipped: &'static str,
    pub canceled: &'static str,
    pub unknown: &'static str,
    pub warning: &'static str,
    pub ellipsis: &'static str,
    pub mark: &'static str,
    pub line_mark: &'static str,
    pub stderr: &'static str,
    pub horizontal: &'static str,
    pub vertical: &'static str,
    /// A title begins to the right of the line between the columns.
    pub tee_down: &'static str,
    /// A title begins on both sides of it.
    pub tee_left: &'static str,
    pub bar: &'static str,
    pub bar_empty: &'static str,
    pub section: &'static str,
    pub dot: &'static str,
    pub down: &'static str,
    pub arrow: &'static str,
    pub corners: [&'static str; 4],
    pub cursor: &'static str,
    /// A job is marked.
    pub marked: &'static str,
    /// So many times as fast.
    pub times: &'static str,
    /// A recording plays.
    pub play: &'static str,
    /// It stands still.
    pub held: &'static str,
    /// The moment that is shown.
    pub knob: &'static str,
    /// A job begins at a time.
    pub begins: &'static str,
    /// A job ends.
    pub ends: &'static str,
}

const UNICODE: Glyphs = Glyphs {
    pending: "○",
    queued: "◌",
    blocked: "◆",
    preparing: "◍",
    running: &["◐", "◓", "◑", "◒"],
    success: "✓",
    failure: "✗",
    error: "✗",
    skipped: "–",
    canceled: "■",
    unknown: "?",
    warning: "▲",
    ellipsis: "…",
    mark: "▌",
    line_mark: "▶",
    stderr: "▏",
    horizontal: "─",
    vertical: "│",
    tee_down: "┬",
    tee_left: "┤",
    bar: "━",
    bar_empty: "─",
    section: "▸",
    dot: "·",
    down: "▼",
    arrow: "→",
    corners: ["╭", "╮", "╰", "╯"],
    cursor: "▏",
    marked: "•",
    times: "×",
    play: "▶",
    held: "‖",
    knob: "●",
    begins: "├",
    ends: "┤",
};

const ASCII: Glyphs = Glyphs {
    pending: ".",
    queued: ":",
    blocked: "#",
    preparing: "~",
    running: &["*"],
    success: "+",
    failure: "x",
    error: "!",
    skipped: "-",
    canceled: "=",
    unknown: "?",
    warning: "!",
    ellipsis: "~",
    mark: ">",
    line_mark: ">",
    stderr: "!",
    horizontal: "-",
    vertical: "|",
    tee_down: "+",
    tee_left: "+",
    bar: "=",
    bar_empty: "-",
    section: ">",
    dot: "-",
    down: "v",
    arrow: ">",
    corners: ["+", "+", "+", "+"],
    cursor: "_",
    marked: "@",
    times: "x",
    play: ">",
    held: "=",
    knob: "o",
    begins: "[",
    ends: "]",
};

impl Glyphs {
    /// The signs of a set.
    pub fn new(set: GlyphSet) -> Self {
        match set {
            GlyphSet::Unicode => UNICODE,
            GlyphSet::Ascii => ASCII,
        }
    }

    /// The sign of a job; `turn` counts seconds.
    pub fn job(&self, status: &JobStatus, turn: usize) -> &'static str {
        match status {
            JobStatus::Pending => self.pending,
            JobStatus::Queued => self.queued,
            JobStatus::Blocked => self.blocked,
            JobStatus::Initializing => self.preparing,
            JobStatus::Running => self.running[turn % self.running.len()],
            JobStatus::Success => self.success,
            JobStatus::Failure => self.failure,
            JobStatus::Error => self.error,
            JobStatus::Skipped => self.skipped,
            JobStatus::Canceled => self.canceled,
            JobStatus::Other(_) => self.unknown,
        }
    }

    /// The sign of a build; `turn` counts seconds.
    pub fn build(&self, status: &BuildStatus, turn: usize) -> &'static str {
        match status {
            BuildStatus::Pending => self.pending,
            BuildStatus::Queued => self.queued,
            BuildStatus::Initializing => self.preparing,
            BuildStatus::Running => self.running[turn % self.running.len()],
            BuildStatus::Success => self.success,
            BuildStatus::Error => self.failure,
            BuildStatus::Canceled => self.canceled,
            BuildStatus::Other(_) => self.unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::text::width;

    #[test]
    fn every_sign_takes_one_column() {
        for set in [GlyphSet::Unicode, GlyphSet::Ascii] {
            let glyphs = Glyphs::new(set);
            let signs = format!("{glyphs:?}");
            // Debug quotes each sign: what is between quotes is one column wide.
            for sign in signs.split('"').skip(1).step_by(2) {
                assert_eq!(width(sign), 1, "{sign}");
                assert!(set == GlyphSet::Unicode || sign.is_ascii(), "{sign}");
            }
        }
    }
}
