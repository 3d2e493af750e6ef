//! Targets: variables become sources of values, selectors become slots and patterns.

use seawall_diag::Diagnostic;
use smallvec::{SmallVec, smallvec};

use super::Compiler;
use crate::pattern::{Pattern, PatternError};
use crate::program::{Exclusion, Part, Selector, Source, Target, What};
use crate::seclang::ast::{SelectorSyntax, Spanned, TargetSyntax, Variable};

/// Whether a union can find the values that a rule with these targets is to look at.
pub(super) fn can_be_scanned(targets: &[Target]) -> bool {
    let fixed = |t: &Target| !t.count && matches!(t.what, What::Values { .. });
    let small = |t: &Target| matches!(&t.what, What::Values { sources, .. } if sources.iter().all(|s| s.is_small()));
    !targets.is_empty() && targets.iter().all(fixed) && !targets.iter().all(small)
}

/// Where the values of a variable are.
pub(in crate::program) fn what(variable: Variable) -> What {
    let values = |sources: &[Source], part| What::Values {
        sources: SmallVec::from_slice(sources),
        part,
    };
    let single = |source| What::Values {
        sources: smallvec![source],
        part: Part::Value,
    };
    match variable {
        Variable::Args => values(&[Source::ArgsGet, Source::ArgsPost], Part::Value),
        Variable::ArgsNames => values(&[Source::ArgsGet, Source::ArgsPost], Part::Name),
        Variable::ArgsGet => single(Source::ArgsGet),
        Variable::ArgsPost => single(Source::ArgsPost),
        Variable::ArgsCombinedSize => single(Source::ArgsSize),
        Variable::MatchedVar => What::MatchedVar,
        Variable::MatchedVarName => What::MatchedVarName,
        Variable::QueryString => single(Source::QueryString),
        Variable::RemoteAddr => single(Source::RemoteAddr),
        Variable::ReqbodyError => single(Source::BodyError),
        Variable::RequestBody => single(Source::Body),
        Variable::RequestCookies => single(Source::Cookies),
        Variable::RequestCookiesNames => values(&[Source::Cookies], Part::Name),
        Variable::RequestFilename => single(Source::Filename),
        Variable::RequestHeaders => single(Source::Headers),
        Variable::RequestHeadersNames => values(&[Source::Headers], Part::Name),
        Variable::RequestLine => single(Source::Line),
        Variable::RequestMethod => single(Source::Method),
        Variable::RequestProtocol => single(Source::Protocol),
        Variable::RequestUri => single(Source::Uri),
        Variable::RequestUriRaw => single(Source::UriRaw),
        Variable::Tx => What::Tx,
    }
}

impl Compiler {
    pub(super) fn targets(&mut self, list: Vec<TargetSyntax>) -> (Vec<Target>, Vec<Exclusion>) {
        let (mut targets, mut exclusions) = (Vec::new(), Vec::new());
        for syntax in list {
            let what = what(syntax.variable);
            let Some(selector) = self.selector(&what, syntax.selector) else {
                continue;
            };
            if syntax.exclude {
                exclusions.push(Exclusion { what, selector });
            } else {
                targets.push(Target {
                    what,
                    selector,
                    count: syntax.count,
                });
            }
        }
        (targets, exclusions)
    }

    fn selector(
        &mut self,
        what: &What,
        selector: Option<Spanned<SelectorSyntax>>,
    ) -> Option<Selector> {
        Some(match selector {
            None => Selector::All,
            Some(Spanned {
                value: SelectorSyntax::Name(name),
                ..
            }) if *what == What::Tx => Selector::Slot(self.slot(&name)),
            Some(Spanned {
                value: SelectorSyntax::Name(name),
                ..
            }) => Selector::Name(name.to_ascii_lowercase().into_bytes()),
            Some(Spanned {
                value: SelectorSyntax::Regex(pattern),
                at,
            }) => {
                // Names are compared regardless of case, so patterns for them are, too.
                let compiled = self.pattern_or_report(Pattern::rx(&pattern, true), |_| at)?;
                self.patterns.push(compiled);
                Selector::Regex(self.patterns.len() - 1)
            }
        })
    }

    /// The pattern; what is wrong with it is reported at the span that `place` gives for a part of it.
    pub(super) fn pattern_or_report(
        &mut self,
        compiled: Result<Pattern, PatternError>,
        place: impl Fn(Option<std::ops::Range<usize>>) -> seawall_diag::Span,
    ) -> Option<Pattern> {
        let error = match compiled {
            Ok(pattern) => return Some(pattern),
            Err(error) => error,
        };
        let text = error.to_string();
        self.found.push(match error {
            PatternError::Unsupported(_, range) => {
                Diagnostic::error("not-yet", place(Some(range)), text)
                    .help("patterns are matched in linear time: rewrite this one without it")
            }
            PatternError::Syntax(_, range) => {
                Diagnostic::error("pattern", place(Some(range)), text)
            }
            PatternError::TooLarge => Diagnostic::error("pattern", place(None), text),
        });
        None
    }
}
