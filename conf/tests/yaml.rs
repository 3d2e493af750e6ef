//! What YAML lowers to.

use seawall_conf::model::*;
use seawall_conf::{LoadOptions, load_text};
use std::sync::Arc;
use std::time::Duration;

fn config(text: &str) -> Config {
    match load_text("/etc/seawall/seawall.yaml", text, &LoadOptions::default()) {
        Ok((config, _)) => config,
        Err(error) => panic!("{}", error.diagnostics.render(&error.sources, false)),
    }
}

fn warnings(text: &str) -> Vec<&'static str> {
    load_text("a.yaml", text, &LoadOptions::default())
        .expect("loads")
        .1
        .iter()
        .map(|d| d.code)
        .collect()
}

#[test]
fn rules_can_be_told_what_not_to_look_at() {
    let config = config(
        "listen: 80\nsites: [{ host: a.test, respond: 204 }]\nwafs: { w: { exclude: [{ rules: [942100, 942190], target: \"ARGS:q\", path: /search }, { tags: attack-xss }] } }",
    );
    let [first, second] = config.wafs[0].exclude.as_slice() else {
        panic!("{:?}", config.wafs[0].exclude);
    };
    assert_eq!(first.rules, [942_100, 942_190]);
    assert_eq!(
        (first.target.as_deref(), first.path.as_deref()),
        (Some("ARGS:q"), Some("/search"))
    );
    assert_eq!(
        (second.tags.as_slice(), &second.target),
        (&["attack-xss".to_owned()][..], &None)
    );
}

#[test]
fn lists_have_names_and_are_named_beside_networks() {
    let config = config(
        "listen: 80
geo: a.mmdb
lists: { drop: [a.txt, /b.txt], office: { networks: 10.0.0.0/8, asns: [AS64500, 64501], countries: de, status: 404 } }
sites: [{ host: a.test, respond: 204, deny: [list:office, country:fr, asn:1, 192.0.2.1], allow: list:drop }]",
    );
    let [drop, office] = config.lists.as_slice() else {
        panic!("{:?}", config.lists);
    };
    let files: Vec<_> = drop.files.iter().map(|(path, _)| path.to_str()).collect();
    assert_eq!(files, [Some("/etc/seawall/a.txt"), Some("/b.txt")]);
    assert_eq!((drop.status, office.status), (403, 404));
    assert_eq!(office.systems, [64_500, 64_501]);
    assert_eq!(office.countries, [*b"DE"]);
    let fallback = config.sites[0].fallback.as_ref().expect("a fallback");
    let rules = &fallback.policy.access.rules;
    let expected = [
        (Who::List(1), false),
        (Who::Country(*b"FR"), false),
        (Who::System(1), false),
        (Who::Net("192.0.2.1/32".parse().unwrap()), false),
        (Who::List(0), true),
        (Who::All, false),
    ];
    let said: Vec<_> = rules.iter().map(|r| (r.who.clone(), r.allow)).collect();
    assert_eq!(said, expected);
}

#[test]
fn a_bare_port_listens_on_both_families_and_an_address_makes_a_pool() {
    let config = config("listen: 8080\nsites: [{ host: '*', to: '127.0.0.1:3000' }]\n");
    assert_eq!(config.listeners.len(), 2);
    assert_eq!(config.pools[0].name, "127.0.0.1:3000");
    let site = &config.sites[0];
    assert_eq!(
        (site.names.as_slice(), site.listeners.as_slice()),
        ([HostName::Any].as_slice(), [0, 1].as_slice())
    );
    let fallback = site.fallback.as_ref().expect("a fallback");
    assert!(
        matches!(&fallback.content, Content::Proxy(p) if p.pool == 0 && p.forwarding.x && p.host.is_none())
    );
    assert_eq!(fallback.policy.body_limit, Some(10 << 20));
}

