use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{broadcast, watch};

use crate::domain::{Build, BuildStatus, EventKind, JobId, JobStatus, LogId, Sid, TuiEvent};
use crate::edn::{self, Map, Value};
use crate::journal::Journal;
use crate::journal::tests::on_a_full_disk;
use crate::logs::{LogPaths, LogReader};
use crate::ports::{BuildSource, Control, SourceItem, SystemClock};

use super::*;

mod numbered;
mod served;

/// Far beyond what anything here takes on the slowest machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A server with one build.
#[derive(Debug)]
struct Fake {
    build: Mutex<String>,
    logs: Mutex<Vec<(String, String, Vec<u8>)>>,
    /// What is said on the streams that are open.
    stream: broadcast::Sender<Result<Heard, Trouble>>,
    /// How often it was asked: for the build, for logs, for streams.
    asked: watch::Sender<[usize; 3]>,
    /// What the next streams are instead of open.
    refuse: Mutex<VecDeque<Trouble>>,
    /// What the next questions about the build are answered with.
    fail: Mutex<VecDeque<Trouble>>,
    controls: Mutex<Vec<Control>>,
}

impl Fake {
    fn new(build: &str) -> Arc<Self> {
        Arc::new(Self {
            build: Mutex::new(build.to_owned()),
            logs: Mutex::default(),
            stream: broadcast::channel(1024).0,
            asked: watch::Sender::new([0; 3]),
            refuse: Mutex::default(),
            fail: Mutex::default(),
            controls: Mutex::default(),
        })
    }

    fn is(&self, build: &str) {
        build.clone_into(&mut self.build.lock().unwrap());
    }

    fn has_log(&self, job: &str, file: &str, text: &str) {
        let mut logs = self.logs.lock().unwrap();
        logs.retain(|(j, f, _)| (j.as_str(), f.as_str()) != (job, file));
        logs.push((job.to_owned(), file.to_owned(), text.as_bytes().to_vec()));
    }

    fn says(&self, build: &str) {
        self.is(build);
        // Nobody may be listening: that is a way of losing it.
        let _ = self.stream.send(Ok(Heard::Build(map(build))));
    }

    fn cuts(&self) {
        let _ = self.stream.send(Err(broken("cut")));
    }

    async fn was_asked(&self, what: usize, times: usize) {
        let mut asked = self.asked.subscribe();
        let enough = asked.wait_for(|asked| asked[what] >= times);
        tokio::time::timeout(LIMIT, enough).await.unwrap().unwrap();
    }

    fn count(&self, what: usize) {
        self.asked.send_modify(|asked| asked[what] += 1);
    }
}

fn broken(reason: &str) -> Trouble {
    Trouble {
        reason: reason.to_owned(),
        lasts: false,
    }
}

fn map(text: &str) -> Map {
    match edn::read_lenient(text).unwrap() {
        Value::Map(map) => map,
        other => panic!("{other:?}"),
    }
}

impl BuildApi for Fake {
    fn build(&self) -> BoxFuture<'_, Result<Map, Trouble>> {
        self.count(0);
        let answer = match self.fail.lock().unwrap().pop_front() {
            Some(trouble) => Err(trouble),
            None => Ok(map(&self.build.lock().unwrap())),
        };
        std::future::ready(answer).boxed()
    }

    fn log<'a>(
        &'a self,
        job: &'a JobId,
        file: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Trouble>> {
        self.count(1);
        let logs = self.logs.lock().unwrap();
        let mut found = logs
            .iter()
            .filter(|(j, f, _)| j == job.as_str() && f == file);
        std::future::ready(Ok(found.next().map(|(_, _, bytes)| bytes.clone()))).boxed()
    }

    fn events(&self) -> BoxStream<'static, Result<Heard, Trouble>> {
        self.count(2);
        if let Some(trouble) = self.refuse.lock().unwrap().pop_front() {
            return futures_util::stream::iter([Err(trouble)]).boxed();
        }
        let said = self.stream.subscribe();
        let said = futures_util::stream::unfold(said, |mut said| async {
            Some((said.recv().await.ok()?, said))
        });
        futures_util::stream::iter([Ok(Heard::Alive)])
            .chain(said)
            .boxed()
    }

    fn journal(&self, _: Seq) -> BoxStream<'static, BuildEvent> {
        futures_util::stream::iter([BuildEvent::Absent]).boxed()
    }

    fn control(&self, control: Control) -> BoxFuture<'static, Result<(), String>> {
        self.controls.lock().unwrap().push(control);
        std::future::ready(Ok(())).boxed()
    }
}

