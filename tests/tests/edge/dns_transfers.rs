//! Zones from server to server, with the servers that others run: Knot DNS, NSD and BIND.

use nix::sys::signal::Signal;
use seawall_tests::{
    Edge, Peer, Running,
    dns::{Type, ask},
    eventually, free_address,
};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

pub(super) const KEY: &str = "key \"k.test\" { algorithm hmac-sha256; secret \"c2Vhd2FsbC1zZWFsZWQtc2VjcmV0LTEyMzQ1Njc4\"; };\n";

pub(super) fn zone(serial: u32, more: &str) -> String {
    let mut zone = format!(
        "$TTL 300\n@ IN SOA ns1 admin {serial} 3600 600 86400 60\n@ IN NS ns1\nns1 IN A 192.0.2.1\n\
         www IN A 192.0.2.10\nwww IN TXT \"a;b \\\"c\\\"\"\n*.w IN MX 10 www\nsub IN NS ns.sub\nns.sub IN A 192.0.2.40\n{more}"
    );
    for n in 0..300 {
        zone.push_str(&format!("host{n} IN A 198.51.100.{}\n", n % 256));
    }
    zone
}

pub(super) fn edge(dns: &str) -> Edge {
    let edge = Edge::yaml(format!(
        "dns:\n  listen: \"@dns@\"\n  zones:\n{dns}\nsites: [{{ host: a.test, respond: {{ status: 200, body: ok }} }}]"
    ));
    edge.write("tsig.key", KEY);
    edge
}

/// The serial number a server answers with.
fn serial(server: SocketAddr) -> Option<String> {
    let soa = ask(server, "shop.test", Type::Soa);
    soa.data()
        .first()
        .and_then(|d| d.split(' ').nth(2).map(str::to_owned))
}

pub(super) fn has_serial(server: SocketAddr, wanted: &str) {
    eventually(&format!("serial number {wanted} at {server}"), || {
        (serial(server)? == wanted).then_some(())
    });
}

/// All records as `dig` prints them from a transfer, sorted.
pub(super) fn transferred(server: SocketAddr, key: &Path, what: &str) -> Vec<String> {
    let output = Command::new("dig")
        .args([
            &format!("@{}", server.ip()),
            "-p",
            &server.port().to_string(),
            "-k",
        ])
        .arg(key)
        .args([
            "+noall",
            "+answer",
            "+nocrypto",
            "+onesoa",
            "shop.test",
            what,
        ])
        .output()
        .expect("dig (packaging/dev/install.sh test)");
    let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with(';'))
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|l| !l.contains(" TSIG "))
        .collect();
    lines.sort();
    lines
}

pub(super) fn knot(directory: &Path, address: SocketAddr, zone: &str) -> Peer {
    let config = directory.join("knot.conf");
    let state = directory.join("knot");
    std::fs::create_dir_all(&state).unwrap();
    let text = format!(
        "server:\n  rundir: {0}\n  listen: {1}@{2}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
         log:\n  - target: {0}/log\n    any: info\ndatabase:\n  storage: {0}\n\
         template:\n  - id: default\n    storage: {0}\n\
         key:\n  - id: k.test\n    algorithm: hmac-sha256\n    secret: c2Vhd2FsbC1zZWFsZWQtc2VjcmV0LTEyMzQ1Njc4\n{zone}",
        state.display(),
        address.ip(),
        address.port()
    );
    std::fs::write(&config, text).unwrap();
    Peer::start(
        "knotd",
        &["-c", &config.to_string_lossy()],
        directory,
        address,
    )
}

fn reload(edge: &Running, zone: String) {
    edge.write("shop.test.zone", zone);
    edge.signal(Signal::SIGHUP);
}

#[test]
fn knot_follows_our_zone_by_notify_and_ixfr_signed() {
    let other = free_address();
    let edge = edge(&format!(
        "    - name: shop.test\n      file: shop.test.zone\n      transfer: {{ to: 127.0.0.1, key: {{ file: tsig.key }} }}\n      notify: \"{other}\""
    ));
    edge.write("shop.test.zone", zone(1, ""));
    let edge = edge.start();
    let ours = edge.address("dns");
    let directory = edge.path("knot").parent().unwrap().to_owned();
    let _knot = knot(
        &directory,
        other,
        &format!(
            "remote:\n  - id: us\n    address: {}@{}\n    key: k.test\nacl:\n  - id: us\n    address: 127.0.0.1\n    key: k.test\n    action: notify\n\
             zone:\n  - domain: shop.test\n    master: us\n    acl: us\n",
            ours.ip(),
            ours.port()
        ),
    );
    has_serial(other, "1");
    reload(
        &edge,
        zone(2, "new IN A 192.0.2.99\n").replace("www IN A 192.0.2.10", "www IN A 192.0.2.11"),
    );
    has_serial(other, "2");
    assert_eq!(ask(other, "new.shop.test", Type::A).data(), ["192.0.2.99"]);
    assert_eq!(ask(other, "www.shop.test", Type::A).data(), ["192.0.2.11"]);
    assert_eq!(
        ask(other, "host7.shop.test", Type::A).data(),
        ["198.51.100.7"]
    );
    let log = std::fs::read_to_string(directory.join("knot/log")).unwrap();
    assert!(
        log.contains("IXFR, incoming") && log.contains("notify, incoming"),
        "{log}"
    );
}