#[test]
fn the_nearest_level_wins_and_off_removes() {
    let config = config(
        "listen: 80
caches: { default: 64MiB }
wafs: { w: { mode: block } }
defaults:
  waf: w
  body_limit: 1MiB
  timeouts: { connect: 1s, first_byte: 2s }
  headers: { response: { set: { X-A: a, X-B: b }, remove: [Server] } }
sites:
  - host: a.test
    cache: default
    timeouts: { first_byte: 9s }
    to: '127.0.0.1:1'
    routes:
      - path: /x
        waf: off
        body_limit: off
        cache: { default_ttl: 1m }
        headers: { response: { set: { x-a: off, X-C: c }, remove: off } }
      - { path: /y, cache: off }
",
    );
    let site = &config.sites[0];
    let (x, y) = (&site.routes[0].policy, &site.routes[1].policy);
    assert_eq!((x.waf, y.waf), (None, Some(0)));
    assert_eq!((x.body_limit, y.body_limit), (None, Some(1 << 20)));
    assert_eq!(x.timeouts.connect, Duration::from_secs(1));
    assert_eq!(x.timeouts.first_byte, Duration::from_secs(9));
    let names: Vec<&str> = x.response_set.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["X-C", "X-B"]);
    assert!(x.response_remove.is_empty());
    assert_eq!(y.response_remove, ["Server"]);
    assert_eq!(
        x.cache.as_ref().and_then(|c| c.default_ttl),
        Some(Duration::from_secs(60))
    );
    assert!(y.cache.is_none());
}

#[test]
fn with_an_https_listener_sites_are_https_and_http_leads_there() {
    let config = config(
        "listen: [{ http: '127.0.0.1:80' }, { https: '127.0.0.1:443' }]
sites:
  - { host: a.test, respond: 200 }
  - { host: plain.test, tls: off, respond: 200 }
  - { host: www.example.com, tls: { certificate: c.pem, key: k.pem }, respond: 200 }
",
    );
    let [a, plain, files] = &config.sites[..] else {
        panic!("three sites")
    };
    assert!(matches!(a.tls, SiteTls::Internal) && a.redirect_to_https);
    assert!(matches!(plain.tls, SiteTls::Off) && !plain.redirect_to_https);
    assert_eq!(
        (a.listeners.as_slice(), plain.listeners.as_slice()),
        ([0, 1].as_slice(), [0].as_slice())
    );
    let SiteTls::Files(pairs) = &files.tls else {
        panic!("files")
    };
    assert_eq!(pairs[0].certificate.0.to_str(), Some("/etc/seawall/c.pem"));
}

#[test]
fn a_public_name_without_a_certificate_says_what_to_write() {
    let text = "listen: [{ https: 443 }]\nsites:\n  - { host: www.example.com, respond: 200 }\n";
    let loaded = load_text("a.yaml", text, &LoadOptions::default());
    let (_, warnings) = loaded.expect("the internal CA issues");
    let finding = warnings.iter().next().expect("one");
    assert_eq!(finding.code, "no-acme");
    assert!(
        finding
            .help
            .as_ref()
            .is_some_and(|h| h.contains("tls: internal"))
    );
}

#[test]
fn relative_paths_start_where_an_operator_expects() {
    let config = config(
        "log: { access: [access.log, ./here.log], error: { level: warn } }
process: { state: state, pid: /run/s.pid, threads: 3 }
listen: 80
sites: [{ host: a.test, root: www }]
",
    );
    let paths: Vec<_> = config
        .log
        .access
        .iter()
        .map(|l| l.file().and_then(|p| p.to_str()).unwrap_or_default())
        .collect();
    assert_eq!(
        paths,
        ["/var/log/seawall/access.log", "/etc/seawall/here.log"]
    );
    assert_eq!(config.process.state.to_str(), Some("/etc/seawall/state"));
    assert_eq!(config.process.threads, 3);
    let fallback = config.sites[0].fallback.as_ref().expect("content");
    assert!(
        matches!(&fallback.content, Content::Static { root, .. } if root.path.as_literal() == Some("/etc/seawall/www"))
    );
    assert_eq!(fallback.policy.access_log, [0, 1]);
}

