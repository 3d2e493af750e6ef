//! FastCGI applications and compression, as both syntaxes say them.

use seawall_conf::model::{Coding, Compress, Config, Content, FastCgi, Protocol};
use seawall_conf::{LoadOptions, load_text};

fn yaml(text: &str) -> Result<Config, Vec<String>> {
    let text = format!("version: 1\nlisten: [{{ http: 80 }}]\n{text}\n");
    load("c.yaml", &text)
}

fn nginx(http: &str) -> Result<Config, Vec<String>> {
    load("n.conf", &format!("events {{}} http {{ {http} }}"))
}

fn load(name: &str, text: &str) -> Result<Config, Vec<String>> {
    match load_text(name, text, &LoadOptions::default()) {
        Ok((config, _)) => Ok(config),
        Err(e) => Err(e
            .diagnostics
            .iter()
            .map(|d| format!("{}: {}", d.code, d.message))
            .collect()),
    }
}

fn application(config: &Config) -> &FastCgi {
    let site = &config.sites[0];
    let route = site.routes.first().or(site.fallback.as_deref());
    match &route.expect("a route").content {
        Content::Proxy(proxy) => proxy.fastcgi.as_deref().expect("an application"),
        other => panic!("{other:?}"),
    }
}

fn compressed(config: &Config) -> Option<&Compress> {
    let site = &config.sites[0];
    let route = site.routes.first().or(site.fallback.as_deref());
    route.expect("a route").policy.compress.as_ref()
}

