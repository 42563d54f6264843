//! The host executor against real shells.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;

use crate::archive;
use crate::domain::{BlobKind, Job, JobStatus, Sid};
use crate::ports::{
    BlobError, BlobKey, BlobReader, BlobStore, Executor, JobOrder, JobOutcome, JobPorts, JobReport,
    LogStream, StopToken, Transfer,
};

use super::{HostExecutor, HostOptions, scratch_name};

/// Far beyond what anything here takes on the slowest machine.
const LIMIT: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
struct MemoryBlobs {
    blobs: Mutex<HashMap<BlobKey, Vec<u8>>>,
    /// Reading never ends.
    stuck: bool,
    /// Writing never ends; told when it has begun.
    stuck_writing: Option<Arc<Notify>>,
}

impl BlobStore for MemoryBlobs {
    fn put<'a>(
        &'a self,
        key: &'a BlobKey,
        mut body: BlobReader,
    ) -> BoxFuture<'a, Result<u64, BlobError>> {
        async move {
            if let Some(begun) = &self.stuck_writing {
                begun.notify_one();
                return std::future::pending().await;
            }
            let mut bytes = Vec::new();
            let read = body.read_to_end(&mut bytes).await;
            let size = read.map_err(|source| BlobError::Store {
                action: "write",
                key: key.clone(),
                source,
            })?;
            self.blobs.lock().unwrap().insert(key.clone(), bytes);
            Ok(size as u64)
        }
        .boxed()
    }

    fn remove<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<(), BlobError>> {
        self.blobs.lock().unwrap().remove(key);
        std::future::ready(Ok(())).boxed()
    }

    fn get<'a>(&'a self, key: &'a BlobKey) -> BoxFuture<'a, Result<Option<BlobReader>, BlobError>> {
        if self.stuck {
            let (writer, reader) = tokio::io::duplex(16);
            std::mem::forget(writer);
            let reader: BlobReader = Box::pin(reader);
            return std::future::ready(Ok(Some(reader))).boxed();
        }
        let bytes = self.blobs.lock().unwrap().get(key).cloned();
        let reader = bytes.map(|bytes| Box::pin(std::io::Cursor::new(bytes)) as BlobReader);
        std::future::ready(Ok(reader)).boxed()
    }
}

type Chunk = (LogStream, Option<usize>, Vec<u8>);

#[derive(Debug, Default)]
struct Recorder {
    blobs: Arc<MemoryBlobs>,
    reports: Mutex<Vec<JobReport>>,
    log: Mutex<Vec<Chunk>>,
    changed: Notify,
}

impl JobPorts for Recorder {
    fn report(&self, report: JobReport) {
        self.reports.lock().unwrap().push(report);
        self.changed.notify_one();
    }

    fn log(&self, stream: LogStream, command: Option<usize>, bytes: &[u8]) {
        let entry = (stream, command, bytes.to_vec());
        self.log.lock().unwrap().push(entry);
        self.changed.notify_one();
    }

    fn blobs(&self) -> &dyn BlobStore {
        &*self.blobs
    }
}

