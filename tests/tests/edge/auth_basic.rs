//! Names and passwords, in files that `htpasswd` and its friends made.

use base64::{Engine, engine::general_purpose::STANDARD};
use seawall_tests::{Edge, Origin, Response, Running, eventually};
use std::process::Command;

fn made_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e} (packaging/dev/install.sh test)"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

/// A user of each kind of hash, all with the password `open sesame`, named after the kind.
fn users() -> String {
    let word = "open sesame";
    let mut lines = vec![
        made_by("htpasswd", &["-nbB", "-C", "4", "bcrypt", word]),
        made_by("htpasswd", &["-nbm", "apr1", word]),
        made_by("htpasswd", &["-nbs", "sha", word]),
    ];
    for (name, flag) in [("sha256", "-5"), ("sha512", "-6"), ("md5", "-1")] {
        lines.push(format!(
            "{name}:{}",
            made_by("openssl", &["passwd", flag, word])
        ));
    }
    let argon2 = format!("printf '{word}' | argon2 saltsalt -id -t 1 -k 64 -p 1 -e");
    lines.push(format!("argon2:{}", made_by("sh", &["-c", &argon2])));
    lines.join("\n") + "\n"
}

fn ask(edge: &Running, path: &str, name: &str, word: &str) -> Response {
    let credentials = STANDARD.encode(format!("{name}:{word}"));
    edge.exchange(format!(
        "GET {path} HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic {credentials}\r\n\r\n"
    ))
}

fn guarded(origin: &Origin, users: &str, more: &str) -> Running {
    let edge = Edge::yaml(format!(
        "caches: {{ default: {{ memory: 1MiB }} }}
sites: [{{ host: a.test, to: \"{origin}\", auth: {{ basic: users, realm: The \\\"house\\\" }} {more} }}]"
    ).replace("The \\\"house\\\"", "'The \"house\"'"));
    edge.write("users", users);
    edge.start()
}

#[test]
fn every_kind_of_hash_lets_its_user_in_and_nobody_else() {
    let origin = Origin::start();
    let edge = guarded(&origin, &users(), "");
    let kinds = ["bcrypt", "apr1", "sha", "sha256", "sha512", "md5", "argon2"];
    for kind in kinds {
        assert_eq!(ask(&edge, "/", kind, "open sesame").status, 200, "{kind}");
        // And again, from memory.
        assert_eq!(ask(&edge, "/", kind, "open sesame").status, 200, "{kind}");
        assert_eq!(ask(&edge, "/", kind, "open sesam").status, 401, "{kind}");
        assert_eq!(ask(&edge, "/", kind, "").status, 401, "{kind}");
    }
    assert_eq!(ask(&edge, "/", "nobody", "open sesame").status, 401);
    assert_eq!(origin.received().len(), kinds.len() * 2);
    let refused = edge.get("a.test", "/");
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.has("WWW-Authenticate"),
        "Basic realm=\"The \\\"house\\\"\", charset=\"UTF-8\""
    );
    let asked = refused
        .fields
        .iter()
        .filter(|(n, _)| n == "WWW-Authenticate");
    assert_eq!(asked.count(), 1);
    edge.logged("user \"nobody\" was not found in ");
    edge.logged("user \"apr1\": password mismatch, client: 127.0.0.1");
    let failed = (kinds.len() * 2 + 1) as u64;
    edge.counts(
        "seawall_access_total{result=\"bad_password\",site=\"a.test\"}",
        failed,
    );
    edge.counts(
        "seawall_access_total{result=\"unauthorized\",site=\"a.test\"}",
        failed + 1,
    );
    assert!(
        !edge.error_log().contains("sesam"),
        "a password is in the log"
    );
}

#[test]
fn credentials_that_are_none_are_refused_and_break_nothing() {
    let origin = Origin::start();
    let edge = guarded(&origin, &users(), "");
    let good = STANDARD.encode("sha:open sesame");
    for value in [
        "",
        "Basic",
        "Basic ",
        "Basic ====",
        "Basic c2hh",
        "Bearer x",
        "Basic \u{fc}",
        &format!("Basic {}", "A".repeat(5000)),
        &format!("Basic {good}\r\nAuthorization: Basic {good}"),
    ] {
        let answer = edge.exchange(format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: {value}\r\n\r\n"
        ));
        assert!(
            matches!(answer.status, 400 | 401),
            "{value}: {}",
            answer.status
        );
    }
    assert_eq!(origin.received().len(), 0);
    edge.counts("seawall_panics_total", 0);
}

#[test]
fn authorization_goes_on_unless_it_is_stripped() {
    let origin = Origin::start();
    let edge = guarded(&origin, &users(), "");
    assert_eq!(ask(&edge, "/", "sha", "open sesame").status, 200);
    assert!(origin.last().field("Authorization").is_some());
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"{origin}\", auth: {{ basic: users, strip: true }} }}]"
    ));
    edge.write("users", users());
    let edge = edge.start();
    assert_eq!(ask(&edge, "/", "sha", "open sesame").status, 200);
    assert_eq!(origin.last().field("Authorization"), None);
}

