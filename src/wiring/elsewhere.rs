//! `build --on`: the working tree of this machine, built on a server.

use std::io::IsTerminal;

use crate::cli::{BuildArgs, Output, clean};
use crate::domain::Sid;
use crate::executors::scratch_name;
use crate::ports::Checkout;
use crate::remote::{Start, Tree};
use crate::store::{Home, create_private};
use crate::vcs::FolderCheckout;

use super::Look;
use super::error::{Exit, UserError};
use super::local;
use super::remote::{Connections, Meant};
use super::{follow, report, screen, servers};

/// Sends the tree, and watches what becomes of it.
pub(super) async fn build(home: Home, args: BuildArgs, look: Look) -> Result<Exit, UserError> {
    let output = args.run.output();
    let draws =
        output == Output::Auto && std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    refuse_options(&args)?;
    let dir = local::project_dir(&args.dir)?;
    let connections = Connections::new(home.clone());
    let target = args.on.as_deref().unwrap_or_default();
    let repo = connections.repo(target, &local::repo_id(&dir)).await?;
    let client = connections.to(&repo.server).await?;

    let folder = home.cache().join("sent");
    create_private(&folder).map_err(|error| UserError::of(&error))?;
    let name = scratch_name(&Sid::new(
        &*repo.org,
        &*repo.repo,
        std::process::id().to_string(),
    ));
    let archive = folder.join(name);
    let tree = tokio::task::spawn_blocking(move || pack(&dir, archive));
    let tree = tree
        .await
        .map_err(|error| UserError::new(format!("the tree could not be packed: {error}")))??;
    let started = client
        .start(&repo.org, &repo.repo, Start::Tree(&tree))
        .await;
    // It was for this alone.
    let _ = std::fs::remove_file(&tree.archive);
    let started = match started {
        Ok(started) => started,
        Err(error) if error.is_not_found() && error.to_string().contains("workspace") => {
            return Err(UserError::of(&error)
                .hint("only a server of `monkeyci-tui serve` takes a tree: push, and `trigger`"));
        }
        Err(error) => return Err(servers::no_repo(&client, &repo.org, &repo.repo, &error).await),
    };
    let build = repo.build(&started.build_id);
    if draws {
        let meant = Meant {
            repo,
            build: Some(build),
        };
        return screen::remote(home, meant, connections, look).await;
    }
    let source = connections.follow(&build).await?;
    source.interest().set_all();
    report::watch(Box::new(source), look.printing(output == Output::Json)).await?;
    // Its end was told, and may be not there yet where it is asked for.
    let mut asked = 0;
    loop {
        let ended = client.build(&build.sid).await;
        let ended = ended.map_err(|error| UserError::of(&error))?;
        asked += 1;
        if ended.status.is_final() || asked == MOST_ASKED {
            return Ok(follow::exit_of(&ended));
        }
        tokio::time::sleep(follow::AT_END).await;
    }
}

/// How often a server is asked how a build has ended whose end it has told.
const MOST_ASKED: u32 = 20;

/// What a server decides for itself cannot be asked of it.
fn refuse_options(args: &BuildArgs) -> Result<(), UserError> {
    let run = &args.run;
    let given = [
        ("--job", !run.jobs.is_empty()),
        ("--artifact", !run.artifacts.is_empty()),
        ("--param", !run.params.is_empty()),
        ("--params-file", run.params_file.is_some()),
        ("--secret", !run.secrets.is_empty()),
        ("--env", !run.env.is_empty()),
        ("--unblock", !run.unblock.is_empty()),
        ("--timeout", run.timeout.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(UserError::new(format!("{option} has no effect with --on"))
            .hint("the server's operator says how builds run there")),
        None => Ok(()),
    }
}

/// Packs the working tree as for a build here. Says what is left out.
fn pack(dir: &std::path::Path, archive: std::path::PathBuf) -> Result<Tree, UserError> {
    let failed = |error: std::io::Error| {
        UserError::new(format!(
            "cannot pack the tree into {}: {error}",
            archive.display()
        ))
    };
    let (checkout, problem) = FolderCheckout::working_tree(dir);
    if let Some(error) = problem {
        complain!(
            "monkeyci-tui: git facts are missing: {}",
            UserError::of(&error).message
        );
    }
    let git = checkout.describe();
    let mut file = std::io::BufWriter::new(std::fs::File::create(&archive).map_err(failed)?);
    for left_out in checkout.snapshot(&mut file).map_err(failed)? {
        complain!("monkeyci-tui: {}", clean(&left_out));
    }
    std::io::Write::flush(&mut file).map_err(failed)?;
    Ok(Tree {
        archive,
        branch: git.as_ref().and_then(|git| git.branch.clone()),
        commit: git.and_then(|git| git.commit_id),
    })
}
