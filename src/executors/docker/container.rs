//! What an order comes to as a container: its image, processes, limits, ports. Pure, but for
//! looking where mounts lead.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};

use crate::domain::Job;
use crate::edn::Value;
use crate::executors::plan::Commands;
use crate::ports::JobOrder;

/// Where the checkout is inside (containers.md §1).
pub(super) const WORK: &str = "/home/monkeyci";
/// Where the lines of the script are.
pub(super) const SCRIPTS: &str = "/opt/monkeyci/script";
/// Where `MONKEYCI_LOG_DIR` points.
pub(super) const LOGS: &str = "/opt/monkeyci/logs";
/// The job's key to the script API.
pub(super) const TOKEN: &str = "/opt/monkeyci/api-token";
/// The script API's socket.
pub(super) const SOCKET: &str = "/opt/monkeyci/api.sock";

/// The program that [`SCRIPTS`] are run with.
const DRIVER: &str = include_str!("driver.sh");

/// On everything that is made: the build.
pub(super) const BUILD_LABEL: &str = "dev.monkeyci-tui.build";
/// On everything that goes with the run of this program that made it.
pub(super) const OWNER_LABEL: &str = "dev.monkeyci-tui.owner";
/// On everything that is made: the job.
pub(super) const JOB_LABEL: &str = "dev.monkeyci-tui.job";

/// What a container is made of, besides its order.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    /// The folder that is built; mounts lead nowhere else. `None` where the engine sees other
    /// files than we do.
    pub(super) checkout: Option<&'a Path>,
    /// Other folders that mounts may lead into.
    pub(super) mountable: &'a [PathBuf],
    /// The engine's processors, if it tells.
    pub(super) cpus: Option<i64>,
    /// Who removes what is left; `None` for what is to be kept.
    pub(super) owner: Option<&'a str>,
    /// The address that ports are published on.
    pub(super) publish: &'a str,
    /// Tells the driver's words from those of commands.
    pub(super) mark: &'a str,
    /// Variables that every job has, unless it says otherwise.
    pub(super) env: &'a [(String, String)],
}

/// A container to be.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) body: ContainerCreateBody,
    /// `linux/arm64`, or what the engine prefers.
    pub(super) platform: Option<String>,
    /// The ports of the job that are to be reached.
    pub(super) ports: Vec<u16>,
    /// In bytes.
    pub(super) memory: i64,
    /// What is not as the job wants it.
    pub(super) warnings: Vec<String>,
}

/// What people see in `docker ps`: the build and the job, and something that makes it the only one.
pub(super) fn name(order: &JobOrder) -> String {
    let plain = |text: &str| -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        text.chars().take(40).map(letter).collect()
    };
    let unique = super::random_id();
    format!(
        "monkeyci-{}-{}-{}",
        plain(&order.sid.build),
        plain(order.job.id.as_str()),
        &unique[..8]
    )
}

/// The shell that runs a job's lines.
pub(super) fn shell(job: &Job) -> String {
    match job.extra("shell") {
        Some(Value::Str(shell)) if !shell.is_empty() => shell.clone(),
        _ => "/bin/sh".to_owned(),
    }
}

/// Where the job works, inside.
pub(super) fn work_dir(dir: &Path) -> String {
    Path::new(WORK)
        .join(dir)
        .to_string_lossy()
        .trim_end_matches('/')
        .to_owned()
}