/// A build with one job of two lines.
fn build(status: &str, job: &str) -> String {
    format!(
        r#"{{:org-id "o" :repo-id "r" :build-id "build-7" :idx 7 :status {status} :start-time 1000
            :git {{:ref "refs/heads/main"}} {}
            :script {{:jobs ({{:id "test" :type :container :image "i" :script ["one" "two"]
                               :container/env {{"KEY" "hidden value"}} {job}}}
                              {{:id "act" :type :action :dependencies ["test"] :status :pending}})}}}}"#,
        if status == ":running" {
            ""
        } else {
            ":end-time 9000"
        },
    )
}

fn pace() -> Pace {
    Pace {
        back_off: (Duration::from_millis(1), Duration::from_millis(5)),
        poll: Duration::from_millis(10),
        watched_log: Duration::from_millis(10),
        other_log: Duration::from_millis(30),
        last_log: Duration::from_millis(10),
    }
}

struct Rig<A = Fake> {
    api: Arc<A>,
    source: RemoteSource,
    build: Build,
    items: Vec<SourceItem>,
}

impl<A: BuildApi + 'static> Rig<A> {
    fn open(api: &Arc<A>, dir: &Path) -> Self {
        let path = dir.join("events.edn");
        let journal = if path.exists() {
            Journal::open(&path).unwrap().0
        } else {
            Journal::create(&path, &Sid::new("o@ci", "r", "build-7")).unwrap()
        };
        Self::with(api, dir, journal)
    }

    fn with(api: &Arc<A>, dir: &Path, journal: Journal) -> Self {
        let recorded = Recorded {
            journal,
            logs: dir.to_owned(),
        };
        let api = Arc::clone(api);
        let source = RemoteSource::open(
            Arc::clone(&api) as Arc<dyn BuildApi>,
            "ci",
            recorded,
            Arc::new(SystemClock),
            pace(),
        );
        Self {
            api,
            source,
            build: Build::default(),
            items: Vec::new(),
        }
    }

    /// Takes items until something is so.
    async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !is_so(self) {
                let item = self.source.next().await;
                let Some(item) = item else {
                    panic!("it ends before: {what}\n{:#?}", self.items);
                };
                if let SourceItem::Events(events) = &item {
                    for event in events {
                        self.build.apply(event);
                    }
                }
                self.items.push(item);
            }
        };
        let done = tokio::time::timeout(LIMIT, waiting).await;
        assert!(done.is_ok(), "not so within the limit: {what}");
    }

    async fn see_the_end(&mut self) {
        let all = async {
            while let Some(item) = self.source.next().await {
                if let SourceItem::Events(events) = &item {
                    for event in events {
                        self.build.apply(event);
                    }
                }
                self.items.push(item);
            }
        };
        tokio::time::timeout(LIMIT, all).await.unwrap();
    }

    /// Follows no more. What does lets the journal go when it is polled no more.
    async fn let_go(self, dir: &Path) {
        drop(self);
        let path = dir.join("events.edn");
        let free = async {
            while crate::journal::is_in_use(&path) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, free).await.unwrap();
    }

    fn status(&self, job: &str) -> Option<JobStatus> {
        let job = self.build.job(&JobId::new(job))?;
        Some(job.status.clone())
    }

    fn gaps(&self) -> usize {
        let events = self.items.iter().filter_map(|item| match item {
            SourceItem::Events(events) => Some(events),
            _ => None,
        });
        let is_gap = |event: &&Arc<crate::domain::Event>| {
            matches!(event.kind, EventKind::Tui(TuiEvent::Gap))
        };
        events.flatten().filter(is_gap).count()
    }
}

