//! The script's host: chosen before there is a build, started with it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cli::{LaunchArgs, RunArgs, RunnerChoice};
use crate::domain::{Job, JobId, Sid};
use crate::edn::Map;
use crate::engine::ChildCommand;
use crate::hosts::{
    self, Chosen, Host, HostChild, Launch, Orders, Runner, ScriptFiles, Tools, Wish,
};
use crate::script::{self, Script, ScriptFault};

use super::error::{Exit, UserError};

/// A script that can be run, and by what.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The host and why it was chosen.
    pub(super) chosen: Chosen,
    /// Where it was found.
    tools: Tools,
    /// The jobs of the declarative files.
    declared: Vec<Job>,
    /// What is odd about the script.
    pub(super) remarks: Vec<String>,
}

/// Says what is to be known before the script child is started: what runs it, and what is odd
/// about it; or what stands against it. Blocks.
pub(super) fn prepare(dir: &Path, run: &RunArgs) -> Result<Prepared, String> {
    let script_dir = dir.join(script::SCRIPT_DIR);
    let script = script::load(&script_dir).map_err(|error| error.full_text())?;
    let tools = Tools::from_env();
    let chosen = choose(&script_dir, run, &tools)?;
    let mut remarks = if script.clojure {
        // Which jobs there are is known once the script has run.
        Vec::new()
    } else {
        check_names(&script, run)?;
        let faults: Vec<String> = script.faults.iter().map(ToString::to_string).collect();
        if run.strict && !faults.is_empty() {
            let faults: Vec<String> = script.faults.iter().map(ScriptFault::what).collect();
            return Err(format!("refused with --strict: {}", faults.join("; ")));
        }
        faults
    };
    remarks.extend(script.warnings);
    Ok(Prepared {
        chosen,
        tools,
        declared: script.jobs,
        remarks,
    })
}

fn choose(script_dir: &Path, run: &RunArgs, tools: &Tools) -> Result<Chosen, String> {
    let wish = Wish {
        runner: match run.runner {
            RunnerChoice::Auto => Runner::Auto,
            RunnerChoice::Embedded => Runner::Embedded,
            RunnerChoice::Bb => Runner::Babashka,
            RunnerChoice::Clj => Runner::Clojure,
        },
        files: ScriptFiles::of(script_dir),
        lib_version: run.lib_version.clone(),
    };
    hosts::choose(&wish, tools).map_err(|error| UserError::of(&error).message)
}

/// Jobs that the command line names are there.
fn check_names(script: &Script, run: &RunArgs) -> Result<(), String> {
    let approved = run.unblock.iter().filter(|id| *id != "all");
    for id in run.jobs.iter().chain(approved) {
        if !script.jobs.iter().any(|job| job.id.as_str() == id) {
            let known: Vec<String> = script.jobs.iter().map(|job| job.id.to_string()).collect();
            return Err(format!(
                "there is no job \"{id}\"; the script has: {}",
                known.join(", ")
            ));
        }
    }
    Ok(())
}

/// What the script child is told, and where.
pub(super) struct HostOrders<'a> {
    pub(super) socket: PathBuf,
    pub(super) url: Option<String>,
    pub(super) token: &'a str,
    pub(super) sid: &'a Sid,
    pub(super) build: &'a Map,
    pub(super) checkout_dir: &'a Path,
    pub(super) run: &'a RunArgs,
    /// Only this user can look into it, and it goes with the build.
    pub(super) private: &'a Path,
    pub(super) cache: &'a Path,
}

impl HostOrders<'_> {
    /// How the script child is started. Its orders are where no process list shows them.
    /// Blocks. What stands against it is a sentence.
    pub(super) fn child(
        &self,
        own_program: &Path,
        prepared: &Prepared,
    ) -> Result<HostChild, String> {
        match prepared.chosen.host {
            Host::Embedded => Ok(self.embedded(own_program)),
            _ => self
                .clojure(own_program, prepared)
                .map_err(|error| UserError::of(&error).message),
        }
    }

    fn clojure(
        &self,
        own_program: &Path,
        prepared: &Prepared,
    ) -> Result<HostChild, hosts::HostError> {
        let orders = Orders {
            sid: self.sid,
            build: self.build,
            socket: &self.socket,
            url: self.url.as_deref(),
            token: self.token,
            checkout_dir: self.checkout_dir,
            script_dir: &self.checkout_dir.join(script::SCRIPT_DIR),
            filter: &self.run.jobs,
            declared: &prepared.declared,
            lib_version: self.run.lib_version.as_deref(),
            env: crate::process::scrubbed_env(&self.run.env),
            private: self.private,
            cache: self.cache,
            own_program,
            tools: &prepared.tools,
        };
        orders.child(&prepared.chosen.host)
    }

    /// The embedded script host: this very program, as a child with a scrubbed environment.
    pub(super) fn embedded(&self, program: &Path) -> HostChild {
        let script_dir = self.checkout_dir.join(script::SCRIPT_DIR);
        let config = script::host::HostConfig {
            socket: self.socket.clone(),
            token: self.token.to_owned().into(),
            sid: self.sid.clone(),
            script_dir: script_dir.clone(),
            checkout_dir: self.checkout_dir.to_owned(),
            filter: self.run.jobs.iter().map(JobId::new).collect(),
        };
        let cwd = if script_dir.is_dir() {
            script_dir
        } else {
            self.checkout_dir.to_owned()
        };
        let command = ChildCommand {
            program: program.to_owned(),
            args: vec![OsString::from("script-host")],
            env: crate::process::scrubbed_env(&self.run.env),
            cwd,
            stdin: config.to_line().into_bytes(),
        };
        command.into()
    }
}

/// `launch-clojure`: becomes the script's Java, or says why it cannot.
pub(super) fn launch(args: LaunchArgs) -> Exit {
    let why = hosts::launch(&Launch {
        java: args.java,
        java_version: args.java_version,
        jars: args.jars,
        library: args.library,
        quick: args.quick,
        paths: args.paths,
        cache: args.cache,
    });
    complain!("monkeyci-tui: {why}");
    Exit::Failed
}