#[test]
fn rewrites_exchange_prefixes_or_give_the_whole_target() {
    let config = config(
        "listen: 80
pools: { app: '127.0.0.1:1' }
sites:
  - host: a.test
    routes:
      - { path: /api/, to: app, rewrite: { strip: /api, add: /v1/ } }
      - { regex: '^/p/(?<id>\\d+)$', to: app, rewrite: { path: '/product?id=$id' } }
      - { path: /files, root: /srv, rewrite: { strip: /files } }
      - { path: /old, to: app, rewrite: { strip: /old } }
",
    );
    let routes = &config.sites[0].routes;
    assert!(matches!(&routes[0].matcher, Matcher::Segments(p) if p == "/api"));
    let Content::Proxy(proxy) = &routes[0].content else {
        panic!("a proxy")
    };
    assert!(
        matches!(&proxy.uri, ProxyUri::ReplacePrefix { prefix, with } if prefix == "/api" && with == "/v1")
    );
    let Content::Proxy(proxy) = &routes[1].content else {
        panic!("a proxy")
    };
    assert!(matches!(&proxy.uri, ProxyUri::Template(t) if t.parts.len() == 2));
    let Content::Proxy(proxy) = &routes[3].content else {
        panic!("a proxy")
    };
    assert!(
        matches!(&proxy.uri, ProxyUri::ReplacePrefix { prefix, with } if prefix == "/old/" && with == "/")
    );
    assert!(matches!(
        &routes[2].program[..],
        [Op::Rewrite {
            flag: RewriteFlag::Break,
            ..
        }]
    ));
}

#[test]
fn a_route_that_nothing_reaches_is_a_warning() {
    let text = "listen: 80
sites:
  - host: a.test
    routes:
      - { path: /a, respond: 200 }
      - { path: /ab, respond: 200 }
      - { exact: /a/b, respond: 200 }
      - { path: /, respond: 200 }
      - { regex: x, respond: 200 }
";
    assert_eq!(warnings(text), ["unreachable", "unreachable"]);
}

#[test]
fn the_environment_is_put_in_after_parsing() {
    let options = LoadOptions {
        env: Arc::new(|n| (n == "PORT").then(|| "8081".to_owned())),
        ..LoadOptions::default()
    };
    let text = "listen: \"127.0.0.1:${env:PORT}\"\nsites: [{ host: a.test, to: '${env:APP:-127.0.0.1:9}' }]\n";
    let (config, _) = load_text("a.yaml", text, &options).expect("loads");
    assert_eq!(
        config.listeners[0].address,
        Address::Ip("127.0.0.1:8081".parse().expect("an address"))
    );
    assert_eq!(config.pools[0].name, "127.0.0.1:9");
    let error = load_text("a.yaml", "listen: \"${env:NOPE}\"\n", &options).expect_err("unset");
    assert_eq!(error.diagnostics.iter().next().map(|d| d.code), Some("env"));
}

#[test]
fn dns_records_follow_pools_and_origins_with_tls_are_verified() {
    let config = config(
        "listen: 80
pools: { web: ['127.0.0.1:1'], vault: { servers: 'https://a.lan' } }
dns:
  listen: '127.0.0.1:5353'
  zones: { name: Shop.test., file: z, records: { name: www, targets: [{ address: 127.0.0.1, up: { pool: vault } }, 127.0.0.2] } }
",
    );
    let zone = &config.dns.as_ref().expect("dns").zones[0];
    assert_eq!(zone.name, "shop.test");
    let targets: Vec<_> = zone.records[0].targets.iter().map(|t| t.up_pool).collect();
    assert_eq!(targets, [Some(1), None]);
    assert!(config.pools[1].tls.as_ref().is_some_and(|t| t.verify));
    assert_eq!(
        config.pools[1].servers[0].address,
        Address::Name("a.lan".into(), 443)
    );
}

