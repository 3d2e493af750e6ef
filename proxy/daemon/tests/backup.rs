//! `seawall backup` and `seawall restore`: what was served is served again.

mod support;

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path, process::Command};
use support::{Place, free_port, text};

/// Asks over TLS, trusting only what a file says.
fn trusted(https: SocketAddr, ca: &Path) -> String {
    let output = Command::new("curl")
        .args([
            "-s",
            "--resolve",
            &format!("a.test:{}:127.0.0.1", https.port()),
            "--cacert",
        ])
        .arg(ca)
        .arg(format!("https://a.test:{}/", https.port()))
        .output()
        .unwrap();
    text(&output.stdout)
}

fn place() -> (Place, SocketAddr) {
    let place = Place::new("");
    let https = free_port();
    let config = fs::read_to_string(place.config()).unwrap();
    let (before, _) = config.split_once("listen:").unwrap();
    let config = format!(
        "{before}listen: [{{ http: \"{}\" }}, {{ https: \"{https}\" }}]\nadmin: \"unix:./admin.sock\"\n\
         caches: {{ c: {{ memory: 1MiB, disk: {{ path: state/cache, size: 16MiB }} }} }}\n\
         sites: [{{ host: a.test, tls: internal, auth: {{ basic: users }}, respond: {{ status: 200, body: \"served\\n\" }} }}]\n",
        place.address
    );
    fs::write(place.path("users"), "").unwrap();
    fs::set_permissions(place.path("users"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(
        place.config(),
        config.replace("auth: { basic: users }, ", ""),
    )
    .unwrap();
    (place, https)
}

#[test]
fn what_was_there_is_there_again_with_its_certificates_and_its_record() {
    let (place, https) = place();
    let admin = format!("unix:{}", place.path("admin.sock").display());
    let archive = place.path("kept.tar").display().to_string();
    let mut daemon = place.start();
    for level in ["info", "notice"] {
        let body = format!("{{\"level\":\"{level}\"}}");
        let put = Command::new("curl")
            .args([
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "-X",
                "PUT",
                "-d",
                &body,
                "--unix-socket",
            ])
            .arg(place.path("admin.sock"))
            .arg("http://localhost/api/v1/log/level")
            .output()
            .unwrap();
        assert_eq!(text(&put.stdout), "200");
    }
    let ca = place.path("ca-before.pem");
    fs::copy(place.path("state/ca/ca.pem"), &ca).unwrap();
    assert_eq!(trusted(https, &ca), "served\n");
    // While it runs.
    let made = place.seawall(&["backup", "-c", "seawall.yaml", &archive]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let mode = fs::metadata(&archive).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let listed = Command::new("tar")
        .args(["-tf", &archive])
        .output()
        .unwrap();
    let listed = text(&listed.stdout);
    for part in [
        "config/seawall.yaml",
        "state/ca/",
        "state/audit.log",
        "state/revisions/1.json",
    ] {
        assert!(listed.contains(part), "{part} is missing in:\n{listed}");
    }
    assert!(!listed.contains("state/cache/"), "{listed}");
    let record = fs::read_to_string(place.path("state/audit.log")).unwrap();
    let refused = place.seawall(&["restore", "-c", "seawall.yaml", "--replace", &archive]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("stop it first"),
        "{}",
        text(&refused.stderr)
    );
    let worker = daemon.worker();
    daemon.kill();
    support::until("the worker's end", || {
        (!support::alive(worker)).then_some(())
    });
    // Everything is lost.
    fs::remove_dir_all(place.path("state")).unwrap();
    fs::remove_file(place.config()).unwrap();
    let _ = fs::remove_file(place.path("seawall.pid"));
    let put_back = place.seawall(&["restore", "-c", "seawall.yaml", &archive]);
    assert!(put_back.status.success(), "{}", text(&put_back.stderr));
    assert_eq!(
        fs::read_to_string(place.path("state/audit.log")).unwrap(),
        record
    );
    let whole = place.seawall(&["audit", "verify", "-c", "seawall.yaml"]);
    assert!(whole.status.success(), "{}", text(&whole.stderr));
    let _daemon = place.start();
    assert_eq!(trusted(https, &ca), "served\n", "by the same authority");
    let revisions = place.seawall(&["config", "revisions", "--admin", &admin]);
    assert!(revisions.status.success(), "{}", text(&revisions.stderr));
}

#[test]
fn a_restore_that_was_cut_short_is_ended_by_the_next_start() {
    let (place, https) = place();
    let deed = serde_json::json!({ "renames": [
        { "from": place.path(".seawall-restore/seawall.yaml"), "to": place.config() },
        { "from": place.path("state.seawall-restore"), "to": place.path("state") },
    ]});
    fs::create_dir(place.path(".seawall-restore")).unwrap();
    fs::rename(place.config(), place.path(".seawall-restore/seawall.yaml")).unwrap();
    fs::create_dir(place.path("state.seawall-restore")).unwrap();
    fs::write(place.path("state.seawall-restore/mark"), "x").unwrap();
    fs::write(place.path(".seawall-restore.json"), deed.to_string()).unwrap();
    let _daemon = place.start();
    assert!(place.path("state/mark").exists());
    assert!(!place.path(".seawall-restore.json").exists());
    assert_eq!(trusted(https, &place.path("state/ca/ca.pem")), "served\n");
}
