//! The whole planned syntax: what is built is accepted, and what is not says so at its line.

use seawall_conf::{LoadOptions, load_text};
use std::collections::BTreeSet;
use std::sync::Arc;

const SAMPLE: &str = include_str!("fixtures/normative.yaml");

fn options() -> LoadOptions {
    LoadOptions {
        env: Arc::new(|name| (name == "ACME_EMAIL").then(|| "ops@shop.test".into())),
        ..Default::default()
    }
}

/// The pairs of line and word that the fixture's comments announce.
fn announced() -> BTreeSet<(u32, String)> {
    let mut all = BTreeSet::new();
    for (number, line) in (1..).zip(SAMPLE.lines()).skip(2) {
        let Some((_, words)) = line.split_once("# not-yet: ") else {
            continue;
        };
        all.extend(
            words
                .split(", ")
                .map(|word| (number, word.trim().to_owned())),
        );
    }
    all
}

#[test]
fn every_field_that_is_not_built_is_refused_at_its_line_and_all_else_is_accepted() {
    let error = load_text("/etc/seawall/normative.yaml", SAMPLE, &options())
        .expect_err("rooms are missing");
    let mut reported = BTreeSet::new();
    for finding in error.diagnostics.iter() {
        let (line, _) = error.sources.line_column(finding.at.expect("a place"));
        assert_eq!(finding.code, "not-yet", "line {line}: {}", finding.message);
        let what = finding
            .message
            .strip_suffix(" is not built yet")
            .expect("the message's form");
        reported.insert((line, what.trim_matches('`').to_owned()));
    }
    assert_eq!(reported, announced());
}

#[test]
fn without_what_is_not_built_the_sample_loads() {
    let mut text = String::new();
    for line in SAMPLE.lines() {
        let kept = match line.split_once("# not-yet: ") {
            Some(_) => mended(line),
            None => Some(line.to_owned()),
        };
        if let Some(line) = kept {
            text.push_str(&line);
            text.push('\n');
        }
    }
    let (config, warnings) =
        load_text("/etc/seawall/normative.yaml", text, &options()).expect("all rooms are built");
    assert!(
        warnings.is_empty(),
        "{}",
        warnings.render(&config.sources, false)
    );
    assert_eq!(config.sites.len(), 7);
    assert_eq!(config.streams.len(), 1);
    assert_eq!(
        config.sites[0].routes.len(),
        10,
        "two redirects and eight routes"
    );
    assert_eq!(config.listeners.len(), 5);
}

/// A line of the fixture without the fields it announces, or nothing where nothing is left.
fn mended(line: &str) -> Option<String> {
    Some(match line.trim_start() {
        l if l.starts_with("- { https: 443") => "  - { https: 443 }".into(),
        l if l.starts_with("default: { memory") => "  default: { memory: 256MiB }".into(),
        l if l.starts_with("default: { rules") => {
            "  default: { rules: builtin, mode: detect, paranoia: 1 }".into()
        }
        l if l.starts_with("timeouts: {") => {
            "  timeouts: { connect: 3s, first_byte: 60s, between_bytes: 60s }".into()
        }
        l if l.starts_with("- { path: /ws") => "      - { path: /ws, to: shop-web }".into(),
        l if l.starts_with("to: { shop-web") => "        to: shop-web".into(),
        _ => return None,
    })
}
