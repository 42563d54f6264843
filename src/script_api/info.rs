//! The small routes: parameters, the build itself, its workspace and its controls.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use tokio_util::io::ReaderStream;

use crate::domain::{GitInfo, JobId, Phase};
use crate::edn::{self, Value};
use crate::ports::{BlobKey, Control, Past};

use super::Api;
use super::asker::Asker;
use super::body;
use super::extract::InPath;
use super::operation::Operation;
use super::reply::{self, Format};
use super::shapes::{Author, BuildInfo, Changes, Git, Key, Param, Params, PastBuild, Tested, Word};

/// `GET /test`.
pub(super) async fn test(format: Format) -> Response {
    format.ok(&Tested::new())
}

pub(super) fn test_operation() -> Operation {
    Operation::new("get-test", "Whether the service is there").answers(
        200,
        "It is.",
        &Tested::new(),
    )
}

/// `GET /params`: a list of `{:name "…" :value "…"}`, as it is given to scripts: not masked.
pub(super) async fn params(State(api): State<Api>, asker: Asker, format: Format) -> Response {
    match api.engine().params().params().await {
        Ok(params) => {
            // Some may be news, from a server: before anybody can print them.
            let secret = params.iter().filter(|param| !param.plain);
            (api.engine().masks()).add(secret.map(|param| param.value.expose_secret()));
            api.note_read(&asker, "params", None);
            let params = params.iter().map(|param| Param {
                name: param.name.clone(),
                value: param.value.expose_secret().to_owned(),
            });
            format.ok(&Params(params.collect()))
        }
        Err(reason) => {
            api.warn_once(None, format!("the parameters could not be had: {reason}"));
            format.error(StatusCode::INTERNAL_SERVER_ERROR, reason)
        }
    }
}

pub(super) fn params_operation() -> Operation {
    let param = Param {
        name: "npm-registry".to_owned(),
        value: "https://npm.example.com".to_owned(),
    };
    Operation::new("get-params", "The build's parameters")
        .describe(
            "With their values, in clear. An empty list when there are none. Those of the command \
             line go before those of a server that is set up for the build.",
        )
        .asker()
        .answers(200, "The parameters.", &Params(vec![param]))
        .error(500, "The parameters could not be had.")
}

/// `GET /build`: what a script may know of its build, as it stands.
pub(super) async fn build(State(api): State<Api>, format: Format) -> Response {
    let build = match api.engine().build().await {
        Ok(build) => build,
        Err(gone) => return format.error(StatusCode::GONE, gone.to_string()),
    };
    let sid = api.engine().sid();
    format.ok(&BuildInfo {
        org_id: sid.org.clone(),
        repo_id: sid.repo.clone(),
        build_id: sid.build.clone(),
        source: build.source.as_deref().map(Word::new),
        status: Word::new(build.status.as_str()),
        start_time: build.start_time,
        checkout_dir: api.engine().checkout_dir().to_string_lossy().into_owned(),
        git: (build.git != GitInfo::default()).then(|| git(&build.git)),
        changes: (api.engine().build_info().get_kw("changes")).map(changes),
        previous: past(&api, Past::Previous).await,
        last_success: past(&api, Past::LastSuccess).await,
    })
}

fn git(git: &GitInfo) -> Git {
    let git = git.clone();
    Git {
        url: git.url,
        r#ref: git.r#ref,
        branch: git.branch,
        tag: git.tag,
        main_branch: git.main_branch,
        commit_id: git.commit_id,
        message: git.message,
        author: git.author.map(|name| Author { name }),
        dirty: git.dirty,
    }
}

fn changes(changes: &Value) -> Changes {
    let files = |key: &str| -> Vec<String> {
        let files = changes.get(key).and_then(Value::as_seq).unwrap_or_default();
        let names = files.iter().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    };
    Changes {
        added: files("added"),
        modified: files("modified"),
        removed: files("removed"),
    }
}

/// An earlier build; one that cannot be read is told to people.
async fn past(api: &Api, which: Past) -> Option<PastBuild> {
    match api.engine().surroundings().past.find(which).await {
        Ok(found) => found.map(|build| PastBuild {
            build_id: build.sid.build,
            status: Word::new(build.status.as_str()),
            commit_id: build.commit_id,
            start_time: build.start_time,
            end_time: build.end_time,
        }),
        Err(reason) => {
            let why = format!("the builds before this one cannot be read: {reason}");
            api.warn_once(None, why);
            None
        }
    }
}

pub(super) fn build_operation() -> Operation {
    Operation::new("get-build", "What is known of the build")
        .describe("What is not known is `nil`.")
        .answers(200, "The build.", &BuildInfo::example())
        .error(410, "The build is over.")
}

/// Longest encrypted key that is taken, in bytes. A real one has 80.
const LONGEST_KEY: usize = 4096;