/// What a job's container is. The error names the property that stands against it.
pub(super) fn plan(
    order: &JobOrder,
    commands: &Commands,
    dir: &Path,
    around: &Surroundings<'_>,
) -> Result<Plan, String> {
    let job = &order.job;
    let image = job.image.clone().ok_or("the job names no image")?;
    if image.trim().is_empty() || image.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(format!("the image {image:?} is no image's name"));
    }
    let mut warnings = Vec::new();
    if order.api.is_some() && around.checkout.is_none() {
        warnings.push(
            "api: the engine runs on another machine, from which the script API is not reached"
                .to_owned(),
        );
    }
    let ports = ports(job)?;
    let (cpus, memory) = limits(job, around.cpus, &mut warnings)?;
    let cwd = work_dir(dir);
    let (entrypoint, cmd) = match commands {
        Commands::Lines(lines) => {
            let shell = shell(job);
            let words = [DRIVER, "job", around.mark, &shell, SCRIPTS, &cwd];
            let mut cmd: Vec<String> = vec!["-c".to_owned()];
            cmd.extend(words.map(str::to_owned));
            cmd.push(lines.len().to_string());
            (Some(vec![shell]), cmd)
        }
        Commands::Program(_) => {
            let entrypoint = (!job.entrypoint.is_empty()).then(|| job.entrypoint.clone());
            let args = strings(job.extra("container/args"));
            (entrypoint, job.cmd.iter().cloned().chain(args).collect())
        }
    };
    if matches!(commands, Commands::Program(_)) && !job.script.is_empty() {
        warnings.push("the script is not run: `cmd` or `entrypoint` is given".to_owned());
    }
    let mut labels = HashMap::from([
        (BUILD_LABEL.to_owned(), order.sid.to_string()),
        (JOB_LABEL.to_owned(), job.id.to_string()),
    ]);
    if let Some(owner) = around.owner {
        labels.insert(OWNER_LABEL.to_owned(), owner.to_owned());
    }
    let binding = || {
        Some(vec![PortBinding {
            host_ip: Some(around.publish.to_owned()),
            // One that is free, says the engine.
            host_port: Some(String::new()),
        }])
    };
    let host_config = HostConfig {
        nano_cpus: Some(cpus),
        memory: Some(memory),
        binds: Some(binds(order, around)?),
        port_bindings: Some(ports.iter().map(|port| (tcp(*port), binding())).collect()),
        ..HostConfig::default()
    };
    let body = ContainerCreateBody {
        image: Some(image),
        entrypoint,
        cmd: (!cmd.is_empty()).then_some(cmd),
        env: Some(environment(order, around.env, &cwd, &mut warnings)),
        working_dir: Some(match commands {
            // The driver goes where it is to be; the engine would make what is not there.
            Commands::Lines(_) => WORK.to_owned(),
            Commands::Program(_) => cwd,
        }),
        exposed_ports: Some(ports.iter().map(|port| tcp(*port)).collect()),
        labels: Some(labels),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host_config),
        ..ContainerCreateBody::default()
    };
    Ok(Plan {
        body,
        platform: platform(job)?,
        ports,
        memory,
        warnings,
    })
}

/// How the engine calls a port.
pub(super) fn tcp(port: u16) -> String {
    format!("{port}/tcp")
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(elements)
        .unwrap_or_default()
        .iter()
        .filter_map(word)
        .collect()
}

