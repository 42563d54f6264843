//! The command that runs a build again, as one would type it.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::cli::{Args, Command, ExecutorChoice, PullChoice, RunArgs, RunnerChoice};
use crate::vcs::Revision;

use super::error::UserError;
use super::local::BuildRequest;

/// A folder as people write it: `~/src/wrap`.
pub(super) fn shown_dir(dir: &Path) -> String {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    match home.and_then(|home| dir.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{}", rest.display()),
        None => dir.display().to_string(),
    }
}

/// The command that runs a build again, as one would type it.
pub(super) fn command_line(request: &BuildRequest) -> String {
    let mut line = "monkeyci-tui".to_owned();
    let mut before = String::new();
    for word in args(request) {
        line.push(' ');
        let shown = match (before.as_str(), shown_dir(Path::new(&word))) {
            ("-d", dir) => match dir.strip_prefix("~/") {
                // A shell knows its home only by a tilde that is not quoted.
                Some(rest) => format!("~/{}", quoted(rest)),
                None => quoted(&dir),
            },
            _ => quoted(&word),
        };
        line.push_str(&shown);
        before = word;
    }
    line
}

/// What a build was asked for with, to be asked for again: an error says why it cannot be understood.
pub(super) fn request_of(args: &[String]) -> Result<BuildRequest, UserError> {
    let words = std::iter::once("monkeyci-tui").chain(args.iter().map(String::as_str));
    let parsed = Args::try_parse_from(words);
    match parsed.map(|args| args.command) {
        Ok(Some(Command::Build(build))) => Ok(BuildRequest::of(&build, true)),
        _ => Err(UserError::new(
            "this version does not understand how the build was asked for",
        )),
    }
}

/// The words after the program's name that ask for a build. Parameters and credentials are named, their
/// values are not.
pub(super) fn args(request: &BuildRequest) -> Vec<String> {
    // All options, so that a new one is not forgotten.
    let RunArgs {
        runner,
        lib_version,
        executor,
        pull,
        jobs,
        artifacts,
        params,
        params_file,
        secrets,
        secrets_file,
        server,
        deny,
        env,
        allow_mounts,
        parallel,
        unblock,
        wait_blocked,
        timeout,
        strict,
        no_clean,
        keep_failed,
        // How it is shown is another question.
        plain: _,
        json: _,
    } = &request.run;
    let mut line = Line(vec!["build".to_owned()]);
    line.option("-d", &request.dir.display().to_string());
    match executor {
        ExecutorChoice::Auto => &mut line,
        ExecutorChoice::Docker => line.option("--executor", "docker"),
        ExecutorChoice::Host => line.option("--executor", "host"),
    };
    match pull {
        PullChoice::Always => line.option("--pull", "always"),
        PullChoice::Missing => &mut line,
        PullChoice::Never => line.option("--pull", "never"),
    };
    match runner {
        RunnerChoice::Auto => &mut line,
        RunnerChoice::Embedded => line.option("--runner", "embedded"),
        RunnerChoice::Bb => line.option("--runner", "bb"),
        RunnerChoice::Clj => line.option("--runner", "clj"),
    };
    match &request.revision {
        None => &mut line,
        Some(Revision::Commit(name)) => line.option("--commit", name),
        Some(Revision::Branch(name)) => line.option("--branch", name),
        Some(Revision::Tag(name)) => line.option("--tag", name),
    };
    let path = |path: &PathBuf| path.display().to_string();
    line.options("--lib-version", lib_version.iter())
        .options("--job", jobs)
        .options(
            "--artifact",
            (artifacts.iter()).map(|(id, file)| format!("{id}={}", path(file))),
        )
        // Of `NAME=VALUE` the value stays here: it is asked for, or in the environment.
        .options("--param", params.iter().map(|param| name_of(param)))
        .options("--params-file", params_file.iter().map(path))
        // What stands behind a credential's name is the name of a variable.
        .options("--secret", secrets)
        .options("--secrets-file", secrets_file.iter().map(path))
        .options("--server", server)
        .options("--deny", deny)
        .options("--env", env)
        .options("--allow-mount", allow_mounts.iter().map(path))
        .options("-j", parallel.map(|count| count.to_string()))
        .options("--unblock", unblock)
        .options(
            "--timeout",
            timeout.map(|time| format!("{}s", time.as_secs())),
        )
        .flag("--wait-blocked", *wait_blocked)
        .flag("--strict", *strict)
        .flag("--no-clean", *no_clean)
        .flag("--keep-failed", *keep_failed);
    line.0
}

fn name_of(param: &str) -> &str {
    param.split_once('=').map_or(param, |(name, _)| name)
}

/// A command line in the making.
struct Line(Vec<String>);

impl Line {
    fn word(&mut self, word: &str) -> &mut Self {
        self.0.push(word.to_owned());
        self
    }

    fn option(&mut self, option: &str, value: &str) -> &mut Self {
        if value.starts_with('-') {
            // Alone it would be taken for an option.
            return self.word(&format!("{option}={value}"));
        }
        self.word(option).word(value)
    }

    fn options<T: AsRef<str>>(
        &mut self,
        option: &str,
        values: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        for value in values {
            self.option(option, value.as_ref());
        }
        self
    }

    fn flag(&mut self, flag: &str, is_set: bool) -> &mut Self {
        if is_set { self.word(flag) } else { self }
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/~=:@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        build: crate::cli::BuildArgs,
    }

    fn request(line: &str) -> BuildRequest {
        let words = std::iter::once("build").chain(line.split(' '));
        BuildRequest::of(&Typed::parse_from(words).build, true)
    }

    #[test]
    fn all_options_come_back_without_values_of_parameters() {
        let line = "-d /some/where --executor host --pull never --runner clj --branch main --lib-version 0.26.1 \
                    --job a --job b --artifact lib=/tmp/lib.tgz --param word --params-file p.env --secret npm=NPM \
                    --secrets-file s.env --server work/acme/app --deny params:read --env HOME --allow-mount /srv/data -j 3 --unblock all \
                    --timeout 90s --wait-blocked --strict --no-clean --keep-failed";
        let typed = request(line);
        assert_eq!(command_line(&typed), format!("monkeyci-tui build {line}"));
        let mut with_value = typed;
        with_value.run.params = vec!["word=swordfish".to_owned()];
        assert_eq!(
            command_line(&with_value),
            format!("monkeyci-tui build {line}")
        );
    }

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        let mut odd = request("-d .");
        odd.run.jobs = vec!["it's here; rm".to_owned(), String::new()];
        assert_eq!(
            command_line(&odd),
            r"monkeyci-tui build -d . --job 'it'\''s here; rm' --job ''"
        );
    }
}
