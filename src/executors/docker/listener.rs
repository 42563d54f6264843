//! What a container writes, as lines of a log and reports of its commands.

use std::collections::VecDeque;

use bollard::container::LogOutput;

use crate::executors::plan::Commands;
use crate::ports::{JobPorts, JobReport, LogStream};

use super::stream::{Piece, Splitter};

/// How much of later commands is kept, in bytes, until an earlier one has ended on both outputs.
const MOST_AHEAD: usize = 4 << 20;

/// Makes lines of a log and reports of what a container writes.
pub(super) struct Listener<'a> {
    ports: &'a dyn JobPorts,
    out: Heard,
    err: Heard,
    /// How many commands the driver has. A program without one is one command, from its start to its end.
    driven: Option<usize>,
    /// How many commands have begun, and ended.
    begun: usize,
    ended: usize,
    failed: Option<usize>,
}

/// One of the two outputs.
struct Heard {
    stream: LogStream,
    splitter: Splitter,
    command: Option<usize>,
    /// Commands whose end was heard here.
    ends: usize,
    /// What later commands have written while the end of an earlier one is still to be heard on the
    /// other output.
    ahead: VecDeque<Piece>,
    /// The bytes of it.
    ahead_size: usize,
}

impl<'a> Listener<'a> {
    pub(super) fn new(ports: &'a dyn JobPorts, mark: &str, commands: &Commands) -> Self {
        let driven = match commands {
            Commands::Lines(lines) => Some(lines.len()),
            Commands::Program(_) => None,
        };
        if driven.is_none() {
            ports.report(JobReport::CommandStarted { index: 0 });
        }
        let heard = |stream| Heard {
            stream,
            splitter: Splitter::new(mark),
            command: driven.is_none().then_some(0),
            ends: 0,
            ahead: VecDeque::new(),
            ahead_size: 0,
        };
        Self {
            ports,
            out: heard(LogStream::Out),
            err: heard(LogStream::Err),
            driven,
            begun: usize::from(driven.is_none()),
            ended: 0,
            failed: None,
        }
    }