fn elements(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Vector(items) | Value::List(items) => Some(items),
        _ => None,
    }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.clone()),
        Value::Keyword(keyword) => Some(keyword.name().to_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

fn ports(job: &Job) -> Result<Vec<u16>, String> {
    let Some(value) = job.extra("expose") else {
        return Ok(Vec::new());
    };
    let items = elements(value).unwrap_or(std::slice::from_ref(value));
    let mut ports = Vec::new();
    for item in items {
        let port = word(item)
            .and_then(|text| text.parse().ok())
            .filter(|port| *port != 0)
            .ok_or_else(|| format!("expose: {item} is no port"))?;
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    Ok(ports)
}

/// Nanoseconds of processor time a second, and bytes of memory (scripts.md §3.3).
fn limits(job: &Job, there: Option<i64>, warnings: &mut Vec<String>) -> Result<(i64, i64), String> {
    const GB: f64 = (1_u64 << 30) as f64;
    let number = |key: &str| match job.extra(key) {
        None | Some(Value::Nil) => Ok(None),
        Some(value) => word(value)
            .and_then(|text| text.parse::<f64>().ok())
            .filter(|number| *number > 0.0 && *number <= 4096.0)
            .map(Some)
            .ok_or_else(|| format!("{key}: {value} is no amount of it")),
    };
    let (cpus, memory) = match number("size")? {
        Some(size) => (size, 2.0 * size),
        None => (
            number("cpus")?.unwrap_or(1.0),
            number("memory")?.unwrap_or(2.0),
        ),
    };
    let mut nanos = (cpus * 1e9) as i64;
    if let Some(there) = there
        && nanos > there.saturating_mul(1_000_000_000)
    {
        warnings.push(format!("the engine has {there} cpus, the job wants {cpus}"));
        nanos = there * 1_000_000_000;
    }
    Ok((nanos, (memory * GB) as i64))
}

fn platform(job: &Job) -> Result<Option<String>, String> {
    if let Some(platform) = job.extra("container/platform").and_then(word) {
        return Ok(Some(platform));
    }
    match job.extra("arch") {
        None | Some(Value::Nil) => Ok(None),
        Some(value) => match word(value).as_deref() {
            Some("amd" | "amd64") => Ok(Some("linux/amd64".to_owned())),
            Some("arm" | "arm64") => Ok(Some("linux/arm64".to_owned())),
            _ => Err(format!("arch: {value} is not known; there are amd and arm")),
        },
    }
}

fn binds(order: &JobOrder, around: &Surroundings<'_>) -> Result<Vec<String>, String> {
    let mut binds = Vec::new();
    let mounts = order
        .job
        .extra("container/mounts")
        .or_else(|| order.job.extra("mounts"));
    for mount in mounts.and_then(elements).unwrap_or_default() {
        let pair = strings(Some(mount));
        let [from, to] = &pair[..] else {
            return Err(format!("mounts: {mount} is no pair of paths"));
        };
        let checkout = around
            .checkout
            .ok_or("mounts: the engine runs on another machine")?;
        let real = real_path(checkout, around.mountable, from).ok_or_else(|| {
            format!(
                "mounts: {from} is not inside the checkout, nor in a folder that --allow-mount names"
            )
        })?;
        let real = real.to_string_lossy().into_owned();
        if !to.starts_with('/') || [&real, to].iter().any(|path| path.contains(':')) {
            return Err(format!("mounts: {from} cannot be mounted at {to}"));
        }
        binds.push(format!("{real}:{to}"));
    }
    if let (Some(api), Some(_)) = (&order.api, around.checkout) {
        binds.push(format!("{}:{SOCKET}", api.socket));
    }
    Ok(binds)
}

/// Where a path really leads, if that is inside the checkout or one of the other folders.
fn real_path(checkout: &Path, others: &[PathBuf], path: &str) -> Option<PathBuf> {
    let checkout = checkout.canonicalize().ok()?;
    let real = checkout.join(path).canonicalize().ok()?;
    let others = others.iter().filter_map(|other| other.canonicalize().ok());
    std::iter::once(checkout)
        .chain(others)
        .any(|folder| real.starts_with(folder))
        .then_some(real)
}

/// How the names of variables begin that hold lines of a script.
const LINE: &str = "MONKEYCI_TUI_LINE_";

/// The most that lines may take as variables, in bytes: systems have limits for them.
const MOST_OF_LINES: usize = 32 * 1024;

/// Hands the lines of a script to the driver as variables, so that nothing has to be copied into the
/// container; false when they are too long for that.
pub(super) fn hand_over(lines: &[String], body: &mut ContainerCreateBody) -> bool {
    let size: usize = lines.iter().map(|line| line.len() + LINE.len() + 8).sum();
    if size > MOST_OF_LINES || lines.iter().any(|line| line.contains('\0')) {
        return false;
    }
    let variables = lines.iter().enumerate();
    let variables = variables.map(|(at, line)| format!("{LINE}{at}={line}"));
    body.env.get_or_insert_default().extend(variables);
    true
}

/// Takes the lines of a script out of an environment.
pub(super) fn without_lines(env: &mut Vec<String>) {
    env.retain(|variable| !variable.starts_with(LINE));
}

/// Takes away the script API's socket, which the container's user could not open.
pub(super) fn without_socket(body: &mut ContainerCreateBody) {
    if let Some(binds) = body.host_config.as_mut().and_then(|it| it.binds.as_mut()) {
        let end = format!(":{SOCKET}");
        binds.retain(|bind| !bind.ends_with(&end));
    }
    if let Some(env) = &mut body.env {
        env.retain(|variable| !variable.starts_with("MONKEYCI_API_SOCKET="));
    }
}

/// Whether a way leads to the script API.
pub(super) fn reaches_api(body: &ContainerCreateBody) -> bool {
    let ways = ["MONKEYCI_API_SOCKET=", "MONKEYCI_API_URL="];
    let env = body.env.iter().flatten();
    env.into_iter()
        .any(|variable| ways.iter().any(|way| variable.starts_with(way)))
}

/// The variables of all jobs, the job's own, then what is fixed (containers.md §2.2).
fn environment(
    order: &JobOrder,
    all: &[(String, String)],
    cwd: &str,
    warnings: &mut Vec<String>,
) -> Vec<String> {
    let mut env = Vec::new();
    let is_own = |name: &String| order.env.iter().any(|(own, _)| own == name);
    let all = all.iter().filter(|(name, _)| !is_own(name));
    for (name, value) in all.chain(&order.env) {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            warnings.push(format!(
                "the variable {name:?} is left out: no program could read it"
            ));
        } else {
            env.push(format!("{name}={value}"));
        }
    }
    env.extend([
        format!("MONKEYCI_WORK_DIR={cwd}"),
        format!("MONKEYCI_SCRIPT_DIR={SCRIPTS}"),
        format!("MONKEYCI_LOG_DIR={LOGS}"),
        format!("MONKEYCI_START_FILE={SCRIPTS}/start"),
        format!("MONKEYCI_ABORT_FILE={SCRIPTS}/abort"),
        format!("MONKEYCI_EVENT_FILE={SCRIPTS}/events.edn"),
    ]);
    if let Some(api) = &order.api {
        env.extend(api.url.iter().map(|url| format!("MONKEYCI_API_URL={url}")));
        env.push(format!("MONKEYCI_API_SOCKET={SOCKET}"));
        env.push(format!("MONKEYCI_API_TOKEN_FILE={TOKEN}"));
    }
    env
}
