//! Purges as operators and origins ask for them.

use seawall_tests::{Edge, Origin, Response, Running};

fn shop(origin: &Origin, more: &str) -> Running {
    Edge::yaml(format!(
        "caches: {{ default: 64MiB }}\n\
         sites: [{{ host: a.test, cache: {{ name: default{more} }}, to: \"{origin}\" }}]"
    ))
    .start()
}

fn tagged(origin: &Origin) {
    origin.serve(
        "/a/1",
        "Cache-Control: max-age=60\r\nSurrogate-Key: red all\r\n",
        "red",
    );
    origin.serve(
        "/a/2",
        "Cache-Control: max-age=60\r\nCache-Tag: blue, all\r\n",
        "blue",
    );
    origin.serve(
        "/b",
        "Cache-Control: max-age=60\r\nCDN-Tag: dark blue\r\n",
        "dark",
    );
}

fn purge(edge: &Running, words: &[&str]) -> (bool, String) {
    let config = edge.config();
    let mut all = vec!["purge".as_ref()];
    all.extend(words.iter().map(|word| std::ffi::OsStr::new(*word)));
    all.extend(["-c".as_ref(), config.as_os_str()]);
    let done = edge.seawall(&all);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    (done.status.success(), said)
}

/// Which of the three pages are hits; what is not is stored again.
fn hits(edge: &Running) -> [bool; 3] {
    ["/a/1", "/a/2", "/b"].map(|path| edge.get("a.test", path).is_hit())
}

#[test]
fn tags_prefixes_and_sites_are_purged_by_the_command() {
    let origin = Origin::start();
    tagged(&origin);
    let edge = shop(&origin, "");
    assert_eq!(hits(&edge), [false; 3]);
    edge.counts(
        "seawall_cache_decisions_total{cache=\"default\",reason=\"max-age\",route=\"/\",site=\"a.test\",stored=\"yes\"}",
        3,
    );
    assert_eq!(hits(&edge), [true; 3]);
    for (words, left) in [
        (&["--tag", "red"][..], [false, true, true]),
        (&["--tag", "all"], [false, false, true]),
        (&["--tag", "dark blue"], [true, true, false]),
        (&["--prefix", "http://A.test/a/"], [false, false, true]),
        (&["--prefix", "a.test/b"], [true, true, false]),
        (&["--site", "a.test"], [false; 3]),
        (&["--all"], [false; 3]),
        (&["--tag", "nobody"], [true; 3]),
    ] {
        assert!(purge(&edge, words).0, "{words:?}");
        assert_eq!(hits(&edge), left, "{words:?}");
    }
    for wrong in [
        &["--site", "b.test"][..],
        &["--prefix", "/a"],
        &["--tag", " "],
    ] {
        assert!(!purge(&edge, wrong).0, "{wrong:?}");
    }
}

#[test]
fn tags_stay_between_the_origin_and_the_cache() {
    let origin = Origin::start();
    tagged(&origin);
    origin.serve(
        "/private",
        "Cache-Control: private\r\nSurrogate-Key: secret\r\n",
        "x",
    );
    let edge = shop(&origin, "");
    let untagged = |response: &Response| {
        ["Surrogate-Key", "Cache-Tag", "CDN-Tag"]
            .iter()
            .all(|name| response.field(name).is_none())
    };
    for path in ["/a/1", "/a/1", "/a/2", "/b", "/private"] {
        let response = edge.get("a.test", path);
        assert!(untagged(&response), "{path}: {response:?}");
    }
}

