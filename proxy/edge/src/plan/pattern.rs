//! Regular expressions as operators write them (PCRE), compiled once with the `regex` crate.
//!
//! `regex` runs in linear time on any input, which PCRE does not. What it cannot express (look-around,
//! back-references) is an error that says so, at its place.

use regex::bytes::{Regex, RegexBuilder};
use seawall_conf::model::Pattern;
use seawall_diag::{Diagnostic, Diagnostics};

/// Compiled programs of one expression may take so many bytes.
const COMPILED_BYTES_MAX: usize = 8 << 20;

/// Compiles a pattern; an error is reported at its place.
pub fn compile(pattern: &Pattern, errors: &mut Diagnostics) -> Option<Regex> {
    let built = RegexBuilder::new(&pattern.text)
        .case_insensitive(pattern.caseless)
        .unicode(false)
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        // A pattern that names characters beyond ASCII needs the Unicode tables.
        .or_else(|first| {
            RegexBuilder::new(&pattern.text)
                .case_insensitive(pattern.caseless)
                .size_limit(COMPILED_BYTES_MAX)
                .build()
                .map_err(|_| first)
        });
    match built {
        Ok(regex) => Some(regex),
        Err(e) => {
            let text = e.to_string();
            let why = text
                .lines()
                .last()
                .unwrap_or("not a regular expression")
                .trim_start_matches("error: ")
                .to_owned();
            errors.push(
                Diagnostic::error("bad-regex", pattern.at, format!("regular expression \"{}\": {why}", pattern.text))
                    .help("look-around and back-references are not supported: every expression runs in linear time"),
            );
            None
        }
    }
}

/// The names of its groups.
pub fn group_names(pattern: &Pattern) -> Vec<String> {
    RegexBuilder::new(&pattern.text)
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map(|r| r.capture_names().flatten().map(str::to_owned).collect())
        .unwrap_or_default()
}
