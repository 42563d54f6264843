//! Going into a job's container: a shell in one that runs, or in one that was kept after a failure.
//!
//! ```text
//! runs ──────────────────────────▶ exec a shell
//! ended, kept ─▶ commit ─▶ image ─▶ container of a shell ─▶ attach; again: start, attach
//! ```
//!
//! A container that has ended cannot run anything else: a shell is entered in one that is made of its
//! files, once, and stays until the kept one is removed.
//!
//! That a container is to be kept stands in its name, where `docker ps` shows it and where any process of
//! this program finds it: that of the terminal UI, and that of another shell.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use bollard::Docker;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::{ContainerConfig, ContainerCreateBody, ContainerSummary, ExecConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CommitContainerOptionsBuilder, CreateContainerOptionsBuilder,
    InspectContainerOptions, KillContainerOptionsBuilder, ListContainersOptionsBuilder,
    RemoveImageOptionsBuilder, RenameContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder,
    ResizeExecOptionsBuilder, StartContainerOptions, WaitContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::domain::{JobId, Sid};

use super::container::{self, BUILD_LABEL, JOB_LABEL};
use super::transfer::said;
use super::{Engine, base, remove};

/// How the name of a container begins that stays after a failure.
const KEPT: &str = "monkeyci-kept-";
/// On the container of a shell: the kept one whose files it has.
const SHELL_LABEL: &str = "dev.monkeyci-tui.shell-of";

/// The best shell there is, of those that images have.
const SHELL: &str = "unset $(env 2>/dev/null | sed -n 's/^\\(MONKEYCI_TUI_LINE_[0-9]*\\)=.*/\\1/p' 2>/dev/null); \
                     if command -v bash >/dev/null 2>&1; then exec bash; fi; exec sh";

/// After how long a new terminal is given its size again, when it was refused.
const FIRST_SIZE: [Duration; 7] = [
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// Whether a container of that name stays after a failure, and after this program.
pub(super) fn is_kept(name: &str) -> bool {
    name.trim_start_matches('/').starts_with(KEPT)
}

/// Gives a container a name that keeps it. Returns that name.
pub(super) async fn keep(docker: &Docker, id: &str, name: &str) -> Result<String, Error> {
    let name = name.trim_start_matches('/');
    let rest = name.strip_prefix("monkeyci-").unwrap_or(name);
    rename(docker, id, format!("{KEPT}{rest}")).await
}

async fn rename(docker: &Docker, id: &str, name: String) -> Result<String, Error> {
    let options = RenameContainerOptionsBuilder::default().name(&name).build();
    docker.rename_container(id, options).await?;
    Ok(name)
}

/// What asking to keep a container has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It will stay if the job fails.
    WillStay,
    /// It will not.
    WillGo,
    /// It had stayed, and is removed.
    Removed,
}

impl Engine {
    /// Sees to it that the container of a job stays if the job fails; asked again, that it does not. One
    /// that has stayed is removed. The error is a sentence.
    pub async fn keep_or_not(&self, sid: &Sid, job: &JobId) -> Result<Keeping, String> {
        let docker = &self.docker;
        let failed = |error: Error| format!("the engine refuses: {}", said(&error));
        let found = self.containers(sid, job).await.map_err(failed)?;
        let Some(container) = found.first() else {
            return Err(format!("no container of {job} runs, and none was kept"));
        };
        match (container.runs, is_kept(&container.name)) {
            (true, false) => {
                keep(docker, &container.id, &container.name)
                    .await
                    .map_err(failed)?;
                Ok(Keeping::WillStay)
            }
            (true, true) => {
                let name = container.name.trim_start_matches('/');
                let plain = name.strip_prefix(KEPT).unwrap_or(name);
                rename(docker, &container.id, format!("monkeyci-{plain}"))
                    .await
                    .map_err(failed)?;
                Ok(Keeping::WillGo)
            }
            (false, _) => {
                self.forget(&container.id).await.map_err(failed)?;
                Ok(Keeping::Removed)
            }
        }
    }

    /// Removes a container that has ended, and the shell that was opened in it.
    async fn forget(&self, id: &str) -> Result<(), Error> {
        for shell in self.labelled(&[format!("{SHELL_LABEL}={id}")]).await? {
            remove(&self.docker, &shell.id).await?;
            let options = RemoveImageOptionsBuilder::default().force(true).build();
            // Somebody may have named it, and works with it.
            let _ = self
                .docker
                .remove_image(&shell.image, Some(options), None)
                .await;
        }
        let base = self
            .docker
            .inspect_container(id, None::<InspectContainerOptions>)
            .await?
            .image;
        remove(&self.docker, id).await?;
        if let Some(image) = base
            && let Ok(seen) = self.docker.inspect_image(&image).await
            && base::is_ours(&seen)
        {
            base::remove_image(&self.docker, &image).await;
        }
        Ok(())
    }

