//! An nginx.conf as it is, and the command line that nginx's operators know.

use nix::sys::signal::Signal;
use seawall_tests::{Edge, Origin, Running, eventually};

fn nginx(http: &str) -> Running {
    Edge::nginx(format!("worker_processes 1;\nevents {{ worker_connections 64; }}\nhttp {{\naccess_log off;\n{http}\n}}\n")).start()
}

#[test]
fn locations_are_chosen_as_nginx_chooses_them() {
    let edge = nginx(
        "server {
            listen @http@;
            location = /exact { return 200 exact; }
            location / { return 200 root; }
            location /prefix { return 200 prefix; }
            location ^~ /stop { return 200 stop; }
            location ~ \\.txt$ { return 200 regex; }
            location ~* \\.JPG$ { return 200 caseless; }
        }",
    );
    for (path, body) in [
        ("/exact", "exact"),
        ("/exact/", "root"),
        ("/prefixed", "prefix"),
        ("/prefix/a.txt", "regex"),
        ("/stop/a.txt", "stop"),
        ("/a.jpg", "caseless"),
        ("/other", "root"),
    ] {
        assert_eq!(edge.get("x", path).text(), body, "{path}");
    }
}

#[test]
fn servers_are_chosen_by_name_and_the_default_takes_the_rest() {
    let edge = nginx(
        "server { listen @http@ default_server; server_name _; return 200 default; }
         server { listen @http@; server_name a.test *.b.test; return 200 named; }
         server { listen @http@; server_name ~^j.+\\.c\\.test$; return 200 regex; }",
    );
    for (host, body) in [
        ("a.test", "named"),
        ("x.b.test", "named"),
        ("joe.c.test", "regex"),
        ("other", "default"),
    ] {
        assert_eq!(edge.get(host, "/").text(), body, "{host}");
    }
}

#[test]
fn set_rewrite_if_and_return_run_in_order() {
    let edge = nginx(
        "server {
            listen @http@;
            set $who nobody;
            if ($http_x_who) { set $who $http_x_who; }
            rewrite ^/old/(.*)$ /new/$1 last;
            rewrite ^/moved$ https://b.test/ permanent;
            location /new/ { return 200 \"$who $uri $args\"; }
            location /never { return 444; }
        }",
    );
    assert_eq!(edge.get("x", "/old/a?b=c").text(), "nobody /new/a b=c");
    let with = edge.exchange("GET /old/a HTTP/1.1\r\nHost: x\r\nX-Who: me\r\n\r\n");
    assert_eq!(with.text(), "me /new/a ");
    let moved = edge.get("x", "/moved");
    assert_eq!(
        (moved.status, moved.has("Location")),
        (301, "https://b.test/")
    );
    let mut client = edge.client();
    assert!(client.ask("x", "/never").is_closed());
}

