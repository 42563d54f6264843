//! Every row of the choice, with stand-ins on a `PATH` of their own.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// What is installed.
#[derive(Clone, Copy)]
struct Installed {
    bb: bool,
    tool: bool,
    other_clojure: bool,
    java: Option<&'static str>,
    jars: bool,
}

const NOTHING: Installed = Installed {
    bb: false,
    tool: false,
    other_clojure: false,
    java: None,
    jars: false,
};

const ALL: Installed = Installed {
    bb: true,
    tool: true,
    other_clojure: false,
    java: Some("17.0.15"),
    jars: true,
};

/// As on Debian with its package `clojure`.
const DEBIAN: Installed = Installed {
    bb: false,
    tool: false,
    other_clojure: true,
    ..ALL
};

fn machine(installed: Installed) -> (tempfile::TempDir, Tools) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for dir in ["bin", "jvm/bin", "share"] {
        std::fs::create_dir_all(at(dir)).unwrap();
    }
    let program = |name: &str, text: &str| {
        std::fs::write(at(name), text).unwrap();
        std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    if installed.bb {
        program("bin/bb", "#!/bin/sh\n");
    }
    if installed.tool {
        program(
            "bin/clojure",
            "#!/bin/bash\ncase $1 in -Sdescribe) describe=true;; esac\n",
        );
    }
    if installed.other_clojure {
        program(
            "bin/clojure",
            "#!/bin/sh\nexec java -cp clojure.jar clojure.main \"$@\"\n",
        );
    }
    if let Some(version) = installed.java {
        program("jvm/bin/java", "#!/bin/sh\nexit 1\n");
        std::fs::write(
            at("jvm/release"),
            format!("X=1\nJAVA_VERSION=\"{version}\"\n"),
        )
        .unwrap();
        std::os::unix::fs::symlink(at("jvm/bin/java"), at("bin/java")).unwrap();
    }
    if installed.jars {
        for jar in [
            "clojure-1.11.1",
            "clojure-1.9.0",
            "clojure",
            "spec.alpha",
            "core.specs.alpha",
        ] {
            std::fs::write(at(&format!("share/{jar}.jar")), "").unwrap();
        }
    }
    let tools = Tools {
        path: vec![at("bin")],
        home: Some(at("home")),
        system_jars: at("share"),
        ..Tools::default()
    };
    (folder, tools)
}

const YAML: ScriptFiles = ScriptFiles {
    clojure: false,
    deps: false,
};
const CLJ: ScriptFiles = ScriptFiles {
    clojure: true,
    deps: false,
};
const DEPS: ScriptFiles = ScriptFiles {
    clojure: true,
    deps: true,
};

fn ask(
    runner: Runner,
    files: ScriptFiles,
    lib: Option<&str>,
    installed: Installed,
) -> Result<(&'static str, String), String> {
    let (_folder, tools) = machine(installed);
    let wish = Wish {
        runner,
        files,
        lib_version: lib.map(str::to_owned),
    };
    choose(&wish, &tools)
        .map(|chosen| (chosen.host.name(), chosen.reason))
        .map_err(|error| error.to_string())
}

#[test]
fn every_row_of_the_choice() {
    use Runner::{Auto, Babashka, Clojure, Embedded};
    let no_bb = Installed { bb: false, ..ALL };
    let real = Some("0.27.0");
    for (runner, files, lib, installed, host, reason) in [
        (
            Auto,
            YAML,
            None,
            NOTHING,
            "embedded",
            "only declarative files",
        ),
        (Auto, YAML, None, ALL, "embedded", "only declarative files"),
        (Auto, DEPS, None, ALL, "clojure-cli", "there is a deps.edn"),
        (Auto, DEPS, None, DEBIAN, "clojure", "there is a deps.edn"),
        (Auto, CLJ, None, ALL, "babashka", "babashka is on the PATH"),
        (
            Auto,
            CLJ,
            None,
            no_bb,
            "clojure-cli",
            "no babashka on the PATH",
        ),
        (
            Auto,
            CLJ,
            None,
            DEBIAN,
            "clojure",
            "no babashka on the PATH",
        ),
        (Embedded, YAML, None, ALL, "embedded", "--runner embedded"),
        (Babashka, YAML, None, ALL, "babashka", "--runner bb"),
        (Babashka, DEPS, None, ALL, "babashka", "--runner bb"),
        (Clojure, YAML, None, ALL, "clojure-cli", "--runner clj"),
        (Clojure, CLJ, None, ALL, "clojure-cli", "--runner clj"),
        (Clojure, CLJ, None, DEBIAN, "clojure", "--runner clj"),
        (Auto, DEPS, real, ALL, "clojure-cli", "there is a deps.edn"),
        (Auto, YAML, real, ALL, "babashka", "babashka is on the PATH"),
        (Auto, CLJ, real, no_bb, "clojure-cli", "no babashka"),
        (Babashka, CLJ, real, ALL, "babashka", "--runner bb"),
    ] {
        let row = format!("{runner:?} {files:?} {lib:?} → {host}");
        let (name, why) = ask(runner, files, lib, installed).expect(&row);
        assert_eq!(name, host, "{row}");
        assert!(why.contains(reason), "{row}: {why}");
    }
}

