//! The commands and options that are about the builds that are kept, as clap types.

use super::moment::Moment;

/// Options of `list`.
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// Only builds of this repository, NAME or ORG/NAME.
    #[arg(long)]
    pub repo: Option<String>,

    /// Only builds of this branch.
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,

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

    /// Only builds with this job.
    #[arg(long, value_name = "ID", conflicts_with = "server")]
    pub job: Option<String>,

    /// Only builds with these words, or words that begin so: in the message of their commit, its id,
    /// their branch and id, why they ended as they did, the names of their jobs and tests.
    #[arg(long, value_name = "WORDS")]
    pub text: Option<String>,

    /// The builds of this server instead, by its name or its address.
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,

    /// At most this many, newest first.
    #[arg(short = 'n', long, default_value_t = 20)]
    pub limit: usize,

    /// Also those that were refused before they began.
    #[arg(long)]
    pub all: bool,

    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}
