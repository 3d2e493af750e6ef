//! What nginx would say of a broken file, and what differs from nginx.

use super::*;

#[test]
fn errors_are_nginx_s_own_with_file_and_line() {
    assert_eq!(
        says("events {}\n\nfoo bar;\n"),
        ["unknown directive \"foo\" in nginx.conf:3"]
    );
    assert_eq!(says("http {}"), ["no \"events\" section in configuration"]);
    assert_eq!(
        says("events {} root /x;"),
        ["\"root\" directive is not allowed here in nginx.conf:1"]
    );
    assert_eq!(
        says("events {} daemon;"),
        ["invalid number of arguments in \"daemon\" directive in nginx.conf:1"]
    );
    assert_eq!(
        says("events {} daemon maybe;"),
        [
            "invalid value \"maybe\" in \"daemon\" directive, it must be \"on\" or \"off\" in nginx.conf:1"
        ]
    );
    assert_eq!(
        says("events {} pid a; pid b;"),
        ["\"pid\" directive is duplicate in nginx.conf:1"]
    );
    assert_eq!(
        says("events {} pid a {}"),
        ["directive \"pid\" is not terminated by \";\" in nginx.conf:1"]
    );
    assert_eq!(
        says("events;"),
        ["directive \"events\" has no opening \"{\" in nginx.conf:1"]
    );
    assert_eq!(says("events {} }"), ["unexpected \"}\" in nginx.conf:1"]);
    assert_eq!(
        says("events {} http {\n"),
        ["unexpected end of file, expecting \"}\" in nginx.conf:1"]
    );
    assert_eq!(
        says("events {} pid x"),
        ["unexpected end of file, expecting \";\" or \"}\" in nginx.conf:1"]
    );
}

#[test]
fn errors_within_http_are_nginx_s_own() {
    let cases = [
        (
            "server { listen 80; listen 80; }",
            "a duplicate listen 0.0.0.0:80",
        ),
        (
            "server { listen 1 default; } server { listen 1 default; server_name x; }",
            "a duplicate default server for 0.0.0.0:1",
        ),
        ("server { listen 80 shiny; }", "invalid parameter \"shiny\""),
        (
            "server { listen nohost.invalid:80; }",
            "host not found in \"nohost.invalid:80\" of the \"listen\" directive",
        ),
        (
            "server { location / {} location / {} }",
            "duplicate location \"/\"",
        ),
        (
            "server { location /a { location /b {} } }",
            "location \"/b\" is outside location \"/a\"",
        ),
        (
            "server { location ! /a {} }",
            "invalid location modifier \"!\"",
        ),
        (
            "server { location ~ x { proxy_pass http://1.2.3.4/y; } }",
            "\"proxy_pass\" cannot have URI part",
        ),
        (
            "server { location / { proxy_pass 1.2.3.4; } }",
            "invalid URL prefix",
        ),
        (
            "server { location / { proxy_cache q; } }",
            "\"proxy_cache\" zone \"q\" is unknown",
        ),
        ("server { access_log x fmt; }", "unknown log format \"fmt\""),
        (
            "server { access_log x combined flush=1s; }",
            "no buffer is defined for access_log \"x\"",
        ),
        ("server { set a b; }", "invalid variable name \"a\""),
        ("server { set $a b$; }", "invalid variable name"),
        ("server { return abc; }", "invalid return code \"abc\""),
        ("server { if $a { } }", "invalid condition \"$a\""),
        (
            "proxy_cache_path c keys_zone=z:1;",
            "keys zone \"keys_zone=z:1\" is too small",
        ),
        (
            "server { keepalive_timeout x; }",
            "\"keepalive_timeout\" directive invalid value",
        ),
        (
            "server { if ($a > b) { } }",
            "unexpected \">\" in condition",
        ),
        (
            "server { client_max_body_size 1q; }",
            "\"client_max_body_size\" directive invalid value",
        ),
        ("upstream u { }", "no servers are inside upstream"),
        (
            "upstream u { server a; } upstream u { server b; }",
            "duplicate upstream \"u\"",
        ),
        (
            "upstream u { server a weight=x; }",
            "invalid parameter \"weight=x\"",
        ),
        (
            "server { listen 443 ssl; }",
            "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive",
        ),
        (
            "server { server_name a*b; }",
            "invalid server name or wildcard \"a*b\"",
        ),
    ];
    for (text, expected) in cases {
        let said = in_http(text);
        assert!(
            said.len() == 1 && said[0].starts_with(expected),
            "{text}: {said:?}"
        );
    }
}

#[test]
fn what_is_not_built_is_an_error_unless_it_is_off() {
    for text in ["ssi on;", "server { listen 80 quic; }", "perl x;"] {
        let error = load_text(
            "n.conf",
            format!("events {{}} http {{ {text} }}"),
            &options(),
        )
        .expect_err("not built");
        assert_eq!(
            error.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(),
            ["not-yet"],
            "{text}"
        );
    }
    config(
        "events {} http { ssi off; server { proxy_redirect off; sendfile on; tcp_nodelay on; } }",
    );
}

#[test]
fn of_broken_syntax_only_the_first_place_is_shown() {
    let text = "events {}\nhttp {\n  server {\n    root \"/a\"b;\n  }\n}}\n";
    let error = load_text("nginx.conf", text, &options()).expect_err("broken");
    let expected = "\
error[nginx-syntax]: unexpected \"b\"
 --> nginx.conf:4:14
  |
4 |     root \"/a\"b;
  |              ^
";
    let rendered = error.diagnostics.render(&error.sources, false);
    assert!(rendered.starts_with(expected), "{rendered}");
    assert_eq!(rendered.matches("nginx-syntax").count(), 1, "{rendered}");
}

#[test]
fn what_differs_from_nginx_is_a_warning() {
    let text = "error_log e; events {} http { client_header_timeout 5s; server { error_log f; client_header_timeout 9s; } }";
    let (config, warnings) = load_text("nginx.conf", text, &options()).expect("loads");
    assert_eq!(
        warnings.iter().map(|d| d.code).collect::<Vec<_>>(),
        ["approximated", "approximated"]
    );
    assert_eq!(config.limits.head_timeout, Duration::from_secs(9));
}

#[test]
fn blocks_nested_past_the_limit_are_refused() {
    for depth in [seawall_conf::nginx::BLOCK_DEPTH_MAX + 2, 100_000] {
        let text = format!(
            "events {{}} http {{ {}{} }}",
            "a {".repeat(depth),
            "}".repeat(depth)
        );
        let said = says(&text);
        assert!(
            said.iter()
                .any(|s| s.starts_with("blocks are nested deeper than 64 levels")),
            "{said:?}"
        );
    }
}
