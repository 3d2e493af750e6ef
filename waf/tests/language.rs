//! What the rest of the language means: bodies, collections, controls, responses, files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seawall_diag::SourceMap;
use seawall_waf::{
    Files, Options, Program, RequestLine, ResponseLine, Scratch, Surroundings, Transaction, Verdict,
};

fn program(rules: &str, options: &Options) -> Arc<Program> {
    let mut sources = SourceMap::default();
    let file = sources.add("test.conf", rules.to_owned());
    let program = Program::compile(&mut sources, &[file], options);
    Arc::new(program.unwrap_or_else(|found| panic!("{:#?}", found.lines(&sources))))
}

/// A request at a second of time, and the rules that match it.
fn ask(
    program: &Arc<Program>,
    now_s: u64,
    target: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Vec<u32> {
    let fields: Vec<(&[u8], &[u8])> = fields
        .iter()
        .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
        .collect();
    let mut transaction = Transaction::begin(program.clone(), Scratch::new());
    transaction.surroundings(&Surroundings {
        now_s,
        unique_id: b"id-1",
        client_port: 4711,
        server: Some(([198, 51, 100, 1], 443).into()),
    });
    transaction.request_head(&RequestLine {
        client: [192, 0, 2, 1].into(),
        method: if body.is_empty() { b"GET" } else { b"POST" },
        target: target.as_bytes(),
        protocol: b"HTTP/1.1",
        fields: &fields,
    });
    transaction.body_chunk(body.as_bytes());
    transaction.request_end();
    transaction.finish();
    transaction.matches().iter().map(|m| m.rule).collect()
}

fn ids(rules: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Vec<u32> {
    ask(
        &program(rules, &Options::default()),
        1_000_000,
        target,
        fields,
        body,
    )
}

/// Whether a rule for this variable and operator matches a request.
#[track_caller]
fn check(rule: &str, fields: &[(&str, &str)], body: &str, expected: bool) {
    let found = ids(
        &format!("SecRule {rule} \"id:1\""),
        "/a/b.php?q=1",
        fields,
        body,
    );
    assert_eq!(found == [1], expected, "{rule}");
}

#[test]
fn surroundings_are_variables() {
    let host = [("Host", "shop.test:8080")];
    for (variable, value) in [
        ("REQUEST_BASENAME", "b.php"),
        ("REMOTE_PORT", "4711"),
        ("SERVER_ADDR", "198.51.100.1"),
        ("SERVER_PORT", "443"),
        ("SERVER_NAME", "shop.test"),
        ("UNIQUE_ID", "id-1"),
        ("TIME_EPOCH", "1000000"),
        ("TIME_YEAR", "1970"),
        ("TIME_MON", "1"),
        ("TIME_DAY", "12"),
        ("TIME_WDAY", "1"),
        ("TIME", "13:46:40"),
        ("PATH_INFO", "/a/b.php"),
        ("ARGS_GET_NAMES", "q"),
        ("FULL_REQUEST_LENGTH", "48"),
    ] {
        check(&format!("{variable} \"@streq {value}\""), &host, "", true);
    }
}

const MULTIPART: [(&str, &str); 1] = [("Content-Type", "multipart/form-data; boundary=B")];

#[test]
fn multipart_bodies_are_arguments_files_and_flags() {
    let body = "--B\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\nhello\r\n\
                --B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.php\"\r\nContent-Type: text/x\r\n\r\n<?php\r\n--B--\r\n";
    for (rule, expected) in [
        ("ARGS_POST:t \"@streq hello\"", true),
        ("ARGS_POST_NAMES \"@streq t\"", true),
        ("FILES \"@streq x.php\"", true),
        ("FILES:f \"@endsWith .php\"", true),
        ("FILES_NAMES \"@streq f\"", true),
        ("FILES_SIZES \"@eq 5\"", true),
        ("FILES_COMBINED_SIZE \"@eq 5\"", true),
        ("FILES_TMP_CONTENT \"@streq <?php\"", true),
        ("MULTIPART_FILENAME \"@streq x.php\"", true),
        ("MULTIPART_NAME \"@streq t\"", true),
        (
            "MULTIPART_PART_HEADERS:f \"@rx ^Content-Type: text/x\"",
            true,
        ),
        ("&MULTIPART_PART_HEADERS:f \"@eq 2\"", true),
        ("MULTIPART_STRICT_ERROR \"@eq 0\"", true),
        ("REQBODY_PROCESSOR \"@streq MULTIPART\"", true),
        ("REQUEST_BODY \"@contains hello\"", false),
        ("REQBODY_ERROR \"@eq 1\"", false),
    ] {
        check(rule, &MULTIPART, body, expected);
    }
    let broken = body
        .replace("--B--", "")
        .replace("\r\n\r\nhello", "\n\nhello");
    check("REQBODY_ERROR \"@eq 1\"", &MULTIPART, &broken, true);
    check(
        "MULTIPART_STRICT_ERROR \"@eq 1\"",
        &MULTIPART,
        &broken,
        true,
    );
    check("MULTIPART_LF_LINE \"@eq 1\"", &MULTIPART, &broken, true);
    check(
        "REQBODY_ERROR_MSG \"@beginsWith Multipart\"",
        &MULTIPART,
        &broken,
        true,
    );
}

#[test]
fn xml_bodies_are_text_and_attributes() {
    let xml = [("Content-Type", "application/soap+xml; charset=utf-8")];
    let body = "<a x='1&lt;2'><b>t&amp;u</b></a>";
    check("XML:/* \"@streq t&u\"", &xml, body, true);
    check("XML \"@streq t&u\"", &xml, body, true);
    check("XML://@* \"@streq 1<2\"", &xml, body, true);
    check("ARGS|XML:/*|XML://@* \"@streq 1<2\"", &xml, body, true);
    check("REQBODY_PROCESSOR \"@streq XML\"", &xml, body, true);
    check("REQBODY_ERROR \"@eq 1\"", &xml, "<a>", true);
    let excluded = "SecAction \"id:1,phase:1,nolog,ctl:ruleRemoveTargetById=2;XML://@*\"\nSecRule XML://@* \"@rx .\" \"id:2\"";
    assert!(ids(excluded, "/", &xml, body).is_empty());
}

#[test]
fn a_control_chooses_the_processor_and_keeps_the_body() {
    let plain = [("Content-Type", "text/plain")];
    let rules = |control: &str| {
        format!(
            "SecAction \"id:1,phase:1,nolog,ctl:{control}\"\nSecRule ARGS:a \"@streq b\" \"id:2\"\nSecRule REQUEST_BODY \"@streq a=b\" \"id:3\""
        )
    };
    assert!(ids(&rules("auditEngine=Off"), "/", &plain, "a=b").is_empty());
    assert_eq!(
        ids(
            &rules("requestBodyProcessor=URLENCODED"),
            "/",
            &plain,
            "a=b"
        ),
        [2, 3]
    );
    assert_eq!(
        ids(&rules("forceRequestBodyVariable=On"), "/", &plain, "a=b"),
        [3]
    );
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(ids(&rules("auditEngine=Off"), "/", &form, "a=b"), [2, 3]);
    assert!(ids(&rules("requestBodyAccess=Off"), "/", &form, "a=b").is_empty());
}

#[test]
fn operators_of_lists_encodings_and_injections() {
    for (rule, expected) in [
        ("REMOTE_ADDR \"@ipMatch 192.0.2.0/24,::1\"", true),
        ("REMOTE_ADDR \"!@ipMatch 10.0.0.0/8\"", true),
        ("REMOTE_ADDR \"@ipMatch 10.0.0.0/8\"", false),
        ("ARGS:q \"@noMatch\"", false),
        ("REQUEST_HEADERS:S \"@detectSQLi\"", true),
        ("REQUEST_HEADERS:X \"@detectSQLi\"", false),
        ("REQUEST_HEADERS:X \"@detectXSS\"", true),
        ("REQUEST_HEADERS:S \"@detectXSS\"", false),
        ("REQUEST_HEADERS:E \"@validateUrlEncoding\"", true),
        ("REQUEST_HEADERS:S \"@validateUrlEncoding\"", false),
        ("REQUEST_HEADERS:S \"@validateUtf8Encoding\"", false),
        ("REQUEST_HEADERS:W \"@containsWord union\"", true),
        ("REQUEST_HEADERS:W \"@containsWord uni\"", false),
        ("REQUEST_HEADERS:W \"@strmatch nion\"", true),
        ("REQUEST_HEADERS:C \"@verifyCC\"", true),
        ("REQUEST_HEADERS:S \"@verifyCC\"", false),
        ("REQUEST_HEADERS:W \"@rx (?<!re)union\"", true),
        ("REQUEST_HEADERS:W \"@rx (?<!a )union\"", false),
    ] {
        let fields = [
            ("S", "1' or '1'='1"),
            ("X", "<script>alert(1)</script>"),
            ("E", "100%"),
            ("W", "a union b"),
            ("C", "4111 1111 1111 1111"),
        ];
        check(rule, &fields, "", expected);
    }
    let fingerprint =
        "SecRule ARGS \"@detectSQLi\" \"id:1,nolog,capture\"\nSecRule TX:0 \"@rx ^s\" \"id:2\"";
    assert_eq!(ids(fingerprint, "/?q=1%27+or+%271%27=%271", &[], ""), [2]);
}

#[test]
fn each_step_is_asked_about_with_multi_match() {
    let rules = "SecRule ARGS:a \"@rx [A%]\" \"id:1,nolog,multiMatch,t:urlDecode,t:lowercase,setvar:tx.n=+1\"\nSecRule TX:n \"@eq 2\" \"id:2\"";
    assert_eq!(ids(rules, "/?a=%2541", &[], ""), [2]);
    let once = rules.replace("multiMatch,", "");
    assert!(ids(&once, "/?a=%2541", &[], "").is_empty());
}

#[test]
fn patterns_take_macros() {
    let rules = "SecAction \"id:1,phase:1,nolog,setvar:tx.allowed=^(a|b)$\"\nSecRule ARGS:x \"!@rx %{tx.allowed}\" \"id:2\"";
    assert_eq!(ids(rules, "/?x=c", &[], ""), [2]);
    assert!(ids(rules, "/?x=b", &[], "").is_empty());
}

#[test]
fn links_see_what_earlier_ones_matched() {
    let rules = "SecRule ARGS \"@rx ^x\" \"id:1,chain\"\nSecRule MATCHED_VARS \"@streq xb\" \"chain\"\nSecRule MATCHED_VARS_NAMES \"@streq ARGS:b\"";
    assert_eq!(ids(rules, "/?a=xa&b=xb", &[], ""), [1]);
    assert!(ids(rules, "/?a=xa&c=xb", &[], "").is_empty());
    let count = "SecRule ARGS \"@rx ^x\" \"id:1,chain\"\nSecRule &MATCHED_VARS \"@eq 2\"";
    assert_eq!(ids(count, "/?a=xa&b=xb", &[], ""), [1]);
}

#[test]
fn rules_are_removed_and_changed_by_id_tag_and_message() {
    let rule = |id: u32, tag: &str| {
        format!("SecRule ARGS \"@rx x\" \"id:{id},tag:'{tag}',msg:'m{id}',t:none\"\n")
    };
    let rules = rule(1, "a/b") + &rule(2, "a/c") + &rule(3, "d");
    let found = |more: &str| ids(&(rules.clone() + more), "/?p=x&q=y", &[], "");
    assert_eq!(found(""), [1, 2, 3]);
    assert_eq!(found("SecRuleRemoveById 1 3"), [2]);
    assert_eq!(found("SecRuleRemoveById 1-2"), [3]);
    assert_eq!(found("SecRuleRemoveByTag \"a/b\""), [2, 3]);
    assert_eq!(found("SecRuleRemoveByTag \"^a/.*\""), [3]);
    assert_eq!(found("SecRuleRemoveByMsg m2"), [1, 3]);
    assert_eq!(found("SecRuleUpdateTargetById 1 \"!ARGS:p\""), [2, 3]);
    assert_eq!(found("SecRuleUpdateTargetByTag a/c \"!ARGS:/^p/\""), [1, 3]);
    assert_eq!(found("SecRuleUpdateTargetByMsg m3 \"!ARGS\""), [1, 2]);
    assert_eq!(found("SecRuleUpdateActionById 2 \"nolog\""), [1, 3]);
    let added = ids(
        &(rules.clone() + "SecRuleUpdateTargetById 1 \"REQUEST_HEADERS:Z\""),
        "/",
        &[("Z", "x")],
        "",
    );
    assert_eq!(added, [1]);
}

#[test]
fn controls_change_the_rest_of_the_request() {
    let rule = |id: u32, tag: &str| {
        format!("SecRule ARGS|REQUEST_HEADERS \"@rx ^x\" \"id:{id},tag:'{tag}',msg:'m{id}'\"\n")
    };
    let found = |control: &str| {
        let rules = format!("SecAction \"id:9,phase:1,nolog,ctl:{control}\"\n")
            + &rule(1, "a")
            + &rule(2, "b");
        ids(&rules, "/?p=x", &[("H", "-")], "")
    };
    assert_eq!(found("auditLogParts=+E"), [1, 2]);
    assert_eq!(found("ruleRemoveByTag=a"), [2]);
    assert_eq!(found("ruleRemoveByMsg=m2"), [1]);
    assert_eq!(found("ruleRemoveTargetById=1;ARGS:p"), [2]);
    assert_eq!(found("ruleRemoveTargetById=1-2;ARGS:other"), [1, 2]);
    assert_eq!(found("ruleRemoveTargetByTag=b;ARGS"), [1]);
    assert_eq!(found("ruleRemoveTargetByTag=b;ARGS:/^P$/"), [1]);
    assert_eq!(found("ruleRemoveTargetByMsg=m1;ARGS:p"), [2]);
    assert!(found("ruleEngine=Off").is_empty());
}

#[test]
fn skip_passes_over_rules_of_its_phase_and_allow_over_phases() {
    let rules = "SecAction \"id:1,skip:1\"\nSecAction \"id:2,phase:1\"\nSecAction \"id:3\"\nSecAction \"id:4\"";
    assert_eq!(ids(rules, "/", &[], ""), [2, 1, 4]);
    let allow = |what: &str| {
        let rules = format!(
            "SecAction \"id:1,phase:1,{what}\"\nSecAction \"id:2,phase:1\"\nSecAction \"id:3\"\nSecAction \"id:5,phase:5\""
        );
        ids(&rules, "/", &[], "")
    };
    assert_eq!(allow("allow"), [1, 5]);
    assert_eq!(allow("allow:request"), [1, 5]);
    assert_eq!(allow("allow:phase"), [1, 3, 5]);
}

#[test]
fn records_are_kept_from_one_request_to_the_next_until_they_expire() {
    let rules = "SecAction \"id:1,phase:1,nolog,initcol:ip=%{REMOTE_ADDR}\"\n\
                 SecAction \"id:2,phase:1,nolog,setvar:ip.count=+1,expirevar:ip.count=60\"\n\
                 SecRule IP:count \"@gt 2\" \"id:3,phase:1,msg:'%{ip.count}'\"\n\
                 SecRule &IP:count \"@eq 0\" \"id:4,phase:1\"\nSecRule ARGS:reset \"@rx .\" \"id:5,phase:2,nolog,setvar:!ip.count\"\n\
                 SecRule &IP:/^cou/ \"@eq 0\" \"id:6,phase:2\"";
    let options = Options::default();
    let program = program(rules, &options);
    let at = |now_s| ask(&program, now_s, "/", &[], "");
    assert!(at(100).is_empty() && at(110).is_empty());
    assert_eq!(at(120), [3]);
    assert!(at(181).is_empty());
    assert_eq!(ask(&program, 182, "/?reset=1", &[], ""), [6]);
    // The program that takes its place goes on where it was.
    let next = self::program(rules, &options);
    ask(&next, 183, "/", &[], "");
    ask(&next, 184, "/", &[], "");
    assert_eq!(ask(&next, 185, "/", &[], ""), [3]);
}

#[test]
fn rules_above_the_level_run_when_the_level_is_raised() {
    let rules = "SecRule ARGS:pl \"@rx ^(\\d)$\" \"id:9,phase:1,nolog,capture,setvar:tx.paranoia_level=%{tx.1}\"\n\
                 SecRule TX:paranoia_level \"@lt 2\" \"id:1,phase:2,nolog,skipAfter:END\"\n\
                 SecRule ARGS \"@rx x\" \"id:2\"\nSecRule TX:paranoia_level \"@lt 3\" \"id:3,phase:2,nolog,skipAfter:END\"\n\
                 SecRule ARGS \"@rx y\" \"id:4\"\nSecMarker END\nSecRule ARGS \"@rx z\" \"id:5\"";
    let of = |target: &str| ids(rules, target, &[], "");
    assert_eq!(of("/?a=xyz"), [5]);
    assert_eq!(of("/?a=xyz&pl=2"), [2, 5]);
    assert_eq!(of("/?a=xyz&pl=3"), [2, 4, 5]);
}

fn response(rules: &str, options: &Options, kind: &str, body: &str) -> (Vec<u32>, Verdict) {
    let mut transaction = Transaction::begin(program(rules, options), Scratch::new());
    transaction.request_head(&RequestLine {
        client: [192, 0, 2, 1].into(),
        method: b"GET",
        target: b"/",
        protocol: b"HTTP/1.1",
        fields: &[],
    });
    transaction.request_end();
    let fields: [(&[u8], &[u8]); 2] = [(b"Content-Type", kind.as_bytes()), (b"X-Leak", b"secret")];
    let mut verdict = transaction.response_head(&ResponseLine {
        status: 500,
        protocol: b"HTTP/1.1",
        fields: &fields,
    });
    for chunk in body.as_bytes().chunks(3) {
        if verdict == Verdict::Pass {
            verdict = transaction.response_chunk(chunk);
        }
    }
    if verdict == Verdict::Pass {
        verdict = transaction.response_end();
    }
    transaction.finish();
    let ids = transaction.matches().iter().map(|m| m.rule).collect();
    (ids, verdict)
}

#[test]
fn responses_are_judged_in_their_phases() {
    let rules = "SecRule RESPONSE_STATUS \"@rx ^5\" \"id:1,phase:3\"\nSecRule RESPONSE_HEADERS:X-Leak \"@streq secret\" \"id:2,phase:3\"\n\
                 SecRule RESPONSE_BODY \"@contains error\" \"id:3,phase:4,deny,status:502\"\nSecRule RESPONSE_STATUS \"@streq 500\" \"id:4,phase:5\"\n\
                 SecRule STATUS_LINE \"@streq HTTP/1.1 500\" \"id:5,phase:3\"\nSecRule RESPONSE_CONTENT_TYPE \"@beginsWith text/html\" \"id:6,phase:3\"";
    let on = Options {
        response_body: true,
        ..Options::default()
    };
    let denied = Verdict::Deny {
        status: 502,
        rule: 3,
    };
    let found = response(rules, &on, "text/html; charset=utf-8", "an error in line 1");
    assert_eq!(found, (vec![1, 2, 5, 6, 3, 4], denied));
    let pass = |options: &Options, kind: &str| response(rules, options, kind, "an error").1;
    assert_eq!(pass(&on, "image/png"), Verdict::Pass);
    assert_eq!(pass(&Options::default(), "text/html"), Verdict::Pass);
    let off = format!("SecResponseBodyAccess Off\n{rules}");
    assert_eq!(
        response(&off, &on, "text/html", "an error").1,
        Verdict::Pass
    );
    let limit = format!("SecResponseBodyLimit 5\n{rules}");
    assert_eq!(
        response(&limit, &on, "text/html", "an error").1,
        Verdict::Pass
    );
    let reject = format!("SecResponseBodyLimit 5\nSecResponseBodyLimitAction Reject\n{rules}");
    assert!(matches!(
        response(&reject, &on, "text/html", "an error").1,
        Verdict::Deny { rule: 0, .. }
    ));
}

#[test]
fn a_detecting_program_runs_on_and_tells_the_first_refusal() {
    let options = Options {
        detect: true,
        ..Options::default()
    };
    let program = program(
        "SecAction \"id:1,phase:1,deny\"\nSecAction \"id:2,phase:1,deny,status:404\"",
        &options,
    );
    let mut transaction = Transaction::begin(program, Scratch::new());
    let verdict = transaction.request_head(&RequestLine {
        client: [192, 0, 2, 1].into(),
        method: b"GET",
        target: b"/",
        protocol: b"HTTP/1.1",
        fields: &[],
    });
    assert_eq!(
        verdict,
        Verdict::Deny {
            status: 403,
            rule: 1
        }
    );
    assert_eq!(transaction.matches().len(), 2);
}

/// Files that are nowhere but here.
#[derive(Default)]
struct Shelf(BTreeMap<PathBuf, &'static str>);

impl Files for Shelf {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(text.as_bytes().to_vec())
    }

    fn matching(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let text = pattern.to_string_lossy();
        let Some((before, after)) = text.split_once('*') else {
            return Ok(vec![pattern.to_owned()]);
        };
        let mine = |path: &&PathBuf| {
            let path = path.to_string_lossy();
            path.starts_with(before) && path.ends_with(after)
        };
        Ok(self.0.keys().filter(mine).cloned().collect())
    }
}

fn load(main: &str, files: &[(&str, &'static str)]) -> Result<Program, Vec<String>> {
    let shelf = Shelf(files.iter().map(|(n, t)| (PathBuf::from(n), *t)).collect());
    let mut sources = SourceMap::default();
    let file = sources.add("/etc/main.conf", main.to_owned());
    Program::load(&mut sources, &[file], &shelf, &Options::default())
        .map_err(|found| found.lines(&sources))
}

#[test]
fn files_are_included_in_order_and_name_their_lists() {
    let files = [
        (
            "/etc/rules/b.conf",
            "SecRule ARGS \"@pmFromFile words.data more.data\" \"id:2\"\nSecMarker END",
        ),
        (
            "/etc/rules/a.conf",
            "SecRule ARGS:skip \"@rx .\" \"id:1,skipAfter:END\"",
        ),
        ("/etc/rules/words.data", "# a comment\n\nevil word\n"),
        ("/etc/rules/more.data", "other\r\n"),
        ("/etc/nets", "192.0.2.0/24\n# none\n10.0.0.1\n"),
    ];
    let main = "Include rules/*.conf\nIncludeOptional nothing/*.conf\nSecRule REMOTE_ADDR \"@ipMatchFromFile nets\" \"id:3\"";
    let program = Arc::new(load(main, &files).unwrap());
    assert_eq!(program.rule_count(), 3);
    assert_eq!(ask(&program, 0, "/?q=an+EVIL+Word", &[], ""), [2, 3]);
    assert_eq!(ask(&program, 0, "/?q=another", &[], ""), [2, 3]);
    assert_eq!(ask(&program, 0, "/?q=comment", &[], ""), [3]);
    assert_eq!(ask(&program, 0, "/?q=other&skip=1", &[], ""), [1, 3]);
}

#[test]
fn what_is_wrong_in_any_file_is_told_at_its_place_all_at_once() {
    let files = [
        (
            "/etc/a.conf",
            "\nSecRule ARGS \"@pmFromFile gone.data\" \"id:1\"\nSecRul x",
        ),
        ("/etc/loop.conf", "Include loop.conf"),
    ];
    let found = load(
        "Include a.conf\nInclude none*.conf\nInclude loop.conf\n",
        &files,
    )
    .unwrap_err();
    for expected in [
        "/etc/a.conf:2:",
        "/etc/a.conf:3:1: error[unknown-directive]",
        "/etc/main.conf:2:9: error[no-file]",
        "/etc/loop.conf:1:9: error[include-depth]",
    ] {
        assert!(
            found.iter().any(|line| line.starts_with(expected)),
            "{expected}: {found:#?}"
        );
    }
}

#[test]
fn what_can_never_match_is_warned_of() {
    let rules = "SecRule REMOTE_ADDR \"@rbl dnsbl.test\" \"id:1\"\nSecRule GEO:COUNTRY_CODE \"@rx .\" \"id:2\"\nSecAuditLog /var/log/x";
    let program = program(rules, &Options::default());
    let codes: Vec<_> = program.warnings().iter().map(|d| d.code).collect();
    assert_eq!(codes, ["never-matches", "absent-variable"]);
    assert!(ask(&program, 0, "/", &[], "").is_empty());
}
