//! The command `serve`, and what it has below it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use super::args::{RunArgs, parse_time};

/// Options of `serve`.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ServeArgs {
    /// Something else than serving.
    #[command(subcommand)]
    pub command: Option<ServeCommand>,

    /// Where to listen. Other machines reach only what is no loopback address.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,

    /// A repository to build: a folder with a clone of it, or a URL (may be given more than once).
    #[arg(long = "repo", value_name = "DIR|URL")]
    pub repos: Vec<String>,

    /// The organisation that everything belongs to.
    #[arg(long, value_name = "ID", default_value = "local", value_parser = parse_org)]
    pub org: String,

    /// How many builds may run at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub builds: u16,

    /// How many builds may wait for a place; who asks for one more is told to come again later.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub queue: u16,

    /// Say nothing on stderr of builds and of who is refused.
    #[arg(short, long)]
    pub quiet: bool,

    /// How long builds may go on when the server is asked to end.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_time)]
    pub grace: Duration,

    /// Serve with TLS: a file with the certificate and those that vouch for it, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The key of the certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    #[command(flatten)]
    pub run: RunArgs,
}

/// What `serve` does besides serving.
#[derive(Debug, Clone, Subcommand)]
pub enum ServeCommand {
    /// Make a token, and print it: it is kept nowhere.
    Token(TokenArgs),
    /// Make a webhook for GitHub, and print its path and its secret, which is shown once.
    Webhook {
        /// The repository: its id, as the server prints it, or the folder or URL that it is served from.
        #[arg(long, value_name = "ID|DIR|URL")]
        repo: String,
    },
}

/// Options of `serve token`.
#[derive(Debug, Clone, clap::Args)]
pub struct TokenArgs {
    /// What its holder may do.
    #[arg(long, value_enum, value_name = "ROLE")]
    pub role: RoleChoice,

    /// Of the role `build`: which build, as ORG/REPO/BUILD.
    #[arg(long, value_name = "BUILD", required_if_eq("role", "build"))]
    pub build: Option<String>,

    /// How long it is good; without it an API token is good for ever, any other for a day.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub valid: Option<Duration>,

    /// A signed JSON web token (`Bearer`) instead of an API token (`Token`).
    #[arg(long)]
    pub jwt: bool,

    /// What it is for, to tell it from others.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleChoice {
    /// See builds, logs and artifacts.
    Read,
    /// Also start, cancel and approve builds, and send a tree to be built.
    Run,
    /// For now, the same.
    Admin,
    /// See one build.
    Build,
}

/// An id that can stand in a path and in a build's name.
fn parse_org(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || !text.chars().all(plain) || text.starts_with('.') {
        return Err("letters, digits and - _ . only".to_owned());
    }
    Ok(text.to_owned())
}
