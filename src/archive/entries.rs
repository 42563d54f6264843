//! Reading archives entry by entry, within limits.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

/// The most that may lie between the contents of two entries: long names, extended headers, padding.
const HEADER_BYTES: u64 = 1 << 20;

/// The ratio is not looked at before this much has been unpacked: little things may be very regular.
const RATIO_FLOOR: u64 = 64 << 20;

/// How much an archive may hold, and which links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of all files together.
    pub bytes: u64,
    /// The number of entries.
    pub entries: u64,
    /// How many times its own size an archive may unpack to, looked at beyond 64 MiB.
    pub ratio: u64,
    /// Which symbolic links are unpacked.
    pub links: Links,
}

/// Which symbolic links are unpacked. Nothing is ever written through a link, with either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Those that stay in the target: relative, with `..` in front only.
    Inside,
    /// All. For our own copies of a workspace, whose repository may hold links to anywhere.
    Any,
}

impl Default for Limits {
    /// 32 GiB, two million entries, three hundred times the size, links inside only.
    fn default() -> Self {
        Self {
            bytes: 32 << 30,
            entries: 2_000_000,
            ratio: 300,
            links: Links::Inside,
        }
    }
}

impl Limits {
    /// No limits and all links: for archives that we have made ourselves of a user's own files.
    pub fn trusted() -> Self {
        Self {
            bytes: u64::MAX,
            entries: u64::MAX,
            ratio: u64::MAX,
            links: Links::Any,
        }
    }
}

/// Why an archive was not unpacked, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive is hostile, or too large.
    #[error("refused the archive's entry `{entry}`: {reason}")]
    Refused {
        /// The entry's name, with control characters escaped.
        entry: String,
        reason: Refusal,
    },
    /// The archive is not a gzip tar, or is cut off, or could not be read.
    #[error("the archive is damaged or cut off")]
    Damaged(#[source] io::Error),
    /// The target refused something.
    #[error("cannot write `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it has no usable name")]
    Nameless,
    #[error("its name is absolute")]
    Absolute,
    #[error("its name has a `..` in it")]
    ParentFolder,
    #[error("it is a link that leaves the target")]
    OutwardLink,
    #[error("it is a hard link to something that is not a file of the archive")]
    HardLinkToNothing,
    #[error("it would be written through a symbolic link")]
    ThroughLink,
    #[error("a folder that is not empty is in its place")]
    FolderInPlace,
    #[error("a file is where its folder should be")]
    FileInPlace,
    #[error("it is a device, a pipe or something unknown")]
    Special,
    #[error("the archive has too many entries")]
    TooMany,
    #[error("the archive unpacks to too many bytes")]
    TooLarge,
    #[error("the archive unpacks to too many times its size")]
    TooDense,
    #[error("its header is too large")]
    HeaderTooLarge,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// Another name of an earlier file.
    HardLink,
    /// A device, a pipe or something unknown; never unpacked.
    Special,
}

/// An entry as the archive describes it: nothing in here has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryInfo {
    /// The name; `.` for the folder that was packed.
    pub path: PathBuf,
    /// The size of the content in bytes.
    pub size: u64,
    /// The permission bits.
    pub mode: u32,
    /// The time of the last change, in seconds since 1970.
    pub mtime: u64,
    /// What it is.
    pub kind: Kind,
    /// Where a link points to.
    pub target: Option<PathBuf>,
}

