//! What the routes of artifacts and caches do, for the OpenAPI document.

use utoipa::openapi::Required;

use crate::domain::BlobKind;

use super::super::operation::Operation;
use super::super::shapes::{Moved, Save, SavedArtifact, SavedCache};

/// The words for a kind.
struct Words {
    /// `artifact`.
    one: &'static str,
    /// `an artifact`.
    any: &'static str,
    id: &'static str,
    path: &'static str,
}

fn words(kind: BlobKind) -> Words {
    match kind {
        BlobKind::Artifact => Words {
            one: "artifact",
            any: "an artifact",
            id: "test-report",
            path: "target/report",
        },
        BlobKind::Cache => Words {
            one: "cache",
            any: "a cache",
            id: "m2-repository",
            path: ".m2/repository",
        },
    }
}

/// `PUT /{kind}/{job}/{id}`.
pub(in super::super) fn save_of_job(kind: BlobKind) -> Operation {
    let Words { one, any, .. } = words(kind);
    saving(
        named(
            kind,
            Operation::new(
                &format!("save-{one}-of-job"),
                &format!("Saves {any} of a job"),
            ),
            true,
        ),
        kind,
    )
}

/// `PUT /{kind}/{id}`.
pub(in super::super) fn save(kind: BlobKind) -> Operation {
    let Words { one, any, .. } = words(kind);
    saving(
        named(
            kind,
            Operation::new(&format!("save-{one}"), &format!("Saves {any}")),
            false,
        ),
        kind,
    )
}

/// `GET /{kind}/{job}/{id}`.
pub(in super::super) fn restore_of_job(kind: BlobKind) -> Operation {
    let Words { one, any, path, .. } = words(kind);
    let operation = named(
        kind,
        Operation::new(
            &format!("restore-{one}-of-job"),
            &format!("Restores {any} for a job"),
        )
        .describe("Its files are put where the job asks for them."),
        true,
    )
    .query("path", Required::True, WHERE, path)
    .answers(200, "It was restored there.", &moved(kind))
    .empty(204, &format!("There is no such {one}."))
    .error(
        400,
        "No path is given, or one where nothing may be restored.",
    );
    match kind {
        BlobKind::Artifact => failing(operation, "restored"),
        BlobKind::Cache => operation,
    }
}

/// `GET /{kind}/{id}`.
pub(in super::super) fn restore(kind: BlobKind) -> Operation {
    let Words { one, any, path, .. } = words(kind);
    let operation = named(
        kind,
        Operation::new(&format!("restore-{one}"), &format!("Gets {any}")).describe(
            "With a path, its files are put there. Without one, the answer is the archive itself.",
        ),
        false,
    )
    .query("path", Required::False, WHERE, path)
    .octets(200, "The archive, a gzipped tar.")
    .answers(200, "With a path: it was restored there.", &moved(kind))
    .error(400, "Nothing may be restored at this path.");
    match kind {
        BlobKind::Artifact => failing(operation, "restored")
            .empty(204, "With a path: there is no such artifact.")
            .error(404, "There is no such artifact."),
        BlobKind::Cache => operation
            .empty(204, "There is no such cache.")
            .error(500, "The store has failed."),
    }
}

const WHERE: &str = "Where to put the files: relative to where the job works, within the checkout, \
                     or an absolute path in the system's folder for temporary files.";

fn named(kind: BlobKind, operation: Operation, of_job: bool) -> Operation {
    let Words { one, id, .. } = words(kind);
    let operation = if of_job {
        operation.path("job", "The id of the job that asks.", "unit-tests")
    } else {
        operation
    };
    operation.path("id", &format!("The id of the {one}."), id)
}

fn saving(operation: Operation, kind: BlobKind) -> Operation {
    let Words { one, path, .. } = words(kind);
    let operation = operation
        .describe(
            "Either the body names files of the job, which are then packed and stored, or it is the \
             archive itself.",
        )
        .takes(
            "The path of a file or folder, relative to where the job works.",
            &Save {
                path: path.to_owned(),
            },
        )
        .takes_octets("Or the archive: a gzipped tar.")
        .answers(
            200,
            "The files are stored; `path` is `nil` if there was nothing at it.",
            &moved(kind),
        )
        .error(400, "It names no path, or one outside of the checkout.");
    let stored = "Or the archive is stored.";
    let id = words(kind).id.to_owned();
    match kind {
        BlobKind::Artifact => failing(
            operation.answers(200, stored, &SavedArtifact { artifact_id: id }),
            "saved",
        ),
        BlobKind::Cache => operation
            .answers(200, stored, &SavedCache { cache_id: id })
            .error(500, &format!("The store could not take the {one}.")),
    }
}

fn failing(operation: Operation, done: &str) -> Operation {
    operation
        .error(
            422,
            &format!("It could not be {done}: the files are in the way of it."),
        )
        .error(500, "The store has failed.")
}

fn moved(kind: BlobKind) -> Moved {
    let Words { id, path, .. } = words(kind);
    Moved {
        path: Some(path.to_owned()),
        id: id.to_owned(),
    }
}
