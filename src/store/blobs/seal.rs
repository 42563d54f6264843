//! The seal around a blob: its SHA-256 travels in the very bytes that are replaced as a whole, so
//! that content and checksum are both old or both new.
//!
//! ```text
//! head   an empty gzip member whose extra field says that a seal follows     27 bytes
//! …      what was put, unchanged
//! tail   an empty gzip member with size (u64, little-endian) and SHA-256     67 bytes
//! ```
//!
//! Why not beside the blob: a second file or object could be of another version than the first;
//! attributes are not on every file system; and S3 takes metadata when an upload begins, which is
//! before the checksum of a stream is known. Why gzip members: they unpack to nothing, so `tar -xzf`
//! reads a sealed archive as it reads a bare one.
//!
//! Blobs of earlier versions have no seal and are read as they are. A blob that has only one half of
//! its seal is a damaged one, which is how a file that was cut off is found.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_lc_rs::digest;
use tokio::io::{AsyncRead, ReadBuf};

use crate::ports::{BlobError, BlobKey, BlobReader};

/// The version of this format.
const VERSION: u8 = 1;
/// The bytes of a gzip member before its extra field: deflate, with an extra field, no time.
const MEMBER: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff];
/// Our name in an extra field.
const NAME: [u8; 2] = *b"mk";
/// An empty deflate stream, its CRC and its length.
const NOTHING: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

const fn member_len(payload: usize) -> usize {
    MEMBER.len() + 2 + NAME.len() + 2 + payload + NOTHING.len()
}

/// Length of the head in bytes.
const HEAD: usize = member_len(1);
/// Length of the tail in bytes.
pub(super) const TAIL: usize = member_len(1 + 8 + 32);
/// Where the payload of a member begins.
const PAYLOAD: usize = MEMBER.len() + 2 + NAME.len() + 2;

/// How many bytes are read at once.
const STEP: usize = 256 * 1024;

fn member(payload: &[u8]) -> Vec<u8> {
    let field = payload.len() as u16;
    let mut bytes = Vec::with_capacity(member_len(payload.len()));
    bytes.extend(MEMBER);
    bytes.extend((field + 4).to_le_bytes());
    bytes.extend(NAME);
    bytes.extend(field.to_le_bytes());
    bytes.extend(payload);
    bytes.extend(NOTHING);
    bytes
}

/// Makes the seal of a blob that is being written.
pub(super) struct Sealer {
    sum: digest::Context,
    size: u64,
}

impl Sealer {
    pub(super) fn new() -> Self {
        Self {
            sum: digest::Context::new(&digest::SHA256),
            size: 0,
        }
    }

    /// What goes before the content.
    pub(super) fn head() -> Vec<u8> {
        member(&[VERSION])
    }

    /// Takes note of more content.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// Bytes of content so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// What goes after the content.
    pub(super) fn tail(self) -> Vec<u8> {
        let mut payload = vec![VERSION];
        payload.extend(self.size.to_le_bytes());
        payload.extend(self.sum.finish().as_ref());
        member(&payload)
    }
}

/// A sealed blob on its way into a file that is not there yet.
pub(in crate::store) struct SealedFile {
    file: std::fs::File,
    sealer: Sealer,
}

impl SealedFile {
    /// Begins one, for this user only.
    pub(in crate::store) fn create(path: &std::path::Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(&Sealer::head())?;
        let sealer = Sealer::new();
        Ok(Self { file, sealer })
    }

    /// Adds content.
    pub(in crate::store) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sealer.add(bytes);
        self.file.write_all(bytes)
    }

    /// Ends it, and hands over the file.
    pub(in crate::store) fn finish(mut self) -> io::Result<std::fs::File> {
        self.file.write_all(&self.sealer.tail())?;
        Ok(self.file)
    }
}

/// What a tail says.
#[derive(Debug, PartialEq, Eq)]
struct Tail<'a> {
    size: u64,
    sum: &'a [u8],
}

