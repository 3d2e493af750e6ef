//! The page that does the work: one document, its script and style allowed by their hashes alone.

use super::COOKIE;
use crate::plan::ChallengePlan;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Whole lines: what the page may do, and that it is kept by nobody.
static FIELDS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    format!(
        "Content-Security-Policy: default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'\r\nCache-Control: no-store\r\nReferrer-Policy: same-origin\r\n\
         X-Robots-Tag: noindex\r\n",
        hash(SCRIPT),
        hash(STYLE)
    )
    .into_bytes()
});

fn hash(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text))
}

/// The header lines that go with it.
pub fn fields() -> &'static [u8] {
    &FIELDS
}

/// The page. A puzzle is made of hexadecimal digits, an id of what an id may have: neither needs escaping.
pub fn render(puzzle: &str, plan: &ChallengePlan, id: &[u8]) -> String {
    let id: String = id
        .iter()
        .map(|b| char::from(*b))
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n<title>One moment</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <main id=\"challenge\" data-puzzle=\"{puzzle}\" data-bits=\"{bits}\" data-cookie=\"{COOKIE}\" data-age=\"{age}\">\n\
         <h1>One moment</h1>\n<p>This site checks that a browser is asking, so that programs cannot overrun it. Your browser does the work \
         by itself; there is nothing for you to do.</p>\n<progress aria-label=\"Progress\" max=\"1\"></progress>\n\
         <p id=\"state\" role=\"status\" aria-live=\"polite\">Working&hellip;</p>\n<noscript><p>The work is done by a script of this page, and \
         scripts are switched off here. Allow them for this site, and load the page again.</p></noscript>\n\
         <p class=\"id\">Request id: {id}</p>\n</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        bits = plan.difficulty,
        age = plan.lifetime_s,
    )
}
