//! Events on the wire (protocol/events.md §1–2).

use crate::domain::{
    Access, BuildStatus, Event, EventKind, Job, JobId, JobStatus, PullProgress, Resources, Sid,
    Src, TuiEvent,
};
use crate::edn::{self, Map, Value};

use super::fields::{Fields, text};
use super::{job_from, job_to_map, updated, updated_map};

/// Why something is no event.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The text cannot be read at all.
    #[error("not readable as EDN")]
    Edn(#[from] edn::ReadError),
    /// The bytes are no UTF-8.
    #[error("not UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
    /// The value is no map, or the map has no `:type`.
    #[error("an event is a map with a :type, not {0}")]
    NoEvent(String),
}

/// Reads the body of a `POST /events`: a vector, a list or a single map (script-api.md §10).
/// Things in it that are no events are left out and counted.
pub fn events_from_body(body: &[u8]) -> Result<(Vec<Event>, usize), WireError> {
    let text = std::str::from_utf8(body)?;
    let mut events = Vec::new();
    let mut odd = 0;
    for form in edn::read_all_lenient(text)? {
        let items = match form {
            Value::Vector(items) | Value::List(items) | Value::Set(items) => items,
            Value::Nil => continue,
            other => vec![other],
        };
        for item in items {
            match event_from(item) {
                Ok(event) => events.push(event),
                Err(_) => odd += 1,
            }
        }
    }
    Ok((events, odd))
}

/// Reads one event.
pub fn event_from(value: Value) -> Result<Event, WireError> {
    let Value::Map(map) = value else {
        return Err(no_event(&value));
    };
    let mut fields = Fields::new(map);
    let Some(type_name) = fields.take("type", text) else {
        return Err(no_event(&Value::Map(fields.rest())));
    };
    let mut event = Event::new(EventKind::BuildStart);
    event.time = fields.int("time");
    event.sid = fields.take("sid", sid);
    event.src = fields.text("src").map(|name| Src::parse(&name));
    event.job_id = fields.text("job-id").map(JobId::new);
    event.message = fields.text("message");
    event.kind = kind_from(&type_name, &mut fields);
    event.extra = fields.rest();
    Ok(event)
}

fn no_event(value: &Value) -> WireError {
    let shown: String = edn::write(value).chars().take(80).collect();
    WireError::NoEvent(shown)
}

