//! Files: found, listed, encoded, and never outside their root.

use seawall_tests::{Edge, Response, Running};
use std::os::unix::fs::symlink;

fn site(fields: &str) -> Edge {
    Edge::yaml(format!(
        "sites:\n  - host: a.test\n    root: @dir@/www\n{fields}"
    ))
}

fn ask(edge: &Running, request: &str) -> Response {
    edge.exchange(format!("{request}\r\nHost: a.test\r\n\r\n"))
}

#[test]
fn files_have_types_validators_and_lengths() {
    let edge = site("");
    edge.write("www/index.html", "<p>home");
    edge.write("www/a/b.css", "p{}");
    edge.write("www/empty.txt", "");
    let edge = edge.start();
    // Twice: opened, then from the thread's cache.
    for _ in 0..2 {
        let css = edge.get("a.test", "/a/b.css");
        assert_eq!((css.status, css.text().as_str()), (200, "p{}"));
        assert_eq!(css.has("Content-Type"), "text/css; charset=utf-8");
        assert_eq!(css.has("Content-Length"), "3");
        assert_eq!(css.has("Accept-Ranges"), "bytes");
        assert!(css.has("ETag").starts_with('"') && css.has("Last-Modified").ends_with("GMT"));
        assert_eq!(edge.get("a.test", "/").text(), "<p>home");
        assert_eq!(edge.get("a.test", "/empty.txt").has("Content-Length"), "0");
        assert_eq!(edge.get("a.test", "/none").status, 404);
    }
    let mut client = edge.client();
    client.send("HEAD /a/b.css HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let head = client.response_to_head();
    assert_eq!((head.status, head.has("Content-Length")), (200, "3"));
    // Nothing of the body came with it: the connection's next answer is read right.
    assert_eq!(client.get("a.test", "/a/b.css").text(), "p{}");
}

#[test]
fn a_directory_is_led_to_its_slash_and_other_methods_are_refused() {
    let edge = site("");
    edge.write("www/a/b", "x");
    let edge = edge.start();
    let slash = edge.get("a.test", "/a?q=1");
    assert_eq!((slash.status, slash.has("Location")), (301, "/a/?q=1"));
    assert_eq!(
        edge.get("a.test", "/a/").status,
        403,
        "no index, no listing"
    );
    let post = edge.exchange("POST /a/b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(
        (post.status, post.has("Allow")),
        (405, "GET, HEAD, OPTIONS")
    );
    let options = ask(&edge, "OPTIONS /a/b HTTP/1.1");
    assert_eq!(
        (options.status, options.has("Allow")),
        (204, "GET, HEAD, OPTIONS")
    );
}

#[test]
fn a_large_file_comes_whole_over_every_kind_of_connection() {
    let edge = Edge::yaml(
        "listen: [{ http: \"@http@\" }, { https: \"@https@\" }]
sites: [{ host: a.test, tls: internal, root: @dir@/www }, { host: b.test, tls: off, root: @dir@/www }]",
    );
    let content: Vec<u8> = (0..3_000_000u32).map(|n| (n * 7 + n / 251) as u8).collect();
    edge.write("www/large.bin", &content);
    let edge = edge.start();
    let plain = edge.get("b.test", "/large.bin");
    assert!(
        plain.status == 200 && plain.body == content,
        "{}",
        plain.status
    );
    let mut tls = edge.tls("a.test").client;
    assert!(tls.get("a.test", "/large.bin").body == content);
    // And the connection goes on.
    assert_eq!(tls.get("a.test", "/none").status, 404);
    edge.counts("seawall_panics_total", 0);
}

#[test]
fn a_file_that_changes_is_seen_when_its_entry_is_over() {
    let edge = site("    open_cache: { max: 4, valid: 1ms }\n");
    edge.write("www/a.txt", "one");
    let edge = edge.start();
    let mut client = edge.client();
    let first = client.get("a.test", "/a.txt");
    assert_eq!(first.text(), "one");
    edge.write("www/new", "other");
    std::fs::rename(edge.path("www/new"), edge.path("www/a.txt")).unwrap();
    seawall_tests::eventually("the new file", || {
        (client.get("a.test", "/a.txt").text() == "other").then_some(())
    });
    assert_ne!(
        client.get("a.test", "/a.txt").has("ETag"),
        first.has("ETag")
    );
    std::fs::remove_file(edge.path("www/a.txt")).unwrap();
    seawall_tests::eventually("its absence", || {
        (client.get("a.test", "/a.txt").status == 404).then_some(())
    });
    // More files than entries.
    for n in 0..20 {
        edge.write(&format!("www/{n}"), n.to_string());
        assert_eq!(client.get("a.test", &format!("/{n}")).text(), n.to_string());
    }
}

#[test]
fn nothing_leaves_the_root() {
    let edge = Edge::yaml(
        "sites:
  - { host: a.test, root: @dir@/www }
  - { host: off.test, root: @dir@/www, symlinks: off }
  - { host: all.test, root: @dir@/www, symlinks: follow }
  - { host: var.test, root: @dir@/www, try: [/$arg_f, =404] }",
    );
    edge.write("secret", "secret");
    edge.write("www/in/file", "file");
    symlink(edge.path("secret"), edge.path("www/out")).unwrap();
    symlink("../secret", edge.path("www/up")).unwrap();
    symlink("in/file", edge.path("www/link")).unwrap();
    let edge = edge.start();
    for path in ["/out", "/up"] {
        assert_eq!(edge.get("a.test", path).status, 403, "{path}");
        assert_eq!(edge.get("off.test", path).status, 403, "{path}");
        assert_eq!(edge.get("all.test", path).text(), "secret", "{path}");
    }
    assert_eq!(edge.get("a.test", "/link").text(), "file");
    assert_eq!(edge.get("off.test", "/link").status, 403);
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/in/%2e%2e%2f..%2fsecret",
        "/in/..%5c..%5csecret",
    ] {
        let status = edge.get("a.test", path).status;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
    for file in ["../secret", "in/../../secret", "../www/../secret"] {
        let answer = edge.get("var.test", &format!("/x?f={file}"));
        assert_eq!(answer.status, 404, "{file}");
    }
    assert_eq!(edge.get("var.test", "/x?f=in/file").text(), "file");
    assert_eq!(edge.get("a.test", "/a%00b").status, 400);
}

#[test]
fn a_precompressed_sibling_is_sent_to_those_who_take_it() {
    let edge = site("    precompressed: [br, zstd, gzip]\n");
    edge.write("www/a.js", "plain");
    edge.write("www/a.js.br", "brotli");
    edge.write("www/a.js.gz", "gzip");
    let edge = edge.start();
    let with = |accepted: &str| {
        ask(
            &edge,
            &format!("GET /a.js HTTP/1.1\r\nAccept-Encoding: {accepted}"),
        )
    };
    for (accepted, body, coding) in [
        ("gzip, br", "brotli", "br"),
        ("gzip, zstd", "gzip", "gzip"),
        ("br;q=0, *", "gzip", "gzip"),
        ("gzip;q=0.0", "plain", ""),
        ("deflate", "plain", ""),
    ] {
        let answer = with(accepted);
        assert_eq!(
            (answer.text().as_str(), answer.has("Content-Encoding")),
            (body, coding),
            "{accepted}"
        );
        assert_eq!(answer.has("Vary"), "Accept-Encoding", "{accepted}");
        assert_eq!(answer.has("Content-Type"), "text/javascript; charset=utf-8");
    }
    assert_ne!(with("br").has("ETag"), with("deflate").has("ETag"));
}

#[test]
fn a_listing_is_escaped_and_hides_what_is_hidden() {
    let edge = site("    listing: true\n");
    edge.write("www/<b>&.txt", "x");
    edge.write("www/sub/x", "x");
    edge.write("www/.hidden", "x");
    let edge = edge.start();
    let html = edge.get("a.test", "/");
    assert!(html.has("Content-Type").starts_with("text/html"));
    let text = html.text();
    assert!(
        text.contains("href=\"./%3Cb%3E%26.txt\">&lt;b&gt;&amp;.txt</a>"),
        "{text}"
    );
    assert!(
        text.contains("href=\"./sub/\">sub/</a>") && !text.contains("hidden"),
        "{text}"
    );
    let json = ask(&edge, "GET / HTTP/1.1\r\nAccept: application/json");
    assert_eq!(json.has("Content-Type"), "application/json");
    assert!(
        json.text().contains(r#""name":"<b>&.txt""#),
        "{}",
        json.text()
    );
}

#[test]
fn try_takes_the_first_that_is_there() {
    let edge = Edge::yaml(
        "sites:
  - host: a.test
    routes:
      - { path: /app, root: @dir@/www, try: [$uri, $uri/, /app/index.html] }
      - { path: /strict, root: @dir@/www, try: [$uri, $uri.html, =410] }
      - { path: /back, root: @dir@/www, try: [$uri, \"@made\"] }
      - { name: made, respond: { status: 200, body: \"made $uri $args\" } }
      - { path: /, root: @dir@/www }",
    );
    edge.write("www/app/index.html", "app");
    edge.write("www/app/x.js", "x");
    edge.write("www/strict/page.html", "page");
    edge.write("www/back/there", "there");
    let edge = edge.start();
    for (path, status, body) in [
        ("/app/x.js", 200, "x"),
        ("/app/deep/link", 200, "app"),
        ("/app/", 200, "app"),
        ("/strict/page", 200, "page"),
        ("/back/there", 200, "there"),
        ("/back/none?q=1", 200, "made /back/none q=1"),
    ] {
        let answer = edge.get("a.test", path);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (status, body),
            "{path}"
        );
    }
    assert_eq!(edge.get("a.test", "/strict/none").status, 410);
    assert_eq!(edge.get("a.test", "/@made").status, 404);
}

#[test]
fn nginx_conf_finds_files_as_nginx_does() {
    let edge = Edge::nginx(
        "events {} http { server { listen @http@; root @dir@/www; open_file_cache max=10;
  location /img/ { alias @dir@/pictures/; expires 1h; }
  location ~ ^/re/(.*)$ { alias @dir@/pictures/$1; }
  location /try { try_files $uri /fallback.html?from=$uri =404; }
  location /spa { try_files $uri /fallback.html; }
  location = /pixel { empty_gif; }
  location /list/ { autoindex on; }
  location /links { disable_symlinks on; }
  location /hidden/ { internal; }
  location /to-hidden { try_files /none /hidden/x; }
} }",
    );
    edge.write("www/fallback.html", "fallback");
    edge.write("www/hidden/x", "hidden");
    edge.write("www/list/a b", "x");
    edge.write("pictures/a.gif", "gif");
    edge.write("www/target", "x");
    symlink("target", edge.path("www/links")).unwrap();
    let edge = edge.start();
    let gif = edge.get("a.test", "/img/a.gif");
    assert_eq!(
        (gif.text().as_str(), gif.has("Content-Type")),
        ("gif", "image/gif")
    );
    assert_eq!(gif.has("Cache-Control"), "max-age=3600");
    assert!(gif.field("Expires").is_some());
    assert_eq!(edge.get("a.test", "/re/a.gif").text(), "gif");
    assert_eq!(edge.get("a.test", "/try/x").status, 404);
    assert_eq!(edge.get("a.test", "/spa/x").text(), "fallback");
    assert_eq!(
        edge.get("a.test", "/pixel").body.get(..6),
        Some(&b"GIF89a"[..])
    );
    assert!(edge.get("a.test", "/list/").text().contains("./a%20b"));
    assert_eq!(edge.get("a.test", "/links").status, 403);
    assert_eq!(edge.get("a.test", "/hidden/x").status, 404);
    assert_eq!(edge.get("a.test", "/to-hidden").text(), "hidden");
}
