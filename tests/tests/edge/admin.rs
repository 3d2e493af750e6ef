//! The admin socket, the metrics and the commands that use them.

use seawall_tests::{Client, Edge, Origin};

#[test]
fn status_is_json_about_the_running_daemon() {
    let edge = Edge::yaml("sites: [{ host: a.test, respond: 204 }]").start();
    let status = edge.seawall(&["status", "-c", "seawall.yaml"]);
    assert!(status.status.success(), "{status:?}");
    let json: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert!(json.is_object(), "{json}");
}

#[test]
fn commands_say_when_nobody_is_there() {
    let edge = Edge::yaml("sites: [{ host: a.test, respond: 204 }]");
    for command in ["status", "reload"] {
        let failed = edge.seawall(&[command, "-c", "seawall.yaml"]);
        assert_eq!(failed.status.code(), Some(1));
        assert!(
            String::from_utf8_lossy(&failed.stderr).contains("is the daemon running"),
            "{failed:?}"
        );
    }
}

#[test]
fn metrics_count_requests_by_class_and_are_apart_from_admin() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "sites:\n  - host: a.test\n    routes:\n      - {{ path: /gone, respond: 410 }}\n      - {{ path: /, to: \"{origin}\" }}"
    ))
    .start();
    for _ in 0..3 {
        edge.get("a.test", "/");
    }
    edge.get("a.test", "/gone");
    edge.counts("seawall_requests_total{class=\"2xx\",site=\"a.test\"}", 3);
    edge.counts("seawall_requests_total{class=\"4xx\",site=\"a.test\"}", 1);
    edge.counts("seawall_panics_total", 0);
    let mut client = Client::connect(edge.address("metrics"));
    assert_eq!(client.get("metrics", "/api/v1/status").status, 404);
}

#[test]
fn the_socket_hears_its_owner_alone() {
    use std::{os::unix::process::CommandExt, process::Command};
    let edge = Edge::yaml("sites: [{ host: a.test, respond: 204 }]").start();
    let ask = || {
        let mut curl = Command::new("curl");
        curl.args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--unix-socket",
        ]);
        curl.arg(edge.path("admin.sock"))
            .arg("http://admin/api/v1/status");
        curl
    };
    let answered = |mut curl: Command| {
        String::from_utf8_lossy(&curl.output().expect("curl").stdout).into_owned()
    };
    assert_eq!(answered(ask()), "200");
    if nix::unistd::geteuid().is_root() {
        let mut nobody = ask();
        nobody.uid(65534);
        assert_eq!(answered(nobody), "403");
    }
}

#[test]
fn check_finds_everything_at_once_and_every_caret_is_in_place() {
    let edge =
        Edge::yaml("sites:\n  - { host: a.test, too: x }\n  - { host: b.test, to: nowhere }\n");
    let check = edge.seawall(&["check", "-c", "seawall.yaml"]);
    assert_eq!(check.status.code(), Some(1));
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(said.contains("too") && said.contains("nowhere"), "{said}");
    assert!(said.matches('^').count() >= 2, "{said}");
    let json = edge.seawall(&["check", "-c", "seawall.yaml", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["ok"], false);
    assert!(
        json["diagnostics"].as_array().is_some_and(|d| d.len() >= 2),
        "{json}"
    );
}
