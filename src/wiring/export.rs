//! `export`: a build into one file, to be looked at elsewhere, or for other programs.
//!
//! What is decided here: which artifacts and results go into a recording, what a user is told of secrets, and where
//! the file goes. How a recording is packed is the business of `store`.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::plain::spell_size;
use crate::cli::{ExportArgs, ExportFormat, clean, document, write_junit};
use crate::domain::{Build, Sid, file_name};
use crate::journal::Journal;
use crate::ports::{BlobKey, BlobStore};
use crate::store::{BuildFolder, ENDING, Home, Manifest, Packing, PortableError, spool_folder};
use crate::wire;

use super::beside::Beside;
use super::error::{Exit, UserError};
use super::history::{self, quiet};
use super::{artifacts, log_desk, results, storage, suspects};

/// `export`.
pub(super) async fn export(home: &Home, args: &ExportArgs) -> Result<Exit, UserError> {
    let (sid, folder) = history::find(home, &args.build)?;
    let to = Destination::of(args, &sid)?;
    let build = {
        let journal = Journal::read(&folder.journal).map_err(|error| UserError::of(&error))?;
        match args.format {
            ExportFormat::Recording => Build::fold(journal.events().iter().map(|event| &**event)),
            format => return to.write(|out| write_text(format, &journal, out)),
        }
    };
    recording(home, args, &folder, &build, to).await
}

fn write_text(format: ExportFormat, journal: &Journal, mut out: &mut dyn Write) -> io::Result<()> {
    let events = journal.events();
    let build = || Build::fold(events.iter().map(|event| &**event));
    match format {
        ExportFormat::Junit => write_junit(&build(), &mut out),
        ExportFormat::Json => writeln!(out, "{:#}", document(&build())),
        ExportFormat::Journal | ExportFormat::Recording => events
            .iter()
            .try_for_each(|event| writeln!(out, "{}", wire::json_event(event))),
    }
}

/// Where an export goes.
enum Destination {
    Stdout,
    File { path: PathBuf, over: bool },
}

impl Destination {
    fn of(args: &ExportArgs, sid: &Sid) -> Result<Self, UserError> {
        let is_recording = args.format == ExportFormat::Recording;
        let over = args.force;
        match &args.file {
            Some(file) if file != Path::new("-") => Ok(Self::File {
                path: file.clone(),
                over,
            }),
            None if is_recording => Ok(Self::File {
                path: format!("{}{ENDING}", file_name(&sid.build)).into(),
                over,
            }),
            Some(_) if is_recording && io::stdout().is_terminal() => {
                Err(UserError::new("a recording is nothing for a terminal")
                    .hint("name a file, or send it to another program"))
            }
            _ => Ok(Self::Stdout),
        }
    }

    fn write(
        self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Exit, UserError> {
        match self {
            Self::Stdout => {
                let mut out = BufWriter::new(io::stdout());
                quiet(write(&mut out).and_then(|()| out.flush()))?;
            }
            Self::File { path, over } => {
                let (beside, file) = Beside::create(&path, over)?;
                let mut out = BufWriter::new(file);
                write(&mut out)
                    .and_then(|()| out.flush())
                    .map_err(|error| {
                        UserError::new(format!("cannot write {}: {error}", path.display()))
                    })?;
                beside.finish()?;
            }
        }
        Ok(Exit::Success)
    }
}

async fn recording(
    home: &Home,
    args: &ExportArgs,
    folder: &BuildFolder,
    build: &Build,
    to: Destination,
) -> Result<Exit, UserError> {
    let of = |error: PortableError| UserError::of(&error);
    let mut packing = Packing::of(folder).map_err(of)?;
    // It goes with this function, also where that is given up.
    let spool = spool_folder(home).map_err(of)?;
    let blobs = storage::of_build(home, folder)?;
    let mut chosen = Chosen {
        packing: &mut packing,
        spool: spool.path(),
        blobs,
        spooled: 0,
        left_out: Vec::new(),
    };
    chosen.artifacts(build, &args.artifacts).await?;
    chosen.results(build, &args.results).await?;
    let left_out = chosen.left_out;
    let findings = {
        let (folder, build) = (folder.clone(), build.clone());
        blocking(move || suspects::look_for(&folder, &build)).await??
    };
    for path in &packing.passed_over {
        complain!("monkeyci-tui: left out {}", clean(path));
    }
    if packing.running {
        complain!("monkeyci-tui: it still runs: it is exported as far as it has come");
    }
    let saved = match to {
        Destination::Stdout => {
            let written = blocking(move || packing.write(BufWriter::new(io::stdout()))).await?;
            match written {
                Err(PortableError::Out(error)) => quiet(Err(error))?,
                written => Some(written.map_err(of)?),
            };
            None
        }
        Destination::File { path, over } => {
            let (beside, file) = Beside::create(&path, over)?;
            let size = file.try_clone();
            let manifest = blocking(move || packing.write(BufWriter::new(file)))
                .await?
                .map_err(of)?;
            let size = size.and_then(|file| file.metadata()).map(|file| file.len());
            beside.finish()?;
            Some((path, manifest, size.unwrap_or_default()))
        }
    };
    if let Some((path, manifest, size)) = saved {
        let (path, size) = (clean(&path.display().to_string()), spell_size(size));
        let line = format!("saved {path} ({size}): {}", contents(&manifest));
        quiet(writeln!(io::stdout(), "{line}"))?;
    }
    for sentence in left_out.iter().chain(&findings.sentences()) {
        complain!("{}", clean(sentence));
    }
    Ok(Exit::Success)
}

/// What is in it, in words.
fn contents(manifest: &Manifest) -> String {
    let count = |start: &str, end: &str| {
        let is_one = |name: &str| name.starts_with(start) && name.ends_with(end);
        manifest
            .files
            .iter()
            .filter(|file| is_one(&file.name))
            .count()
    };
    let kinds = [
        ("log", count("logs/", ".log")),
        ("artifact", count("artifacts/", "")),
        ("result", count("results/", "")),
    ];
    let mut parts = vec!["the journal".to_owned()];
    parts.extend(kinds.iter().filter_map(|(kind, count)| match count {
        0 => None,
        1 => Some(format!("1 {kind}")),
        _ => Some(format!("{count} {kind}s")),
    }));
    parts.join(", ")
}

/// What of a build's artifacts and results goes along.
struct Chosen<'a> {
    packing: &'a mut Packing,
    spool: &'a Path,
    blobs: Arc<dyn BlobStore>,
    /// How many have been spooled: each is a file of its own.
    spooled: usize,
    /// Sentences.
    left_out: Vec<String>,
}

