//! Builds whose artifacts and caches are in a bucket, on a server that speaks S3.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ObjectStore, ObjectStoreExt};

use crate::harness::{Project, Ran, Running, eventually, json_lines};
use crate::moto::Moto;
use crate::screen::Screen;

const BUCKET: &str = "builds";
const SECRET: &str = "secret-0123456789-abcdef";

/// Makes what is in the cache, or says that it is there; saves it as an artifact; and a second job
/// reads the artifact.
const CHAIN: &str = "\
- id: make
  image: i
  caches: [{id: deps, path: deps}]
  saveArtifacts: [{id: out, path: out}]
  script:
    - '[ ! -e deps/made ] || echo found \"$(cat deps/made)\"'
    - 'mkdir -p deps out && echo by-hand >deps/made && cp deps/made out/'
- id: use
  image: i
  dependencies: [make]
  restoreArtifacts: [{id: out, path: got}]
  script: ['echo used \"$(cat got/made)\"']
";

/// A project whose user keeps builds in a bucket at an address.
fn project(yaml: &str, address: &str, more: &str) -> Project {
    let project = Project::yaml(yaml);
    configure(
        &project,
        &format!(
            "[storage]\nkind = \"s3\"\nendpoint = \"http://{address}\"\nallow-http = true\n\
             bucket = \"{BUCKET}\"\nprefix = \"pre/fix\"\ntimeout = 10\n{more}"
        ),
    );
    project
}

fn configure(project: &Project, text: &str) {
    let folder = project.home().join("config");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), text).unwrap();
}

/// A command of a user who has credentials.
fn command(project: &Project, args: &[&str]) -> std::process::Command {
    let mut command = project.command(args);
    command
        .env("AWS_ACCESS_KEY_ID", "some-id")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_PROFILE")
        .env("HOME", project.dir());
    command
}

const BUILD: [&str; 4] = ["build", "--executor", "host", "--plain"];

fn build(project: &Project) -> Ran {
    Running::start(command(project, &BUILD)).wait()
}

/// The bucket, without us.
fn inside(server: &Moto) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(server.url())
        .with_allow_http(true)
        .with_bucket_name(BUCKET)
        .with_access_key_id("x")
        .with_secret_access_key("y")
        .build()
        .unwrap()
}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// The keys in the bucket.
fn keys(server: &Moto) -> Vec<String> {
    let store = inside(server);
    let listed = store.list(None).map_ok(|found| found.location.to_string());
    block(listed.try_collect()).unwrap()
}

/// A server with a bucket.
fn server(test: &str) -> Option<Moto> {
    let server = Moto::start(test)?;
    server.bucket(BUCKET);
    Some(server)
}

fn has(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let path = entry.path();
            if path.is_dir() {
                return has(&path, text);
            }
            let bytes = std::fs::read(&path).unwrap_or_default();
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        })
}

#[test]
fn artifacts_and_caches_go_to_the_bucket_and_come_back() {
    let Some(server) = server("storage: artifacts_and_caches_go_to_the_bucket") else {
        return;
    };
    let project = project(CHAIN, &server.address, "");
    build(&project)
        .exits(0)
        .says("│ used by-hand")
        .keeps_quiet_about("│ found");
    let kept = keys(&server);
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(
        kept[0].starts_with("pre/fix/artifacts/local/project-"),
        "{kept:?}"
    );
    assert!(kept[0].ends_with("/out.tgz"), "{kept:?}");
    assert!(
        kept[1].starts_with("pre/fix/caches/local/project-"),
        "{kept:?}"
    );
    let blobs = project.home().join("data/blobs");
    assert!(!blobs.join("artifacts").exists() && !blobs.join("caches").exists());
    build(&project)
        .exits(0)
        .says("│ found by-hand")
        .keeps_quiet_about(SECRET);
    assert!(!has(&project.home(), SECRET), "a secret has been written");
}

