//! `logs`, of a build on a server that nobody has watched here to its end.

use std::io::{self, BufWriter};
use std::time::Duration;

use tokio::time::Instant;

use crate::archive::Temporary;
use crate::cli::LogsArgs;
use crate::domain::JobId;
use crate::ports::SystemClock;
use crate::remote::follow::{FetchedLogs, OnServer};
use crate::store::Home;

use super::error::{Exit, UserError};
use super::on_server::Place;
use super::remote;
use super::tail::{self, Tail};

/// The pause before logs are asked for again, which all come every time.
const PAUSE: Duration = Duration::from_secs(2);

/// It is so many times what asking took, where that is longer.
const REST: u32 = 5;

/// Fetches the logs and prints them; with `--follow`, as long as there is more to come.
pub(super) async fn print(home: &Home, args: &LogsArgs, build: &str) -> Result<Exit, UserError> {
    if args.script {
        return Err(UserError::new("a server keeps no log of the script itself")
            .hint("without --script: those of its jobs"));
    }
    let place = Place::of(home, args.server.as_deref(), Some(build))?;
    let sid = place.resolved.sid(&place.client).await?;
    let args = &LogsArgs {
        // The address of a job in the web app says which.
        job: args.job.clone().or_else(|| place.resolved.job.clone()),
        ..args.clone()
    };
    let only = args.job.as_ref().map(JobId::new);
    let folder = Temporary(remote::unkept(home, &sid)?);
    let api = OnServer::new(place.client.clone(), sid);
    let mut logs = FetchedLogs::in_folder(folder.0.clone());
    let mut tails: Vec<Tail> = Vec::new();
    let mut out = BufWriter::new(io::stdout());
    let mut troubled = false;
    loop {
        let began = Instant::now();
        match logs.fetch(&*api, only.as_ref(), &SystemClock).await {
            Ok(()) => troubled = false,
            Err(trouble) if trouble.lasts || !args.follow => {
                return Err(UserError::new(trouble.reason));
            }
            Err(trouble) => {
                if !std::mem::replace(&mut troubled, true) {
                    complain!("monkeyci-tui: {}; it is tried again", trouble.reason);
                }
            }
        }
        let over = !args.follow || logs.is_over(&SystemClock);
        tail::open_all(logs.build(), &folder.0, false, args, over, &mut tails)?;
        tail::print_all(&mut out, &mut tails, args, over)?;
        if over {
            return Ok(Exit::Success);
        }
        tokio::time::sleep(PAUSE.max(began.elapsed() * REST)).await;
    }
}
