//! The commands and options, as clap types (design.md, "Command line").

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};

use super::compare::CompareArgs;
use super::history::{GcArgs, ListArgs, PinArgs, UnpinArgs};
use super::portable::{ExportArgs, ImportArgs};
use super::remote::{
    ArtifactsArgs, CancelArgs, LoginArgs, LogoutArgs, RetryArgs, TriggerArgs, UnblockArgs,
    WhoamiArgs,
};
use super::search::SearchArgs;
use super::serve::ServeArgs;

/// Watch and drive MonkeyCI builds from a terminal.
///
/// Without a command: opens this project in the terminal UI.
#[derive(Debug, Parser)]
#[command(
    name = "monkeyci-tui",
    version,
    propagate_version = true,
    max_term_width = 100,
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The project's folder, when no command is given.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,

    #[command(flatten)]
    pub run: RunArgs,

    /// Show no colours (so does NO_COLOR).
    #[arg(long, global = true)]
    pub no_color: bool,

    /// Draw with ASCII characters only.
    #[arg(long, global = true)]
    pub ascii: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build a project here and watch it.
    Build(BuildArgs),
    /// Run a recorded build again, or some of it (`help rerun`).
    Rerun(RerunArgs),
    /// Build the demo that is inside this program.
    Demo(DemoArgs),
    /// Watch a build that runs in another terminal.
    Attach(AttachArgs),
    /// Play a build that is over, as it was at any moment (`help replay`).
    Replay(ReplayArgs),
    /// List the builds that are kept here, or those of a server.
    List(ListArgs),
    /// Keep a build, whatever else is removed.
    Pin(PinArgs),
    /// Let a build go when others like it go.
    Unpin(UnpinArgs),
    /// Remove builds that are kept here, with their logs and artifacts (`help history`).
    Gc(GcArgs),
    /// Make the index of the builds that are kept here anew (`help history`).
    Reindex,
    /// Show one build: its jobs, how they ended, what they left behind.
    Show(ShowArgs),
    /// Compare two builds: what broke, what differs, line by line if you like (`help compare`).
    Compare(CompareArgs),
    /// Print the logs of a build.
    Logs(LogsArgs),
    /// Look for a text in the logs of all builds that are kept here.
    Search(SearchArgs),
    /// Put a build into one file: to be looked at elsewhere, or for other programs.
    Export(ExportArgs),
    /// Take in what was exported elsewhere.
    Import(ImportArgs),
    /// List what the jobs of a build have saved, or save one of it to a file.
    Artifacts(ArtifactsArgs),
    /// Start a build on a server.
    Trigger(TriggerArgs),
    /// Build the same commit on a server once more.
    Retry(RetryArgs),
    /// Stop a build that runs in another terminal or on a server.
    Cancel(CancelArgs),
    /// Approve a blocked job of a build that runs in another terminal or on a server.
    Unblock(UnblockArgs),
    /// Make a MonkeyCI server known, and keep what lets you in (`help remote`).
    Login(LoginArgs),
    /// Remove what lets you in at a server.
    Logout(LogoutArgs),
    /// List the servers that are known.
    Servers,
    /// Ask a server who you are there.
    Whoami(WhoamiArgs),
    /// Build what is asked for over HTTP: a small MonkeyCI server (`help serve`).
    Serve(Box<ServeArgs>),
    /// List the keys of the terminal UI.
    Keys,
    /// Print a page of the manual, or list the pages.
    Help {
        /// The page.
        topic: Option<String>,
    },
    /// Print the OpenAPI description of an API of this program, as JSON.
    Openapi {
        /// Which one.
        #[arg(value_enum, default_value_t)]
        api: DescribedApi,
    },
    /// Print where the script library for Clojure is, for unit tests of scripts and for editors
    /// (`help testing`). It is written there if it has to be.
    Library {
        /// What of it.
        #[arg(value_enum, default_value_t)]
        part: LibraryPart,
    },
    /// Run a build script: the child process of a build. Reads its orders from stdin.
    #[command(hide = true)]
    ScriptHost,
    /// Become the Java that runs a `build.clj`: the child process of a build.
    #[command(hide = true)]
    LaunchClojure(LaunchArgs),
    /// Draw the pictures of the README from a recorded build.
    #[command(hide = true)]
    Screenshots {
        /// The recording's folder.
        #[arg(long)]
        from: PathBuf,
        /// Where the pictures go.
        dir: PathBuf,
    },
}

