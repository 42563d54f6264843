//! What a script may ask for beyond its build: credentials, earlier builds, its repository and
//! organisation.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use crate::cli::RunArgs;
use crate::config::ProjectConfig;
use crate::domain::{GitInfo, Sid};
use crate::edn::{Map, Value};
use crate::ports::{OrgInfo, RepoInfo, SecretStore, Surroundings, Upstream};
use crate::script_api::Scope;
use crate::store::{Home, RecordedPast};
use crate::vcs::{self, ChangedFiles, Revision};

use super::error::UserError;
use super::params::read_file;

/// Credentials that are known before the build begins.
#[derive(Debug, Default)]
pub(super) struct FixedSecrets(BTreeMap<String, SecretString>);

impl FixedSecrets {
    /// `file` first, then `typed`, which win: `NAME`, or `NAME=VARIABLE`, of the environment. The
    /// error is a sentence that never contains a value.
    pub(super) fn resolve(
        typed: &[String],
        file: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut secrets = BTreeMap::new();
        if let Some(path) = file {
            let failed =
                |why: String| format!("cannot read the secrets in {}: {why}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
            secrets.extend(read_file(path, &text).map_err(failed)?);
        }
        for secret in typed {
            let (name, source) = secret.split_once('=').unwrap_or((secret, secret));
            if name.is_empty() {
                return Err("a secret needs a name: --secret NAME".to_owned());
            }
            // What stands behind the `=` may be the secret itself, by mistake: it is not shown.
            let value = variable(source).ok_or_else(|| {
                format!(
                    "secret {name} has no value: --secret NAME=VARIABLE takes it from a variable of \
                     the environment, and there is none of that name"
                )
            })?;
            secrets.insert(name.to_owned(), value);
        }
        let hidden = secrets
            .into_iter()
            .map(|(name, value)| (name, SecretString::from(value)));
        Ok(Self(hidden.collect()))
    }

    /// The values that must never be written.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(ExposeSecret::expose_secret)
    }
}

impl SecretStore for FixedSecrets {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<SecretString>, String>> {
        std::future::ready(Ok(self.0.get(name).cloned())).boxed()
    }
}

/// Says that a file of secrets can be read by others, if it can.
pub(super) fn warn_of_readers(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o077 != 0).then(|| {
        format!(
            "{} can be read by other users: chmod 600 keeps them out",
            path.display()
        )
    })
}

/// The scopes of the script's token: all but those that `--deny` names. The error is a sentence.
pub(super) fn granted(run: &RunArgs) -> Result<Vec<Scope>, String> {
    // Without them a script could neither tell what it does nor hear what became of its jobs.
    const VITAL: [Scope; 2] = [Scope::EventsRead, Scope::EventsWrite];
    let mut granted = Scope::script_default().to_vec();
    for name in &run.deny {
        let known = Scope::parse(name).filter(|scope| Scope::script_default().contains(scope));
        let Some(denied) = known else {
            let all: Vec<&str> = Scope::script_default()
                .iter()
                .map(|scope| scope.as_str())
                .collect();
            return Err(format!(
                "a script has no right {name:?} that could be denied; it has: {}",
                all.join(", ")
            ));
        };
        if VITAL.contains(&denied) {
            return Err(format!(
                "a script cannot do without {name:?}: it tells by it what becomes of its jobs"
            ));
        }
        granted.retain(|scope| *scope != denied);
    }
    Ok(granted)
}

/// Gathers what is known. Blocks.
pub(super) fn gather(
    home: &Home,
    sid: &Sid,
    project: ProjectConfig,
    git: Option<&GitInfo>,
    secrets: FixedSecrets,
    upstream: Option<Arc<dyn Upstream>>,
) -> Surroundings {
    let labels = project.repo.labels;
    Surroundings {
        secrets: Arc::new(secrets),
        past: Arc::new(RecordedPast::new(
            home,
            sid,
            git.and_then(|git| git.branch.as_deref()),
        )),
        repo: RepoInfo {
            name: project.repo.name,
            url: git.and_then(|git| git.url.clone()),
            main_branch: (project.repo.main_branch)
                .or_else(|| git.and_then(|git| git.main_branch.clone())),
            labels: labels.map(|labels| labels.into_iter().collect()),
        },
        org: OrgInfo {
            id: project.org.id,
            name: project.org.name,
        },
        upstream,
    }
}

/// Which files a push of what is built would change, for the build map (events.md §3), and what is
/// odd about them. Blocks.
pub(super) fn changes(dir: &Path, revision: Option<&Revision>) -> (Option<Value>, Option<String>) {
    match vcs::changed_files(dir, revision) {
        Ok(None) => (None, None),
        Ok(Some(changed)) => {
            let remark = changed.cut.then(|| {
                format!(
                    "more than {} files have changed: scripts are told of some only",
                    vcs::MOST_CHANGES
                )
            });
            (Some(changes_map(changed)), remark)
        }
        Err(error) => (
            None,
            Some(format!(
                "the changed files are not known: {}",
                UserError::of(&error).message
            )),
        ),
    }
}

fn changes_map(changed: ChangedFiles) -> Value {
    let set = |files: std::collections::BTreeSet<String>| {
        Value::Set(files.into_iter().map(Value::Str).collect())
    };
    Value::Map(Map::from_iter([
        (Value::kw("added"), set(changed.added)),
        (Value::kw("modified"), set(changed.modified)),
        (Value::kw("removed"), set(changed.removed)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(deny: &[&str]) -> RunArgs {
        RunArgs {
            deny: deny.iter().map(ToString::to_string).collect(),
            ..RunArgs::default()
        }
    }

    #[test]
    fn rights_are_taken_away_by_name() {
        assert_eq!(granted(&run(&[])).unwrap(), Scope::script_default());
        let few = granted(&run(&["params:read", "secrets:read"])).unwrap();
        assert_eq!(few.len(), Scope::script_default().len() - 2);
        assert!(!few.contains(&Scope::ParamsRead));
        let error = granted(&run(&["events:write"])).unwrap_err();
        assert!(error.contains("cannot do without"), "{error}");
        for wrong in ["params", "build:control"] {
            let error = granted(&run(&[wrong])).unwrap_err();
            assert!(error.contains("it has: events:read"), "{error}");
        }
    }

    #[test]
    fn a_secret_comes_from_a_variable_or_a_file_and_is_in_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.env");
        std::fs::write(&file, "a=one\nb=two\n").unwrap();
        let variable = |name: &str| (name == "B_TOKEN").then(|| "three".to_owned());
        let resolve =
            |typed: &str| FixedSecrets::resolve(&[typed.to_owned()], Some(&file), variable);
        let secrets = resolve("b=B_TOKEN").unwrap();
        assert_eq!(secrets.values().collect::<Vec<_>>(), ["one", "three"]);
        assert!(!format!("{secrets:?}").contains("one"));
        let error = resolve("c=hunter2").unwrap_err();
        assert!(error.contains('c') && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_file_that_others_can_read_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        let mode = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(file.path(), permissions).unwrap();
            warn_of_readers(file.path())
        };
        assert_eq!(mode(0o600), None);
        assert!(mode(0o640).unwrap().contains("chmod 600"));
    }
}
