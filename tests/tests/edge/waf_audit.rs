//! The WAF's audit log.

use crate::waf::post;
use seawall_tests::{Edge, Origin, Running, eventually};
use serde_json::Value;

const ATTACK: &str = "/search?token=geheim&q=%27%20or%201%3D1%20union%20select%20null--";

/// The Core Rule Set in front of an origin, with an audit log.
fn audited(origin: &Origin, rules: &str, audit: &str) -> Running {
    let edge = Edge::yaml(format!(
        "wafs: {{ crs: {{ rules: {rules}, mode: block, audit_log: {audit} }} }}\nsites: [{{ host: a.test, waf: crs, to: \"{origin}\" }}]"
    ));
    edge.write("rules/.keep", "");
    edge.start()
}

/// The entries so far, once there are as many.
fn entries(edge: &Running, file: &str, count: usize) -> Vec<Value> {
    eventually("entries of the audit log", || {
        let text = std::fs::read_to_string(edge.path(file)).unwrap_or_default();
        // A line that is being written is none yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines: Vec<Value> = whole
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect();
        (lines.len() >= count).then_some(lines)
    })
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    let found = value.pointer(path).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("{path} in {value:#}"))
}

#[test]
fn a_refusal_is_an_entry_in_modsecuritys_json_and_a_request_without_a_match_is_none() {
    let origin = Origin::start();
    let edge = audited(&origin, "owasp-crs", "./audit.json");
    let get = |target: &str| {
        let head = "Host: a.test\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nAuthorization: Bearer geheim\r\nCookie: sid=geheim";
        edge.exchange(format!("GET {target} HTTP/1.1\r\n{head}\r\n\r\n"))
            .status
    };
    assert_eq!((get("/"), get(ATTACK), get("/")), (200, 403, 200));
    let all = entries(&edge, "audit.json", 1);
    assert_eq!(all.len(), 1, "{all:#?}");
    let entry = &all[0]["transaction"];
    assert_eq!(text(entry, "/client_ip"), "127.0.0.1");
    assert_eq!(text(entry, "/unique_id").len(), 32);
    assert_eq!(text(entry, "/time_stamp").len(), 24);
    assert_eq!(text(entry, "/request/method"), "GET");
    assert_eq!(entry["request"]["http_version"], 1.1);
    assert!(text(entry, "/request/uri").starts_with("/search?token=***&q=%27"));
    assert_eq!(text(entry, "/request/headers/Host"), "a.test");
    assert_eq!(entry["response"]["http_code"], 403);
    assert_eq!(text(entry, "/response/headers/Server"), "seawall");
    assert_eq!(text(entry, "/producer/secrules_engine"), "Enabled");
    assert_eq!(text(entry, "/producer/components/0"), "OWASP_CRS/3.3.4");
    let messages = entry["messages"].as_array().expect("messages");
    let of = |id: &str| {
        let found = messages.iter().find(|m| m["details"]["ruleId"] == id);
        found.unwrap_or_else(|| panic!("{id} in {entry:#}"))
    };
    let sqli = of("942100");
    assert_eq!(
        text(sqli, "/message"),
        "SQL Injection Attack Detected via libinjection"
    );
    let details = &sqli["details"];
    let file = "/usr/share/modsecurity-crs/rules/REQUEST-942-APPLICATION-ATTACK-SQLI.conf";
    assert_eq!(text(details, "/file"), file);
    let line: usize = text(details, "/lineNumber").parse().expect("a number");
    let rules = std::fs::read_to_string(file).expect("the Core Rule Set");
    let written = rules.lines().nth(line - 1).expect("a line");
    assert!(written.contains("@detectSQLi"), "{line}: {written}");
    assert!(text(details, "/match").starts_with("Matched \"Operator `DetectSQLi' with parameter"));
    assert!(text(details, "/data").contains("Matched Data:"));
    assert_eq!(
        (text(details, "/severity"), text(details, "/ver")),
        ("2", "OWASP_CRS/3.3.4")
    );
    assert_eq!(text(details, "/maturity"), "0");
    assert!(text(details, "/reference").starts_with('o'));
    let tags = details["tags"].as_array().expect("tags");
    assert!(tags.iter().any(|tag| tag == "attack-sqli"), "{tags:?}");
    of("949110");
    let raw = std::fs::read_to_string(edge.path("audit.json")).expect("the log");
    assert!(!raw.contains("geheim"), "{raw}");
    // What watches the error log still finds its line, with the same id.
    let line = edge.logged("ModSecurity: Access denied with code 403.");
    assert!(line.contains(text(entry, "/unique_id")), "{line}");
}

