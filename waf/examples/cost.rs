//! What requests cost with the built-in rules, or with those of files: `cargo run --release -p seawall-waf --example cost
//! [FILE...]` (`/usr/share/modsecurity-crs/owasp-crs.load` is Debian's Core Rule Set).
//!
//! CPU time of one thread, warm caches, the median of rounds; head, body and verdict, without reading or parsing HTTP.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use seawall_diag::SourceMap;
use seawall_waf::{DiskFiles, Options, Program, RequestLine, Scratch, Transaction, Verdict};

const ROUNDS: usize = 7;

struct Sample {
    name: &'static str,
    method: &'static str,
    target: String,
    content_type: &'static str,
    body: String,
}

fn main() {
    let started = Instant::now();
    let mut sources = SourceMap::default();
    let mut files = Vec::new();
    for path in std::env::args().skip(1) {
        match std::fs::read_to_string(&path) {
            Ok(text) => files.push(sources.add(path, text)),
            Err(e) => {
                eprintln!("{path}: {e}");
                std::process::exit(1);
            }
        }
    }
    let options = Options::default();
    let program = if files.is_empty() {
        Program::builtin(&options)
    } else {
        Program::load(&mut sources, &files, &DiskFiles, &options)
    };
    let program = match program {
        Ok(program) => Arc::new(program),
        Err(found) => {
            found.lines(&sources).iter().for_each(|d| eprintln!("{d}"));
            std::process::exit(1);
        }
    };
    println!(
        "{} rules compiled in {:.1?}",
        program.rule_count(),
        started.elapsed()
    );
    for sample in samples() {
        let mut scratch = Scratch::new();
        let mut rounds: Vec<f64> = Vec::new();
        let (mut verdict, mut work) = (Verdict::Pass, 0);
        let repeat = if sample.body.len() > 4096 { 5 } else { 300 };
        for _ in 0..ROUNDS {
            let started = cpu_s();
            for _ in 0..repeat {
                (verdict, work, scratch) = judge(&program, scratch, &sample);
            }
            rounds.push((cpu_s() - started) * 1e6 / f64::from(repeat));
        }
        rounds.sort_by(f64::total_cmp);
        println!(
            "{:28} {:9.2} us  work {work:>9}  {verdict:?}",
            sample.name,
            rounds[ROUNDS / 2]
        );
    }
}

/// CPU time of this thread, as Linux counts it; the clock's elsewhere.
fn cpu_s() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()) {
        Some(ns) => ns * 1e-9,
        None => START.get_or_init(Instant::now).elapsed().as_secs_f64(),
    }
}

fn samples() -> Vec<Sample> {
    let form: Vec<String> = (0..40)
        .map(|i| format!("field{i}=Some+words+of+a+form%2C+number+{i}"))
        .collect();
    let items: Vec<String> = (0..200)
        .map(|i| {
            format!(
                r#"{{"sku":"A-{i}","qty":{i},"note":"Please wrap it, it's a gift for O'Brien"}}"#
            )
        })
        .collect();
    let form_type = "application/x-www-form-urlencoded";
    let get = |name, target: &str| Sample {
        name,
        method: "GET",
        target: target.to_owned(),
        content_type: "",
        body: String::new(),
    };
    let post = |name, content_type, body| Sample {
        name,
        method: "POST",
        target: "/cart".to_owned(),
        content_type,
        body,
    };
    vec![
        get(
            "browser GET",
            "/product/42?color=red&size=XL&q=running+shoes",
        ),
        get("browser GET without query", "/category/shoes/women"),
        get(
            "attack",
            "/search?q=%27%20or%201%3D1%20union%20select%20null--",
        ),
        post("form of 2 KiB", form_type, form.join("&")),
        post(
            "1000 arguments",
            form_type,
            (0..1000).map(|i| format!("a{i}='x'&")).collect(),
        ),
        post(
            "nested quotes, 128 KiB",
            form_type,
            format!("a={}", "'\"(` or ".repeat(14_000)),
        ),
        post(
            "one long word, 128 KiB",
            form_type,
            format!("a={}", "x".repeat(128 << 10)),
        ),
        post(
            "SQL without end, 128 KiB",
            form_type,
            format!("a={}", "'or(select 1,union ".repeat(7_000)),
        ),
        post(
            "markup without end, 128 KiB",
            form_type,
            format!("a={}", "<a x/on<%".repeat(14_000)),
        ),
        post(
            "escapes, 128 KiB",
            form_type,
            format!("a={}", "%2527\\x27%26%2339;".repeat(7_000)),
        ),
        post(
            "JSON of 14 KiB",
            "application/json",
            format!("[{}]", items.join(",")),
        ),
    ]
}

fn judge(program: &Arc<Program>, scratch: Scratch, sample: &Sample) -> (Verdict, u64, Scratch) {
    let fields: [(&[u8], &[u8]); 13] = [
        (b"Host", b"shop.test"),
        (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        (b"Accept-Language", b"en-GB,en;q=0.7,de;q=0.3"),
        (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
        (b"Referer", b"https://shop.test/category/shoes?page=2"),
        (b"Cookie", b"session=abcdef0123456789abcdef0123456789; theme=dark; _ga=GA1.2.1234567890.1234567890"),
        (b"Upgrade-Insecure-Requests", b"1"),
        (b"Sec-Fetch-Dest", b"document"),
        (b"Sec-Fetch-Mode", b"navigate"),
        (b"Sec-Fetch-Site", b"same-origin"),
        (b"Connection", b"keep-alive"),
        (b"Content-Type", sample.content_type.as_bytes()),
    ];
    let head = RequestLine {
        client: [192, 0, 2, 7].into(),
        method: sample.method.as_bytes(),
        target: sample.target.as_bytes(),
        protocol: b"HTTP/1.1",
        fields: fields
            .get(..if sample.body.is_empty() { 12 } else { 13 })
            .unwrap_or(&fields),
    };
    let mut transaction = Transaction::begin(Arc::clone(program), scratch);
    let mut verdict = transaction.request_head(&head);
    transaction.body_chunk(sample.body.as_bytes());
    if verdict == Verdict::Pass {
        verdict = transaction.request_end();
    }
    (verdict, transaction.work(), transaction.into_scratch())
}
