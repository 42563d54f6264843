//! Argv, files, modes and environments of every host.

use std::os::unix::fs::PermissionsExt;

use crate::domain::JobKind;
use crate::hosts::library;
use crate::hosts::tools::Java;

use super::*;

const TOKEN: &str = "eyJ.secret.token";

struct Place {
    folder: tempfile::TempDir,
    sid: Sid,
    build: Map,
    declared: Vec<Job>,
    tools: Tools,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for dir in ["project/.monkeyci", "private", "home/.clojure"] {
            std::fs::create_dir_all(folder.path().join(dir)).unwrap();
        }
        let mut declared = Job::new("y");
        declared.env = vec![("FOO_BAR".to_owned(), "1".to_owned())];
        let build = Value::map([
            ("org-id", "local".into()),
            ("checkout-dir", "/elsewhere".into()),
        ]);
        Self {
            sid: Sid::new("local", "demo", "b1"),
            build: build.as_map().unwrap().clone(),
            declared: vec![declared],
            tools: Tools {
                home: Some(folder.path().join("home")),
                ..Tools::default()
            },
            folder,
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn file(&self, path: &str, text: &str) {
        std::fs::write(self.at(path), text).unwrap();
    }

    fn child(&self, host: &Host, lib_version: Option<&str>) -> Result<HostChild, HostError> {
        Orders {
            sid: &self.sid,
            build: &self.build,
            socket: &self.at("private/api.sock"),
            url: Some("http://127.0.0.1:4000"),
            token: TOKEN,
            checkout_dir: &self.at("project"),
            script_dir: &self.at("project/.monkeyci"),
            filter: &["one".to_owned()],
            declared: &self.declared,
            lib_version,
            env: vec![("PATH".into(), "/bin".into())],
            private: &self.at("private"),
            cache: &self.at("cache"),
            own_program: Path::new("/bin/monkeyci-tui"),
            tools: &self.tools,
        }
        .child(host)
    }

    /// The child of a host whose orders are in a file, and what is in the file.
    fn by_file(&self, host: &Host, lib: Option<&str>, file: &str) -> (HostChild, Value) {
        let child = self.child(host, lib).unwrap();
        let path = self.at(file);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(path).unwrap();
        shows_no_token(&child.command);
        assert!(child.command.stdin.is_empty());
        assert_eq!(child.command.cwd, self.at("project/.monkeyci"));
        (child, edn::read_str(&text).unwrap())
    }

    fn library(&self) -> PathBuf {
        library::extract(&self.at("cache")).unwrap()
    }
}

#[track_caller]
fn shows_no_token(command: &ChildCommand) {
    let env = command.env.iter().flat_map(|(name, value)| [name, value]);
    for word in command.args.iter().chain(env) {
        assert!(!word.to_string_lossy().contains("secret"), "{word:?}");
    }
}

fn args(child: &HostChild) -> Vec<String> {
    let words = child.command.args.iter();
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

fn official() -> Host {
    Host::OfficialCli("/opt/bin/clojure".into())
}

fn babashka() -> Host {
    Host::Babashka("/opt/bin/bb".into())
}

fn plain() -> Host {
    Host::Plain(PlainClojure {
        java: Java {
            program: "/jvm/bin/java".into(),
            version: "17.0.1".to_owned(),
        },
        jars: vec!["/j/clojure.jar".into(), "/j/spec.jar".into()],
        version: None,
    })
}

/// The map of contracts that every one of our hosts gets.
#[track_caller]
fn is_the_config(place: &Place, config: &Value) {
    let part = |name: &str| {
        config
            .get(&format!("monkey.ci.script.config/{name}"))
            .unwrap()
    };
    let build = part("build");
    let text = |path: &str| Value::from(place.at(path).to_str().unwrap());
    assert_eq!(build.get("org-id"), Some(&"local".into()));
    assert_eq!(build.get("checkout-dir"), Some(&text("project")));
    let script = build.get("script").unwrap();
    assert_eq!(script.get("script-dir"), Some(&text("project/.monkeyci")));
    let api = part("api");
    assert_eq!(api.get("socket"), Some(&text("private/api.sock")));
    assert_eq!(api.get("url"), Some(&"http://127.0.0.1:4000".into()));
    assert_eq!(api.get("token"), Some(&TOKEN.into()));
    assert_eq!(part("filter"), &edn::read_str(r#"["one"]"#).unwrap());
    assert_eq!(
        part("declared"),
        &edn::read_str(r#"[{:id "y" :type :container :container/env {"FOO_BAR" "1"}}]"#).unwrap()
    );
    assert_eq!(place.declared[0].kind, JobKind::Container);
}

#[test]
fn plain_clojure_reads_its_orders_from_stdin() {
    let place = Place::new();
    let child = place.child(&plain(), None).unwrap();
    shows_no_token(&child.command);
    assert_eq!(child.command.program, Path::new("/bin/monkeyci-tui"));
    let library = place.library().display().to_string();
    let (cache, script) = (place.at("cache"), place.at("project/.monkeyci"));
    assert_eq!(
        args(&child).join(" "),
        format!(
            "launch-clojure --java /jvm/bin/java --java-version 17.0.1 --library {library} \
             --cache {} --quick --jar /j/clojure.jar --jar /j/spec.jar --path {}",
            cache.display(),
            script.display()
        )
    );
    let line = String::from_utf8(child.command.stdin).unwrap();
    assert_eq!(line.matches('\n').count(), 1);
    assert!(line.ends_with('\n'));
    is_the_config(&place, edn::read_str(&line).unwrap().get("config").unwrap());
}

#[test]
fn plain_clojure_has_the_paths_of_deps_edn_and_says_what_it_cannot_fetch() {
    let place = Place::new();
    place.file(
        "project/.monkeyci/deps.edn",
        r#"{:paths ["src" "/abs"] :deps {org.clojure/clojure {:mvn/version "1.11.1"} a/b {:mvn/version "1"}}}"#,
    );
    let child = place.child(&plain(), None).unwrap();
    let words = args(&child);
    let script = place.at("project/.monkeyci").display().to_string();
    let paths: Vec<&String> = (words.windows(2))
        .filter(|pair| pair[0] == "--path")
        .map(|pair| &pair[1])
        .collect();
    assert_eq!(paths, [&script, &format!("{script}/src"), "/abs"]);
    assert!(child.remarks[0].contains("(a/b)"), "{:?}", child.remarks);
    place.file("project/.monkeyci/deps.edn", "{:paths");
    let said = place.child(&plain(), None).unwrap_err().to_string();
    assert!(said.contains("deps.edn is no EDN"), "{said}");
}

#[test]
fn the_official_tool_finds_its_orders_beside_the_users_own() {
    let place = Place::new();
    place.file(
        "home/.clojure/deps.edn",
        r#"{:mvn/repos {"own" {:url "u"}} :aliases {:dev {:extra-paths ["dev"]} :monkeyci/build {:exec-fn not/ours}}}"#,
    );
    let (child, deps) = place.by_file(&official(), None, "private/clojure/deps.edn");
    assert_eq!(child.command.program, Path::new("/opt/bin/clojure"));
    assert_eq!(args(&child), ["-X:monkeyci/build"]);
    let folder = place.at("private/clojure");
    let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(
        child
            .command
            .env
            .contains(&("CLJ_CONFIG".into(), folder.clone().into()))
    );
    assert!(
        child
            .command
            .env
            .contains(&("CLJ_CACHE".into(), folder.join("cache").into()))
    );
    assert_eq!(deps.get("mvn/repos").unwrap().as_map().unwrap().len(), 1);
    let aliases = deps.get("aliases").unwrap();
    assert!(aliases.get("dev").is_some());
    let alias = aliases.get("monkeyci/build").unwrap();
    is_the_config(
        &place,
        alias.get("exec-args").unwrap().get("config").unwrap(),
    );
    let mut rest = alias.as_map().unwrap().clone();
    rest.remove_kw("exec-args");
    let library = place.library().display().to_string();
    assert_eq!(
        Value::Map(rest),
        edn::read_str(&format!(
            r#"{{:exec-fn monkey.ci.script.core/run-clj-cli :extra-paths ["."]
                 :extra-deps {{com.monkeyci/script {{:local/root "{library}"}}}}}}"#
        ))
        .unwrap()
    );
}

#[test]
fn the_users_configuration_is_where_the_official_tool_would_look() {
    let mut place = Place::new();
    place.tools.config = Some(place.at("project"));
    place.file("project/deps.edn", "{:x 1}");
    place.file("home/.clojure/deps.edn", "{:y 1}");
    let (_, deps) = place.by_file(&official(), None, "private/clojure/deps.edn");
    assert!(deps.get("x").is_some() && deps.get("y").is_none());
}

#[test]
fn babashka_gets_a_copy_of_the_scripts_configuration() {
    let place = Place::new();
    place.file(
        "project/.monkeyci/bb.edn",
        r#"{:paths ["lib"] :deps {a/b {:mvn/version "1"}} :tasks {other {:task 1} script {:depends [other]}}}"#,
    );
    let (child, config) = place.by_file(&babashka(), None, "private/bb.edn");
    let (file, script) = (place.at("private/bb.edn"), place.at("project/.monkeyci"));
    assert_eq!(child.command.program, Path::new("/opt/bin/bb"));
    assert_eq!(
        args(&child).join(" "),
        format!(
            "--config {} --deps-root {} run script",
            file.display(),
            script.display()
        )
    );
    let library = place.library().join("src").display().to_string();
    assert_eq!(
        config.get("paths").unwrap(),
        &edn::read_str(&format!(r#"["lib" "." "{library}"]"#)).unwrap()
    );
    assert_eq!(
        config.get("deps").unwrap(),
        &edn::read_str(r#"{a/b {:mvn/version "1"}}"#).unwrap()
    );
    let tasks = config.get("tasks").unwrap().as_map().unwrap();
    assert!(tasks.get(&symbol("other")).is_some());
    let task = tasks.get(&symbol("script")).unwrap();
    assert!(task.get("depends").is_none());
    assert_eq!(
        edn::write(task.get("task").unwrap()),
        "(exec (quote monkey.ci.script.core/run-bb-cli))"
    );
    let args = task.get("exec-args").unwrap();
    assert_eq!(args.get("sid"), Some(&"local/demo/b1".into()));
    assert_eq!(args.get("token"), Some(&TOKEN.into()));
    assert_eq!(args.get("url"), Some(&"http://127.0.0.1:4000".into()));
    for (key, path) in [
        ("checkout-dir", "project"),
        ("script-dir", "project/.monkeyci"),
        ("socket", "private/api.sock"),
    ] {
        assert_eq!(
            args.get(key),
            Some(&Value::from(place.at(path).to_str().unwrap())),
            "{key}"
        );
    }
    is_the_config(&place, args.get("config").unwrap());
}

#[test]
fn the_real_library_gets_what_it_knows_and_no_more() {
    let place = Place::new();
    let (_, deps) = place.by_file(&official(), Some("0.27.0"), "private/clojure/deps.edn");
    let alias = deps.get("aliases").unwrap().get("monkeyci/build").unwrap();
    assert_eq!(
        alias.get("extra-deps").unwrap(),
        &edn::read_str(r#"{com.monkeyci/script {:mvn/version "0.27.0"}}"#).unwrap()
    );
    let config = alias.get("exec-args").unwrap().get("config").unwrap();
    assert_eq!(config.as_map().unwrap().len(), 2);
    assert_eq!(
        config.get("monkey.ci.script.config/api").unwrap(),
        &edn::read_str(&format!(
            r#"{{:url "http://127.0.0.1:4000" :token "{TOKEN}"}}"#
        ))
        .unwrap()
    );
    let (_, config) = place.by_file(&babashka(), Some("0.27.0"), "private/bb.edn");
    assert_eq!(
        config.get("deps").unwrap(),
        &edn::read_str(
            r#"{com.monkeyci/script {:mvn/version "0.27.0"} meta-merge/meta-merge {:mvn/version "1.0.0"}}"#
        )
        .unwrap()
    );
    assert_eq!(
        config.get("paths").unwrap(),
        &edn::read_str(r#"["."]"#).unwrap()
    );
    let tasks = config.get("tasks").unwrap().as_map().unwrap();
    let args = tasks
        .get(&symbol("script"))
        .unwrap()
        .get("exec-args")
        .unwrap();
    let names: Vec<String> = args.as_map().unwrap().keys().map(edn::write).collect();
    assert_eq!(names, [":url", ":token", ":sid", ":checkout-dir"]);
}

#[test]
fn orders_are_not_shown() {
    let place = Place::new();
    let child = place.child(&plain(), None).unwrap();
    assert!(!format!("{child:?}").contains("secret"));
}
