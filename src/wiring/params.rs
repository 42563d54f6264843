//! Build parameters from the command line, the environment, files and a server. Of those with one
//! name the first counts:
//!
//! | from | |
//! | --- | --- |
//! | `--param` | a value, or a variable of the environment |
//! | `--params-file` | |
//! | the server | the repository's parameters there, when a server is set up for the build |

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use crate::edn::{self, Value};
use crate::ports::{Param, ParamSource, Upstream};

/// Parameters that are known before the build begins.
#[derive(Debug, Default)]
pub(super) struct FixedParams(Vec<Param>);

impl FixedParams {
    /// `file` first, then `typed`, which win: `NAME=VALUE`, or `NAME` for a variable of the
    /// environment. The error is a sentence that never contains a value.
    pub(super) fn resolve(
        typed: &[String],
        file: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut params = BTreeMap::new();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                format!("cannot read the parameters in {}: {error}", path.display())
            })?;
            params.extend(read_file(path, &text).map_err(|why| {
                format!("cannot read the parameters in {}: {why}", path.display())
            })?);
        }
        for param in typed {
            let (name, value) = match param.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => {
                    let value = variable(param).ok_or_else(|| {
                        format!(
                            "parameter {param} has no value: give --param {param}=VALUE, or set the \
                             environment variable {param}"
                        )
                    })?;
                    (param.as_str(), value)
                }
            };
            if name.is_empty() {
                return Err("a parameter needs a name: --param NAME=VALUE".to_owned());
            }
            params.insert(name.to_owned(), value);
        }
        Ok(Self(
            params
                .into_iter()
                .map(|(name, value)| Param {
                    name,
                    value: SecretString::from(value),
                    plain: false,
                })
                .collect(),
        ))
    }

    /// Adds parameters, which win over those of the same name.
    pub(super) fn with(mut self, more: &[(String, SecretString)]) -> Self {
        self.0
            .retain(|param| more.iter().all(|(name, _)| *name != param.name));
        self.0.extend(more.iter().map(|(name, value)| Param {
            name: name.clone(),
            value: value.clone(),
            plain: false,
        }));
        self
    }

    /// The values that must never be written.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|param| !param.plain)
            .map(|param| param.value.expose_secret())
    }
}

impl ParamSource for FixedParams {
    fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, String>> {
        std::future::ready(Ok(self.0.clone())).boxed()
    }
}

/// Parameters that are known before the build begins, and below them those of a server.
#[derive(Debug)]
pub(super) struct Layered {
    pub(super) fixed: FixedParams,
    pub(super) upstream: Option<Arc<dyn Upstream>>,
}

impl ParamSource for Layered {
    fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, String>> {
        async {
            let Some(upstream) = &self.upstream else {
                return Ok(self.fixed.0.clone());
            };
            let theirs = upstream.params().await.map_err(|error| error.reason)?;
            let all = theirs.into_iter().chain(self.fixed.0.iter().cloned());
            // The last of a name stays.
            let by_name: BTreeMap<String, Param> =
                all.map(|param| (param.name.clone(), param)).collect();
            Ok(by_name.into_values().collect())
        }
        .boxed()
    }
}

