//! Writing archives.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

/// What a tar header has room for; longer link targets take an extra entry.
const SHORT_LINK: usize = 100;

/// Why an archive could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// What should be packed is not there.
    #[error("there is no `{}`", path.display())]
    Missing { path: PathBuf },
    /// Something that should be packed cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The archive's destination refused it.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
}

/// What an archive holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackSummary {
    /// The number of entries.
    pub entries: u64,
    /// The bytes of all files, before compression.
    pub bytes: u64,
    /// What was left out or cut.
    pub skipped: Vec<Skipped>,
    /// SHA-256, in hex, of the names, modes and contents that count for [`pack_digested`].
    pub digest: String,
}

/// Something that is not, or not as it was, in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is.
    pub path: PathBuf,
    /// Why, as a fragment of a sentence.
    pub reason: String,
}

/// What to do with files and folders that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Fail, naming the first one.
    Refuse,
    /// Leave them out and say so in the summary.
    Skip,
}

/// One entry to be: its name in the archive and where its content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The name in the archive, relative.
    pub name: PathBuf,
    /// Where the content comes from.
    pub source: Source,
}

/// Where the content of an [`Item`] comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, a folder (without its contents) or a symbolic link (as a link).
    Path(PathBuf),
    /// A regular file with this content, mode 0644.
    Bytes(Vec<u8>),
}

/// Packs `dir/path` as a gzip tar: of a folder its contents, a file as one entry with its bare name.
///
/// Modes, modification times (in seconds) and symbolic links are kept, owners are not. The order is that of the names,
/// so the same tree gives the same bytes. Sockets, pipes and devices are left out. If `path` itself is a link, what it
/// points to is packed.
pub fn pack(dir: &Path, path: &Path, dest: impl Write) -> Result<PackSummary, PackError> {
    let full = dir.join(path);
    let meta = fs::metadata(&full).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => PackError::Missing {
            path: path.to_owned(),
        },
        _ => PackError::Read {
            path: full.clone(),
            source,
        },
    })?;
    let mut packer = Packer::new(dest, Unreadable::Refuse);
    if meta.is_dir() {
        packer.add_existing(Path::new("."), &full, &meta)?;
        packer.add_contents(Path::new(""), &full)?;
    } else {
        let bare = path.file_name().or_else(|| full.file_name());
        let bare = bare.map_or_else(|| PathBuf::from("file"), PathBuf::from);
        packer.add_existing(&bare, &full, &meta)?;
    }
    packer.finish()
}

/// Packs exactly the given items, in the given order.
pub fn pack_items(
    items: impl IntoIterator<Item = Item>,
    unreadable: Unreadable,
    dest: impl Write,
) -> Result<PackSummary, PackError> {
    pack_digested(items, unreadable, |_| true, dest)
}

/// As [`pack_items`]; `counts` says which names the digest is about.
pub fn pack_digested(
    items: impl IntoIterator<Item = Item>,
    unreadable: Unreadable,
    counts: impl Fn(&Path) -> bool,
    dest: impl Write,
) -> Result<PackSummary, PackError> {
    let mut packer = Packer::new(dest, unreadable);
    for item in items {
        packer.counts = counts(&item.name);
        match &item.source {
            Source::Bytes(bytes) => packer.add_bytes(&item.name, bytes)?,
            Source::Path(path) => match fs::symlink_metadata(path) {
                Ok(meta) => packer.add_existing(&item.name, path, &meta)?,
                Err(source) => packer.unreadable(path, source)?,
            },
        }
    }
    packer.finish()
}

/// Lists a folder in the order of the names.
pub(super) fn sorted_entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

struct Packer<W: Write> {
    builder: Builder<GzEncoder<W>>,
    unreadable: Unreadable,
    summary: PackSummary,
    digest: Context,
    /// The digest is about what is added now.
    counts: bool,
}

impl<W: Write> Packer<W> {
    fn new(dest: W, unreadable: Unreadable) -> Self {
        Self {
            builder: Builder::new(GzEncoder::new(dest, Compression::fast())),
            unreadable,
            summary: PackSummary::default(),
            digest: Context::new(&SHA256),
            counts: true,
        }
    }

    fn add_contents(&mut self, name: &Path, folder: &Path) -> Result<(), PackError> {
        let entries = match sorted_entries(folder) {
            Ok(entries) => entries,
            Err(source) => return self.unreadable(folder, source),
        };
        for entry in entries {
            let (name, path) = (name.join(entry.file_name()), entry.path());
            match entry.metadata() {
                Ok(meta) => {
                    self.add_existing(&name, &path, &meta)?;
                    if meta.is_dir() {
                        self.add_contents(&name, &path)?;
                    }
                }
                Err(source) => self.unreadable(&path, source)?,
            }
        }
        Ok(())
    }

    /// Adds one entry, of a folder without its contents.
    fn add_existing(&mut self, name: &Path, path: &Path, meta: &Metadata) -> Result<(), PackError> {
        let mut header = Header::new_gnu();
        header.set_mode(meta.permissions().mode() & 0o7777);
        header.set_mtime(u64::try_from(meta.mtime()).unwrap_or(0));
        header.set_size(0);
        let kind = meta.file_type();
        if kind.is_symlink() {
            match fs::read_link(path) {
                Ok(target) => self.add_link(header, name, &target),
                Err(source) => self.unreadable(path, source),
            }
        } else if kind.is_dir() {
            header.set_entry_type(EntryType::Directory);
            self.add(&mut header, name, io::empty())
        } else if kind.is_file() {
            match File::open(path) {
                Ok(file) => self.add_file(header, name, path, file),
                Err(source) => self.unreadable(path, source),
            }
        } else {
            self.skip(path, "is not a file, folder or link");
            Ok(())
        }
    }

