//! What an operator sees of a finding.

use seawall_diag::{Diagnostic, Diagnostics, SourceMap, Span};

fn one() -> (SourceMap, Diagnostics) {
    let mut sources = SourceMap::default();
    let file = sources.add("edge.yaml", "version: 1\npoools: {}\n".into());
    let mut found = Diagnostics::default();
    found.push(
        Diagnostic::error(
            "unknown-field",
            Span::new(file, 11, 17),
            "unknown field `poools`",
        )
        .help("did you mean `pools`?"),
    );
    (sources, found)
}

#[test]
fn a_finding_shows_place_line_caret_code_and_help() {
    let (sources, found) = one();
    let text = found.render(&sources, false);
    for part in [
        "error[unknown-field]: unknown field `poools`",
        "edge.yaml:2:1",
        "poools: {}",
        "^^^^^^",
        "did you mean",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(!text.contains('\x1b'));
    assert!(found.render(&sources, true).contains('\x1b'));
}

#[test]
fn json_carries_place_and_code() {
    let (sources, found) = one();
    let json = found.to_json(&sources);
    assert_eq!(json[0]["line"], 2);
    assert_eq!(json[0]["column"], 1);
    assert_eq!(json[0]["end_column"], 7);
    assert_eq!(json[0]["code"], "unknown-field");
    assert_eq!(json[0]["help"], "did you mean `pools`?");
}

#[test]
fn a_related_place_in_another_file_is_shown_with_its_own_line() {
    let mut sources = SourceMap::default();
    let a = sources.add("a.yaml", "pools:\n  web: {}\n".into());
    let b = sources.add("b.yaml", "pools:\n\n  web: {}\n".into());
    let mut found = Diagnostics::default();
    found.push(
        Diagnostic::error("duplicate", Span::new(b, 10, 13), "`web` is defined twice")
            .related(Span::new(a, 9, 12), "first defined here"),
    );
    let text = found.render(&sources, false);
    assert!(text.contains("b.yaml:3:3"), "{text}");
    assert!(
        text.contains("a.yaml:2:3") && text.contains("first defined here"),
        "{text}"
    );
}

#[test]
fn spans_past_the_end_or_inside_a_character_do_not_panic() {
    let mut sources = SourceMap::default();
    let file = sources.add("x", "é\n".into());
    let mut found = Diagnostics::default();
    for (start, end) in [(1, 1), (0, 1), (2, 3), (3, 3), (9, 12), (1, 0)] {
        found.error("x", Span::new(file, start, end), "message");
    }
    found.error("x", None, "nowhere");
    assert_eq!(found.render(&sources, false).matches("error[x]").count(), 7);
    let _ = found.to_json(&sources);
}
