//! One job, from its order to its outcome.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::StartExecOptions;
use bollard::models::{ContainerCreateBody, ContainerWaitResponse, ExecConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, InspectContainerOptions,
    KillContainerOptionsBuilder, StartContainerOptions, WaitContainerOptionsBuilder,
};
use futures_util::{Stream, StreamExt};
use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep_until};

use crate::domain::JobStatus;
use crate::executors::blobs;
use crate::executors::outcome::{canceled, error, success, unless_stopped};
use crate::executors::plan::{self, Commands};
use crate::ports::{JobOrder, JobOutcome, JobPorts, JobReport, StopToken};

use super::container::{self, Plan, SCRIPTS, Surroundings};
use super::listener::{Last, Listener};
use super::transfer::{self, Inside, Workspace, said};
use super::usage::Watch;
use super::user::User;
use super::{Shared, base, enter, pull, random_id, remove};

/// How long an engine is waited for that has been told to kill a container, or to ask it to end.
const ANSWER: Duration = Duration::from_secs(10);

/// How long output is read on when the container has ended.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// Runs a job to its end; what goes wrong is how it ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    order: JobOrder,
    ports: Arc<dyn JobPorts>,
    stop: StopToken,
) -> JobOutcome {
    match Box::pin(perform(&shared, &order, &*ports, &stop)).await {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

/// The error is the outcome of a job that came to an early end.
async fn perform(
    shared: &Arc<Shared>,
    order: &JobOrder,
    ports: &dyn JobPorts,
    stop: &StopToken,
) -> Result<JobOutcome, JobOutcome> {
    let (commands, dir) = plan::of(&order.job).map_err(error)?;
    blobs::check_paths(order, &dir).map_err(error)?;
    let mark = format!("\u{1e}{}", random_id());
    let engine = &shared.engine;
    let (_, publish) = engine.published();
    let around = Surroundings {
        checkout: engine.is_local().then_some(&*shared.options.checkout),
        mountable: &shared.options.mountable,
        cpus: engine.cpus,
        owner: (!shared.options.keep).then_some(&*shared.owner.id),
        publish: &publish,
        mark: &mark,
        env: &shared.options.env,
    };
    let plan = container::plan(order, &commands, &dir, &around).map_err(error)?;
    for warning in &plan.warnings {
        ports.report(JobReport::Warning(warning.clone()));
    }

    let preparing = Box::pin(prepare(shared, order, ports, &commands, &dir, &plan));
    let (container, inside) = unless_stopped(stop, preparing).await?.map_err(error)?;
    ports.report(JobReport::Started);
    let running = Running {
        shared,
        order,
        ports,
        stop,
        commands: &commands,
        plan: &plan,
        id: &container.id,
    };
    let outcome = running.run(&mark).await?;
    let outcome = blobs::save(order, &dir, &inside, ports, outcome, stop).await;
    if outcome.status.is_failed() {
        container.keep_if_asked(ports).await;
    }
    Ok(outcome)
}

/// Makes the container and puts into it what the job needs. The error is a sentence.
async fn prepare<'a>(
    shared: &'a Arc<Shared>,
    order: &JobOrder,
    ports: &dyn JobPorts,
    commands: &Commands,
    dir: &Path,
    plan: &Plan,
) -> Result<(Container, Inside<'a>), String> {
    let docker = &shared.engine.docker;
    let image = plan.body.image.as_deref().unwrap_or_default();
    let platform = plan.platform.as_deref();
    pull::ensure(docker, image, platform, shared.options.pull, ports).await?;
    let seen = docker.inspect_image(image).await.unwrap_or_default();
    let may_share = base::can_hold(&seen);
    let image = seen.id.as_deref().unwrap_or(image);
    let user = seen.config.and_then(|config| config.user);
    let user = user.unwrap_or_default();
    let mut body = plan.body.clone();
    let not_copied = |reason| format!("cannot copy the workspace into the container: {reason}");
    let workspace = Workspace::open(ports, &order.workspace).await;
    let mut workspace = Some(workspace.map_err(not_copied)?);
    let mut base = None;
    let are_many = shared.bases.are_worth_it(&order.sid, image);
    let shares = |it: &mut Workspace| are_many || matches!(it, Workspace::Large(_));
    if may_share && let Some(workspace) = workspace.take_if(shares) {
        let packed = workspace.into_reader();
        let recipe = base::Recipe {
            shared,
            sid: &order.sid,
            image,
            platform,
            user: &user,
        };
        base = Some(recipe.with(packed).await.map_err(not_copied)?);
    }
    if let Some(base) = &base {
        body.image = Some(base.image.clone());
    }
    if !shared.engine.is_local() || !User::is_ours(&user) {
        container::without_socket(&mut body);
    }
    if order.api.is_some() && !container::reaches_api(&body) {
        ports.report(JobReport::Warning(
            "nothing leads from the job's container to the script API: neither an address nor a socket"
                .to_owned(),
        ));
    }
    let lines = match commands {
        Commands::Lines(lines) => &lines[..],
        Commands::Program(_) => &[],
    };
    let token = order.api.as_ref().map(|api| api.token.expose_secret());
    let has_all = base.is_some() && token.is_none() && container::hand_over(lines, &mut body);
    let container = Container::create(shared, order, plan, body).await?;
    let folder = shared
        .build(&order.sid)
        .job(order.job.id.as_str(), order.attempt)
        .map_err(|reason| format!("cannot make the job's folder: {reason}"))?;
    let inside = Inside {
        docker,
        id: container.id.clone(),
        user: match base {
            Some(base) => base.user,
            None => User::of(docker, &container.id, &user).await,
        },
        folder: Arc::new(folder),
    };
    if !has_all {
        transfer::equip(&inside, lines, token, workspace)
            .await
            .map_err(not_copied)?;
    }
    blobs::restore(order, dir, &inside, ports).await?;
    if let Some(wanted) = &order.job.work_dir {
        match transfer::look(docker, &container.id, &container::work_dir(dir)).await? {
            Some((_, link)) if !link.is_empty() => {}
            Some((true, _)) => {}
            Some((false, _)) => return Err(format!("work-dir {wanted:?} is no folder")),
            None => return Err(format!("work-dir {wanted:?} does not exist")),
        }
    }
    Ok((container, inside))
}

/// A container of ours. It goes away with this, unless it is to be kept.
struct Container {
    id: Arc<str>,
    name: String,
    kept: AtomicBool,
    shared: Arc<Shared>,
}

impl Container {
    async fn create(
        shared: &Arc<Shared>,
        order: &JobOrder,
        plan: &Plan,
        body: ContainerCreateBody,
    ) -> Result<Self, String> {
        let name = container::name(order);
        let options = CreateContainerOptionsBuilder::default().name(&name);
        let options = match &plan.platform {
            Some(platform) => options.platform(platform),
            None => options,
        };
        if !shared.options.keep {
            shared.owner.makes();
        }
        let docker = &shared.engine.docker;
        match docker.create_container(Some(options.build()), body).await {
            Ok(created) => Ok(Self {
                id: created.id.into(),
                name,
                kept: AtomicBool::new(false),
                shared: Arc::clone(shared),
            }),
            Err(failed) => {
                // Of one that does not say no, who knows what it has done.
                let is_none = matches!(failed, Error::DockerResponseServerError { .. });
                if is_none && !shared.options.keep {
                    shared.owner.has_removed();
                }
                Err(format!(
                    "the engine makes no container of it: {}",
                    said(&failed)
                ))
            }
        }
    }

    /// Leaves the container of a job that has failed where it is, if that was asked for: of all jobs, or
    /// of this one while it ran.
    async fn keep_if_asked(&self, ports: &dyn JobPorts) {
        let docker = &self.shared.engine.docker;
        let seen = docker
            .inspect_container(&self.id, None::<InspectContainerOptions>)
            .await;
        let name = seen.ok().and_then(|seen| seen.name).unwrap_or_default();
        let name = if enter::is_kept(&name) {
            Ok(name.trim_start_matches('/').to_owned())
        } else if self.shared.options.keep_failed {
            enter::keep(docker, &self.id, &self.name).await
        } else {
            return;
        };
        ports.report(JobReport::Warning(match name {
            Ok(name) => {
                self.kept.store(true, Ordering::Relaxed);
                format!(
                    "its container is kept as {name}: a shell in it is opened with s on the screen; \
                     docker rm {name} removes it"
                )
            }
            Err(error) => format!("its container cannot be kept: {}", said(&error)),
        }));
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.shared.options.keep {
            return;
        }
        if self.kept.load(Ordering::Relaxed) {
            // It is the user's now.
            self.shared.owner.has_removed();
            return;
        }
        let (shared, id) = (Arc::clone(&self.shared), Arc::clone(&self.id));
        self.shared.tasks.spawn(async move {
            // What stays is removed by a later start: it is labelled.
            if remove(&shared.engine.docker, &id).await.is_ok() {
                shared.owner.has_removed();
            }
        });
    }
}

/// Why a job that runs is made to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Stopped,
    TimedOut,
}