    /// Opens a shell in the container of a job: the one that runs, or the one that was kept. The error is
    /// a sentence.
    pub async fn enter(&self, sid: &Sid, job: &JobId, size: (u16, u16)) -> Result<Shell, String> {
        let found = self.containers(sid, job).await;
        let found = found.map_err(|error| format!("the engine refuses: {}", said(&error)))?;
        let Some(container) = found.first() else {
            return Err(format!(
                "no container of {job} is there: none runs, and none was kept after a failure"
            ));
        };
        let opened = if container.runs {
            self.exec(container).await
        } else {
            self.reopen(container).await
        };
        let mut shell = opened.map_err(|error| {
            let reason = said(&error);
            if reason.contains("no such file") || reason.contains("not found") {
                format!("the image of {job} has no shell: {reason}")
            } else {
                format!("no shell can be opened: {reason}")
            }
        })?;
        shell.size_at_first(size).await;
        Ok(shell)
    }

    async fn exec(&self, container: &Found) -> Result<Shell, Error> {
        let inside = self.inside(&container.id).await?;
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(true),
            cmd: Some(["/bin/sh", "-c", SHELL].map(str::to_owned).to_vec()),
            env: Some(vec!["TERM=xterm-256color".to_owned()]),
            working_dir: inside.work_dir,
            ..ExecConfig::default()
        };
        let made = self.docker.create_exec(&container.id, config).await?;
        let options = StartExecOptions {
            tty: true,
            ..StartExecOptions::default()
        };
        match self.docker.start_exec(&made.id, Some(options)).await? {
            StartExecResults::Attached { output, input } => Ok(Shell {
                docker: self.docker.clone(),
                kind: Kind::Exec(made.id),
                output,
                input,
            }),
            StartExecResults::Detached => Err(Error::DockerStreamError {
                error: "the engine has not attached it".to_owned(),
            }),
        }
    }

    /// Opens the shell that has the files of a container that has ended.
    async fn reopen(&self, container: &Found) -> Result<Shell, Error> {
        let label = format!("{SHELL_LABEL}={}", container.id);
        let known = self.labelled(std::slice::from_ref(&label)).await?;
        let id = match known.into_iter().next() {
            Some(shell) => shell.id,
            None => self.shell_of(container).await?,
        };
        let options = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .build();
        let AttachContainerResults { output, input } =
            self.docker.attach_container(&id, Some(options)).await?;
        self.docker
            .start_container(&id, None::<StartContainerOptions>)
            .await?;
        Ok(Shell {
            docker: self.docker.clone(),
            kind: Kind::Container(id),
            output,
            input,
        })
    }

    /// Makes the container of a shell from the files of one that has ended. Returns its id.
    async fn shell_of(&self, container: &Found) -> Result<String, Error> {
        let options = CommitContainerOptionsBuilder::default()
            .container(&container.id)
            .comment("files of a job that has failed")
            .build();
        let config = ContainerConfig::default();
        let image = self.docker.commit_container(options, config).await?.id;
        let inside = self.inside(&container.id).await?;
        let mut env = inside.env;
        env.push("TERM=xterm-256color".to_owned());
        let body = ContainerCreateBody {
            image: Some(image),
            entrypoint: Some(vec!["/bin/sh".to_owned()]),
            cmd: Some(vec!["-c".to_owned(), SHELL.to_owned()]),
            env: Some(env),
            working_dir: inside.work_dir,
            tty: Some(true),
            open_stdin: Some(true),
            // The shell hears when nobody types any more.
            stdin_once: Some(true),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            labels: Some(HashMap::from([(
                SHELL_LABEL.to_owned(),
                container.id.clone(),
            )])),
            ..ContainerCreateBody::default()
        };
        let name = format!("{}-shell", container.name.trim_start_matches('/'));
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let made = self.docker.create_container(Some(options), body).await?;
        Ok(made.id)
    }

    /// The environment of a container, and where its job works.
    async fn inside(&self, id: &str) -> Result<Inside, Error> {
        let seen = self
            .docker
            .inspect_container(id, None::<InspectContainerOptions>)
            .await?;
        let config = seen.config.unwrap_or_default();
        let mut env = config.env.unwrap_or_default();
        container::without_lines(&mut env);
        let named = env
            .iter()
            .find_map(|variable| variable.strip_prefix("MONKEYCI_WORK_DIR="));
        Ok(Inside {
            work_dir: named.map(str::to_owned).or(config.working_dir),
            env,
        })
    }

    /// The containers of a job, those that run first, then the newest.
    async fn containers(&self, sid: &Sid, job: &JobId) -> Result<Vec<Found>, Error> {
        let labels = [format!("{BUILD_LABEL}={sid}"), format!("{JOB_LABEL}={job}")];
        let mut found = self.labelled(&labels).await?;
        // A shell has the labels of the files it was made of.
        found.retain(|it| !it.is_shell && (it.runs || is_kept(&it.name)));
        found.sort_by_key(|container| (!container.runs, std::cmp::Reverse(container.created)));
        Ok(found)
    }

    async fn labelled(&self, labels: &[String]) -> Result<Vec<Found>, Error> {
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&HashMap::from([("label", labels)]))
            .build();
        let found = self.docker.list_containers(Some(options)).await?;
        Ok(found.into_iter().filter_map(Found::of).collect())
    }
}

