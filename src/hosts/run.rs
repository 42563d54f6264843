//! Programs that are run on the side, for an answer or a file, and not for long.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// No more of what a program says is kept, in bytes.
const LONGEST: u64 = 64 * 1024;
/// Between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(5);
/// How long its outputs are waited for once it has ended: somebody else may hold them open.
const REST: Duration = Duration::from_millis(500);

/// A program that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) out: String,
    pub(super) err: String,
}

/// Runs a program without input. The error is a sentence.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<Ended, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {program}: {error}"))?;
    let out = child.stdout.take().map(listen);
    let err = child.stderr.take().map(listen);
    let status = wait(&mut child, limit).ok_or_else(|| {
        // Both fail only where it has just ended.
        let _ = child.kill();
        let _ = child.wait();
        format!("{program} took longer than {} s", limit.as_secs())
    })?;
    let said = |output: Option<mpsc::Receiver<String>>| {
        output
            .and_then(|text| text.recv_timeout(REST).ok())
            .unwrap_or_default()
    };
    Ok(Ended {
        status,
        out: said(out),
        err: said(err),
    })
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(PAUSE),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Reads all of an output on a thread of its own, so that nobody waits for a full pipe.
fn listen(mut output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        // What was read before something went wrong counts; the rest is read and forgotten.
        let _ = output.by_ref().take(LONGEST).read_to_end(&mut text);
        let _ = std::io::copy(&mut output, &mut std::io::sink());
        // Nobody may be waiting any more.
        let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Result<Ended, String> {
        run(Command::new("sh").args(["-c", script]), limit)
    }

    #[test]
    fn both_outputs_and_the_status_arrive() {
        let ended = sh(
            "cat; echo out; echo err >&2; exit 3",
            Duration::from_mins(1),
        )
        .unwrap();
        assert_eq!((ended.out.as_str(), ended.err.as_str()), ("out\n", "err\n"));
        assert_eq!(ended.status.code(), Some(3));
    }

    #[test]
    fn more_than_a_pipe_holds_does_not_stop_it() {
        let ended = sh("head -c 1000000 /dev/zero", Duration::from_mins(1)).unwrap();
        assert!(ended.status.success());
        assert_eq!(ended.out.len() as u64, LONGEST);
    }

    #[test]
    fn one_that_takes_too_long_is_ended() {
        let begun = Instant::now();
        let why = sh("exec sleep 1000", Duration::from_millis(50)).unwrap_err();
        assert!(why.contains("took longer"), "{why}");
        assert!(begun.elapsed() < Duration::from_mins(1));
    }

    #[test]
    fn one_that_is_not_there_is_named() {
        let why = run(&mut Command::new("/no/such"), Duration::from_secs(1)).unwrap_err();
        assert!(why.contains("/no/such"), "{why}");
    }
}
