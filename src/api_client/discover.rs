//! Finding the builds that run on this machine, by the sockets of their script APIs.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::domain::Sid;

use super::client::ApiClient;
use super::error::ApiError;

/// The names of socket and token in a build's runtime folder.
const SOCKET: &str = "api.sock";
const TOKEN: &str = "watch.token";

/// Longer than any token, in bytes.
const LONGEST_TOKEN: u64 = 16 * 1024;

/// A build somebody is running.
#[derive(Debug, Clone)]
pub struct LiveBuild {
    /// The build, as its token says; `None` when the token is of a kind this version does not know.
    pub sid: Option<Sid>,
    /// The name of its runtime folder: the build id as a file name.
    pub build: String,
    /// Where its script API answers.
    pub socket: PathBuf,
    /// What lets this user in.
    pub token: SecretString,
}

impl LiveBuild {
    /// A client of its script API.
    pub fn client(&self) -> Result<ApiClient, ApiError> {
        ApiClient::new(&self.socket, self.token.clone())
    }
}

/// The builds under a runtime folder whose socket answers, sorted by name. What a killed
/// program left behind is passed over. May block for as long as a local connect takes.
pub fn discover(runtime_dir: &Path) -> Vec<LiveBuild> {
    let Ok(folders) = std::fs::read_dir(runtime_dir) else {
        return Vec::new();
    };
    let mut builds: Vec<LiveBuild> = folders
        .flatten()
        .filter_map(|folder| {
            let socket = folder.path().join(SOCKET);
            UnixStream::connect(&socket).ok()?;
            let token = read_token(&folder.path().join(TOKEN))?;
            Some(LiveBuild {
                sid: sid_of(token.expose_secret()),
                build: folder.file_name().to_string_lossy().into_owned(),
                socket,
                token,
            })
        })
        .collect();
    builds.sort_by(|a, b| a.build.cmp(&b.build));
    builds
}

fn read_token(path: &Path) -> Option<SecretString> {
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(LONGEST_TOKEN).read_to_string(&mut text).ok()?;
    let token = text.trim();
    (!token.is_empty()).then(|| SecretString::from(token))
}

/// The build a token is for. Nothing is trusted because of it: the server checks the token.
fn sid_of(token: &str) -> Option<Sid> {
    let claims: serde_json::Value = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
    Sid::parse(claims.get("sub")?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// {"alg":"HS256"}.{"sub":"local/demo/build-1","exp":1}
    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJsb2NhbC9kZW1vL2J1aWxkLTEiLCJleHAiOjF9.c2ln";

    #[test]
    fn a_token_tells_its_build() {
        assert_eq!(sid_of(JWT), Some(Sid::new("local", "demo", "build-1")));
        for odd in ["", "x", "a.b.c", "a.!!.c", "..", "a.e30.c"] {
            assert_eq!(sid_of(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn only_builds_that_answer_are_found() {
        let runtime = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = runtime.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let live = folder("live");
        let _listener = UnixListener::bind(live.join(SOCKET)).unwrap();
        std::fs::write(live.join(TOKEN), format!("{JWT}\n")).unwrap();
        let dead = folder("dead");
        drop(UnixListener::bind(dead.join(SOCKET)).unwrap());
        std::fs::write(dead.join(TOKEN), JWT).unwrap();
        let without_token = folder("without-token");
        let _other = UnixListener::bind(without_token.join(SOCKET)).unwrap();
        folder("empty");
        std::fs::write(runtime.path().join("file"), "").unwrap();

        let found = discover(runtime.path());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].build, "live");
        assert_eq!(found[0].sid, Some(Sid::new("local", "demo", "build-1")));
        assert_eq!(found[0].token.expose_secret(), JWT);
    }

    #[test]
    fn without_a_runtime_folder_nothing_is_found() {
        assert!(discover(Path::new("/no/such/folder")).is_empty());
    }
}
