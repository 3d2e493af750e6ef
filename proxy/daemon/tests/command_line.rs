//! The command line: what is printed where, and with which exit code.

mod support;

use std::{fs, process::Command};
use support::{Place, SEAWALL, text};

#[test]
fn check_reports_every_error_with_its_place() {
    let place = Place::new("");
    let broken =
        "version: 1\nlistn: [{ http: 8080 }]\nsites:\n  - host: a.test\n    to: no-such-pool\n";
    fs::write(place.path("broken.yaml"), broken).unwrap();
    let output = place.seawall(&["check", "-c", "broken.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    for part in [
        "broken.yaml:2:",
        "listn",
        "broken.yaml:5:",
        "no-such-pool",
        "^",
    ] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
    let run = place.seawall(&["run", "-c", "broken.yaml"]);
    assert_eq!((run.status.code(), text(&run.stderr)), (Some(1), said));
}

#[test]
fn check_as_json_is_for_programs() {
    let place = Place::new("");
    let output = place.seawall(&["check", "-c", "seawall.yaml", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["ok"], true);
    fs::write(place.path("broken.yaml"), "version: 1\nnonsense: 1\n").unwrap();
    let output = place.seawall(&["check", "-c", "broken.yaml", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["ok"], false);
    assert!(
        json["diagnostics"]
            .as_array()
            .is_some_and(|d| !d.is_empty()),
        "{json}"
    );
}

#[test]
fn a_missing_configuration_is_an_error_with_its_name() {
    let place = Place::new("");
    let output = place.seawall(&["run", "-c", "absent.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("absent.yaml\" failed (2: No such file or directory)"));
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let place = Place::new("");
    for wrong in [
        &["frobnicate"][..],
        &["run", "--frob"],
        &["purge"],
        &["check", "--format", "xml"],
        &[],
    ] {
        let output = place.seawall(wrong);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{wrong:?}: {}",
            text(&output.stderr)
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_worker_cannot_be_started_by_hand() {
    let place = Place::new("");
    let output = place.seawall(&["worker"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("started by `seawall run` only"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn without_a_daemon_commands_say_so() {
    let place = Place::new("");
    let output = place.seawall(&["status", "--admin", "unix:absent.sock"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot ask unix:absent.sock (is the daemon running?)"));
    let output = place.seawall(&["stop", "-c", "seawall.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("the daemon seems not to be running"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_version_is_nginxs_where_nginx_is_asked_for() {
    let place = Place::new("");
    let output = place.seawall(&["-v"]);
    assert!(output.status.success() && output.stdout.is_empty());
    assert_eq!(
        text(&output.stderr),
        "nginx version: nginx/1.31.3 (seawall/0.1.0)\n"
    );
    let said = text(&place.seawall(&["-V"]).stderr);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "nginx version: nginx/1.31.3 (seawall/0.1.0)");
    assert!(lines[1].starts_with("configure arguments: --"), "{said}");
    // What it was built from stands in brackets: a commit, or that it is a build for development.
    for asked in ["version", "--version"] {
        let said = text(&place.seawall(&[asked]).stdout);
        let commit = said.trim_end().strip_prefix("seawall 0.1.0 (");
        let commit = commit.and_then(|c| c.strip_suffix(')')).unwrap_or_default();
        let digits = commit.len() == 12 && commit.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(digits || commit == "development build", "{said}");
    }
}

#[test]
fn an_invalid_option_is_told_in_nginxs_words() {
    let place = Place::new("");
    let output = place.seawall(&["-s", "foo"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "nginx: invalid option: \"-s foo\"\n");
}

#[test]
fn t_tests_the_configuration_and_q_is_quiet() {
    let place = Place::new("");
    let prefix = place.directory.path().to_str().unwrap().to_owned();
    let config = place.config().display().to_string();
    let output = place.seawall(&["-t", "-p", &prefix, "-c", "seawall.yaml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let expected = format!(
        "nginx: the configuration file {config} syntax is ok\n\
         nginx: configuration file {config} test is successful\n"
    );
    assert_eq!(text(&output.stderr), expected);
    assert!(
        text(
            &place
                .seawall(&["-tq", "-p", &prefix, "-c", "seawall.yaml"])
                .stderr
        )
        .is_empty()
    );
    let dumped = text(
        &place
            .seawall(&["-Tq", "-p", &prefix, "-c", "seawall.yaml"])
            .stdout,
    );
    assert!(
        dumped.starts_with(&format!("# configuration file {config}:\nversion: 1\n")),
        "{dumped}"
    );
}

#[test]
fn t_fails_where_a_log_cannot_be_opened() {
    let place = Place::new("");
    let moved = fs::read_to_string(place.config())
        .unwrap()
        .replace("./error.log", "./absent/error.log");
    fs::write(place.config(), moved).unwrap();
    let output = place.seawall(&["-t", "-c", place.config().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let path = place.path("absent/error.log").display().to_string();
    assert!(
        said.contains(&format!(
            "nginx: [emerg] open() \"{path}\" failed (2: No such file or directory)\n"
        )),
        "{said}"
    );
    assert!(said.ends_with("test failed\n"), "{said}");
}

#[test]
fn s_without_a_pid_file_is_an_error_in_nginxs_words() {
    let place = Place::new("");
    let output = place.seawall(&["-c", place.config().to_str().unwrap(), "-s", "reload"]);
    assert_eq!(output.status.code(), Some(1));
    let path = place.path("seawall.pid").display().to_string();
    let expected =
        format!("nginx: [error] open() \"{path}\" failed (2: No such file or directory)\n");
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn a_pipe_that_nobody_reads_is_no_failure() {
    let place = Place::new("");
    for arguments in [
        &["version"][..],
        &["check", "-c", "seawall.yaml"],
        &["check", "-c", "seawall.yaml", "--format", "json"],
        &["-Tq", "-c", place.config().to_str().unwrap()],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(SEAWALL)
            .args(arguments)
            .current_dir(place.directory.path())
            .stdout(writer)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
    // On standard error it is the exit code alone that tells.
    for arguments in [
        &["check", "-c", "absent.yaml"][..],
        &["status", "--admin", "unix:absent.sock"],
        &["-t", "-c", "absent.conf"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = Command::new(SEAWALL)
            .args(arguments)
            .current_dir(place.directory.path())
            .stderr(writer)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn a_disk_that_is_full_is_a_failure() {
    let place = Place::new("");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(SEAWALL)
        .args(["check", "--format", "json", "-c"])
        .arg(place.config())
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("No space left on device"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn what_only_the_worker_finds_is_told_once_and_in_the_words_of_the_call() {
    let place = Place::new("");
    let config = fs::read_to_string(place.config())
        .unwrap()
        .replace("host: \"*\",", "host: \"*\", waf: w,");
    fs::write(
        place.config(),
        config + "wafs: { w: { rules: [absent.conf] } }\n",
    )
    .unwrap();
    let rules = place.path("absent.conf").display().to_string();
    let run = place.seawall(&["run", "-c", "seawall.yaml"]);
    let said = text(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{said}");
    let once = |said: &str, part: &str| assert_eq!(said.matches(part).count(), 1, "{said}");
    once(&said, &format!("cannot read \"{rules}\""));
    once(&said, "error[unreadable]");
    once(&said, "^^^^^^^^^^^");
    assert!(!said.contains("seawall: "), "{said}");
    once(&place.log(), &format!("cannot read \"{rules}\""));
    let as_nginx = place.seawall(&["-c", place.config().to_str().unwrap()]);
    let said = text(&as_nginx.stderr);
    assert_eq!(as_nginx.status.code(), Some(1), "{said}");
    assert!(said.starts_with("nginx: [emerg] cannot read"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    // Where the log is standard error too.
    let without = fs::read_to_string(place.config())
        .unwrap()
        .replace("{ error: { path: ./error.log, level: notice } }", "{}");
    fs::write(place.config(), without).unwrap();
    let run = place.seawall(&["run", "-c", "seawall.yaml"]);
    once(&text(&run.stderr), &format!("cannot read \"{rules}\""));
}

#[test]
fn a_certificate_that_is_not_there_is_a_warning() {
    let place = Place::new("");
    let config = format!(
        "events {{}} http {{ access_log off; server {{ listen {} ssl; ssl_certificate a.pem; ssl_certificate_key a.key; }} }}\n",
        place.address
    );
    fs::write(
        place.path("nginx.conf"),
        format!("error_log error.log;\n{config}"),
    )
    .unwrap();
    let prefix = place.directory.path().to_str().unwrap();
    let output = place.seawall(&["-t", "-p", prefix, "-c", "nginx.conf"]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.starts_with("nginx: [warn] cannot load certificate")
            && said.ends_with("test is successful\n"),
        "{said}"
    );
}