fn log_of(dir: &Path, job: &str) -> String {
    let paths = LogPaths::new(dir, &LogId::Job(JobId::new(job)).stem());
    let reader = LogReader::open(paths).unwrap();
    let bytes = reader.read_bytes(0, 1 << 20).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_build_is_followed_from_its_state_to_its_end_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let api = Fake::new(&build(":running", ":status :running :start-time 2000"));
    api.has_log("test", "0_out.log", "first\n");
    let mut rig = Rig::open(&api, dir.path());
    rig.until("it is caught up", |rig| {
        matches!(rig.items.last(), Some(SourceItem::CaughtUp))
    })
    .await;
    assert_eq!(rig.build.status, BuildStatus::Running);
    assert_eq!(rig.status("test"), Some(JobStatus::Running));
    rig.until("the log grows", |rig| {
        matches!(rig.items.last(), Some(SourceItem::LogGrew(_)))
    })
    .await;
    assert_eq!(log_of(dir.path(), "test"), "first\n");
    api.has_log("test", "0_out.log", "first\nsecond\n");
    api.has_log("test", "1_err.log", "oh\n");
    api.says(&build(
        ":error",
        r#":status :failure :start-time 2000 :end-time 3000 :result {:message "exit 1"}"#,
    ));
    rig.see_the_end().await;
    assert_eq!(rig.build.status, BuildStatus::Error);
    assert_eq!(rig.status("test"), Some(JobStatus::Failure));
    assert_eq!(rig.status("act"), Some(JobStatus::Skipped));
    assert_eq!(rig.build.end_time, Some(9000));
    assert_eq!(log_of(dir.path(), "test"), "first\nsecond\noh\n");
    assert_eq!(rig.gaps(), 0);
    // It is a recording like any other, and has no secrets.
    let path = dir.path().join("events.edn");
    let recorded = Journal::read(&path).unwrap().events();
    assert_eq!(
        Build::fold(recorded.iter().map(|event| &**event)),
        rig.build
    );
    assert!(
        !std::fs::read_to_string(&path)
            .unwrap()
            .contains("hidden value")
    );
    assert!(crate::journal::ends_with_build_end(&path));
}

#[tokio::test]
async fn what_is_lost_with_a_connection_is_known_again_and_the_gap_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let api = Fake::new(&build(":running", ":status :pending"));
    let mut rig = Rig::open(&api, dir.path());
    rig.until("it is caught up", |rig| {
        matches!(rig.items.last(), Some(SourceItem::CaughtUp))
    })
    .await;
    api.refuse
        .lock()
        .unwrap()
        .extend([broken("refused"), broken("refused")]);
    // Nobody hears of it.
    api.is(&build(":running", ":status :running :start-time 2000"));
    api.cuts();
    rig.until("the connection is back", |rig| {
        matches!(rig.items.last(), Some(SourceItem::Restored))
    })
    .await;
    assert_eq!(rig.status("test"), Some(JobStatus::Running));
    let losses = rig
        .items
        .iter()
        .filter(|item| matches!(item, SourceItem::Lost { .. }))
        .count();
    assert_eq!((losses, rig.gaps()), (3, 1));
    // Without news there is no gap.
    api.cuts();
    rig.until("it is back once more", |rig| {
        matches!(rig.items.last(), Some(SourceItem::Restored))
    })
    .await;
    assert_eq!(rig.gaps(), 1);
}