/// `POST /decrypt-key`. The server that is set up for the build is asked, with the runner's own
/// credential. Without one a build that runs here has no data key, so that nothing is encrypted
/// and a key is its own clear text. Library `script` sends no content type and gets an EDN string;
/// flavour B announces one and expects the bare text.
pub(super) async fn decrypt_key(
    State(api): State<Api>,
    asker: Asker,
    format: Format,
    request: Request,
) -> Response {
    let typed = request.headers().contains_key(header::CONTENT_TYPE);
    let body = match body::whole(request, api.settings()).await {
        Ok(body) => body,
        Err(error) => return error.reply(format),
    };
    let Ok(text) = std::str::from_utf8(&body) else {
        return format.error(StatusCode::BAD_REQUEST, "a key is text");
    };
    let (key, quoted) = match edn::read_lenient(text) {
        Ok(Value::Str(key)) => (key, true),
        _ => (text.to_owned(), false),
    };
    let key = match &api.engine().surroundings().upstream {
        None => key,
        Some(_) if key.len() > LONGEST_KEY => {
            return format.error(StatusCode::BAD_REQUEST, "this is too long for a key");
        }
        Some(upstream) => match upstream.decrypt_key(key.trim()).await {
            Ok(clear) => {
                let clear = clear.expose_secret();
                // Before anybody can print it.
                api.engine().masks().add([clear]);
                api.note_read(&asker, "key", None);
                clear.to_owned()
            }
            Err(error) => {
                api.warn_once(None, format!("a key could not be decrypted: {error}"));
                return format.error(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
            }
        },
    };
    if quoted && !typed {
        format.ok(&Key(key))
    } else {
        reply::text(StatusCode::OK, key)
    }
}

pub(super) fn decrypt_key_operation() -> Operation {
    Operation::new("decrypt-key", "Decrypts a key of the build")
        .describe(
            "By the server that is set up for the build. Without one, nothing is encrypted, and a \
             key is its own clear text. A client that names no content type is answered with a value; others \
             are given the bare text.",
        )
        .takes(
            "The encrypted key: text, or a string in EDN.",
            &Key("AAECAwQFBgc=".to_owned()),
        )
        .answers(200, "The key.", &Key("AAECAwQFBgc=".to_owned()))
        .text(
            200,
            "As bare text if the request has a content type.",
            "AAECAwQFBgc=",
        )
        .asker()
        .error(500, "The server did not decrypt it.")
}

/// `GET /workspace`: the archive of what was checked out, or 204.
pub(super) async fn workspace(State(api): State<Api>, format: Format) -> Response {
    let key = BlobKey::workspace(api.engine().sid());
    match api.engine().blobs().get(&key).await {
        Ok(Some(reader)) => reply::octets(Body::from_stream(ReaderStream::new(reader))),
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => format.error(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

pub(super) fn workspace_operation() -> Operation {
    Operation::new("get-workspace", "The archive of what was checked out")
        .octets(200, "A gzipped tar archive.")
        .empty(204, "The build has no workspace.")
        .error(500, "The store has failed.")
}

/// `POST /cancel`.
pub(super) async fn cancel(State(api): State<Api>, format: Format) -> Response {
    control(&api, format, Control::Cancel).await
}

pub(super) fn cancel_operation() -> Operation {
    Operation::new("cancel-build", "Cancels the build")
        .describe("Jobs that run are stopped, others do not start.")
        .empty(202, "It will be canceled.")
        .error(410, "The build is over.")
}

/// `POST /unblock`: approves all that is blocked, now and later.
pub(super) async fn unblock_all(State(api): State<Api>, format: Format) -> Response {
    control(&api, format, Control::UnblockAll).await
}

pub(super) fn unblock_all_operation() -> Operation {
    Operation::new("unblock-all-jobs", "Approves all blocked jobs")
        .describe("Those that are blocked now, and those that will be.")
        .empty(202, "They are approved.")
        .error(410, "The build is over.")
}

/// `POST /unblock/{job}`: approves one job, also ahead of its being blocked; 409 for one that
/// may run or has run, to which it would mean nothing.
pub(super) async fn unblock(
    State(api): State<Api>,
    format: Format,
    InPath(job): InPath<String>,
) -> Response {
    let job = JobId::from(job.as_str());
    let build = match api.engine().build().await {
        Ok(build) => build,
        Err(gone) => return format.error(StatusCode::GONE, gone.to_string()),
    };
    match build.job(&job) {
        // Before the script has named its jobs, any name may turn out to be right.
        None if build.jobs().is_empty() => {}
        None => {
            return format.error(StatusCode::NOT_FOUND, format!("the build has no job {job}"));
        }
        Some(state) if state.phase > Phase::Blocked => {
            return format.error(StatusCode::CONFLICT, format!("job {job} is not blocked"));
        }
        Some(_) => {}
    }
    control(&api, format, Control::Unblock(job)).await
}

pub(super) fn unblock_operation() -> Operation {
    Operation::new("unblock-job", "Approves a blocked job")
        .describe("Also ahead of its being blocked.")
        .path("job", "The job's id.", "deploy")
        .empty(202, "It is approved.")
        .error(404, "The build has no such job.")
        .error(409, "The job may run already, or it has run.")
        .error(410, "The build is over.")
}

async fn control(api: &Api, format: Format, control: Control) -> Response {
    match api.engine().control(control).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(reason) => format.error(StatusCode::GONE, reason),
    }
}
