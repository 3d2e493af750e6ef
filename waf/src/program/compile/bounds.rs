//! What a rule set may take while it is compiled, whatever its files say.
//!
//! Rule files are an operator's own, but they come from the net and are edited by hand; a reload that took all memory
//! would end the daemon that still runs by the old rules.

use seawall_diag::Span;

use super::Compiler;
use crate::pattern::Pattern;

/// Rules of one program. CRS 4 has 700.
pub(super) const RULES_MAX: usize = 20_000;
/// Bytes of all rule files and lists of one program.
pub(super) const SOURCE_BYTES_MAX: usize = 64 << 20;
/// Bytes that all patterns of a program take, each for itself. Those of CRS 4 take some 30 MiB.
pub(super) const PATTERNS_BYTES_MAX: usize = 256 << 20;

/// What was taken so far.
#[derive(Debug, Default)]
pub(super) struct Taken {
    source_bytes: usize,
    pattern_bytes: usize,
    /// It was said once, and nothing more is compiled.
    full: bool,
}

impl Compiler {
    /// Whether there is room for this many bytes of a file; that there is not is said once.
    pub(super) fn has_room_for_source(&mut self, bytes: usize, at: Option<Span>) -> bool {
        self.taken.source_bytes = self.taken.source_bytes.saturating_add(bytes);
        let fits = self.taken.source_bytes <= SOURCE_BYTES_MAX;
        self.fits(
            fits,
            at,
            "these rule files are longer than a rule set may be",
        )
    }

    /// Whether there is room for one rule more.
    pub(super) fn has_room_for_rule(&mut self, at: Span) -> bool {
        let fits = self.done.len() < RULES_MAX;
        self.fits(fits, Some(at), "more rules than a rule set may have")
    }

    /// The index of a pattern that is kept, if there is room for it.
    pub(super) fn keep_pattern(&mut self, pattern: Pattern, at: Span) -> Option<usize> {
        self.taken.pattern_bytes = self
            .taken
            .pattern_bytes
            .saturating_add(pattern.memory_usage());
        let fits = self.taken.pattern_bytes <= PATTERNS_BYTES_MAX;
        if !self.fits(
            fits,
            Some(at),
            "the patterns of these rules together take too much memory",
        ) {
            return None;
        }
        self.patterns.push(pattern);
        Some(self.patterns.len() - 1)
    }

    /// Whether nothing more is to be compiled.
    pub(super) fn is_full(&self) -> bool {
        self.taken.full
    }

    fn fits(&mut self, fits: bool, at: Option<Span>, message: &str) -> bool {
        if !fits && !std::mem::replace(&mut self.taken.full, true) {
            self.found.error("too-large", at, message);
        }
        fits && !self.taken.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Options;
    use seawall_diag::SourceMap;

    fn codes(rules: String) -> Vec<&'static str> {
        let mut sources = SourceMap::default();
        let file = sources.add("a.conf", rules);
        let found = crate::Program::compile(&mut sources, &[file], &Options::default());
        found.unwrap_err().iter().map(|d| d.code).collect()
    }

    #[test]
    fn more_rules_than_a_set_may_have_are_refused_once() {
        let rules = (1..RULES_MAX + 10).map(|id| format!("SecAction id:{id}\n"));
        assert_eq!(codes(rules.collect()), ["too-large"]);
    }

    #[test]
    fn patterns_that_take_too_much_memory_together_are_refused_once() {
        // Each of them may be compiled alone.
        let rule = |id| format!("SecRule ARGS \"@rx [^a]{{{}}}b\" id:{id}\n", 30_000 + id);
        assert_eq!(codes((1..1000).map(rule).collect()), ["too-large"]);
    }
}
