//! From [`Node`]s to jobs (protocol/scripts.md §3).

use std::collections::HashSet;

use crate::domain::{BlobRef, Job, JobId};
use crate::edn::{Map, Value};

use super::error::{LoadError, Place, Source};
use super::keys::kebab_case;
use super::node::{Format, Kind, Node};

/// Longest id of a job, in bytes: the engine drops what is said about jobs with longer ones.
const LONGEST_ID: usize = 1024;

/// Keys this program acts on, or that the protocol names.
const KNOWN_KEYS: [&str; 30] = [
    "id",
    "type",
    "dependencies",
    "blocked",
    "labels",
    "save-artifacts",
    "restore-artifacts",
    "caches",
    "work-dir",
    "env",
    "timeout",
    "schema",
    "image",
    "container/image",
    "script",
    "container/env",
    "container/cmd",
    "container/args",
    "container/entrypoint",
    "container/mounts",
    "container/platform",
    "arch",
    "size",
    "cpus",
    "memory",
    "expose",
    "shell",
    "junit",
    "init",
    "api",
];

/// The key that somebody meant who has mistyped it; `None` for one that is known, and for those of
/// extensions, which have a namespace or look like nothing we know.
fn nearest_key(name: &str) -> Option<&'static str> {
    if KNOWN_KEYS.contains(&name) || name.contains('/') || name.len() < 4 {
        return None;
    }
    let most = if name.len() < 7 { 1 } else { 2 };
    // `env` has no effect either, and says so itself.
    let keys = KNOWN_KEYS.iter().filter(|key| **key != "env");
    let distances = keys.map(|key| {
        let plain = key.rsplit('/').next().unwrap_or(key);
        let spelled = if plain == "env" { "environment" } else { plain };
        (strsim::osa_distance(name, spelled), *key)
    });
    let (distance, key) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= most).then_some(key)
}

/// A job and where it is defined.
#[derive(Debug)]
pub(super) struct Defined {
    pub(super) job: Job,
    pub(super) place: Place,
}

/// Reads the jobs of one file. `loaded` is the number of jobs before it, which decides
/// the ids of jobs that have none.
pub(super) fn jobs(
    source: Source<'_>,
    format: Format,
    root: Node,
    loaded: usize,
    warnings: &mut Vec<String>,
) -> Result<Vec<Defined>, LoadError> {
    let nodes = match root.kind {
        Kind::Null => {
            return Err(LoadError::Empty {
                file: source.file.to_owned(),
            });
        }
        Kind::Map(_) => vec![root],
        Kind::List(items) => items,
        Kind::Str(_) | Kind::Scalar { .. } => {
            let message = format!(
                "expected a job or a list of jobs, found {}",
                root.describe()
            );
            return Err(source.fault(root.at, message));
        }
    };
    let mut reader = Reader {
        source,
        format,
        label: String::new(),
        warnings,
    };
    nodes
        .into_iter()
        .enumerate()
        .map(|(place, node)| reader.job(node, loaded + place + 1))
        .collect()
}

