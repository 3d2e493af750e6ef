//! A disk that is full.

use super::{ONE_SITE, issued, say, told, with_ca};
use seawall_tests::process;
use std::{fs, path::PathBuf};

/// The daemon on a disk of its own, which nobody else sees: a mount namespace.
#[test]
fn on_a_full_disk_the_certificate_serves_is_told_of_and_is_stored_when_there_is_room() {
    let (edge, pebble) = with_ca(ONE_SITE, "", |p| p.start());
    fs::create_dir(edge.path("state")).unwrap();
    let state = edge.path("state");
    let edge = edge
        .under(&[
            "unshare",
            "--mount",
            "--map-root-user",
            "sh",
            "-c",
            "mount -t tmpfs -o size=256k,mode=0755 none \"$0\" && exec \"$@\"",
            &state.display().to_string(),
        ])
        .start();
    issued(&edge, &pebble, "shop.test");
    told(&edge, "shop.test", "stored as");
    let inside = |name: &str| {
        let root = PathBuf::from(format!("/proc/{}/root", edge.worker()));
        root.join(state.join(name).strip_prefix("/").unwrap())
    };
    let entries = || fs::read_dir(inside("acme/certificates")).unwrap().count();
    assert_eq!(entries(), 1);
    // The audit log has begun, and its last page has room: a change that cannot be recorded would be refused.
    say(&edge, &["reload"]);
    assert!(fs::metadata(inside("audit.log")).unwrap().len() > 0);
    // Somebody's log has grown.
    // Writes as much as there is room for, and fails with the last byte.
    let filled = fs::write(inside("filler"), vec![b'x'; 512 * 1024]);
    assert!(filled.is_err());
    let before = issued(&edge, &pebble, "shop.test").certificate;
    say(&edge, &["cert", "renew", "shop.test"]);
    let shown = told(
        &edge,
        "shop.test",
        "it is served, but would be lost in a restart",
    );
    assert!(shown.contains("No space left on device"), "{shown}");
    assert_ne!(issued(&edge, &pebble, "shop.test").certificate, before);
    assert_eq!(entries(), 1, "the old one, whole, and nothing half written");
    fs::remove_file(inside("filler")).unwrap();
    let issued_before = edge.metric("seawall_acme_orders_total{outcome=\"issued\"}");
    seawall_tests::eventually("the certificate on the disk", || {
        let shown = say(&edge, &["cert", "show", "shop.test"]);
        (shown.matches("stored as").count() == 2).then_some(())
    });
    let issued_now = edge.metric("seawall_acme_orders_total{outcome=\"issued\"}");
    assert_eq!(issued_now, issued_before, "without another order");
    assert!(process::is_alive(edge.pid()));
}