impl<'a> Tail<'a> {
    /// The tail in these bytes, if they are one.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let payload = bytes.get(PAYLOAD..TAIL - NOTHING.len())?;
        let [VERSION, rest @ ..] = payload else {
            return None;
        };
        let (size, sum) = rest.split_at_checked(8)?;
        (bytes == member(payload)).then_some(Self {
            size: u64::from_le_bytes(size.try_into().ok()?),
            sum,
        })
    }
}

/// The content of a stored blob. Reading it to the end checks it: what is damaged ends with an
/// error in place of the end.
pub(super) struct Unsealed {
    stored: BlobReader,
    key: BlobKey,
    /// What was read of the store and not handed on: `window[from..]`.
    window: Vec<u8>,
    from: usize,
    /// Whether there is a seal; `None` until the beginning is there.
    sealed: Option<bool>,
    check: Sealer,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Reading,
    /// The store has no more; the last bytes may have to be handed on.
    Ended,
    Damaged(String),
}

impl Unsealed {
    pub(super) fn new(key: BlobKey, stored: BlobReader) -> Self {
        Self {
            stored,
            key,
            window: Vec::new(),
            from: 0,
            sealed: None,
            check: Sealer::new(),
            state: State::Reading,
        }
    }

    /// How many bytes of the window are content for sure.
    fn ready(&self) -> usize {
        let held = match self.state {
            // The last bytes may turn out to be a tail.
            State::Reading => TAIL,
            State::Ended => 0,
            State::Damaged(_) => return 0,
        };
        if self.sealed.is_none() {
            return 0;
        }
        (self.window.len() - self.from).saturating_sub(held)
    }

    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.window.drain(..self.from);
        self.from = 0;
        let filled = self.window.len();
        self.window.resize(filled + STEP, 0);
        let mut buffer = ReadBuf::new(&mut self.window[filled..]);
        let polled = self.stored.as_mut().poll_read(context, &mut buffer);
        let read = buffer.filled().len();
        self.window.truncate(filled + read);
        ready!(polled)?;
        let ended = read == 0;
        if self.sealed.is_none() && (ended || self.window.len() >= HEAD) {
            let sealed = self.window.starts_with(&Sealer::head());
            self.sealed = Some(sealed);
            self.from = if sealed { HEAD } else { 0 };
        }
        if ended {
            self.end();
        }
        Poll::Ready(Ok(()))
    }

    /// The store has no more: looks at the seal.
    fn end(&mut self) {
        let rest = &self.window[self.from..];
        let tail = Tail::read(rest);
        let why = match (self.sealed == Some(true), tail) {
            (false, None) => {
                self.state = State::Ended;
                return;
            }
            (true, Some(tail)) => {
                let check = std::mem::replace(&mut self.check, Sealer::new());
                let size = check.size;
                let sum = check.sum.finish();
                if tail.size == size && tail.sum == sum.as_ref() {
                    self.from = self.window.len();
                    self.state = State::Ended;
                    return;
                }
                format!(
                    "{size} bytes with SHA-256 {}… came back, {} with {}… were stored",
                    short(sum.as_ref()),
                    tail.size,
                    short(tail.sum)
                )
            }
            (true, None) => "its end is missing".to_owned(),
            (false, Some(_)) => "its beginning is missing".to_owned(),
        };
        self.state = State::Damaged(why);
    }
}

