//! The commands and options that are about MonkeyCI servers, as clap types.

use std::path::PathBuf;

use clap::{ArgGroup, ValueEnum};

/// Options of `login`.
#[derive(Debug, Clone, clap::Args)]
pub struct LoginArgs {
    /// The address of the server's API (default: the server that is known, or MonkeyCI's own).
    #[arg(value_name = "URL")]
    pub url: Option<String>,

    /// What to call the server here (default: made from its address).
    #[arg(long)]
    pub name: Option<String>,

    /// The org where none is named, by either of its ids. An API token needs one.
    #[arg(long)]
    pub org: Option<String>,

    /// Read the credential from stdin instead of asking for it: its first line, and the refresh
    /// token of a login in a second one.
    #[arg(long)]
    pub token_stdin: bool,

    /// The credential is a login of the web app (a JWT), not an API token; ask for what renews it
    /// too.
    #[arg(long)]
    pub jwt: bool,

    /// Where to keep the credential.
    #[arg(long, value_enum, default_value_t, value_name = "PLACE")]
    pub store: StoreChoice,
}

/// Where a credential is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum StoreChoice {
    /// The keyring of this system.
    #[default]
    Keyring,
    /// A file in the config folder, for its owner only, not encrypted.
    File,
}

/// Options of `logout`.
#[derive(Debug, Clone, clap::Args)]
pub struct LogoutArgs {
    /// The server (default: the one that is meant where none is named).
    pub name: Option<String>,
}

/// Which server is meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServerOption {
    /// The server, by its name or its address.
    #[arg(long = "server", id = "server", value_name = "NAME")]
    pub name: Option<String>,
}

/// Options of `whoami`.
#[derive(Debug, Clone, clap::Args)]
pub struct WhoamiArgs {
    #[command(flatten)]
    pub server: ServerOption,
}

/// Options of `trigger`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("revision").args(["branch", "tag"])))]
pub struct TriggerArgs {
    /// ORG/REPO, or the URL of a repo in the web app.
    #[arg(value_name = "TARGET")]
    pub target: String,

    #[command(flatten)]
    pub server: ServerOption,

    /// Build the tip of this branch instead of the main one.
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,

    /// Build this tag.
    #[arg(long, value_name = "NAME")]
    pub tag: Option<String>,

    /// Build this commit; the server does not check that it is on the branch.
    #[arg(long, value_name = "ID")]
    pub commit: Option<String>,

    /// A build parameter; without a value it is taken from the environment. Other users can see a
    /// value that is given here: prefer `--param NAME` or `--params-file`.
    #[arg(long = "param", value_name = "NAME[=VALUE]")]
    pub params: Vec<String>,

    /// Build parameters from a file: TOML, JSON, EDN or `NAME=VALUE` lines.
    #[arg(long, value_name = "FILE")]
    pub params_file: Option<PathBuf>,

    /// Wait for the end, and print what becomes of it.
    #[arg(short, long)]
    pub follow: bool,
}

/// Options of `retry`.
#[derive(Debug, Clone, clap::Args)]
pub struct RetryArgs {
    /// ORG/REPO/BUILD, or the URL of a build in the web app.
    #[arg(value_name = "TARGET")]
    pub target: String,

    #[command(flatten)]
    pub server: ServerOption,

    /// Wait for the end, and print what becomes of it.
    #[arg(short, long)]
    pub follow: bool,
}

/// Options of `cancel`.
#[derive(Debug, Clone, clap::Args)]
pub struct CancelArgs {
    /// A build id, a unique prefix of one, or `last`; of a server: ORG/REPO/BUILD or the URL of a
    /// build in the web app.
    #[arg(default_value = "last")]
    pub build: String,

    /// The build is on this server.
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
}

/// Options of `unblock`.
#[derive(Debug, Clone, clap::Args)]
pub struct UnblockArgs {
    /// The job, or `all`.
    pub job: String,

    /// A build id, a unique prefix of one, or `last`; of a server: ORG/REPO/BUILD or the URL of a
    /// build in the web app.
    #[arg(default_value = "last")]
    pub build: String,

    /// The build is on this server.
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
}

/// Options of `artifacts`.
#[derive(Debug, Clone, clap::Args)]
pub struct ArtifactsArgs {
    /// A build here: its id, a unique prefix of one, `last`, a file. Or on a server: ORG/REPO/BUILD, or
    /// the URL of a build in the web app.
    #[arg(value_name = "TARGET")]
    pub target: String,

    /// Save this artifact.
    #[arg(value_name = "ID")]
    pub id: Option<String>,

    #[command(flatten)]
    pub server: ServerOption,

    /// The file to save it in (default: the artifact's id with `.tgz`, here).
    #[arg(short, long, value_name = "FILE", requires = "id")]
    pub output: Option<PathBuf>,
}
