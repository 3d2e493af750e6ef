//! `seawall waf test`: the rules' own tests against a configuration.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn waf_test(directory: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_seawall"))
        .args(["waf", "test", "-c"])
        .arg(directory.join("seawall.yaml"))
        .arg(directory.join("tests"))
        .args(more)
        .output()
        .unwrap()
}

#[test]
fn a_rule_sets_tests_are_judged_and_what_fails_is_named_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    fs::write(
        place.join("rules.conf"),
        "SecRule ARGS \"@contains evil\" \"id:1001,phase:2,deny,t:lowercase\"\n\
         SecRule ARGS:q \"@rx ^[0-9]+$\" \"id:1002,phase:2,pass\"\n",
    )
    .unwrap();
    fs::write(
        place.join("seawall.yaml"),
        "listen: [{ http: 8080 }]\nwafs: { shop: { rules: [./rules.conf], mode: block } }\n\
         sites: [{ host: a.test, waf: shop, respond: 200 }]\n",
    )
    .unwrap();
    let tests = place.join("tests/deep");
    fs::create_dir_all(&tests).unwrap();
    fs::write(
        tests.join("1001.yaml"),
        "rule_id: 1001\ntests:\n\
         \x20 - test_id: 1\n    stages:\n      - input: { method: POST, uri: /, headers: { Host: a.test }, data: \"x=EVIL\" }\n        output: { log: { expect_ids: [1001], no_expect_ids: [1002] } }\n\
         \x20 - test_id: 2\n    stages:\n      - input: { uri: \"/?q=12\" }\n        output: { log: { expect_ids: [1001], no_expect_ids: [1002] } }\n\
         \x20 - test_id: 3\n    stages:\n      - input: { uri: / }\n        output: { status: 200 }\n",
    )
    .unwrap();
    let output = waf_test(place, &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("1001-2 failed: 1001 does not match; 1002 matches ("),
        "{said}"
    );
    assert!(said.contains("tests/deep/1001.yaml:7)"), "{said}");
    assert!(
        said.ends_with("1 passed, 1 failed, 1 say nothing of rules\n"),
        "{said}"
    );
    let output = waf_test(place, &["--only", "1001-1"]);
    assert_eq!(output.status.code(), Some(0));
    // A configuration that is wrong, and tests that are none, are other failures.
    fs::write(place.join("rules.conf"), "SecRuul\n").unwrap();
    assert_eq!(waf_test(place, &[]).status.code(), Some(2));
}