/// A container of ours, as it is listed.
struct Found {
    id: String,
    name: String,
    image: String,
    created: i64,
    runs: bool,
    /// It is the shell that was opened in another one.
    is_shell: bool,
}

impl Found {
    fn of(listed: ContainerSummary) -> Option<Self> {
        Some(Self {
            is_shell: listed
                .labels
                .is_some_and(|labels| labels.contains_key(SHELL_LABEL)),
            id: listed.id?,
            name: listed.names?.into_iter().next()?,
            image: listed.image_id.unwrap_or_default(),
            created: listed.created.unwrap_or_default(),
            runs: listed
                .state
                .is_some_and(|state| state.as_ref() == "running"),
        })
    }
}

/// What a shell has of the job.
struct Inside {
    env: Vec<String>,
    work_dir: Option<String>,
}

enum Kind {
    Exec(String),
    Container(String),
}

/// A shell in a container, behind a terminal of its own.
pub struct Shell {
    docker: Docker,
    kind: Kind,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    input: Pin<Box<dyn AsyncWrite + Send>>,
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell").finish_non_exhaustive()
    }
}

impl Shell {
    /// What it writes next; `None` when it has ended. May be dropped and asked again.
    pub async fn read(&mut self) -> Option<Bytes> {
        // What breaks the connection ends the shell for us.
        Some(self.output.next().await?.ok()?.into_bytes())
    }

    /// What it has written already, if it has.
    pub fn read_now(&mut self) -> Option<Bytes> {
        use futures_util::FutureExt;
        self.read().now_or_never().flatten()
    }

    /// Types something.
    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.input.write_all(bytes).await?;
        self.input.flush().await
    }

    /// Gives its terminal this many columns and rows.
    pub async fn resize(&mut self, size: (u16, u16)) {
        // A terminal that has gone needs no size.
        let _ = self.try_resize(size).await;
    }

    /// Gives a shell that has just been started its size: an engine has answered when it is about to run,
    /// and refuses until it does.
    async fn size_at_first(&mut self, size: (u16, u16)) {
        for wait in FIRST_SIZE {
            if self.try_resize(size).await.is_ok() {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn try_resize(&mut self, (columns, rows): (u16, u16)) -> Result<(), Error> {
        match &self.kind {
            Kind::Exec(id) => {
                let options = ResizeExecOptionsBuilder::default()
                    .h(rows.into())
                    .w(columns.into())
                    .build();
                self.docker.resize_exec(id, options).await
            }
            Kind::Container(id) => {
                let options = ResizeContainerTTYOptionsBuilder::default()
                    .h(rows.into())
                    .w(columns.into())
                    .build();
                self.docker.resize_container_tty(id, options).await
            }
        }
    }

    /// The exit status of a shell that has ended.
    pub async fn exit(&mut self) -> Option<i64> {
        match &self.kind {
            Kind::Exec(id) => self.docker.inspect_exec(id).await.ok()?.exit_code,
            Kind::Container(id) => {
                let options = WaitContainerOptionsBuilder::default()
                    .condition("not-running")
                    .build();
                let mut ended = self.docker.wait_container(id, Some(options));
                super::course::exit_of(ended.next().await).ok()
            }
        }
    }

    /// Ends it, as somebody who closes the window of a terminal does.
    pub async fn hang_up(mut self) {
        match &self.kind {
            Kind::Exec(_) => {
                // Interrupt what runs, and end the input: an engine has no other word for it.
                let _ = self.write(b"\x03\x04").await;
                let _ = self.input.shutdown().await;
            }
            Kind::Container(id) => {
                let options = KillContainerOptionsBuilder::default()
                    .signal("KILL")
                    .build();
                // One that has just ended needs no signal.
                let _ = self.docker.kill_container(id, Some(options)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told_by_its_name() {
        assert!(is_kept("/monkeyci-kept-build-job-0123abcd"));
        assert!(is_kept("monkeyci-kept-x-shell"));
        for other in [
            "/monkeyci-build-job-0123abcd",
            "/other",
            "/x-monkeyci-kept-",
        ] {
            assert!(!is_kept(other), "{other}");
        }
    }
}
