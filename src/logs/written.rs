//! How much of a log each output of each command has written.

use std::collections::HashMap;
use std::fs;
use std::io;

use super::format::{
    Chunk, HEADER_LEN, Header, LogPaths, META_MAGIC, RECORD_LEN, Stream, read_header,
};

/// Bytes in a log by their stream and the index of their command. Nothing for a log that is not there;
/// bytes without a description are nobody's.
pub fn written(paths: &LogPaths) -> io::Result<HashMap<(Stream, u32), u64>> {
    let meta = match fs::read(&paths.meta) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        read => read?,
    };
    let mut written = HashMap::new();
    if read_header(&meta, META_MAGIC) != Header::Good {
        return Ok(written);
    }
    for record in meta[HEADER_LEN..].chunks_exact(RECORD_LEN) {
        if let Some(chunk) = Chunk::decode(record) {
            *written.entry((chunk.stream, chunk.command)).or_default() += u64::from(chunk.len);
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::LogWriter;

    #[test]
    fn bytes_are_counted_by_their_output() {
        let dir = tempfile::tempdir().unwrap();
        let paths = LogPaths::new(dir.path(), "job");
        assert!(written(&paths).unwrap().is_empty());
        let mut writer = LogWriter::create(paths.clone()).unwrap();
        for (stream, command, text) in [
            (Stream::Out, 0, "one\n"),
            (Stream::Err, 0, "two"),
            (Stream::Out, 1, "three"),
            (Stream::Out, 0, "four"),
        ] {
            writer.append(7, stream, command, text.as_bytes()).unwrap();
        }
        let written = written(&paths).unwrap();
        assert_eq!(written[&(Stream::Out, 0)], 8);
        assert_eq!(written[&(Stream::Err, 0)], 3);
        assert_eq!(written[&(Stream::Out, 1)], 5);
        assert_eq!(written.len(), 3);
    }
}