    fn add_file(
        &mut self,
        mut header: Header,
        name: &Path,
        path: &Path,
        file: File,
    ) -> Result<(), PackError> {
        // The size now, of the open file: it may be written to meanwhile, and the header goes first.
        let size = match file.metadata() {
            Ok(meta) => meta.len(),
            Err(source) => return self.unreadable(path, source),
        };
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        let mut content = ExactContent::new(file, size);
        self.add(&mut header, name, &mut content)?;
        self.summary.bytes += size;
        match content.failure {
            Some(source) if self.unreadable == Unreadable::Refuse => Err(PackError::Read {
                path: path.to_owned(),
                source,
            }),
            Some(source) => {
                self.skip(path, &format!("is cut: {source}"));
                Ok(())
            }
            None if content.padded => {
                self.skip(path, "became shorter while it was read");
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn add_bytes(&mut self, name: &Path, bytes: &[u8]) -> Result<(), PackError> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        self.add(&mut header, name, bytes)?;
        self.summary.bytes += bytes.len() as u64;
        Ok(())
    }

    fn add_link(
        &mut self,
        mut header: Header,
        name: &Path,
        target: &Path,
    ) -> Result<(), PackError> {
        header.set_entry_type(EntryType::Symlink);
        let bytes = target.as_os_str().as_bytes();
        if self.counts {
            self.digest.update(bytes);
        }
        if bytes.len() < SHORT_LINK {
            // As it is; the other way would tidy it up.
            header
                .set_link_name_literal(bytes)
                .map_err(PackError::Write)?;
            return self.add(&mut header, name, io::empty());
        }
        self.summary.entries += 1;
        self.digest_header(&header, name);
        self.builder
            .append_link(&mut header, name, target)
            .map_err(PackError::Write)
    }

    fn add(
        &mut self,
        header: &mut Header,
        name: &Path,
        content: impl Read,
    ) -> Result<(), PackError> {
        self.summary.entries += 1;
        self.digest_header(header, name);
        let content = Digested {
            content,
            digest: self.counts.then_some(&mut self.digest),
        };
        self.builder
            .append_data(header, name, content)
            .map_err(PackError::Write)
    }

    /// What an entry is, in the digest: never the time, which is not what a file is.
    fn digest_header(&mut self, header: &Header, name: &Path) {
        if self.counts {
            let name = name.as_os_str().as_bytes();
            self.digest.update(&(name.len() as u64).to_le_bytes());
            self.digest.update(name);
            self.digest.update(&[header.entry_type().as_byte()]);
            let mode = header.mode().unwrap_or_default();
            self.digest.update(&mode.to_le_bytes());
            let size = header.size().unwrap_or_default();
            self.digest.update(&size.to_le_bytes());
        }
    }

    fn unreadable(&mut self, path: &Path, source: io::Error) -> Result<(), PackError> {
        match self.unreadable {
            Unreadable::Refuse => Err(PackError::Read {
                path: path.to_owned(),
                source,
            }),
            Unreadable::Skip => {
                self.skip(path, &source.to_string());
                Ok(())
            }
        }
    }

    fn skip(&mut self, path: &Path, reason: &str) {
        self.summary.skipped.push(Skipped {
            path: path.to_owned(),
            reason: reason.to_owned(),
        });
    }

    fn finish(mut self) -> Result<PackSummary, PackError> {
        let digest = self.digest.finish();
        let hex = |byte: &u8| format!("{byte:02x}");
        self.summary.digest = digest.as_ref().iter().map(hex).collect();
        let mut dest = self
            .builder
            .into_inner()
            .and_then(GzEncoder::finish)
            .map_err(PackError::Write)?;
        dest.flush().map_err(PackError::Write)?;
        Ok(self.summary)
    }
}

/// Content that goes into the digest on its way.
struct Digested<'a, R> {
    content: R,
    digest: Option<&'a mut Context>,
}

impl<R: Read> Read for Digested<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buf)?;
        if let Some(digest) = &mut self.digest {
            digest.update(&buf[..read]);
        }
        Ok(read)
    }
}

/// Gives exactly as many bytes as the header promised, zeros if need be, so that one bad file spoils no archive.
struct ExactContent {
    file: File,
    left: u64,
    padded: bool,
    failure: Option<io::Error>,
}

impl ExactContent {
    fn new(file: File, size: u64) -> Self {
        Self {
            file,
            left: size,
            padded: false,
            failure: None,
        }
    }
}

impl Read for ExactContent {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buf.len());
        let buf = &mut buf[..most];
        let mut read = 0;
        if !self.padded && !buf.is_empty() {
            match self.file.read(buf) {
                Ok(0) => self.padded = true,
                Ok(some) => read = some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) => {
                    self.padded = true;
                    self.failure = Some(error);
                }
            }
        }
        if self.padded {
            buf.fill(0);
            read = buf.len();
        }
        self.left -= read as u64;
        Ok(read)
    }
}
