//! The command `compare`.

/// Options of `compare`.
#[derive(Debug, Clone, clap::Args)]
pub struct CompareArgs {
    /// A build id, a unique prefix of one, `last`, `last-failed`, ORG/REPO/BUILD, or a file.
    #[arg(default_value = "last", value_name = "BUILD")]
    pub build: String,

    /// The build to compare it with (default: the last one before it that succeeded, of its branch, else
    /// of its repository).
    #[arg(value_name = "WITH")]
    pub with: Option<String>,

    /// Only this job.
    #[arg(long, value_name = "ID")]
    pub job: Option<String>,

    /// Show the lines of logs that differ, with those around them.
    #[arg(long)]
    pub logs: bool,

    /// One JSON object a line: the two builds, then each difference.
    #[arg(long)]
    pub json: bool,
}
