//! Keeps secrets out of everything that is written (decisions.md, "Masking").
//!
//! Masks are texts: parameter values, variables with secret-like names, the build's own
//! token. In logs they are found also when a write cuts them in two: the tail of a chunk
//! that could begin a mask is held back until the next one, or until the command ends.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};

use crate::domain::Event;
use crate::edn::Value;
use crate::wire;

/// What is shown in place of a secret.
const SHOWN: &str = "***";

/// Shorter values are no secrets, and masking them would riddle every log.
pub const SHORTEST: usize = 6;

/// The masks of one build. Cheap to clone; all clones know the same masks.
#[derive(Debug, Clone, Default)]
pub struct Masks(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    texts: BTreeSet<String>,
    finder: Option<Arc<Finder>>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} masks", self.texts.len())
    }
}

/// All masks at one moment.
struct Finder {
    texts: Vec<String>,
    automaton: AhoCorasick,
    /// Length of the longest mask in bytes.
    longest: usize,
    /// Which bytes a mask begins with.
    begins: Box<[bool; 256]>,
}

impl Masks {
    /// Registers secrets. Values under [`SHORTEST`] bytes are left alone; of a value with
    /// many lines each line is a secret too, since logs are written by the line.
    pub fn add<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) {
        let mut known = self
            .0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = known.texts.len();
        for secret in secrets {
            let lines = secret.lines().map(str::trim);
            for text in std::iter::once(secret.trim()).chain(lines) {
                if text.len() >= SHORTEST {
                    known.texts.insert(text.to_owned());
                    // As it stands in EDN and JSON.
                    if text.contains(['"', '\\']) {
                        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
                        known.texts.insert(quoted);
                    }
                }
            }
        }
        if known.texts.len() > before {
            let texts: Vec<String> = known.texts.iter().cloned().collect();
            let mut begins = Box::new([false; 256]);
            for text in &texts {
                begins[usize::from(text.as_bytes()[0])] = true;
            }
            known.finder = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&texts)
                .ok()
                .map(|automaton| {
                    Arc::new(Finder {
                        longest: texts.iter().map(String::len).max().unwrap_or(0),
                        texts,
                        automaton,
                        begins,
                    })
                });
        }
    }

    /// Registers the values of variables whose names say that they are secret.
    pub fn add_environment<'a>(&self, variables: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.add(
            variables
                .into_iter()
                .filter(|(name, _)| is_secret_name(name))
                .map(|(_, value)| value),
        );
    }

    fn finder(&self) -> Option<Arc<Finder>> {
        self.0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .finder
            .clone()
    }

    /// A text without secrets, or `None` when it has none.
    pub fn mask(&self, text: &str) -> Option<String> {
        let finder = self.finder();
        let hit = finder.as_ref().is_some_and(|f| f.automaton.is_match(text));
        let masked = match (&finder, hit) {
            (Some(finder), true) => Some(finder.replace(text)),
            _ => None,
        };
        let shown = masked.as_deref().unwrap_or(text);
        let (clean, _) = mask_credentials(shown.as_bytes(), true);
        match clean {
            // Only ASCII was taken out and put in, so it is UTF-8 as before.
            Some(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            None => masked,
        }
    }

    /// Where secrets stand in bytes that are kept as they are: ranges in order, which do not
    /// overlap.
    pub fn places(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let Some(finder) = self.finder() else {
            return Vec::new();
        };
        let found = finder.automaton.find_iter(bytes);
        found.map(|found| found.range()).collect()
    }

    /// The event as it may be written. Events without secrets come back unchanged and uncopied.
    pub fn mask_event(&self, event: Event) -> Event {
        let mut value = wire::edn_event(&event);
        if !self.mask_value(&mut value) {
            return event;
        }
        let seq = event.seq;
        match wire::event_from(value) {
            Ok(mut masked) => {
                masked.seq = seq;
                masked
            }
            // A masked event has a type as before; should it not, nothing of it is kept.
            Err(_) => Event::new(crate::domain::EventKind::Other(event.type_name().into())),
        }
    }

    fn mask_value(&self, value: &mut Value) -> bool {
        match value {
            Value::Str(text) => match self.mask(text) {
                Some(masked) => {
                    *text = masked;
                    true
                }
                None => false,
            },
            // A secret need not have been written as a text.
            Value::Keyword(_) | Value::Symbol(_) | Value::Int(_) | Value::BigInt(_) => {
                let shown = match &*value {
                    Value::Keyword(keyword) => keyword.as_str().to_owned(),
                    other => crate::edn::write(other),
                };
                match self.mask(&shown) {
                    Some(masked) => {
                        *value = Value::Str(masked);
                        true
                    }
                    None => false,
                }
            }
            Value::List(items) | Value::Vector(items) | Value::Set(items) => {
                let mut changed = false;
                for item in items {
                    changed |= self.mask_value(item);
                }
                changed
            }
            Value::Map(map) => {
                let mut changed = false;
                let pairs: Vec<(Value, Value)> = map
                    .iter()
                    .map(|(key, value)| {
                        let (mut key, mut value) = (key.clone(), value.clone());
                        if !is_routing(&key) {
                            changed |= self.mask_value(&mut key) | self.mask_value(&mut value);
                        }
                        (key, value)
                    })
                    .collect();
                if changed {
                    *map = pairs.into_iter().collect();
                }
                changed
            }
            _ => false,
        }
    }
}