#[test]
fn what_is_stored_is_for_those_with_a_password() {
    let origin = Origin::start();
    origin.serve(
        "/",
        "Cache-Control: public, max-age=60\r\n",
        "the secret page",
    );
    let edge = guarded(&origin, &users(), ", cache: default");
    assert_eq!(ask(&edge, "/", "sha", "open sesame").status, 200);
    assert!(ask(&edge, "/", "md5", "open sesame").is_hit());
    for stranger in [edge.get("a.test", "/"), ask(&edge, "/", "sha", "wrong")] {
        assert_eq!(stranger.status, 401);
        assert!(!stranger.text().contains("secret"));
    }
}

#[test]
fn a_password_that_was_changed_counts_at_once() {
    let origin = Origin::start();
    let edge = guarded(&origin, &users(), "");
    assert_eq!(ask(&edge, "/", "sha", "open sesame").status, 200);
    let next = made_by("htpasswd", &["-nbs", "sha", "another"]) + "\n";
    edge.write("users", next);
    eventually("the new password", || {
        (ask(&edge, "/", "sha", "another").status == 200).then_some(())
    });
    assert_eq!(ask(&edge, "/", "sha", "open sesame").status, 401);
}

#[test]
fn a_file_with_a_weak_hash_is_an_error_at_its_line_that_shows_no_secret() {
    for (line, word) in [
        ("carol:geheim", "password as it is"),
        ("carol:{PLAIN}geheim", "as it is"),
        ("carol:geheim and more", "unknown kind"),
        ("carol:abJnggxhB/yWI", "DES-crypt"),
        ("carol", "NAME:HASH"),
    ] {
        let edge = Edge::yaml("sites: [{ host: a.test, respond: 200, auth: { basic: users } }]");
        edge.write("users", format!("# ours\n{}{line}\n", users()));
        let (status, said) = edge.start_in_vain();
        assert!(!status.success(), "{line}");
        assert!(
            said.contains("users:9:1") && said.contains(word),
            "{line}: {said}"
        );
        assert!(!said.contains("geheim") && !said.contains("abJn"), "{said}");
    }
    let edge = Edge::yaml("sites: [{ host: a.test, respond: 200, auth: { basic: nowhere } }]");
    let (status, said) = edge.start_in_vain();
    assert!(!status.success() && said.contains("nowhere"), "{said}");
}

#[test]
fn one_of_address_and_password_may_be_enough() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "trusted_proxies: [127.0.0.1]
sites: [{{ host: a.test, to: \"{origin}\", allow: 10.0.0.0/8, auth: {{ basic: users }}, satisfy: any }}]"
    ));
    edge.write("users", users());
    let edge = edge.start();
    let ask = |client: &str, fields: &str| {
        edge.exchange(format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {client}\r\n{fields}\r\n"
        ))
        .status
    };
    let good = format!(
        "Authorization: Basic {}\r\n",
        STANDARD.encode("sha:open sesame")
    );
    assert_eq!(ask("10.0.0.1", ""), 200);
    assert_eq!(ask("192.0.2.1", ""), 401);
    assert_eq!(ask("192.0.2.1", &good), 200);
}

#[test]
fn a_body_is_not_asked_for_before_the_password() {
    let origin = Origin::start();
    let edge = guarded(&origin, &users(), "");
    let mut client = edge.client();
    let answer = client
        .send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
        .response();
    assert_eq!(answer.status, 401);
    assert!(client.is_closed(), "the body would be taken for a request");
}
