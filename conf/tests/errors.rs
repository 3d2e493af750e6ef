//! What an operator sees of a broken file: all of it, each with its place, a caret, a code and a hint.

use seawall_conf::{LoadError, LoadOptions, load_text};

fn broken(text: &str) -> LoadError {
    load_text("edge.yaml", text, &LoadOptions::default()).expect_err("the text is broken")
}

fn codes(text: &str) -> Vec<(u32, &'static str)> {
    let error = broken(text);
    error
        .diagnostics
        .iter()
        .map(|d| (d.at.map_or(0, |at| error.sources.line_column(at).0), d.code))
        .collect()
}

#[test]
fn an_unknown_field_is_shown_with_caret_and_what_was_meant() {
    let error = broken("listen: 80\npools:\n  web:\n    servres: [\"127.0.0.1:1\"]\n");
    let text = error.diagnostics.render(&error.sources, false);
    let expected = "\
error[unknown-field]: a pool has no field `servres`
 --> edge.yaml:4:5
  |
4 |     servres: [\"127.0.0.1:1\"]
  |     ^^^^^^^
  |
  = help: did you mean `servers`?
";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn all_errors_of_a_file_come_in_one_run_in_the_order_of_the_text() {
    let text = "\
version: 9
listen: { http: 99999 }
pools:
  web: { servers: [\"127.0.0.1\"], balance: rondo, health: { interval: 2 } }
sites:
  - { host: \"a b\", to: wbe }
  - { host: a.test, body_limit: 10KB, timeouts: { conect: 1s }, respond: 42 }
  - { host: a.test, waf: shop, to: web, root: /srv }
";
    let expected = [
        (1, "version"),
        (2, "invalid-value"),
        (4, "invalid-value"),
        (4, "invalid-value"),
        (4, "invalid-value"),
        (6, "invalid-value"),
        (6, "unknown-name"),
        (7, "invalid-value"),
        (7, "unknown-field"),
        (7, "invalid-value"),
        (8, "unknown-name"),
        (8, "invalid-value"),
    ];
    assert_eq!(codes(text), expected);
}

#[test]
fn what_would_have_no_effect_is_refused_where_it_stands() {
    let text = "\
listen: 80
caches: { default: { memory: 1MiB, disk: off } }
pools:
  a: { servers: '127.0.0.1:1', keepalive: { connections: 64, requests: 9 } }
  b: { servers: '127.0.0.1:2', keepalive: { connections: 64, timeout: 5s } }
  c: { servers: '127.0.0.1:3', keepalive: 0 }
defaults: { timeouts: { request: 1h } }
sites: [{ host: a.test, to: c }]
";
    assert_eq!(codes(text), [(4, "not-yet"), (7, "not-yet")]);
}

#[test]
fn a_name_that_is_not_defined_suggests_the_one_that_is() {
    let error = broken(
        "listen: 80\npools: { shop-web: '127.0.0.1:1' }\nsites: [{ host: a.test, to: shop-wbe }]\n",
    );
    let lines = error.diagnostics.lines(&error.sources);
    assert_eq!(
        lines,
        ["edge.yaml:3:29: error[unknown-name]: there is no pool `shop-wbe`"]
    );
    let help = error.diagnostics.iter().next().and_then(|d| d.help.clone());
    assert_eq!(help.as_deref(), Some("did you mean `shop-web`?"));
}

#[test]
fn a_shadow_is_another_rule_set_without_one_of_its_own() {
    let text = "\
listen: 80
wafs:
  a: { shadow: b }
  b: {}
  c: { shadow: c }
  d: { shadow: a }
  e: { shadow: f }
sites: [{ host: a.test, respond: 200 }]
";
    assert_eq!(
        codes(text),
        [
            (5, "invalid-value"),
            (6, "invalid-value"),
            (7, "unknown-name")
        ]
    );
}

#[test]
fn a_host_on_two_sites_shows_both_lines() {
    let error = broken(
        "listen: 80\nsites:\n  - { host: a.test, respond: 200 }\n  - { host: A.test, respond: 404 }\n",
    );
    let text = error.diagnostics.render(&error.sources, false);
    assert!(
        text.contains("edge.yaml:4:13") && text.contains("first written here"),
        "{text}"
    );
}

#[test]
fn what_is_no_yaml_is_shown_where_it_ends_to_be() {
    assert_eq!(codes("listen: 80\nsites: [\n"), [(2, "yaml-syntax")]);
    assert_eq!(codes("a: 1\n---\nb: 2\n"), [(2, "yaml-documents")]);
    assert_eq!(codes("version: 1\nversion: 1\n"), [(2, "duplicate")]);
    assert_eq!(codes("listen: !port 80\n"), [(1, "yaml-tag")]);
    assert_eq!(codes("- a\n"), [(1, "wrong-type")]);
}

#[test]
fn an_alias_bomb_is_refused_by_the_number_of_values() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..20 {
        let alias = format!("*a{}", i - 1);
        text.push_str(&format!(
            "a{i}: &a{i} [{}]\n",
            [alias.as_str(); 10].join(", ")
        ));
    }
    let error = broken(&text);
    assert_eq!(
        error.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(),
        ["yaml-limit"]
    );
}

#[test]
fn nesting_past_the_limit_is_refused() {
    for depth in [seawall_conf::yaml::DEPTH_MAX + 1, 5000] {
        let text = format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth));
        let codes = codes(&text);
        assert!(
            matches!(codes.as_slice(), [(1, "yaml-limit" | "yaml-syntax")]),
            "{codes:?}"
        );
    }
    let mut text = String::from("a0: &a0 [x]\n");
    for i in 1..100 {
        text.push_str(&format!("a{i}: &a{i} [*a{}]\n", i - 1));
    }
    assert!(codes(&text).iter().any(|(_, c)| *c == "yaml-limit"));
}

#[test]
fn a_file_that_is_not_there_is_said_in_nginx_s_words() {
    let error = seawall_conf::load("/nonexistent/a.conf".as_ref(), &LoadOptions::default())
        .expect_err("not there");
    let message = error.diagnostics.iter().next().map(|d| d.message.clone());
    assert_eq!(
        message.as_deref(),
        Some("open() \"/nonexistent/a.conf\" failed (2: No such file or directory)")
    );
}

#[test]
fn one_word_that_is_wrong_is_one_error() {
    let one = "listen: 80\nsites: [{ host: a.test, rout: [{ path: /, to: '127.0.0.1:1' }] }]";
    assert_eq!(codes(one), [(2, "unknown-field")]);
    let error = broken(one);
    let text = error.diagnostics.render(&error.sources, false);
    assert!(text.contains("did you mean `routes`?"), "{text}");
}

#[test]
fn a_tab_is_told_to_be_spaces() {
    let error = broken("sites:\n\t- { host: a.test, respond: 200 }\n");
    let text = error.diagnostics.render(&error.sources, false);
    assert!(text.contains("indent with spaces"), "{text}");
}

#[test]
fn lists_that_are_nobody_s_unknown_or_cannot_be_told_are_errors() {
    let text = "\
listen: 80
lists:
  empty: {}
  odd: { networks: 10.0.0.0/33, countries: [Germany], asns: [x], status: 200 }
  far: { countries: [DE] }
sites:
  - { host: a.test, deny: [list:fra, country:DE, asn:1, shop.test], respond: 204 }
";
    let mut expected = vec![(3, "invalid-value")];
    expected.extend([(4, "invalid-value"); 5]);
    expected.extend([
        (5, "no-places"),
        (7, "unknown-name"),
        (7, "no-places"),
        (7, "no-places"),
        (7, "invalid-value"),
    ]);
    assert_eq!(codes(text), expected);
    let error = broken(text);
    let text = error.diagnostics.render(&error.sources, false);
    assert!(text.contains("help: did you mean `far`?"), "{text}");
}

#[test]
fn bad_agents_and_crowdsec_are_told_what_they_lack() {
    let text = "\
listen: 80
crowdsec: { lapi: \"http://127.0.0.1:8080\", interval: 0s }
sites:
  - { host: a.test, bad_agents: { builtin: false }, respond: 204 }
  - { host: b.test, bad_agents: block, respond: 204 }
  - { host: c.test, bad_agents: { patterns: [ab, { regx: x }], status: 200 }, respond: 204 }
  - { host: d.test, crowdsec: maybe, respond: 204 }
";
    let expected = [
        (2, "missing-field"),
        (4, "invalid-value"),
        (5, "invalid-value"),
        (6, "invalid-value"),
        (6, "missing-field"),
        (6, "unknown-field"),
        (6, "invalid-value"),
        (7, "invalid-value"),
    ];
    assert_eq!(codes(text), expected);
    let interval =
        "listen: 80\ncrowdsec: { lapi: \"http://127.0.0.1:8080\", key: k, interval: 0s }\n";
    assert_eq!(codes(interval), [(2, "invalid-value")]);
}

#[test]
fn a_file_that_says_nothing_is_no_configuration() {
    for text in ["", "\n", "# nothing yet\n", "{}\n", "---\n"] {
        assert_eq!(codes(text), [(1, "empty")], "{text:?}");
    }
}
