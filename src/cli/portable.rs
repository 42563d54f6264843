//! The commands that put recordings into files and take them in, as clap types.

use std::path::PathBuf;

use clap::ValueEnum;

/// Options of `export`.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArgs {
    /// A build id, a unique prefix of one, `last`, `last-failed`, ORG/REPO/BUILD, or a file.
    #[arg(default_value = "last")]
    pub build: String,

    /// Where to; `-` is stdout. Without it a recording goes into BUILD.mcirec here, and every other format to
    /// stdout.
    pub file: Option<PathBuf>,

    /// What to make of the build.
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,

    /// Put this artifact into the recording, by its id, or `all` that are kept (may be given more than once;
    /// default: none).
    #[arg(long = "artifacts", value_name = "ID|all|none")]
    pub artifacts: Vec<String>,

    /// Put this named result into it, `all`, or `none` (may be given more than once; default: those of up to 1 MB).
    #[arg(long = "results", value_name = "NAME|all|none")]
    pub results: Vec<String>,

    /// Write over a file that is there.
    #[arg(short, long)]
    pub force: bool,
}

/// What a build is exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ExportFormat {
    /// All of it in one file, to be opened and imported elsewhere (`help recordings`).
    #[default]
    Recording,
    /// Its tests, and its jobs as tests, as JUnit XML.
    Junit,
    /// What became of it, as one JSON document.
    Json,
    /// The journal, one JSON object a line.
    Journal,
}

/// Options of `import`.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// Exported recordings; `-` is stdin.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// How much one may unpack to: `500M`, `20G`.
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = parse_size)]
    pub max_size: u64,

    /// Take the place of another recording of the same build.
    #[arg(short, long)]
    pub force: bool,
}

/// `500M`, `20G`; a number alone is bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || "write a size as 500M or 20G".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err(wrong()),
    };
    match number.checked_mul(1 << shift) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("7"), Ok(7));
        assert_eq!(parse_size("500M"), Ok(500 << 20));
        assert_eq!(parse_size("20g"), Ok(20 << 30));
        for wrong in ["", "G", "0", "-1", "1.5G", "7x", "99999999T"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