#[test]
fn what_is_in_the_bucket_can_be_saved_from_the_screen() {
    let Some(server) = server("storage: what_is_in_the_bucket_can_be_saved") else {
        return;
    };
    let project = project(CHAIN, &server.address, "");
    build(&project).exits(0);
    let to = project.dir().join("saved");
    let mut attach = Screen::command(&project, &["attach", "last"]);
    attach.env("AWS_ACCESS_KEY_ID", "some-id");
    attach.env("AWS_SECRET_ACCESS_KEY", SECRET);
    let mut screen = Screen::run(attach, (120, 24));
    screen.until("make").keys("5").until("out").keys("\x13");
    screen.until("out.tgz").keys(&"\x7f".repeat(10));
    screen.keys(to.to_str().unwrap()).keys("\r");
    screen.until("saved to");
    let listed = std::process::Command::new("tar")
        .args(["-tzf", to.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(listed.status.success());
    assert!(String::from_utf8_lossy(&listed.stdout).contains("made"));
}

#[test]
fn a_profile_has_the_credentials() {
    let Some(server) = server("storage: a_profile_has_the_credentials") else {
        return;
    };
    let yaml = CHAIN.replace("echo used", &format!("echo {SECRET} used"));
    let project = project(&yaml, &server.address, "profile = \"ci\"\n").file(
        "../aws",
        &format!("[ci]\naws_access_key_id = a\naws_secret_access_key = {SECRET}\n"),
    );
    let start = |profiles: &str| {
        let mut command = project.command(&BUILD);
        command.env("AWS_SHARED_CREDENTIALS_FILE", profiles);
        Running::start(command).wait()
    };
    start("../aws")
        .exits(0)
        .says("│ *** used by-hand")
        .keeps_quiet_about(SECRET);
    assert!(!has(&project.home(), SECRET), "a secret has been written");
    start("/nowhere/aws")
        .exits(2)
        .says("there is no profile \"ci\" in ");
}

#[test]
fn refused_credentials_fail_the_job_and_are_named() {
    // The server looks at credentials from the second request on.
    let look = [("INITIAL_NO_AUTH_ACTION_COUNT", "1")];
    let Some(server) = Moto::start_with("storage: refused_credentials", &look) else {
        return;
    };
    server.bucket(BUCKET);
    let project = project(CHAIN, &server.address, "");
    let refused = format!(
        "in the bucket builds at {}: the credentials are refused (InvalidAccessKeyId)",
        server.url()
    );
    let ran = build(&project).exits(1).says(&refused);
    assert!(
        ran.out.contains("cache \"deps\" cannot be restored"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("artifact \"out\" cannot be saved"),
        "{}",
        ran.out
    );
    ran.keeps_quiet_about(SECRET);
}

#[test]
fn a_bucket_that_is_not_there_fails_the_job() {
    let Some(server) = Moto::start("storage: a_bucket_that_is_not_there") else {
        return;
    };
    let project = project(CHAIN, &server.address, "");
    build(&project)
        .exits(1)
        .says("there is no such bucket (NoSuchBucket)");
}

#[test]
fn a_server_that_goes_away_fails_the_job_that_needs_it() {
    let Some(mut server) = server("storage: a_server_that_goes_away") else {
        return;
    };
    let yaml = "\
- id: a
  image: i
  saveArtifacts: [{id: one, path: one}]
  script: ['echo 1 >one']
- id: b
  image: i
  dependencies: [a]
  caches: [{id: deps, path: two}]
  saveArtifacts: [{id: two, path: two}]
  script: ['echo 2 >two; echo ready; while [ ! -e \"$GATE\" ]; do :; done']
";
    let project = project(yaml, &server.address, "");
    let gate = project.home().join("gate");
    let mut command = command(&project, &BUILD);
    command.args(["--env", "GATE"]).env("GATE", &gate);
    let mut build = Running::start(command);
    build.until("│ ready");
    server.end();
    std::fs::write(&gate, "").unwrap();
    let place = format!("in the bucket builds at {}: ", server.url());
    let ran = build.wait().exits(1).says(&place);
    assert!(
        ran.out.contains("artifact \"two\" cannot be saved"),
        "{}",
        ran.out
    );
    assert_eq!(
        project.jobs(),
        [
            ("a".to_owned(), "success".to_owned()),
            ("b".to_owned(), "failure".to_owned())
        ]
    );
}

#[test]
fn a_damaged_cache_is_missed_and_a_damaged_artifact_fails_its_job() {
    let Some(server) = server("storage: a_damaged_cache_is_missed") else {
        return;
    };
    let yaml = CHAIN.replace("script: ['echo used", "script: ['ls; echo used");
    let yaml = yaml.replace("- id: use\n", "- id: use\n  blocked: true\n");
    let project = project(&yaml, &server.address, "");
    let damage = |kind: &str| {
        let store = inside(&server);
        let key = keys(&server)
            .into_iter()
            .rfind(|key| key.starts_with(&format!("pre/fix/{kind}/")))
            .unwrap();
        let path = object_store::path::Path::parse(key).unwrap();
        block(async {
            let got = store.get(&path).await.unwrap().bytes().await.unwrap();
            let mut bytes = got.to_vec();
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            store.put(&path, bytes.into()).await.map(drop).unwrap();
        });
    };
    build(&project);
    damage("caches");
    let mut all = BUILD.to_vec();
    all.push("--wait-blocked");
    let mut second = Running::start(command(&project, &all));
    second.until("cache \"deps\" cannot be restored: caches/local/project-");
    second.until("blocked");
    eventually("the artifact is there", || {
        keys(&server)
            .iter()
            .filter(|key| key.contains("artifacts"))
            .count()
            == 2
    });
    damage("artifacts");
    project.run(&["unblock", "use"]).exits(0);
    let ran = second.wait().exits(1).says(" is damaged: ");
    assert!(
        ran.out
            .contains("artifact \"out\" cannot be restored: artifacts/local/project-"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("│ found"), "{}", ran.out);
}

/// Passes on what it gets until it has got that much of clients; then it stands still.
struct Sluice {
    address: String,
    stands_still: mpsc::Receiver<()>,
}

impl Sluice {
    fn before(server: &Moto, limit: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (told, stands_still) = mpsc::channel();
        let passed = Arc::new(AtomicU64::new(0));
        let to = server.address.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&to).unwrap());
                let (mut back, mut from) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                // Either may go away.
                std::thread::spawn(move || std::io::copy(&mut from, &mut back));
                let (told, passed) = (told.clone(), Arc::clone(&passed));
                std::thread::spawn(move || pass(client, server, limit, &passed, &told));
            }
        });
        Self {
            address,
            stands_still,
        }
    }
}

fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    limit: u64,
    passed: &AtomicU64,
    told: &mpsc::Sender<()>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = client.read(&mut buffer) {
        if read == 0 || server.write_all(&buffer[..read]).is_err() {
            break;
        }
        if passed.fetch_add(read as u64, Ordering::Relaxed) + read as u64 > limit {
            // The test may have seen enough.
            let _ = told.send(());
            std::thread::park();
        }
    }
    // So does whoever waits for an answer.
    let _ = server.shutdown(std::net::Shutdown::Write);
}

#[test]
fn a_kill_in_the_middle_of_an_upload_leaves_the_old_blob() {
    let Some(server) = server("storage: a_kill_in_the_middle_of_an_upload") else {
        return;
    };
    let yaml = "\
- id: a
  image: i
  caches: [{id: deps, path: deps}]
  script:
    - '[ ! -e deps/made ] || echo found \"$(cat deps/made)\"'
    - 'mkdir -p deps && echo old >deps/made'
    - '[ -z \"$LARGE\" ] || { echo new >deps/made; head -c 40000000 /dev/urandom >deps/large; }'
";
    let project = project(yaml, &server.address, "");
    build(&project).exits(0);
    let sluice = Sluice::before(&server, 20_000_000);
    configure(
        &project,
        &format!(
            "[storage]\nkind = \"s3\"\nendpoint = \"http://{}\"\nallow-http = true\n\
             bucket = \"{BUCKET}\"\nprefix = \"pre/fix\"\n",
            sluice.address
        ),
    );
    let mut all = BUILD.to_vec();
    all.extend(["--env", "LARGE"]);
    let mut killed = command(&project, &all);
    killed.env("LARGE", "1");
    let mut killed = Running::start(killed);
    sluice
        .stands_still
        .recv_timeout(crate::harness::LIMIT)
        .expect("half of it is sent");
    killed.signal(rustix::process::Signal::KILL);
    killed.wait();
    assert!(
        server.uploads(BUCKET).contains("<UploadId>"),
        "it was under way"
    );
    configure(
        &project,
        &format!(
            "[storage]\nkind = \"s3\"\nendpoint = \"{}\"\nallow-http = true\n\
             bucket = \"{BUCKET}\"\nprefix = \"pre/fix\"\n",
            server.url()
        ),
    );
    build(&project).exits(0).says("│ found old");
}

