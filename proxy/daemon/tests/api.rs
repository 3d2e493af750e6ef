//! The admin API of a running daemon, as an operator uses it: configurations that come and go, tokens, the tail, records.

mod support;

use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};
use support::{Place, SEAWALL, free_port, get, signal, text, until};

/// A place whose daemon has an admin socket and, by tokens, an address; `site` is put into its only site.
fn place(site: &str, more: &str) -> Place {
    let place = Place::new("");
    let config = fs::read_to_string(place.config()).unwrap();
    let (before, _) = config.split_once("sites:").unwrap();
    let config =
        format!("{before}admin: unix:./admin.sock\n{more}sites: [{{ host: \"*\", {site} }}]\n");
    fs::write(place.config(), config).unwrap();
    place
}

fn respond(status: u16) -> String {
    format!("respond: {status}")
}

fn status_of(address: SocketAddr) -> u16 {
    let line = get(address).unwrap_or_default();
    line.split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .unwrap_or(0)
}

/// Exit code, standard output, standard error.
fn run(place: &Place, arguments: &[&str]) -> (i32, String, String) {
    let mut arguments = arguments.to_vec();
    if arguments.first() != Some(&"audit") {
        arguments.extend(["-c", "seawall.yaml"]);
    }
    let output = place.seawall(&arguments);
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The place's configuration with another answer, in a file beside it.
fn with_status(place: &Place, status: u16) -> String {
    let now = fs::read_to_string(place.config()).unwrap();
    let at = now.find("respond: ").unwrap() + "respond: ".len();
    let name = format!("{status}.yaml");
    fs::write(
        place.path(&name),
        format!("{}{status}{}", &now[..at], &now[at + 3..]),
    )
    .unwrap();
    name
}

#[test]
fn a_configuration_is_put_compared_kept_and_rolled_back() {
    let place = place(&respond(201), "");
    let _daemon = place.start();
    let next = with_status(&place, 202);
    let (code, said, _) = run(&place, &["config", "put", &next, "--dry-run"]);
    assert_eq!(code, 0);
    assert!(said.contains("sites[*].respond: 201 -> 202"), "{said}");
    assert_eq!(status_of(place.address), 201, "a dry run changes nothing");
    let (code, said, error) = run(&place, &["config", "put", &next]);
    assert_eq!(code, 0, "{error}");
    assert!(said.contains("live: generation"), "{said}");
    assert_eq!(status_of(place.address), 202);
    assert!(
        fs::read_to_string(place.config())
            .unwrap()
            .contains("respond: 202"),
        "the file is the truth"
    );
    let (code, _, error) = run(&place, &["rollback"]);
    assert_eq!((code, status_of(place.address)), (0, 201), "{error}");
    let (_, said, _) = run(&place, &["config", "revisions"]);
    assert!(said.lines().count() >= 2 && said.contains("live"), "{said}");
    // The chain of the records is whole, and says who.
    let (code, said, _) = run(&place, &["audit", "verify", "-c", "seawall.yaml"]);
    assert_eq!(code, 0, "{said}");
    let (_, said, _) = run(&place, &["audit", "ls", "-c", "seawall.yaml"]);
    assert!(
        said.contains("uid ") && said.contains("PUT /api/v1/config"),
        "{said}"
    );
    let log = fs::read_to_string(place.path("state/audit.log")).unwrap();
    fs::write(place.path("forged.log"), log.replacen("PUT", "GET", 1)).unwrap();
    let (code, _, error) = run(&place, &["audit", "verify", "forged.log"]);
    assert_eq!(code, 1);
    assert!(error.contains("line 1: it was altered"), "{error}");
}

#[test]
fn a_broken_configuration_changes_nothing_and_shows_carets() {
    let place = place(&respond(201), "");
    let _daemon = place.start();
    let before = fs::read_to_string(place.config()).unwrap();
    fs::write(
        place.path("broken.yaml"),
        before.replace("respond: 201", "respnd: 201"),
    )
    .unwrap();
    let (code, _, error) = run(&place, &["config", "put", "broken.yaml"]);
    assert_eq!(code, 1);
    assert!(
        error.contains('^') && error.contains("did you mean `respond`?"),
        "{error}"
    );
    // What only binding shows comes back as well.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = place.address.to_string();
    let taken = before.replace(&address, &taken.local_addr().unwrap().to_string());
    fs::write(place.path("taken.yaml"), taken).unwrap();
    let (code, _, error) = run(&place, &["config", "put", "taken.yaml"]);
    assert_eq!(code, 1);
    assert!(error.contains("Address already in use"), "{error}");
    assert_eq!(fs::read_to_string(place.config()).unwrap(), before);
    assert_eq!(status_of(place.address), 201);
}

#[test]
fn what_is_not_confirmed_comes_back_by_itself_and_what_is_stays() {
    let place = place(&respond(201), "");
    let daemon = place.start();
    let next = with_status(&place, 202);
    let (code, said, error) = run(&place, &["config", "put", &next, "--confirm", "1s"]);
    assert_eq!(code, 0, "{error}");
    assert!(said.contains("seawall config confirm"), "{said}");
    until("the one before", || {
        (status_of(place.address) == 201).then_some(())
    });
    daemon.logged("is taken back: its time to be confirmed is over");
    let (code, _, error) = run(&place, &["config", "confirm"]);
    assert_eq!(code, 1);
    assert!(error.contains("no configuration waits"), "{error}");
    let (code, _, _) = run(&place, &["config", "put", &next, "--confirm", "1h"]);
    assert_eq!(code, 0);
    let other = with_status(&place, 203);
    let (code, _, error) = run(&place, &["config", "put", &other]);
    assert_eq!(code, 1, "one at a time");
    assert!(error.contains("waits to be confirmed"), "{error}");
    assert_eq!(run(&place, &["config", "confirm"]).0, 0);
    assert!(!place.path("state/pending.json").exists());
    assert_eq!(status_of(place.address), 202);
    let (code, _, _) = run(&place, &["config", "put", &other, "--confirm", "1h"]);
    assert_eq!((code, run(&place, &["config", "revert"]).0), (0, 0));
    assert_eq!(status_of(place.address), 202);
}

#[test]
fn a_machine_that_dies_before_the_confirmation_comes_up_with_what_was_there() {
    let place = place(&respond(201), "");
    let mut daemon = place.start();
    let next = with_status(&place, 202);
    assert_eq!(
        run(&place, &["config", "put", &next, "--confirm", "1h"]).0,
        0
    );
    let worker = daemon.worker();
    daemon.kill();
    signal(worker, "KILL");
    until("the worker's end", || {
        (!support::alive(worker)).then_some(())
    });
    // The hour passes.
    let pending = place.path("state/pending.json");
    let mut waits: Value = serde_json::from_slice(&fs::read(&pending).unwrap()).unwrap();
    waits["until_ms"] = 1.into();
    fs::write(&pending, waits.to_string()).unwrap();
    let _ = fs::remove_file(place.path("seawall.pid"));
    let daemon = place.start();
    assert_eq!(status_of(place.address), 201);
    daemon.logged("was not confirmed: the one before is back");
    assert!(!pending.exists());
    let (code, said, error) = run(&place, &["audit", "verify", "-c", "seawall.yaml"]);
    assert_eq!(code, 0, "{said}{error}");
}

#[test]
fn an_edit_of_an_old_text_is_refused() {
    let place = place(&respond(201), "");
    let _daemon = place.start();
    let put = |tag: &str| {
        let output = Command::new("curl")
            .args([
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "-X",
                "PUT",
                "--data-binary",
            ])
            .arg(format!("@{}", place.config().display()))
            .args(["-H", &format!("If-Match: \"{tag}\""), "--unix-socket"])
            .arg(place.path("admin.sock"))
            .arg("http://localhost/api/v1/config")
            .output()
            .unwrap();
        text(&output.stdout)
    };
    assert_eq!(put("another"), "412");
    let shown = Command::new("curl")
        .args(["-s", "--unix-socket"])
        .arg(place.path("admin.sock"))
        .arg("http://localhost/api/v1/config")
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(put(shown["hash"].as_str().unwrap()), "200");
}

#[test]
fn tokens_rotate_without_a_restart() {
    let tcp = free_port();
    let place = place(&respond(201), "");
    let config = fs::read_to_string(place.config()).unwrap();
    let admin = format!("admin: {{ listen: [\"unix:./admin.sock\", \"{tcp}\"], tokens: tokens }}");
    fs::write(
        place.config(),
        config.replace("admin: unix:./admin.sock", &admin),
    )
    .unwrap();
    let make = |scopes: &str| {
        let made = place.seawall(&["token", "new", "ci", "--scopes", scopes]);
        let token = text(&made.stderr);
        let token = token.trim().rsplit(' ').next().unwrap().to_owned();
        (text(&made.stdout), token)
    };
    let ((first_line, first), (second_line, second)) = (make("cache"), make("all"));
    let write = |line: &str| {
        fs::write(place.path("tokens.new"), line).unwrap();
        fs::set_permissions(place.path("tokens.new"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(place.path("tokens.new"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(place.path("tokens.new"), place.path("tokens")).unwrap();
    };
    write(&first_line);
    let _daemon = place.start();
    let by = |token: &str, arguments: &[&str]| {
        let output = Command::new(SEAWALL)
            .args(arguments)
            .args(["--admin", &format!("http://{tcp}")])
            .env("SEAWALL_TOKEN", token)
            .output()
            .unwrap();
        output.status.code() == Some(0)
    };
    assert!(by(&first, &["status"]) && !by("swt_00000000_00", &["status"]));
    assert!(!by(&first, &["rollback"]), "it is good for caches alone");
    write(&second_line);
    until("the new token", || by(&second, &["status"]).then_some(()));
    assert!(!by(&first, &["status"]), "the old one is gone");
    let log = fs::read_to_string(place.path("state/audit.log")).unwrap_or_default();
    assert!(!log.contains(&first) && !log.contains(&second));
}

#[test]
fn the_tail_shows_what_was_decided() {
    let place = place(
        "waf: w, cache: c, respond: 201",
        "caches: { c: 1MiB }\nwafs: { w: { rules: builtin, mode: block } }\n",
    );
    let _daemon = place.start();
    let mut tail = Command::new(SEAWALL)
        .args(["tail", "--json", "--count", "2", "-c"])
        .arg(place.config())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let address = place.address;
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    // The watcher is there when the first request is told.
    let asking = std::thread::spawn(move || {
        let curl = |target: &str| {
            let url = format!("http://{address}{target}");
            let _ = Command::new("curl")
                .args(["-s", "-o", "/dev/null", "--path-as-is", &url])
                .status();
        };
        loop {
            curl("/page");
            curl("/?q=%27%20or%201%3D1--%20union%20select%20password%20from%20users");
            if std::net::TcpStream::connect(address).is_err() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    let mut seen = Vec::new();
    while let Some(Ok(line)) = lines.next() {
        seen.push(serde_json::from_str::<Value>(&line).unwrap());
    }
    assert!(tail.wait().unwrap().success());
    assert_eq!(seen.len(), 2);
    let steps = |event: &Value| -> Vec<String> {
        let trace = event["trace"].as_array().unwrap().iter();
        trace
            .map(|s| s["step"].as_str().unwrap().to_owned())
            .collect()
    };
    for event in &seen {
        assert!(
            steps(event).contains(&"route".to_owned()) && steps(event).contains(&"waf".to_owned()),
            "{event}"
        );
    }
    assert!(seen.iter().any(|e| e["status"] == 201), "{seen:?}");
    let refused = seen.iter().find(|e| e["status"] == 403).expect("a refusal");
    let waf = refused["trace"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["step"] == "waf")
        .unwrap();
    assert_eq!(waf["result"], "denied");
    // The same by its id.
    let body = serde_json::json!({ "id": refused["id"] }).to_string();
    let found = Command::new("curl")
        .args(["-s", "-d", &body, "--unix-socket"])
        .arg(place.path("admin.sock"))
        .arg("http://localhost/api/v1/waf/explain")
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert!(
        found["matches"].as_array().is_some_and(|m| !m.is_empty()),
        "{found}"
    );
    drop(_daemon);
    asking.join().unwrap();
}

#[test]
fn a_token_is_exchanged_without_a_restart_and_that_leaves_a_line() {
    let tcp = free_port();
    let place = place("respond: 204", "");
    let config = fs::read_to_string(place.config()).unwrap();
    let config = config.replace(
        "admin: ",
        &format!("admin: {{ listen: [\"unix:./admin.sock\", \"{tcp}\"], tokens: tokens }} #"),
    );
    fs::write(place.config(), config).unwrap();
    let new = |name: &str| {
        let made = place.seawall(&["token", "new", name, "--scopes", "cache"]);
        let told = text(&made.stderr);
        let token = told.split("shown once: ").nth(1).unwrap().trim().to_owned();
        (text(&made.stdout), token)
    };
    let ((old_line, old), (new_line, new)) = (new("old"), new("new"));
    let write = |line: &str| {
        fs::write(place.path("tokens.new"), line).unwrap();
        fs::set_permissions(place.path("tokens.new"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(place.path("tokens.new"), place.path("tokens")).unwrap();
    };
    write(&old_line);
    let _daemon = place.start();
    let status = |token: &str| {
        let field = format!("Authorization: Bearer {token}");
        let output = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", &field])
            .arg(format!("http://{tcp}/api/v1/status"))
            .output()
            .unwrap();
        text(&output.stdout)
    };
    assert_eq!(
        (status(&old).as_str(), status(&new).as_str()),
        ("200", "401")
    );
    write(&new_line);
    support::until("the new token", || (status(&new) == "200").then_some(()));
    assert_eq!(status(&old), "401");
    let record = fs::read_to_string(place.path("state/audit.log")).unwrap();
    assert!(
        record.contains("added new (") && record.contains("removed old ("),
        "{record}"
    );
    assert!(!record.contains("argon2"));
}

#[test]
fn refused_heads_and_names_nobody_serves_are_told_too() {
    let place = place("respond: 204", "");
    let config = fs::read_to_string(place.config()).unwrap();
    fs::write(
        place.config(),
        config.replace("host: \"*\"", "host: a.test"),
    )
    .unwrap();
    let _daemon = place.start();
    let mut tail = Command::new(SEAWALL)
        .args(["tail", "--json", "--count", "2", "-c"])
        .arg(place.config())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let address = place.address;
    let send = move |text: &str| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).ok()?;
        stream.write_all(text.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    };
    // The watcher is there when the first request is told.
    let asking = std::thread::spawn(move || {
        while send("GET /t?token=x HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n")
            .is_some()
        {
            let _ = send("GET / HTTP/1.1\r\nHost: a.test\r\na b: c\r\n\r\n");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let seen: Vec<Value> = lines
        .map_while(Result::ok)
        .map(|l| serde_json::from_str(&l).unwrap())
        .collect();
    assert!(tail.wait().unwrap().success());
    let of = |status: u64| {
        seen.iter()
            .find(|e| e["status"] == status)
            .unwrap_or_else(|| panic!("{status} in {seen:?}"))
    };
    let unknown = of(421);
    assert_eq!(
        (&unknown["host"], &unknown["target"], &unknown["site"]),
        (&"evil.test".into(), &"/t?token=***".into(), &"".into())
    );
    assert_eq!(
        unknown["trace"][1],
        serde_json::json!({ "step": "site", "result": "unknown" })
    );
    let refused = of(400);
    assert_eq!(refused["trace"][0]["result"], "refused");
    assert!(
        refused["trace"][0]["why"].is_string() && refused["target"] == "",
        "{refused}"
    );
    drop(_daemon);
    asking.join().unwrap();
}

#[test]
fn a_server_is_drained_and_taken_back_by_name() {
    let origin = free_port();
    let place = place("to: app", &format!("pools: {{ app: [\"{origin}\"] }}\n"));
    let _daemon = place.start();
    let server = origin.to_string();
    let state = || {
        let (_, said, _) = run(&place, &["status"]);
        let status: Value = serde_json::from_str(&said).unwrap();
        status["pools"][0]["servers"][0]["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let before = state();
    assert_eq!(run(&place, &["drain", "app", &server]).0, 0);
    assert_ne!(state(), before);
    assert_eq!(run(&place, &["undrain", "app", &server]).0, 0);
    assert_eq!(state(), before);
    let (code, _, error) = run(&place, &["drain", "app", "10.0.0.1:1"]);
    assert_eq!(code, 1);
    assert!(error.contains("no such server"), "{error}");
    let (code, said, _) = run(&place, &["top", "-n", "1"]);
    assert_eq!(code, 0);
    assert!(said.contains("pool app"), "{said}");
}
