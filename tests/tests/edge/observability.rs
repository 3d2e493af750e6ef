//! What Prometheus and its kin say of our metrics, rules, runbooks and dashboard.

use seawall_tests::{Client, Edge};
use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging")
}

/// Runs a tool in a directory; it must find nothing.
fn passes(directory: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("installed by packaging/dev/install.sh test");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The metrics of a daemon with every room furnished.
fn scraped() -> String {
    let edge = Edge::yaml(
        "dns: { listen: [\"@dns@\"] }
caches: { c: { memory: 8MiB, disk: { path: @dir@/disk, size: 64MiB } } }
wafs: { w: { rules: builtin, mode: block } }
pools: { p: { servers: [\"127.0.0.1:9\"] } }
sites:
  - host: a.test
    waf: w
    routes:
      - { path: /p, to: p, cache: c }
      - { path: /, respond: { status: 200, body: ok } }",
    )
    .start();
    for target in ["/", "/p", "/?q=%27%20or%201%3D1--"] {
        edge.get("a.test", target);
    }
    Client::connect(edge.address("metrics"))
        .get("metrics", "/metrics")
        .text()
}

#[test]
fn promtool_finds_nothing_in_our_metrics() {
    let text = scraped();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("installed by packaging/dev/install.sh test");
    promtool
        .stdin
        .take()
        .expect("its input")
        .write_all(text.as_bytes())
        .expect("it reads");
    let output = promtool.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn the_rules_fire_when_they_should_and_are_silent_when_not() {
    let directory = packaging().join("prometheus");
    passes(
        &directory,
        "promtool",
        &["check", "rules", "seawall.rules.yml"],
    );
    passes(
        &directory,
        "promtool",
        &["test", "rules", "seawall.rules.test.yml"],
    );
    passes(&directory, "amtool", &["check-config", "alertmanager.yml"]);
}

#[test]
fn every_alert_has_a_runbook_that_says_where_to_look_and_what_to_do() {
    let rules = std::fs::read_to_string(packaging().join("prometheus/seawall.rules.yml")).unwrap();
    let names: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(names.len() > 10);
    for name in names {
        assert!(rules.contains(&format!("runbooks/{name}.md")), "{name}");
        let book =
            std::fs::read_to_string(packaging().join(format!("runbooks/{name}.md"))).unwrap();
        for part in ["## Look", "```sh", "## Do", "## Back"] {
            assert!(book.contains(part), "{name}: {part}");
        }
    }
}

/// The names of metrics of ours in an expression.
fn names_in(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("seawall_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_there_are() {
    let known = names_in(&scraped());
    for file in ["prometheus/seawall.rules.yml", "grafana/seawall.json"] {
        let text = std::fs::read_to_string(packaging().join(file)).unwrap();
        for name in names_in(&text) {
            assert!(known.contains(&name), "{file}: {name}");
        }
    }
    let made = Command::new("python3")
        .arg(packaging().join("grafana/make.py"))
        .output()
        .unwrap();
    let kept = std::fs::read(packaging().join("grafana/seawall.json")).unwrap();
    assert!(
        made.stdout == kept,
        "grafana/make.py > grafana/seawall.json"
    );
}
