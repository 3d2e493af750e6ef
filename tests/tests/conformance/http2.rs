//! HTTP/2: every case of the corpus has one of its allowed outcomes, and no origin reads anything in two ways.

use seawall_tests::{
    Edge,
    conformance::{
        Recorder,
        http2::{cases, run},
    },
};

#[test]
fn every_violation_ends_its_stream_or_its_connection() {
    let recorder = Recorder::start();
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"{}\" }}]",
        recorder.address()
    ))
    .start();
    let server = edge.address("http");
    let mut wrong = Vec::new();
    for case in cases() {
        match run(case, server, &recorder) {
            Ok(outcome) if case.allowed.contains(&outcome) => {}
            Ok(outcome) => wrong.push(format!(
                "{} ({}): {outcome:?}, allowed {:?}",
                case.name, case.section, case.allowed
            )),
            Err(why) => wrong.push(format!("{} ({}): {why}", case.name, case.section)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(edge.metric("seawall_panics_total"), 0);
}

#[test]
fn the_corpus_holds_a_hundred_violations_with_names_of_their_own() {
    let mut names: Vec<_> = cases().map(|case| (case.name, case.section)).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    let violations = cases()
        .filter(|case| !case.allowed.iter().any(|o| o.is_success()))
        .count();
    assert!(violations >= 100, "{violations} of {all}");
}