/// Lists the entries of an archive without unpacking it, hostile ones too.
pub fn list(reader: impl Read) -> Result<Vec<EntryInfo>, UnpackError> {
    let mut entries = Vec::new();
    for_each(reader, &Limits::default(), &mut |info, _| {
        entries.push(info.clone());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(entries)
}

/// Returns the first `most` bytes of one file in an archive, or nothing if it has no such file.
pub fn read_file(
    reader: impl Read,
    path: &Path,
    most: u64,
) -> Result<Option<Vec<u8>>, UnpackError> {
    let normal = |path: &Path| -> PathBuf {
        path.components()
            .filter(|component| *component != Component::CurDir)
            .collect()
    };
    let wanted = normal(path);
    let mut found = None;
    for_each(reader, &Limits::default(), &mut |info, content| {
        if info.kind != Kind::File || normal(&info.path) != wanted {
            return Ok(ControlFlow::Continue(()));
        }
        let mut bytes = Vec::new();
        content.copy(|chunk| {
            let room = usize::try_from(most - bytes.len() as u64).unwrap_or(usize::MAX);
            bytes.extend_from_slice(&chunk[..room.min(chunk.len())]);
            Ok(if bytes.len() as u64 == most {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        found = Some(bytes);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// What is called for every entry.
pub(super) type Visit<'a> =
    dyn FnMut(&EntryInfo, &mut Content<'_>) -> Result<ControlFlow<()>, UnpackError> + 'a;

/// Calls `visit` for every entry; whatever it leaves of an entry's content is read over.
pub(super) fn for_each(
    reader: impl Read,
    limits: &Limits,
    visit: &mut Visit<'_>,
) -> Result<(), UnpackError> {
    for_each_in(
        reader,
        |packed| Box::new(MultiGzDecoder::new(packed)),
        limits,
        visit,
    )
}

/// As [`for_each`], for a tar that is not packed with gzip.
pub(super) fn for_each_plain(
    reader: impl Read,
    limits: &Limits,
    visit: &mut Visit<'_>,
) -> Result<(), UnpackError> {
    for_each_in(reader, |packed| Box::new(packed), limits, visit)
}

pub(super) fn for_each_in<'r, R: Read + 'r>(
    reader: R,
    unpacked: impl FnOnce(BufReader<Packed<R>>) -> Box<dyn Read + 'r>,
    limits: &Limits,
    visit: &mut Visit<'_>,
) -> Result<(), UnpackError> {
    let gauge = Rc::new(Gauge::default());
    let packed = BufReader::with_capacity(
        64 * 1024,
        Packed {
            inner: reader,
            gauge: gauge.clone(),
        },
    );
    let mut archive = Archive::new(Unpacked {
        inner: unpacked(packed),
        gauge: gauge.clone(),
    });
    let mut buffer = vec![0; 64 * 1024];
    let mut contents = 0;
    let mut entries = archive.entries().map_err(UnpackError::Damaged)?;
    let mut number = 0_u64;
    loop {
        gauge.allow(HEADER_BYTES);
        let Some(next) = entries.next() else {
            break;
        };
        number += 1;
        let refused = |reason| UnpackError::Refused {
            entry: format!("number {number}"),
            reason,
        };
        let entry = next.map_err(|error| {
            if gauge.tripped.get() {
                refused(Refusal::HeaderTooLarge)
            } else {
                UnpackError::Damaged(error)
            }
        })?;
        if number > limits.entries {
            return Err(refused(Refusal::TooMany));
        }
        // Facts about the whole archive, of no use here.
        let is_global = entry.header().entry_type() == EntryType::XGlobalHeader;
        let info = info_of(&entry);
        let mut content = Content {
            gauge: &gauge,
            limits,
            name: &info.path,
            buffer: &mut buffer,
            contents: &mut contents,
            read: Box::new(entry),
        };
        gauge.allow(info.size.saturating_add(HEADER_BYTES));
        if !is_global && visit(&info, &mut content)?.is_break() {
            return Ok(());
        }
        content.copy(|_| Ok(ControlFlow::Continue(())))?;
    }
    // What follows the end is only padding, but reading it checks the checksum.
    gauge.allow(HEADER_BYTES);
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(UnpackError::Damaged)?;
    Ok(())
}

/// The content of the entry being visited.
pub struct Content<'a> {
    read: Box<dyn Read + 'a>,
    name: &'a Path,
    gauge: &'a Gauge,
    limits: &'a Limits,
    buffer: &'a mut [u8],
    /// The bytes of all entries so far.
    contents: &'a mut u64,
}

impl std::fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({})", self.name.display())
    }
}

impl Content<'_> {
    /// Hands over the content in chunks, as long as it stays within the limits.
    pub fn copy(
        &mut self,
        mut sink: impl FnMut(&[u8]) -> Result<ControlFlow<()>, UnpackError>,
    ) -> Result<(), UnpackError> {
        loop {
            let read = match self.read.read(self.buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(UnpackError::Damaged(error)),
            };
            *self.contents += read as u64;
            // A sparse file gives more than was read for it.
            let unpacked = self.gauge.unpacked.get().max(*self.contents);
            let packed = self.gauge.packed.get().max(1);
            let reason = if *self.contents > self.limits.bytes {
                Refusal::TooLarge
            } else if unpacked > RATIO_FLOOR && unpacked / packed > self.limits.ratio {
                Refusal::TooDense
            } else if sink(&self.buffer[..read])?.is_break() {
                return Ok(());
            } else {
                continue;
            };
            return Err(refused(self.name, reason));
        }
    }
}

/// Makes the error for an entry, with a name that does no harm on a terminal.
pub(super) fn refused(name: &Path, reason: Refusal) -> UnpackError {
    let name = String::from_utf8_lossy(name.as_os_str().as_bytes());
    UnpackError::Refused {
        entry: name.escape_debug().to_string(),
        reason,
    }
}

fn info_of<R: Read>(entry: &Entry<'_, R>) -> EntryInfo {
    let header = entry.header();
    let path = path_from(&entry.path_bytes());
    let kind = match header.entry_type() {
        // Before there was a type for folders they were told by the slash.
        EntryType::Regular if path.as_os_str().as_bytes().ends_with(b"/") => Kind::Folder,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Link => Kind::HardLink,
        _ => Kind::Special,
    };
    EntryInfo {
        path,
        size: entry.size(),
        mode: header.mode().unwrap_or(0o644) & 0o7777,
        mtime: header.mtime().unwrap_or(0),
        kind,
        target: entry.link_name_bytes().map(|target| path_from(&target)),
    }
}

fn path_from(bytes: &[u8]) -> PathBuf {
    std::ffi::OsStr::from_bytes(bytes).into()
}

/// What has been read so far, and may be before the next entry.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    packed: Cell<u64>,
    unpacked: Cell<u64>,
    allowance: Cell<u64>,
    tripped: Cell<bool>,
}

impl Gauge {
    fn allow(&self, bytes: u64) {
        self.allowance.set(bytes);
    }
}

/// Counts what comes in.
pub(super) struct Packed<R> {
    inner: R,
    gauge: Rc<Gauge>,
}

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.gauge.packed.set(self.gauge.packed.get() + read as u64);
        Ok(read)
    }
}

/// Counts what comes out, and stops at the allowance: the tar reader keeps long names and extended headers in memory.
struct Unpacked<R> {
    inner: R,
    gauge: Rc<Gauge>,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let allowance = self.gauge.allowance.get();
        if allowance == 0 {
            self.gauge.tripped.set(true);
            return Err(io::Error::other("more than an archive's header may hold"));
        }
        let most = usize::try_from(allowance)
            .unwrap_or(usize::MAX)
            .min(buf.len());
        let read = self.inner.read(&mut buf[..most])?;
        self.gauge.allow(allowance - read as u64);
        let unpacked = &self.gauge.unpacked;
        unpacked.set(unpacked.get() + read as u64);
        Ok(read)
    }
}