/// Keys by whose values events and jobs find each other. They stay as they are: a parameter
/// whose value is a job's name is no secret by standing there, and a script that waits for
/// the end of `deploy-production` must not hear of `deploy-***`.
fn is_routing(key: &Value) -> bool {
    key.as_keyword().is_some_and(|key| {
        matches!(
            key.as_str(),
            "type"
                | "time"
                | "sid"
                | "src"
                | "job-id"
                | "id"
                | "dependencies"
                | "artifact-id"
                | "status"
                | "org-id"
                | "repo-id"
                | "build-id"
        )
    })
}

impl Finder {
    fn replace(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        self.automaton
            .replace_all_with(text, &mut out, |_, _, out| {
                out.push_str(SHOWN);
                true
            });
        out
    }

    /// Where the tail begins that could be the beginning of a mask.
    fn open_tail(&self, bytes: &[u8]) -> usize {
        let first = bytes.len().saturating_sub(self.longest.saturating_sub(1));
        (first..bytes.len())
            .find(|&from| {
                let tail = &bytes[from..];
                // Most tails begin like no mask at all.
                self.begins[usize::from(tail[0])]
                    && self
                        .texts
                        .iter()
                        .any(|text| text.len() > tail.len() && text.as_bytes().starts_with(tail))
            })
            .unwrap_or(bytes.len())
    }
}

/// One stream of log bytes on its way to disk: first the known secrets are taken out, then
/// what stands behind `Bearer` and `Token`.
#[derive(Debug, Default)]
pub struct MaskedStream {
    /// The tail that may begin a known secret.
    held: Vec<u8>,
    /// The tail that may begin or belong to a printed credential; known secrets are out.
    credential: Vec<u8>,
}

impl MaskedStream {
    /// Masks a chunk and passes on what can be decided.
    pub fn write(&mut self, masks: &Masks, bytes: &[u8], out: impl FnMut(&[u8])) {
        let finder = masks.finder();
        match &finder {
            None if self.held.is_empty() => self.pass(bytes, false, out),
            None => {
                self.held.extend_from_slice(bytes);
                let held = std::mem::take(&mut self.held);
                self.pass(&held, false, out);
            }
            Some(finder) => {
                self.held.extend_from_slice(bytes);
                let open = finder.open_tail(&self.held);
                let passed = self.take_masked(finder, open);
                self.pass(&passed, false, out);
            }
        }
    }

    /// Passes on what was held back: nothing more will come.
    pub fn finish(&mut self, masks: &Masks, out: impl FnMut(&[u8])) {
        // What could have begun a longer secret may be a whole shorter one.
        let passed = match masks.finder() {
            Some(finder) => {
                let all = self.held.len();
                self.take_masked(&finder, all)
            }
            None => std::mem::take(&mut self.held),
        };
        self.pass(&passed, true, out);
    }

    /// Takes what stands before `open` out of `held`, masked.
    fn take_masked(&mut self, finder: &Finder, open: usize) -> Vec<u8> {
        let mut done = 0;
        let mut passed = Vec::new();
        for found in finder.automaton.find_iter(&self.held) {
            if found.start() >= open {
                break;
            }
            passed.extend_from_slice(&self.held[done..found.start()]);
            passed.extend_from_slice(SHOWN.as_bytes());
            done = found.end();
        }
        let keep = open.max(done);
        passed.extend_from_slice(&self.held[done..keep]);
        self.held.drain(..keep);
        passed
    }

