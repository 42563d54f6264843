//! What a follower asks, asked of a server.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};

use crate::domain::{JobId, JobStatus, Seq, Sid};
use crate::edn::Map;
use crate::ports::Control;
use crate::remote::{BuildEvent, BuildInfo, Client, OrgEvent, RemoteError};

use super::{BuildApi, Heard, Trouble};

/// A build on a server.
#[derive(Debug, Clone)]
pub struct OnServer {
    client: Client,
    /// As the server calls it.
    sid: Sid,
}

impl OnServer {
    /// A build by what the server calls it.
    pub fn new(client: Client, sid: Sid) -> Arc<Self> {
        Arc::new(Self { client, sid })
    }

    /// A server takes what makes no sense too: a build that is over would be rewritten to canceled, a
    /// job of it stay queued for ever (public-api.md §9). So its state is asked for first.
    async fn do_it(&self, control: Control) -> Result<(), String> {
        let build = self
            .client
            .build(&self.sid)
            .await
            .map_err(|error| said(&error))?;
        if build.status.is_final() {
            return Err(format!("{} is over: {}", self.sid.build, build.status));
        }
        let blocked: Vec<JobId> = (build.jobs().into_iter())
            .filter(|job| job.status == JobStatus::Blocked)
            .map(|job| job.id)
            .collect();
        match control {
            Control::Cancel => self
                .client
                .cancel(&self.sid)
                .await
                .map_err(|error| said(&error)),
            Control::Unblock(job) if !blocked.contains(&job) => {
                Err(format!("{job} is not blocked on the server"))
            }
            Control::Unblock(job) => self.unblock(&[job]).await,
            Control::UnblockAll => self.unblock(&blocked).await,
        }
    }

    async fn unblock(&self, jobs: &[JobId]) -> Result<(), String> {
        for job in jobs {
            self.client
                .unblock(&self.sid, job)
                .await
                .map_err(|error| said(&error))?;
        }
        Ok(())
    }
}

impl BuildApi for OnServer {
    fn build(&self) -> BoxFuture<'_, Result<Map, Trouble>> {
        async {
            let build = self
                .client
                .build(&self.sid)
                .await
                .map_err(|error| trouble(&error))?;
            Ok(build.map)
        }
        .boxed()
    }

    fn log<'a>(
        &'a self,
        job: &'a JobId,
        file: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Trouble>> {
        async move {
            match self.client.logs(&self.sid, job, file).await {
                Ok(log) => Ok(log),
                // So some say that there is none yet.
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(trouble(&error)),
            }
        }
        .boxed()
    }

    fn events(&self) -> BoxStream<'static, Result<Heard, Trouble>> {
        let sid = self.sid.clone();
        let events = self.client.events(&self.sid.org);
        futures_util::stream::unfold(events, |mut events| async {
            Some((events.next().await?, events))
        })
        .map(move |event| match event {
            OrgEvent::Connected | OrgEvent::Ping => Ok(Heard::Alive),
            OrgEvent::Build(build) if is_it(&sid, &build) => Ok(Heard::Build(build.map)),
            OrgEvent::Build(_) => Ok(Heard::Other),
            OrgEvent::Lost(error) => Err(trouble(&error)),
            OrgEvent::Refused(error) => Err(Trouble {
                lasts: true,
                ..trouble(&error)
            }),
        })
        .boxed()
    }

    fn journal(&self, after: Seq) -> BoxStream<'static, BuildEvent> {
        let events = self.client.build_events(&self.sid, after);
        futures_util::stream::unfold(events, |mut events| async {
            Some((events.next().await?, events))
        })
        .boxed()
    }

    fn control(&self, control: Control) -> BoxFuture<'static, Result<(), String>> {
        let this = self.clone();
        async move { this.do_it(control).await }.boxed()
    }
}

/// The stream is the org's, which may be called otherwise in it.
fn is_it(sid: &Sid, build: &BuildInfo) -> bool {
    build.repo == sid.repo && build.build_id == sid.build
}

fn said(error: &RemoteError) -> String {
    error.to_string()
}

pub(super) fn trouble(error: &RemoteError) -> Trouble {
    Trouble {
        lasts: !error.is_transient(),
        reason: error.to_string(),
    }
}