#[test]
fn an_application_is_an_address_or_a_pool_that_speaks_it() {
    for text in [
        "sites: [{ host: a.test, root: /srv, to: \"fastcgi:unix:/run/x.sock\" }]",
        "sites: [{ host: a.test, root: /srv, to: \"fastcgi://127.0.0.1:9000\" }]",
        "pools: { php: { protocol: fastcgi, servers: [\"unix:/run/x.sock\"] } }\nsites: [{ host: a.test, root: /srv, to: php }]",
        "sites: [{ host: a.test, root: /srv, routes: [{ path: /x, to: \"fastcgi:unix:/run/x.sock\" }] }]",
    ] {
        let config = yaml(text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let application = application(&config);
        let find = application.find.as_ref().expect("scripts are looked for");
        assert_eq!(find.root.as_literal(), Some("/srv"), "{text}");
        assert_eq!(find.fallback.as_deref(), Some("/index.php"));
        assert!(!application.keep);
        assert!(config.pools.iter().all(|p| p.protocol == Protocol::FastCgi));
    }
}

#[test]
fn parameters_replace_and_off_removes() {
    let config = yaml(
        "sites:\n  - host: a.test\n    root: /srv\n    to: \"fastcgi:unix:/run/x.sock\"\n    fastcgi: { params: { SERVER_SOFTWARE: x, REDIRECT_STATUS: off, MINE: $uri }, fallback: off, index: app.php, keep_conn: true }",
    )
    .expect("valid");
    let application = application(&config);
    let value = |name: &str| {
        let mut all = application.params.iter().filter(|p| p.name == name);
        let first = all.next();
        assert!(all.next().is_none(), "{name} stands once");
        first.map(|p| p.value.as_literal().map(str::to_owned))
    };
    assert_eq!(value("SERVER_SOFTWARE"), Some(Some("x".into())));
    assert_eq!(value("REDIRECT_STATUS"), None);
    assert_eq!(value("MINE"), Some(None));
    assert_eq!(value("DOCUMENT_ROOT"), Some(Some("/srv".into())));
    assert_eq!(application.index, "app.php");
    assert!(application.keep);
    assert_eq!(application.find.as_ref().expect("find").fallback, None);
}

#[test]
fn what_makes_no_sense_of_an_application_is_refused() {
    for (text, message) in [
        (
            "sites: [{ host: a.test, to: \"127.0.0.1:80\", fastcgi: { keep_conn: true } }]",
            "stands beside the application",
        ),
        (
            "sites: [{ host: a.test, to: \"fastcgi:unix:/x\", fastcgi: { must_exist: true } }]",
            "without a root",
        ),
        (
            "sites: [{ host: a.test, to: \"fastcgi:127.0.0.1\" }]",
            "no port",
        ),
        (
            "sites: [{ host: a.test, to: \"fastcgi:127.0.0.1:9000/x\" }]",
            "no address",
        ),
        (
            "sites: [{ host: a.test, to: \"fastcgi:http://127.0.0.1:9000\" }]",
            "no address",
        ),
        (
            "sites: [{ host: a.test, root: /srv, to: \"fastcgi:unix:/x\", fastcgi: { fallback: index.php } }]",
            "is no path",
        ),
        (
            "sites: [{ host: a.test, root: /srv, to: \"fastcgi:unix:/x\", fastcgi: { parms: {} } }]",
            "no field `parms`",
        ),
    ] {
        let found = yaml(text).expect_err(text);
        assert!(
            found.iter().any(|f| f.contains(message)),
            "{text}: {found:?}"
        );
    }
    for (http, message) in [
        (
            "server { location / { fastcgi_pass 127.0.0.1; } }",
            "no port",
        ),
        (
            "server { location / { fastcgi_pass http://127.0.0.1:9000; } }",
            "invalid host",
        ),
        (
            "server { location / { fastcgi_split_path_info ^(.+)$; } }",
            "must have 2 captures",
        ),
        ("server { fastcgi_param A b c; }", "invalid parameter"),
        (
            "server { fastcgi_ignore_headers Nonsense; }",
            "invalid value",
        ),
    ] {
        let found = nginx(http).expect_err(http);
        assert!(
            found.iter().any(|f| f.contains(message)),
            "{http}: {found:?}"
        );
    }
}

#[test]
fn nginxs_application_has_its_parameters_timeouts_and_root() {
    let config = nginx(
        "fastcgi_param A outer; proxy_read_timeout 5s; upstream php { server unix:/run/x.sock; }
         server { root /srv; location / { fastcgi_pass php; fastcgi_index index.php; fastcgi_read_timeout 7s;
            fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; fastcgi_param E \"\" if_not_empty; } }",
    )
    .expect("valid");
    let application = application(&config);
    let names: Vec<&str> = application.params.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(
        names,
        ["SCRIPT_FILENAME", "E"],
        "an inner level's take the place of the outer one's"
    );
    let file = format!("{:?}", application.params[0].value);
    assert!(
        file.contains("/srv") && !file.contains("document_root"),
        "{file}"
    );
    assert!(application.params[1].if_not_empty && application.find.is_none());
    let timeouts = &config.sites[0].routes[0].policy.timeouts;
    assert_eq!(
        (timeouts.first_byte.as_secs(), timeouts.connect.as_secs()),
        (7, 60)
    );
}

#[test]
fn compression_is_inherited_by_key_and_switched_off() {
    let site = |defaults: &str, own: &str| {
        let text = format!(
            "defaults: {{ compress: {defaults} }}\nsites: [{{ host: a.test, respond: 200, compress: {own} }}]"
        );
        yaml(&text).unwrap_or_else(|e| panic!("{text}: {e:?}"))
    };
    let config = site("{ encodings: [br], min_length: 1KiB }", "{ level: 9 }");
    let compress = compressed(&config).expect("on");
    assert_eq!(
        (
            compress.codings.as_slice(),
            compress.min_length,
            compress.level
        ),
        (&[Coding::Br][..], 1024, Some(9))
    );
    assert!(compress.types.iter().any(|t| t == "text/*"));
    assert!(compressed(&site("[gzip]", "off")).is_none());
    assert_eq!(compressed(&site("off", "on")).expect("on").codings.len(), 3);
    for wrong in [
        "[deflate]",
        "[gzip, gzip]",
        "{ level: 10 }",
        "{ types: [html] }",
    ] {
        let text = format!("sites: [{{ host: a.test, respond: 200, compress: {wrong} }}]");
        assert!(yaml(&text).is_err(), "{wrong}");
    }
}

#[test]
fn nginxs_gzip_has_its_defaults_and_messages() {
    let config = nginx("gzip on; server { location / { return 200; } }").expect("valid");
    let gzip = compressed(&config).expect("on");
    assert_eq!(
        (gzip.min_length, gzip.level, gzip.types.as_slice()),
        (20, Some(1), &["text/html".to_owned()][..])
    );
    let own = gzip.nginx.as_ref().expect("nginx's");
    assert!(!own.vary && !own.http10 && own.proxied.0 == 0);
    assert!(compressed(&nginx("server { location / { return 200; } }").expect("valid")).is_none());
    for (http, message) in [
        ("gzip_comp_level 10;", "value must be between 1 and 9"),
        ("gzip_http_version 2;", "invalid value \"2\""),
        ("gzip_proxied sometimes;", "invalid value \"sometimes\""),
    ] {
        let found = nginx(http).expect_err(http);
        assert!(
            found.iter().any(|f| f.contains(message)),
            "{http}: {found:?}"
        );
    }
}
