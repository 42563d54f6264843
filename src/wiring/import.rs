//! `import`: recordings that were exported elsewhere.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::cli::{ImportArgs, clean};
use crate::ports::{Clock, SystemClock};
use crate::store::{self, Home, Imported, Origin, Outcome, PortableError, Quota};

use super::error::{Exit, UserError};

/// `import`. Every file is tried; the exit status tells of those that could not be taken.
pub(super) fn import(home: &Home, args: &ImportArgs) -> Exit {
    let mut exit = Exit::Success;
    let mut any = false;
    for file in &args.files {
        match take_in(home, file, args) {
            Ok(imported) => {
                any = true;
                say(&imported);
            }
            Err(error) => {
                complain!("monkeyci-tui: {error}");
                exit = Exit::NotRun;
            }
        }
    }
    if any {
        complain!("nothing in it is run here, and nobody vouches for what it says");
    }
    exit
}

fn take_in(home: &Home, file: &Path, args: &ImportArgs) -> Result<Imported, UserError> {
    let is_stdin = file == Path::new("-");
    let (name, reader): (_, Box<dyn Read>) = if is_stdin {
        ("stdin".into(), Box::new(io::stdin().lock()))
    } else {
        let open = || {
            let opened = File::open(file)?;
            if opened.metadata()?.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok(opened)
        };
        let opened = open().map_err(|error: io::Error| {
            UserError::new(format!("cannot read {}: {error}", file.display()))
        })?;
        // It is remembered, and has to mean the same elsewhere.
        let name = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        (name, Box::new(opened))
    };
    let quota = Quota::new(args.max_size);
    let imported = store::import(home, reader, &name, quota, args.force, SystemClock.now());
    imported.map_err(|error| {
        let hint = match &error {
            PortableError::OwnBuild(_) if is_stdin => None,
            PortableError::OwnBuild(_) => Some(format!(
                "`monkeyci-tui show {}` looks into it as it is",
                file.display()
            )),
            PortableError::OtherRecording(_) => {
                Some("--force puts this one in its place".to_owned())
            }
            PortableError::Unusable {
                source: store::Fault::TooLarge { .. },
                ..
            } => Some("--max-size allows more".to_owned()),
            _ => None,
        };
        let error = UserError::of(&error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })
}

fn say(imported: &Imported) {
    let sid = clean(&imported.sid.to_string());
    match imported.outcome {
        Outcome::New => println!("imported {sid}"),
        Outcome::Replaced => println!("imported {sid} in place of another recording of it"),
        Outcome::AlreadyHere => println!("{sid} is already here: it was imported before"),
        Outcome::Own => println!("{sid} is already here: it is a build of this machine"),
    }
    for name in &imported.skipped {
        complain!("  {name} is left out: this version has no use for it");
    }
}

/// A sentence on where a recording comes from, if it was not made here.
pub(super) fn origin(folder: &store::BuildFolder) -> Option<String> {
    let origin = Origin::of(folder)?;
    let file = clean(&origin.file);
    let program = clean(&origin.program);
    Some(match origin.imported {
        Some(_) => format!("imported from {file}, written by {program}"),
        None => format!("recorded elsewhere: {file}, written by {program}"),
    })
}

/// The same in a few words.
pub(super) fn short_origin(folder: &store::BuildFolder) -> Option<String> {
    let origin = Origin::of(folder)?;
    let name = Path::new(&origin.file).file_name().unwrap_or_default();
    let name = clean(&name.to_string_lossy());
    Some(match origin.imported {
        Some(_) => format!("imported from {name}"),
        None => format!("the file {name}"),
    })
}
