//! Beginning a log again without losing what it was.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use super::format::LogPaths;

/// Keeps a log as `<stem>~N`, and empties its own files where they are: whoever reads it sees that it was
/// cut. Nobody may be writing it. A log that is not there is none.
pub fn set_aside(dir: &Path, stem: &str) -> io::Result<()> {
    let paths = LogPaths::new(dir, stem);
    if !paths.log.exists() {
        return Ok(());
    }
    // No id of a job becomes such a name.
    let mut numbered = (1_u32..).map(|n| LogPaths::new(dir, &format!("{stem}~{n}")));
    let Some(aside) = numbered.find(|aside| !aside.log.exists()) else {
        return Ok(());
    };
    if paths.meta.exists() {
        fs::copy(&paths.meta, &aside.meta)?;
    }
    fs::copy(&paths.log, &aside.log)?;
    // The index only saves time.
    let _ = fs::remove_file(&paths.idx);
    for path in [&paths.log, &paths.meta] {
        OpenOptions::new().write(true).open(path)?.set_len(0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{LogReader, LogWriter, Stream};

    fn text(dir: &Path, stem: &str) -> String {
        let log = LogReader::open(LogPaths::new(dir, stem)).unwrap();
        String::from_utf8(log.read_bytes(0, 1000).unwrap()).unwrap()
    }

    #[test]
    fn a_log_begins_again_and_what_it_was_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        set_aside(dir, "job").unwrap();
        let paths = LogPaths::new(dir, "job");
        let mut reader = LogReader::open(paths.clone()).unwrap();
        for said in ["first\n", "a second one\n", "third\n"] {
            set_aside(dir, "job").unwrap();
            // Whoever looks on sees it cut.
            reader.refresh().unwrap();
            assert_eq!(reader.line_count(), 0);
            let mut writer = LogWriter::open_append(paths.clone()).unwrap();
            writer.append(1, Stream::Err, 3, said.as_bytes()).unwrap();
            writer.finish().unwrap();
            reader.refresh().unwrap();
            let line = reader.line(0).unwrap();
            assert_eq!((line.stream, line.command), (Stream::Err, 3));
            assert_eq!(text(dir, "job"), said);
        }
        assert_eq!(text(dir, "job~1"), "first\n");
        assert_eq!(text(dir, "job~2"), "a second one\n");
    }
}
