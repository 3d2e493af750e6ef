//! Rules that are only tried: their matches are told, and change nothing.

use seawall_diag::SourceMap;
use seawall_waf::{DryRun, Options, Program, RequestLine, Scratch, Transaction, Verdict};
use std::sync::Arc;

const RULES: &str = r#"
SecRule ARGS "@contains one" "id:1,phase:1,pass,log,msg:'one',tag:'words',setvar:'tx.inbound_anomaly_score=+5'"
SecRule ARGS "@contains two" "id:2,phase:1,deny,status:403,log,msg:'two'"
SecRule TX:inbound_anomaly_score "@ge 5" "id:3,phase:1,deny,status:403,log,msg:'over'"
"#;

fn judge(dry_run: DryRun, target: &str) -> (Verdict, i64, Vec<(u32, bool)>) {
    let mut sources = SourceMap::default();
    let file = sources.add("test.conf", RULES.to_owned());
    let options = Options {
        dry_run,
        ..Options::default()
    };
    let program = Program::compile(&mut sources, &[file], &options).unwrap();
    let mut transaction = Transaction::begin(Arc::new(program), Scratch::new());
    let verdict = transaction.request_head(&RequestLine {
        client: [192, 0, 2, 1].into(),
        method: b"GET",
        target: target.as_bytes(),
        protocol: b"HTTP/1.1",
        fields: &[],
    });
    let matches = transaction.matches().iter();
    let matches = matches.map(|m| (m.rule, m.dry_run)).collect();
    (verdict, i64::from(transaction.score()), matches)
}

fn rules(rules: &[u32]) -> DryRun {
    DryRun {
        rules: rules.to_vec(),
        tags: Vec::new(),
    }
}

#[test]
fn a_rule_that_is_only_tried_matches_and_adds_nothing_to_a_score() {
    let (verdict, score, matches) = judge(DryRun::default(), "/?q=one");
    assert!(verdict != Verdict::Pass && score == 5);
    assert_eq!(matches, [(1, false), (3, false)]);
    let tagged = DryRun {
        rules: Vec::new(),
        tags: vec!["words".into()],
    };
    for dry_run in [rules(&[1]), tagged] {
        let (verdict, score, matches) = judge(dry_run, "/?q=one");
        assert_eq!((verdict, score), (Verdict::Pass, 0));
        assert_eq!(matches, [(1, true)]);
    }
}

#[test]
fn a_rule_that_is_only_tried_refuses_nothing_and_the_others_still_do() {
    let (verdict, _, matches) = judge(rules(&[2]), "/?q=two");
    assert_eq!((verdict, matches), (Verdict::Pass, vec![(2, true)]));
    let (verdict, _, matches) = judge(rules(&[2]), "/?q=one&p=two");
    assert!(verdict != Verdict::Pass);
    assert_eq!(matches, [(1, false), (2, true), (3, false)]);
}
