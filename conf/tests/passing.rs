//! What of requests and responses is changed on the way, as nginx.conf says it, and how fast responses go.

use seawall_conf::model::{Config, Content, Fit, Proxy, Route};
use seawall_conf::{LoadOptions, load_text};

fn load(name: &str, text: &str) -> Result<Config, Vec<String>> {
    match load_text(name, text, &LoadOptions::default()) {
        Ok((config, _)) => Ok(config),
        Err(e) => Err(e.diagnostics.iter().map(|d| d.message.clone()).collect()),
    }
}

fn location(inner: &str) -> Result<Config, Vec<String>> {
    let text = format!(
        "events {{}} http {{ upstream u {{ server 127.0.0.1:1; server 127.0.0.1:2; }}
         server {{ listen 80; location /here/ {{ {inner} }} }} }}"
    );
    load("n.conf", &text)
}

fn route(config: &Config) -> &Route {
    config.sites[0].routes.first().expect("a route")
}

fn proxy(config: &Config) -> &Proxy {
    match &route(config).content {
        Content::Proxy(proxy) => proxy,
        other => panic!("{other:?}"),
    }
}

#[test]
fn places_of_the_origin_are_named_anew_unless_that_is_off() {
    let default = |inner: &str| -> Vec<(String, String)> {
        let config = location(inner).expect(inner);
        let rules = proxy(&config).passing.redirects.iter();
        rules
            .map(|rule| {
                let from = match &rule.from {
                    Fit::Text(text) => text.as_literal().unwrap_or("$").to_owned(),
                    Fit::Regex(regex) => format!("~{}", regex.text),
                };
                (from, rule.to.as_literal().unwrap_or("$").to_owned())
            })
            .collect()
    };
    let pair = |from: &str, to: &str| vec![(from.to_owned(), to.to_owned())];
    assert_eq!(default("proxy_pass http://u;"), pair("http://u/", "/"));
    assert_eq!(
        default("proxy_pass http://u/in/;"),
        pair("http://u/in/", "/here/")
    );
    assert_eq!(default("proxy_pass http://u; proxy_redirect off;"), []);
    assert_eq!(
        default("proxy_pass http://u; proxy_redirect ~^(.*)$ /x;"),
        pair("~^(.*)$", "/x")
    );
    assert_eq!(default("set $b u; proxy_pass http://$b;"), []);
}

#[test]
fn retries_of_a_location_stand_in_for_its_pools() {
    let config = location(
        "proxy_pass http://u; proxy_next_upstream http_404 non_idempotent; proxy_next_upstream_tries 3;
         proxy_next_upstream_timeout 5s;",
    )
    .expect("loads");
    let retry = proxy(&config).asking.retry.as_deref().expect("retries");
    assert_eq!(
        (retry.connect, retry.timeout, retry.non_idempotent),
        (false, false, true)
    );
    assert_eq!((retry.statuses.as_slice(), retry.attempts), (&[404][..], 3));
    assert_eq!(retry.within.as_secs(), 5);
    assert!(
        config.pools[0].retry.connect,
        "the pool's own are as they were"
    );
    let plain = location("proxy_pass http://u;").expect("loads");
    assert!(proxy(&plain).asking.retry.is_none());
}

#[test]
fn what_makes_no_sense_is_refused_in_nginxs_words() {
    for (inner, message) in [
        (
            "proxy_next_upstream http_418;",
            "invalid value \"http_418\"",
        ),
        ("proxy_redirect /a;", "invalid parameter \"/a\""),
        ("proxy_redirect false;", "use \"off\" instead"),
        (
            "set $b u; proxy_pass http://$b; proxy_redirect default;",
            "cannot be used with \"proxy_pass\" directive with variables",
        ),
        (
            "proxy_cookie_flags a sticky;",
            "invalid parameter \"sticky\"",
        ),
        ("proxy_cookie_path /a;", "invalid parameter \"/a\""),
        ("proxy_ignore_headers Server;", "invalid value \"Server\""),
        ("limit_rate fast;", "\"limit_rate\" directive invalid value"),
        ("client_body_in_file_only yes;", "invalid value \"yes\""),
        ("server_tokens maybe;", "invalid value \"maybe\""),
        (
            "proxy_ignore_client_abort maybe;",
            "it must be \"on\" or \"off\"",
        ),
    ] {
        let found = location(inner).expect_err(inner);
        assert!(
            found.iter().any(|f| f.contains(message)),
            "{inner}: {found:?}"
        );
    }
}

#[test]
fn the_speed_and_the_end_of_a_client_are_said_in_yaml_too() {
    let yaml = |fields: &str| {
        load(
            "c.yaml",
            &format!("listen: 80\nsites: [{{ host: a.test, respond: 200, {fields} }}]\n"),
        )
    };
    let policy = |fields: &str| {
        let config = yaml(fields).expect(fields);
        let site = &config.sites[0];
        let route = site.routes.first().or(site.fallback.as_deref());
        route.expect("a route").policy.clone()
    };
    let pace = |fields: &str| {
        policy(fields).pace.map(|pace| {
            let text = |t: Option<seawall_conf::model::Template>| {
                t.and_then(|t| t.as_literal().map(str::to_owned))
            };
            (text(pace.rate), text(pace.after))
        })
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(pace("pace: 10KiB"), Some((some("10240"), None)));
    assert_eq!(
        pace("pace: { rate: 1KiB, after: 1MiB }"),
        Some((some("1024"), some("1048576")))
    );
    assert_eq!(pace("pace: off"), None);
    assert!(yaml("pace: { after: 1MiB }").is_err());
    assert!(policy("ignore_client_abort: true").ignore_client_abort);
    let limits = policy("rate_limit: { rate: 5/s, fields: true }").rate_limits;
    assert!(limits[0].fields);
}