    fn pass(&mut self, bytes: &[u8], last: bool, mut out: impl FnMut(&[u8])) {
        let joined;
        let bytes = if self.credential.is_empty() {
            bytes
        } else {
            self.credential.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.credential);
            &joined
        };
        let (masked, kept) = mask_credentials(bytes, last);
        self.credential.extend_from_slice(&bytes[kept..]);
        let passed = masked.as_deref().unwrap_or(&bytes[..kept]);
        if !passed.is_empty() {
            out(passed);
        }
    }
}

/// True for names such as `API_TOKEN` or `db-password`; not for `PWD`, which is a folder.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let has_word = |wanted| name.split(['_', '-', '.']).any(|word| word == wanted);
    if matches!(name.as_str(), "pwd" | "oldpwd") {
        return false;
    }
    let parts = [
        "secret",
        "token",
        "passw",
        "credential",
        "apikey",
        "api_key",
        "api-key",
        "private_key",
        "private-key",
        "access_key",
        "access-key",
        "passphrase",
    ];
    has_word("pwd") || has_word("pass") || parts.iter().any(|part| name.contains(part))
}

/// What printed request headers have before a credential (protocol/README, trap 17).
const SCHEMES: [&[u8]; 2] = [b"Bearer ", b"Token "];
/// Shorter words behind a scheme are prose: "Token expired".
const SHORTEST_CREDENTIAL: usize = 16;
/// A credential that has not ended by then is masked as far as it came.
const LONGEST_CREDENTIAL: usize = 16 * 1024;

/// Masks what follows `Bearer` and `Token`. Returns the masked bytes (`None`: as they were)
/// and up to where the input was used; what is left could go on, unless this is the last.
fn mask_credentials(bytes: &[u8], last: bool) -> (Option<Vec<u8>>, usize) {
    let is_credential = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    let mut out: Option<Vec<u8>> = None;
    let mut done = 0;
    let mut from = 0;
    // Each scheme's own finder goes through the bytes once.
    let mut places = SCHEMES.map(|scheme| {
        let places = memchr::memmem::find_iter(bytes, scheme);
        places.map(|at| (at, scheme.len())).peekable()
    });
    loop {
        let found = places
            .iter_mut()
            .filter_map(|places| {
                while places.next_if(|(at, _)| *at < from).is_some() {}
                places.peek().copied()
            })
            .min();
        let Some((at, length)) = found else {
            break;
        };
        let start = at + length;
        let run = bytes[start..]
            .iter()
            .position(|byte| !is_credential(byte))
            .unwrap_or(bytes.len() - start);
        let open = start + run == bytes.len();
        if open && !last && run < LONGEST_CREDENTIAL {
            return keep_from(bytes, out, done, at);
        }
        from = start + run;
        if run >= SHORTEST_CREDENTIAL {
            let out = out.get_or_insert_with(Vec::new);
            out.extend_from_slice(&bytes[done..start]);
            out.extend_from_slice(SHOWN.as_bytes());
            done = start + run;
        }
    }
    let tail = if last {
        bytes.len()
    } else {
        // A scheme may have been cut in two by the write.
        (from.max(bytes.len().saturating_sub(6))..bytes.len())
            .find(|&at| {
                SCHEMES
                    .iter()
                    .any(|scheme| scheme.starts_with(&bytes[at..]))
            })
            .unwrap_or(bytes.len())
    };
    keep_from(bytes, out, done, tail)
}

