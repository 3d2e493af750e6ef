//! Configurations as texts: made from a few words, laid out, compared, described, and their secrets looked after.

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};
use support::{Place, SEAWALL, free_port, get, signal, text, until};

#[test]
fn a_few_words_are_a_configuration_that_checks() {
    let place = Place::new("");
    let printed = place.seawall(&[
        "run",
        "--host",
        "shop.example",
        "--to",
        "127.0.0.1:3000",
        "--state",
        "s",
        "--print",
    ]);
    assert_eq!(printed.status.code(), Some(0), "{}", text(&printed.stderr));
    fs::write(place.path("made.yaml"), &printed.stdout).unwrap();
    let check = place.seawall(&["check", "-c", "made.yaml"]);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check.stderr));
    assert!(!place.path("s").exists(), "printing writes nothing");
    for wrong in [
        &["run", "--host", "a.test"][..],
        &["run", "--root", "no-such-directory", "--print"],
        &["run", "--print"],
    ] {
        let output = place.seawall(wrong);
        assert_eq!(output.status.code(), Some(1), "{wrong:?}");
        assert!(!output.stderr.is_empty());
    }
    let both = place.seawall(&["run", "-c", "seawall.yaml", "--root", "."]);
    assert_eq!(
        both.status.code(),
        Some(2),
        "a file or a few words, not both"
    );
}