#[test]
fn each_family_of_attacks_gives_a_line_that_parses() {
    let origin = Origin::start();
    let edge = audited(
        &origin,
        "owasp-crs",
        "{ path: ./audit.json, parts: ABCFHZ, buffer: off }",
    );
    let mut count = 0;
    for target in [
        "/?f=../../../../etc/passwd",
        "/?c=;cat%20/etc/passwd",
        "/?p=%3C?php%20phpinfo();%22%00%ff",
        "/?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/?x=java.lang.Runtime",
    ] {
        assert_eq!(edge.get("a.test", target).status, 403, "{target}");
        count += 1;
        assert_eq!(entries(&edge, "audit.json", count).len(), count);
    }
    let body = "q=%27+or+1%3D1--+-&password=geheim";
    assert_eq!(
        edge.exchange(post("application/x-www-form-urlencoded", body))
            .status,
        403
    );
    let all = entries(&edge, "audit.json", count + 1);
    let request = &all[count]["transaction"]["request"];
    assert_eq!(request["body"], "q=%27+or+1%3D1--+-&password=***");
    let body = r#"{"q":"' or 1=1--","secret":"geheim"}"#;
    assert_eq!(edge.exchange(post("application/json", body)).status, 403);
    let all = entries(&edge, "audit.json", count + 2);
    let request = &all[count + 1]["transaction"]["request"];
    assert_eq!(request["body"], r#"{"q":"' or 1=1--","secret":"***"}"#);
}

#[test]
fn rule_files_say_what_is_audited_and_rules_change_it() {
    let origin = Origin::start();
    origin.answer("/gone", "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
    let edge = Edge::yaml(format!(
        "wafs: {{ own: {{ rules: [rules/own.conf], mode: block, audit_log: {{ path: ./audit.json, buffer: off }} }} }}
sites: [{{ host: a.test, waf: own, to: \"{origin}\" }}]"
    ));
    edge.write(
        "rules/own.conf",
        "SecAuditEngine RelevantOnly\nSecAuditLogParts AHZ\nSecAuditLogRelevantStatus \"^4(?!04)\"\n\
         SecRule ARGS:quiet \"@streq 1\" \"id:1,phase:1,pass,log,noauditlog\"\n\
         SecRule ARGS:only \"@streq 1\" \"id:2,phase:1,pass,nolog,auditlog,msg:'only',ver:'v',rev:'r',maturity:'1',accuracy:'2'\"\n\
         SecRule ARGS:all \"@streq 1\" \"id:3,phase:1,pass,nolog,ctl:auditEngine=On,ctl:auditLogParts=+BF\"\n\
         SecRule ARGS:refused \"@streq 1\" \"id:4,phase:1,deny,status:403\"\n",
    );
    let edge = edge.start();
    let get = |target: &str| edge.get("a.test", target).status;
    assert_eq!(
        [
            get("/?quiet=1"),
            get("/?only=1"),
            get("/?all=1"),
            get("/gone"),
            get("/")
        ],
        [200, 200, 200, 410, 200]
    );
    let all = entries(&edge, "audit.json", 3);
    assert_eq!(all.len(), 3, "{all:#?}");
    // Threads write when they are done.
    let of = |uri: &str| {
        let entries = all.iter().map(|entry| &entry["transaction"]);
        let mut mine = entries.filter(|entry| text(entry, "/request/uri") == uri);
        mine.next().unwrap_or_else(|| panic!("{uri} in {all:#?}"))
    };
    let (only, parts, gone) = (of("/?only=1"), of("/?all=1"), of("/gone"));
    let details = &only["messages"][0]["details"];
    assert_eq!(
        ["ruleId", "ver", "rev", "maturity", "accuracy"]
            .map(|name| details[name].as_str().unwrap()),
        ["2", "v", "r", "1", "2"]
    );
    assert!(only["request"].get("headers").is_none());
    assert!(
        parts["request"].get("headers").is_some() && parts["response"].get("headers").is_some()
    );
    assert_eq!(gone["response"]["http_code"], 410);
    // What is for the audit log alone is not in the error log, where refusals have their reasons.
    assert_eq!(get("/?only=1&refused=1"), 403);
    edge.logged(
        "ModSecurity: Access denied with code 403. Matched against variable `ARGS:refused'",
    );
    assert!(!edge.error_log().contains("[id \"2\"]"));
}

#[test]
fn parts_that_there_are_not_are_an_error_at_their_line() {
    let edge = Edge::yaml(
        "wafs:\n  own:\n    audit_log: { path: a.json, parts: ABQ }\nsites: [{ host: a.test, waf: own, respond: 204 }]",
    );
    let checked = edge.seawall(&["check", "-c", "seawall.yaml"]);
    let text = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(
        !checked.status.success() && text.contains("`ABQ` are no parts of an audit log"),
        "{text}"
    );
}
