//! The built-in rules on requests of our own: a shop's visitors pass, attacks of each family do not.

#[allow(dead_code)]
mod requests;

use std::sync::Arc;

use requests::{ATTACKS, BENIGN, Case};
use seawall_waf::{Options, Program, RequestLine, Scratch, Transaction, Verdict};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// What the rules say of a request: the verdict, the score and the ids of the rules.
fn judge(
    program: &Arc<Program>,
    scratch: Scratch,
    case: &Case,
) -> (Verdict, u32, Vec<u32>, Scratch) {
    let length = case.body.len().to_string();
    let mut fields: Vec<(&[u8], &[u8])> = vec![
        (b"Host", b"shop.test"),
        (
            b"Accept",
            b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ),
        (b"Accept-Language", b"en-GB,en;q=0.7,de;q=0.3"),
        (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    ];
    if !case
        .fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("user-agent"))
    {
        fields.push((b"User-Agent", BROWSER.as_bytes()));
    }
    if !case.body.is_empty() {
        fields.push((b"Content-Length", length.as_bytes()));
        fields.push((b"Content-Type", case.content_type.as_bytes()));
    }
    fields.extend(
        case.fields
            .iter()
            .map(|(n, v)| (n.as_bytes(), v.as_bytes())),
    );
    let head = RequestLine {
        client: [192, 0, 2, 7].into(),
        method: case.method.as_bytes(),
        target: case.target.as_bytes(),
        protocol: b"HTTP/1.1",
        fields: &fields,
    };
    let mut transaction = Transaction::begin(Arc::clone(program), scratch);
    let mut verdict = transaction.request_head(&head);
    if transaction.wants_body() {
        for chunk in case.body.as_bytes().chunks(7) {
            assert_eq!(transaction.body_chunk(chunk), Verdict::Pass);
        }
    }
    if verdict == Verdict::Pass {
        verdict = transaction.request_end();
    }
    let rules = transaction.matches().iter().map(|m| m.rule).collect();
    (
        verdict,
        transaction.score(),
        rules,
        transaction.into_scratch(),
    )
}

fn builtin() -> Arc<Program> {
    let program = Program::builtin(&Options::default());
    Arc::new(program.unwrap_or_else(|found| {
        panic!(
            "{:#?}",
            found.iter().map(|d| &d.message).collect::<Vec<_>>()
        )
    }))
}

#[test]
fn visitors_of_a_shop_pass_without_a_point() {
    let program = builtin();
    assert!(BENIGN.len() >= 60);
    let mut scratch = Scratch::new();
    let mut wrong = Vec::new();
    for case in BENIGN {
        let (verdict, score, rules, back) = judge(&program, scratch, case);
        scratch = back;
        if (verdict, score) != (Verdict::Pass, 0) {
            wrong.push(format!(
                "{} {} {}: {score} by {rules:?}",
                case.method, case.target, case.body
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn attacks_are_refused() {
    let program = builtin();
    assert!(ATTACKS.len() >= 60);
    let mut scratch = Scratch::new();
    let mut wrong = Vec::new();
    for case in ATTACKS {
        let (verdict, score, rules, back) = judge(&program, scratch, case);
        scratch = back;
        if verdict
            != (Verdict::Deny {
                status: 403,
                rule: 149110,
            })
        {
            wrong.push(format!(
                "{} {} {} {:?}: {score} by {rules:?}",
                case.method, case.target, case.body, case.fields
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_classic_tautology_scores_five_and_says_why() {
    let program = builtin();
    let mut transaction = Transaction::begin(program, Scratch::new());
    let head = RequestLine {
        client: [192, 0, 2, 7].into(),
        method: b"GET",
        target: b"/search?q=%27%20or%201%3D1--",
        protocol: b"HTTP/1.1",
        fields: &[(b"Host", b"shop.test")],
    };
    assert_eq!(transaction.request_head(&head), Verdict::Pass);
    assert_eq!(
        transaction.request_end(),
        Verdict::Deny {
            status: 403,
            rule: 149110
        }
    );
    assert!(transaction.score() >= 5);
    let found = transaction
        .matches()
        .iter()
        .find(|m| m.rule == 142100)
        .unwrap();
    assert_eq!(
        (found.variable.as_str(), found.value.as_str()),
        ("ARGS:q", "' or 1=1--")
    );
    assert_eq!(found.data, "ARGS:q: ' or 1=1--");
    assert!(found.tags.contains(&"attack-sqli".to_owned()));
}

#[test]
fn the_same_request_is_judged_alike_by_used_memory() {
    let program = builtin();
    let mut scratch = Scratch::new();
    for case in ATTACKS.iter().chain(BENIGN) {
        let (verdict, score, rules, _) = judge(&program, Scratch::new(), case);
        let (warm_verdict, warm_score, warm_rules, back) = judge(&program, scratch, case);
        scratch = back;
        assert_eq!(
            (verdict, score, rules),
            (warm_verdict, warm_score, warm_rules),
            "{}",
            case.target
        );
    }
}

#[test]
fn a_higher_threshold_and_a_higher_paranoia_level_are_obeyed() {
    let attack = Case {
        method: "GET",
        target: "/?q=%27%20or%201%3D1--",
        body: "",
        content_type: "",
        fields: &[],
    };
    let lenient = Arc::new(
        Program::builtin(&Options {
            threshold: 1000,
            ..Options::default()
        })
        .unwrap(),
    );
    let (verdict, score, ..) = judge(&lenient, Scratch::new(), &attack);
    assert_eq!(verdict, Verdict::Pass);
    assert!(score >= 5);
    let markup = Case {
        target: "/?q=%3Cb%3Ebold%3C/b%3E",
        ..attack
    };
    assert_eq!(judge(&builtin(), Scratch::new(), &markup).1, 0);
    let paranoid = Arc::new(
        Program::builtin(&Options {
            paranoia: 2,
            ..Options::default()
        })
        .unwrap(),
    );
    assert_eq!(judge(&paranoid, Scratch::new(), &markup).1, 3);
}