#[test]
fn nsd_follows_our_zone_by_notify() {
    let other = free_address();
    let edge = edge(&format!(
        "    - name: shop.test\n      file: shop.test.zone\n      transfer: {{ to: 127.0.0.1 }}\n      notify: \"{other}\""
    ));
    edge.write("shop.test.zone", zone(1, ""));
    let edge = edge.start();
    let ours = edge.address("dns");
    let directory = edge.path("nsd").parent().unwrap().to_owned();
    let config = directory.join("nsd.conf");
    let text = format!(
        "server:\n  ip-address: {0}@{1}\n  server-count: 1\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{2}\"\n  database: \"\"\n\
         \x20 pidfile: \"{2}/nsd.pid\"\n  xfrdfile: \"{2}/xfrd\"\n  zonelistfile: \"{2}/list\"\n  xfrdir: \"{2}\"\n  xfrd-reload-timeout: 0\n\
         remote-control:\n  control-enable: no\nzone:\n  name: shop.test\n  allow-notify: 127.0.0.1 NOKEY\n  request-xfr: {3}@{4} NOKEY\n",
        other.ip(),
        other.port(),
        directory.display(),
        ours.ip(),
        ours.port()
    );
    std::fs::write(&config, text).unwrap();
    let _nsd = Peer::start(
        "nsd",
        &["-d", "-c", &config.to_string_lossy()],
        &directory,
        other,
    );
    has_serial(other, "1");
    reload(&edge, zone(2, "new IN A 192.0.2.99\n"));
    has_serial(other, "2");
    assert_eq!(ask(other, "new.shop.test", Type::A).data(), ["192.0.2.99"]);
}

#[test]
fn we_follow_knot_by_notify_and_ixfr_and_serve_the_copy_after_a_restart() {
    let other = free_address();
    let edge = edge(&format!(
        "    - name: shop.test\n      secondary: {{ from: \"{other}\", key: {{ file: tsig.key }} }}\n      transfer: {{ to: 127.0.0.1, key: {{ file: tsig.key }} }}"
    ));
    let ours = edge.address("dns");
    let directory = edge.path("knot").parent().unwrap().to_owned();
    edge.write("primary.zone", zone(1, ""));
    let mut knot = knot(
        &directory,
        other,
        &format!(
            "remote:\n  - id: us\n    address: {}@{}\n    key: k.test\nacl:\n  - id: us\n    address: 127.0.0.1\n    key: k.test\n    action: transfer\n\
             zone:\n  - domain: shop.test\n    file: {}\n    zonefile-load: difference\n    notify: us\n    acl: us\n",
            ours.ip(),
            ours.port(),
            directory.join("primary.zone").display()
        ),
    );
    let mut edge = edge.start();
    has_serial(ours, "1");
    let key = edge.path("tsig.key");
    assert_eq!(
        transferred(ours, &key, "AXFR"),
        transferred(other, &key, "AXFR")
    );
    edge.write(
        "primary.zone",
        zone(2, "new IN A 192.0.2.99\n").replace("host7 ", "host7777 "),
    );
    seawall_tests::process::signal(knot.pid(), Signal::SIGHUP);
    has_serial(ours, "2");
    assert_eq!(
        transferred(ours, &key, "AXFR"),
        transferred(other, &key, "AXFR")
    );
    let step = transferred(ours, &key, "IXFR=1");
    assert!(
        step.len() < 20 && step.iter().any(|l| l.starts_with("new.shop.test.")),
        "{step:?}"
    );
    knot.kill();
    edge.kill();
    let (_, edge) = edge.wait();
    let edge = edge.start();
    has_serial(edge.address("dns"), "2");
    assert_eq!(ask(ours, "new.shop.test", Type::A).data(), ["192.0.2.99"]);
}

