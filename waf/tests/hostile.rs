//! Requests and rule files that nobody means well with: limits hold, nothing breaks.

use std::sync::Arc;

use seawall_diag::SourceMap;
use seawall_waf::{
    Limits, Options, OverLimit, Program, RequestLine, Scratch, Transaction, Verdict,
};

fn head<'a>(target: &'a [u8], fields: &'a [(&'a [u8], &'a [u8])]) -> RequestLine<'a> {
    RequestLine {
        client: [192, 0, 2, 1].into(),
        method: b"POST",
        target,
        protocol: b"HTTP/1.1",
        fields,
    }
}

const FORM: &[(&[u8], &[u8])] = &[
    (b"Host", b"a"),
    (b"Content-Type", b"application/x-www-form-urlencoded"),
];

fn rules(text: &str, limits: Limits) -> Arc<Program> {
    let mut sources = SourceMap::default();
    let file = sources.add("test.conf", text.to_owned());
    let options = Options {
        limits,
        ..Options::default()
    };
    Arc::new(Program::compile(&mut sources, &[file], &options).expect("the rules are right"))
}

#[test]
fn one_argument_past_the_limit_refuses_the_request() {
    let limits = Limits {
        args_max: 3,
        ..Limits::default()
    };
    let program = rules("SecRule ARGS \"@streq x\" \"id:1\"", limits);
    let refused = Verdict::Deny {
        status: 413,
        rule: 0,
    };
    let mut transaction = Transaction::begin(program.clone(), Scratch::new());
    assert_eq!(
        transaction.request_head(&head(b"/?a&b&c", FORM)),
        Verdict::Pass
    );
    transaction.body_chunk(b"d=1");
    assert_eq!(transaction.request_end(), refused);
    let mut transaction = Transaction::begin(program, Scratch::new());
    assert_eq!(transaction.request_head(&head(b"/?a&b&c&d", FORM)), refused);
    assert_eq!(transaction.matches()[0].variable, "ARGS");
}

#[test]
fn a_body_past_the_limit_is_inspected_as_far_as_it_goes_or_refused() {
    let rule = "SecRule ARGS \"@contains evil\" \"id:1\"";
    let limits = Limits {
        body_bytes_max: 10,
        ..Limits::default()
    };
    let program = rules(rule, limits.clone());
    let mut transaction = Transaction::begin(program, Scratch::new());
    transaction.request_head(&head(b"/", FORM));
    assert_eq!(transaction.body_chunk(b"a=evil&b="), Verdict::Pass);
    assert!(!transaction.body_is_cut());
    assert_eq!(transaction.body_chunk(b"12345"), Verdict::Pass);
    assert!(transaction.body_is_cut());
    transaction.request_end();
    assert_eq!(transaction.matches().len(), 1);
    let program = rules(
        rule,
        Limits {
            body_over: OverLimit::Refuse,
            ..limits
        },
    );
    let mut transaction = Transaction::begin(program, Scratch::new());
    transaction.request_head(&head(b"/", FORM));
    assert_eq!(transaction.body_chunk(b"0123456789"), Verdict::Pass);
    assert_eq!(
        transaction.body_chunk(b"0"),
        Verdict::Deny {
            status: 413,
            rule: 0
        }
    );
}

#[test]
fn of_a_value_past_the_limit_the_beginning_is_seen() {
    let limits = Limits {
        value_bytes_max: 4,
        ..Limits::default()
    };
    let program = rules(
        "SecRule ARGS \"@rx e\" \"id:1\"\nSecRule ARGS \"@eq 4\" \"id:2,t:length\"",
        limits,
    );
    let mut transaction = Transaction::begin(program, Scratch::new());
    transaction.request_head(&head(b"/?a=abcde", FORM));
    transaction.request_end();
    assert_eq!(
        transaction
            .matches()
            .iter()
            .map(|m| m.rule)
            .collect::<Vec<_>>(),
        [2]
    );
}

#[test]
fn matches_past_the_limit_are_not_kept_but_still_score() {
    let limits = Limits {
        matches_max: 2,
        ..Limits::default()
    };
    let text: String = (1..=5)
        .map(|i| format!("SecAction \"id:{i},setvar:tx.anomaly_score=+1\"\n"))
        .collect();
    let mut transaction = Transaction::begin(rules(&text, limits), Scratch::new());
    transaction.request_head(&head(b"/", FORM));
    transaction.request_end();
    assert_eq!((transaction.matches().len(), transaction.score()), (2, 5));
}

#[test]
fn macros_past_their_limit_stop_growing() {
    let limits = Limits {
        macro_bytes_max: 1000,
        ..Limits::default()
    };
    let doubling: String = (2..60)
        .map(|i| format!("SecAction \"id:{i},nolog,setvar:tx.a=%{{tx.a}}%{{tx.a}}\"\n"))
        .collect();
    let text = format!(
        "SecAction \"id:1,nolog,setvar:tx.a=0123456789\"\n{doubling}SecRule TX:a \"@lt 5000\" \"id:99,t:length\""
    );
    let mut transaction = Transaction::begin(rules(&text, limits), Scratch::new());
    transaction.request_end();
    assert_eq!(transaction.matches().len(), 1);
}