fn kind_from(type_name: &str, fields: &mut Fields) -> EventKind {
    let build_status = |fields: &mut Fields| fields.text("status").map(|s| BuildStatus::parse(&s));
    let job_status = |fields: &mut Fields| fields.text("status").map(|s| JobStatus::parse(&s));
    let result = |fields: &mut Fields| fields.map("result").unwrap_or_default();
    let build = |fields: &mut Fields| fields.map("build").unwrap_or_default();
    let job = |fields: &mut Fields| fields.map("job").map(|map| Box::new(job_from(map)));
    let stored = |fields: &mut Fields| {
        (
            fields.text("artifact-id").unwrap_or_default(),
            fields.text("path").unwrap_or_default(),
            fields
                .int("size")
                .and_then(|n| n.try_into().ok())
                .unwrap_or_default(),
        )
    };
    match type_name {
        "build/triggered" => EventKind::BuildTriggered {
            build: build(fields),
        },
        "build/pending" => EventKind::BuildPending {
            build: build(fields),
        },
        "build/queued" => EventKind::BuildQueued {
            build: build(fields),
        },
        "build/initializing" => EventKind::BuildInitializing {
            build: build(fields),
        },
        "build/start" => EventKind::BuildStart,
        "build/end" => EventKind::BuildEnd {
            status: build_status(fields),
            build: fields.map("build"),
        },
        "build/canceled" => EventKind::BuildCanceled,
        "build/updated" => updated(build(fields)),
        "script/initializing" => EventKind::ScriptInitializing {
            script_dir: fields.text("script-dir"),
        },
        "script/start" => EventKind::ScriptStart {
            jobs: fields.take("jobs", jobs).unwrap_or_default(),
        },
        "script/end" => EventKind::ScriptEnd {
            status: build_status(fields),
        },
        "job/pending" => EventKind::JobPending { job: job(fields) },
        "job/queued" => EventKind::JobQueued { job: job(fields) },
        "job/blocked" => EventKind::JobBlocked,
        "job/unblocked" => EventKind::JobUnblocked,
        "job/skipped" => EventKind::JobSkipped,
        "job/initializing" => EventKind::JobInitializing {
            local_dir: fields.text("local-dir"),
            agent: fields.map("agent"),
        },
        "job/start" => EventKind::JobStart,
        "job/executed" => EventKind::JobExecuted {
            status: job_status(fields),
            result: result(fields),
        },
        "job/end" => EventKind::JobEnd {
            status: job_status(fields),
            result: result(fields),
        },
        "container/job-queued" => EventKind::ContainerJobQueued {
            job: job(fields),
            dek: fields.text("dek"),
        },
        "container/pending" => EventKind::ContainerPending,
        "container/initializing" => EventKind::ContainerInitializing,
        "container/start" => EventKind::ContainerStart,
        "container/end" => EventKind::ContainerEnd {
            status: job_status(fields),
            result: result(fields),
        },
        "container/script-end" => EventKind::ContainerScriptEnd {
            result: result(fields),
            done: fields.flag("done?").unwrap_or_default(),
            step: fields.text("step"),
        },
        "command/start" => EventKind::CommandStart {
            command: fields.text("command").unwrap_or_default(),
            stdout: fields.text("stdout"),
            stderr: fields.text("stderr"),
        },
        "command/end" => EventKind::CommandEnd {
            command: fields.text("command").unwrap_or_default(),
            exit: fields.int("exit"),
            stdout: fields.text("stdout"),
            stderr: fields.text("stderr"),
        },
        "sidecar/start" => EventKind::SidecarStart,
        "sidecar/end" => EventKind::SidecarEnd {
            result: result(fields),
        },
        "tui/warning" => EventKind::Tui(TuiEvent::Warning),
        "tui/interrupted" => EventKind::Tui(TuiEvent::Interrupted),
        "tui/gap" => EventKind::Tui(TuiEvent::Gap),
        "tui/request" => EventKind::Tui(TuiEvent::Request {
            args: fields.take("args", texts).unwrap_or_default(),
        }),
        "tui/workspace" => EventKind::Tui(TuiEvent::Workspace {
            digest: fields.text("digest").unwrap_or_default(),
        }),
        "tui/reused" => EventKind::Tui(TuiEvent::Reused {
            build: fields.text("build").unwrap_or_default(),
        }),
        "tui/anew" => EventKind::Tui(TuiEvent::Anew),
        "tui/remote" => EventKind::Tui(TuiEvent::Remote {
            server: fields.text("server").unwrap_or_default(),
        }),
        "tui/attempt" => EventKind::Tui(TuiEvent::Attempt {
            attempt: fields
                .int("attempt")
                .and_then(|n| n.try_into().ok())
                .unwrap_or(1),
        }),
        "tui/pulling" => EventKind::Tui(TuiEvent::Pulling(pulling(fields))),
        "tui/pulled" => EventKind::Tui(TuiEvent::Pulled),
        "tui/artifact-saved" => {
            let (id, path, size) = stored(fields);
            EventKind::Tui(TuiEvent::ArtifactSaved { id, path, size })
        }
        "tui/cache-saved" => {
            let (id, path, size) = stored(fields);
            EventKind::Tui(TuiEvent::CacheSaved { id, path, size })
        }
        "tui/executor" => EventKind::Tui(TuiEvent::Executor {
            name: fields.text("executor").unwrap_or_default(),
        }),
        "tui/host" => EventKind::Tui(TuiEvent::Host {
            name: fields.text("host").unwrap_or_default(),
        }),
        "tui/result-saved" => EventKind::Tui(TuiEvent::ResultSaved {
            name: fields.text("name").unwrap_or_default(),
            media_type: fields.text("media-type").unwrap_or_default(),
            size: fields
                .int("size")
                .and_then(|n| n.try_into().ok())
                .unwrap_or_default(),
        }),
        "tui/read" => EventKind::Tui(TuiEvent::Read(Access {
            what: fields.text("what").unwrap_or_default(),
            name: fields.text("name"),
            by: fields.text("by").unwrap_or_default(),
        })),
        "tui/resources" => EventKind::Tui(TuiEvent::Resources(resources(fields))),
        other => EventKind::Other(other.into()),
    }
}

fn pulling(fields: &mut Fields) -> PullProgress {
    let mut number = |key: &str| {
        let number = fields.int(key).and_then(|n| u64::try_from(n).ok());
        number.unwrap_or_default()
    };
    let few = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    PullProgress {
        layers: few(number("layers")),
        done: few(number("done")),
        bytes: number("bytes"),
        total: number("total"),
        unpacking: fields.flag("unpacking?").unwrap_or_default(),
    }
}

