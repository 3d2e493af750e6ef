//! What requests cost that nobody means well with: `cargo run --release -p seawall-waf --example adversarial [-n RUNS]
//! [-c CASE] [FILE...]` (`/usr/share/modsecurity-crs/owasp-crs.load` is Debian's Core Rule Set; without a file, the built-in rules).
//!
//! For each case: CPU of the whole request (median, the 99.9th percentile, the most), and the longest stretch on a thread
//! that serves others, as the edge steps: 300,000 bytes of work at a time, bodies over 8 KiB and what is left elsewhere.
//! Paranoia level 4, where most rules look. A request may take 50 ms in all, and 1 ms at a stretch.

use std::sync::Arc;

use nix::time::{ClockId, clock_gettime};
use seawall_diag::SourceMap;
use seawall_waf::{DiskFiles, Options, Program, RequestLine, Scratch, Transaction, Verdict};

/// As the edge has them.
const STEP_WORK: u64 = 300_000;
const INLINE_BYTES: usize = 8 << 10;

struct Case {
    name: String,
    target: String,
    fields: Vec<(&'static str, String)>,
    kind: &'static str,
    body: Vec<u8>,
}

fn main() {
    let mut runs = 1000;
    let mut wanted = String::new();
    let mut sources = SourceMap::default();
    let mut files = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "-n" {
            runs = arguments
                .next()
                .and_then(|n| n.parse().ok())
                .unwrap_or(runs);
            continue;
        }
        if argument == "-c" {
            wanted = arguments.next().unwrap_or_default();
            continue;
        }
        match std::fs::read_to_string(&argument) {
            Ok(text) => files.push(sources.add(argument, text)),
            Err(e) => {
                eprintln!("{argument}: {e}");
                std::process::exit(1);
            }
        }
    }
    let options = Options {
        paranoia: 4,
        detect: true,
        ..Options::default()
    };
    let program = match files.is_empty() {
        true => Program::builtin(&options),
        false => Program::load(&mut sources, &files, &DiskFiles, &options),
    };
    let program = match program {
        Ok(program) => Arc::new(program),
        Err(found) => {
            found.lines(&sources).iter().for_each(|d| eprintln!("{d}"));
            std::process::exit(1);
        }
    };
    println!(
        "{:38} {:>9} {:>9} {:>9} {:>9} {:>12}  verdict",
        "case (ms)", "median", "p99.9", "most", "stretch", "work"
    );
    let mut scratch = Scratch::new();
    for case in cases().iter().filter(|case| case.name.contains(&wanted)) {
        let (mut totals, mut stretch, mut last) = (Vec::new(), 0.0f64, (Verdict::Pass, 0));
        for _ in 0..runs {
            let run;
            (run, scratch) = judge(&program, scratch, case);
            totals.push(run.total_s);
            stretch = stretch.max(run.stretch_s);
            last = (run.verdict, run.work);
        }
        totals.sort_by(f64::total_cmp);
        let at = |share: f64| totals[((totals.len() - 1) as f64 * share).ceil() as usize] * 1e3;
        println!(
            "{:38} {:9.3} {:9.3} {:9.3} {:9.3} {:>12}  {:?}",
            case.name,
            at(0.5),
            at(0.999),
            at(1.0),
            stretch * 1e3,
            last.1,
            last.0
        );
    }
}

/// CPU time of this thread.
fn cpu_s() -> f64 {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock of this thread");
    now.tv_sec() as f64 + now.tv_nsec() as f64 * 1e-9
}

struct Run {
    total_s: f64,
    stretch_s: f64,
    work: u64,
    verdict: Verdict,
}

/// A clock for what is done here, and for what is left to others.
#[derive(Default)]
struct Clock {
    total_s: f64,
    stretch_s: f64,
}

impl Clock {
    fn here<T>(&mut self, what: impl FnOnce() -> T) -> T {
        let (done, took) = timed(what);
        self.total_s += took;
        self.stretch_s = self.stretch_s.max(took);
        done
    }

    fn elsewhere<T>(&mut self, what: impl FnOnce() -> T) -> T {
        let (done, took) = timed(what);
        self.total_s += took;
        done
    }
}

fn timed<T>(what: impl FnOnce() -> T) -> (T, f64) {
    let started = cpu_s();
    let done = what();
    (done, cpu_s() - started)
}

fn judge(program: &Arc<Program>, scratch: Scratch, case: &Case) -> (Run, Scratch) {
    let length = case.body.len().to_string();
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
    ];
    if !case.body.is_empty() {
        fields.push((b"Content-Type", case.kind.as_bytes()));
        fields.push((b"Content-Length", length.as_bytes()));
    }
    fields.extend(
        case.fields
            .iter()
            .map(|(n, v)| (n.as_bytes(), v.as_bytes())),
    );
    let head = RequestLine {
        client: [192, 0, 2, 7].into(),
        method: if case.body.is_empty() {
            b"GET"
        } else {
            b"POST"
        },
        target: case.target.as_bytes(),
        protocol: b"HTTP/1.1",
        fields: &fields,
    };
    let mut clock = Clock::default();
    let mut transaction = clock.here(|| Transaction::begin(Arc::clone(program), scratch));
    let step = clock.here(|| {
        transaction.start_head(&head);
        transaction.step(STEP_WORK)
    });
    let mut verdict = step.unwrap_or_else(|| clock.elsewhere(|| rest(&mut transaction)));
    if verdict == Verdict::Pass {
        verdict = if case.body.len() > INLINE_BYTES {
            clock.elsewhere(|| {
                transaction.body_chunk(&case.body);
                transaction.request_end()
            })
        } else {
            let step = clock.here(|| {
                transaction.body_chunk(&case.body);
                transaction.start_end();
                transaction.step(STEP_WORK)
            });
            step.unwrap_or_else(|| clock.elsewhere(|| rest(&mut transaction)))
        };
    }
    clock.here(|| transaction.finish());
    let run = Run {
        total_s: clock.total_s,
        stretch_s: clock.stretch_s,
        work: transaction.work(),
        verdict,
    };
    (run, transaction.into_scratch())
}