#[test]
fn a_soft_purge_serves_once_more_and_renews() {
    let origin = Origin::start();
    let fields = "Cache-Control: max-age=60, stale-while-revalidate=60\r\nSurrogate-Key: red\r\n";
    origin.serve("/a", fields, "old");
    let edge = shop(&origin, "");
    edge.get("a.test", "/a");
    origin.serve("/a", fields, "new");
    assert!(
        purge(&edge, &["--tag", "red", "--soft"])
            .1
            .contains("stale from now on")
    );
    let stale = edge.get("a.test", "/a");
    assert_eq!(stale.text(), "old");
    assert!(stale.has("Cache-Status").contains("stale"), "{stale:?}");
    seawall_tests::eventually("the renewed page", || {
        (edge.get("a.test", "/a").text() == "new").then_some(())
    });
    assert!(purge(&edge, &["http://a.test/a", "--soft"]).0);
    assert!(
        edge.get("a.test", "/a")
            .has("Cache-Status")
            .contains("stale")
    );
}

#[test]
fn the_method_is_for_those_whom_the_route_names() {
    let origin = Origin::start();
    tagged(&origin);
    let edge = shop(&origin, ", purge: [127.0.0.1]");
    hits(&edge);
    let mut client = edge.client();
    let mut purge = |path: &str, fields: &str| {
        client
            .send(format!(
                "PURGE {path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"
            ))
            .response()
    };
    let done = purge("/a/1", "");
    assert_eq!(
        (done.status, done.text().contains("\"removed\":true")),
        (200, true)
    );
    assert!(purge("/a/1", "").text().contains("\"removed\":false"));
    assert_eq!(hits(&edge), [false, true, true]);
    assert_eq!(purge("/", "Surrogate-Key: red blue\r\n").status, 200);
    assert_eq!(hits(&edge), [false, false, true]);
    assert_eq!(purge("/", "Cache-Tag:\r\n").status, 400);
    let others = shop(&origin, ", purge: [192.0.2.0/24]");
    let refused = others
        .client()
        .send("PURGE /a/1 HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response();
    assert_eq!(refused.status, 403);
    assert_eq!(origin.hits("/"), 0);
}

#[test]
fn an_operator_lists_shows_and_warms_the_cache() {
    let origin = Origin::start();
    tagged(&origin);
    let edge = shop(&origin, "");
    let config = edge.config();
    let port = edge.address("http").port();
    let list = edge.write(
        "urls.txt",
        format!("# pages\nhttp://a.test:{port}/a/1\nhttp://a.test:{port}/b\n"),
    );
    let connect = edge.address("http").to_string();
    let warm = || {
        let done = edge.seawall(&[
            "cache".as_ref(),
            "warm".as_ref(),
            list.as_os_str(),
            "--rate".as_ref(),
            "1000".as_ref(),
            "--connect".as_ref(),
            connect.as_ref(),
        ]);
        assert!(done.status.success(), "{done:?}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    assert!(warm().contains("2 stored, 0 were there, 0 failed"));
    assert!(warm().contains("0 stored, 2 were there, 0 failed"));
    let look = |words: &[&str]| {
        let mut all = vec!["cache".as_ref()];
        all.extend(words.iter().map(|word| std::ffi::OsStr::new(*word)));
        all.extend(["-c".as_ref(), config.as_os_str()]);
        let done = edge.seawall(&all);
        assert!(done.status.success(), "{done:?}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    // A port is part of the key: it is asked for as clients ask.
    let url = |path: &str| format!("http://a.test:{port}{path}");
    let listed = look(&["ls", "--prefix", "a.test/a/"]);
    assert!(
        listed.contains("a.test/a/1") && !listed.contains("a.test/b"),
        "{listed}"
    );
    let shown: serde_json::Value = serde_json::from_str(&look(&["show", &url("/a/1")])).unwrap();
    let found = &shown["found"][0];
    assert_eq!(
        (&found["answer"], &found["why"]),
        (&"hit".into(), &"fresh".into())
    );
    let variant = &found["variants"][0];
    assert_eq!(variant["tags"], serde_json::json!(["all", "red"]));
    assert_eq!(
        (&variant["hits"], &variant["tier"]),
        (&1.into(), &"memory".into())
    );
    let insisting = look(&["show", &url("/a/1"), "-H", "Cache-Control: no-cache"]);
    assert!(insisting.contains("\"revalidate\""), "{insisting}");
    assert!(look(&["show", &url("/none")]).contains("\"absent\""));
}