#[test]
fn proxy_pass_with_and_without_a_uri() {
    let origin = Origin::start();
    let edge = nginx(&format!(
        "upstream app {{ server {origin}; keepalive 8; }}
         server {{
            listen @http@;
            location /as-is/ {{ proxy_pass http://app; }}
            location /strip/ {{ proxy_pass http://app/; }}
            location /other/ {{ proxy_pass http://{origin}/base/; proxy_set_header Host $host; proxy_set_header X-Real-IP $remote_addr; }}
         }}"
    ));
    for (asked, forwarded) in [
        ("/as-is/a%20b?c", "/as-is/a%20b?c"),
        ("/strip/a?c", "/a?c"),
        ("/other/x", "/base/x"),
    ] {
        assert_eq!(edge.get("shop.test", asked).status, 200);
        assert_eq!(origin.last().target, forwarded, "{asked}");
    }
    assert_eq!(origin.last().field("Host"), Some("shop.test"));
    assert_eq!(origin.last().field("X-Real-IP"), Some("127.0.0.1"));
    edge.get("shop.test", "/as-is/");
    assert_eq!(
        origin.last().field("Host"),
        Some("app"),
        "$proxy_host unless set"
    );
    assert_eq!(
        origin.last().field("X-Forwarded-For"),
        None,
        "nothing is added unasked"
    );
}

#[test]
fn proxy_cache_follows_nginxs_rules() {
    let origin = Origin::start();
    origin.serve("/valid", "", "valid");
    origin.serve(
        "/accel",
        "X-Accel-Expires: 60\r\nCache-Control: no-store\r\n",
        "accel",
    );
    origin.serve(
        "/cookie",
        "Cache-Control: max-age=60\r\nSet-Cookie: a=1\r\n",
        "cookie",
    );
    let edge = nginx(&format!(
        "proxy_cache_path @dir@/cache keys_zone=zone:1m;
         server {{
            listen @http@;
            proxy_cache zone;
            proxy_cache_valid 200 1m;
            add_header X-Cache $upstream_cache_status;
            location / {{ proxy_pass http://{origin}; }}
         }}"
    ));
    for (path, second) in [("/valid", "HIT"), ("/accel", "HIT"), ("/cookie", "MISS")] {
        assert_eq!(edge.get("x", path).has("X-Cache"), "MISS", "{path}");
        assert_eq!(edge.get("x", path).has("X-Cache"), second, "{path}");
    }
    // A client's no-cache is not heeded, and nothing but what was asked for is added.
    let insisting =
        edge.exchange("GET /valid HTTP/1.1\r\nHost: x\r\nCache-Control: no-cache\r\n\r\n");
    assert_eq!(insisting.has("X-Cache"), "HIT");
    assert_eq!(
        (insisting.field("Age"), insisting.field("Cache-Status")),
        (None, None)
    );
}

#[test]
fn the_access_log_has_the_format_that_was_asked_for() {
    let edge = Edge::nginx(
        "events {}
http {
    log_format mine '$remote_addr \"$request\" $status $body_bytes_sent \"$http_user_agent\" $host';
    access_log logs/access.log mine;
    server { listen @http@; return 200 hello; }
}",
    )
    .start();
    edge.exchange("GET /x HTTP/1.1\r\nHost: a.test\r\nUser-Agent: me\r\n\r\n");
    let log = eventually("the line", || {
        std::fs::read_to_string(edge.path("logs/access.log"))
            .ok()
            .filter(|l| l.ends_with('\n'))
    });
    assert_eq!(log, "127.0.0.1 \"GET /x HTTP/1.1\" 200 5 \"me\" a.test\n");
}

#[test]
fn files_are_served_with_their_types() {
    let edge = Edge::nginx(
        "events {}
http {
    types { text/html html; text/css css; }
    default_type application/octet-stream;
    access_log off;
    server { listen @http@; root www; index index.html; location /img/ { root @dir@/other; } }
}",
    );
    edge.write("www/index.html", "front");
    edge.write("www/a.css", "p {}");
    edge.write("www/a.bin", "bin");
    edge.write("other/img/x.html", "image");
    let edge = edge.start();
    for (path, kind, body) in [
        ("/", "text/html", "front"),
        ("/a.css", "text/css", "p {}"),
        ("/a.bin", "application/octet-stream", "bin"),
        ("/img/x.html", "text/html", "image"),
    ] {
        let response = edge.get("x", path);
        assert_eq!(
            (response.has("Content-Type"), response.text().as_str()),
            (kind, body),
            "{path}"
        );
    }
    assert_eq!(edge.get("x", "/none").status, 404);
}

#[test]
fn t_says_what_nginx_says() {
    let good = Edge::nginx("events {}\nhttp { server { listen @http@; return 204; } }");
    let directory = good.path("");
    let t = |edge: &Edge| {
        edge.seawall(&[
            "-t".as_ref(),
            "-p".as_ref(),
            edge.path("").as_os_str(),
            "-c".as_ref(),
            "nginx.conf".as_ref(),
            "-e".as_ref(),
            "error.log".as_ref(),
        ])
    };
    let fine = t(&good);
    let said = String::from_utf8_lossy(&fine.stderr).into_owned();
    assert!(fine.status.success(), "{said}");
    assert!(
        said.contains("syntax is ok") && said.contains("test is successful"),
        "{said}"
    );
    assert!(said.contains(directory.to_str().unwrap()), "{said}");
    let bad = Edge::nginx("events {}\nhttp {\n  servr { }\n}");
    let refused = t(&bad);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said.contains("unknown directive \"servr\" in ") && said.contains("nginx.conf:4"),
        "{said}"
    );
    let version = good.seawall(&["-V"]);
    assert!(
        String::from_utf8_lossy(&version.stderr).contains("nginx version: nginx/"),
        "{version:?}"
    );
}

#[test]
fn s_reload_and_s_quit_do_as_they_say() {
    let edge = Edge::nginx(
        "events {}\nhttp { access_log off; server { listen @http@; return 200 old; } }",
    )
    .start();
    let command = |name: &str| {
        let directory = edge.path("");
        edge.seawall(&[
            "-s".as_ref(),
            name.as_ref(),
            "-p".as_ref(),
            directory.as_os_str(),
            "-c".as_ref(),
            "nginx.conf".as_ref(),
            "-e".as_ref(),
            "error.log".as_ref(),
        ])
    };
    assert_eq!(edge.get("x", "/").text(), "old");
    edge.rewrite("events {}\nhttp { access_log off; server { listen @http@; return 200 new; } }");
    assert!(command("reload").status.success());
    eventually("the new answer", || {
        (edge.get("x", "/").text() == "new").then_some(())
    });
    assert!(command("quit").status.success());
    let (status, place) = edge.wait();
    assert!(status.success());
    assert!(!place.path("seawall.pid").exists());
}

#[test]
fn winch_and_usr2_are_not_taken_for_something_else() {
    let edge = nginx("server { listen @http@; return 200 ok; }");
    edge.signal(Signal::SIGWINCH);
    edge.signal(Signal::SIGUSR2);
    edge.logged("not-yet");
    assert_eq!(edge.get("x", "/").text(), "ok");
}

#[test]
fn named_groups_of_a_server_name_are_variables() {
    let edge = nginx(
        "server { listen @http@; server_name ~^(?<shop>[a-z]+)\\.shops\\.test$; return 200 \"of $shop\"; }",
    );
    assert_eq!(edge.get("fish.shops.test", "/").text(), "of fish");
}
