//! How a child is started.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};

use super::group::{Group, Killer};
use super::mark::{MARK_VARIABLE, Mark};

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program is neither a path nor found in the child's `PATH`.
    #[error("there is no program `{}`", program.display())]
    ProgramNotFound { program: PathBuf },
    /// The folder that the child should work in is missing or not a folder.
    #[error("cannot start `{}` in `{}`, which is no folder", program.display(), cwd.display())]
    NoSuchFolder { program: PathBuf, cwd: PathBuf },
    /// The system refused (rights, format, limits).
    #[error("cannot start `{}`", program.display())]
    Refused {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Describes a child before it is started.
///
/// The child's environment is exactly what was given (and its mark); nothing is inherited. Its stdin is empty unless a
/// pipe was asked for, its stdout and stderr are pipes, and it leads a process group of its own.
#[derive(Debug, Clone)]
pub struct Spawn {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: Option<PathBuf>,
    mark: Option<Mark>,
    piped_stdin: bool,
}

impl Spawn {
    /// Starts describing a child. A program without a slash is looked up in the `PATH` given with [`Spawn::envs`].
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            mark: None,
            piped_stdin: false,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the child's environment; the last value of a name counts.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets variables of the child's environment.
    #[must_use]
    pub fn envs<N: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables.into_iter();
        self.env
            .extend(variables.map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Sets the folder the child works in; without it, ours.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// Marks the child and all its descendants, so that those that leave its group can be found.
    #[must_use]
    pub fn mark(mut self, mark: &Mark) -> Self {
        self.mark = Some(mark.clone());
        self
    }

    /// Makes the child's stdin a pipe, to be written by way of [`Running::stdin`] and dropped to end it.
    #[must_use]
    pub fn piped_stdin(mut self) -> Self {
        self.piped_stdin = true;
        self
    }

    /// Starts the child. Must be called within a tokio runtime.
    pub fn start(&self) -> Result<Running, SpawnError> {
        // The standard library leaves its fast path when it would have to search a `PATH` that is not our own, so the
        // search is ours.
        let program = self.find_program()?;
        let mut command = Command::new(&program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(if self.piped_stdin {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(mark) = &self.mark {
            command.env(MARK_VARIABLE, mark.as_str());
        }
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        let mut child = command.spawn().map_err(|source| self.explain(source))?;
        Ok(Running {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            group: Group::new(child),
            mark: self.mark.clone(),
        })
    }

    fn find_program(&self) -> Result<PathBuf, SpawnError> {
        use std::os::unix::ffi::OsStrExt as _;

        if self.program.as_bytes().contains(&b'/') {
            return Ok(PathBuf::from(&self.program));
        }
        let path = self.env.iter().rev().find(|(name, _)| name == "PATH");
        let path = path.map_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"), |(_, value)| {
            value
        });
        std::env::split_paths(path)
            // An empty or relative part would mean the child's folder, which is the least trusted place to take a
            // program from.
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(&self.program))
            .find(|file| is_executable(file))
            .ok_or_else(|| SpawnError::ProgramNotFound {
                program: self.program.clone().into(),
            })
    }

    /// The system reports a missing folder and a missing program alike.
    fn explain(&self, source: io::Error) -> SpawnError {
        let program = PathBuf::from(&self.program);
        match &self.cwd {
            Some(cwd) if !cwd.is_dir() => SpawnError::NoSuchFolder {
                program,
                cwd: cwd.clone(),
            },
            _ if source.kind() == io::ErrorKind::NotFound => {
                SpawnError::ProgramNotFound { program }
            }
            _ => SpawnError::Refused { program, source },
        }
    }
}

fn is_executable(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file()
}

/// A started child: its group and the pipes it writes to.
#[derive(Debug)]
pub struct Running {
    /// What the child reads, if a pipe was asked for, until taken.
    pub stdin: Option<ChildStdin>,
    /// What the child writes to its stdout, until taken.
    pub stdout: Option<ChildStdout>,
    /// What the child writes to its stderr, until taken.
    pub stderr: Option<ChildStderr>,
    /// The child's process group.
    pub group: Group,
    pub(super) mark: Option<Mark>,
}

impl Running {
    /// Returns the process id of the child, which is also the id of its group.
    pub fn pid(&self) -> u32 {
        self.group.pid()
    }

    /// Returns a handle that can stop the group from elsewhere.
    pub fn killer(&self) -> Killer {
        self.group.killer()
    }
}
