//! The console in a real browser: every view draws what the API says, under its strict policy. The live view is left out: it
//! never ends loading; what it shows is tested as `seawall tail`.

mod support;

use std::{fs, net::SocketAddr, path::Path, process::Command};
use support::{Place, free_port};

/// What the document is once its scripts have run for some (virtual) seconds.
fn drawn(profile: &Path, address: SocketAddr, view: &str) -> String {
    let output = Command::new("chromium")
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--disable-background-networking",
            "--enable-logging=stderr",
            "--virtual-time-budget=3000",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("--dump-dom")
        .arg(format!("http://{address}/#{view}"))
        .output()
        .expect("chromium: packaging/dev/install.sh test");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for fault in ["Content Security Policy", "Uncaught", "SyntaxError"] {
        assert!(!said.contains(fault), "{view}: {said}");
    }
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_view_shows_what_there_is() {
    let tcp = free_port();
    let place = Place::new("");
    let config = fs::read_to_string(place.config()).unwrap();
    let (before, _) = config.split_once("sites:").unwrap();
    let origin = free_port();
    let config = format!(
        "{before}admin: [\"unix:./admin.sock\", \"{tcp}\"]\ncaches: {{ c: 1MiB }}\npools: {{ app: [\"{origin}\"] }}\n\
         sites:\n  - {{ host: shop.test, to: app, cache: c }}\n  - {{ host: \"*\", respond: 204 }}\n"
    );
    fs::write(place.config(), config).unwrap();
    let _daemon = place.start();
    let profile = place.path("profile");
    let origin = origin.to_string();
    for (view, parts) in [
        ("overview", ["Latency p99", "Saturation"]),
        ("sites", ["shop.test", "WAF denied"]),
        ("pools", [origin.as_str(), "Drain"]),
        ("cache", ["Purge", "nothing is cached yet"]),
        ("waf", ["nothing was refused", "Refused"]),
        ("config", ["Check and compare", "Revisions"]),
        ("audit", ["nothing was changed yet", "the chain ends"]),
    ] {
        let dom = drawn(&profile, tcp, view);
        for part in parts {
            assert!(dom.contains(part), "{view}: {part} is missing in:\n{dom}");
        }
        assert!(!dom.contains("does not answer"), "{view}: {dom}");
    }
}
