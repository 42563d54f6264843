//! The shapes of what clients send and are sent: what the handlers answer with, and what the
//! OpenAPI document says of it, are the same types.
//!
//! Keys are kebab-case in both encodings. A field that is `nil` at times is there all the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use crate::edn;

/// Why it cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Problem {
    /// The reason, for people.
    pub message: String,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// That the service is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Tested {
    /// Always `ok`.
    pub result: String,
}

impl Tested {
    pub(super) fn new() -> Self {
        Self {
            result: "ok".to_owned(),
        }
    }
}

/// One parameter of the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Param {
    /// Its name.
    pub name: String,
    /// Its value, in clear.
    pub value: String,
}

/// The parameters of the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub(super) struct Params(#[serde(serialize_with = "edn::as_list")] pub Vec<Param>);

/// Which files are to be saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Save {
    /// A file or folder, relative to where the job works; not outside of the checkout.
    pub path: String,
}

/// What was moved between the job's files and the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Moved {
    /// The path as it was given; `nil` when there was nothing to save.
    #[schema(required)]
    pub path: Option<String>,
    /// What it is called in the store.
    pub id: String,
}

/// The artifact that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SavedArtifact {
    /// Its id.
    pub artifact_id: String,
}

/// The cache that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SavedCache {
    /// Its id.
    pub cache_id: String,
}

/// A key of the build, as it is written in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub(super) struct Key(pub String);

/// What is known of the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct BuildInfo {
    /// The organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
    /// The repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo_id: Option<String>,
    /// The build.
    pub build_id: String,
    /// What has started it: `cli`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<edn_keyword::Word>,
    /// Where its files are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkout_dir: Option<String>,
    /// What git says of them, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub git: Option<Json>,
}

/// Words that are keywords in EDN.
mod edn_keyword {
    use serde::{Deserialize, Serialize};
    use utoipa::openapi::schema::{ObjectBuilder, Type};
    use utoipa::openapi::{RefOr, Schema};
    use utoipa::{PartialSchema, ToSchema};

    use crate::edn::Keyword;

    /// A keyword in EDN, a string in JSON.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(transparent)]
    pub(in super::super) struct Word(pub Keyword);

    impl Word {
        pub(in super::super) fn new(word: &str) -> Self {
            Self(Keyword::new(word))
        }
    }

    impl PartialSchema for Word {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .description(Some("A word: a keyword in EDN, a string in JSON."))
                .into()
        }
    }

    impl ToSchema for Word {}
}

pub(super) use edn_keyword::Word;

impl BuildInfo {
    pub(super) fn example() -> Self {
        Self {
            org_id: Some("local".to_owned()),
            repo_id: Some("my-app".to_owned()),
            build_id: "local-build-1".to_owned(),
            source: Some(Word::new("cli")),
            checkout_dir: Some("/home/me/my-app".to_owned()),
            git: Some(serde_json::json!({"branch": "main"})),
        }
    }
}

/// What a script may say: what becomes of itself and of its jobs, and that a container job is
/// ready to run. Other types are dropped, with a remark in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) enum PostedType {
    /// The script is being read.
    #[serde(rename = "script/initializing")]
    ScriptInitializing,
    /// The script is read; `jobs` are its jobs.
    #[serde(rename = "script/start")]
    ScriptStart,
    /// All jobs are over.
    #[serde(rename = "script/end")]
    ScriptEnd,
    /// The job waits for others.
    #[serde(rename = "job/pending")]
    JobPending,
    /// The job may run.
    #[serde(rename = "job/queued")]
    JobQueued,
    /// The job waits for somebody's approval.
    #[serde(rename = "job/blocked")]
    JobBlocked,
    /// The job will not run.
    #[serde(rename = "job/skipped")]
    JobSkipped,
    /// The job is being prepared.
    #[serde(rename = "job/initializing")]
    JobInitializing,
    /// The job runs.
    #[serde(rename = "job/start")]
    JobStart,
    /// The job has done its work; what comes after it may still run.
    #[serde(rename = "job/executed")]
    JobExecuted,
    /// The job is over.
    #[serde(rename = "job/end")]
    JobEnd,
    /// A container job is ready to be run by the runner.
    #[serde(rename = "container/job-queued")]
    ContainerJobQueued,
}

/// One event of the build. Keys that are not named here are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PostedEvent {
    /// What has happened.
    #[serde(rename = "type")]
    pub kind: PostedType,
    /// When, in milliseconds since 1970; the time of arrival when it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub time: Option<i64>,
    /// Organization, repository and build. Always taken to be this build's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sid: Option<Vec<String>>,
    /// Who says so. Always taken to be `script`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub src: Option<Word>,
    /// Which job it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub job_id: Option<String>,
    /// Words for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
    /// How it ended: `success`, `failure`, `error`, `skipped`, `canceled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status: Option<Word>,
    /// What came of it: `exit`, `message`, whatever else the job says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub result: Option<BTreeMap<String, Json>>,
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, Value>)]
    pub more: BTreeMap<String, Json>,
}

/// One event, or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Posted {
    /// Several, in the order in which they happened.
    Many(Vec<PostedEvent>),
    /// A single one.
    One(Box<PostedEvent>),
}

impl Posted {
    pub(super) fn example() -> Self {
        Self::Many(vec![PostedEvent {
            kind: PostedType::JobEnd,
            time: Some(1_795_455_257_536),
            sid: None,
            src: Some(Word::new("script")),
            job_id: Some("unit-tests".to_owned()),
            message: None,
            status: Some(Word::new("success")),
            result: None,
            more: BTreeMap::new(),
        }])
    }
}

/// An OpenAPI 3.1 document. Its keys are strings in EDN, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub(super) struct Document(pub BTreeMap<String, Json>);

impl Document {
    pub(super) fn example() -> Self {
        let info = serde_json::json!({
            "title": "monkeyci-tui script API",
            "version": env!("CARGO_PKG_VERSION"),
        });
        let fields = [
            ("openapi", "3.1.0".into()),
            ("info", info),
            ("paths", serde_json::json!({})),
        ];
        Self(fields.map(|(key, value)| (key.to_owned(), value)).into())
    }
}
