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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct BuildInfo {
    /// The organisation.
    pub org_id: String,
    /// The repository.
    pub repo_id: String,
    /// The build.
    pub build_id: String,
    /// What has started it: `cli`, `github-webhook` ….
    #[schema(required)]
    pub source: Option<Word>,
    /// Where it stands.
    pub status: Word,
    /// When it began to run, in milliseconds since 1970.
    #[schema(required)]
    pub start_time: Option<i64>,
    /// Where its files are.
    pub checkout_dir: String,
    /// What git says of them, if anything.
    #[schema(required)]
    pub git: Option<Git>,
    /// Which files a push of this tree would change, if that can be told.
    #[schema(required)]
    pub changes: Option<Changes>,
    /// The build before this one: of the same branch, else of the repository.
    #[schema(required)]
    pub previous: Option<PastBuild>,
    /// The last one of them that succeeded.
    #[schema(required)]
    pub last_success: Option<PastBuild>,
}

/// What git says of the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Git {
    /// Where it is cloned from, without credentials.
    #[schema(required)]
    pub url: Option<String>,
    /// `refs/heads/x` or `refs/tags/x`.
    #[schema(required)]
    pub r#ref: Option<String>,
    /// The branch.
    #[schema(required)]
    pub branch: Option<String>,
    /// The tag.
    #[schema(required)]
    pub tag: Option<String>,
    /// The branch that others grow from.
    #[schema(required)]
    pub main_branch: Option<String>,
    /// The commit.
    #[schema(required)]
    pub commit_id: Option<String>,
    /// The commit's message.
    #[schema(required)]
    pub message: Option<String>,
    /// Who wrote the commit.
    #[schema(required)]
    pub author: Option<Author>,
    /// The working tree has changes that are in no commit.
    pub dirty: bool,
}

/// Who wrote a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Author {
    /// As in the commit.
    pub name: String,
}

/// Files by what has become of them. Sets in EDN.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Changes {
    /// New ones.
    #[serde(serialize_with = "edn::as_set")]
    pub added: Vec<String>,
    /// Those with other content than before.
    #[serde(serialize_with = "edn::as_set")]
    pub modified: Vec<String>,
    /// Those that are gone.
    #[serde(serialize_with = "edn::as_set")]
    pub removed: Vec<String>,
}

/// An earlier build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PastBuild {
    /// The build.
    pub build_id: String,
    /// How it ended.
    pub status: Word,
    /// What was built.
    #[schema(required)]
    pub commit_id: Option<String>,
    /// When it began, in milliseconds since 1970.
    #[schema(required)]
    pub start_time: Option<i64>,
    /// When it ended, in milliseconds since 1970.
    #[schema(required)]
    pub end_time: Option<i64>,
}

/// What is known of the repository; what nobody knows is `nil`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Repo {
    /// Its id, as in the build.
    pub id: String,
    /// Its organisation.
    pub org_id: String,
    /// Its name, for people.
    #[schema(required)]
    pub name: Option<String>,
    /// Where it is cloned from, without credentials.
    #[schema(required)]
    pub url: Option<String>,
    /// The branch that others grow from.
    #[schema(required)]
    pub main_branch: Option<String>,
    /// What it is labelled with.
    #[schema(required)]
    pub labels: Option<Vec<Label>>,
}

/// A label of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Label {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What is known of the organisation; what nobody knows is `nil`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Org {
    /// Its id.
    pub id: String,
    /// Its name, for people.
    #[schema(required)]
    pub name: Option<String>,
}

/// A credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Secret {
    /// Its name.
    pub name: String,
    /// Its value, in clear.
    pub value: String,
}

/// A named result that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct StoredResult {
    /// Its name, unique in the build.
    pub name: String,
    /// What it is.
    pub media_type: String,
    /// Its size in bytes, as stored.
    pub size: u64,
    /// The job that stored it, if it was one.
    #[schema(required)]
    pub job_id: Option<String>,
}

/// The named results of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub(super) struct StoredResults(pub Vec<StoredResult>);

/// Any value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Value)]
pub(super) struct Anything(pub Json);

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
            org_id: "local".to_owned(),
            repo_id: "my-app".to_owned(),
            build_id: "local-build-1795455257536".to_owned(),
            source: Some(Word::new("cli")),
            status: Word::new("running"),
            start_time: Some(1_795_455_257_600),
            checkout_dir: "/home/me/my-app".to_owned(),
            git: Some(Git {
                url: Some("https://git.example.com/me/my-app.git".to_owned()),
                r#ref: Some("refs/heads/main".to_owned()),
                branch: Some("main".to_owned()),
                tag: None,
                main_branch: Some("main".to_owned()),
                commit_id: Some("8f2c1e7d5b6a4903f1c2d3e4b5a697887a6b5c4d".to_owned()),
                message: Some("Say hello".to_owned()),
                author: Some(Author {
                    name: "Me".to_owned(),
                }),
                dirty: true,
            }),
            changes: Some(Changes {
                modified: vec!["src/main.c".to_owned()],
                ..Changes::default()
            }),
            previous: Some(PastBuild {
                build_id: "local-build-1795455000000".to_owned(),
                status: Word::new("error"),
                commit_id: None,
                start_time: Some(1_795_455_000_100),
                end_time: Some(1_795_455_020_000),
            }),
            last_success: None,
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