#[test]
fn a_directory_is_served_at_once() {
    let place = Place::new("");
    fs::create_dir(place.path("www")).unwrap();
    fs::write(place.path("www/index.html"), "hello\n").unwrap();
    fs::set_permissions(place.path("www"), fs::Permissions::from_mode(0o755)).unwrap();
    let address = free_port();
    let mut daemon = Command::new(SEAWALL)
        .args([
            "run",
            "--root",
            "www",
            "--state",
            "state",
            "--listen",
            &address.to_string(),
        ])
        .current_dir(place.directory.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let answered = until("an answer", || get(address).ok().filter(|a| !a.is_empty()));
    signal(daemon.id(), "TERM");
    assert!(daemon.wait().unwrap().success());
    assert_eq!(answered, "HTTP/1.1 200 OK");
    assert!(place.path("state/run.yaml").exists());
}

#[test]
fn fmt_lays_a_file_out_once_and_keeps_its_rights() {
    let place = Place::new("");
    let file = place.path("a.yaml");
    fs::write(&file, "version: 1\nlisten:\n- {http: 80}\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let check = place.seawall(&["fmt", "--check", "a.yaml"]);
    assert_eq!(
        (check.status.code(), text(&check.stdout).trim()),
        (Some(1), "a.yaml")
    );
    assert_eq!(place.seawall(&["fmt", "a.yaml"]).status.code(), Some(0));
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "version: 1\nlisten:\n  - { http: 80 }\n"
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(
        place.seawall(&["fmt", "--check", "a.yaml"]).status.code(),
        Some(0)
    );
    fs::write(place.path("broken.yaml"), "a: [1\n").unwrap();
    let broken = place.seawall(&["fmt", "broken.yaml"]);
    assert_eq!(broken.status.code(), Some(1));
    assert_eq!(
        fs::read_to_string(place.path("broken.yaml")).unwrap(),
        "a: [1\n"
    );
}

#[test]
fn diff_speaks_of_sites_and_routes_and_shows_no_secret() {
    let place = Place::new("");
    let old = "sites:\n  - host: a.test\n    routes:\n      - { path: /api, to: \"127.0.0.1:1\" }\n      - { path: /, respond: 204 }\n  - { host: b.test, respond: 204 }\nacme: { eab: { key_id: k, key: s3cret } }\n";
    let new = "sites:\n  - { host: c.test, respond: 204 }\n  - host: a.test\n    routes:\n      - { path: /, respond: 204 }\n      - { path: /api, to: \"127.0.0.1:2\", waf: off }\nacme: { eab: { key_id: k, key: other } }\n";
    fs::write(place.path("old.yaml"), old).unwrap();
    fs::write(place.path("new.yaml"), new).unwrap();
    let diff = place.seawall(&["diff", "old.yaml", "new.yaml"]);
    let said = text(&diff.stdout);
    assert_eq!(diff.status.code(), Some(1));
    for line in [
        "~ sites[a.test].routes[/api].to: 127.0.0.1:1 -> 127.0.0.1:2",
        "+ sites[a.test].routes[/api].waf: off",
        "~ sites[a.test].routes: order: /api, / -> /, /api",
        "- sites[b.test]: { host: b.test, respond: 204 }",
        "+ sites[c.test]: { host: c.test, respond: 204 }",
        "~ acme.eab.key: *** -> ***",
    ] {
        assert!(
            said.lines().any(|l| l == line),
            "{line} is missing in:\n{said}"
        );
    }
    assert!(!said.contains("s3cret"));
    let same = place.seawall(&["diff", "old.yaml", "old.yaml"]);
    assert_eq!(
        (same.status.code(), text(&same.stdout).as_str()),
        (Some(0), "")
    );
    fs::write(place.path("broken.yaml"), "a: [1\n").unwrap();
    let broken = place.seawall(&["diff", "old.yaml", "broken.yaml"]);
    assert_eq!(broken.status.code(), Some(2));
}

#[test]
fn the_schema_is_json_and_knows_the_fields() {
    let place = Place::new("");
    let schema = place.seawall(&["schema"]);
    let json: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(
        json["$defs"]["site"]["properties"]["waf"].is_object(),
        "{json}"
    );
}

#[test]
fn a_secret_that_everybody_may_read_is_warned_of() {
    let place = Place::new("");
    fs::write(
        place.path("users"),
        "ada:$2y$05$abcdefghijklmnopqrstuuJ5/9XeJWpZP2vBv3L3WnKp0w1fHl7iq\n",
    )
    .unwrap();
    fs::set_permissions(place.path("users"), fs::Permissions::from_mode(0o644)).unwrap();
    let address = place.address;
    let config = format!(
        "version: 1\nlisten: [{{ http: \"{address}\" }}]\nsites:\n  - {{ host: a.test, respond: 204, auth: {{ basic: users }} }}\n"
    );
    fs::write(place.path("s.yaml"), config).unwrap();
    let check = place.seawall(&["check", "-c", "s.yaml"]);
    let said = text(&check.stderr);
    assert_eq!(check.status.code(), Some(0), "{said}");
    assert!(
        said.contains("warning[world-readable]") && said.contains("chmod o-rwx"),
        "{said}"
    );
    fs::set_permissions(place.path("users"), fs::Permissions::from_mode(0o640)).unwrap();
    let check = place.seawall(&["check", "-c", "s.yaml"]);
    assert!(!text(&check.stderr).contains("world-readable"));
}

#[test]
fn a_credential_of_systemd_is_found_where_the_unit_has_it() {
    let place = Place::new("");
    fs::create_dir(place.path("credentials")).unwrap();
    fs::write(
        place.path("credentials/users"),
        "ada:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n",
    )
    .unwrap();
    let address = place.address;
    let config = format!(
        "version: 1\nlisten: [{{ http: \"{address}\" }}]\nsites:\n  - {{ host: a.test, respond: 204, auth: {{ basic: {{ credential: users }} }} }}\n"
    );
    fs::write(place.path("s.yaml"), &config).unwrap();
    let check = |config: &str| {
        fs::write(place.path("s.yaml"), config).unwrap();
        let output = Command::new(SEAWALL)
            .args(["check", "-c", "s.yaml"])
            .current_dir(place.directory.path())
            .env("CREDENTIALS_DIRECTORY", place.path("credentials"))
            .output()
            .unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let (code, said) = check(&config);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = check(&config.replace("credential: users", "credential: absent"));
    assert_eq!(code, Some(1));
    assert!(
        said.contains("credentials/absent") && said.contains('^'),
        "{said}"
    );
    let (code, _) = check(&config.replace("credential: users", "credential: ../users"));
    assert_eq!(code, Some(1), "a name is no path");
}
