//! The commands and options that are about the builds that are kept, as clap types.

use std::time::Duration;

use crate::config::{parse_age, parse_size};

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

/// Options of `gc`.
#[derive(Debug, Clone, clap::Args)]
pub struct GcArgs {
    /// Say what would go, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Keep this many of the newest builds of each repository; without another limit the rest goes.
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,

    /// Remove builds that are older: `12h`, `30d`, `8w`.
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub older_than: Option<Duration>,

    /// Remove the oldest builds until the rest takes up no more: `500MB`, `10GB`.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_size: Option<u64>,

    /// Only of this repository, NAME or ORG/NAME.
    #[arg(long)]
    pub repo: Option<String>,

    /// The last build of a branch that succeeded may go, too.
    #[arg(long)]
    pub last_green: bool,

    /// Recordings that were imported may go, too.
    #[arg(long)]
    pub imported: bool,

    /// Remove the caches, too, of all repositories or of the one that is named: the next build makes
    /// them anew.
    #[arg(long)]
    pub caches: bool,
}

/// Options of `pin`.
#[derive(Debug, Clone, clap::Args)]
pub struct PinArgs {
    /// A build id, a unique prefix of one, `last`, `last-failed`, ORG/REPO/BUILD.
    pub build: String,

    /// Why, for whoever wonders.
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
}

/// Options of `unpin`.
#[derive(Debug, Clone, clap::Args)]
pub struct UnpinArgs {
    /// A build id, a unique prefix of one, `last`, `last-failed`, ORG/REPO/BUILD.
    pub build: String,
}
