//! Operators, and the pattern by which a union can find what an operator would match.

use seawall_diag::Span;

use super::Compiler;
use crate::pattern::{self, Pattern};
use crate::program::{NumberTest, Operator, TextTest};
use crate::seclang::ast::{OperatorKind, OperatorSyntax, Spanned};

/// What a union looks for.
pub(super) struct Scan {
    /// The same for the same pattern.
    pub(super) key: String,
    pub(super) pattern: Pattern,
}

/// An operator and how its candidates are found.
pub(super) struct Compiled {
    pub(super) test: Operator,
    /// `None` if it has to look at every value itself.
    pub(super) scan: Option<Scan>,
}

impl Compiler {
    /// `None` if it cannot be compiled, which is reported.
    pub(super) fn operator(&mut self, syntax: Option<OperatorSyntax>) -> Option<Compiled> {
        let Some(OperatorSyntax { kind, argument, .. }) = syntax else {
            return Some(Compiled {
                test: Operator::Always,
                scan: None,
            });
        };
        match kind {
            OperatorKind::Rx => self.rx(argument),
            OperatorKind::Pm => self.pm(argument),
            OperatorKind::Streq => self.text(TextTest::Equal, &argument),
            OperatorKind::Contains => self.text(TextTest::Contains, &argument),
            OperatorKind::BeginsWith => self.text(TextTest::BeginsWith, &argument),
            OperatorKind::EndsWith => self.text(TextTest::EndsWith, &argument),
            OperatorKind::Within => self.text(TextTest::Within, &argument),
            OperatorKind::Eq => self.number(NumberTest::Eq, &argument),
            OperatorKind::Ge => self.number(NumberTest::Ge, &argument),
            OperatorKind::Gt => self.number(NumberTest::Gt, &argument),
            OperatorKind::Le => self.number(NumberTest::Le, &argument),
            OperatorKind::Lt => self.number(NumberTest::Lt, &argument),
            OperatorKind::ByteRange(allowed) => Some(Compiled {
                test: Operator::BytesOutside(allowed),
                scan: None,
            }),
            OperatorKind::UnconditionalMatch => Some(Compiled {
                test: Operator::Always,
                scan: None,
            }),
        }
    }

    fn rx(&mut self, argument: Spanned<String>) -> Option<Compiled> {
        if let Some(at) = argument.value.find("%{") {
            self.found.error(
                "not-yet",
                part(argument.at, &argument.value, at..at + 2),
                "macros in patterns are not supported yet",
            );
            return None;
        }
        let compile = || Pattern::rx(&argument.value, false);
        let place = |range: Option<std::ops::Range<usize>>| {
            range.map_or(argument.at, |range| {
                part(argument.at, &argument.value, range)
            })
        };
        let test = self.pattern_or_report(compile(), place)?;
        let scan = self.pattern_or_report(compile(), place)?;
        Some(self.pattern(
            test,
            Scan {
                key: format!("rx {}", argument.value),
                pattern: scan,
            },
        ))
    }

    fn pm(&mut self, argument: Spanned<String>) -> Option<Compiled> {
        let phrases = pattern::phrases(&argument.value);
        if phrases.is_empty() {
            self.found
                .error("no-phrases", argument.at, "@pm needs at least one phrase");
            return None;
        }
        let test = self.pattern_or_report(Pattern::any_of(&phrases), |_| argument.at)?;
        let scan = self.pattern_or_report(Pattern::any_of(&phrases), |_| argument.at)?;
        Some(self.pattern(
            test,
            Scan {
                key: format!("pm {}", argument.value),
                pattern: scan,
            },
        ))
    }

    fn pattern(&mut self, pattern: Pattern, scan: Scan) -> Compiled {
        self.patterns.push(pattern);
        Compiled {
            test: Operator::Pattern(self.patterns.len() - 1),
            scan: Some(scan),
        }
    }

    fn text(&mut self, test: TextTest, argument: &Spanned<String>) -> Option<Compiled> {
        let template = self.template(&argument.value, argument.at)?;
        let anchors = match test {
            TextTest::Equal => Some((true, true)),
            TextTest::Contains => Some((false, false)),
            TextTest::BeginsWith => Some((true, false)),
            TextTest::EndsWith => Some((false, true)),
            TextTest::Within => None,
        };
        let scan = match (anchors, template.fixed()) {
            (Some((start, end)), Some(text)) => {
                let pattern =
                    self.pattern_or_report(Pattern::text(text, start, end), |_| argument.at)?;
                Some(Scan {
                    key: format!("{test:?} {}", argument.value),
                    pattern,
                })
            }
            _ => None,
        };
        Some(Compiled {
            test: Operator::Text(test, template),
            scan,
        })
    }

    fn number(&mut self, test: NumberTest, argument: &Spanned<String>) -> Option<Compiled> {
        let template = self.template(argument.value.trim(), argument.at)?;
        Some(Compiled {
            test: Operator::Number(test, template),
            scan: None,
        })
    }
}

/// The span of a part of an argument. Where backslashes or continuations were taken out of the word it is the whole.
fn part(at: Span, text: &str, range: std::ops::Range<usize>) -> Span {
    if (at.end - at.start) as usize != text.len() || range.end > text.len() || range.is_empty() {
        return at;
    }
    Span::new(
        at.file,
        at.start as usize + range.start,
        at.start as usize + range.end,
    )
}
