//! The command that looks for a text in all recorded logs, as a clap type.

use super::moment::Moment;

/// Options of `search`.
#[derive(Debug, Clone, clap::Args)]
pub struct SearchArgs {
    /// A text, or ~REGEX. Without capitals it is found in both cases.
    pub pattern: String,

    /// The pattern is a regular expression, also without the tilde.
    #[arg(long)]
    pub regex: bool,

    /// Only builds of this repository, NAME or ORG/NAME.
    #[arg(long)]
    pub repo: Option<String>,

    /// Only builds of this branch.
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,

    /// Only logs of this job.
    #[arg(long, value_name = "ID")]
    pub job: Option<String>,

    /// Only builds with this status: `success`, `error`, `canceled`, `running` …; `failed` for
    /// whatever went wrong. With --job it is the job's.
    #[arg(long)]
    pub status: Option<String>,

    /// Only builds since then: `2h`, `3d`, `2026-11-03`, `2026-11-03T10:00`.
    #[arg(long, value_name = "WHEN", value_parser = Moment::parse)]
    pub since: Option<Moment>,

    /// Only builds until then; of a day, to its end.
    #[arg(long, value_name = "WHEN", value_parser = Moment::parse)]
    pub until: Option<Moment>,

    /// At most this many lines, of the newest builds.
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<usize>,

    /// So many lines before and after each, too.
    #[arg(short = 'C', long, value_name = "N", default_value_t = 0)]
    pub context: usize,

    /// How many lines there are, by log, job, branch and status, instead of the lines.
    #[arg(long, conflicts_with_all = ["limit", "context"])]
    pub count: bool,

    /// The oldest build with such a line, and the last one before it without.
    #[arg(long, conflicts_with_all = ["limit", "context", "count"])]
    pub first: bool,

    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}
