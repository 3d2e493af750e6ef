//! Operators, and how what they would match can be found by a scan.

use seawall_diag::Span;

use super::Compiler;
use crate::files::Files;
use crate::operator::{Addresses, Phrases};
use crate::pattern::{self, Pattern, PatternError};
use crate::program::classes::Find;
use crate::program::{ByteTest, Checked, NumberTest, Operator, TextTest};
use crate::seclang::ast::{OperatorKind, OperatorSyntax, Spanned};
use regex_syntax::hir::Hir;

/// A number of 13 to 19 digits, with blanks or dashes between them, if a rule gives no pattern of its own.
const CARD: &str = r"(?:\d[ -]?){13,19}";
const CPF: &str = r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}";
const SSN: &str = r"\d{3}-?\d{2}-?\d{4}";

/// An operator and how its candidates are found.
pub(super) struct Compiled {
    pub(super) test: Operator,
    /// `None` if it has to look at every value itself.
    pub(super) find: Option<Find>,
}

impl Compiled {
    fn blind(test: Operator) -> Option<Self> {
        Some(Self { test, find: None })
    }
}

impl Compiler {
    /// `None` if it cannot be compiled, which is reported.
    pub(super) fn operator(
        &mut self,
        syntax: Option<OperatorSyntax>,
        reader: &dyn Files,
    ) -> Option<Compiled> {
        let Some(OperatorSyntax { kind, argument, .. }) = syntax else {
            return Compiled::blind(Operator::Always);
        };
        match kind {
            OperatorKind::Rx => self.rx(argument),
            OperatorKind::Pm => self.phrases(pattern::phrases(&argument.value), argument.at),
            OperatorKind::PmFromFile => {
                let lines = self.data_lines(&argument.value, argument.at, reader)?;
                self.phrases(
                    lines.into_iter().map(String::into_bytes).collect(),
                    argument.at,
                )
            }
            OperatorKind::Streq => self.text(TextTest::Equal, &argument),
            OperatorKind::Contains => self.text(TextTest::Contains, &argument),
            OperatorKind::ContainsWord => self.text(TextTest::ContainsWord, &argument),
            OperatorKind::BeginsWith => self.text(TextTest::BeginsWith, &argument),
            OperatorKind::EndsWith => self.text(TextTest::EndsWith, &argument),
            OperatorKind::Within => self.text(TextTest::Within, &argument),
            OperatorKind::Eq => self.number(NumberTest::Eq, &argument),
            OperatorKind::Ge => self.number(NumberTest::Ge, &argument),
            OperatorKind::Gt => self.number(NumberTest::Gt, &argument),
            OperatorKind::Le => self.number(NumberTest::Le, &argument),
            OperatorKind::Lt => self.number(NumberTest::Lt, &argument),
            OperatorKind::ByteRange(allowed) => bytes(ByteTest::Outside(allowed)),
            OperatorKind::DetectSqli => bytes(ByteTest::Sqli),
            OperatorKind::DetectXss => bytes(ByteTest::Xss),
            OperatorKind::UrlEncoding => bytes(ByteTest::BrokenUrlEncoding),
            OperatorKind::Utf8Encoding => bytes(ByteTest::BrokenUtf8),
            OperatorKind::IpMatch => {
                let items: Vec<String> = argument.value.split(',').map(str::to_owned).collect();
                self.addresses(&items, argument.at)
            }
            OperatorKind::IpMatchFromFile => {
                let lines = self.data_lines(&argument.value, argument.at, reader)?;
                self.addresses(&lines, argument.at)
            }
            OperatorKind::VerifyCreditCard => self.checked(Checked::CreditCard, CARD, argument),
            OperatorKind::VerifyCpf => self.checked(Checked::Cpf, CPF, argument),
            OperatorKind::VerifySsn => self.checked(Checked::Ssn, SSN, argument),
            OperatorKind::UnconditionalMatch => Compiled::blind(Operator::Always),
            OperatorKind::NoMatch | OperatorKind::Elsewhere(_) => Compiled::blind(Operator::Never),
        }
    }

    fn rx(&mut self, argument: Spanned<String>) -> Option<Compiled> {
        if argument.value.contains("%{") {
            let template = self.template(&argument.value, argument.at)?;
            if template.fixed().is_none() {
                return Compiled::blind(Operator::MacroPattern(template));
            }
        }
        let index = self.pattern_index(&argument)?;
        let hir = self.patterns.get(index)?.hir.clone();
        Some(Compiled {
            test: Operator::Pattern(index),
            find: Some(self.find_pattern(format!("rx {}", argument.value), hir)),
        })
    }