    pub(super) fn hear(&mut self, chunk: &LogOutput) {
        let (is_err, bytes) = match chunk {
            LogOutput::StdErr { message } => (true, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => (false, message),
            LogOutput::StdIn { .. } => return,
        };
        let pieces = self.heard(is_err).splitter.feed(bytes);
        for piece in pieces {
            self.arrived(is_err, piece);
        }
    }

    fn heard(&mut self, is_err: bool) -> &mut Heard {
        if is_err { &mut self.err } else { &mut self.out }
    }

    /// Takes what belongs to the command that runs, and keeps what is of a later one: the two outputs
    /// come on ways of their own, and the log is to be in the order of the commands.
    fn arrived(&mut self, is_err: bool, piece: Piece) {
        let ended = self.ended;
        let heard = self.heard(is_err);
        if heard.ends > ended || !heard.ahead.is_empty() {
            heard.ahead_size += piece.size();
            heard.ahead.push_back(piece);
            if heard.ahead_size > MOST_AHEAD {
                // The other output has lost its mark: better out of order than not at all.
                self.release(is_err);
            }
            return;
        }
        self.take(is_err, piece);
        self.catch_up();
    }

    /// Takes what was kept, as far as its commands have begun by now.
    fn catch_up(&mut self) {
        for is_err in [false, true] {
            loop {
                let ended = self.ended;
                let heard = self.heard(is_err);
                if heard.ends > ended {
                    break;
                }
                let Some(piece) = heard.ahead.pop_front() else {
                    heard.ahead_size = 0;
                    break;
                };
                heard.ahead_size = heard.ahead_size.saturating_sub(piece.size());
                self.take(is_err, piece);
                if self.ended > ended {
                    // The other one may go on too.
                    return self.catch_up();
                }
            }
        }
    }

    /// Takes all that was kept of one output.
    fn release(&mut self, is_err: bool) {
        let heard = self.heard(is_err);
        heard.ahead_size = 0;
        for piece in std::mem::take(&mut heard.ahead) {
            self.take(is_err, piece);
        }
    }

    fn take(&mut self, is_err: bool, piece: Piece) {
        let ports = self.ports;
        let heard = self.heard(is_err);
        match piece {
            Piece::Text(bytes) => ports.log(heard.stream, heard.command, &bytes),
            Piece::Start(index) => {
                heard.command = Some(index);
                if index == self.begun {
                    self.begun += 1;
                    ports.report(JobReport::CommandStarted { index });
                }
            }
            Piece::End(index, exit) => {
                heard.ends = index + 1;
                // All that it wrote has come when both have told its end.
                if self.out.ends.min(self.err.ends) > self.ended && index == self.ended {
                    self.over(index, exit);
                }
            }
        }
    }

    fn over(&mut self, index: usize, exit: i64) {
        self.ended = index + 1;
        if exit != 0 {
            self.failed.get_or_insert(index);
        }
        self.ports.report(JobReport::CommandEnded { index, exit });
    }

    /// Whether all commands have ended well, and all that they wrote was heard.
    pub(super) fn is_well(&self) -> bool {
        self.driven == Some(self.ended) && self.failed.is_none()
    }

    /// The container has ended; returns how far its commands have come.
    pub(super) fn end(&mut self, exit: i64) -> Last {
        for is_err in [false, true] {
            let rest = self.heard(is_err).splitter.end();
            if !rest.is_empty() {
                self.arrived(is_err, Piece::Text(rest));
            }
        }
        for is_err in [false, true] {
            self.release(is_err);
        }
        let driven = self.driven.is_some();
        let mut cut_off = None;
        // What had begun and did not tell its end has ended with the container.
        if self.begun > self.ended && (driven || self.begun == 1) {
            cut_off = driven.then_some(self.ended);
            self.over(self.ended, exit);
        }
        match (cut_off, self.failed) {
            (Some(index), _) => Last::CutOff(index),
            (None, Some(index)) => Last::Failed(index),
            (None, None) if self.driven.is_some_and(|all| self.ended < all) => {
                Last::Before(self.ended)
            }
            (None, None) => Last::Over,
        }
    }
}

/// How far the commands of a container had come when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// All were over.
    Over,
    /// One has failed.
    Failed(usize),
    /// The container ended during one, which did not do that.
    CutOff(usize),
    /// The container ended before this one began.
    Before(usize),
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    const MARK: &str = "\u{1e}0123abcd";

    /// What was heard, in its order.
    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Said {
        Start(usize),
        Text(bool, Option<usize>, String),
        End(usize, i64),
    }

    #[derive(Debug, Default)]
    struct Ports(Mutex<Vec<Said>>);

    impl JobPorts for Ports {
        fn report(&self, report: JobReport) {
            self.0.lock().unwrap().push(match report {
                JobReport::CommandStarted { index } => Said::Start(index),
                JobReport::CommandEnded { index, exit } => Said::End(index, exit),
                other => panic!("{other:?}"),
            });
        }

        fn log(&self, stream: LogStream, command: Option<usize>, bytes: &[u8]) {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let is_err = matches!(stream, LogStream::Err);
            let mut said = self.0.lock().unwrap();
            match said.last_mut() {
                Some(Said::Text(last, of, before)) if (*last, *of) == (is_err, command) => {
                    before.push_str(&text);
                }
                _ => said.push(Said::Text(is_err, command, text)),
            }
        }

        fn blobs(&self) -> &dyn crate::ports::BlobStore {
            unreachable!("nothing is stored")
        }
    }

    fn lines(number: usize) -> Commands {
        Commands::Lines(vec!["line".to_owned(); number])
    }

    /// One output of commands that each write something.
    fn written(texts: &[&str]) -> Vec<u8> {
        let one = |(at, text)| format!("{MARK} s {at}\n{text}{MARK} e {at} 0\n");
        texts.iter().enumerate().map(one).collect::<String>().into()
    }