#[test]
fn a_check_of_its_own_is_a_pool_that_nobody_is_led_to() {
    let config = config(
        "listen: 80
pools: { web: ['127.0.0.1:1'] }
dns:
  listen: '127.0.0.1:5353'
  zones:
    name: shop.test
    file: z
    records:
      name: www
      targets:
        - { address: 192.0.2.1, up: { check: 'https://192.0.2.1:8443/ready?x=1' } }
        - { address: 192.0.2.2, up: { check: { url: 'tcp://192.0.2.2:25', interval: 5s } } }
",
    );
    let zone = &config.dns.as_ref().expect("dns").zones[0];
    let pools: Vec<_> = zone.records[0].targets.iter().map(|t| t.up_pool).collect();
    assert_eq!(pools, [Some(1), Some(2)]);
    let health = |n: usize| config.pools[n].health.as_ref().expect("a check");
    assert!(matches!(&health(1).kind, CheckKind::Http(http) if http.path == "/ready?x=1"));
    assert!(config.pools[1].tls.is_some());
    assert!(matches!(health(2).kind, CheckKind::Tcp));
    assert_eq!(health(2).interval, std::time::Duration::from_secs(5));
    assert_eq!(
        config.pools[2].servers[0].address,
        Address::Ip("192.0.2.2:25".parse().expect("an address"))
    );
}

#[test]
fn places_of_targets_are_read_and_need_a_database() {
    let text = |geo: &str, target: &str| {
        format!(
            "listen: 80
dns:
  listen: '127.0.0.1:5353'
{geo}  zones: {{ name: shop.test, file: z, records: {{ name: www, policy: geo, targets: [{{ address: 192.0.2.1, {target} }}] }} }}
"
        )
    };
    let placed = text(
        "  geo: [a.mmdb, b.mmdb]\n",
        "geo: { country: [de, AT], continent: EU, asn: 64500 }, at: [52.52, -13.405]",
    );
    let config = config(&placed);
    let dns = config.dns.as_ref().expect("dns");
    let target = &dns.zones[0].records[0].targets[0];
    assert_eq!(
        target.areas,
        [
            DnsArea::Country(*b"DE"),
            DnsArea::Country(*b"AT"),
            DnsArea::Continent(*b"EU"),
            DnsArea::Asn(64_500)
        ]
    );
    assert_eq!(target.place, Some((525_200, -134_050)));
    assert_eq!(dns.geo.len(), 2);
    for (geo, target) in [
        ("", "geo: { country: DE }"),
        ("  geo: a.mmdb\n", "geo: { country: Germany }"),
        ("  geo: a.mmdb\n", "geo: { continent: XX }"),
        ("  geo: a.mmdb\n", "at: [95, 0]"),
        ("  geo: a.mmdb\n", "at: 52"),
    ] {
        let error = load_text("a.yaml", text(geo, target), &LoadOptions::default());
        assert!(error.is_err(), "{geo} {target}");
    }
}

#[test]
fn included_files_join_lists_and_names() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("d")).expect("a directory");
    let main = "include: d/*.yaml\nlisten: 80\npools: { a: '127.0.0.1:1' }\nsites: { host: a.test, to: b }\n";
    std::fs::write(dir.path().join("main.yaml"), main).expect("written");
    std::fs::write(
        dir.path().join("d/1.yaml"),
        "pools: { b: '127.0.0.1:2' }\nsites: [{ host: b.test, to: a }]\n",
    )
    .expect("written");
    let path = dir.path().join("main.yaml");
    let (config, _) = seawall_conf::load(&path, &LoadOptions::default()).expect("loads");
    assert_eq!(
        (config.sites.len(), config.pools.len(), config.files.len()),
        (2, 2, 2)
    );
    std::fs::write(dir.path().join("d/2.yaml"), "pools: { a: '127.0.0.1:3' }\n").expect("written");
    let error = seawall_conf::load(&path, &LoadOptions::default()).expect_err("twice");
    let text = error.diagnostics.render(&error.sources, false);
    assert!(
        text.contains("2.yaml:1:10") && text.contains("main.yaml:3:10"),
        "{text}"
    );
}