/// Numbers of nothing stand for what is not known; what is odd is left where it is.
fn resources(fields: &mut Fields) -> Resources {
    let mut count = |key: &str| {
        let count = |value: &Value| u64::try_from(value.as_i64()?).ok();
        fields.take(key, count).unwrap_or_default()
    };
    Resources {
        cpu_ms: count("cpu-ms"),
        cpu_percent: count("cpu-percent"),
        memory: count("memory-bytes"),
        memory_peak: count("memory-peak-bytes"),
        memory_limit: count("memory-limit-bytes"),
        received: count("received-bytes"),
        sent: count("sent-bytes"),
        processes: count("processes"),
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let words = value.as_seq()?.iter();
    words.map(|word| word.as_str().map(str::to_owned)).collect()
}

fn sid(value: &Value) -> Option<Sid> {
    match value.as_seq()? {
        [org, repo, build] => Some(Sid::new(text(org)?, text(repo)?, text(build)?)),
        _ => None,
    }
}

fn jobs(value: &Value) -> Option<Vec<Job>> {
    let jobs = value
        .as_seq()?
        .iter()
        .filter_map(|item| item.as_map().cloned().map(job_from));
    Some(jobs.collect())
}

/// Writes an event as one line of strict EDN, without its number.
pub fn write_event(event: &Event) -> String {
    edn::write(&edn_event(event))
}

/// The event as an EDN map, without its number.
pub fn edn_event(event: &Event) -> Value {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| {
        map.insert(Value::kw(key), value);
    };
    put("type", Value::kw(event.type_name()));
    if let Some(time) = event.time {
        put("time", Value::Int(time));
    }
    if let Some(sid) = &event.sid {
        let parts = [&sid.org, &sid.repo, &sid.build];
        put(
            "sid",
            Value::Vector(parts.map(|part| part.as_str().into()).into()),
        );
    }
    if let Some(src) = &event.src {
        put("src", Value::kw(src.as_str()));
    }
    if let Some(id) = &event.job_id {
        put("job-id", id.as_str().into());
    }
    if let Some(message) = &event.message {
        put("message", message.as_str().into());
    }
    write_kind(&event.kind, &mut put);
    // What has a typed place is never written over by what was left beside it.
    for (key, value) in &event.extra {
        if map.get(key).is_none() {
            map.insert(key.clone(), value.clone());
        }
    }
    Value::Map(map)
}

fn write_kind(kind: &EventKind, put: &mut impl FnMut(&str, Value)) {
    match kind {
        EventKind::BuildTriggered { build }
        | EventKind::BuildPending { build }
        | EventKind::BuildQueued { build }
        | EventKind::BuildInitializing { build } => put("build", Value::Map(build.clone())),
        EventKind::BuildUpdated { build, jobs } => put("build", updated_map(build, jobs)),
        EventKind::BuildEnd { status, build } => {
            put_status(put, status.as_ref().map(BuildStatus::as_str));
            if let Some(build) = build {
                put("build", Value::Map(build.clone()));
            }
        }
        EventKind::ScriptInitializing { script_dir } => {
            put_text(put, "script-dir", script_dir.as_ref());
        }
        EventKind::ScriptStart { jobs } => {
            let jobs = jobs.iter().map(|job| Value::Map(job_to_map(job)));
            put("jobs", Value::Vector(jobs.collect()));
        }
        EventKind::ScriptEnd { status } => {
            put_status(put, status.as_ref().map(BuildStatus::as_str));
        }
        EventKind::JobPending { job } | EventKind::JobQueued { job } => {
            put_job(put, job.as_deref());
        }
        EventKind::ContainerJobQueued { job, dek } => {
            put_job(put, job.as_deref());
            put_text(put, "dek", dek.as_ref());
        }
        EventKind::JobInitializing { local_dir, agent } => {
            put_text(put, "local-dir", local_dir.as_ref());
            if let Some(agent) = agent {
                put("agent", Value::Map(agent.clone()));
            }
        }
        EventKind::JobExecuted { status, result }
        | EventKind::JobEnd { status, result }
        | EventKind::ContainerEnd { status, result } => {
            put_status(put, status.as_ref().map(JobStatus::as_str));
            put("result", Value::Map(result.clone()));
        }
        EventKind::ContainerScriptEnd { result, done, step } => {
            put("done?", Value::Bool(*done));
            put("result", Value::Map(result.clone()));
            put_text(put, "step", step.as_ref());
        }
        EventKind::CommandStart {
            command,
            stdout,
            stderr,
        } => {
            put("command", command.as_str().into());
            put_text(put, "stdout", stdout.as_ref());
            put_text(put, "stderr", stderr.as_ref());
        }
        EventKind::CommandEnd {
            command,
            exit,
            stdout,
            stderr,
        } => {
            put("command", command.as_str().into());
            if let Some(exit) = exit {
                put("exit", Value::Int(*exit));
            }
            put_text(put, "stdout", stdout.as_ref());
            put_text(put, "stderr", stderr.as_ref());
        }
        EventKind::SidecarEnd { result } => put("result", Value::Map(result.clone())),
        EventKind::Tui(TuiEvent::Attempt { attempt }) => {
            put("attempt", Value::Int(i64::from(*attempt)));
        }
        EventKind::Tui(TuiEvent::Pulling(pull)) => {
            let number = |count: u64| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
            put("layers", number(pull.layers.into()));
            put("done", number(pull.done.into()));
            put("bytes", number(pull.bytes));
            put("total", number(pull.total));
            if pull.unpacking {
                put("unpacking?", Value::Bool(true));
            }
        }
        EventKind::Tui(
            TuiEvent::ArtifactSaved { id, path, size } | TuiEvent::CacheSaved { id, path, size },
        ) => {
            put("artifact-id", id.as_str().into());
            put("path", path.as_str().into());
            put("size", Value::Int(i64::try_from(*size).unwrap_or(i64::MAX)));
        }
        EventKind::Tui(TuiEvent::Request { args }) => {
            let args = args.iter().map(|word| word.as_str().into());
            put("args", Value::Vector(args.collect()));
        }
        EventKind::Tui(TuiEvent::Workspace { digest }) => put("digest", digest.as_str().into()),
        EventKind::Tui(TuiEvent::Reused { build }) => put("build", build.as_str().into()),
        EventKind::Tui(TuiEvent::Remote { server }) => put("server", server.as_str().into()),
        EventKind::Tui(TuiEvent::Executor { name }) => put("executor", name.as_str().into()),
        EventKind::Tui(TuiEvent::Host { name }) => put("host", name.as_str().into()),
        EventKind::Tui(TuiEvent::ResultSaved {
            name,
            media_type,
            size,
        }) => {
            put("name", name.as_str().into());
            put("media-type", media_type.as_str().into());
            put("size", Value::Int(i64::try_from(*size).unwrap_or(i64::MAX)));
        }
        EventKind::Tui(TuiEvent::Resources(used)) => {
            for (key, count) in [
                ("cpu-ms", used.cpu_ms),
                ("cpu-percent", used.cpu_percent),
                ("memory-bytes", used.memory),
                ("memory-peak-bytes", used.memory_peak),
                ("memory-limit-bytes", used.memory_limit),
                ("received-bytes", used.received),
                ("sent-bytes", used.sent),
                ("processes", used.processes),
            ] {
                if count > 0 {
                    put(key, Value::Int(i64::try_from(count).unwrap_or(i64::MAX)));
                }
            }
        }
        EventKind::Tui(TuiEvent::Read(access)) => {
            put("what", Value::kw(&access.what));
            put_text(put, "name", access.name.as_ref());
            put("by", access.by.as_str().into());
        }
        EventKind::Tui(
            TuiEvent::Warning
            | TuiEvent::Interrupted
            | TuiEvent::Gap
            | TuiEvent::Anew
            | TuiEvent::Pulled,
        )
        | EventKind::BuildStart
        | EventKind::BuildCanceled
        | EventKind::JobBlocked
        | EventKind::JobUnblocked
        | EventKind::JobSkipped
        | EventKind::JobStart
        | EventKind::ContainerPending
        | EventKind::ContainerInitializing
        | EventKind::ContainerStart
        | EventKind::SidecarStart
        | EventKind::Other(_) => {}
    }
}

fn put_status(put: &mut impl FnMut(&str, Value), status: Option<&str>) {
    if let Some(status) = status {
        put("status", Value::kw(status));
    }
}

fn put_text(put: &mut impl FnMut(&str, Value), key: &str, text: Option<&String>) {
    if let Some(text) = text {
        put(key, text.as_str().into());
    }
}

fn put_job(put: &mut impl FnMut(&str, Value), job: Option<&Job>) {
    if let Some(job) = job {
        put("job", Value::Map(job_to_map(job)));
    }
}
