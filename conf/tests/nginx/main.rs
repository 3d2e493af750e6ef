//! What nginx.conf lowers to, and what nginx would say of a broken one.

mod caches;
mod errors;

use seawall_conf::model::*;
use seawall_conf::nginx::nginx_message;
use seawall_conf::{LoadError, LoadOptions, load_text};
use std::time::Duration;

fn options() -> LoadOptions {
    LoadOptions {
        prefix: Some("/p".into()),
        ..LoadOptions::default()
    }
}

fn config(text: &str) -> Config {
    match load_text("/p/conf/nginx.conf", text, &options()) {
        Ok((config, _)) => config,
        Err(error) => panic!("{}", error.diagnostics.render(&error.sources, false)),
    }
}

/// A server's directives in a whole file.
fn server(inner: &str) -> Config {
    config(&format!(
        "events {{}}\nhttp {{ server {{ listen 8080; {inner} }} }}"
    ))
}

fn says(text: &str) -> Vec<String> {
    let error: LoadError =
        load_text("nginx.conf", text, &options()).expect_err("the text is broken");
    error
        .diagnostics
        .iter()
        .filter(|d| d.severity == seawall_diag::Severity::Error)
        .map(|d| nginx_message(d, &error.sources))
        .collect()
}

fn in_http(inner: &str) -> Vec<String> {
    says(&format!("events {{}} http {{ {inner} }}"))
}

fn route<'c>(config: &'c Config, path: &str) -> &'c Route {
    let is = |m: &Matcher| match m {
        Matcher::Exact(p)
        | Matcher::Named(p)
        | Matcher::Segments(p)
        | Matcher::Prefix { path: p, .. } => p == path,
        Matcher::Regex(p) => p.text == path,
    };
    config.sites[0]
        .routes
        .iter()
        .find(|r| is(&r.matcher))
        .expect("the route")
}

fn proxy(route: &Route) -> &Proxy {
    match &route.content {
        Content::Proxy(proxy) => proxy,
        other => panic!("not proxied: {other:?}"),
    }
}

#[test]
fn an_empty_server_has_nginx_s_defaults() {
    let config = config("events {} http { server {} }");
    assert_eq!((config.process.threads, config.process.daemon), (1, true));
    assert_eq!(
        config.process.pid.as_deref().and_then(|p| p.to_str()),
        Some("/p/logs/nginx.pid")
    );
    assert_eq!(
        config.log.error.path.as_deref().and_then(|p| p.to_str()),
        Some("/p/logs/error.log")
    );
    assert_eq!(
        config.log.access[0].file().and_then(|path| path.to_str()),
        Some("/p/logs/access.log")
    );
    assert_eq!(config.limits.head_timeout, Duration::from_secs(60));
    assert_eq!(config.limits.connections, 512);
    assert_eq!(
        config.listeners[0].address,
        Address::Ip("0.0.0.0:80".parse().expect("an address"))
    );
    assert_eq!(config.listeners[0].default_site, Some(0));
    let site = &config.sites[0];
    assert_eq!(
        (site.names.as_slice(), site.routing),
        ([HostName::Empty].as_slice(), Routing::Nginx)
    );
    let route = site.fallback.as_ref().expect("the server's own content");
    assert!(
        matches!(&route.content, Content::Static { root, .. } if root.path.as_literal() == Some("/p/html"))
    );
    let policy = &route.policy;
    assert_eq!(
        (policy.body_limit, policy.keepalive_requests),
        (Some(1 << 20), 1000)
    );
    assert_eq!(policy.timeouts.keepalive, Duration::from_secs(75));
    assert_eq!(policy.timeouts.connect, Duration::from_secs(60));
    assert_eq!(
        (policy.default_type.as_str(), policy.types.len()),
        ("text/plain", 3)
    );
}

