//! Running a recorded build again: how it was asked for, what of it runs, and what is taken over.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::cli::{RerunArgs, clean};
use crate::domain::{Again, Build, Event, EventKind, Job, JobId, JobStatus, RerunPlan, Sid};
use crate::engine::masks::Masks;
use crate::executors::{Earlier, RepeatingExecutor, ReusingExecutor};
use crate::journal::Journal;
use crate::ports::{Checkout, Executor};
use crate::store::{BuildFolder, Home, Origin};
use crate::vcs::Revision;

use super::again;
use super::error::UserError;
use super::history;
use super::local::BuildRequest;
use super::remote::RemoteSid;

/// A recorded build that is run again.
#[derive(Debug, Clone)]
pub(super) struct Rerun {
    /// The build, as its journal has it.
    recorded: Arc<Build>,
    sid: Sid,
    /// What of it.
    plan: RerunPlan,
    /// How many times the one job that is asked for is run.
    times: u32,
    /// Nothing is taken over: it is asked for with something else than then.
    anew: bool,
    /// The jobs that were asked for when none was singled out.
    of_all: Vec<String>,
}

/// `rerun`.
pub(super) fn request(
    home: &Home,
    args: &RerunArgs,
    attended: bool,
) -> Result<BuildRequest, UserError> {
    let (sid, folder) = history::find(home, &args.build)?;
    if RemoteSid::of(&sid).is_some() {
        let hint = format!(
            "`monkeyci-tui retry {}` has its server do so",
            clean(&sid.to_string())
        );
        return Err(UserError::new("this build ran on a server").hint(hint));
    }
    let ids = |ids: &[String]| ids.iter().map(JobId::new).collect::<Vec<_>>();
    let again = match (args.failed, &args.jobs[..], &args.from[..]) {
        (true, ..) => Again::Failed,
        (_, [_, ..], _) => Again::Jobs(ids(&args.jobs)),
        (.., [_, ..]) => Again::From(ids(&args.from)),
        _ => Again::All,
    };
    let build = recorded(&folder)?;
    let mut request = asked_for(home, &folder, &build)?;
    request.attended = attended;
    request.run.plain = args.plain;
    request.run.json = args.json;
    let changed = !args.params.is_empty() || args.params_file.is_some();
    request.run.params.retain(|known| {
        let name = |param: &str| param.split_once('=').map_or(param, |it| it.0).to_owned();
        !args.params.iter().any(|param| name(param) == name(known))
    });
    request.run.params.extend(args.params.iter().cloned());
    if args.params_file.is_some() {
        request.run.params_file.clone_from(&args.params_file);
    }
    if args.same_commit {
        same_commit(&mut request, &build)?;
    }
    let rerun = Rerun::new(sid, build, &again, args.times, changed)?;
    rerun.ask(&mut request, &again);
    Ok(request)
}

/// The request that a recorded build was started with. Somebody else's is not believed: it names folders
/// and variables of another machine, or of this one.
pub(super) fn asked_for(
    home: &Home,
    folder: &BuildFolder,
    build: &Build,
) -> Result<BuildRequest, UserError> {
    if Origin::of(folder).is_some() || !folder.dir.starts_with(home.builds()) {
        return Err(UserError::new("this recording was not made here")
            .hint("`monkeyci-tui build` builds a project of yours"));
    }
    if build.request.is_empty() {
        return Err(
            UserError::new("the recording does not say how the build was asked for")
                .hint("`monkeyci-tui build` builds its project"),
        );
    }
    again::request_of(&build.request)
}

/// Has the commit built that was built, not the tree as it is.
pub(super) fn same_commit(request: &mut BuildRequest, build: &Build) -> Result<(), UserError> {
    match &build.git.commit_id {
        Some(_) if build.git.dirty => Err(UserError::new(
            "that build was of a tree with changes that are in no commit",
        )
        .hint("without --same-commit the tree as it is now is built")),
        Some(commit) => {
            request.revision = Some(Revision::Commit(commit.clone()));
            Ok(())
        }
        None => Err(UserError::new("that build was of no commit")),
    }
}

/// A recorded build, folded.
pub(super) fn recorded(folder: &BuildFolder) -> Result<Build, UserError> {
    let journal = Journal::read(&folder.journal).map_err(|error| UserError::of(&error))?;
    let events = journal.events();
    Ok(Build::fold(events.iter().map(|event| &**event)))
}

impl Rerun {
    /// Some of a build once more, the job that is asked for `times` times. `anew`: it is asked for with
    /// something else than then, so that nothing can be taken over.
    pub(super) fn new(
        sid: Sid,
        recorded: Build,
        again: &Again,
        times: u32,
        anew: bool,
    ) -> Result<Self, UserError> {
        let plan = RerunPlan::new(&recorded, again).map_err(|error| UserError::of(&error))?;
        if times > 1 && plan.wanted.len() != 1 {
            return Err(
                UserError::new("only one job can be run many times").hint("name it with --job")
            );
        }
        Ok(Self {
            recorded: Arc::new(recorded),
            sid,
            plan,
            times,
            anew,
            of_all: Vec::new(),
        })
    }

    /// Asks for it.
    pub(super) fn ask(mut self, request: &mut BuildRequest, again: &Again) {
        // All of it is what was asked for in the beginning.
        if let Some(before) = request.rerun.take() {
            request.run.jobs = before.of_all;
        }
        self.of_all.clone_from(&request.run.jobs);
        if *again != Again::All {
            let wanted = self.plan.wanted.iter();
            request.run.jobs = wanted.map(|id| id.as_str().to_owned()).collect();
        }
        request.rerun = Some(self);
    }

    /// What the build was asked for before jobs were singled out.
    pub(super) fn whole(&self, request: &BuildRequest) -> BuildRequest {
        let mut whole = request.clone();
        whole.run.jobs.clone_from(&self.of_all);
        whole
    }

    /// Puts what takes over, and what repeats, before an executor.
    pub(super) fn before(
        &self,
        executor: Arc<dyn Executor>,
        checkout: Arc<dyn Checkout>,
        masks: &Masks,
    ) -> Arc<dyn Executor> {
        let mut executor = executor;
        if let (Some(job), true) = (self.plan.wanted.first(), self.times > 1) {
            executor = Arc::new(RepeatingExecutor::new(executor, job.clone(), self.times));
        }
        if self.plan.reuse.is_empty() || self.anew {
            return executor;
        }
        let masks = masks.clone();
        let succeeded = |id: &JobId| {
            let job = self.recorded.job(id)?;
            (job.status == JobStatus::Success).then(|| (id.clone(), job.job.clone()))
        };
        let earlier = Earlier {
            sid: self.sid.clone(),
            workspace: self.recorded.workspace.clone(),
            succeeded: self
                .plan
                .reuse
                .iter()
                .filter_map(succeeded)
                .collect::<HashMap<_, _>>(),
            wanted: self.plan.wanted.iter().cloned().collect::<HashSet<_>>(),
            masked: Box::new(move |job| masked(&masks, job)),
        };
        Arc::new(ReusingExecutor::new(executor, earlier, checkout))
    }
}

/// The definition of a job as the journal has it.
fn masked(masks: &Masks, job: &Job) -> Job {
    let event = Event::of_job(
        &job.id,
        EventKind::ContainerJobQueued {
            job: Some(Box::new(job.clone())),
            dek: None,
        },
    );
    match masks.mask_event(event).kind {
        EventKind::ContainerJobQueued { job: Some(job), .. } => *job,
        _ => job.clone(),
    }
}