#[tokio::test]
async fn two_hundred_cuts_change_nothing_of_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let api = Fake::new(&build(":running", ":status :running :start-time 2000"));
    let mut rig = Rig::open(&api, dir.path());
    let mut text = String::new();
    for cut in 0..200 {
        api.was_asked(2, cut + 1).await;
        text.push_str(&format!("line {cut}\n"));
        api.has_log("test", "0_out.log", &text);
        match cut % 3 {
            0 => api.cuts(),
            1 => {
                api.fail.lock().unwrap().push_back(broken("500"));
                api.cuts();
            }
            _ => {
                api.says(&build(":running", ":status :pending"));
                api.cuts();
            }
        }
    }
    let end = build(
        ":success",
        ":status :success :start-time 2000 :end-time 3000",
    );
    api.says(&end);
    rig.see_the_end().await;
    assert_eq!(rig.build.status, BuildStatus::Success);
    assert_eq!(rig.status("test"), Some(JobStatus::Success));
    assert_eq!(log_of(dir.path(), "test"), text);
    // A connection asks for the build once, and a cut opens one.
    let [builds, _, streams] = *api.asked.borrow();
    assert!(streams <= 410 && builds <= 420, "{streams} {builds}");
}

#[tokio::test]
async fn a_server_without_a_stream_for_us_is_polled() {
    let dir = tempfile::tempdir().unwrap();
    let api = Fake::new(&build(":pending", ":status :pending"));
    api.refuse.lock().unwrap().push_back(Trouble {
        reason: "403".to_owned(),
        lasts: true,
    });
    let mut rig = Rig::open(&api, dir.path());
    rig.until("it is caught up", |rig| {
        matches!(rig.items.last(), Some(SourceItem::CaughtUp))
    })
    .await;
    api.is(&build(":running", ":status :running :start-time 2000"));
    rig.until("the job runs", |rig| {
        rig.status("test") == Some(JobStatus::Running)
    })
    .await;
    let controlled = rig.source.control(Control::Cancel).await;
    assert_eq!(controlled, Ok(()));
    assert_eq!(*api.controls.lock().unwrap(), [Control::Cancel]);
    // What was canceled stays so, whatever the end of the script makes of it.
    api.is(&build(":canceled", ":status :running :start-time 2000"));
    rig.see_the_end().await;
    assert_eq!(rig.build.status, BuildStatus::Canceled);
    assert_eq!(rig.status("test"), Some(JobStatus::Canceled));
}

#[tokio::test]
async fn a_build_that_is_attached_to_again_goes_on_where_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let api = Fake::new(&build(":running", ":status :running :start-time 2000"));
    api.has_log("test", "0_out.log", "first\n");
    let mut rig = Rig::open(&api, dir.path());
    rig.until("the log grows", |rig| {
        matches!(rig.items.last(), Some(SourceItem::LogGrew(_)))
    })
    .await;
    rig.let_go(dir.path()).await;
    api.has_log("test", "0_out.log", "first\nsecond\n");
    let end = build(
        ":success",
        ":status :success :start-time 2000 :end-time 3000",
    );
    api.is(&end);
    let mut rig = Rig::open(&api, dir.path());
    rig.see_the_end().await;
    assert_eq!(rig.build.status, BuildStatus::Success);
    assert_eq!(log_of(dir.path(), "test"), "first\nsecond\n");
    let [_, logs, _] = *api.asked.borrow();
    assert!(logs > 0);
}

#[tokio::test]
async fn a_log_that_is_cut_on_the_server_loses_nothing_here() {
    let dir = tempfile::tempdir().unwrap();
    let api = Fake::new(&build(":running", ":status :running :start-time 2000"));
    api.has_log("test", "0_out.log", "first\nsecond\n");
    let mut rig = Rig::open(&api, dir.path());
    let grew = |rig: &Rig| {
        let grew = rig.items.iter();
        grew.filter(|item| matches!(item, SourceItem::LogGrew(_)))
            .count()
    };
    rig.until("the log grows", |rig| grew(rig) == 1).await;
    api.has_log("test", "0_out.log", "new\n");
    rig.until("it was cut", |rig| grew(rig) == 2).await;
    api.has_log("test", "0_out.log", "new\nmore\n");
    rig.until("it goes on", |rig| grew(rig) == 3).await;
    let log = log_of(dir.path(), "test");
    assert_eq!(
        log,
        "first\nsecond\nthe server has cut this log: of 13 bytes it has 4, which follow\nnew\nmore\n"
    );
}