#[test]
fn what_is_missing_is_named_with_what_to_install() {
    use Runner::{Auto, Babashka, Clojure, Embedded};
    let no_java = Installed {
        java: None,
        ..DEBIAN
    };
    let old_java = Installed {
        java: Some("11.0.2"),
        ..DEBIAN
    };
    let very_old = Installed {
        java: Some("1.8.0_392"),
        ..DEBIAN
    };
    let tool_old_java = Installed {
        java: Some("11.0.2"),
        ..ALL
    };
    let no_jars = Installed {
        jars: false,
        ..DEBIAN
    };
    let real = Some("0.27.0");
    for (runner, files, lib, installed, words) in [
        (
            Auto,
            CLJ,
            None,
            NOTHING,
            ["apt-get install clojure", "babashka.org"],
        ),
        (
            Auto,
            CLJ,
            None,
            no_jars,
            ["no Clojure jar in", "MONKEYCI_TUI_CLOJURE_JAR"],
        ),
        (
            Auto,
            CLJ,
            None,
            no_java,
            ["no `java` on the PATH", "default-jre-headless"],
        ),
        (Auto, CLJ, None, old_java, ["Java 17 or newer", "is 11.0.2"]),
        (
            Auto,
            CLJ,
            None,
            very_old,
            ["Java 17 or newer", "is 1.8.0_392"],
        ),
        (
            Clojure,
            CLJ,
            None,
            tool_old_java,
            ["Java 17 or newer", "is 11.0.2"],
        ),
        (
            Babashka,
            CLJ,
            None,
            DEBIAN,
            ["no `bb` on the PATH", "--runner clj"],
        ),
        (Embedded, CLJ, None, ALL, ["build.clj", "--runner embedded"]),
        (
            Embedded,
            YAML,
            real,
            ALL,
            ["--lib-version", "--runner embedded"],
        ),
        (
            Auto,
            CLJ,
            real,
            DEBIAN,
            ["is another program", "install_clojure"],
        ),
        (
            Clojure,
            CLJ,
            real,
            NOTHING,
            ["no `clojure` on the PATH", "babashka.org"],
        ),
    ] {
        let row = format!("{runner:?} {files:?} {lib:?}");
        let said = ask(runner, files, lib, installed).expect_err(&row);
        for word in words {
            assert!(said.contains(word), "{row}: no {word:?} in {said}");
        }
    }
}

#[test]
fn of_several_jars_the_newest_counts_and_a_named_one_first() {
    let (folder, mut tools) = machine(DEBIAN);
    let names = |tools: &Tools| {
        let jars = tools.plain_clojure().map(|plain| plain.jars);
        let names = jars.map(|jars| {
            (jars.iter())
                .map(|jar| jar.file_name().unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        });
        names.map_err(|error| error.to_string())
    };
    let specs = [
        "spec.alpha.jar".to_owned(),
        "core.specs.alpha.jar".to_owned(),
    ];
    let found = names(&tools).unwrap();
    assert_eq!(found[0], "clojure-1.11.1.jar");
    assert_eq!(found[1..], specs);
    let named = folder.path().join("share/clojure.jar");
    tools.jars = Some(named.clone().into());
    let found = names(&tools).unwrap();
    assert_eq!(found[0], "clojure.jar");
    assert_eq!(found[1..], specs);
    tools.jars = Some(folder.path().join("share/clojure-1.9.0.jar").into());
    assert!(names(&tools).unwrap_err().contains("1.11 or newer"));
    tools.jars = Some(folder.path().join("lost.jar").into());
    assert!(names(&tools).unwrap_err().contains("lost.jar"));
    // And from Maven's folder where the system has none.
    tools.jars = None;
    tools.system_jars = folder.path().join("nowhere");
    assert!(names(&tools).unwrap_err().contains(".m2"));
    for (name, version) in [
        ("clojure", "1.11.4"),
        ("clojure", "1.12.0"),
        ("clojure", "1.13.0-alpha1"),
        ("spec.alpha", "0.5.238"),
        ("core.specs.alpha", "0.4.74"),
    ] {
        let home = folder.path().join("home/.m2/repository/org/clojure");
        let release = home.join(name).join(version);
        std::fs::create_dir_all(&release).unwrap();
        std::fs::write(release.join(format!("{name}-{version}.jar")), "").unwrap();
    }
    assert_eq!(names(&tools).unwrap()[0], "clojure-1.12.0.jar");
}

#[test]
fn who_names_a_jar_wants_it_and_java_home_counts() {
    let (folder, mut tools) = machine(Installed { bb: false, ..ALL });
    tools.jars = Some(folder.path().join("share/clojure.jar").into());
    let home = folder.path().join("newer");
    std::fs::create_dir_all(home.join("bin")).unwrap();
    std::fs::copy(folder.path().join("jvm/bin/java"), home.join("bin/java")).unwrap();
    std::fs::write(home.join("release"), "JAVA_VERSION=\"21.0.1\"\n").unwrap();
    tools.java_home = Some(home.clone());
    let wish = Wish {
        files: CLJ,
        ..Wish::default()
    };
    let Host::Plain(plain) = choose(&wish, &tools).unwrap().host else {
        panic!("another host")
    };
    assert_eq!(plain.java.program, home.join("bin/java"));
    assert_eq!(plain.java.version, "21.0.1");
}

#[test]
fn a_program_that_is_no_script_is_asked_what_it_is() {
    let (folder, tools) = machine(Installed {
        bb: false,
        tool: false,
        ..ALL
    });
    let clojure = folder.path().join("bin/clojure");
    let is_tool = |answer: &str| {
        // Its text says neither.
        let text = format!("#!/bin/sh\n[ \"$1\" = -S''describe ] && echo '{answer}'\n");
        std::fs::write(&clojure, text).unwrap();
        std::fs::set_permissions(&clojure, std::fs::Permissions::from_mode(0o755)).unwrap();
        tools.official_cli().is_some()
    };
    // A program that was just written cannot be run while another thread's child, not yet a program of
    // its own, holds it open.
    assert!((0..100).any(|_| is_tool("{:version \"1.12.0\"}")));
    assert!(!is_tool("nil"));
}
