//! Servers on the web: logins, redirects, proxies, certificates, hosts that are not for everybody, and trouble.

use std::sync::mpsc;

use base64::Engine as _;

use super::web::{Answer, Asked, Web, with_tls};
use super::*;

const TOKEN: &str = "t0ken-of-ada";

/// Wants `ada` and [`TOKEN`].
fn guarded(asked: &Asked) -> Answer {
    let login = base64::engine::general_purpose::STANDARD.encode(format!("ada:{TOKEN}"));
    if asked.header("authorization") == Some(&format!("Basic {login}")) {
        return Answer::Git;
    }
    Answer::Plain(
        "401 Unauthorized",
        vec!["WWW-Authenticate: Basic realm=\"x\"".to_owned()],
        String::new(),
    )
}

fn with_login(url: &str, login: &str) -> String {
    url.replacen("http://", &format!("http://{login}@"), 1)
}

#[test]
fn a_login_is_in_the_url_or_given_or_known_to_a_helper() {
    let desk = Desk::new();
    let web = Web::start(&desk.root(), guarded);
    let url = web.url("/repo.git");

    let in_url = with_login(&url, &format!("ada:{TOKEN}"));
    let fetched = desk.fetch(&request(&in_url), "url").unwrap();
    assert_eq!(fetched.url, url);
    let kept = std::fs::read_to_string(desk.target("url").join(".git/config")).unwrap();
    assert!(!kept.contains(TOKEN) && kept.contains(&url));

    let given = FetchRequest {
        credentials: Credentials::Given {
            user: "ada".to_owned(),
            password: TOKEN.into(),
        },
        ..request(&url)
    };
    desk.fetch(&given, "given").unwrap();

    std::fs::write(
        desk.dir().join(".gitconfig"),
        "[credential]\n helper = \"!f() { cat >>asked; echo username=ada; echo password=$SECRET; }; f\"\n",
    )
    .unwrap();
    let asked = desk.dir().join("asked");
    let config = std::fs::read_to_string(desk.dir().join(".gitconfig")).unwrap();
    std::fs::write(
        desk.dir().join(".gitconfig"),
        config.replace(">>asked", &format!(">>{}", asked.display())),
    )
    .unwrap();
    let user = desk.user(&[("SECRET", TOKEN)]);
    desk.fetch_as(&request(&url), &user, "helper").unwrap();
    let question = std::fs::read_to_string(&asked).unwrap();
    assert!(question.contains("protocol=http\n"), "{question}");
    assert!(
        question.contains(&format!("host=127.0.0.1:{}\n", web.port)),
        "{question}"
    );
    let by_name = with_login(&url, "ada");
    desk.fetch_as(&request(&by_name), &user, "name").unwrap();
    let question = std::fs::read_to_string(&asked).unwrap();
    assert!(question.contains("username=ada\n"), "{question}");
}

#[test]
fn a_login_that_is_missing_or_wrong_is_told_without_it() {
    let desk = Desk::new();
    let web = Web::start(&desk.root(), guarded);
    let url = web.url("/repo.git");
    let wrong = with_login(&url, "ada:wr0ng-one");
    let error = desk.fetch(&request(&wrong), "x").unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(said.contains("are refused"), "{said}");
    assert!(!said.contains("wr0ng") && !said.contains("ada"), "{said}");

    let error = desk.fetch(&request(&url), "x").unwrap_err().to_string();
    assert!(error.contains("knows none for it"), "{error}");
    let without = FetchRequest {
        credentials: Credentials::None,
        ..request(&url)
    };
    let error = desk.fetch(&without, "x").unwrap_err().to_string();
    assert!(error.contains("this fetch has none"), "{error}");
    let no_git = UserGit::from_parts(None, vec![("PATH".into(), "/nowhere".into())]);
    let error = desk.fetch_as(&request(&url), &no_git, "x").unwrap_err();
    assert!(error.to_string().contains("not installed"), "{error}");
}

