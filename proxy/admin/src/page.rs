//! A page for people who open the address in a browser. It shows what the API says and can do nothing else.

/// The page.
pub const HTML: &str = include_str!("page/page.html");
/// Its script.
pub const SCRIPT: &str = include_str!("page/page.js");
/// Its style.
pub const STYLE: &str = include_str!("page/page.css");

/// Nothing from elsewhere, nothing inline, in nobody's frame.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                          base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