/// Seeded, so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % n
    }

    fn bytes(&mut self, pieces: &[&[u8]], n: usize) -> Vec<u8> {
        (0..self.below(n))
            .flat_map(|_| pieces[self.below(pieces.len())].to_vec())
            .collect()
    }
}

#[test]
fn random_requests_never_break_the_engine() {
    const PIECES: &[&[u8]] = &[
        b"a",
        b"=",
        b"&",
        b"%",
        b"%27",
        b"%u0027",
        b"'",
        b"\"",
        b"\\x3c",
        b"<script",
        b"&lt;",
        b"/*",
        b"*/",
        b"--",
        b" or ",
        b"union",
        b"select",
        b"../",
        b"\0",
        b"\xff",
        b"\xc0\xaf",
        b"\r\n",
        b"${",
        b"jndi:",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"1",
        b"?",
    ];
    let options = Options {
        paranoia: 4,
        ..Options::default()
    };
    let program = Arc::new(Program::builtin(&options).expect("the built-in rules are right"));
    let mut random = Random(42);
    let mut scratch = Scratch::new();
    for round in 0..300 {
        let (target, body) = (random.bytes(PIECES, 30), random.bytes(PIECES, 60));
        let (name, value) = (random.bytes(PIECES, 4), random.bytes(PIECES, 20));
        let kind: &[u8] = if round % 2 == 0 {
            b"application/json"
        } else {
            b"application/x-www-form-urlencoded"
        };
        let fields: [(&[u8], &[u8]); 3] = [
            (b"Content-Type", kind),
            (b"Cookie", &value),
            (&name, &value),
        ];
        let mut transaction = Transaction::begin(program.clone(), scratch);
        transaction.request_head(&head(&target, &fields));
        for chunk in body.chunks(1 + round % 9) {
            transaction.body_chunk(chunk);
        }
        transaction.request_end();
        for found in transaction.matches() {
            assert!(
                found.value.len() <= 4 * 96
                    && found.message.len() <= 4 * 512
                    && found.data.len() <= 4 * 512
            );
        }
        scratch = transaction.into_scratch();
    }
}

#[test]
fn random_rule_files_never_break_the_compiler() {
    const PIECES: &[&[u8]] = &[
        b"SecRule",
        b"SecAction",
        b"SecMarker",
        b" ",
        b"\n",
        b"\\\n",
        b"\"",
        b"'",
        b"ARGS",
        b"|",
        b"!",
        b"&",
        b":",
        b"/",
        b"@rx ",
        b"@pm ",
        b"(",
        b")",
        b"[",
        b"\\",
        b"id:1",
        b",",
        b"setvar:",
        b"tx.",
        b"=",
        b"+",
        b"%{",
        b"}",
        b"chain",
        b"t:",
        b"#",
        "é".as_bytes(),
    ];
    let mut random = Random(7);
    for _ in 0..3000 {
        let text = String::from_utf8(random.bytes(PIECES, 40)).expect("the pieces are UTF-8");
        let mut sources = SourceMap::default();
        let file = sources.add("test.conf", text);
        if let Err(found) = Program::compile(&mut sources, &[file], &Options::default()) {
            // Every span lies within its file, at characters.
            for at in found.iter().filter_map(|d| d.at) {
                assert!(sources.text(at.file).len() >= at.start as usize);
            }
            assert!(!found.lines(&sources).is_empty());
        }
    }
}

#[test]
fn a_request_past_the_work_limit_is_refused_or_passed_as_configured() {
    let rule = "SecRule ARGS \"!@rx ^(a|b)*c$\" \"id:1\"\nSecRule ARGS \"!@rx x\" \"id:2\"";
    let work = |work_max: u64, work_over: OverLimit| {
        let limits = Limits {
            work_max,
            work_over,
            ..Limits::default()
        };
        let mut transaction = Transaction::begin(rules(rule, limits), Scratch::new());
        let target = [&b"/?a="[..], &[b'a'; 5000]].concat();
        transaction.request_head(&head(&target, FORM));
        (transaction.request_end(), transaction.matches().len())
    };
    let refused = Verdict::Deny {
        status: 413,
        rule: 0,
    };
    assert_eq!(work(1_000_000, OverLimit::Refuse), (Verdict::Pass, 2));
    assert_eq!(work(5_500, OverLimit::Refuse), (refused, 2));
    assert_eq!(work(5_500, OverLimit::Inspect), (Verdict::Pass, 2));
}