#[test]
fn arrays_are_inherited_only_where_a_level_says_nothing_of_them() {
    let config = config(
        "events {} http {
            add_header A a; proxy_set_header X x; access_log l1;
            server {
                add_header B b always; add_header C c;
                location /a { proxy_pass http://127.0.0.1:1; }
                location /b { proxy_pass http://127.0.0.1:1; add_header D d; proxy_set_header Y y; access_log off; }
            }
        }",
    );
    let names = |r: &Route| {
        r.policy
            .response_add
            .iter()
            .map(|h| (h.name.clone(), h.always))
            .collect::<Vec<_>>()
    };
    let (a, b) = (route(&config, "/a"), route(&config, "/b"));
    assert_eq!(names(a), [("B".to_owned(), true), ("C".to_owned(), false)]);
    assert_eq!(names(b), [("D".to_owned(), false)]);
    assert_eq!(
        (
            proxy(a).set_headers[0].0.as_str(),
            proxy(b).set_headers[0].0.as_str()
        ),
        ("X", "Y")
    );
    assert_eq!(proxy(b).set_headers.len(), 1);
    assert_eq!(
        (
            a.policy.access_log.as_slice(),
            b.policy.access_log.as_slice()
        ),
        ([0].as_slice(), [].as_slice())
    );
    assert_eq!(config.log.access.len(), 1, "the default log is not opened");
}

#[test]
fn proxy_pass_with_and_without_a_uri() {
    let config = server(
        "location /a/ { proxy_pass http://127.0.0.1:1/x/; }
         location /b/ { proxy_pass http://127.0.0.1:1; }
         location /c/ { proxy_pass http://127.0.0.1:1/y$uri; }
         location /d/ { proxy_pass https://u$request_uri; }
         location /e/ { proxy_pass http://unix:/run/e.sock:/z; proxy_http_version 1.0; }",
    );
    let uri = |path: &str| &proxy(route(&config, path)).uri;
    assert!(
        matches!(uri("/a/"), ProxyUri::ReplacePrefix { prefix, with } if prefix == "/a/" && with == "/x/")
    );
    assert!(matches!(uri("/b/"), ProxyUri::AsReceived));
    assert!(matches!(uri("/c/"), ProxyUri::Template(t) if t.parts.len() == 2));
    assert!(matches!(uri("/d/"), ProxyUri::Template(t) if t.parts.len() == 1));
    let (b, e) = (proxy(route(&config, "/b/")), proxy(route(&config, "/e/")));
    assert_eq!(
        (b.proxy_host.as_str(), b.proxy_port, b.http11, b.keepalive),
        ("127.0.0.1:1", 1, true, true)
    );
    assert_eq!(
        (e.proxy_host.as_str(), e.http11, e.keepalive),
        ("localhost", false, false)
    );
    assert!(
        matches!(&b.host.as_ref().expect("a host").parts[..], [Part::Variable { name, .. }] if name == "proxy_host")
    );
    let d = proxy(route(&config, "/d/"));
    assert!(config.pools[d.pool].tls.as_ref().is_some_and(|t| !t.verify));
    assert_eq!(
        b.pool,
        proxy(route(&config, "/a/")).pool,
        "one pool for one address"
    );
}

#[test]
fn an_upstream_is_a_pool_with_nginx_s_failure_rules() {
    let config = config(
        "events {} http {
            upstream App { server a.test weight=3; server 127.0.0.1:2 max_fails=0 backup; server unix:/s down; keepalive 7; }
            server { location / { proxy_pass http://app; } }
        }",
    );
    let pool = &config.pools[proxy(route(&config, "/")).pool];
    assert_eq!(
        (pool.name.as_str(), pool.keepalive, pool.retry.attempts),
        ("App", 7, 3)
    );
    let [a, b, c] = &pool.servers[..] else {
        panic!("three servers")
    };
    assert_eq!(
        (&a.address, a.weight, a.max_fails),
        (&Address::Name("a.test".into(), 80), 3, Some(1))
    );
    assert_eq!((b.backup, b.max_fails), (true, Some(0)));
    assert!(c.down);
}

#[test]
fn locations_keep_their_kinds_and_nested_ones_come_along() {
    let config = server(
        "location = /e {} location ^~ /p/ { root /srv; location /p/q { index a.html; } }
         location ~ \\.php$ {} location ~* \\.JPG$ {} location @n {} location =/f {}",
    );
    assert!(matches!(route(&config, "/e").matcher, Matcher::Exact(_)));
    assert!(matches!(
        route(&config, "/p/").matcher,
        Matcher::Prefix { stop: true, .. }
    ));
    assert!(matches!(&route(&config, "\\.php$").matcher, Matcher::Regex(p) if !p.caseless));
    assert!(matches!(&route(&config, "\\.JPG$").matcher, Matcher::Regex(p) if p.caseless));
    assert!(matches!(route(&config, "@n").matcher, Matcher::Named(_)));
    assert!(matches!(route(&config, "/f").matcher, Matcher::Exact(_)));
    let Content::Static { root, index } = &route(&config, "/p/q").content else {
        panic!("files")
    };
    assert_eq!(
        (root.path.as_literal(), index[0].as_literal()),
        (Some("/srv"), Some("a.html"))
    );
}

#[test]
fn a_program_keeps_its_order_and_a_true_if_carries_its_location() {
    let config = server(
        "set $a b; if ($http_x ~* \"^y z\") { return 403; }
         location / {
             proxy_pass http://127.0.0.1:1;
             if (!-f $request_filename) { add_header X y; rewrite ^ /n last; }
             if ($a) { set $b c; }
             if ($a != 'b') { return 301 https://$host$request_uri; }
             rewrite ^/r/(\\d+)$ http://x.test/$1?;
             return http://x.test;
         }",
    );
    let site = &config.sites[0];
    assert!(
        matches!(&site.program[..], [Op::Set { variable, .. }, Op::If { route: None, .. }] if variable == "a")
    );
    let Op::If {
        condition: Condition::Match { pattern, .. },
        then,
        ..
    } = &site.program[1]
    else {
        panic!("if")
    };
    assert_eq!(
        (pattern.text.as_str(), pattern.caseless, then.len()),
        ("^y z", true, 1)
    );
    let program = &route(&config, "/").program;
    let Op::If {
        condition: Condition::File { test, negated, .. },
        route: Some(own),
        ..
    } = &program[0]
    else {
        panic!("a location of its own: {:?}", program[0])
    };
    assert_eq!((*test, *negated), (FileTest::File, true));
    assert!(matches!(own.content, Content::Proxy(_)) && own.policy.response_add.len() == 1);
    assert!(matches!(
        &program[1],
        Op::If {
            condition: Condition::True(_),
            route: None,
            ..
        }
    ));
    assert!(matches!(
        &program[2],
        Op::If {
            condition: Condition::Equal { negated: true, .. },
            ..
        }
    ));
    assert!(matches!(
        &program[3],
        Op::Rewrite {
            flag: RewriteFlag::Redirect,
            ..
        }
    ));
    assert!(matches!(
        &program[4],
        Op::Return {
            status: 302,
            value: Some(_)
        }
    ));
}

#[test]
fn listeners_are_shared_and_have_default_servers() {
    let config = config(
        "events {} http { ssl_certificate c.pem; ssl_certificate_key c.key;
            server { listen 80; listen [::]:80; server_name .a.test www.b.* ~^c\\d+$; }
            server { listen 80 default_server reuseport; listen 127.0.0.1:443 ssl; server_name A.test2; }
        }",
    );
    let defaults: Vec<_> = config
        .listeners
        .iter()
        .map(|l| (l.tls, l.default_site))
        .collect();
    assert_eq!(
        defaults,
        [(false, Some(1)), (false, Some(0)), (true, Some(1))]
    );
    let [a, b] = &config.sites[..] else {
        panic!("two sites")
    };
    assert!(matches!(
        &a.names[..],
        [HostName::Exact(x), HostName::Suffix(y), HostName::Prefix(z), HostName::Regex(_)]
            if x == "a.test" && y == "a.test" && z == "www.b"
    ));
    assert!(matches!(a.tls, SiteTls::Off));
    let SiteTls::Files(pairs) = &b.tls else {
        panic!("files")
    };
    assert_eq!(pairs[0].certificate.0.to_str(), Some("/p/conf/c.pem"));
}

#[test]
fn log_formats_are_joined_and_escaped_as_said() {
    let config = config(
        "events {} http { log_format j escape=json '{\"a\":\"$uri\",' '\"b\":\"$status\"}';
            access_log logs/j.log j buffer=32k flush=5s; server {} }",
    );
    let log = &config.log.access[0];
    assert_eq!(
        (log.escape, log.buffer, log.flush),
        (LogEscape::Json, 32 * 1024, Duration::from_secs(5))
    );
    assert_eq!(
        (
            log.file().and_then(|path| path.to_str()),
            log.format.parts.len()
        ),
        (Some("/p/logs/j.log"), 6)
    );
}

#[test]
fn directives_of_the_command_line_come_first() {
    let options = LoadOptions {
        directives: Some("daemon off; pid /x;".into()),
        error_log: Some("/e".into()),
        ..options()
    };
    let (config, _) = load_text("nginx.conf", "events {} http {}", &options).expect("loads");
    assert!(!config.process.daemon);
    assert_eq!(
        config.process.pid.as_deref().and_then(|p| p.to_str()),
        Some("/x")
    );
    assert_eq!(
        config.log.error.path.as_deref().and_then(|p| p.to_str()),
        Some("/e")
    );
    let error = load_text("nginx.conf", "pid /y; events {} http {}", &options).expect_err("twice");
    assert!(
        error.to_string().contains("\"pid\" directive is duplicate"),
        "{error}"
    );
}

#[test]
fn includes_are_put_in_place_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let write =
        |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
    std::fs::create_dir(dir.path().join("s")).expect("a directory");
    write(
        "nginx.conf",
        "events {}\nhttp { include s/*.conf; include missing/*.conf; }\n",
    );
    write("s/b.conf", "server { listen 82; }");
    write("s/a.conf", "server { listen 81; include types; }");
    write("types", "types { a/b c; }");
    write("s/.hidden.conf", "nonsense");
    let path = dir.path().join("nginx.conf");
    let (config, _) = seawall_conf::load(&path, &options()).expect("loads");
    assert_eq!((config.listeners.len(), config.files.len()), (2, 4));
    assert_eq!(
        config.listeners[0].address,
        Address::Ip("0.0.0.0:81".parse().expect("an address"))
    );
    write("types", "include types;");
    let error = seawall_conf::load(&path, &options()).expect_err("a circle");
    assert!(error.to_string().contains("nested deeper"), "{error}");
    write("types", "include nothing.conf;");
    let error = seawall_conf::load(&path, &options()).expect_err("a missing file");
    assert!(
        error.to_string().contains("(2: No such file or directory)"),
        "{error}"
    );
}

#[test]
fn a_fragment_is_read_as_if_in_its_place() {
    let (config, warnings) =
        load_text("a.conf", "server { listen 81; }", &options()).expect("loads");
    assert_eq!(
        (config.sites.len(), warnings.iter().next().map(|d| d.code)),
        (1, Some("fragment"))
    );
    let (config, _) =
        load_text("a.conf", "location /x { return 204; }", &options()).expect("loads");
    assert_eq!(config.sites[0].routes.len(), 1);
    let (config, _) = load_text(
        "a.conf",
        "proxy_pass http://127.0.0.1:1; proxy_set_header A b;",
        &options(),
    )
    .expect("loads");
    assert_eq!(proxy(route(&config, "/")).set_headers.len(), 1);
    assert_eq!(
        says("nonsense x;"),
        [
            "no \"events\" section in configuration",
            "unknown directive \"nonsense\" in nginx.conf:1"
        ]
    );
}

#[test]
fn http2_is_off_unless_asked_for_by_directive_or_listen() {
    let on = |text: &str| -> Vec<bool> {
        config(&format!("events {{}} http {{ {text} }}"))
            .listeners
            .iter()
            .map(|l| l.http2)
            .collect()
    };
    assert_eq!(on("server { listen 127.0.0.1:80; }"), [false]);
    assert_eq!(on("server { listen 127.0.0.1:80 http2; }"), [true]);
    assert_eq!(on("http2 on; server { listen 127.0.0.1:80; }"), [true]);
    assert_eq!(
        on("http2 on; server { http2 off; listen 127.0.0.1:80; } server { listen 127.0.0.1:81; }"),
        [false, true]
    );
    let limits = config("events {} http { http2_max_concurrent_streams 7; }").limits;
    assert_eq!(limits.http2.streams, 7);
    assert_eq!(config("events {} http {}").limits.http2.streams, 128);
}

#[test]
fn streams_are_lowered_with_their_maps_and_upstreams() {
    let config = config(
        "events {}
stream {
    log_format basic '$remote_addr $protocol $status';
    upstream db { server 10.0.0.1:5432; server 10.0.0.2:5432 backup; }
    map $ssl_preread_server_name $backend {
        hostnames;
        default 10.0.0.9:443;
        *.mail.test 10.0.0.8:443;
        web.test db;
    }
    proxy_timeout 30s;
    server { listen 127.0.0.1:5432; proxy_pass db; proxy_protocol on; allow 10.0.0.0/8; deny all; }
    server { listen 127.0.0.1:53 udp; proxy_pass 10.0.0.3:53; proxy_responses 1; proxy_timeout 5s; }
    server { listen 127.0.0.1:443 proxy_protocol; ssl_preread on; proxy_pass $backend; }
}",
    );
    use seawall_conf::model::{ProxyVersion, StreamTo};
    use std::time::Duration;
    let [db, dns, names] = config.streams.as_slice() else {
        panic!("{} streams", config.streams.len());
    };
    assert_eq!(db.proxy_protocol, Some(ProxyVersion::V1));
    assert_eq!(db.timeouts.idle, Duration::from_secs(30));
    assert_eq!(
        db.access.len(),
        3,
        "one network, then everybody of both families"
    );
    let StreamTo::Pool(pool) = db.to else {
        panic!("{:?}", db.to)
    };
    assert_eq!(config.pools[pool].servers.len(), 2);
    assert!(dns.udp && dns.responses == Some(1));
    assert_eq!(dns.timeouts.idle, Duration::from_secs(5));
    assert!(names.accept_proxy.is_some());
    let StreamTo::ByName { names, other } = &names.to else {
        panic!("{:?}", names.to)
    };
    assert_eq!(names.len(), 2);
    assert_eq!(names[1].1, pool);
    assert!(other.is_some());
}

#[test]
fn syslog_and_paths_with_variables_are_read_in_nginxs_words() {
    let config = config(
        "error_log /e warn; error_log syslog:server=[::1]:5514,tag=x info; events {} http { open_log_file_cache max=7 inactive=3s; \
         access_log /l/$host.log; server { access_log syslog:server=unix:/dev/log,facility=auth,severity=crit,nohostname combined if=$arg_x; } }",
    );
    assert_eq!(config.log.error.path.as_deref(), Some("/e".as_ref()));
    assert_eq!(config.log.error.syslog[0].1, LogLevel::Info);
    let LogTo::Files(files) = &config.log.access[0].to else {
        panic!("{:?}", config.log.access[0].to)
    };
    assert_eq!(
        (files.open_max, files.inactive),
        (7, Duration::from_secs(3))
    );
    let LogTo::Syslog(server) = &config.log.access[1].to else {
        panic!("{:?}", config.log.access[1].to)
    };
    assert_eq!(server.server, Address::Unix("/dev/log".into()));
    assert_eq!(
        (server.facility, server.severity, server.hostname),
        (4, 2, false)
    );
    for (log, said) in [
        (
            "syslog:server=127.0.0.1,facility=nope",
            "unknown syslog facility \"nope\"",
        ),
        ("syslog:tag=x", "no syslog server specified"),
        (
            "syslog:server=127.0.0.1,tag=a-b",
            "syslog \"tag\" only allows alphanumeric characters and underscore",
        ),
        (
            "syslog:server=127.0.0.1,what=1",
            "unknown syslog parameter \"what=1\"",
        ),
        (
            "syslog:server=127.0.0.1 combined buffer=4k",
            "logs to syslog cannot be buffered",
        ),
        (
            "/l/$host.log combined buffer=4k",
            "buffered logs cannot have variables in name",
        ),
        (
            "/l/a.log combined gzip=10",
            "invalid compression level \"10\"",
        ),
    ] {
        let found = in_http(&format!("access_log {log}; server {{ listen 80; }}"));
        assert!(
            found.len() == 1 && found[0].starts_with(said),
            "{log}: {found:?}"
        );
    }
}