#[test]
fn transfers_are_refused_to_everybody_else() {
    let edge = edge(
        "    - name: shop.test\n      file: shop.test.zone\n      transfer: { to: 127.0.0.1, key: { file: tsig.key } }\n    - name: other.test\n      file: shop.test.zone",
    );
    edge.write("shop.test.zone", zone(1, ""));
    edge.write("wrong.key", KEY.replace("c2Vh", "AAAA"));
    let edge = edge.start();
    let ours = edge.address("dns");
    assert_eq!(transferred(ours, &edge.path("tsig.key"), "AXFR").len(), 308);
    assert!(transferred(ours, &edge.path("wrong.key"), "AXFR").is_empty());
    for zone in ["shop.test", "other.test"] {
        let output = Command::new("dig")
            .args([
                &format!("@{}", ours.ip()),
                "-p",
                &ours.port().to_string(),
                zone,
                "AXFR",
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("Transfer failed"), "{said}");
    }
}

/// Runs `nsupdate` with these lines. Gives what it said.
fn update(server: SocketAddr, key: &Path, lines: &str) -> String {
    use std::io::Write;
    let mut child = Command::new("nsupdate")
        .arg("-k")
        .arg(key)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("nsupdate (packaging/dev/install.sh test)");
    let script = format!(
        "server {} {}\nzone shop.test\n{lines}send\n",
        server.ip(),
        server.port()
    );
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn updates_are_signed_checked_and_survive_a_kill() {
    let edge = edge(
        "    - name: shop.test\n      file: shop.test.zone\n      update: { key: { file: tsig.key } }\n      transfer: { key: { file: tsig.key } }",
    );
    edge.write("shop.test.zone", zone(1, ""));
    edge.write("wrong.key", KEY.replace("c2Vh", "AAAA"));
    let mut edge = edge.start();
    let (ours, key) = (edge.address("dns"), edge.path("tsig.key"));
    assert_eq!(
        update(
            ours,
            &key,
            "update add dyn.shop.test 60 TXT \"one\"\nupdate delete www.shop.test A\n"
        ),
        ""
    );
    assert_eq!(ask(ours, "dyn.shop.test", Type::Txt).data(), ["one"]);
    assert!(ask(ours, "www.shop.test", Type::A).data().is_empty());
    assert_eq!(serial(ours).as_deref(), Some("2"));
    assert!(
        update(
            ours,
            &key,
            "prereq nxdomain dyn.shop.test\nupdate add x.shop.test 60 A 192.0.2.1\n"
        )
        .contains("YXDOMAIN")
    );
    assert!(update(ours, &key, "update add x.elsewhere.test 60 A 192.0.2.1\n").contains("NOTZONE"));
    assert!(
        update(
            ours,
            &edge.path("wrong.key"),
            "update add x.shop.test 60 A 192.0.2.1\n"
        )
        .contains("NOTAUTH")
    );
    assert!(ask(ours, "x.shop.test", Type::A).data().is_empty());
    assert!(transferred(ours, &key, "IXFR=1").len() < 10);
    edge.kill();
    let (_, edge) = edge.wait();
    let edge = edge.start();
    assert_eq!(
        ask(edge.address("dns"), "dyn.shop.test", Type::Txt).data(),
        ["one"]
    );
    assert!(
        ask(edge.address("dns"), "www.shop.test", Type::A)
            .data()
            .is_empty()
    );
    // The file may have changed meanwhile: never a number that secondaries have with something else.
    assert_eq!(serial(edge.address("dns")).as_deref(), Some("3"));
}

#[test]
fn bind_lists_zones_in_a_catalog_and_we_copy_them() {
    let other = free_address();
    let edge = edge(&format!(
        "    - name: catalog.test\n      secondary: {{ from: \"{other}\", catalog: true }}"
    ));
    let ours = edge.address("dns");
    let directory = edge.path("bind").parent().unwrap().to_owned();
    let catalog = "$TTL 0\n@ IN SOA invalid. invalid. 1 3600 600 86400 0\n@ IN NS invalid.\nversion IN TXT \"2\"\nm1.zones IN PTR shop.test.\n";
    edge.write("catalog.zone", catalog);
    edge.write("shop.zone", zone(5, ""));
    let text = format!(
        "options {{ directory \"{0}\"; listen-on port {1} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; pid-file \"{0}/bind.pid\";\n\
         session-keyfile \"{0}/session.key\"; allow-transfer {{ 127.0.0.1; }}; notify explicit; also-notify {{ 127.0.0.1 port {2}; }}; dnssec-validation no; }};\ncontrols {{}};\n\
         zone \"catalog.test\" {{ type primary; file \"{0}/catalog.zone\"; check-names ignore; }};\nzone \"shop.test\" {{ type primary; file \"{0}/shop.zone\"; }};\n",
        directory.display(),
        other.port(),
        ours.port()
    );
    edge.write("named.conf", text);
    let config = directory.join("named.conf");
    let named = Peer::start(
        "named",
        &["-g", "-n", "1", "-c", &config.to_string_lossy()],
        &directory,
        other,
    );
    let edge = edge.start();
    has_serial(ours, "5");
    assert_eq!(
        ask(ours, "host9.shop.test", Type::A).data(),
        ["198.51.100.9"]
    );
    edge.write(
        "catalog.zone",
        catalog
            .replace(" 1 3600", " 2 3600")
            .replace("m1.zones IN PTR shop.test.\n", ""),
    );
    seawall_tests::process::signal(named.pid(), Signal::SIGHUP);
    eventually("the zone is gone", || {
        let answer = ask(ours, "host9.shop.test", Type::A);
        (answer.code() == hickory_proto::op::ResponseCode::Refused).then_some(())
    });
}
