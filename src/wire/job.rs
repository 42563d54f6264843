//! Jobs on the wire (protocol/scripts.md §3, events.md §2.2).

use crate::domain::{BlobRef, Job, JobId, JobKind};
use crate::edn::{Map, Value};

use super::fields::{Fields, text};

/// Reads a serialised job. Odd values stay in [`Job::extra`]; a job without an id gets
/// the empty one.
pub fn job_from(map: Map) -> Job {
    let mut fields = Fields::new(map);
    let mut job = Job::new(JobId::new(fields.text("id").unwrap_or_default()));
    job.kind = fields
        .take("type", |value| match text(value)?.as_str() {
            "action" => Some(JobKind::Action),
            "container" => Some(JobKind::Container),
            _ => None,
        })
        .unwrap_or_default();
    job.dependencies = fields
        .texts("dependencies")
        .unwrap_or_default()
        .iter()
        .map(JobId::new)
        .collect();
    job.blocked = fields.flag("blocked").unwrap_or_default();
    // Two spellings of one property; the plain one wins, as upstream (scripts.md §3.3).
    let namespaced = fields.text("container/image");
    job.image = fields.text("image").or(namespaced);
    job.script = fields.texts("script").unwrap_or_default();
    job.env = match job.kind {
        JobKind::Container => fields.take("container/env", environment),
        JobKind::Action => fields.take("env", environment),
    }
    .unwrap_or_default();
    job.cmd = fields.texts("container/cmd").unwrap_or_default();
    job.entrypoint = fields.texts("container/entrypoint").unwrap_or_default();
    job.work_dir = fields.text("work-dir");
    job.timeout = fields.int("timeout");
    job.save_artifacts = fields.take("save-artifacts", blobs).unwrap_or_default();
    job.restore_artifacts = fields.take("restore-artifacts", blobs).unwrap_or_default();
    job.caches = fields.take("caches", blobs).unwrap_or_default();
    job.extra = fields.rest();
    job
}

/// Writes a job the way the script library does.
pub fn job_to_map(job: &Job) -> Map {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| {
        map.insert(Value::kw(key), value);
    };
    put("id", job.id.as_str().into());
    put(
        "type",
        Value::kw(match job.kind {
            JobKind::Action => "action",
            JobKind::Container => "container",
        }),
    );
    let strings =
        |items: &[String]| Value::Vector(items.iter().map(|i| i.as_str().into()).collect());
    if !job.dependencies.is_empty() {
        let ids = job.dependencies.iter().map(|id| id.as_str().into());
        put("dependencies", Value::Vector(ids.collect()));
    }
    if job.blocked {
        put("blocked", Value::Bool(true));
    }
    if let Some(image) = &job.image {
        put("image", image.as_str().into());
    }
    if !job.script.is_empty() {
        put("script", strings(&job.script));
    }
    if !job.env.is_empty() {
        let env = job
            .env
            .iter()
            .map(|(name, value)| (Value::from(name.as_str()), Value::from(value.as_str())));
        let key = match job.kind {
            JobKind::Action => "env",
            JobKind::Container => "container/env",
        };
        put(key, Value::Map(env.collect()));
    }
    if !job.cmd.is_empty() {
        put("container/cmd", strings(&job.cmd));
    }
    if !job.entrypoint.is_empty() {
        put("container/entrypoint", strings(&job.entrypoint));
    }
    if let Some(dir) = &job.work_dir {
        put("work-dir", dir.as_str().into());
    }
    if let Some(ms) = job.timeout {
        put("timeout", Value::Int(ms));
    }
    for (key, refs) in [
        ("save-artifacts", &job.save_artifacts),
        ("restore-artifacts", &job.restore_artifacts),
        ("caches", &job.caches),
    ] {
        if !refs.is_empty() {
            let items = refs.iter().map(|blob| {
                Value::map([
                    ("id", blob.id.as_str().into()),
                    ("path", blob.path.as_str().into()),
                ])
            });
            put(key, Value::Vector(items.collect()));
        }
    }
    for (key, value) in &job.extra {
        map.insert(key.clone(), value.clone());
    }
    map
}

/// Environment variables: keys are names, whatever they are written as. A keyword came
/// through upstream's conversion, which cannot be undone; upper case is the best guess
/// (scripts.md §2.1).
fn environment(value: &Value) -> Option<Vec<(String, String)>> {
    let map = value.as_map()?;
    map.iter()
        .map(|(key, value)| {
            let name = match key {
                Value::Keyword(keyword) => keyword.name().to_uppercase().replace('-', "_"),
                other => text(other)?,
            };
            let value = match value {
                Value::Nil => String::new(),
                Value::Bool(flag) => flag.to_string(),
                Value::Float(number) => number.to_string(),
                other => text(other)?,
            };
            Some((name, value))
        })
        .collect()
}

fn blobs(value: &Value) -> Option<Vec<BlobRef>> {
    value
        .as_seq()?
        .iter()
        .map(|item| {
            Some(BlobRef {
                id: text(item.get("id")?)?,
                path: text(item.get("path")?)?,
            })
        })
        .collect()
}
