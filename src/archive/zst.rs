//! Tars packed with zstd, of plain files in a known order: the same files always give the same bytes.
//!
//! Nothing of where the files come from gets in, neither times nor owners nor permissions. Whoever reads one
//! gets every entry as it stands and has to check it ([`for_each_zstd`]); there may be nothing behind it.

use std::io::{self, BufRead, Read, Write};
use std::ops::ControlFlow;

use tar::{Builder, EntryType, Header};
use zstd::stream::{read::Decoder, write::Encoder};

use super::entries::{Content, EntryInfo, Limits, UnpackError, for_each_in};

/// How hard zstd tries: as hard as it does by itself. What it saves beyond that costs much more time.
const LEVEL: i32 = 3;

/// Writes a tar packed with zstd.
pub struct ZstdTar<W: Write> {
    tar: Builder<Encoder<'static, W>>,
}

impl<W: Write> std::fmt::Debug for ZstdTar<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ZstdTar")
    }
}

impl<W: Write> ZstdTar<W> {
    /// Begins one.
    pub fn new(out: W) -> io::Result<Self> {
        let mut encoder = Encoder::new(out, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self {
            tar: Builder::new(encoder),
        })
    }

    /// Adds a file of exactly `size` bytes; one that turns out to have fewer is an error, of more the rest is
    /// left alone.
    pub fn add(&mut self, name: &str, size: u64, content: impl Read) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size);
        let mut content = content.take(size);
        self.tar.append_data(&mut header, name, &mut content)?;
        match content.limit() {
            0 => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Ends it.
    pub fn finish(self) -> io::Result<W> {
        self.tar.into_inner()?.finish()
    }
}

/// Calls `visit` for every entry of a tar that is packed with zstd; whatever it leaves of an entry's content is
/// read over. Unless `visit` breaks off, all of it has been read and its checksum is right.
pub fn for_each_zstd(
    reader: impl Read,
    limits: &Limits,
    mut visit: impl FnMut(&EntryInfo, &mut Content<'_>) -> Result<ControlFlow<()>, UnpackError>,
) -> Result<(), UnpackError> {
    for_each_in(
        reader,
        |packed| match Decoder::with_buffer(packed) {
            Ok(decoder) => Box::new(OneFrame(decoder.single_frame())) as Box<dyn Read>,
            Err(error) => Box::new(Failed(Some(error))),
        },
        limits,
        &mut visit,
    )
}

/// What is packed in a frame; an error, if something follows it.
struct OneFrame<'a, R: BufRead>(Decoder<'a, R>);

impl<R: BufRead> Read for OneFrame<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buf)?;
        if read == 0 && !buf.is_empty() && !self.0.get_mut().fill_buf()?.is_empty() {
            return Err(io::Error::other("something follows its end"));
        }
        Ok(read)
    }
}

/// A decoder that could not be made.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.take().unwrap_or_else(|| io::ErrorKind::Other.into()))
    }
}