struct Reader<'a> {
    source: Source<'a>,
    format: Format,
    /// How messages call the job at hand.
    label: String,
    warnings: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn job(&mut self, node: Node, number: usize) -> Result<Defined, LoadError> {
        let at = node.at;
        let Kind::Map(pairs) = node.kind else {
            let message = format!("expected a job, which is a map, found {}", node.describe());
            return Err(self.source.fault(at, message));
        };
        let mut fields = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            fields.push((self.key(&key)?, key.at, value));
        }
        let mut job = Job::new(JobId::new(format!("job-{number}")));
        self.label = format!("job {number}");
        if let Some((_, _, id)) = fields.iter().rfind(|(key, ..)| is(key, "id"))
            && let Some(text) = self.text(id, "id")?
        {
            if text.is_empty() {
                let message = format!("{} has an empty id", self.label);
                return Err(self.source.fault(id.at, message));
            }
            if text.len() > LONGEST_ID {
                let message = format!("the id of {} is longer than {LONGEST_ID} bytes", self.label);
                return Err(self.source.fault(id.at, message));
            }
            job.id = JobId::new(text);
        }
        self.label = format!("job \"{}\"", job.id);
        let mut seen: HashSet<String> = HashSet::new();
        for (key, key_at, value) in fields {
            let Value::Keyword(name) = &key else {
                let value = self.value(value)?;
                job.extra.insert(key, value);
                continue;
            };
            let name = name.as_str().to_owned();
            self.look_at_key(&name, key_at, &mut seen);
            self.field(&mut job, &name, value)?;
        }
        Ok(Defined {
            job,
            place: self.source.place(at),
        })
    }

    fn field(&mut self, job: &mut Job, name: &str, value: Node) -> Result<(), LoadError> {
        match name {
            // Everything in a declarative file is a container job (scripts.md §2).
            "id" | "type" => {}
            "dependencies" => {
                let ids = self.texts(&value, name)?;
                job.dependencies = ids.iter().map(JobId::new).collect();
            }
            "blocked" => job.blocked = self.flag(&value, name)?.unwrap_or_default(),
            // Two spellings of one property; the plain one wins, as upstream.
            "image" => job.image = self.text(&value, name)?.or(job.image.take()),
            "container/image" => job.image = job.image.take().or(self.text(&value, name)?),
            "script" => job.script = self.texts(&value, name)?,
            "container/cmd" => job.cmd = self.texts(&value, name)?,
            "container/entrypoint" => job.entrypoint = self.texts(&value, name)?,
            "container/env" => job.env = self.environment(&value, name)?,
            "work-dir" => job.work_dir = self.text(&value, name)?,
            "timeout" => job.timeout = self.milliseconds(&value, name)?,
            "save-artifacts" => job.save_artifacts = self.blobs(&value, name)?,
            "restore-artifacts" => job.restore_artifacts = self.blobs(&value, name)?,
            "caches" => job.caches = self.blobs(&value, name)?,
            "env" => {
                self.warn(
                    value.at,
                    format!(
                        "\"env\" of {} has no effect: the environment of a container job is \"container/env\"",
                        self.label
                    ),
                );
                let names = self.environment(&value, name)?;
                let pairs = names
                    .into_iter()
                    .map(|(n, v)| (Value::Str(n), Value::Str(v)));
                job.extra
                    .insert(Value::kw(name), Value::Map(pairs.collect()));
            }
            _ => {
                let value = self.value(value)?;
                if value != Value::Nil {
                    job.extra.insert(Value::kw(name), value);
                }
            }
        }
        Ok(())
    }

    /// Warns of keys that come twice in different spellings, and of EDN keys that are
    /// spelled as in YAML.
    fn look_at_key(&mut self, name: &str, at: usize, seen: &mut HashSet<String>) {
        if !seen.insert(name.to_owned()) {
            let message = format!(
                "\"{name}\" of {} is there twice; the last one counts",
                self.label
            );
            self.warn(at, message);
        }
        if self.format == Format::Edn && !KNOWN_KEYS.contains(&name) {
            let meant = kebab_case(name);
            if KNOWN_KEYS.contains(&meant.as_str()) {
                let message = format!(
                    ":{name} of {} has no effect: in EDN the key is :{meant}",
                    self.label
                );
                self.warn(at, message);
                return;
            }
        }
        if let Some(meant) = nearest_key(name) {
            let message = format!(
                "\"{name}\" of {} has no effect: did you mean \"{meant}\"?",
                self.label
            );
            self.warn(at, message);
        }
    }

    fn warn(&mut self, at: usize, message: impl AsRef<str>) {
        let place = self.source.place(at);
        self.warnings.push(format!("{place}: {}", message.as_ref()));
    }

    /// A key as it counts: a keyword where it can be one.
    fn key(&self, key: &Node) -> Result<Value, LoadError> {
        if self.format == Format::Edn {
            return match &key.kind {
                Kind::Str(text) => Ok(Value::Str(text.clone())),
                Kind::Scalar { value, .. } => Ok(value.clone()),
                _ => Err(self.source.fault(
                    key.at,
                    format!("expected a keyword as key, found {}", key.describe()),
                )),
            };
        }
        let text = self.key_text(key)?;
        let name = kebab_case(text);
        Ok(if is_keyword(&name) {
            Value::kw(&name)
        } else {
            Value::Str(text.to_owned())
        })
    }

    /// A key as it is written, for YAML and JSON.
    fn key_text<'n>(&self, key: &'n Node) -> Result<&'n str, LoadError> {
        match &key.kind {
            Kind::Str(text) | Kind::Scalar { text, .. } => Ok(text),
            _ => Err(self.source.fault(
                key.at,
                format!("expected a name as key, found {}", key.describe()),
            )),
        }
    }

    fn wrong(&self, node: &Node, expected: &str, key: &str) -> LoadError {
        let message = format!(
            "expected {expected} for \"{key}\" of {}, found {}",
            self.label,
            node.describe()
        );
        self.source.fault(node.at, message)
    }

    /// Text; numbers and the like as they are spelled.
    fn text(&self, node: &Node, key: &str) -> Result<Option<String>, LoadError> {
        match &node.kind {
            Kind::Null => Ok(None),
            Kind::Str(text) => Ok(Some(text.clone())),
            Kind::Scalar { text, value } => match value {
                Value::Bool(_)
                | Value::Int(_)
                | Value::BigInt(_)
                | Value::Float(_)
                | Value::BigDec(_) => Ok(Some(text.clone())),
                Value::Keyword(keyword) => Ok(Some(keyword.as_str().to_owned())),
                _ => Err(self.wrong(node, "a string", key)),
            },
            Kind::List(_) | Kind::Map(_) => Err(self.wrong(node, "a string", key)),
        }
    }

    /// A list of texts; one text counts as a list of one.
    fn texts(&self, node: &Node, key: &str) -> Result<Vec<String>, LoadError> {
        const EXPECTED: &str = "a list of strings";
        let Kind::List(items) = &node.kind else {
            return match &node.kind {
                Kind::Map(_) => Err(self.wrong(node, EXPECTED, key)),
                _ => Ok(self.text(node, key)?.into_iter().collect()),
            };
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match &item.kind {
                Kind::List(_) | Kind::Map(_) => return Err(self.wrong(item, EXPECTED, key)),
                _ => texts.extend(self.text(item, key)?),
            }
        }
        Ok(texts)
    }

    fn flag(&self, node: &Node, key: &str) -> Result<Option<bool>, LoadError> {
        match &node.kind {
            Kind::Null => Ok(None),
            Kind::Scalar {
                value: Value::Bool(flag),
                ..
            } => Ok(Some(*flag)),
            _ => Err(self.wrong(node, "true or false", key)),
        }
    }

    fn milliseconds(&self, node: &Node, key: &str) -> Result<Option<i64>, LoadError> {
        match &node.kind {
            Kind::Null => Ok(None),
            Kind::Scalar {
                value: Value::Int(number),
                ..
            } if *number > 0 => Ok(Some(*number)),
            Kind::Scalar {
                value: Value::Int(number),
                ..
            } => Err(self.source.fault(
                node.at,
                format!(
                    "\"{key}\" of {} is in milliseconds, above 0, and not {number}",
                    self.label
                ),
            )),
            _ => Err(self.wrong(node, "a whole number of milliseconds above 0", key)),
        }
    }

    /// Environment variables keep the names they are written with: the conversion of
    /// other keys would spoil them (scripts.md §2.1).
    fn environment(&self, node: &Node, key: &str) -> Result<Vec<(String, String)>, LoadError> {
        const EXPECTED: &str = "a map of names and values";
        let pairs = match &node.kind {
            Kind::Null => return Ok(Vec::new()),
            Kind::Map(pairs) => pairs,
            _ => return Err(self.wrong(node, EXPECTED, key)),
        };
        let mut names: Vec<(String, String)> = Vec::with_capacity(pairs.len());
        let mut seen: HashSet<String> = HashSet::with_capacity(pairs.len());
        for (name, value) in pairs {
            let written = match &name.kind {
                Kind::Scalar {
                    value: Value::Keyword(keyword),
                    ..
                } => keyword.name().to_uppercase().replace('-', "_"),
                _ => self.key_text(name)?.to_owned(),
            };
            if written.is_empty() || written.contains(['=', '\0']) {
                let message = format!("no name for an environment variable of {}", self.label);
                return Err(self.source.fault(name.at, message));
            }
            if let Some(value) = self.text(value, &format!("{key}/{written}"))? {
                if !seen.insert(written.clone()) {
                    names.retain(|(other, _)| *other != written);
                }
                names.push((written, value));
            }
        }
        Ok(names)
    }

    /// Artifacts or caches; one counts as a list of one.
    fn blobs(&self, node: &Node, key: &str) -> Result<Vec<BlobRef>, LoadError> {
        const EXPECTED: &str = "a list of {id, path}";
        let items = match &node.kind {
            Kind::Null => return Ok(Vec::new()),
            Kind::List(items) => items.as_slice(),
            Kind::Map(_) => std::slice::from_ref(node),
            _ => return Err(self.wrong(node, EXPECTED, key)),
        };
        let mut blobs = Vec::with_capacity(items.len());
        for item in items {
            let pairs = match &item.kind {
                Kind::Null => continue,
                Kind::Map(pairs) => pairs,
                _ => return Err(self.wrong(item, EXPECTED, key)),
            };
            let part = |name: &str| -> Result<String, LoadError> {
                for (part_key, value) in pairs.iter().rev() {
                    if is(&self.key(part_key)?, name)
                        && let Some(text) = self.text(value, &format!("{key}/{name}"))?
                    {
                        return Ok(text);
                    }
                }
                let message = format!("\"{key}\" of {} needs the key \"{name}\"", self.label);
                Err(self.source.fault(item.at, message))
            };
            blobs.push(BlobRef {
                id: part("id")?,
                path: part("path")?,
            });
        }
        Ok(blobs)
    }

    /// A value this program does not act on, with its keys converted.
    fn value(&self, node: Node) -> Result<Value, LoadError> {
        Ok(match node.kind {
            Kind::Null => Value::Nil,
            Kind::Str(text) => Value::Str(text),
            Kind::Scalar { value, .. } => value,
            Kind::List(items) => Value::Vector(
                items
                    .into_iter()
                    .map(|item| self.value(item))
                    .collect::<Result<_, _>>()?,
            ),
            Kind::Map(pairs) => {
                let mut map = Map::new();
                for (key, value) in pairs {
                    let key = match (self.format, key.kind) {
                        (Format::Edn, kind) => self.value(Node { at: key.at, kind })?,
                        (_, kind) => self.key(&Node { at: key.at, kind })?,
                    };
                    map.insert(key, self.value(value)?);
                }
                Value::Map(map)
            }
        })
    }
}

fn is(key: &Value, name: &str) -> bool {
    matches!(key, Value::Keyword(keyword) if keyword.as_str() == name)
}

/// Whether a name can be written as a keyword that any EDN reader understands.
fn is_keyword(name: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || "*+!-_?$%&=<>.'/".contains(c);
    name.chars().next().is_some_and(char::is_alphabetic)
        && name.chars().all(inner)
        && !name.ends_with('/')
        && name.matches('/').count() <= 1
}
