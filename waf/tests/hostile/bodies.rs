//! What must hold whatever the bytes are: nothing breaks, and the work stays within its limit. Shared by the seeded test
//! and by the fuzz targets.

use std::sync::{Arc, OnceLock};

use seawall_diag::SourceMap;
use seawall_waf::{
    DiskFiles, Files, Limits, Options, Program, RequestLine, ResponseLine, Scratch, Transaction,
    Verdict,
};

/// Work of one of these requests; far below it stay those that are not meant ill.
const WORK_MAX: u64 = 50_000_000;

const TRANSFORMATIONS: &[&str] = &[
    "base64Decode",
    "base64DecodeExt",
    "base64Encode",
    "cmdLine",
    "compressWhitespace",
    "cssDecode",
    "escapeSeqDecode",
    "hexDecode",
    "hexEncode",
    "htmlEntityDecode",
    "jsDecode",
    "length",
    "lowercase",
    "md5",
    "normalizePath",
    "normalizePathWin",
    "parityEven7bit",
    "parityOdd7bit",
    "parityZero7bit",
    "removeComments",
    "removeCommentsChar",
    "removeNulls",
    "removeWhitespace",
    "replaceComments",
    "replaceNulls",
    "sha1",
    "sqlHexDecode",
    "trim",
    "uppercase",
    "urlDecode",
    "urlDecodeUni",
    "urlEncode",
    "utf8toUnicode",
];

const EVERYWHERE: &str = "ARGS|ARGS_NAMES|REQUEST_BODY|REQUEST_HEADERS|REQUEST_COOKIES|REQUEST_URI|FILES|FILES_NAMES|FILES_TMP_CONTENT|MULTIPART_PART_HEADERS|XML:/*|XML://@*";

fn compile(rules: String) -> Option<Program> {
    let mut sources = SourceMap::default();
    let file = sources.add("fuzz.conf", rules);
    let options = Options {
        paranoia: 4,
        limits: Limits {
            work_max: WORK_MAX,
            ..Limits::default()
        },
        ..Options::default()
    };
    Program::compile(&mut sources, &[file], &options).ok()
}

fn program(rules: impl FnOnce() -> String, cell: &'static OnceLock<Arc<Program>>) -> Arc<Program> {
    cell.get_or_init(|| Arc::new(compile(rules()).expect("the rules are right")))
        .clone()
}

/// A request with these bytes where the client chooses them.
fn run(program: Arc<Program>, content_type: &[u8], body: &[u8], value: &[u8]) {
    let target = [b"/a?q=", value].concat();
    let fields: [(&[u8], &[u8]); 4] = [
        (b"Host", b"a"),
        (b"Content-Type", content_type),
        (b"X", value),
        (b"Cookie", value),
    ];
    let mut transaction = Transaction::begin(program, Scratch::new());
    transaction.request_head(&RequestLine {
        client: [192, 0, 2, 1].into(),
        method: b"POST",
        target: &target,
        protocol: b"HTTP/1.1",
        fields: &fields,
    });
    body.chunks(7000).for_each(|chunk| {
        transaction.body_chunk(chunk);
    });
    transaction.request_end();
    transaction.finish();
    // One value more than the limit may have been looked at.
    assert!(transaction.work() < 2 * WORK_MAX, "{}", transaction.work());
}

/// A rule file.
pub fn rule_file(input: &[u8]) {
    if let Some(program) = compile(String::from_utf8_lossy(input).into_owned()) {
        run(
            Arc::new(program),
            b"application/x-www-form-urlencoded",
            b"a=1&b=%27",
            b"x",
        );
    }
}

/// A value that every transformation is applied to, alone and one after the other.
pub fn transformations(input: &[u8]) {
    static PROGRAM: OnceLock<Arc<Program>> = OnceLock::new();
    let rules = || {
        let mut rules = String::new();
        for (i, name) in TRANSFORMATIONS.iter().enumerate() {
            rules += &format!(
                "SecRule REQUEST_HEADERS:X \"@rx evil\" \"id:{},t:{name},multiMatch\"\n",
                i + 1
            );
        }
        let all: Vec<String> = TRANSFORMATIONS.iter().map(|t| format!("t:{t}")).collect();
        rules
            + &format!(
                "SecRule ARGS \"!@rx evil\" \"id:999,{},multiMatch\"\n",
                all.join(",")
            )
    };
    run(program(rules, &PROGRAM), b"", b"", input);
}

fn parsed(content_type: &[u8], input: &[u8]) {
    static PROGRAM: OnceLock<Arc<Program>> = OnceLock::new();
    let rules = || {
        format!(
            "SecRule {EVERYWHERE} \"@rx (?i)(union|<script)\" \"id:1,t:urlDecodeUni,t:lowercase,capture,logdata:'%{{TX.1}} %{{MATCHED_VAR}}'\"\n\
             SecRule {EVERYWHERE} \"@pm etc passwd\" \"id:2\"\nSecRule {EVERYWHERE} \"!@rx ^[a-z]*$\" \"id:3,setvar:tx.%{{MATCHED_VAR_NAME}}=+1\"\n\
             SecRule MULTIPART_STRICT_ERROR|REQBODY_ERROR \"!@eq 0\" \"id:4,msg:'%{{REQBODY_ERROR_MSG}}'\"\n\
             SecRule &FILES|&ARGS|FILES_COMBINED_SIZE \"@gt 3\" \"id:5\""
        )
    };
    run(program(rules, &PROGRAM), content_type, input, b"x");
}