/// A job whose container is about to start.
struct Running<'a> {
    shared: &'a Arc<Shared>,
    order: &'a JobOrder,
    ports: &'a dyn JobPorts,
    stop: &'a StopToken,
    commands: &'a Commands,
    plan: &'a Plan,
    id: &'a str,
}

impl Running<'_> {
    /// Starts the container and sees its commands through. The error is the outcome of a job whose
    /// container nothing can be asked about any more.
    async fn run(&self, mark: &str) -> Result<JobOutcome, JobOutcome> {
        let docker = &self.shared.engine.docker;
        let options = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdout(true)
            .stderr(true)
            .build();
        // Before it starts, so that not a byte is missed.
        let mut output = match docker.attach_container(self.id, Some(options)).await {
            Ok(attached) => attached.output,
            // Podman makes all of it now, and Docker when it starts.
            Err(failed) => return Ok(error(self.not_started(&failed))),
        };
        if let Err(failed) = docker
            .start_container(self.id, None::<StartContainerOptions>)
            .await
        {
            return Ok(error(self.not_started(&failed)));
        }
        // Asked only now: of one that was never started, or has ended since, it is answered at once.
        let options = WaitContainerOptionsBuilder::default()
            .condition("not-running")
            .build();
        let ended = pin!(docker.wait_container(self.id, Some(options)));
        self.tell_ports().await;
        let mut watch = Watch::new(docker, self.id, self.ports);
        let outcome = self.see_through(&mut output, ended, &mut watch, mark).await;
        watch.end();
        outcome
    }

    /// Attends to a container that runs, until it has ended. The error is as that of [`Self::run`].
    async fn see_through(
        &self,
        output: &mut (impl Stream<Item = Result<LogOutput, Error>> + Unpin),
        mut ended: impl Stream<Item = Result<ContainerWaitResponse, Error>> + Unpin,
        watch: &mut Watch<'_>,
        mark: &str,
    ) -> Result<JobOutcome, JobOutcome> {
        let mut listener = Listener::new(self.ports, mark, self.commands);
        let mut why = None;
        let mut killed = false;
        let mut heard_all = false;
        // The job's time limit first; then the end of the grace time; then of all patience.
        let mut timer = pin!(sleep_until(Instant::now() + self.order.timeout));
        let exit = loop {
            tokio::select! {
                biased;
                () = self.stop.kill.cancelled(), if !killed => {
                    killed = true;
                    why.get_or_insert(Why::Stopped);
                    timer.as_mut().reset(Instant::now() + ANSWER);
                    self.kill().await;
                }
                () = self.stop.stop.cancelled(), if why.is_none() => {
                    why = Some(Why::Stopped);
                    timer.as_mut().reset(Instant::now() + self.order.grace);
                    self.ask_to_end().await;
                }
                () = &mut timer => {
                    if killed {
                        break Err("it does not answer".to_owned());
                    } else if why.is_none() {
                        why = Some(Why::TimedOut);
                        timer.as_mut().reset(Instant::now() + self.order.grace);
                        self.ask_to_end().await;
                    } else {
                        killed = true;
                        timer.as_mut().reset(Instant::now() + ANSWER);
                        self.kill().await;
                    }
                }
                // One a second, so that it comes before output of which there is always more.
                () = watch.next() => {}
                chunk = output.next(), if !heard_all => match chunk {
                    Some(Ok(chunk)) => {
                        listener.hear(&chunk);
                        if self.order.save.is_empty() && listener.is_well() {
                            // The driver has nothing left to do but to end.
                            return Ok(success());
                        }
                    }
                    _ => heard_all = true,
                },
                end = ended.next() => break exit_of(end),
            }
        };
        if !heard_all {
            let rest = hear_rest(output, &mut listener);
            let _ = tokio::time::timeout(LAST_OUTPUT, rest).await;
        }
        match exit {
            Ok(exit) => Ok(self.outcome(listener.end(exit), exit, why).await),
            Err(reason) => {
                listener.end(-1);
                let message = format!("the engine has lost the container: {reason}");
                if why == Some(Why::Stopped) {
                    // How a job ended that was stopped is known; that it may run on is not.
                    self.ports.report(JobReport::Warning(message));
                    return Err(canceled(None));
                }
                Err(error(message))
            }
        }
    }

    async fn outcome(&self, last: Last, exit: i64, why: Option<Why>) -> JobOutcome {
        let failure = |message: String| JobOutcome {
            status: JobStatus::Failure,
            exit: Some(exit),
            message: Some(message),
        };
        match why {
            Some(Why::Stopped) => return canceled(Some(exit)),
            Some(Why::TimedOut) => {
                return failure(format!(
                    "timed out after {}",
                    plan::duration(self.order.timeout)
                ));
            }
            None => {}
        }
        let limit = self.plan.memory / (1 << 20);
        if self.ran_out_of_memory().await {
            return failure(format!(
                "out of memory: the job has {limit} MiB (its `memory`, in GB, or `size`)"
            ));
        }
        // Status of what was killed.
        let maybe = if exit == 137 && self.shared.engine.is_podman {
            format!(
                "; maybe it was out of memory, of which the job has {limit} MiB: Podman does not tell"
            )
        } else {
            String::new()
        };
        match last {
            Last::Over if exit == 0 => success(),
            Last::Over => failure(format!(
                "the container ended with exit status {exit}{maybe}"
            )),
            Last::Failed(index) => failure(format!(
                "exit status {exit} in {}{maybe}",
                self.commands.describe(index)
            )),
            Last::CutOff(index) => failure(format!(
                "the container was ended from outside with exit status {exit}, during {}{maybe}",
                self.commands.describe(index)
            )),
            Last::Before(index) => failure(format!(
                "the container ended with exit status {exit}, before {}",
                self.commands.describe(index)
            )),
        }
    }

    /// Tells where the ports of the job are reached.
    async fn tell_ports(&self) {
        if self.plan.ports.is_empty() {
            return;
        }
        let (address, _) = self.shared.engine.published();
        let docker = &self.shared.engine.docker;
        let seen = docker
            .inspect_container(self.id, None::<InspectContainerOptions>)
            .await;
        let Ok(seen) = seen else { return };
        if seen.state.and_then(|state| state.running) != Some(true) {
            // It is over already.
            return;
        }
        let ports = seen.network_settings.and_then(|settings| settings.ports);
        let bindings = ports.unwrap_or_default();
        let published = |port: u16| {
            let bindings = bindings.get(&container::tcp(port))?.as_ref()?;
            let mut ports = bindings.iter().filter_map(|it| it.host_port.as_ref());
            Some((ports.next()?.parse().ok()?, port))
        };
        let ports: Vec<(u16, u16)> = self
            .plan
            .ports
            .iter()
            .copied()
            .filter_map(published)
            .collect();
        if ports.len() < self.plan.ports.len() {
            self.ports.report(JobReport::Warning(
                "expose: the engine has not published all ports of the job".to_owned(),
            ));
        }
        if !ports.is_empty() {
            self.ports.report(JobReport::Exposed { address, ports });
        }
    }

    async fn ran_out_of_memory(&self) -> bool {
        let docker = &self.shared.engine.docker;
        let seen = docker
            .inspect_container(self.id, None::<InspectContainerOptions>)
            .await;
        let state = seen.ok().and_then(|seen| seen.state);
        state.and_then(|state| state.oom_killed).unwrap_or(false)
    }

    /// Why an engine does not start a container, in words that help.
    fn not_started(&self, failed: &Error) -> String {
        let reason = said(failed);
        let image = self.order.job.image.as_deref().unwrap_or_default();
        let missing = reason.contains("no such file") || reason.contains("not found");
        match self.commands {
            Commands::Lines(_) if missing => format!(
                "image {image} has no {}, which a job with a script needs: {reason}",
                container::shell(&self.order.job)
            ),
            _ => format!("the container cannot be started: {reason}"),
        }
    }

    /// Asks everything in the container to end, without the driver, which then tells how.
    async fn ask_to_end(&self) {
        tokio::select! {
            () = self.stop.kill.cancelled() => {}
            // An engine that does not answer is noticed when it is told to kill.
            _ = tokio::time::timeout(ANSWER, self.send_term()) => {}
        }
    }

    async fn send_term(&self) {
        let docker = &self.shared.engine.docker;
        let Commands::Lines(_) = self.commands else {
            // It is the first process itself.
            let options = KillContainerOptionsBuilder::default()
                .signal("TERM")
                .build();
            // One that has just ended needs no signal.
            let _ = docker.kill_container(self.id, Some(options)).await;
            return;
        };
        let line = format!(": >{SCRIPTS}/abort; kill -TERM -1");
        let config = ExecConfig {
            cmd: Some(vec![
                container::shell(&self.order.job),
                "-c".to_owned(),
                line,
            ]),
            // The job's own user may not end what it has started as another one.
            user: Some("0".to_owned()),
            ..ExecConfig::default()
        };
        // Likewise; and what does not hear is killed.
        if let Ok(made) = docker.create_exec(self.id, config).await {
            let options = StartExecOptions {
                detach: true,
                ..StartExecOptions::default()
            };
            let _ = docker.start_exec(&made.id, Some(options)).await;
        }
    }

    async fn kill(&self) {
        let options = KillContainerOptionsBuilder::default()
            .signal("KILL")
            .build();
        let docker = &self.shared.engine.docker;
        let killed = docker.kill_container(self.id, Some(options));
        // Likewise.
        let _ = tokio::time::timeout(ANSWER, killed).await;
    }
}

/// How a container ended. The error is the end of a sentence.
pub(super) fn exit_of(end: Option<Result<ContainerWaitResponse, Error>>) -> Result<i64, String> {
    match end {
        Some(Ok(end)) => Ok(end.status_code),
        Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(said(&error)),
        None => Err("it says no more".to_owned()),
    }
}

async fn hear_rest(
    output: &mut (impl Stream<Item = Result<LogOutput, Error>> + Unpin),
    listener: &mut Listener<'_>,
) {
    while let Some(Ok(chunk)) = output.next().await {
        listener.hear(&chunk);
    }
}
