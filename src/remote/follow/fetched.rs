//! The logs of a build on a server as they are when somebody asks, in files like ours.

use std::path::PathBuf;

use crate::domain::{Build, Event, JobId};
use crate::ports::Clock;
use crate::wire;

use super::logs::RemoteLogs;
use super::{BuildApi, Trouble};

/// The logs of a build, fetched into a folder as often as somebody asks. When their lines were written is not
/// known.
#[derive(Debug)]
pub struct FetchedLogs {
    logs: RemoteLogs,
    build: Build,
}

impl FetchedLogs {
    /// None yet; the folder is there.
    pub fn in_folder(dir: PathBuf) -> Self {
        Self {
            logs: RemoteLogs::new(dir),
            build: Build::default(),
        }
    }

    /// Fetches what is new of one job's log, or of all.
    pub async fn fetch(
        &mut self,
        api: &dyn BuildApi,
        only: Option<&JobId>,
        clock: &dyn Clock,
    ) -> Result<(), Trouble> {
        let told = Event::new(wire::updated(api.build().await?));
        self.build.apply(&told);
        for job in self.build.jobs() {
            if only.is_none_or(|only| only == job.id()) {
                self.logs.read(api, job, true, clock).await?;
            }
        }
        self.logs.take_outputs(&self.build);
        Ok(())
    }

    /// What the server knew of the build the last time.
    pub fn build(&self) -> &Build {
        &self.build
    }

    /// Whether there is nothing more to come.
    pub fn is_over(&self, clock: &dyn Clock) -> bool {
        self.build.is_over() && !RemoteLogs::may_still_grow(&self.build, clock.now())
    }
}