#[test]
fn a_file_and_its_includes_are_read_by_whom_the_options_name() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("more.yaml"), "unread").expect("written");
    for (name, main, more) in [
        (
            "main.yaml",
            "include: '*.yaml'\nlisten: 80\n",
            "sites: { host: a.test, respond: 204 }\n",
        ),
        (
            "main.conf",
            "events {} http { include more.*; }",
            "server { return 204; }",
        ),
    ] {
        let read = move |path: &std::path::Path| {
            if path.ends_with(name) {
                return Ok(main.into());
            }
            assert!(path.ends_with("more.yaml"), "{}", path.display());
            Ok(more.into())
        };
        let options = LoadOptions {
            read: std::sync::Arc::new(read),
            ..LoadOptions::default()
        };
        let (config, _) =
            seawall_conf::load(&dir.path().join(name), &options).expect("both are read");
        assert_eq!((config.sites.len(), config.files.len()), (1, 2), "{name}");
    }
}

#[test]
fn a_unix_socket_starts_from_the_file_s_directory() {
    let config = config(
        "listen: 80\nadmin: unix:./run/a.sock\nsites: [{ host: a.test, to: 'unix:app.sock' }]\n",
    );
    let unix = |path: &str| Address::Unix(path.into());
    assert_eq!(config.admin[0].address, unix("/etc/seawall/run/a.sock"));
    assert_eq!(
        config.pools[0].servers[0].address,
        unix("/etc/seawall/app.sock")
    );
    let long = format!(
        "listen: 80\nadmin: unix:{}\n",
        "a".repeat(seawall_conf::UNIX_PATH_MAX)
    );
    assert!(load_text("/etc/a.yaml", long, &LoadOptions::default()).is_err());
}