/// A form with files.
pub fn multipart(input: &[u8]) {
    parsed(b"multipart/form-data; boundary=B", input);
    let kind = [
        b"multipart/form-data; boundary=",
        input.get(..40).unwrap_or(input),
    ]
    .concat();
    parsed(&kind, input);
}

/// A JSON body.
pub fn json(input: &[u8]) {
    parsed(b"application/json", input);
}

/// An XML body.
pub fn xml(input: &[u8]) {
    parsed(b"text/xml", input);
}

/// A form, as it is sent.
pub fn urlencoded(input: &[u8]) {
    parsed(b"application/x-www-form-urlencoded", input);
}

/// Debian's Core Rule Set at paranoia level 4, where it is installed.
fn core_rules() -> Option<Arc<Program>> {
    static PROGRAM: OnceLock<Option<Arc<Program>>> = OnceLock::new();
    let load = || {
        let path = "/usr/share/modsecurity-crs/owasp-crs.load";
        let text = DiskFiles.read(path.as_ref()).ok()?;
        let mut sources = SourceMap::default();
        let file = sources.add(path, String::from_utf8(text).ok()?);
        let options = Options {
            paranoia: 4,
            response_body: true,
            ..Options::default()
        };
        let program = Program::load(&mut sources, &[file], &DiskFiles, &options);
        Some(Arc::new(program.expect("the rules are right")))
    };
    PROGRAM.get_or_init(load).clone()
}

/// A whole transaction against the Core Rule Set: the first byte says what the body is, the first line is the target, those
/// up to an empty one are fields, the rest is the body, and the response's as well. Step by step it comes to the same as in
/// one go.
pub fn crs(input: &[u8]) {
    const KINDS: [&[u8]; 5] = [
        b"application/x-www-form-urlencoded",
        b"application/json",
        b"text/xml",
        b"multipart/form-data; boundary=B",
        b"text/plain",
    ];
    let (Some(program), Some((kind, rest))) = (core_rules(), input.split_first()) else {
        return;
    };
    let (head, body) = match rest.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&rest[..at], &rest[at + 2..]),
        None => (rest, &b""[..]),
    };
    let mut lines = head.split(|b| *b == b'\n');
    let target = [b"/", lines.next().unwrap_or_default()].concat();
    let mut fields: Vec<(&[u8], &[u8])> = vec![
        (b"Host", b"a.test"),
        (b"Content-Type", KINDS[*kind as usize % KINDS.len()]),
    ];
    fields.extend(lines.take(100).filter_map(|line| {
        let colon = line.iter().position(|b| *b == b':')?;
        Some((&line[..colon], &line[colon + 1..]))
    }));
    let whole = transaction(&program, &target, &fields, body, u64::MAX);
    let stepped = transaction(&program, &target, &fields, body, 20_000);
    assert_eq!(whole, stepped);
}

/// The verdicts, the rules that matched and the score.
fn transaction(
    program: &Arc<Program>,
    target: &[u8],
    fields: &[(&[u8], &[u8])],
    body: &[u8],
    budget: u64,
) -> (Vec<Verdict>, Vec<u32>, u32) {
    let mut transaction = Transaction::begin(program.clone(), Scratch::new());
    let mut verdicts = Vec::new();
    transaction.start_head(&RequestLine {
        client: [192, 0, 2, 1].into(),
        method: b"POST",
        target,
        protocol: b"HTTP/1.1",
        fields,
    });
    verdicts.push(run_out(&mut transaction, budget));
    verdicts.push(transaction.body_chunk(body));
    transaction.start_end();
    verdicts.push(run_out(&mut transaction, budget));
    verdicts.push(transaction.response_head(&ResponseLine {
        status: 200,
        protocol: b"HTTP/1.1",
        fields: &[(b"Content-Type", b"text/html")],
    }));
    verdicts.push(transaction.response_chunk(body));
    verdicts.push(transaction.response_end());
    transaction.finish();
    let rules = transaction.matches().iter().map(|m| m.rule).collect();
    (verdicts, rules, transaction.score())
}

/// In steps; what a step cannot do, a step without end does.
fn run_out(transaction: &mut Transaction, budget: u64) -> Verdict {
    for _ in 0..1000 {
        let before = transaction.work();
        match transaction.step(budget) {
            Some(verdict) => return verdict,
            None if transaction.work() == before => break,
            None => {}
        }
    }
    transaction.step(u64::MAX).unwrap_or(Verdict::Pass)
}

fn injected(input: &[u8]) {
    static PROGRAM: OnceLock<Arc<Program>> = OnceLock::new();
    let rules = || {
        "SecRule ARGS|REQUEST_HEADERS:X \"@detectSQLi\" \"id:1,capture\"\nSecRule ARGS|REQUEST_HEADERS:X \"@detectXSS\" \"id:2,t:urlDecodeUni\"".to_owned()
    };
    run(program(rules, &PROGRAM), b"", b"", input);
}

/// A value that may be SQL.
pub fn sqli(input: &[u8]) {
    injected(input);
}

/// A value that may be markup.
pub fn xss(input: &[u8]) {
    injected(input);
}
