//! The console: one page, its script and its style, embedded, on the same API as everybody else.

/// The page.
pub const HTML: &str = include_str!("page/page.html");
/// Its script.
pub const SCRIPT: &str = include_str!("page/page.js");
/// Its style.
pub const STYLE: &str = include_str!("page/page.css");

/// Nothing from elsewhere, nothing inline, in nobody's frame; a value that became markup after all would run nothing.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                          require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_page_is_inline_and_nothing_becomes_markup() {
        for inline in [
            "<style",
            "style=",
            " onclick",
            " onload",
            " onerror",
            "javascript:",
        ] {
            assert!(!HTML.contains(inline), "{inline}");
        }
        assert_eq!(HTML.matches("<script").count(), 1);
        for sink in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            ".style.",
        ] {
            assert!(!SCRIPT.contains(sink), "{sink}");
        }
    }
}