#[test]
fn http2_is_on_unless_switched_off_and_has_limits_of_its_own() {
    let config = config(
        "listen: [{ http: 80 }, { https: '127.0.0.1:443', http2: off }]\nlimits: { http2: { streams: 7, pings: 9 } }\n\
         sites: [{ host: a.test, respond: 204 }]\n",
    );
    let on: Vec<_> = config.listeners.iter().map(|l| l.http2).collect();
    assert_eq!(on, [true, true, false]);
    let limits = config.limits.http2;
    assert_eq!((limits.streams, limits.pings, limits.resets), (7, 9, 100));
    for wrong in ["streams: 0", "resets: 100001", "push: 1"] {
        let text = format!("listen: 80\nlimits: {{ http2: {{ {wrong} }} }}\n");
        assert!(
            load_text("/etc/a.yaml", text, &LoadOptions::default()).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn a_route_says_how_it_uses_the_cache() {
    let config = config(
        r#"
listen: [{ http: 80 }]
caches: { default: 64MiB }
sites:
  - host: a.test
    cache: { query: sorted, ignore_cookies: all, stale_while_disconnected: off }
    routes:
      - { path: /plain, to: "127.0.0.1:1" }
      - path: /x
        to: "127.0.0.1:1"
        cache:
          heuristics: true
          query: { without: ["utm_*", fbclid] }
          vary: { cookies: [currency], headers: [X-Tenant], device: true, country: true }
          ignore_cookies: ["_ga*"]
          set_cookie: strip
          languages: by_preference
          bypass: $arg_fresh
          no_store: [$cookie_a, $arg_b]
          min_uses: 2
          stale_while_disconnected: 1h
"#,
    );
    let of = |at: usize| {
        config.sites[0].routes[at]
            .policy
            .cache
            .as_ref()
            .expect("a cache")
    };
    let plain = of(0);
    assert!(plain.query.sorted && plain.query.keep == KeptParameters::All);
    assert_eq!(plain.ignore_cookies, IgnoredCookies::All);
    assert_eq!(plain.stale_while_disconnected, None);
    assert_eq!(
        (plain.set_cookie, plain.min_uses),
        (CachedSetCookie::Pass, 1)
    );
    let x = of(1);
    let without = vec!["utm_*".to_owned(), "fbclid".to_owned()];
    assert_eq!(x.query.keep, KeptParameters::Without(without));
    assert_eq!(x.ignore_cookies, IgnoredCookies::Named(vec!["_ga*".into()]));
    assert_eq!(
        (x.vary.cookies.len(), x.vary.headers.len(), x.vary.device),
        (1, 1, true)
    );
    assert!(x.vary.country.is_some());
    assert!(x.heuristics && x.languages_by_preference && x.set_cookie == CachedSetCookie::Strip);
    assert_eq!((x.bypass.len(), x.no_store.len(), x.min_uses), (1, 2, 2));
    assert_eq!(x.stale_while_disconnected, Some(Duration::from_secs(3600)));
}

#[test]
fn a_cache_s_bad_words_are_named() {
    for (said, message) in [
        ("query: { only: [a], without: [b] }", "`only` and `without`"),
        ("query: shuffled", "shuffled"),
        ("ignore_cookies: [\"a=b\"]", "`a=b` is no name"),
        ("vary: { country: Germany }", "Germany"),
        ("set_cookie: eat", "eat"),
        ("min_uses: 0", "`0` is no number"),
    ] {
        let text = format!(
            "listen: [{{ http: 80 }}]\ncaches: {{ default: 64MiB }}\nsites: [{{ host: a.test, to: \"127.0.0.1:1\", cache: {{ {said} }} }}]"
        );
        let error = load_text("a.yaml", &text, &LoadOptions::default()).expect_err("bad");
        let found = error.diagnostics.render(&error.sources, false);
        assert!(found.contains(message), "{said}: {found}");
    }
}

#[test]
fn a_cache_has_a_disk_of_its_own_and_routes_say_who_may_purge() {
    let text = "listen: 80
caches:
  a: { memory: 1MiB, disk: { path: /var/a, size: 1GiB } }
  b: { disk: { path: b }, inactive: 1h }
  c: { disk: off }
sites:
  - host: a.test
    cache: { name: a, purge: [10.0.0.0/8, 192.0.2.1] }
    to: '127.0.0.1:1'
    routes: [{ path: /x, cache: { purge: off }, respond: 200 }]
";
    let config = config(text);
    let disks: Vec<_> = config.caches.iter().map(|c| c.disk.clone()).collect();
    let disk = |path: &str, size| {
        let path = path.into();
        Some(CacheDisk {
            path,
            size,
            min_free: 0,
        })
    };
    assert_eq!(
        disks,
        [
            disk("/var/a", 1 << 30),
            disk("/etc/seawall/b", 10 << 30),
            None
        ]
    );
    let purgers = |route: &Route| route.policy.cache.as_ref().map(|c| c.purgers.len());
    let site = &config.sites[0];
    assert_eq!(purgers(site.fallback.as_ref().unwrap()), Some(2));
    assert_eq!(purgers(&site.routes[0]), Some(0));
    let wrong = |caches: &str| {
        let text = format!("caches: {caches}\nsites: [{{ host: a.test, respond: 200 }}]\n");
        load_text("a.yaml", &text, &LoadOptions::default()).is_err()
    };
    assert!(wrong("{ a: { disk: { size: 1GiB } } }"));
    assert!(wrong("{ a: { disk: { path: /a, size: 1MiB } } }"));
    assert!(wrong(
        "{ a: { disk: { path: /a } }, b: { disk: { path: /a } } }"
    ));
}

/// What is said of a `log`.
fn log_of(log: &str) -> Result<Log, String> {
    let text = format!(
        "version: 1\nlisten: 80\nlog:\n  {log}\nsites: [{{ host: a.test, respond: 204 }}]\n"
    );
    match load_text("/etc/seawall/seawall.yaml", &text, &LoadOptions::default()) {
        Ok((config, _)) => Ok(config.log),
        Err(e) => Err(e
            .diagnostics
            .iter()
            .map(|d| d.message.clone())
            .collect::<Vec<_>>()
            .join("; ")),
    }
}

#[test]
fn logs_go_to_files_to_files_that_requests_name_and_to_syslog() {
    let log = log_of(
        "access: [{ path: a.log, rotate: { size: 1MiB } }, \"hosts/$host.log\", { syslog: { server: 127.0.0.1, facility: local3, severity: notice, tag: shop, hostname: false } }, { syslog: \"unix:/dev/log\" }]\n  error: { path: e.log, rotate: { size: 64KiB, keep: 2 }, syslog: \"[::1]:5514\", level: warn }",
    )
    .unwrap();
    assert_eq!(
        log.access[0].rotate,
        Some(Rotation {
            size: 1 << 20,
            keep: 7
        })
    );
    let LogTo::Files(files) = &log.access[1].to else {
        panic!("{:?}", log.access[1].to)
    };
    assert_eq!(files.directory.to_str(), Some("/var/log/seawall/hosts"));
    assert_eq!((files.name.parts.len(), log.access[1].buffer), (2, 0));
    let LogTo::Syslog(server) = &log.access[2].to else {
        panic!("{:?}", log.access[2].to)
    };
    assert_eq!(server.server, Address::Ip("127.0.0.1:514".parse().unwrap()));
    assert_eq!(
        (server.facility, server.severity, server.hostname),
        (19, 5, false)
    );
    assert!(
        matches!(&log.access[3].to, LogTo::Syslog(s) if s.server == Address::Unix("/dev/log".into()))
    );
    assert_eq!(
        log.error.rotate,
        Some(Rotation {
            size: 64 << 10,
            keep: 2
        })
    );
    assert_eq!(log.error.syslog[0].1, LogLevel::Warn);
}

#[test]
fn logs_that_cannot_be_are_refused_with_a_reason() {
    for (log, said) in [
        (
            "access: { path: a.log, syslog: 127.0.0.1 }",
            "a file or to syslog",
        ),
        ("access: { format: combined }", "path"),
        ("access: { path: a.log, rotate: { size: 1KiB } }", "too few"),
        (
            "access: { path: a.log, rotate: { size: 1MiB, keep: 0 } }",
            "0",
        ),
        (
            "access: { path: \"a/$host.log\", rotate: { size: 1MiB } }",
            "not one file",
        ),
        (
            "access: { syslog: { server: 127.0.0.1, tag: \"a b\" } }",
            "no tag",
        ),
        (
            "access: { syslog: { server: 127.0.0.1, facility: local8 } }",
            "local8",
        ),
        ("access: { syslog: { tag: a } }", "server"),
        ("error: { syslog: \"127.0.0.1:0\" }", "invalid port"),
    ] {
        let found = log_of(log).expect_err(log);
        assert!(found.contains(said), "{log}: {found}");
    }
}

#[test]
fn traces_are_on_or_off_or_a_share() {
    let sample = |log: &str| log_of(log).map(|log| log.traces.map(|t| t.sample));
    assert_eq!(sample("error: e.log"), Ok(None));
    assert_eq!(sample("traces: off"), Ok(None));
    assert_eq!(sample("traces: on"), Ok(Some(100)));
    assert_eq!(sample("traces: { sample: 10% }"), Ok(Some(10)));
    assert!(sample("traces: { sample: 101% }").is_err());
    let otlp = |url: &str| {
        let log = log_of(&format!("traces: {{ otlp: \"{url}\" }}"))?;
        let to = log.traces.and_then(|t| t.otlp).map(|c| (c.address, c.path));
        Ok::<_, String>(to.unwrap_or_default())
    };
    let to = |address: &str, path: &str| Ok((address.to_owned(), path.to_owned()));
    assert_eq!(otlp("http://[::1]"), to("[::1]:4318", "/v1/traces"));
    assert_eq!(otlp("http://otel.test:80/x/y"), to("otel.test:80", "/x/y"));
    for wrong in [
        "https://otel.test",
        "otel.test:4318",
        "http://",
        "http://a b",
    ] {
        assert!(otlp(wrong).is_err(), "{wrong}");
    }
}