/// Requests that keep an engine busy, none with a value (the whole body is one) that is long in itself.
fn busy() -> Vec<(String, String)> {
    let many = |one: &str, count: usize| one.repeat(count);
    vec![
        (
            "/?q=1".into(),
            (0..400).map(|i| format!("a{i}='or(select&")).collect(),
        ),
        (
            "/?q=%2527%26%2339;".into(),
            format!("a={}", many("'\"(` or ", 900)),
        ),
        (
            format!("/?{}", many("x=<svg/onload=a&", 300)),
            many("b=%252e%252e%252f&", 400),
        ),
        (
            many("/..%2f", 300),
            format!("a={}", many("\\x27\\u0041;", 700)),
        ),
    ]
}

#[test]
fn in_steps_the_outcome_is_the_same_and_no_step_is_long() {
    const BUDGET: u64 = 10_000;
    let program = Arc::new(
        Program::builtin(&Options {
            paranoia: 4,
            ..Options::default()
        })
        .unwrap(),
    );
    let mut steps = 0;
    for (target, body) in busy() {
        let mut whole = Transaction::begin(program.clone(), Scratch::new());
        let mut expected = vec![whole.request_head(&head(target.as_bytes(), FORM))];
        whole.body_chunk(body.as_bytes());
        expected.push(whole.request_end());
        let mut stepped = Transaction::begin(program.clone(), Scratch::new());
        let mut verdicts = Vec::new();
        let mut to_the_end = |transaction: &mut Transaction| loop {
            let before = transaction.work();
            let verdict = transaction.step(BUDGET);
            steps += 1;
            // One value, through every automaton and every transformation, or one rule is the most it may be over.
            let more = transaction.work() - before;
            assert!(more < BUDGET + 1_500_000, "{more} in one step");
            if let Some(verdict) = verdict {
                break verdict;
            }
            if more == 0 {
                // A value that takes longer is left to a thread that may compute.
                break transaction
                    .step(u64::MAX)
                    .expect("without a budget it comes to the end");
            }
        };
        stepped.start_head(&head(target.as_bytes(), FORM));
        verdicts.push(to_the_end(&mut stepped));
        stepped.body_chunk(body.as_bytes());
        stepped.start_end();
        verdicts.push(to_the_end(&mut stepped));
        assert_eq!(verdicts, expected);
        let ids = |t: &Transaction| {
            t.matches()
                .iter()
                .map(|m| (m.rule, m.variable.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&stepped), ids(&whole));
        assert_eq!(
            (stepped.score(), stepped.work()),
            (whole.score(), whole.work())
        );
    }
    assert!(steps > 8, "{steps} steps");
}

#[test]
fn a_value_that_is_long_in_itself_is_left_to_a_thread_that_may_compute() {
    let program = rules(
        "SecRule ARGS \"@contains evil\" \"id:1,phase:2,deny\"",
        Limits::default(),
    );
    let mut transaction = Transaction::begin(program, Scratch::new());
    assert_eq!(transaction.request_head(&head(b"/", FORM)), Verdict::Pass);
    transaction.body_chunk(format!("a={}evil", "x".repeat(9000)).as_bytes());
    transaction.start_end();
    assert_eq!(transaction.step(1_000_000), None);
    assert_eq!(
        transaction.step(u64::MAX),
        Some(Verdict::Deny {
            status: 403,
            rule: 1
        })
    );
}

#[test]
fn markup_that_takes_long_to_look_for_is_counted_left_to_others_and_cut_by_the_limit() {
    let rule = "SecRule ARGS \"@detectXSS\" \"id:1,phase:2,deny\"";
    let run = |piece: &str, bytes: usize, work_max: u64| {
        let limits = Limits {
            work_max,
            ..Limits::default()
        };
        let mut transaction = Transaction::begin(rules(rule, limits), Scratch::new());
        assert_eq!(transaction.request_head(&head(b"/", FORM)), Verdict::Pass);
        let body = format!("a=x%3D{}", piece.repeat(bytes / piece.len()));
        transaction.body_chunk(body.as_bytes());
        transaction.start_end();
        let step = transaction.step(500_000);
        let verdict = step.unwrap_or_else(|| transaction.step(u64::MAX).expect("the end"));
        (step.is_some(), verdict, transaction.work())
    };
    let default = Limits::default().work_max;
    // What people write is looked at here, and a page of attributes that might be events is not.
    let (here, verdict, work) = run("wool+coat+", 1500, default);
    assert!(here && verdict == Verdict::Pass && work < 400_000, "{work}");
    let (here, verdict, work) = run("onxxxx+", 1500, default);
    assert!(
        !here && verdict == Verdict::Pass && work > 1_000_000,
        "{work}"
    );
    let refused = Verdict::Deny {
        status: 413,
        rule: 0,
    };
    let (here, verdict, _) = run("onxxxx+", 1500, 1_000_000);
    assert!(!here && verdict == refused);
    let (_, verdict, work) = run("on%00%00%00%00%00%00%00%00", 128 << 10, default);
    assert!(verdict == refused && work > default, "{work}");
}