/// A flat map of names and values: TOML, JSON or EDN by the file's ending, else
/// `NAME=VALUE` lines with `#` comments.
pub(super) fn read_file(path: &Path, text: &str) -> Result<Vec<(String, String)>, String> {
    let flat = "expected names with texts, numbers or true and false";
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("toml") => {
            // The message of a parse error quotes the line: only its place is shown.
            let table: toml::Table = text.parse().map_err(|_| "no valid TOML".to_owned())?;
            table
                .into_iter()
                .map(|(name, value)| {
                    let value = match value {
                        toml::Value::String(text) => text,
                        toml::Value::Integer(number) => number.to_string(),
                        toml::Value::Float(number) => number.to_string(),
                        toml::Value::Boolean(flag) => flag.to_string(),
                        _ => return Err(format!("{name}: {flat}")),
                    };
                    Ok((name, value))
                })
                .collect()
        }
        Some("json") => {
            let map: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)
                .map_err(|error| format!("no valid JSON object at line {}", error.line()))?;
            map.into_iter()
                .map(|(name, value)| {
                    let value = match value {
                        serde_json::Value::String(text) => text,
                        serde_json::Value::Number(number) => number.to_string(),
                        serde_json::Value::Bool(flag) => flag.to_string(),
                        _ => return Err(format!("{name}: {flat}")),
                    };
                    Ok((name, value))
                })
                .collect()
        }
        Some("edn") => {
            let value = edn::read_str(text).map_err(|_| "no valid EDN".to_owned())?;
            let map = value.as_map().ok_or("expected a map")?;
            map.iter()
                .map(|(key, value)| {
                    let name = match key {
                        Value::Keyword(keyword) => keyword.as_str().to_owned(),
                        Value::Str(text) => text.clone(),
                        _ => return Err(flat.to_owned()),
                    };
                    let value = match value {
                        Value::Str(text) => text.clone(),
                        Value::Int(number) => number.to_string(),
                        Value::Bool(flag) => flag.to_string(),
                        _ => return Err(format!("{name}: {flat}")),
                    };
                    Ok((name, value))
                })
                .collect()
        }
        _ => text
            .lines()
            .enumerate()
            .map(|(place, line)| (place + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(place, line)| {
                line.split_once('=')
                    .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
                    .ok_or_else(|| format!("line {place}: expected NAME=VALUE"))
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{OrgInfo, RepoInfo, UpstreamError};

    fn resolve(
        typed: &[&str],
        file: Option<(&str, &str)>,
    ) -> Result<Vec<(String, String)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = file.map(|(name, text)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        });
        let typed: Vec<String> = typed.iter().map(ToString::to_string).collect();
        let params = FixedParams::resolve(&typed, path.as_deref(), |name| {
            (name == "FROM_ENV").then(|| "of the environment".to_owned())
        })?;
        Ok(params
            .0
            .iter()
            .map(|param| (param.name.clone(), param.value.expose_secret().to_owned()))
            .collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn a_typed_value_wins_over_one_in_a_file() {
        let params = resolve(
            &["A=typed=with=signs"],
            Some(("p.env", "# note\nA=1\nB = 2\n")),
        );
        assert_eq!(
            params.unwrap(),
            pairs(&[("A", "typed=with=signs"), ("B", "2")])
        );
    }

    #[test]
    fn a_name_alone_is_taken_from_the_environment() {
        assert_eq!(
            resolve(&["FROM_ENV"], None).unwrap(),
            pairs(&[("FROM_ENV", "of the environment")])
        );
        let error = resolve(&["MISSING"], None).unwrap_err();
        assert!(error.contains("--param MISSING=VALUE"), "{error}");
    }

    #[test]
    fn every_format_says_the_same() {
        for (name, text) in [
            ("p.toml", "A = \"x\"\nB = 2\n"),
            ("p.json", r#"{"A": "x", "B": 2}"#),
            ("p.edn", r#"{:A "x" "B" 2}"#),
            ("p", "A=x\nB=2"),
        ] {
            assert_eq!(
                resolve(&[], Some((name, text))).unwrap(),
                pairs(&[("A", "x"), ("B", "2")])
            );
        }
    }

    /// Has two parameters, or a reason not to tell them.
    #[derive(Debug)]
    struct Server(Option<&'static str>);

    impl Upstream for Server {
        fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, UpstreamError>> {
            let param = |name: &str| Param {
                name: name.to_owned(),
                value: "of the server".into(),
                plain: false,
            };
            std::future::ready(match self.0 {
                Some(why) => Err(UpstreamError::new(why)),
                None => Ok(vec![param("B"), param("C")]),
            })
            .boxed()
        }

        fn repo(&self) -> BoxFuture<'_, Result<RepoInfo, UpstreamError>> {
            std::future::ready(Ok(RepoInfo::default())).boxed()
        }

        fn org(&self) -> BoxFuture<'_, Result<OrgInfo, UpstreamError>> {
            std::future::ready(Ok(OrgInfo::default())).boxed()
        }

        fn decrypt_key<'a>(
            &'a self,
            _: &'a str,
        ) -> BoxFuture<'a, Result<SecretString, UpstreamError>> {
            std::future::ready(Err(UpstreamError::new("not asked for here"))).boxed()
        }
    }

    #[tokio::test]
    async fn a_value_of_the_server_counts_where_nobody_here_has_one() {
        let all = async |server: Option<Server>| {
            let typed = ["A=typed".to_owned(), "B=typed".to_owned()];
            let layered = Layered {
                fixed: FixedParams::resolve(&typed, None, |_| None).unwrap(),
                upstream: server.map(|server| Arc::new(server) as Arc<dyn Upstream>),
            };
            let params = layered.params().await?;
            let shown = params.into_iter().map(|param| {
                let value = param.value.expose_secret().to_owned();
                (param.name, value)
            });
            Ok::<_, String>(shown.collect::<Vec<_>>())
        };
        assert_eq!(
            all(None).await.unwrap(),
            pairs(&[("A", "typed"), ("B", "typed")])
        );
        assert_eq!(
            all(Some(Server(None))).await.unwrap(),
            pairs(&[("A", "typed"), ("B", "typed"), ("C", "of the server")])
        );
        let failed = all(Some(Server(Some("it is closed")))).await;
        assert_eq!(failed.unwrap_err(), "it is closed");
    }

    #[test]
    fn an_error_never_shows_a_value() {
        for (name, text) in [
            ("p.toml", "A = hunter2"),
            ("p.json", "{\"A\": hunter2}"),
            ("p.edn", "{:A hunter2"),
            ("p", "hunter2"),
        ] {
            let error = resolve(&[], Some((name, text))).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
