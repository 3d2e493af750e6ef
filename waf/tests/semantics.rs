//! What rules mean: each test is a few rules, a request, and the rules that match it.

use std::sync::Arc;

use seawall_diag::SourceMap;
use seawall_waf::{Match, Options, Program, RequestLine, Scratch, Transaction, Verdict};

/// A request on its way through rules of its own.
struct Run {
    transaction: Transaction,
    verdict: Verdict,
}

fn program(rules: &str, options: &Options) -> Arc<Program> {
    let mut sources = SourceMap::default();
    let file = sources.add("test.conf", rules.to_owned());
    let program = Program::compile(&mut sources, &[file], options);
    Arc::new(program.unwrap_or_else(|found| panic!("{:#?}", found.lines(&sources))))
}

fn post(rules: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Run {
    let fields: Vec<(&[u8], &[u8])> = fields
        .iter()
        .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
        .collect();
    let head = RequestLine {
        client: [192, 0, 2, 1].into(),
        method: if body.is_empty() { b"GET" } else { b"POST" },
        target: target.as_bytes(),
        protocol: b"HTTP/1.1",
        fields: &fields,
    };
    let mut transaction = Transaction::begin(program(rules, &Options::default()), Scratch::new());
    let mut verdict = transaction.request_head(&head);
    transaction.body_chunk(body.as_bytes());
    if verdict == Verdict::Pass {
        verdict = transaction.request_end();
    }
    Run {
        transaction,
        verdict,
    }
}

fn get(rules: &str, target: &str) -> Run {
    post(
        rules,
        target,
        &[("Host", "a"), ("X-Test", "Ab"), ("Cookie", "c1=v1; c2=v2")],
        "",
    )
}

impl Run {
    fn ids(&self) -> Vec<u32> {
        self.transaction.matches().iter().map(|m| m.rule).collect()
    }

    fn first(&self) -> &Match {
        &self.transaction.matches()[0]
    }
}

/// Whether a rule with this variable and operator (and these actions) matches the request.
#[track_caller]
fn check(target: &str, rule: &str, expected: bool) {
    let actions = if rule.matches('"').count() == 2 {
        " \"id:1\""
    } else {
        ""
    };
    let run = get(&format!("SecRule {rule}{actions}"), target);
    assert_eq!(run.ids() == [1], expected, "{rule} on {target}");
}

#[test]
fn variables_hold_what_their_names_say() {
    let target = "/a%20b/x.php?q=%41+1&q2=z";
    for (variable, value) in [
        ("REQUEST_URI", "/a b/x.php?q=A+1&q2=z"),
        ("REQUEST_URI_RAW", "/a%20b/x.php?q=%41+1&q2=z"),
        ("REQUEST_FILENAME", "/a b/x.php"),
        ("QUERY_STRING", "q=%41+1&q2=z"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_LINE", "GET /a%20b/x.php?q=%41+1&q2=z HTTP/1.1"),
        ("ARGS:q", "A 1"),
        ("ARGS:Q", "A 1"),
        ("ARGS_GET:q2", "z"),
        ("ARGS_NAMES", "q2"),
        ("ARGS_COMBINED_SIZE", "7"),
        ("REQUEST_HEADERS:x-test", "Ab"),
        ("REQUEST_HEADERS_NAMES", "X-Test"),
        ("REQUEST_COOKIES:c2", "v2"),
        ("REQUEST_COOKIES_NAMES", "c1"),
        ("REMOTE_ADDR", "192.0.2.1"),
        ("REQBODY_ERROR", "0"),
    ] {
        check(target, &format!("{variable} \"@streq {value}\""), true);
        check(target, &format!("{variable} \"@streq {value}!\""), false);
    }
}

#[test]
fn members_are_selected_by_name_and_by_pattern_counted_and_excluded() {
    let target = "/?foo=1&foobar=2&bar=3";
    check(target, "ARGS:foo \"@streq 2\"", false);
    check(target, "ARGS:/^foo/ \"@streq 2\"", true);
    check(target, "ARGS:/^foo/ \"@streq 3\"", false);
    check(target, "&ARGS \"@eq 3\"", true);
    check(target, "&ARGS:foo \"@eq 1\"", true);
    check(target, "&ARGS:/^foo/ \"@eq 2\"", true);
    check(target, "&ARGS:nope \"@eq 0\"", true);
    check(target, "&REQUEST_HEADERS:Host|&ARGS:x \"@eq 1\"", true);
    check(target, "ARGS|!ARGS:bar \"@streq 3\"", false);
    check(target, "ARGS|!ARGS:/BAR$/ \"@streq 2\"", false);
    check(target, "ARGS|!ARGS:bar \"@streq 1\"", true);
    check(target, "ARGS_NAMES|!ARGS_NAMES:bar \"@streq bar\"", false);
    check(
        target,
        "REQUEST_HEADERS|!REQUEST_HEADERS:Host \"@streq a\"",
        false,
    );
}

#[test]
fn operators() {
    let target = "/?a=Hello+World&n=42&e=";
    check(target, "ARGS:a \"@rx ^Hello\"", true);
    check(target, "ARGS:a \"^hello\"", false);
    check(target, "ARGS:a \"(?i)^hello\"", true);
    check(target, "ARGS:a \"!@rx ^Hello\"", false);
    check(target, "ARGS:a \"!^x\"", true);
    check(target, "ARGS:missing \"!@rx x\"", false);
    check(target, "ARGS:a \"@pm nothing WORLD\"", true);
    check(target, "ARGS:a \"@pm nothing\"", false);
    check(target, "ARGS:a \"@streq hello world\"", false);
    check(target, "ARGS:a \"@contains o W\"", true);
    check(target, "ARGS:a \"@beginsWith Hell\"", true);
    check(target, "ARGS:a \"@beginsWith World\"", false);
    check(target, "ARGS:a \"@endsWith World\"", true);
    check(target, "ARGS:n \"@within 41 42 43\"", true);
    check(target, "ARGS:a \"!@within 41 42 43\"", true);
    check(target, "ARGS:e \"@streq \"", true);
    for (operator, expected) in [
        ("eq 42", true),
        ("ge 42", true),
        ("gt 42", false),
        ("le 42", true),
        ("lt 42", false),
    ] {
        check(target, &format!("ARGS:n \"@{operator}\""), expected);
    }
    check(target, "ARGS:a \"@eq 0\"", true);
    check(target, "ARGS:a \"@validateByteRange 32-126\"", false);
    check(target, "ARGS:a \"@validateByteRange 32,48-122\"", false);
    check(target, "ARGS:a \"@validateByteRange 48-122\"", true);
    check(target, "ARGS:a \"@unconditionalMatch\"", true);
    check(target, "ARGS:missing \"@unconditionalMatch\"", false);
}

#[test]
fn transformations_run_in_order_from_the_last_none() {
    check(
        "/?a=A%2541",
        "ARGS:a \"@streq aa\" \"id:1,t:urlDecode,t:lowercase\"",
        true,
    );
    check(
        "/?a=A",
        "ARGS:a \"@streq A\" \"id:1,t:lowercase,t:none\"",
        true,
    );
    check("/?a=abc", "ARGS:a \"@eq 3\" \"id:1,t:length\"", true);
    let defaults = "SecDefaultAction \"phase:2,pass,t:lowercase\"\nSecRule ARGS \"@streq a\" \"id:1\"\nSecRule ARGS \"@streq a\" \"id:2,t:none\"";
    assert_eq!(get(defaults, "/?x=A").ids(), [1]);
}

#[test]
fn phase_one_sees_the_head_and_phase_two_the_body() {
    let rules = "SecRule ARGS \"@streq body\" \"id:1,phase:1\"\nSecRule ARGS \"@streq body\" \"id:2,phase:2\"\n\
                 SecRule ARGS_POST \"@streq body\" \"id:3\"\nSecRule ARGS_GET \"@streq body\" \"id:4\"\n\
                 SecRule REQUEST_BODY \"@contains a=body\" \"id:5\"\nSecRule &ARGS \"@eq 2\" \"id:6\"\n\
                 SecRule ARGS_COMBINED_SIZE \"@eq 7\" \"id:7\"";
    let form = [(
        "Content-Type",
        "application/x-www-form-urlencoded; charset=utf-8",
    )];
    assert_eq!(post(rules, "/?b=z", &form, "a=body").ids(), [2, 3, 5, 6, 7]);
}

#[test]
fn rules_run_in_order_of_phase_then_of_the_file() {
    let rules = "SecRule REQUEST_URI \"@contains x\" \"id:3,phase:2\"\nSecRule REQUEST_METHOD \"@streq GET\" \"id:1,phase:1\"\n\
                 SecRule ARGS \"@contains x\" \"id:4,phase:2\"\nSecRule ARGS \"@contains x\" \"id:2,phase:1\"";
    assert_eq!(get(rules, "/?a=x").ids(), [1, 2, 3, 4]);
}

#[test]
fn a_chain_matches_if_all_its_links_do() {
    let chain = |second: &str| {
        format!("SecRule ARGS:a \"@rx .\" \"id:1,chain\"\nSecRule ARGS:b \"{second}\" \"t:none\"")
    };
    assert_eq!(get(&chain("@streq 2"), "/?a=1&b=2").ids(), [1]);
    assert!(get(&chain("@streq 3"), "/?a=1&b=2").ids().is_empty());
    let matched = "SecRule ARGS \"@rx ^1\" \"id:1,chain\"\nSecRule MATCHED_VAR \"@streq 1x\" \"chain\"\nSecRule MATCHED_VAR_NAME \"@streq ARGS:b\"";
    assert!(get(matched, "/?a=1x").ids().is_empty());
}

#[test]
fn what_a_link_sets_stays_even_if_the_chain_fails() {
    let rules = "SecRule ARGS:a \"@rx .\" \"id:1,chain,setvar:tx.seen=1\"\nSecRule ARGS:b \"@streq no\"\nSecRule TX:seen \"@eq 1\" \"id:2\"";
    assert_eq!(get(rules, "/?a=1&b=2").ids(), [2]);
}

#[test]
fn variables_are_set_for_each_value_that_matches() {
    let rules = "SecRule ARGS \"@rx x\" \"id:1,nolog,setvar:tx.n=+1,setvar:tx.m=-2,setvar:tx.%{MATCHED_VAR_NAME}=%{MATCHED_VAR}!\"\n\
                 SecRule TX:n \"@eq 2\" \"id:2\"\nSecRule TX:m \"@eq -4\" \"id:3\"\nSecRule TX:args:b \"@streq xb!\" \"id:4\"\n\
                 SecAction \"id:5,nolog,setvar:!tx.n,setvar:tx.flag\"\nSecRule &TX:n \"@eq 0\" \"id:6\"\nSecRule TX:flag \"@streq 1\" \"id:7\"\n\
                 SecRule TX:/^fl/ \"@eq 1\" \"id:8\"";
    assert_eq!(get(rules, "/?a=xa&b=xb&c=c").ids(), [2, 3, 4, 6, 7, 8]);
}

#[test]
fn macros_compare_and_explain() {
    let rules = "SecAction \"id:1,phase:1,nolog,setvar:tx.limit=3,setvar:tx.score=2\"\n\
                 SecRule ARGS:a \"@rx (b+)(c)\" \"id:2,capture,severity:ERROR,msg:'%{tx.1} in %{MATCHED_VAR_NAME} of %{REQUEST_METHOD} %{request_headers.host} by %{rule.id}',logdata:'%{TX.2}',setvar:tx.score=+%{tx.score}\"\n\
                 SecRule TX:score \"@ge %{tx.limit}\" \"id:3\"\nSecRule REQUEST_HEADERS:Host \"@streq %{ARGS.h}\" \"id:4\"";
    let run = get(rules, "/?a=xbbcx&h=a");
    assert_eq!(run.ids(), [2, 3, 4]);
    let first = run.first();
    assert_eq!(
        (first.message.as_str(), first.data.as_str()),
        ("bb in ARGS:a of GET a by 2", "c")
    );
    assert_eq!(
        (first.variable.as_str(), first.value.as_str()),
        ("ARGS:a", "xbbcx")
    );
    assert_eq!(first.severity.map(|s| s.name()), Some("ERROR"));
}

#[test]
fn skip_after_goes_on_behind_the_marker() {
    let rules = "SecRule ARGS:a \"@streq 1\" \"id:1,skipAfter:END\"\nSecRule ARGS \"@rx .\" \"id:2\"\nSecAction \"id:3\"\nSecMarker END\nSecAction \"id:4\"";
    assert_eq!(get(rules, "/?a=1").ids(), [1, 4]);
    assert_eq!(get(rules, "/?a=2").ids(), [2, 3, 4]);
}

#[test]
fn deny_refuses_with_its_status_and_ends_the_phase() {
    let run = get(
        "SecRule ARGS \"@rx x\" \"id:1,deny,status:418\"\nSecAction \"id:2\"",
        "/?a=x",
    );
    assert_eq!(
        (run.verdict, run.ids()),
        (
            Verdict::Deny {
                status: 418,
                rule: 1
            },
            vec![1]
        )
    );
    assert_eq!(
        get("SecAction \"id:1,phase:1,deny\"", "/").verdict,
        Verdict::Deny {
            status: 403,
            rule: 1
        }
    );
}

#[test]
fn block_does_what_the_defaults_say() {
    let rule = "SecRule ARGS \"@rx x\" \"id:1,block\"";
    assert_eq!(get(rule, "/?a=x").verdict, Verdict::Pass);
    let rules = format!("SecDefaultAction \"phase:2,deny,status:429\"\n{rule}");
    assert_eq!(
        get(&rules, "/?a=x").verdict,
        Verdict::Deny {
            status: 429,
            rule: 1
        }
    );
}

#[test]
fn the_engine_can_be_off_or_only_detect() {
    let rule = "SecRule ARGS \"@rx x\" \"id:1,deny\"";
    let run = get(&format!("SecRuleEngine DetectionOnly\n{rule}"), "/?a=x");
    assert_eq!((run.verdict, run.ids()), (Verdict::Pass, vec![1]));
    let run = get(&format!("SecRuleEngine Off\n{rule}"), "/?a=x");
    assert_eq!((run.verdict, run.ids()), (Verdict::Pass, vec![]));
}

#[test]
fn rules_can_be_removed_for_a_request() {
    let rules = "SecRule REQUEST_FILENAME \"@beginsWith /cms\" \"id:1,nolog,phase:1,ctl:ruleRemoveById=3-4\"\nSecAction \"id:2\"\nSecAction \"id:3\"\nSecAction \"id:4\"";
    assert_eq!(get(rules, "/cms/x").ids(), [2]);
    assert_eq!(get(rules, "/").ids(), [2, 3, 4]);
}

#[test]
fn json_bodies_are_arguments_and_broken_ones_are_known() {
    let rules = "SecRule ARGS:json.items.array_1.sku \"@streq B\" \"id:1\"\nSecRule REQBODY_ERROR \"@eq 1\" \"id:2\"";
    let json = [("content-type", "application/vnd.shop+json")];
    assert_eq!(
        post(rules, "/", &json, r#"{"items":[{"sku":"A"},{"sku":"B"}]}"#).ids(),
        [1]
    );
    assert_eq!(post(rules, "/", &json, r#"{"items":["#).ids(), [2]);
    assert!(
        post(rules, "/", &[("content-type", "text/plain")], "{")
            .ids()
            .is_empty()
    );
}

#[test]
fn memory_of_one_program_serves_another() {
    let first = program("SecRule ARGS \"@rx x\" \"id:1\"", &Options::default());
    let second = program(
        "SecRule ARGS|REQUEST_HEADERS \"@rx (?i)Y|z\" \"id:2\"\nSecRule ARGS \"@pm q\" \"id:3\"",
        &Options::default(),
    );
    let mut scratch = Scratch::new();
    for (program, expected) in [(&first, vec![1]), (&second, vec![2, 3]), (&first, vec![1])] {
        let mut transaction = Transaction::begin(Arc::clone(program), scratch);
        let head = RequestLine {
            client: [192, 0, 2, 1].into(),
            method: b"GET",
            target: b"/?a=xyq",
            protocol: b"HTTP/1.1",
            fields: &[],
        };
        transaction.request_head(&head);
        transaction.request_end();
        assert_eq!(
            transaction
                .matches()
                .iter()
                .map(|m| m.rule)
                .collect::<Vec<_>>(),
            expected
        );
        scratch = transaction.into_scratch();
    }
}

#[test]
fn initial_variables_come_from_the_options() {
    let options = Options {
        paranoia: 3,
        threshold: 7,
        ..Options::default()
    };
    let program = program(
        "SecRule TX:inbound_anomaly_score_threshold \"@eq 7\" \"id:1,chain\"\nSecRule TX:paranoia_level \"@eq 3\"",
        &options,
    );
    let mut transaction = Transaction::begin(program, Scratch::new());
    transaction.request_end();
    assert_eq!(transaction.matches().len(), 1);
}

#[test]
fn a_program_is_shared_by_threads_and_a_transaction_moves_between_them() {
    fn shared<T: Send + Sync>() {}
    fn moved<T: Send>() {}
    shared::<Program>();
    moved::<Transaction>();
}
