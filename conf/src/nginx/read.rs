//! Typed reading of arguments; messages are nginx's (ngx_conf_set_*_slot).

use super::lex::Word;
use super::table;
use super::tree::Directive;
use crate::model::{Pattern, Template};
use crate::quantity;
use crate::template::{self, Dollar};
use seawall_diag::{Diagnostic, Diagnostics, Span};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The greatest number taken where nginx has no bound of its own.
pub(crate) const NUMBER_MAX: u64 = 1_000_000_000;

/// What lowering needs everywhere: where paths start, and where errors go.
pub(crate) struct Reader<'a> {
    pub(crate) found: &'a mut Diagnostics,
    /// nginx's prefix: for roots, logs and stores.
    pub(crate) prefix: &'a Path,
    /// The main file's directory: for includes and certificates.
    pub(crate) conf_prefix: &'a Path,
}

impl Reader<'_> {
    pub(crate) fn error(&mut self, at: Span, message: impl Into<String>) {
        self.found
            .push(Diagnostic::error("nginx-value", at, message));
    }

    pub(crate) fn not_yet(&mut self, at: Span, what: &str) {
        self.found.push(Diagnostic::error(
            "not-yet",
            at,
            format!("{what} is not built yet"),
        ));
    }

    pub(crate) fn invalid_parameter(&mut self, word: &Word) {
        let said = format!("invalid parameter \"{}\"", word.text);
        let mut d = Diagnostic::error("nginx-value", word.at, said);
        if !word.quoted && table::is_name(&word.text) {
            d.help = Some("is the \";\" of the directive before it missing?".to_owned());
        }
        self.found.push(d);
    }

    pub(crate) fn template(&mut self, word: &Word) -> Template {
        self.template_text(word, &word.text.clone())
    }

    /// A template made of a word's text, or of what was made of it.
    pub(crate) fn template_text(&mut self, word: &Word, text: &str) -> Template {
        let exact = word.exact.filter(|_| text == word.text);
        match template::parse(
            text,
            exact.unwrap_or(word.at),
            exact.is_some(),
            Dollar::Refused,
        ) {
            Ok(template) => template,
            Err(message) => {
                self.error(word.at, message);
                Template::default()
            }
        }
    }

    /// The only argument as a duration.
    pub(crate) fn duration(&mut self, directive: &Directive) -> Option<Duration> {
        let word = directive.args.first()?;
        let value = quantity::duration(&word.text, true).ok();
        if value.is_none() {
            self.error(
                word.at,
                format!("\"{}\" directive invalid value", directive.name()),
            );
        }
        value
    }

    pub(crate) fn duration_word(&mut self, word: &Word, text: &str) -> Option<Duration> {
        let value = quantity::duration(text, true).ok();
        if value.is_none() {
            self.invalid_parameter(word);
        }
        value
    }

    /// The only argument as a size.
    pub(crate) fn size(&mut self, directive: &Directive) -> Option<u64> {
        let word = directive.args.first()?;
        let value = nginx_size(&word.text);
        if value.is_none() {
            self.error(
                word.at,
                format!("\"{}\" directive invalid value", directive.name()),
            );
        }
        value
    }

    pub(crate) fn size_word(&mut self, word: &Word, text: &str) -> Option<u64> {
        let value = nginx_size(text);
        if value.is_none() {
            self.invalid_parameter(word);
        }
        value
    }

    /// The only argument as a number.
    pub(crate) fn number(&mut self, directive: &Directive) -> Option<u64> {
        let word = directive.args.first()?;
        let value = word.text.parse().ok().filter(|n| *n <= NUMBER_MAX);
        if value.is_none() {
            self.error(word.at, "invalid number");
        }
        value
    }

    pub(crate) fn number_word(&mut self, word: &Word, text: &str) -> Option<u64> {
        let value = text.parse().ok().filter(|n| *n <= NUMBER_MAX);
        if value.is_none() {
            self.invalid_parameter(word);
        }
        value
    }

    /// A path without variables, absolute from the prefix.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        self.prefix.join(text)
    }
}

/// nginx's sizes have no unit but `k`, `m` and `g`.
pub(crate) fn nginx_size(text: &str) -> Option<u64> {
    if text.ends_with(|c: char| c.is_ascii_digit() || "kKmMgG".contains(c)) {
        quantity::size(text).ok()
    } else {
        None
    }
}

/// A pattern as written.
pub(crate) fn pattern(word: &Word, text: &str, caseless: bool, negated: bool) -> Pattern {
    Pattern {
        at: word.at,
        text: text.to_owned(),
        caseless,
        negated,
    }
}

/// Whether a switch is on.
pub(crate) fn is_on(directive: &Directive) -> bool {
    directive.arg(0).eq_ignore_ascii_case("on")
}
