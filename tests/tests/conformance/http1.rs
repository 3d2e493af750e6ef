//! HTTP/1: every case of the corpus has one of its allowed outcomes, and no origin reads anything in two ways.

use seawall_tests::{
    Edge, Running,
    conformance::{
        Recorder,
        http1::{Outcome, cases, run},
    },
};

/// What nginx passes on in a clean form and an nginx.conf therefore does, too: fields that are no fields are left out, the
/// rest is sound (`ignore_invalid_headers on`).
const LENIENCIES_OF_NGINX: &[&str] = &[
    "a version of three digits",
    "a line that ends in CR CR LF",
    "absolute form of an unknown scheme",
    "a line without a colon",
    "a name with an at sign",
    "a name with a slash",
    "a name in quotes",
    "a name in brackets",
    "a name with a byte above 127",
    "a CR at the end of a value",
];

/// Runs the corpus; gives what was refused, and every case that went another way than its rule allows.
fn verdicts(edge: &Running, recorder: &Recorder) -> (usize, Vec<String>) {
    let server = edge.address("http");
    let (mut refused, mut wrong) = (0, Vec::new());
    for case in cases() {
        let seen = run(case, server, recorder).expect("a connection");
        match seen.outcome(case) {
            Ok(outcome) if case.allowed.contains(&outcome) => {
                refused += usize::from(matches!(outcome, Outcome::Refused(_)));
            }
            Ok(outcome) => wrong.push(format!(
                "{} ({}): {outcome:?}, allowed {:?}",
                case.name, case.section, case.allowed
            )),
            Err(why) => wrong.push(format!("{} ({}): {why}", case.name, case.section)),
        }
    }
    (refused, wrong)
}

#[test]
fn every_malformed_or_ambiguous_request_is_refused_or_made_plain() {
    let recorder = Recorder::start();
    let site = format!(
        "sites: [{{ host: a.test, to: \"{}\" }}]",
        recorder.address()
    );
    let edge = Edge::yaml(site).start();
    let (refused, wrong) = verdicts(&edge, &recorder);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A server that passed everything on in some clean form would be another server.
    assert!(refused >= 150, "{refused} refused");
}

#[test]
fn with_the_leniency_of_nginx_it_is_so_too() {
    let recorder = Recorder::start();
    let edge = Edge::nginx(format!(
        "events {{}} http {{ server {{ listen @http@; server_name a.test; location / {{ proxy_pass http://{}; }} }} }}",
        recorder.address()
    ))
    .start();
    let (_, wrong) = verdicts(&edge, &recorder);
    let others: Vec<_> = wrong
        .iter()
        .filter(|line| {
            !LENIENCIES_OF_NGINX
                .iter()
                .any(|name| line.starts_with(&format!("{name} (")) && line.contains("): Passed(1)"))
        })
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn the_corpus_is_large_and_its_cases_have_names_of_their_own() {
    let mut names: Vec<_> = cases().map(|case| (case.name, case.section)).collect();
    let all = names.len();
    assert!(all >= 200);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