/// The APIs that are described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum DescribedApi {
    /// What build scripts, their jobs and watchers talk to.
    #[default]
    Script,
}

/// What of the script library is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LibraryPart {
    /// The folder that belongs on a class path.
    #[default]
    Path,
    /// The folder with its `deps.edn`, for `:local/root`.
    Root,
}

/// How to show a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The terminal UI where stdout is a terminal, else plain text.
    Auto,
    /// Plain text, line by line.
    Plain,
    /// One event a line, as JSON.
    Json,
}

/// What loads and runs the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum RunnerChoice {
    /// What fits the script's files.
    #[default]
    Auto,
    /// This program: YAML, JSON, EDN.
    Embedded,
    /// Babashka.
    Bb,
    /// Clojure on the JVM: the official tool, or a plain Clojure jar.
    Clj,
}

/// What runs container jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ExecutorChoice {
    /// The container engine that is found. The host is never chosen by itself.
    #[default]
    Auto,
    /// Containers of Docker Engine or Podman.
    #[value(alias = "podman")]
    Docker,
    /// The shell of this machine, in a private copy of the workspace.
    Host,
}

/// When images are pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PullChoice {
    /// Before every job.
    Always,
    /// When the engine does not have them.
    #[default]
    Missing,
    /// Never.
    Never,
}

/// Options of `build`, and of all that starts a build.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("shown").args(["plain", "json"])))]
#[command(group(ArgGroup::new("revision").args(["branch", "tag", "commit"])))]
pub struct BuildArgs {
    /// The project's folder: the one with `.monkeyci` in it.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,

    #[command(flatten)]
    pub run: RunArgs,

    /// Build the tip of this branch instead of the working tree.
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,

    /// Build this tag instead of the working tree.
    #[arg(long, value_name = "NAME")]
    pub tag: Option<String>,

    /// Build this commit instead of the working tree.
    #[arg(long, value_name = "REV")]
    pub commit: Option<String>,

    /// Have a server build the working tree as it is: a server of this program (`serve`), by its name,
    /// or the repository there, ORG/REPO.
    #[arg(long, value_name = "TARGET", conflicts_with_all = ["detach", "revision"])]
    pub on: Option<String>,

    /// Build in the background: prints which build it is and ends. `attach` watches it.
    #[arg(long)]
    pub detach: bool,

    /// Be the background of `--detach`.
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub detached: bool,
}

/// Options of everything that runs a build.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunArgs {
    /// What loads and runs the script.
    #[arg(short, long, value_enum, default_value_t, value_name = "HOST")]
    pub runner: RunnerChoice,

    /// Run the script with this version of MonkeyCI's own library instead of ours: with the
    /// official Clojure tool or babashka, which fetch it.
    #[arg(long, value_name = "VERSION")]
    pub lib_version: Option<String>,

    /// What runs container jobs.
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        value_name = "EXECUTOR",
        env = "MONKEYCI_TUI_EXECUTOR"
    )]
    pub executor: ExecutorChoice,

    /// When images are pulled.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub pull: PullChoice,

    /// Run only this job and what it depends on (may be given more than once).
    #[arg(long = "job", value_name = "ID")]
    pub jobs: Vec<String>,

    /// Have this artifact there from the beginning, as if an earlier job had saved it: a gzip tar, as
    /// `artifacts` downloads it (may be given more than once).
    #[arg(long = "artifact", value_name = "ID=FILE", value_parser = parse_artifact)]
    pub artifacts: Vec<(String, PathBuf)>,

    /// A build parameter; without a value it is taken from the environment. Other users
    /// can see a value that is given here: prefer `--param NAME` or `--params-file`.
    #[arg(long = "param", value_name = "NAME[=VALUE]")]
    pub params: Vec<String>,

    /// Build parameters from a file: TOML, JSON, EDN or `NAME=VALUE` lines.
    #[arg(long, value_name = "FILE")]
    pub params_file: Option<PathBuf>,

    /// A credential that the script may ask for by its name; its value is taken from the
    /// environment, from the variable of the same name or from VARIABLE.
    #[arg(long = "secret", value_name = "NAME[=VARIABLE]")]
    pub secrets: Vec<String>,

    /// Credentials from a file: TOML, JSON, EDN or `NAME=VALUE` lines.
    #[arg(long, value_name = "FILE")]
    pub secrets_file: Option<PathBuf>,

    /// Let the script have what this server knows of its repo: parameters, keys, names. NAME is one
    /// of your `config.toml`; without ORG/REPO it is the repo with the checkout's URL. `none`: of no
    /// server, also where the project names one.
    #[arg(long, value_name = "NAME[/ORG/REPO]")]
    pub server: Option<String>,

    /// Take a right away from the script: `params:read`, `artifacts:write` … (`help security`
    /// lists them).
    #[arg(long, value_name = "SCOPE")]
    pub deny: Vec<String>,

    /// Pass this variable of the environment on to the script.
    #[arg(long = "env", value_name = "NAME")]
    pub env: Vec<String>,

    /// Let mounts of jobs lead into this folder too, besides the checkout.
    #[arg(long = "allow-mount", value_name = "DIR")]
    pub allow_mounts: Vec<PathBuf>,

    /// How many jobs may run at once (default: one a core).
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: Option<u16>,

    /// Approve a blocked job ahead, or `all` of them.
    #[arg(long, value_name = "ID|all")]
    pub unblock: Vec<String>,

    /// Without a terminal UI: wait for another shell to approve blocked jobs.
    #[arg(long)]
    pub wait_blocked: bool,

    /// Stop the build after this time: `90s`, `20m`, `1h`.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub timeout: Option<Duration>,

    /// Refuse a script with duplicate, missing or cyclic dependencies.
    #[arg(long)]
    pub strict: bool,

    /// Keep the jobs' work folders.
    #[arg(long)]
    pub no_clean: bool,

    /// Keep the containers of jobs that fail, to look into them.
    #[arg(long)]
    pub keep_failed: bool,

    /// Print plain text instead of drawing.
    #[arg(long)]
    pub plain: bool,

    /// Print the journal, one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