#[test]
fn a_login_goes_to_no_other_server() {
    let desk = Desk::new();
    let other = Web::start(&desk.root(), guarded);
    let to = other.url("/repo.git/info/refs?service=git-upload-pack");
    let web = Web::start(&desk.root(), move |asked| match guarded(asked) {
        Answer::Git => Answer::redirect(&to),
        refused => refused,
    });
    let url = with_login(&web.url("/repo.git"), &format!("ada:{TOKEN}"));
    let error = desk.fetch(&request(&url), "x").unwrap_err();
    assert!(
        error.to_string().contains("not handed on to the server"),
        "{error}"
    );
    assert!(web.asked().len() == 2 && other.asked().len() == 1);
    assert_eq!(other.asked()[0].header("authorization"), None);
}

#[test]
fn redirects_are_followed_to_where_a_fetch_may_go() {
    let desk = Desk::new();
    let web = Web::start(&desk.root(), |asked| match asked.path() {
        path if path.starts_with("/old") => {
            Answer::redirect("/repo.git/info/refs?service=git-upload-pack")
        }
        path if path.starts_with("/meta") => {
            Answer::redirect("http://169.254.169.254/info/refs?service=git-upload-pack")
        }
        path if path.starts_with("/name") => {
            Answer::redirect("http://localhost:1/info/refs?service=git-upload-pack")
        }
        path if path.starts_with("/file") => Answer::redirect("file:///etc/passwd"),
        path if path.starts_with("/page") => Answer::redirect("/sign-in"),
        path if path.starts_with("/loop") => {
            Answer::redirect("/loop/info/refs?service=git-upload-pack")
        }
        _ => Answer::Git,
    });
    desk.fetch(&request(&web.url("/old")), "old").unwrap();
    assert_eq!(desk.files("old"), ["1", "2", "3", "4"]);

    let loopback = |path: &str| FetchRequest {
        allowed: Allowed {
            loopback: true,
            ..Allowed::default()
        },
        ..request(&web.url(path))
    };
    let error = desk.fetch(&loopback("/meta"), "x").unwrap_err();
    assert!(
        matches!(&error, FetchError::Forbidden { host, .. } if host == "169.254.169.254"),
        "{error:?}"
    );
    for (path, why) in [
        ("/file", "redirects to another protocol"),
        ("/page", "redirects to what is no repository"),
        ("/loop", "redirects more than"),
    ] {
        let error = desk.fetch(&request(&web.url(path)), "x").unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn hosts_that_are_not_public_are_not_even_connected_to() {
    let desk = Desk::new();
    let web = Web::git(&desk.root());
    let port = web.port;
    for host in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("0x7f.1:{port}"),
        format!("2130706433:{port}"),
        format!("0:{port}"),
        "10.0.0.1".to_owned(),
        "169.254.169.254".to_owned(),
        "[fd00::1]".to_owned(),
    ] {
        let request = FetchRequest::new(format!("http://{host}/repo.git"));
        let error = desk.fetch(&request, "x").unwrap_err();
        assert!(
            matches!(error, FetchError::Forbidden { .. }),
            "{host}: {error:?}"
        );
    }
    assert!(web.asked().is_empty());
    // Allowed, the same server answers.
    let request = FetchRequest {
        allowed: Allowed {
            loopback: true,
            ..Allowed::default()
        },
        ..FetchRequest::new(format!("http://localhost:{port}/repo.git"))
    };
    desk.fetch(&request, "x").unwrap();
    let folder = desk.root().join("repo.git");
    for url in [
        folder.display().to_string(),
        format!("file://{}", folder.display()),
    ] {
        let error = desk.fetch(&FetchRequest::new(url), "y").unwrap_err();
        assert!(matches!(error, FetchError::Folder), "{error:?}");
    }
}

#[test]
fn a_proxy_is_asked_for_what_it_should_be_asked_for() {
    let desk = Desk::new();
    // What a proxy gets is a whole URL; this one answers by itself.
    let proxy = Web::git(&desk.root());
    let proxies = |exception: &str| {
        let address = format!("http://ada:{TOKEN}@127.0.0.1:{}", proxy.port);
        desk.user(&[("http_proxy", &address), ("no_proxy", exception)])
    };
    let far = FetchRequest::new("http://far.invalid/repo.git");
    desk.fetch_as(&far, &proxies(""), "far").unwrap();
    let asked = &proxy.asked()[0];
    assert!(asked.target.starts_with("http://far.invalid/repo.git/"));
    assert!(asked.header("proxy-authorization").is_some());
    assert_eq!(asked.header("authorization"), None);

    let before = proxy.asked().len();
    let error = desk
        .fetch_as(&far, &proxies("far.invalid"), "x")
        .unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
    // Through a proxy too, what is known to be forbidden is not asked for.
    let inner = FetchRequest::new("http://169.254.169.254/repo.git");
    let error = desk.fetch_as(&inner, &proxies(""), "x").unwrap_err();
    assert!(matches!(error, FetchError::Forbidden { .. }), "{error:?}");
    let inner = FetchRequest::new("http://localhost/repo.git");
    let error = desk.fetch_as(&inner, &proxies(""), "x").unwrap_err();
    assert!(matches!(error, FetchError::Forbidden { .. }), "{error:?}");
    assert_eq!(proxy.asked().len(), before);

    let user = desk.user(&[("http_proxy", "socks5://127.0.0.1:1")]);
    let error = desk.fetch_as(&far, &user, "x").unwrap_err();
    assert!(
        error.to_string().contains("none that can be used"),
        "{error}"
    );
}

#[test]
fn certificates_are_checked_against_what_is_named() {
    let desk = Desk::new();
    let folder = tempfile::tempdir().unwrap();
    let Some((web, ca)) = with_tls(&desk.root(), folder.path()) else {
        counted::not_run("vcs::fetch over TLS", "there is no openssl program");
        return;
    };
    let url = format!("https://127.0.0.1:{}/repo.git", web.port);
    let error = desk.fetch(&request(&url), "x").unwrap_err();
    assert!(
        matches!(&error, FetchError::Unreachable { reason, .. } if reason.contains("certificate")),
        "{error:?}"
    );
    let trusting = FetchRequest {
        ca_file: Some(ca.clone()),
        ..request(&url)
    };
    desk.fetch(&trusting, "named").unwrap();
    let user = desk.user(&[("GIT_SSL_CAINFO", ca.to_str().unwrap())]);
    desk.fetch_as(&request(&url), &user, "git").unwrap();
    assert_eq!(desk.files("git"), ["1", "2", "3", "4"]);
    let broken = FetchRequest {
        ca_file: Some(folder.path().join("ext")),
        ..request(&url)
    };
    let error = desk.fetch(&broken, "y").unwrap_err();
    assert!(matches!(error, FetchError::Start { .. }), "{error:?}");
}

#[test]
fn what_a_server_answers_instead_is_told() {
    let desk = Desk::new();
    let web = Web::start(&desk.root(), |asked| match asked.path() {
        path if path.starts_with("/page") => Answer::Plain(
            "200 OK",
            vec!["Content-Type: text/html".to_owned()],
            "<h1>Welcome".to_owned(),
        ),
        path if path.starts_with("/gone") => {
            Answer::Plain("404 Not Found", Vec::new(), String::new())
        }
        path if path.starts_with("/busy") => Answer::Plain(
            "503 Service Unavailable",
            vec!["Content-Type: text/plain".to_owned()],
            "try\u{1b}[31m later".to_owned(),
        ),
        path if path.starts_with("/junk") => Answer::Plain(
            "200 OK",
            vec!["Content-Type: application/x-git-upload-pack-advertisement".to_owned()],
            "zzzz\u{1b}[31m".to_owned(),
        ),
        path if path.starts_with("/says") => Answer::Plain(
            "200 OK",
            vec!["Content-Type: application/x-git-upload-pack-advertisement".to_owned()],
            "001e# service=git-upload-pack\n0000001aERR no\u{1b}[31m\u{7} such thing!".to_owned(),
        ),
        _ => Answer::Git,
    });
    let said = |path: &str| {
        let error = desk.fetch(&request(&web.url(path)), "x").unwrap_err();
        assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
        error.to_string()
    };
    assert!(
        said("/page").contains("does not speak git's protocol there (it answered with text/html)")
    );
    assert!(said("/gone").contains("there is no repository at"));
    assert!(said("/not-here.git").contains("there is no repository at"));
    assert!(said("/busy").ends_with("answered 503 Service Unavailable: try [31m later"));
    assert!(said("/junk").contains("was not fetched: "));
    assert!(said("/says").contains("was not fetched: "));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let error = desk
        .fetch(&request(&format!("http://127.0.0.1:{port}/x")), "x")
        .unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
}

#[test]
fn a_connection_that_is_cut_fails_and_leaves_a_mirror_that_works() {
    let desk = Desk::new();
    std::fs::write(desk.dir().join("work/large"), vec![7; 3 << 20]).unwrap();
    desk.commit("trunk", "5");
    desk.publish();
    let cut = std::sync::Arc::new(std::sync::Mutex::new(Some(("GET", 10))));
    let now = std::sync::Arc::clone(&cut);
    let web = Web::start(&desk.root(), move |asked| match *now.lock().unwrap() {
        Some((method, length)) if asked.method == method => Answer::Cut(length),
        _ => Answer::Git,
    });
    let request = request(&web.url("/repo.git"));
    for (method, length) in [
        ("GET", 0),
        ("GET", 10),
        ("GET", 300),
        ("POST", 0),
        ("POST", 100),
        ("POST", 250),
        ("POST", 700),
        ("POST", 1000),
    ] {
        *cut.lock().unwrap() = Some((method, length));
        let error = desk.fetch(&request, "x").unwrap_err();
        assert!(
            matches!(
                error,
                FetchError::Unreachable { .. }
                    | FetchError::Git { .. }
                    | FetchError::Refused { .. }
            ),
            "{method} {length}: {error:?}"
        );
    }
    *cut.lock().unwrap() = None;
    desk.fetch(&request, "x").unwrap();
    assert_eq!(desk.files("x").len(), 6);
}

#[test]
fn a_canceled_fetch_ends_wherever_it_is() {
    for method in ["GET", "POST"] {
        let desk = Desk::new();
        let (stalls, stalled) = mpsc::channel();
        let stalls = std::sync::Mutex::new(stalls);
        let web = Web::start(&desk.root(), move |asked| {
            if asked.method == method {
                stalls.lock().unwrap().send(()).unwrap();
                return Answer::Stall(200);
            }
            Answer::Git
        });
        let url = web.url("/repo.git");
        std::thread::scope(|scope| {
            let fetch = scope.spawn(|| desk.fetch(&request(&url), "x"));
            stalled.recv().unwrap();
            desk.cancel.cancel();
            let error = fetch.join().unwrap().unwrap_err();
            assert!(matches!(error, FetchError::Canceled), "{error:?}");
        });
        // A cancel while objects arrive, and one that was there before.
        let error = desk.fetch(&request(&url), "y").unwrap_err();
        assert!(matches!(error, FetchError::Canceled), "{error:?}");
    }
    let desk = Desk::new();
    let web = Web::git(&desk.root());
    for stop_at in ["Receiving", "Resolving", "Writing"] {
        let cancel = CancellationToken::new();
        let control = Control {
            cancel: &cancel,
            progress: &mut |progress| {
                if format!("{progress:?}").starts_with(stop_at) {
                    cancel.cancel();
                }
            },
        };
        let target = desk.target(stop_at);
        let request = request(&web.url("/repo.git"));
        let user = desk.user(&[]);
        let result = fetch(&desk.cache(), &request, &user, &target, control);
        assert!(
            matches!(result, Err(FetchError::Canceled)),
            "{stop_at}: {result:?}"
        );
    }
}

#[test]
fn more_than_may_come_is_not_taken() {
    let desk = Desk::new();
    let noise: Vec<u8> = (0_u32..500_000)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    std::fs::write(desk.dir().join("work/noise"), noise).unwrap();
    desk.commit("trunk", "5");
    desk.publish();
    let web = Web::git(&desk.root());
    for url in [
        web.url("/repo.git"),
        desk.root().join("repo.git").display().to_string(),
    ] {
        let small = FetchRequest {
            most_bytes: 100_000,
            ..request(&url)
        };
        let error = desk.fetch(&small, "x").unwrap_err();
        assert!(
            matches!(error, FetchError::TooLarge { limit: 100_000, .. }),
            "{error:?}"
        );
    }
}
