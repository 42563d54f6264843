//! `artifacts`, of a build that is recorded here: its own, one that was imported, one in a file.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use tokio::io::AsyncReadExt;

use crate::cli::plain::spell_size;
use crate::cli::{ArtifactsArgs, clean};
use crate::domain::{BlobKind, Build, StoredBlob, file_name};
use crate::journal::Journal;
use crate::ports::BlobKey;
use crate::store::{BuildFolder, Home, Origin};

use super::beside::Beside;
use super::error::{Exit, UserError};
use super::history::{self, quiet};
use super::remote::RemoteSid;
use super::storage;

/// The recording that is meant, if its artifacts are kept on this machine.
pub(super) fn recorded_here(home: &Home, args: &ArtifactsArgs) -> Option<BuildFolder> {
    // ORG/REPO is the newest of a server's, however many of its builds were recorded here.
    let is_repo = args.target.split('/').count() == 2 && !Path::new(&args.target).exists();
    if is_repo {
        return None;
    }
    let (sid, folder) = history::find(home, &args.target).ok()?;
    // Those of a build on a server are there, unless they came with a recording.
    let is_here = RemoteSid::of(&sid).is_none() || Origin::of(&folder).is_some();
    is_here.then_some(folder)
}

/// What a build has saved: of an id the last, in the order in which the jobs saved them.
pub(super) fn of_build(build: &Build) -> Vec<&StoredBlob> {
    let mut saved: Vec<&StoredBlob> = Vec::new();
    for blob in build.jobs().iter().flat_map(|job| &job.blobs) {
        if blob.kind == BlobKind::Artifact {
            saved.retain(|known| known.id != blob.id);
            saved.push(blob);
        }
    }
    saved
}

/// `artifacts`.
pub(super) async fn artifacts(
    home: &Home,
    folder: &BuildFolder,
    args: &ArtifactsArgs,
) -> Result<Exit, UserError> {
    let journal = Journal::read(&folder.journal).map_err(|error| UserError::of(&error))?;
    let build = Build::fold(journal.events().iter().map(|event| &**event));
    let saved = of_build(&build);
    let Some(id) = &args.id else {
        return list(&saved);
    };
    if saved.iter().all(|blob| blob.id != *id) {
        let error = UserError::new(format!("this build has no artifact \"{id}\""));
        let known: Vec<&str> = saved.iter().map(|blob| blob.id.as_str()).collect();
        return Err(match known[..] {
            [] => error,
            _ => error.hint(format!("its artifacts: {}", known.join(", "))),
        });
    }
    let blobs = storage::of_build(home, folder)?;
    let key = BlobKey::artifact(journal.sid(), id);
    let found = blobs
        .get(&key)
        .await
        .map_err(|error| UserError::of(&error))?;
    let Some(mut reader) = found else {
        let error = UserError::new(format!("artifact \"{id}\" is not kept here"));
        return Err(match Origin::of(folder) {
            Some(_) => error
                .hint("it has not come with the recording: `export --artifacts` takes it along"),
            None => error,
        });
    };
    let (file, over) = match &args.output {
        Some(file) => (file.clone(), true),
        None => (format!("{}.tgz", file_name(id)).into(), false),
    };
    let (beside, mut out) = Beside::create(&file, over)?;
    let failed = |error: io::Error| UserError::new(format!("cannot save artifact {id}: {error}"));
    let mut size = 0;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = reader.read(&mut buffer).await.map_err(failed)?;
        if read == 0 {
            break;
        }
        out.write_all(&buffer[..read]).map_err(failed)?;
        size += read as u64;
    }
    beside.finish()?;
    let file = clean(&file.display().to_string());
    quiet(writeln!(
        io::stdout(),
        "saved {file} ({})",
        spell_size(size)
    ))?;
    Ok(Exit::Success)
}

fn list(saved: &[&StoredBlob]) -> Result<Exit, UserError> {
    let mut out = BufWriter::new(io::stdout());
    for blob in saved {
        let size = match blob.size {
            0 => "-".to_owned(),
            size => spell_size(size),
        };
        let line = clean(&format!("{:<24} {size:>10}  {}", blob.id, blob.path));
        quiet(writeln!(out, "{}", line.trim_end()))?;
    }
    quiet(out.flush())?;
    if saved.is_empty() {
        complain!("the jobs of this build have saved nothing");
    }
    Ok(Exit::Success)
}