impl RunArgs {
    /// The options where none is typed: what the environment says, else the defaults.
    pub fn untyped() -> Self {
        #[derive(Parser)]
        struct Untyped {
            #[command(flatten)]
            run: RunArgs,
        }
        let untyped = Untyped::try_parse_from([env!("CARGO_PKG_NAME")]);
        // A variable that says nothing sensible is told of where such options can be typed.
        untyped.map(|untyped| untyped.run).unwrap_or_default()
    }

    /// How the build is to be shown.
    pub fn output(&self) -> Output {
        output(self.plain, self.json)
    }
}

/// Options of `launch-clojure`, which only this program itself types (`hosts::Launch`).
#[derive(Debug, Clone, clap::Args)]
pub struct LaunchArgs {
    /// The Java.
    #[arg(long)]
    pub java: PathBuf,

    /// Its version.
    #[arg(long)]
    pub java_version: String,

    /// Clojure's jars.
    #[arg(long = "jar")]
    pub jars: Vec<PathBuf>,

    /// The folder of our script library.
    #[arg(long)]
    pub library: PathBuf,

    /// Make and use what lets it start fast.
    #[arg(long)]
    pub quick: bool,

    /// The class path of the script itself.
    #[arg(long = "path")]
    pub paths: Vec<PathBuf>,

    /// What may be deleted at any time.
    #[arg(long)]
    pub cache: PathBuf,
}

/// Options of `demo`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("shown").args(["plain", "json"])))]
pub struct DemoArgs {
    /// The variant in which a real assertion fails.
    #[arg(long)]
    pub failing: bool,

    #[command(flatten)]
    pub run: RunArgs,
}

/// Options of `attach`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("shown").args(["plain", "json"])))]
pub struct AttachArgs {
    /// A build here: its id, a unique prefix of one, `last`, `local`. Or on a server: ORG/REPO,
    /// ORG/REPO/BUILD, or a URL of the web app.
    #[arg(default_value = "last", value_name = "TARGET")]
    pub target: String,

    /// Look for it on this server only.
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,

    /// Print plain text instead of drawing.
    #[arg(long)]
    pub plain: bool,

    /// Print the journal, one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `rerun`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("shown").args(["plain", "json"])))]
#[command(group(ArgGroup::new("which").args(["failed", "jobs", "from"])))]
pub struct RerunArgs {
    /// A build id, a unique prefix of one, `last`, `last-failed`, or ORG/REPO/BUILD.
    #[arg(default_value = "last", value_name = "BUILD")]
    pub build: String,

