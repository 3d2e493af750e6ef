//! Exclusions: what rules do not look at, and what is proposed to those whom a rule is wrong about.

use std::sync::Arc;

use seawall_diag::SourceMap;
use seawall_waf::{
    Exclude, ExcludeError, Options, Program, RequestLine, Scratch, Transaction, Verdict,
    suggestions,
};

const RULES: &str = "
SecRule ARGS|REQUEST_HEADERS|ARGS_NAMES \"@contains evil\" \"id:1,phase:1,pass,log,tag:'attack-x',setvar:tx.anomaly_score=+5\"
SecRule ARGS \"@rx (ev)il\" \"id:2,phase:1,pass,log,capture,setvar:tx.anomaly_score=+5,chain\"
  SecRule TX:1 \"@streq ev\" \"t:none\"
SecRule TX:anomaly_score \"@ge 5\" \"id:9,phase:1,deny,log\"
";

fn program() -> Arc<Program> {
    let mut sources = SourceMap::default();
    let file = sources.add("a.conf", RULES.to_owned());
    let compiled = Program::compile(&mut sources, &[file], &Options::default());
    Arc::new(compiled.unwrap_or_else(|found| panic!("{:?}", found.lines(&sources))))
}

fn judge(program: &Arc<Program>, exclude: &[Exclude], target: &str) -> (Verdict, Transaction) {
    let exclusions = program.exclusions(exclude).unwrap();
    let mut transaction = Transaction::begin(program.clone(), Scratch::new());
    transaction.exclude(&exclusions, target.as_bytes());
    let verdict = transaction.request_head(&RequestLine {
        client: [192, 0, 2, 1].into(),
        method: b"GET",
        target: target.as_bytes(),
        protocol: b"HTTP/1.1",
        fields: &[(b"Host", b"shop.test")],
    });
    (verdict, transaction)
}

fn rules(ids: &[u32], target: Option<&str>, path: Option<&str>) -> Exclude {
    Exclude {
        rules: ids.to_vec(),
        tags: Vec::new(),
        target: target.map(str::to_owned),
        path: path.map(str::to_owned),
    }
}

#[test]
fn what_is_excluded_is_not_looked_at_and_everything_else_is() {
    let program = program();
    let passes =
        |exclude: Exclude, target: &str| judge(&program, &[exclude], target).0 == Verdict::Pass;
    assert!(
        !passes(rules(&[1], None, None), "/s?q=evil"),
        "rule 2 is still there"
    );
    assert!(passes(rules(&[1, 2], Some("ARGS:q"), None), "/s?q=evil"));
    assert!(passes(
        rules(&[1, 2], Some("args:Q"), Some("/s")),
        "/s/1?q=evil"
    ));
    assert!(passes(rules(&[1, 2], None, Some("/s")), "/s?x=evil&q=evil"));
    assert!(!passes(rules(&[1, 2], Some("ARGS:q"), None), "/s?x=evil"));
    assert!(!passes(
        rules(&[1, 2], Some("ARGS:q"), Some("/s")),
        "/t?q=evil"
    ));
    let tagged = Exclude {
        tags: vec!["attack-x".to_owned()],
        ..rules(&[2], None, None)
    };
    assert!(passes(tagged, "/?evil=evil"));
}

#[test]
fn a_path_that_another_reader_could_see_elsewhere_is_below_none() {
    let program = program();
    for target in [
        "/s/../t?q=evil",
        "/s/%2e%2e/t?q=evil",
        "/s//t?q=evil",
        "/s/./t?q=evil",
        "/s\\..\\t?q=evil",
    ] {
        let verdict = judge(&program, &[rules(&[1, 2], None, Some("/s"))], target).0;
        assert_ne!(verdict, Verdict::Pass, "{target}");
    }
}

#[test]
fn what_is_proposed_lets_the_request_pass() {
    let program = program();
    for (target, expected) in [
        (
            "/s?q=evil",
            vec![
                "{ rules: [1], target: \"ARGS:q\", path: \"/s\" }",
                "{ rules: [2], path: \"/s\" }",
            ],
        ),
        (
            "/s?evil=1",
            vec!["{ rules: [1], target: \"ARGS_NAMES:evil\", path: \"/s\" }"],
        ),
        (
            "/%73?evil=1",
            vec!["{ rules: [1], target: \"ARGS_NAMES:evil\" }"],
        ),
    ] {
        let (verdict, transaction) = judge(&program, &[], target);
        assert_ne!(verdict, Verdict::Pass, "{target}");
        let proposed = suggestions(transaction.matches(), target.as_bytes());
        let shown: Vec<String> = proposed.iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected, "{target}");
        assert_eq!(
            judge(&program, &proposed, target).0,
            Verdict::Pass,
            "{target}"
        );
    }
}

#[test]
fn a_name_that_a_client_made_up_to_break_a_line_is_not_repeated() {
    let program = program();
    for name in ["q%22%7d%0aevil", "q%5cevil", &"q".repeat(100)] {
        let target = format!("/s?{name}=evil");
        let (_, transaction) = judge(&program, &[], &target);
        let proposed = suggestions(transaction.matches(), target.as_bytes());
        assert!(proposed.iter().all(|e| e.target.is_none()), "{proposed:?}");
        assert_eq!(judge(&program, &proposed, &target).0, Verdict::Pass);
    }
}

#[test]
fn what_is_not_there_cannot_be_excluded() {
    let program = program();
    let refused = |exclude: Exclude| program.exclusions(&[exclude]).unwrap_err();
    assert_eq!(refused(Exclude::default()), ExcludeError::NoRules);
    assert_eq!(
        refused(rules(&[3], None, None)),
        ExcludeError::UnknownRule(3)
    );
    for target in ["ARG:q", "REQUEST_URI:x", "XML:/a", "GEO"] {
        let error = refused(rules(&[1], Some(target), None));
        assert_eq!(error, ExcludeError::UnknownTarget(target.to_owned()));
    }
    for path in ["s", "/s?x", "/s/../t", "/%20", "/a\"b"] {
        let error = refused(rules(&[1], None, Some(path)));
        assert_eq!(error, ExcludeError::NotAPath(path.to_owned()));
    }
    let tagged = Exclude {
        tags: vec!["none".to_owned()],
        ..Exclude::default()
    };
    assert_eq!(refused(tagged), ExcludeError::UnknownTag("none".to_owned()));
    let many = vec![rules(&[1], None, None); seawall_waf::EXCLUSIONS_MAX + 1];
    assert_eq!(
        program.exclusions(&many).unwrap_err(),
        ExcludeError::TooMany
    );
}