#[tokio::test]
async fn the_log_of_a_job_is_whole_when_it_has_ended_though_the_build_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let api = Fake::new(&build(":running", ":status :running :start-time 2000"));
    let mut rig = Rig::open(&api, dir.path());
    rig.until("it is caught up", |rig| {
        matches!(rig.items.last(), Some(SourceItem::CaughtUp))
    })
    .await;
    api.has_log("test", "0_out.log", "all of it\n");
    api.has_log("test", "1_err.log", "went wrong\n");
    let now = jiff::Timestamp::now().as_millisecond();
    let ended = format!(":status :failure :start-time 2000 :end-time {now}");
    api.says(&build(":running", &ended));
    let place = dir.path().to_owned();
    rig.until("all of it is here", |_| {
        log_of(&place, "test").lines().count() == 2
    })
    .await;
    assert_eq!(rig.build.status, BuildStatus::Running);
    // It is asked for no more then, but for once when it may have grown.
    let asked = api.asked.borrow()[1];
    api.says(&build(
        ":running",
        &format!("{ended} :result {{:message \"m\"}}"),
    ));
    rig.until("that is known", |rig| {
        let job = rig.build.job(&JobId::new("test")).unwrap();
        job.reason() == Some("m")
    })
    .await;
    assert!(api.asked.borrow()[1] <= asked + 4);
}

#[tokio::test]
async fn what_a_job_has_saved_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let api = Fake::new(&build(
        ":running",
        r#":status :success :start-time 2000 :end-time 3000 :save-artifacts [{:id "out" :path "o"}]"#,
    ));
    let mut rig = Rig::open(&api, dir.path());
    let saved = |rig: &Rig| {
        let job = rig.build.job(&JobId::new("test"));
        job.is_some_and(|job| job.blobs.len() == 1 && job.blobs[0].id == "out")
    };
    rig.until("it is told", saved).await;
    api.says(&build(
        ":success",
        r#":status :success :start-time 2000 :end-time 3000 :save-artifacts [{:id "out" :path "o"}]"#,
    ));
    rig.see_the_end().await;
    let told = rig.items.iter().filter_map(|item| match item {
        SourceItem::Events(events) => Some(events),
        _ => None,
    });
    let is_it = |event: &&Arc<crate::domain::Event>| {
        matches!(event.kind, EventKind::Tui(TuiEvent::ArtifactSaved { .. }))
    };
    assert_eq!(told.flatten().filter(is_it).count(), 1);
}

#[tokio::test]
async fn a_build_is_watched_on_when_there_is_no_room_to_record_it() {
    let dir = tempfile::tempdir().unwrap();
    let api = Fake::new(&build(":running", ":status :running :start-time 2000"));
    let journal = on_a_full_disk(&dir.path().join("events.edn"));
    let mut rig = Rig::with(&api, dir.path(), journal);
    rig.until("it is caught up", |rig| {
        matches!(rig.items.last(), Some(SourceItem::CaughtUp))
    })
    .await;
    assert_eq!(rig.status("test"), Some(JobStatus::Running));
    let said: Vec<&str> = (rig.build.warnings.iter())
        .map(|warning| warning.message.as_str())
        .collect();
    assert!(said.len() == 1 && said[0].starts_with("the recording of this build is not whole: "));
    api.says(&build(
        ":success",
        ":status :success :start-time 2000 :end-time 3000",
    ));
    rig.see_the_end().await;
    assert_eq!(rig.build.status, BuildStatus::Success);
}

#[tokio::test]
async fn an_actions_output_is_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let api = Fake::new(
        r#"{:status :success :start-time 1 :end-time 2
            :script {:jobs {"act" {:id "act" :type :action :status :success :start-time 1 :end-time 2
                                   :result {:output "said\n" :error "complained\n"}}}}}"#,
    );
    let mut rig = Rig::open(&api, dir.path());
    rig.see_the_end().await;
    assert_eq!(log_of(dir.path(), "act"), "said\ncomplained\n");
    assert_eq!(
        rig.api.asked.borrow()[1],
        0,
        "there are no files to ask for"
    );
}