#[test]
fn a_kill_in_the_middle_of_writing_a_file_leaves_the_old_blob() {
    let yaml = "\
- id: a
  image: i
  caches: [{id: deps, path: deps}]
  script:
    - '[ ! -e deps/made ] || echo found \"$(cat deps/made)\"'
    - 'mkdir -p deps && echo old >deps/made'
    - '[ -z \"$LARGE\" ] || { echo new >deps/made; head -c 300000000 /dev/urandom >deps/large; }'
";
    let project = Project::yaml(yaml);
    project.build(&[]).exits(0);
    let incoming = project.home().join("data/blobs/.incoming");
    let mut killed = project.command(&BUILD);
    killed.args(["--env", "LARGE"]).env("LARGE", "1");
    let mut killed = Running::start(killed);
    // The workspace is a small one.
    eventually("a file grows", || {
        std::fs::read_dir(&incoming)
            .into_iter()
            .flatten()
            .flatten()
            .any(|draft| {
                std::fs::read_dir(draft.path())
                    .into_iter()
                    .flatten()
                    .flatten()
                    .any(|file| file.metadata().is_ok_and(|file| file.len() > 2_000_000))
            })
    });
    killed.signal(rustix::process::Signal::KILL);
    killed.wait();
    assert_eq!(std::fs::read_dir(&incoming).unwrap().count(), 1);
    project.build(&[]).exits(0).says("│ found old");
    assert_eq!(std::fs::read_dir(&incoming).unwrap().count(), 0);
}

#[test]
fn a_wrong_configuration_is_refused_with_its_key() {
    for (text, said) in [
        (
            "[storage]\nkind = \"s3\"\n",
            "storage.bucket is needed with kind = \"s3\"",
        ),
        (
            "[storage]\nkind = \"s3\"\nbucket = \"abc\"\nendpoint = \"http://h\"\n",
            "storage.endpoint is http",
        ),
        (
            "[storage]\nkind = \"s3\"\nbucket = \"abc\"\nsecret-access-key = \"hunter2-hunter2\"\n",
            "storage.secret-access-key: credentials are not taken from this file",
        ),
        ("[storage\n", "config.toml:1: "),
    ] {
        let project = Project::yaml(CHAIN);
        configure(&project, text);
        build(&project)
            .exits(2)
            .says(said)
            .keeps_quiet_about("hunter2");
        let mut json = BUILD.to_vec();
        json[3] = "--json";
        let ran = Running::start(command(&project, &json)).wait().exits(2);
        let end = json_lines(&ran.out).pop().unwrap();
        assert_eq!(end["type"], "build/end");
        assert!(end["message"].as_str().unwrap().contains(said), "{end}");
    }
}

#[test]
fn a_checkout_has_no_say_in_where_artifacts_go() {
    let project = Project::yaml(CHAIN).file(
        ".monkeyci/tui.toml",
        "[storage]\nkind = \"s3\"\nbucket = \"of-a-stranger\"\n",
    );
    build(&project)
        .exits(0)
        .says("│ used by-hand")
        .says(".monkeyci/tui.toml:1 sets storage, which is passed over");
    assert!(project.home().join("data/blobs/artifacts").exists());
}