fn rest(transaction: &mut Transaction) -> Verdict {
    transaction.step(u64::MAX).unwrap_or(Verdict::Pass)
}

const FORM: &str = "application/x-www-form-urlencoded";

/// A piece as often as it fits.
fn filled(piece: &str, bytes: usize) -> String {
    piece.repeat(bytes / piece.len())
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Values of one piece over and over: in a field of the head, in a small form and in one as long as is looked at.
    for (name, piece) in [
        ("a long run", "x"),
        ("zeros", "%00"),
        ("quotes", "'\"`"),
        ("nested quotes", "'\"(` or "),
        ("brackets", "(((((((("),
        ("SQL without end", "'or(select 1,union "),
        ("SQL comments", "/*!*/--%0a"),
        ("dollar quotes", "$a$b"),
        ("backslashes", "\\\\'"),
        ("event handlers", "onxxxx+"),
        ("event handlers, values", "onclic=1+"),
        ("event handlers, escaped", "%6f%6exxxx%20"),
        ("an attribute of zeros", "on%00%00%00%00%00%00="),
        ("tags", "<a+x/on<%25"),
        ("comments of markup", "<!--x-"),
        ("slashes in a tag", "<a////////"),
        ("links", "href=%26%230%230;"),
        ("escapes", "%2527\\x27%26%2339;"),
        ("base64", "PHNjcmlwdD4="),
        ("commands", ";cat /etc/passwd|id&&ls "),
        ("PHP", "<?php $_GET[(a)](b) "),
        ("LDAP and Java", "(|(a=*)${jndi:java.lang."),
        ("paths", "../..%2f..%5c"),
        (
            "many rules",
            "' or 1=1--<script>;cat /etc/passwd ${jndi:x}<?php ",
        ),
    ] {
        let value = filled(piece, 7000);
        let escaped = value.replace(' ', "+");
        cases.push(Case {
            name: format!("{name}, head"),
            target: format!("/?q={}", escaped.replace('#', "%23")),
            fields: vec![
                ("Cookie", format!("a={}", value.replace(';', ","))),
                ("X-A", value.clone()),
            ],
            kind: "",
            body: Vec::new(),
        });
        for bytes in [8000, 128 << 10] {
            cases.push(Case {
                name: format!("{name}, form of {} KB", bytes / 1000),
                target: "/".to_owned(),
                fields: Vec::new(),
                kind: FORM,
                body: format!("a={}", filled(piece, bytes).replace(' ', "+")).into_bytes(),
            });
        }
    }
    let mut body = |name: &str, kind, body: String| {
        cases.push(Case {
            name: name.to_owned(),
            target: "/".to_owned(),
            fields: Vec::new(),
            kind,
            body: body.into_bytes(),
        });
    };
    let arguments = |value: &str, count: usize| -> String {
        (0..count).map(|i| format!("a{i}={value}&")).collect()
    };
    body("1,000 arguments", FORM, arguments("'or'1<a onxxxx=1", 1000));
    body("10,000 arguments", FORM, arguments("'or'1", 10_000));
    body(
        "1,000 arguments of one name",
        FORM,
        "a='x<onxxxx=1&".repeat(1000),
    );
    body(
        "JSON, deep",
        "application/json",
        format!("{}1{}", "{\"a\":[".repeat(30), "]}".repeat(30)),
    );
    body("JSON, too deep", "application/json", "[".repeat(100_000));
    body(
        "JSON, many values",
        "application/json",
        format!("[{}1]", "\"'or<a onxxx=1\",".repeat(900)),
    );
    body(
        "JSON, 10,000 values",
        "application/json",
        format!("[{}1]", "\"x\",".repeat(10_000)),
    );
    body(
        "JSON, escapes",
        "application/json",
        format!("{{\"a\":\"{}\"}}", "\\u003c\\u006fn".repeat(10_000)),
    );
    body(
        "XML, deep",
        "text/xml",
        format!("{}x{}", "<a>".repeat(120), "</a>".repeat(120)),
    );
    body(
        "XML, many elements",
        "text/xml",
        format!("<r>{}</r>", "<a b='onxxxx=1'>'or 1</a>".repeat(4000)),
    );
    body(
        "XML, entities",
        "text/xml",
        format!("<r>{}</r>", "&#x3c;".repeat(20_000)),
    );
    let part = "--B\r\nContent-Disposition: form-data; name=\"a\"; filename=\"<a onxxxx.php\"\r\n\r\n'or 1\r\n";
    body(
        "multipart, 1,000 parts",
        "multipart/form-data; boundary=B",
        part.repeat(1000) + "--B--\r\n",
    );
    body(
        "multipart, fields of parts",
        "multipart/form-data; boundary=B",
        format!("--B\r\n{}\r\n\r\n--B--\r\n", "X: onxxxx=1\r\n".repeat(9000)),
    );
    body(
        "multipart, false boundaries",
        "multipart/form-data; boundary=B",
        format!(
            "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n{}",
            "\r\n--A\r\n-".repeat(14_000)
        ),
    );
    cases
}
