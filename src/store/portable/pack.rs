//! Writing an exported recording.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use crate::archive::ZstdTar;
use crate::domain::{Sid, file_name};
use crate::journal;
use crate::store::{BuildFolder, Draft, Home};

use super::error::PortableError;
use super::hex;
use super::manifest::{self, FileEntry, Manifest, Part, may_be_exported, part_of};

/// How many bytes are read at once.
const STEP: usize = 256 * 1024;

/// A recording that is to be exported: as much of each file as there was when it was looked at, so that a build
/// that still runs can be exported as far as it has come.
#[derive(Debug)]
pub struct Packing {
    sid: Sid,
    files: Vec<Source>,
    /// Files in the folder that are none of a recording, with the reason.
    pub passed_over: Vec<String>,
    /// Some process still works on it.
    pub running: bool,
}

#[derive(Debug)]
struct Source {
    name: String,
    path: PathBuf,
    size: u64,
}

/// A private folder for what has to be known in full before it is exported. It goes when it is dropped.
pub fn spool_folder(home: &Home) -> Result<Draft, PortableError> {
    let cache = home.recordings();
    Draft::create(&cache).map_err(PortableError::io("make", &cache))
}

impl Packing {
    /// Looks at a recording: its journal and its logs.
    pub fn of(folder: &BuildFolder) -> Result<Self, PortableError> {
        // Asked first: what ends in between is then taken for one that runs, which loses nothing.
        let running = journal::is_in_use(&folder.journal);
        let (sid, _) = journal::peek(&folder.journal)?;
        let mut packing = Self {
            sid,
            files: Vec::new(),
            passed_over: Vec::new(),
            running,
        };
        let mut journal = Source::of(manifest::JOURNAL, &folder.journal)?;
        if running {
            journal.size =
                whole_lines(&journal).map_err(PortableError::io("read", &folder.journal))?;
        }
        packing.files.push(journal);
        packing.add_logs(&folder.logs)?;
        Ok(packing)
    }

    /// The build.
    pub fn sid(&self) -> &Sid {
        &self.sid
    }

    fn add_logs(&mut self, logs: &Path) -> Result<(), PortableError> {
        let read = PortableError::io;
        let entries = match std::fs::read_dir(logs) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(read("read", logs))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(read("read", logs))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| is_of_log(name)) else {
                continue;
            };
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            let inside = format!("logs/{name}");
            if is_file && may_be_exported(&inside) {
                names.push(inside);
            } else {
                let why = if is_file {
                    "no log has such a name"
                } else {
                    "it is no file"
                };
                self.passed_over
                    .push(format!("{}: {why}", logs.join(name).display()));
            }
        }
        // The bytes are measured before what describes them, as a reader of a log does it.
        names.sort_by_key(|name| matches!(part_of(name), Part::Meta(_)));
        for name in names {
            let path = logs.join(&name["logs/".len()..]);
            self.files.push(Source::of(&name, &path)?);
        }
        self.files[1..].sort_by(|one, other| one.name.cmp(&other.name));
        Ok(())
    }

    /// Adds an artifact, of which `file` is the archive.
    pub fn add_artifact(&mut self, id: &str, file: &Path) -> Result<(), PortableError> {
        self.add(&format!("artifacts/{}.tgz", file_name(id)), file)
    }

    /// Adds a named result, as it is kept.
    pub fn add_result(&mut self, name: &str, file: &Path) -> Result<(), PortableError> {
        self.add(&format!("results/{}.result", file_name(name)), file)
    }

    fn add(&mut self, name: &str, file: &Path) -> Result<(), PortableError> {
        let source = Source::of(name, file)?;
        let place = self.files[1..]
            .binary_search_by(|known| order(&known.name).cmp(&order(name)))
            .unwrap_or_else(|place| place);
        self.files.insert(1 + place, source);
        Ok(())
    }

    /// Writes it, and returns what was written. Reads everything twice.
    pub fn write(&self, out: impl Write) -> Result<Manifest, PortableError> {
        let mut files = Vec::with_capacity(self.files.len());
        for source in &self.files {
            files.push(FileEntry {
                name: source.name.clone(),
                size: source.size,
                sha256: source.sum()?,
            });
        }
        let manifest = Manifest::new(&self.sid, files);
        let bytes = manifest.to_bytes();
        let mut tar = ZstdTar::new(out).map_err(PortableError::Out)?;
        tar.add(manifest::NAME, bytes.len() as u64, &*bytes)
            .map_err(PortableError::Out)?;
        for (source, entry) in self.files.iter().zip(&manifest.files) {
            let mut content = Summed::new(source.open()?);
            tar.add(&source.name, source.size, &mut content)
                .map_err(|error| match content.failed.take() {
                    Some(error) => PortableError::io("read", &source.path)(error),
                    None if error.kind() == io::ErrorKind::UnexpectedEof => {
                        PortableError::Changed(source.path.clone())
                    }
                    None => PortableError::Out(error),
                })?;
            if hex(&content.sum.finish()) != entry.sha256 {
                return Err(PortableError::Changed(source.path.clone()));
            }
        }
        let mut out = tar.finish().map_err(PortableError::Out)?;
        out.flush().map_err(PortableError::Out)?;
        Ok(manifest)
    }
}

/// Where a file stands: logs, then artifacts, then results, each by name.
fn order(name: &str) -> (usize, &str) {
    let kinds = ["logs/", "artifacts/", "results/"];
    let kind = kinds.iter().position(|kind| name.starts_with(kind));
    (kind.unwrap_or(kinds.len()), name)
}

/// Leaves out the line index and what is just being written.
fn is_of_log(name: &str) -> bool {
    [".log", ".meta"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

impl Source {
    fn of(name: &str, path: &Path) -> Result<Self, PortableError> {
        let size = std::fs::metadata(path)
            .map_err(PortableError::io("read", path))?
            .len();
        Ok(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            size,
        })
    }

    fn open(&self) -> Result<File, PortableError> {
        File::open(&self.path).map_err(PortableError::io("read", &self.path))
    }

    /// The SHA-256 of the bytes that count.
    fn sum(&self) -> Result<String, PortableError> {
        let mut content = Summed::new(self.open()?.take(self.size));
        let copied = io::copy(&mut content, &mut io::sink())
            .map_err(PortableError::io("read", &self.path))?;
        if copied < self.size {
            return Err(PortableError::Changed(self.path.clone()));
        }
        Ok(hex(&content.sum.finish()))
    }
}

/// How much of a journal are whole lines.
fn whole_lines(journal: &Source) -> io::Result<u64> {
    let file = File::open(&journal.path)?;
    let mut end = journal.size;
    let mut buffer = vec![0; STEP];
    while end > 0 {
        let from = end.saturating_sub(STEP as u64);
        let part = &mut buffer[..(end - from) as usize];
        file.read_exact_at(part, from)?;
        if let Some(newline) = memchr::memrchr(b'\n', part) {
            return Ok(from + newline as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

/// Sums up what is read through it, and remembers an error of reading.
struct Summed<R> {
    inner: R,
    sum: Context,
    failed: Option<io::Error>,
}

impl<R> Summed<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            sum: Context::new(&SHA256),
            failed: None,
        }
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buf) {
            Ok(read) => {
                self.sum.update(&buf[..read]);
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let again = io::Error::from(error.kind());
                self.failed = Some(error);
                Err(again)
            }
        }
    }
}