/// What was asked for of a kind.
enum Wanted<'a> {
    None,
    All,
    Named(Vec<&'a str>),
    /// Nothing was said.
    Default,
}

impl<'a> Wanted<'a> {
    fn of(typed: &'a [String], known: &[&str], kind: &str) -> Result<Self, UserError> {
        let words: Vec<&str> = typed.iter().map(String::as_str).collect();
        match words[..] {
            [] => return Ok(Self::Default),
            ["none"] => return Ok(Self::None),
            ["all"] => return Ok(Self::All),
            _ => {}
        }
        if let Some(unknown) = words.iter().find(|word| !known.contains(word)) {
            let error = UserError::new(format!("this build has no {kind} \"{unknown}\""));
            return Err(match known {
                [] => error,
                _ => error.hint(format!("its {kind}s: {}", known.join(", "))),
            });
        }
        Ok(Self::Named(words))
    }

    fn is_named(&self, id: &str) -> bool {
        matches!(self, Self::Named(names) if names.contains(&id))
    }
}

impl Chosen<'_> {
    fn next_file(&mut self) -> PathBuf {
        self.spooled += 1;
        self.spool.join(self.spooled.to_string())
    }

    async fn artifacts(&mut self, build: &Build, typed: &[String]) -> Result<(), UserError> {
        let sid = self.packing.sid().clone();
        let saved = artifacts::of_build(build);
        let ids: Vec<&str> = saved.iter().map(|blob| blob.id.as_str()).collect();
        let wanted = Wanted::of(typed, &ids, "artifact")?;
        let mut not_asked_for = Vec::new();
        for blob in saved {
            let id = blob.id.as_str();
            if !matches!(wanted, Wanted::All) && !wanted.is_named(id) {
                not_asked_for.push(match blob.size {
                    0 => id.to_owned(),
                    size => format!("{id} ({})", spell_size(size)),
                });
                continue;
            }
            let key = BlobKey::artifact(&sid, id);
            let found = self
                .blobs
                .get(&key)
                .await
                .map_err(|error| UserError::of(&error))?;
            let Some(mut reader) = found else {
                let sentence = format!("artifact {id} is not kept here any more");
                if wanted.is_named(id) {
                    return Err(UserError::new(sentence));
                }
                self.left_out.push(sentence);
                continue;
            };
            let file = self.next_file();
            let spooled = log_desk::save(&mut reader, &file).await;
            spooled.map_err(|why| UserError::new(format!("cannot read artifact {id}: {why}")))?;
            let added = self.packing.add_artifact(id, &file);
            added.map_err(|error| UserError::of(&error))?;
        }
        if !not_asked_for.is_empty() {
            let names = not_asked_for.join(", ");
            self.left_out.push(format!(
                "left out: artifacts {names}; --artifacts ID or --artifacts all takes them along, as the jobs \
                 have left them"
            ));
        }
        Ok(())
    }

    async fn results(&mut self, build: &Build, typed: &[String]) -> Result<(), UserError> {
        let sid = self.packing.sid().clone();
        let names: Vec<&str> = build.results.iter().map(|it| it.name.as_str()).collect();
        let wanted = Wanted::of(typed, &names, "result")?;
        for result in &build.results {
            let name = result.name.as_str();
            let is_small = result.size <= wire::SHOWN as u64;
            let is_wanted = match &wanted {
                Wanted::None => false,
                Wanted::All => true,
                Wanted::Default => is_small,
                Wanted::Named(_) => wanted.is_named(name),
            };
            if !is_wanted {
                let size = spell_size(result.size);
                self.left_out
                    .push(format!("left out: result {name} ({size})"));
                continue;
            }
            let file = self.next_file();
            let key = BlobKey::result(&sid, name);
            let kept = results::save_masked(&*self.blobs, &key, &file).await;
            let is_kept =
                kept.map_err(|why| UserError::new(format!("cannot read result {name}: {why}")))?;
            if !is_kept {
                self.left_out
                    .push(format!("result {name} is not kept here any more"));
                continue;
            }
            let added = self.packing.add_result(name, &file);
            added.map_err(|error| UserError::of(&error))?;
            if !is_small {
                self.left_out.push(format!(
                    "result {name}: secrets were looked for in its first {} only",
                    spell_size(wire::SHOWN as u64)
                ));
            }
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, UserError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| UserError::new(format!("the export broke off: {error}")))
}
