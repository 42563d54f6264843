//! A build on the screen: what its events tell, and where the user is in it.

use std::collections::{HashMap, HashSet};

use crate::domain::{
    BlobKind, Build, BuildStatus, Event, EventKind, JobGraph, JobId, LogId, Millis, Sid,
};

use super::comparison::Compared;
use super::events::Events;
use super::log_view::LogView;
use super::msg::BuildInfo;
use super::playback::Playback;
use super::results::Results;
use super::state::{BuildRow, Project, Script, what};

/// A build on the screen.
#[derive(Debug, Clone)]
pub struct BuildView {
    /// What is known besides its events.
    pub info: BuildInfo,
    /// What its events tell: all of them, or those until the moment of the past that is shown.
    pub build: Build,
    /// The past is shown.
    pub playback: Option<Box<Playback>>,
    /// The jobs in the order of the list: dependencies first.
    pub order: Vec<JobId>,
    /// What is selected.
    pub selected: Selected,
    /// The selection goes to what runs, and to the first job that fails, until a user moves it.
    pub auto: bool,
    /// The jobs that are marked, for a rerun.
    pub marked: HashSet<JobId>,
    /// First row of the list of jobs on the screen.
    pub top: usize,
    /// The artifact or cache that is selected.
    pub blob: Option<(JobId, BlobKind, String)>,
    /// First row of the list of artifacts on the screen.
    pub blob_top: usize,
    /// Where the user is among its results.
    pub results: Results,
    /// What it was compared with, and where the user is in what differs.
    pub compared: Option<Compared>,
    /// Its journal, and where the user is in it.
    pub events: Events,
    /// The connection is gone.
    pub lost: Option<Lost>,
    /// A cancel was asked for here.
    pub canceling: bool,
    /// The last lines of failed jobs, for the summary.
    pub tails: HashMap<JobId, Vec<String>>,
    pub(super) asked_tails: HashSet<JobId>,
    /// The log that the autopilot has selected because what wrote it failed.
    pub(super) cause: Option<LogId>,
    /// Its first error was looked for.
    pub(super) cause_shown: bool,
    /// Where the user is in each log.
    pub logs: HashMap<LogId, LogView>,
    /// It was started from here, or watched while it ran: it has a place in the summary.
    pub watched: bool,
}

/// A connection that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Why, for people.
    pub reason: String,
    /// When it is tried again.
    pub retry_at: Millis,
    /// Since when nothing is heard: what is shown is that old.
    pub since: Millis,
}

/// A row of the list of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selected {
    /// The first row: the build as a whole.
    Build,
    /// What runs its script.
    Script,
    /// A job.
    Job(JobId),
}

impl Selected {
    /// The log of what is selected.
    pub fn log(&self) -> Option<LogId> {
        match self {
            Self::Build => None,
            Self::Script => Some(LogId::Script),
            Self::Job(id) => Some(LogId::Job(id.clone())),
        }
    }
}

impl From<LogId> for Selected {
    fn from(log: LogId) -> Self {
        match log {
            LogId::Script => Self::Script,
            LogId::Job(id) => Self::Job(id),
        }
    }
}

impl BuildView {
    /// A build of which nothing has been heard yet.
    pub fn new(info: BuildInfo) -> Self {
        Self {
            watched: info.live,
            info,
            build: Build::default(),
            playback: None,
            order: Vec::new(),
            selected: Selected::Build,
            auto: true,
            marked: HashSet::new(),
            top: 0,
            blob: None,
            blob_top: 0,
            results: Results::default(),
            compared: None,
            events: Events::default(),
            lost: None,
            canceling: false,
            tails: HashMap::new(),
            asked_tails: HashSet::new(),
            cause: None,
            cause_shown: false,
            logs: HashMap::new(),
        }
    }