impl Recorder {
    fn text(&self, wanted: LogStream) -> String {
        let log = self.log.lock().unwrap();
        let bytes: Vec<u8> = log
            .iter()
            .filter(|(stream, ..)| *stream == wanted)
            .flat_map(|(_, _, bytes)| bytes.clone())
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn out(&self) -> String {
        self.text(LogStream::Out)
    }

    fn of_command(&self, index: usize) -> String {
        let log = self.log.lock().unwrap();
        let bytes: Vec<u8> = log
            .iter()
            .filter(|(_, command, _)| *command == Some(index))
            .flat_map(|(_, _, bytes)| bytes.clone())
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn warnings(&self) -> Vec<String> {
        let reports = self.reports.lock().unwrap();
        let warnings = reports.iter().filter_map(|report| match report {
            JobReport::Warning(text) => Some(text.clone()),
            _ => None,
        });
        warnings.collect()
    }

    fn exits(&self) -> Vec<(usize, i64)> {
        let reports = self.reports.lock().unwrap();
        let exits = reports.iter().filter_map(|report| match report {
            JobReport::CommandEnded { index, exit } => Some((*index, *exit)),
            _ => None,
        });
        exits.collect()
    }

    /// Waits until the job has written something.
    async fn wait_for_out(&self, text: &str) {
        tokio::time::timeout(LIMIT, async {
            while !self.out().contains(text) {
                self.changed.notified().await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{text:?} was never written"));
    }
}

fn keeping(keep: bool) -> HostOptions {
    HostOptions {
        keep,
        ..HostOptions::default()
    }
}

struct Host {
    dir: TempDir,
    executor: HostExecutor,
    blobs: Arc<MemoryBlobs>,
    sid: Sid,
}

impl Host {
    fn new(files: &[(&str, &str)]) -> Self {
        Self::with_options(files, HostOptions::default())
    }

    fn with_options(files: &[(&str, &str)], options: HostOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        for (name, content) in files {
            let path = tree.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let host = Self {
            executor: HostExecutor::new(dir.path().join("scratch"), options),
            blobs: Arc::default(),
            sid: Sid::new("local", "repo", "build-1"),
            dir,
        };
        host.pack_workspace(&tree);
        host
    }

    fn pack_workspace(&self, tree: &Path) {
        let mut archive = Vec::new();
        archive::pack(tree, Path::new(""), &mut archive).unwrap();
        let key = BlobKey::workspace(&self.sid);
        self.blobs.blobs.lock().unwrap().insert(key, archive);
    }

    fn order(&self, id: &str, script: &[&str]) -> JobOrder {
        let mut job = Job::new(id);
        job.script = script.iter().map(|&line| line.to_owned()).collect();
        JobOrder {
            sid: self.sid.clone(),
            job,
            attempt: 1,
            workspace: BlobKey::workspace(&self.sid),
            env: vec![("CI".into(), "true".into())],
            restore: Vec::new(),
            save: Vec::new(),
            timeout: LIMIT,
            grace: LIMIT,
            api: None,
        }
    }

    fn has_artifact(&self, id: &str) -> bool {
        let blobs = self.blobs.blobs.lock().unwrap();
        blobs.contains_key(&BlobKey::artifact(&self.sid, id))
    }

    fn transfer(&self, kind: BlobKind, id: &str, path: &str) -> Transfer {
        Transfer {
            kind,
            id: id.into(),
            path: path.into(),
            key: match kind {
                BlobKind::Artifact => BlobKey::artifact(&self.sid, id),
                BlobKind::Cache => BlobKey::cache(&self.sid, id),
            },
        }
    }

    fn ports(&self) -> Arc<Recorder> {
        Arc::new(Recorder {
            blobs: Arc::clone(&self.blobs),
            ..Recorder::default()
        })
    }

    async fn run(&self, order: JobOrder) -> (JobOutcome, Arc<Recorder>) {
        let ports = self.ports();
        let running = self
            .executor
            .run(order, ports.clone(), StopToken::default());
        (within_limit(running).await, ports)
    }

    async fn script(&self, script: &[&str]) -> (JobOutcome, Arc<Recorder>) {
        self.run(self.order("job", script)).await
    }

    async fn end(&self) {
        within_limit(self.executor.build_ended(&self.sid)).await;
    }

    fn scratch(&self) -> PathBuf {
        self.dir.path().join("scratch")
    }
}

async fn within_limit<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work)
        .await
        .expect("this takes far too long")
}

fn success() -> JobOutcome {
    JobOutcome {
        status: JobStatus::Success,
        exit: Some(0),
        message: None,
    }
}

fn message(outcome: &JobOutcome) -> &str {
    outcome.message.as_deref().unwrap_or_default()
}

/// Tells whether a process can still do anything: one that is on its way out has no memory left.
fn is_alive(pid: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| !command.is_empty())
}

fn entries(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn lines_run_in_order_each_in_a_shell_of_its_own() {
    let host = Host::new(&[("README", "read me\n")]);
    let (outcome, ports) = host
        .script(&[
            "cat README; export GONE=1; cd /",
            "echo two $GONE; pwd >&2; cat README",
            "for i in a b\ndo\n  echo \"$i\"\ndone",
            "-no-option 2>/dev/null || echo dash",
        ])
        .await;
    assert_eq!(outcome, success());
    assert_eq!(ports.out(), "read me\ntwo\nread me\na\nb\ndash\n");
    assert!(ports.text(LogStream::Err).ends_with("/work\n"));
    assert_eq!(ports.of_command(2), "a\nb\n");
    let reports = ports.reports.lock().unwrap().clone();
    let mut expected = vec![JobReport::Started];
    for index in 0..4 {
        expected.push(JobReport::CommandStarted { index });
        expected.push(JobReport::CommandEnded { index, exit: 0 });
    }
    assert_eq!(reports, expected);
}

#[tokio::test]
async fn the_first_line_that_fails_ends_the_job_and_is_named() {
    let host = Host::new(&[]);
    let (outcome, ports) = host
        .script(&["true", "exit 3 # make check", "echo never"])
        .await;
    assert_eq!(
        outcome,
        JobOutcome {
            status: JobStatus::Failure,
            exit: Some(3),
            message: Some("exit status 3 in command 2: exit 3 # make check".into()),
        }
    );
    assert_eq!(ports.exits(), [(0, 0), (1, 3)]);
    assert_eq!(ports.out(), "");
}

#[tokio::test]
async fn a_line_that_dies_of_a_signal_has_the_status_shells_give_it() {
    let host = Host::new(&[]);
    let (outcome, ports) = host.script(&["kill -SEGV $$"]).await;
    assert_eq!(outcome.exit, Some(128 + 11));
    assert_eq!(ports.exits(), [(0, 139)]);
}

#[tokio::test]
async fn a_line_longer_than_an_argument_may_be_runs_too() {
    let host = Host::new(&[]);
    let line = format!("echo {} | wc -c", "x".repeat(300_000));
    let (outcome, ports) = host.script(&["true", &line]).await;
    assert_eq!(outcome, success());
    assert_eq!(ports.out().trim(), "300001");
}

#[tokio::test]
async fn commands_see_the_variables_of_ours_that_are_named() {
    // Cargo sets it for tests, and it is none of those that are always handed on.
    let name = "CARGO_PKG_NAME";
    let ours = std::env::var(name).unwrap();
    for (env, seen) in [(vec![], "none"), (vec![name.to_owned()], ours.as_str())] {
        let options = HostOptions {
            env,
            ..HostOptions::default()
        };
        let host = Host::with_options(&[], options);
        let (_, ports) = host.script(&["echo ${CARGO_PKG_NAME-none}"]).await;
        assert_eq!(ports.out().trim(), seen);
    }
}

#[test]
fn builds_of_one_id_in_two_projects_have_folders_of_their_own() {
    let name = scratch_name(&Sid::new("local", "one", "build-1"));
    assert!(name.starts_with("build-1-"), "{name}");
    assert_eq!(name.len(), "build-1-".len() + 8);
    assert_ne!(name, scratch_name(&Sid::new("local", "two", "build-1")));
}

#[tokio::test]
async fn commands_see_their_environment_and_not_ours() {
    let mut host = Host::new(&[("sub/here", "")]);
    host.executor = HostExecutor::with_env(
        host.scratch(),
        HostOptions::default(),
        vec![("HOME".into(), "/home/me".into())],
    );
    let mut order = host.order("job", &["env", "pwd"]);
    order.job.work_dir = Some("sub".into());
    order.env = [
        ("CI", "true"),
        ("PLAIN", "a b\nc"),
        ("MONKEYCI_WORK_DIR", "the job's own"),
        ("", "nameless"),
        ("A=B", "no name"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let (outcome, ports) = host.run(order).await;
    assert_eq!(outcome, success());
    let out = ports.of_command(0);
    let cwd = ports.of_command(1);
    let work = cwd.strip_suffix("/sub\n").unwrap();
    let root = work.strip_suffix("/work").unwrap();
    for line in [
        "CI=true".to_owned(),
        "HOME=/home/me".into(),
        "PATH=/usr/local/bin:/usr/bin:/bin".into(),
        "PLAIN=a b\nc".into(),
        format!("MONKEYCI_WORK_DIR={work}/sub"),
        format!("MONKEYCI_SCRIPT_DIR={root}/script"),
        format!("MONKEYCI_LOG_DIR={root}/logs"),
        format!("MONKEYCI_START_FILE={root}/script/start"),
        format!("MONKEYCI_ABORT_FILE={root}/script/abort"),
        format!("MONKEYCI_EVENT_FILE={root}/script/events.edn"),
    ] {
        assert!(out.contains(&format!("{line}\n")), "{line} in\n{out}");
    }
    assert!(!out.contains("CARGO"), "{out}");
    assert_eq!(ports.warnings().len(), 2, "{:?}", ports.warnings());
}

#[tokio::test]
async fn a_command_is_run_without_a_shell() {
    let host = Host::new(&[]);
    let mut order = host.order("job", &["echo never"]);
    order.job.entrypoint = vec!["env".into(), "A=1".into()];
    order.job.cmd = vec!["printf".into(), "%s|".into(), "$A".into(), "b c".into()];
    let (outcome, ports) = host.run(order).await;
    assert_eq!(outcome, success());
    assert_eq!(ports.out(), "$A|b c|");
    assert_eq!(ports.exits(), [(0, 0)]);

    let mut order = host.order("job", &[]);
    order.job.cmd = vec!["no-such-program-anywhere".into()];
    let (outcome, _) = host.run(order).await;
    assert_eq!(outcome.status, JobStatus::Error);
    assert!(message(&outcome).contains("no-such-program-anywhere"));

    let (outcome, _) = host.run(host.order("job", &[])).await;
    assert_eq!(outcome.status, JobStatus::Error);
    assert_eq!(message(&outcome), "the job has nothing to run");
}

#[tokio::test]
async fn each_job_has_its_own_copy_of_the_workspace() {
    let host = Host::new(&[("file", "as it was\n"), ("bin/tool", "#!/bin/sh\n")]);
    let first = host.run(host.order("first", &["echo changed > file; rm -r bin"]));
    assert_eq!(first.await.0, success());
    let (outcome, ports) = host
        .run(host.order("second", &["cat file", "ls bin"]))
        .await;
    assert_eq!(outcome, success());
    assert_eq!(ports.out(), "as it was\ntool\n");
}

#[tokio::test]
async fn what_is_ignored_is_said_once() {
    let host = Host::new(&[]);
    let mut order = host.order("job", &["true"]);
    order.job.image = Some("docker.io/gcc:14".into());
    let (_, ports) = host.run(order.clone()).await;
    assert_eq!(
        ports.text(LogStream::System),
        "the host executor ignores image docker.io/gcc:14\n"
    );
    assert_eq!(ports.warnings(), [""; 0]);

    order.job.extra.insert_kw("memory", 4_i64);
    order.job.extra.insert_kw("cpus", 2_i64);
    let (_, ports) = host.run(order).await;
    assert_eq!(
        ports.text(LogStream::System),
        "the host executor ignores image docker.io/gcc:14, cpus and memory\n"
    );
    assert_eq!(
        ports.warnings(),
        ["the host executor ignores cpus and memory"]
    );
}

#[tokio::test]
async fn a_work_dir_must_be_a_folder_of_the_workspace() {
    let host = Host::new(&[("file", "")]);
    for (dir, reason) in [
        ("../..", "leads out of the workspace"),
        ("/etc", "leads out of the workspace"),
        ("missing", "does not exist in the workspace"),
        ("file", "is not a directory"),
    ] {
        let mut order = host.order("job", &["true"]);
        order.job.work_dir = Some(dir.into());
        let (outcome, _) = host.run(order).await;
        assert_eq!(outcome.status, JobStatus::Error, "{dir}");
        assert_eq!(message(&outcome), format!("work-dir {dir:?} {reason}"));
    }
}

#[tokio::test]
async fn a_work_dir_that_is_a_link_to_elsewhere_is_refused() {
    let host = Host::new(&[]);
    let tree = host.dir.path().join("tree");
    std::os::unix::fs::symlink("/etc", tree.join("link")).unwrap();
    host.pack_workspace(&tree);
    let mut order = host.order("job", &["true"]);
    order.job.work_dir = Some("link".into());
    let (outcome, _) = host.run(order).await;
    assert_eq!(
        message(&outcome),
        "work-dir \"link\" leads out of the workspace"
    );
}

#[tokio::test]
async fn a_missing_workspace_is_the_jobs_error() {
    let host = Host::new(&[]);
    host.blobs.blobs.lock().unwrap().clear();
    let (outcome, _) = host.script(&["true"]).await;
    assert_eq!(outcome.status, JobStatus::Error);
    assert!(message(&outcome).contains("workspace"));
}

// ---------------------------------------------------------------- artifacts and caches

#[tokio::test]
async fn artifacts_and_caches_travel_from_job_to_job() {
    let host = Host::new(&[("sub/x", "")]);
    let mut order = host.order(
        "make",
        &["mkdir -p out/deep cache; echo report > out/deep/r; echo one > single; echo c > cache/c"],
    );
    order.job.work_dir = Some("sub".into());
    order.save = vec![
        host.transfer(BlobKind::Artifact, "out", "out"),
        host.transfer(BlobKind::Artifact, "single", "single"),
        host.transfer(BlobKind::Cache, "c", "../sub/cache"),
    ];
    let (outcome, ports) = host.run(order).await;
    assert_eq!(outcome, success());
    let saved: Vec<(String, bool)> = ports
        .reports
        .lock()
        .unwrap()
        .iter()
        .filter_map(|report| match report {
            JobReport::Saved { transfer, size } => Some((transfer.id.clone(), *size > 0)),
            _ => None,
        })
        .collect();
    assert_eq!(
        saved,
        [
            ("out".into(), true),
            ("single".into(), true),
            ("c".into(), true)
        ]
    );

    let mut order = host.order(
        "use",
        &["find a b cache -type f | sort; cat a/deep/r b/single"],
    );
    order.restore = vec![
        host.transfer(BlobKind::Cache, "c", "cache"),
        host.transfer(BlobKind::Cache, "never", "nowhere"),
        host.transfer(BlobKind::Artifact, "out", "a"),
        host.transfer(BlobKind::Artifact, "single", "./b"),
        host.transfer(BlobKind::Artifact, "unknown", "u"),
    ];
    let (outcome, ports) = host.run(order).await;
    assert_eq!(outcome, success(), "{}", ports.text(LogStream::Err));
    assert_eq!(ports.out(), "a/deep/r\nb/single\ncache/c\nreport\none\n");
    assert_eq!(
        ports.warnings(),
        ["artifact \"unknown\" cannot be restored: it was never saved"]
    );
}

#[tokio::test]
async fn a_successful_job_that_left_no_artifact_fails_and_a_failed_one_is_warned_of() {
    let host = Host::new(&[]);
    let save = vec![
        host.transfer(BlobKind::Artifact, "x", "out/x"),
        host.transfer(BlobKind::Artifact, "there", "there"),
        host.transfer(BlobKind::Cache, "c", "cache"),
    ];
    let mut order = host.order("job", &["echo > there"]);
    order.save = save.clone();
    let (outcome, ports) = host.run(order).await;
    assert_eq!(outcome.status, JobStatus::Failure);
    assert_eq!(message(&outcome), "artifact \"x\": nothing at path out/x");
    assert_eq!(
        ports.warnings(),
        ["cache \"c\": nothing at path cache"],
        "the cache is only warned of"
    );
    assert!(
        host.blobs.blobs.lock().unwrap().contains_key(&save[1].key),
        "the others are saved all the same"
    );

    let mut order = host.order("job", &["false"]);
    order.save = save;
    let (outcome, ports) = host.run(order).await;
    assert_eq!(message(&outcome), "exit status 1 in command 1: false");
    assert_eq!(ports.warnings().len(), 3);
}

#[tokio::test]
async fn artifacts_outside_the_workspace_are_refused_before_anything_runs() {
    let host = Host::new(&[]);
    for path in ["/etc/passwd", "../../x", "a/../../x"] {
        let mut order = host.order("job", &["true"]);
        order.save = vec![host.transfer(BlobKind::Artifact, "x", path)];
        let (outcome, ports) = host.run(order).await;
        assert_eq!(outcome.status, JobStatus::Error);
        assert_eq!(
            message(&outcome),
            format!("artifact \"x\": the path {path:?} leads out of the workspace")
        );
        assert!(ports.reports.lock().unwrap().is_empty());
    }
    let mut order = host.order("job", &["true"]);
    order.save = vec![host.transfer(BlobKind::Cache, "m2", "/root/.m2")];
    order.restore = order.save.clone();
    let (outcome, ports) = host.run(order).await;
    assert_eq!(outcome, success());
    assert_eq!(ports.warnings().len(), 2);
}

#[tokio::test]
async fn links_out_of_the_workspace_are_followed_by_no_artifact() {
    let host = Host::new(&[]);
    let outside = host.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let link = format!("ln -s {} link", outside.display());
    let mut order = host.order("job", &[&link]);
    order.save = vec![host.transfer(BlobKind::Artifact, "x", "link")];
    let (outcome, _) = host.run(order).await;
    assert_eq!(outcome.status, JobStatus::Failure);
    assert!(message(&outcome).contains("leads out of the workspace"));

    let mut order = host.order("job", &["echo > file"]);
    order.save = vec![host.transfer(BlobKind::Artifact, "x", ".")];
    assert_eq!(host.run(order).await.0, success());
    let tree = host.dir.path().join("tree");
    std::os::unix::fs::symlink(&outside, tree.join("link")).unwrap();
    host.executor.build_ended(&host.sid).await;
    host.pack_workspace(&tree);
    let mut order = host.order("job", &["true"]);
    order.restore = vec![host.transfer(BlobKind::Artifact, "x", "link/deeper")];
    let (outcome, _) = host.run(order).await;
    assert_eq!(outcome.status, JobStatus::Error);
    assert_eq!(entries(&outside), [""; 0]);
}

// ---------------------------------------------------------------- ends

/// Runs a job in the background.
fn start(
    host: &Host,
    order: JobOrder,
) -> (
    Arc<Recorder>,
    StopToken,
    tokio::task::JoinHandle<JobOutcome>,
) {
    let ports = host.ports();
    let stop = StopToken::default();
    let running = host.executor.run(order, ports.clone(), stop.clone());
    (ports, stop, tokio::spawn(running))
}

const DEAF: &str = "trap '' TERM; echo ready; while true; do sleep 0.05; done";

#[tokio::test]
async fn a_job_that_is_stopped_may_clean_up_and_saves_what_it_has() {
    let host = Host::new(&[]);
    let mut order = host.order(
        "job",
        &[
            "trap 'echo bye | tee said; exit 0' TERM; echo ready; while true; do sleep 0.01; done",
            "echo never",
        ],
    );
    order.save = vec![
        host.transfer(BlobKind::Artifact, "x", "said"),
        host.transfer(BlobKind::Artifact, "y", "nothing"),
    ];
    let (ports, stop, running) = start(&host, order);
    ports.wait_for_out("ready").await;
    stop.stop.cancel();
    let outcome = within_limit(running).await.unwrap();
    assert_eq!(outcome.status, JobStatus::Canceled);
    assert_eq!(ports.out(), "ready\nbye\n");
    assert_eq!(ports.exits(), [(0, 0)]);
    assert!(host.has_artifact("x"));
    assert!(!host.has_artifact("y"));
    assert!(ports.warnings().is_empty(), "{:?}", ports.warnings());
}

#[tokio::test]
async fn a_job_that_is_to_end_at_once_saves_nothing_and_says_so() {
    let host = Host::new(&[]);
    let mut order = host.order("job", &[DEAF]);
    order.save = vec![host.transfer(BlobKind::Artifact, "x", ".")];
    let (ports, stop, running) = start(&host, order);
    ports.wait_for_out("ready").await;
    stop.stop.cancel();
    stop.kill.cancel();
    let outcome = within_limit(running).await.unwrap();
    assert_eq!(outcome.status, JobStatus::Canceled);
    assert!(!host.has_artifact("x"));
    assert_eq!(
        ports.warnings(),
        ["not all of it is saved: the job was to end at once"]
    );
}

#[tokio::test]
async fn what_a_stopped_job_saves_may_not_take_for_ever() {
    let begun = Arc::new(Notify::new());
    let mut host = Host::new(&[]);
    let there = std::mem::take(&mut *host.blobs.blobs.lock().unwrap());
    host.blobs = Arc::new(MemoryBlobs {
        blobs: Mutex::new(there),
        stuck_writing: Some(Arc::clone(&begun)),
        ..MemoryBlobs::default()
    });
    let mut order = host.order("job", &["echo >x"]);
    order.save = vec![host.transfer(BlobKind::Artifact, "x", "x")];
    let (ports, stop, running) = start(&host, order);
    within_limit(begun.notified()).await;
    stop.stop.cancel();
    tokio::task::yield_now().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    let outcome = running.await.unwrap();
    assert_eq!(outcome.status, JobStatus::Canceled);
    assert_eq!(
        ports.warnings(),
        ["not all of it is saved: the job was stopped, and it took more than 30 s"]
    );
}

#[tokio::test]
async fn a_background_process_of_a_stopped_job_may_clean_up_too() {
    let host = Host::new(&[]);
    let line =
        "(trap 'sleep 0.2; echo bye' TERM; echo ready; while true; do sleep 0.01; done) & wait";
    let mut order = host.order("job", &[line]);
    order.grace = Duration::from_secs(2);
    let (ports, stop, running) = start(&host, order);
    ports.wait_for_out("ready").await;
    stop.stop.cancel();
    let outcome = within_limit(running).await.unwrap();
    assert_eq!(outcome.status, JobStatus::Canceled);
    assert!(ports.out().contains("bye"), "{}", ports.out());
}

#[tokio::test]
async fn a_job_deaf_to_term_is_killed_after_the_grace_time() {
    let host = Host::new(&[]);
    let mut order = host.order("job", &[DEAF]);
    order.grace = Duration::from_millis(100);
    let (ports, stop, running) = start(&host, order);
    ports.wait_for_out("ready").await;
    let asked = Instant::now();
    stop.stop.cancel();
    let outcome = within_limit(running).await.unwrap();
    assert!(asked.elapsed() >= Duration::from_millis(100));
    assert_eq!(outcome.status, JobStatus::Canceled);
    assert_eq!(ports.exits(), [(0, 137)]);
}

#[tokio::test]
async fn the_hammer_does_not_wait_for_the_grace_time() {
    let host = Host::new(&[]);
    for stop_first in [true, false] {
        let (ports, stop, running) = start(&host, host.order("job", &[DEAF]));
        ports.wait_for_out("ready").await;
        if stop_first {
            stop.stop.cancel();
        }
        stop.kill.cancel();
        let outcome = running.await.unwrap();
        assert_eq!(outcome.status, JobStatus::Canceled);
        assert_eq!(ports.exits(), [(0, 137)]);
    }
}

#[tokio::test]
async fn a_job_over_its_time_fails_and_says_so() {
    let host = Host::new(&[]);
    for (line, exit) in [("sleep 100", 143), (DEAF, 137)] {
        let mut order = host.order("job", &[line]);
        order.timeout = Duration::from_millis(200);
        order.grace = Duration::from_millis(100);
        order.save = vec![host.transfer(BlobKind::Artifact, "log", ".")];
        let (outcome, ports) = host.run(order).await;
        assert_eq!(
            outcome,
            JobOutcome {
                status: JobStatus::Failure,
                exit: Some(exit),
                message: Some("timed out after 0.2 s".into()),
            }
        );
        let saved = |report: &JobReport| matches!(report, JobReport::Saved { .. });
        assert!(ports.reports.lock().unwrap().iter().any(saved));
    }
}

#[tokio::test]
async fn the_time_limit_is_the_jobs_and_not_each_commands() {
    let host = Host::new(&[]);
    let mut order = host.order("job", &["sleep 0.2"; 50]);
    order.timeout = Duration::from_millis(500);
    let (outcome, _) = host.run(order).await;
    assert_eq!(message(&outcome), "timed out after 0.5 s");
}

#[tokio::test]
async fn a_stopped_process_is_woken_to_be_ended() {
    let host = Host::new(&[]);
    let line = "sh -c 'kill -STOP $$' & echo ready; wait";
    let (ports, stop, running) = start(&host, host.order("job", &[line]));
    ports.wait_for_out("ready").await;
    stop.stop.cancel();
    let outcome = within_limit(running).await.unwrap();
    assert_eq!(outcome.status, JobStatus::Canceled);
}

#[tokio::test]
async fn a_job_can_be_stopped_while_its_workspace_is_on_the_way() {
    let mut host = Host::new(&[]);
    host.blobs = Arc::new(MemoryBlobs {
        stuck: true,
        ..MemoryBlobs::default()
    });
    let (_, stop, running) = start(&host, host.order("job", &["true"]));
    stop.stop.cancel();
    let outcome = within_limit(running).await.unwrap();
    assert_eq!(outcome.status, JobStatus::Canceled);
    host.end().await;
    assert_eq!(entries(&host.scratch()), [""; 0]);
}

// ---------------------------------------------------------------- nothing stays behind

/// Each prints the id of a process that would live on, and goes on.
const ORPHANS: [&str; 4] = [
    "sleep 1000 & echo $!",
    "nohup sleep 1000 >/dev/null 2>&1 & echo $!",
    "setsid sleep 1000 >/dev/null 2>&1 & echo $!",
    "setsid sh -c 'trap \"\" TERM HUP; echo $$; exec sleep 1000 2>/dev/null' & sleep 0.2",
];

#[tokio::test]
async fn nothing_of_a_job_outlives_it() {
    for orphan in ORPHANS {
        for last in ["true", "false"] {
            let host = Host::new(&[]);
            let (outcome, ports) = host.script(&[orphan, last]).await;
            assert_eq!(outcome.exit, Some(i64::from(last == "false")));
            let pid = ports.out().trim().to_owned();
            assert!(pid.parse::<u32>().is_ok(), "{pid:?}");
            assert!(!is_alive(&pid), "{orphan}");
            assert_eq!(ports.warnings(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn nothing_of_a_job_outlives_its_future() {
    for orphan in ORPHANS {
        let host = Host::new(&[]);
        let line = format!("{orphan}; echo $$ ready; {DEAF}");
        let ports = host.ports();
        let running = host.executor.run(
            host.order("job", &[&line]),
            ports.clone(),
            StopToken::default(),
        );
        tokio::select! {
            _ = running => panic!("the job never ends"),
            () = ports.wait_for_out("ready") => {}
        }
        // `select!` has dropped it.
        let out = ports.out();
        let pids: Vec<&str> = out
            .lines()
            .filter_map(|line| line.split(' ').next()?.parse::<u32>().ok().map(|_| line))
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert!(pids.len() >= 2, "{out}");
        for pid in pids {
            let deadline = Instant::now() + LIMIT;
            while is_alive(pid) {
                assert!(Instant::now() < deadline, "{orphan} lives on");
                tokio::task::yield_now().await;
            }
        }
        host.end().await;
        assert_eq!(entries(&host.scratch()), [""; 0]);
    }
}

#[tokio::test]
async fn what_a_command_leaves_in_the_background_is_there_for_the_next() {
    let host = Host::new(&[]);
    let (outcome, ports) = host
        .script(&[
            "mkfifo pipe; (read word < pipe; echo \"served $word\"; sleep 1000) & echo $! > pid",
            "kill -0 $(cat pid) && echo tea > pipe && cat pid",
            "sleep 0.1",
        ])
        .await;
    assert_eq!(outcome, success());
    assert_eq!(ports.of_command(0), "served tea\n");
    assert!(!is_alive(ports.of_command(1).trim()));
}

#[tokio::test]
async fn a_flood_is_logged_to_its_last_byte() {
    let host = Host::new(&[]);
    let (outcome, ports) = host
        .script(&["yes 0123456789 | head -c 20000000; echo end >&2"])
        .await;
    assert_eq!(outcome, success());
    assert_eq!(ports.out().len(), 20_000_000);
    assert_eq!(ports.text(LogStream::Err), "end\n");
}

#[tokio::test]
async fn folders_are_gone_when_the_build_is_over_unless_they_are_kept() {
    for keep in [false, true] {
        let host = Host::with_options(&[("file", "")], keeping(keep));
        let lock_up = "mkdir -p a/b; touch a/b/c; chmod 500 a/b a";
        host.script(&["true", lock_up]).await;
        host.end().await;
        assert_eq!(
            entries(&host.scratch()),
            if keep {
                vec![scratch_name(&host.sid)]
            } else {
                vec![]
            }
        );
        if keep {
            let jobs = host.scratch().join(scratch_name(&host.sid)).join("jobs");
            assert_eq!(entries(&jobs), ["job-1"]);
            assert_eq!(entries(&jobs.join("job-1/work")), ["a", "file"]);
        }
    }
}

#[tokio::test]
async fn no_id_leads_out_of_the_scratch_folder() {
    let host = Host::with_options(&[], keeping(true));
    let long = "x".repeat(5000);
    let ids = [
        "..",
        ".",
        "",
        "../../escape",
        "/etc/passwd",
        "a b",
        "émoji 🐒",
        "new\nline",
        "a",
        "A",
        &long,
    ];
    for id in ids {
        let (outcome, ports) = host.run(host.order(id, &["pwd", "echo > here"])).await;
        assert_eq!(outcome, success(), "{id:?}");
        let jobs = host.scratch().canonicalize().unwrap();
        let jobs = jobs.join(scratch_name(&host.sid)).join("jobs");
        let cwd = PathBuf::from(ports.out().trim());
        assert_eq!(cwd.parent().unwrap().parent().unwrap(), jobs, "{id:?}");
    }
    assert_eq!(
        entries(&host.scratch().join(scratch_name(&host.sid)).join("jobs")).len(),
        ids.len()
    );
    assert_eq!(entries(host.dir.path()), ["scratch", "tree"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_jobs_at_once_do_not_mix() {
    let host = Host::new(&[("file", "x\n")]);
    let mut running = Vec::new();
    for number in 0..200 {
        let id = format!("job {number}");
        let line = format!("echo {number} >> file; cat file");
        running.push((number, start(&host, host.order(&id, &[&line, "true"]))));
    }
    for (number, (ports, _, running)) in running {
        assert_eq!(within_limit(running).await.unwrap(), success());
        assert_eq!(ports.out(), format!("x\n{number}\n"));
    }
    host.end().await;
    assert_eq!(entries(&host.scratch()), [""; 0]);
}

#[tokio::test]
async fn an_archive_that_breaks_off_never_takes_the_place_of_a_whole_one() {
    let host = Host::new(&[]);
    let cache = host.transfer(BlobKind::Cache, "c", "cache");
    let mut order = host.order("job", &["mkdir cache; echo good > cache/file"]);
    order.save = vec![cache.clone()];
    assert_eq!(host.run(order.clone()).await.0, success());
    let good = host.blobs.blobs.lock().unwrap()[&cache.key].clone();

    let done = super::transfer::packed_for_tests(b"half an arch", Err("the disk broke".into()));
    let put = host.blobs.put(&cache.key, done).await;
    assert!(put.is_err());
    let now = host.blobs.blobs.lock().unwrap()[&cache.key].clone();
    assert_eq!(now, good);
}

#[tokio::test]
async fn a_job_that_may_use_the_api_finds_its_token_in_a_file_of_its_own() {
    let host = Host::with_options(&[], keeping(true));
    let mut order = host.order(
        "job",
        &[
            "cat \"$MONKEYCI_API_TOKEN_FILE\"; echo",
            "ls -l \"$MONKEYCI_API_TOKEN_FILE\" | cut -c1-10",
            "echo $MONKEYCI_API_URL $MONKEYCI_API_SOCKET",
            "env | grep -c t0k3n || true; ls -A",
        ],
    );
    order.api = Some(crate::ports::JobApi {
        url: Some("http://127.0.0.1:1".to_owned()),
        socket: "/run/api.sock".to_owned(),
        token: "t0k3n".into(),
    });
    let (outcome, ports) = host.run(order).await;
    assert_eq!(outcome, success());
    assert_eq!(
        ports.out(),
        "t0k3n\n-rw-------\nhttp://127.0.0.1:1 /run/api.sock\n0\n"
    );
    // Not even in folders that are kept.
    host.end().await;
    let jobs = host
        .scratch()
        .join(&entries(&host.scratch())[0])
        .join("jobs");
    let kept = jobs.join(&entries(&jobs)[0]);
    assert_eq!(entries(&kept), ["logs", "script", "work"]);

    let (_, ports) = host.script(&["env | grep MONKEYCI_API || true"]).await;
    assert_eq!(ports.out(), "");
}
