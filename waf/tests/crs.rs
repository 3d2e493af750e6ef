//! The OWASP Core Rule Set of Debian's package `modsecurity-crs`, loaded as it is: setup, rules, exclusions.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use seawall_diag::SourceMap;
use seawall_waf::{DiskFiles, Files, Options, Program, RequestLine, Scratch, Transaction, Verdict};

const LOAD: &str = "/usr/share/modsecurity-crs/owasp-crs.load";

fn program() -> Arc<Program> {
    static PROGRAM: OnceLock<Arc<Program>> = OnceLock::new();
    let load = || {
        let text = DiskFiles
            .read(Path::new(LOAD))
            .expect("the package modsecurity-crs is installed");
        let mut sources = SourceMap::default();
        let file = sources.add(LOAD, String::from_utf8(text).unwrap());
        let program = Program::load(&mut sources, &[file], &DiskFiles, &Options::default());
        Arc::new(program.unwrap_or_else(|found| panic!("{:#?}", found.lines(&sources))))
    };
    PROGRAM.get_or_init(load).clone()
}

/// A browser's request: the verdict, and the rules that matched.
fn judge(method: &str, target: &str, kind: &str, body: &str) -> (Verdict, Vec<u32>) {
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
    let mut transaction = Transaction::begin(program(), Scratch::new());
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