    /// The index of a pattern, which is compiled once however many rules have it.
    pub(super) fn pattern_index(&mut self, argument: &Spanned<String>) -> Option<usize> {
        if let Some(index) = self.pattern_ids.get(&argument.value) {
            return Some(*index);
        }
        let place = |range: Option<std::ops::Range<usize>>| {
            range.map_or(argument.at, |range| {
                part(argument.at, &argument.value, range)
            })
        };
        let pattern = self.pattern_or_report(Pattern::rx(&argument.value, false), place)?;
        let index = self.keep_pattern(pattern, argument.at)?;
        self.pattern_ids.insert(argument.value.clone(), index);
        Some(index)
    }

    fn find_pattern(&mut self, key: String, hir: Hir) -> Find {
        let index = *self.scan_ids.entry(key).or_insert_with(|| {
            self.scan_patterns.push(hir);
            self.scan_patterns.len() - 1
        });
        Find::Pattern(index)
    }

    fn phrases(&mut self, mut list: Vec<Vec<u8>>, at: Span) -> Option<Compiled> {
        list.iter_mut().for_each(|p| p.make_ascii_lowercase());
        list.sort_unstable();
        list.dedup();
        if list.is_empty() {
            self.found
                .error("no-phrases", at, "@pm needs at least one phrase");
            return None;
        }
        let index = match self.phrase_ids.get(&list) {
            Some(index) => *index,
            None => {
                let phrases = self.pattern_or_report(Phrases::new(list.clone()), |_| at)?;
                self.phrases.push(phrases);
                self.phrase_ids.insert(list, self.phrases.len() - 1);
                self.phrases.len() - 1
            }
        };
        Some(Compiled {
            test: Operator::Phrases(index),
            find: Some(Find::Phrases(index)),
        })
    }

    fn addresses(&mut self, items: &[String], at: Span) -> Option<Compiled> {
        match Addresses::parse(items.iter().map(|i| i.trim()).filter(|i| !i.is_empty())) {
            Ok(addresses) => {
                self.addresses.push(addresses);
                Compiled::blind(Operator::Addresses(self.addresses.len() - 1))
            }
            Err(item) => {
                let message = format!("`{item}` is no address and no network");
                self.found.error("address", at, message);
                None
            }
        }
    }

    fn checked(
        &mut self,
        kind: Checked,
        default: &str,
        mut argument: Spanned<String>,
    ) -> Option<Compiled> {
        if argument.value.is_empty() {
            argument.value = default.to_owned();
        }
        let index = self.pattern_index(&argument)?;
        let hir = self.patterns.get(index)?.hir.clone();
        Some(Compiled {
            test: Operator::Checked(index, kind),
            find: Some(self.find_pattern(format!("rx {}", argument.value), hir)),
        })
    }

    fn text(&mut self, test: TextTest, argument: &Spanned<String>) -> Option<Compiled> {
        let template = self.template(&argument.value, argument.at)?;
        let anchors = match test {
            TextTest::Equal => Some((true, true)),
            TextTest::Contains | TextTest::ContainsWord => Some((false, false)),
            TextTest::BeginsWith => Some((true, false)),
            TextTest::EndsWith => Some((false, true)),
            TextTest::Within => None,
        };
        let find = match (anchors, template.fixed()) {
            (Some((start, end)), Some(text)) => {
                let hir: Result<Hir, PatternError> = pattern::text(text, start, end);
                let hir = self.pattern_or_report(hir, |_| argument.at)?;
                Some(self.find_pattern(format!("{start}{end} {}", argument.value), hir))
            }
            _ => None,
        };
        Some(Compiled {
            test: Operator::Text(test, template),
            find,
        })
    }

    fn number(&mut self, test: NumberTest, argument: &Spanned<String>) -> Option<Compiled> {
        let template = self.template(argument.value.trim(), argument.at)?;
        Compiled::blind(Operator::Number(test, template))
    }
}

fn bytes(test: ByteTest) -> Option<Compiled> {
    Some(Compiled {
        test: Operator::Bytes(test),
        find: Some(Find::Test(test)),
    })
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