    fn chunk(is_err: bool, bytes: &[u8]) -> LogOutput {
        let message = Bytes::copy_from_slice(bytes);
        if is_err {
            LogOutput::StdErr { message }
        } else {
            LogOutput::StdOut { message }
        }
    }

    proptest! {
        /// However the outputs come, and however they are cut.
        #[test]
        fn the_log_is_in_the_order_of_the_commands(
            cuts in prop::collection::vec((any::<bool>(), 1_usize..20), 1..60),
        ) {
            let texts = [["one", "1"], ["", "2"], ["three", ""], ["four", "4"]];
            let mut left = [
                written(&texts.map(|[out, _]| out)),
                written(&texts.map(|[_, err]| err)),
            ];
            let ports = Ports::default();
            let commands = lines(texts.len());
            let mut listener = Listener::new(&ports, MARK, &commands);
            for (is_err, size) in cuts {
                let rest = &mut left[usize::from(is_err)];
                let size = size.min(rest.len());
                let now: Vec<u8> = rest.drain(..size).collect();
                listener.hear(&chunk(is_err, &now));
            }
            for is_err in [true, false] {
                listener.hear(&chunk(is_err, &left[usize::from(is_err)]));
            }
            prop_assert!(listener.is_well());
            prop_assert_eq!(listener.end(0), Last::Over);
            let said = ports.0.into_inner().unwrap();
            let number = |said: &Said| match said {
                Said::Start(at) | Said::Text(_, Some(at), _) | Said::End(at, _) => *at,
                Said::Text(_, None, _) => panic!("of no command"),
            };
            prop_assert!(said.is_sorted_by_key(number), "{:?}", said);
            for (at, [out, err]) in texts.into_iter().enumerate() {
                let of = |wanted: bool| -> String {
                    let texts = said.iter().filter_map(|said| match said {
                        Said::Text(is_err, of, text) if (*is_err, *of) == (wanted, Some(at)) => {
                            Some(text.as_str())
                        }
                        _ => None,
                    });
                    texts.collect()
                };
                prop_assert_eq!((of(false), of(true)), (out.to_owned(), err.to_owned()));
            }
        }
    }

    #[test]
    fn an_output_whose_mark_is_lost_does_not_keep_the_other_one() {
        let ports = Ports::default();
        let commands = lines(2);
        let mut listener = Listener::new(&ports, MARK, &commands);
        listener.hear(&chunk(false, &written(&["a"])));
        let much = "x".repeat(MOST_AHEAD);
        listener.hear(&chunk(false, format!("{MARK} s 1\n{much}").as_bytes()));
        let texts = |ports: &Ports| {
            let said = ports.0.lock().unwrap();
            let texts = said.iter().filter(|said| matches!(said, Said::Text(..)));
            texts.count()
        };
        assert_eq!(texts(&ports), 2);
        listener.hear(&chunk(false, b"more"));
        assert_eq!(listener.end(137), Last::CutOff(0));
    }

    #[test]
    fn how_far_it_came_is_told_by_the_marks() {
        let last = |out: &str, exit| {
            let ports = Ports::default();
            let commands = lines(2);
            let mut listener = Listener::new(&ports, MARK, &commands);
            for is_err in [false, true] {
                listener.hear(&chunk(is_err, out.replace('@', MARK).as_bytes()));
            }
            listener.end(exit)
        };
        assert_eq!(last("", 1), Last::Before(0));
        assert_eq!(last("@ s 0\n", 137), Last::CutOff(0));
        assert_eq!(last("@ s 0\n@ e 0 3\n", 3), Last::Failed(0));
        assert_eq!(last("@ s 0\n@ e 0 0\n", 143), Last::Before(1));
        assert_eq!(last("@ s 0\n@ e 0 0\n@ s 1\n@ e 1 0\n", 0), Last::Over);
    }
}