    /// The script's plan, in the shape of a build.
    pub(super) fn of_project(project: &Project) -> Self {
        let mut view = Self::new(BuildInfo {
            sid: Sid::new("local", project.name.clone(), ""),
            offers: crate::ports::Offers::default(),
            live: false,
            logs: None,
            again: None,
            place: Some(project.dir.clone()),
            replay: None,
        });
        if let Script::Loaded { jobs, .. } = &project.script {
            view.build = Build::fold(&[Event::new(EventKind::ScriptStart { jobs: jobs.clone() })]);
            view.build.git = project.git.clone();
        }
        view.auto = false;
        view.sort();
        view
    }

    /// Works out the order of the list again, when there are other jobs than before.
    pub(super) fn sort(&mut self) {
        if self.order.len() == self.build.jobs().len() {
            return;
        }
        let graph = JobGraph::new(self.build.jobs().iter().map(|job| &job.job));
        self.order = graph.order().into_iter().map(|(id, _)| id).collect();
    }

    /// What all its events tell, whatever moment is shown.
    pub fn present(&self) -> &Build {
        self.playback
            .as_ref()
            .map_or(&self.build, |playback| &playback.present)
    }

    /// The moment of the past that is shown.
    pub fn moment(&self) -> Option<Millis> {
        self.playback.as_ref().map(|playback| playback.at())
    }

    /// True while it goes on and we hear of it.
    pub fn runs(&self) -> bool {
        self.info.live && !self.present().is_over()
    }

    /// True when it goes on at the moment that is shown.
    pub fn goes_on(&self) -> bool {
        match &self.playback {
            Some(playback) => !self.build.is_over() && (self.runs() || !playback.at_end()),
            None => self.runs(),
        }
    }

    /// The time until which running things run: the moment that is shown, or when a recording breaks off.
    pub fn until(&self, now: Millis) -> Millis {
        if let Some(moment) = self.moment() {
            moment
        } else if self.runs() {
            now
        } else {
            self.build.last_time.unwrap_or(now)
        }
    }

    /// The row of the selection in the list of jobs.
    pub fn place(&self) -> usize {
        match &self.selected {
            Selected::Build => 0,
            Selected::Script => usize::from(self.has_script()),
            Selected::Job(id) => self
                .order
                .iter()
                .position(|other| other == id)
                .map_or(0, |place| place + self.first_job()),
        }
    }

    /// True when it is known what runs the script, so that it has a row.
    pub fn has_script(&self) -> bool {
        self.build.host.is_some()
    }

    /// True when the build failed before the script had said which jobs it has: what went wrong is
    /// in the script's own log.
    pub fn script_failed(&self) -> bool {
        self.has_script() && self.build.status == BuildStatus::Error && !self.build.script_loaded
    }

    /// The row of the first job in the list of jobs.
    pub fn first_job(&self) -> usize {
        1 + usize::from(self.has_script())
    }

    /// How many rows the list of jobs has.
    pub fn rows(&self) -> usize {
        self.first_job() + self.order.len()
    }

    /// What is in a row of the list of jobs.
    pub fn at(&self, row: usize) -> Option<Selected> {
        match row {
            0 => Some(Selected::Build),
            1 if self.has_script() => Some(Selected::Script),
            _ => {
                let id = self.order.get(row - self.first_job())?;
                Some(Selected::Job(id.clone()))
            }
        }
    }

    /// The jobs that wait for approval, in the order of the list.
    pub fn blocked(&self) -> Vec<&JobId> {
        self.order
            .iter()
            .filter(|id| {
                self.build
                    .job(id)
                    .is_some_and(|job| job.status == crate::domain::JobStatus::Blocked)
            })
            .collect()
    }

    /// Its row in the list of builds: as it is, not as it was at the moment that is shown.
    pub(super) fn row(&self, now: Millis) -> BuildRow {
        let build = self.present();
        let git = &build.git;
        let until = if self.runs() {
            now
        } else {
            build.last_time.unwrap_or(now)
        };
        BuildRow {
            sid: Some(self.info.sid.clone()),
            status: build.status.clone(),
            start: build.start_time.or(build.created),
            duration: build.elapsed(until),
            what: what(git.branch.as_deref(), git.commit_id.as_deref()),
            live: self.runs(),
        }
    }
}
