//! What a rule file gets that is wrong: all errors at once, each at its place.

use seawall_diag::SourceMap;
use seawall_waf::{Options, Program};

/// Each error as `code: marked text`, or with its help.
fn errors(rules: &str) -> Vec<String> {
    let mut sources = SourceMap::default();
    let file = sources.add("test.conf", rules.to_owned());
    let Err(found) = Program::compile(&mut sources, &[file], &Options::default()) else {
        return Vec::new();
    };
    found
        .iter()
        .map(|d| {
            let at = d.at.expect("every error has a place");
            let marked = &sources.text(at.file)[at.start as usize..at.end as usize];
            let help = d
                .help
                .as_ref()
                .map(|h| format!(" ({h})"))
                .unwrap_or_default();
            format!("{}: {marked}{help}", d.code)
        })
        .collect()
}

#[test]
fn all_errors_of_a_file_are_found_with_their_places() {
    let rules = "SecRul ARGS \"@rx a\" \"id:1\"\n\
                 SecRule ARGZ|ARGS \"@rx a\" \"id:2\"\n\
                 SecRule ARGS \"@rxx a\" \"id:3\"\n\
                 SecRule ARGS \"@rx a\" \"id:4,\\\n  t:lowercas,\\\n  denny\"\n\
                 SecRule ARGS \"@rx a(b\" \"id:5\"\n";
    assert_eq!(
        errors(rules),
        [
            "unknown-directive: SecRul (did you mean `SecRule`?)",
            "unknown-variable: ARGZ (did you mean `ARGS`?)",
            "unknown-operator: @rxx (did you mean `rx`?)",
            "unknown-transformation: lowercas (did you mean `lowercase`?)",
            "unknown-action: denny (did you mean `deny`?)",
            "pattern: (",
        ]
    );
}

#[test]
fn what_is_not_furnished_yet_says_so() {
    for (rules, marked) in [
        ("SecRuleScript a.lua", "SecRuleScript"),
        ("SecRule ARGS \"@inspectFile x\" \"id:1\"", "@inspectFile"),
        ("SecRule ARGS \"@rx a\" \"id:1,exec:x\"", "exec"),
        ("SecRule ARGS \"@rx a\" \"id:1,redirect:x\"", "redirect"),
        ("SecRule XML://item \"@rx a\" \"id:1\"", "//item"),
        ("SecRule RULE \"@rx a\" \"id:1\"", "RULE"),
        (
            "SecRule ARGS \"@rx a\" \"id:1,ctl:hashThing=Off\"",
            "hashThing=Off",
        ),
        ("SecRule ARGS \"@rx (?(1)a)\" \"id:1\"", "(?("),
    ] {
        let found = errors(rules);
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("not-yet: {marked}")),
            "{rules}: {found:?}"
        );
    }
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    for (rules, code) in [
        ("SecRule ARGS \"@rx a\"", "no-id"),
        ("SecRule ARGS", "arguments"),
        ("SecRule ARGS \"@rx a\" \"id:1\" more", "arguments"),
        ("SecMarker", "arguments"),
        ("SecRule !ARGS:x \"@rx a\" \"id:1\"", "no-variable"),
        ("SecRule REQUEST_METHOD:x \"@rx a\" \"id:1\"", "no-selector"),
        ("SecAction \"id:1\"\nSecAction \"id:1\"", "duplicate-id"),
        ("SecAction \"id:x\"", "bad-action"),
        ("SecAction \"id:1,deny,status:200\"", "bad-action"),
        ("SecAction \"id:1,severity:BAD\"", "bad-action"),
        ("SecAction \"id:1,phase:9\"", "bad-action"),
        ("SecAction \"id:1,skipAfter:NOWHERE\"", "unknown-marker"),
        (
            "SecMarker BEFORE\nSecAction \"id:1,skipAfter:BEFORE\"",
            "unknown-marker",
        ),
        ("SecRule ARGS \"@rx a\" \"id:1,chain\"", "open-chain"),
        (
            "SecRule ARGS \"@rx a\" \"id:1,chain\"\nSecRule ARGS \"@rx b\" \"deny\"",
            "chain-action",
        ),
        ("SecRule ARGS \"@pm \" \"id:1\"", "no-phrases"),
        (
            "SecRule ARGS \"@validateByteRange 1-999\" \"id:1\"",
            "byte-range",
        ),
        ("SecRule ARGS \"@eq %{nope}\" \"id:1\"", "unknown-macro"),
        ("SecRuleEngine Maybe", "engine"),
        ("SecDefaultAction \"pass\"", "default-phase"),
        ("SecRule ARGS \"@rx a", "unterminated-quote"),
        ("Include other.conf", "unreadable"),
        ("SecRule ARGS \"@pmFromFile x.data\" \"id:1\"", "unreadable"),
        ("SecRule ARGS \"@ipMatch 10.0.0.0/99\" \"id:1\"", "address"),
        ("SecAction \"id:1,ctl:ruleEngine=Perhaps\"", "bad-action"),
        (
            "SecAction \"id:1,ctl:ruleRemoveTargetById=5\"",
            "bad-action",
        ),
        (
            "SecAction \"id:1,ctl:ruleRemoveTargetById=5;ARGZ:x\"",
            "unknown-variable",
        ),
        (
            "SecAction \"id:1,ctl:requestBodyProcessor=YAML\"",
            "bad-action",
        ),
        ("SecAction \"id:1,setvar:nowhere.x=1\"", "bad-action"),
        ("SecAction \"id:1,initcol:ip\"", "bad-action"),
        ("SecAction \"id:1,expirevar:ip=3\"", "bad-action"),
        ("SecRequestBodyAccess Perhaps", "bad-value"),
        ("SecRequestBodyLimit many", "bad-value"),
        ("SecRequestBodyLimit", "arguments"),
        ("SecRuleRemoveById x", "bad-action"),
        ("SecRuleUpdateTargetById 1", "arguments"),
        ("SecRuleUpdateTargetById 1 ARGS ARGS_GET", "not-yet"),
    ] {
        let found = errors(rules);
        assert!(
            found.iter().any(|f| f.starts_with(code)),
            "{rules}: {found:?}"
        );
    }
}

#[test]
fn errors_of_several_files_come_together() {
    let mut sources = SourceMap::default();
    let files = [
        sources.add("a.conf", "SecX".to_owned()),
        sources.add("b.conf", "\n  SecY".to_owned()),
    ];
    let found =
        Program::compile(&mut sources, &files, &Options::default()).expect_err("both are wrong");
    let lines = found.lines(&sources);
    assert!(
        lines[0].starts_with("a.conf:1:1: error[unknown-directive]"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("b.conf:2:3: error[unknown-directive]"),
        "{lines:?}"
    );
}