/// The beginning of a checksum, for people.
fn short(sum: &[u8]) -> String {
    let mut text = String::new();
    for byte in sum.iter().take(6) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

impl AsyncRead for Unsealed {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let ready = this.ready().min(buffer.remaining());
            if ready > 0 {
                let bytes = &this.window[this.from..this.from + ready];
                buffer.put_slice(bytes);
                if this.sealed == Some(true) {
                    this.check.add(bytes);
                }
                this.from += ready;
                return Poll::Ready(Ok(()));
            }
            match &this.state {
                _ if buffer.remaining() == 0 => return Poll::Ready(Ok(())),
                State::Ended => return Poll::Ready(Ok(())),
                State::Damaged(why) => {
                    let error = BlobError::Damaged {
                        key: this.key.clone(),
                        why: why.clone(),
                    };
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
                State::Reading => ready!(this.poll_more(context))?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use futures_util::FutureExt;
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::domain::Sid;

    fn key() -> BlobKey {
        BlobKey::artifact(&Sid::new("local", "app", "b1"), "a")
    }

    fn sealed(content: &[u8]) -> Vec<u8> {
        let mut sealer = Sealer::new();
        sealer.add(content);
        let mut bytes = Sealer::head();
        bytes.extend(content);
        bytes.extend(sealer.tail());
        bytes
    }

    /// A reader that gives that many bytes at once.
    fn by(step: usize, bytes: &[u8]) -> BlobReader {
        let chunks: Vec<io::Result<bytes::Bytes>> = bytes
            .chunks(step)
            .map(|chunk| Ok(bytes::Bytes::copy_from_slice(chunk)))
            .collect();
        Box::pin(tokio_util::io::StreamReader::new(
            futures_util::stream::iter(chunks),
        ))
    }

    fn unsealed(step: usize, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut reader = Unsealed::new(key(), by(step, bytes));
        let read = reader.read_to_end(&mut content);
        let read = read.now_or_never().expect("nothing waits");
        read.map(|_| content)
    }

    #[test]
    fn the_members_have_the_lengths_that_are_reckoned_with() {
        assert_eq!(Sealer::head().len(), HEAD);
        assert_eq!(Sealer::new().tail().len(), TAIL);
    }

    #[test]
    fn gzip_finds_only_the_content_in_a_sealed_archive() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut packed, b"what is in it").unwrap();
        let bytes = sealed(&packed.finish().unwrap());
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "what is in it");
    }

    #[test]
    fn a_blob_without_a_seal_is_read_as_it_is() {
        for length in [0, 1, HEAD - 1, HEAD, TAIL - 1, TAIL, TAIL + 1, 70_000] {
            let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            assert_eq!(unsealed(4096, &bytes).unwrap(), bytes, "{length}");
        }
    }

    #[test]
    fn what_is_damaged_is_told_with_its_key_and_stays_so() {
        let mut bytes = sealed(b"some content");
        bytes[HEAD + 3] ^= 1;
        let mut reader = Unsealed::new(key(), by(9, &bytes));
        for _ in 0..2 {
            let mut content = Vec::new();
            let read = reader.read_to_end(&mut content).now_or_never().unwrap();
            let error = read.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            let said = error.to_string();
            assert!(
                said.starts_with("artifacts/local/app/b1/a.tgz is damaged: 12 bytes"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_blob_that_was_cut_off_is_damaged_wherever_the_cut_is() {
        let bytes = sealed(b"some content");
        for length in HEAD..bytes.len() {
            assert!(unsealed(64, &bytes[..length]).is_err(), "{length}");
        }
        for from in 1..HEAD {
            assert!(unsealed(64, &bytes[from..]).is_err(), "{from}");
        }
    }

    proptest! {
        #[test]
        fn content_comes_back_whatever_it_is_and_however_it_is_read(
            content in prop::collection::vec(any::<u8>(), 0..2000),
            step in 1..300_usize,
        ) {
            prop_assert_eq!(unsealed(step, &sealed(&content)).unwrap(), content);
        }

        #[test]
        fn no_changed_bit_goes_unnoticed(
            content in prop::collection::vec(any::<u8>(), 0..500),
            at in any::<prop::sample::Index>(),
            bit in 0..8,
        ) {
            let mut bytes = sealed(&content);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(unsealed(100, &bytes).is_err());
        }
    }
}