fn keep_from(
    bytes: &[u8],
    out: Option<Vec<u8>>,
    done: usize,
    keep: usize,
) -> (Option<Vec<u8>>, usize) {
    let out = out.map(|mut out| {
        out.extend_from_slice(&bytes[done..keep]);
        out
    });
    (out, keep)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(masks: &Masks, chunks: &[&[u8]]) -> String {
        let mut stream = MaskedStream::default();
        let mut out = Vec::new();
        for chunk in chunks {
            stream.write(masks, chunk, |bytes| out.extend_from_slice(bytes));
        }
        stream.finish(masks, |bytes| out.extend_from_slice(bytes));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_secret_cut_in_two_by_a_write_is_masked() {
        let masks = Masks::default();
        masks.add(["hunter2-hunter2"]);
        assert_eq!(through(&masks, &[b"pw=hunter2-", b"hunter2\n"]), "pw=***\n");
    }

    #[test]
    fn bytes_that_cannot_begin_a_secret_are_passed_on_at_once() {
        let masks = Masks::default();
        masks.add(["hunter2-hunter2"]);
        let mut stream = MaskedStream::default();
        let mut out = Vec::new();
        stream.write(&masks, b"50%\r", |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"50%\r");
    }

    #[test]
    fn short_values_are_left_alone() {
        let masks = Masks::default();
        masks.add(["1.2.3", ""]);
        assert_eq!(masks.mask("version 1.2.3"), None);
    }

    #[test]
    fn printed_headers_lose_their_token() {
        let masks = Masks::default();
        let text = r#"{"authorization" "Bearer abcdefghijklmnopqrstuvwxyz=="}"#;
        assert_eq!(
            masks.mask(text).unwrap(),
            r#"{"authorization" "Bearer ***"}"#
        );
        assert_eq!(masks.mask("Token expired"), None);
    }

    #[test]
    fn names_tell_which_variables_are_secret() {
        for secret in [
            "API_TOKEN",
            "DB_PWD",
            "db-password",
            "AWS_SECRET_ACCESS_KEY",
            "PGPASSWORD",
        ] {
            assert!(is_secret_name(secret), "{secret}");
        }
        for open in [
            "PWD",
            "OLDPWD",
            "PATH",
            "HOME",
            "COMPASS",
            "LANG",
            "SSH_AUTH_SOCK",
        ] {
            assert!(!is_secret_name(open), "{open}");
        }
    }

    #[test]
    fn a_secret_that_begins_a_longer_one_is_masked_at_the_commands_end() {
        let masks = Masks::default();
        masks.add(["hunter2", "hunter2secret"]);
        assert_eq!(through(&masks, &[b"pw=hunter2"]), "pw=***");
        assert_eq!(through(&masks, &[b"pw=hunter2", b"secret."]), "pw=***.");
        assert_eq!(through(&masks, &[b"hunter2hunter2sec"]), "******sec");
    }

    #[test]
    fn a_printed_credential_is_masked_in_logs_however_it_is_cut() {
        let text = b"> authorization: Bearer abcdefghijklmnopqrstuvwxyz==\nToken expired\n";
        let masks = Masks::default();
        for cut in 0..text.len() {
            assert_eq!(
                through(&masks, &[&text[..cut], &text[cut..]]),
                "> authorization: Bearer ***\nToken expired\n",
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_text_full_of_credentials_takes_no_longer_than_its_length() {
        let text = "Bearer aaaaaaaaaaaaaaaa ".repeat(100_000);
        let masked = Masks::default().mask(&text).unwrap();
        assert_eq!(masked.len(), "Bearer *** ".len() * 100_000);
    }

    #[test]
    fn what_events_are_routed_by_is_not_masked_and_everything_else_is() {
        let masks = Masks::default();
        masks.add(["production", "12345678"]);
        let text = "{:type :job/end, :job-id \"deploy-production\", :sid [\"local\" \"production\" \"b\"], \
                    :result {:message \"to production\", :pin 12345678, :where :production}}";
        let event = wire::event_from(crate::edn::read_str(text).unwrap()).unwrap();
        let masked = masks.mask_event(event);
        assert_eq!(
            masked.job_id.as_ref().unwrap().as_str(),
            "deploy-production"
        );
        assert_eq!(masked.sid.as_ref().unwrap().repo, "production");
        let shown = wire::write_event(&masked);
        assert!(
            shown.contains("{:message \"to ***\", :pin \"***\", :where \"***\"}"),
            "{shown}"
        );
    }

    #[test]
    fn every_line_of_a_key_is_a_secret() {
        let masks = Masks::default();
        masks.add(["-----BEGIN-----\nAAAABBBB\nCCCCDDDD\n"]);
        assert_eq!(masks.mask("CCCCDDDD").unwrap(), "***");
    }

    proptest! {
        #[test]
        fn no_chunking_lets_a_secret_through(
            cuts in prop::collection::vec(0usize..60, 0..6),
            before in "[a-c]{0,12}",
            after in "[a-c]{0,12}",
        ) {
            let masks = Masks::default();
            masks.add(["abcabcd", "cabcabcabx"]);
            let text = format!("{before}abcabcd{after}cabcabcabx");
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|c| *c < text.len()).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&text.as_bytes()[from..cut]);
                from = cut;
            }
            chunks.push(&text.as_bytes()[from..]);
            let shown = through(&masks, &chunks);
            prop_assert!(!shown.contains("abcabcd"), "{shown}");
            prop_assert!(!shown.contains("cabcabcabx"), "{shown}");
        }
    }
}