    /// Only the jobs that failed, and what they need.
    #[arg(long)]
    pub failed: bool,

    /// Only this job, and what it needs (may be given more than once).
    #[arg(long = "job", value_name = "ID")]
    pub jobs: Vec<String>,

    /// This job, all that depends on it, and what they need (may be given more than once).
    #[arg(long, value_name = "ID")]
    pub from: Vec<String>,

    /// Build the commit that was built, not the tree as it is.
    #[arg(long)]
    pub same_commit: bool,

    /// Run the job of `--job` so many times: is it flaky?
    #[arg(long, value_name = "N", default_value_t = 1, requires = "jobs",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub times: u32,

    /// A build parameter, in place of the one of then; nothing is taken over from the recording.
    #[arg(long = "param", value_name = "NAME[=VALUE]")]
    pub params: Vec<String>,

    /// Build parameters from a file, in place of those of then.
    #[arg(long, value_name = "FILE")]
    pub params_file: Option<PathBuf>,

    /// Print plain text instead of drawing.
    #[arg(long)]
    pub plain: bool,

    /// Print the journal, one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

impl RerunArgs {
    /// How the build is to be shown.
    pub fn output(&self) -> Output {
        output(self.plain, self.json)
    }
}

fn output(plain: bool, json: bool) -> Output {
    match (plain, json) {
        (_, true) => Output::Json,
        (true, false) => Output::Plain,
        (false, false) => Output::Auto,
    }
}

/// Options of `replay`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("shown").args(["plain", "json"])))]
pub struct ReplayArgs {
    /// A build id, a unique prefix of one, `last`, `last-failed`, or a recording's path.
    #[arg(default_value = "last", value_name = "BUILD")]
    pub build: String,

    /// How fast it plays, from 0.1 to 1000; 1 is as it was.
    #[arg(long, value_name = "N", default_value = "1")]
    pub speed: String,

    /// Begin there: a job, a time since the start (1:23), a part (50%), an event (#17), `failure`.
    #[arg(long, value_name = "MOMENT")]
    pub from: Option<String>,

    /// Do not play yet.
    #[arg(long)]
    pub paused: bool,

    /// Pass over the time in which nothing happens.
    #[arg(long)]
    pub skip_silence: bool,

    /// Print all of it as plain text instead of drawing.
    #[arg(long)]
    pub plain: bool,

    /// Print the journal, one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `show`.
#[derive(Debug, Clone, clap::Args)]
pub struct ShowArgs {
    /// A build id, a unique prefix of one, `last`, `last-failed`, ORG/REPO/BUILD, or a file; the URL
    /// of a build in the web app.
    #[arg(default_value = "last")]
    pub build: String,

    /// The build is on this server.
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,

    /// The journal, one JSON object a line; of a build on a server what the server says of it.
    #[arg(long)]
    pub json: bool,
}

/// Options of `logs`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("form").args(["raw", "strip", "json"])))]
#[command(group(ArgGroup::new("one").args(["job", "script"])))]
pub struct LogsArgs {
    /// A build id, a unique prefix of one, `last`, `last-failed`, ORG/REPO/BUILD, or a file; the URL
    /// of a build or a job in the web app; a place that `search` has found, BUILD:JOB:LINE.
    #[arg(default_value = "last")]
    pub build: String,

    /// Only this job.
    pub job: Option<String>,

    /// The build is on this server.
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,

    /// What the script itself said, not its jobs.
    #[arg(long)]
    pub script: bool,

    /// Go on with what a running build still writes.
    #[arg(short, long)]
    pub follow: bool,

    /// Of a place: so many lines before and after it (default: 5).
    #[arg(short = 'C', long, value_name = "N")]
    pub context: Option<usize>,

    /// The bytes as they are on disk.
    #[arg(long, requires = "one")]
    pub raw: bool,

    /// What a reader sees, without colours.
    #[arg(long)]
    pub strip: bool,

    /// One JSON object a line: job, time, stream, command, text.
    #[arg(long)]
    pub json: bool,
}

fn parse_artifact(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((id, file)) if !id.is_empty() && !file.is_empty() => Ok((id.to_owned(), file.into())),
        _ => Err("write it as ID=FILE".to_owned()),
    }
}

/// `90s`, `20m`, `1h`; a number alone is seconds.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time as 90s, 20m or 1h".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    match number.checked_mul(unit) {
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err(wrong()),
    }
}
