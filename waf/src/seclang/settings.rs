//! Directives that set limits and switches of body inspection.

use seawall_diag::{Diagnostic, Diagnostics};

use super::ast::{Setting, Spanned};
use super::parse::exactly;
use super::text::Word;
use crate::audit::{AuditEngine, AuditParts};

/// Reads a setting from its only word.
type Read = fn((&Word, String), &mut Diagnostics) -> Option<Setting>;

/// The setting of a directive; `None` if it is none of these, `Some(None)` if it is wrong, which is reported.
pub(super) fn parse(
    lower: &str,
    name: &Word,
    arguments: &[Word],
    found: &mut Diagnostics,
) -> Option<Option<Setting>> {
    let mut value = |kinds: &str| {
        exactly(name, arguments, kinds, found).map(|[word]| (word, word.text.trim().to_owned()))
    };
    let (word, setting): (_, Read) = match lower {
        "secrequestbodyaccess" => (value("On or Off"), |v, f| {
            switch(v, f).map(Setting::RequestBodyAccess)
        }),
        "secresponsebodyaccess" => (value("On or Off"), |v, f| {
            switch(v, f).map(Setting::ResponseBodyAccess)
        }),
        "secrequestbodylimit" => (value("bytes"), |v, f| {
            number(v, f).map(Setting::RequestBodyLimit)
        }),
        "secresponsebodylimit" => (value("bytes"), |v, f| {
            number(v, f).map(Setting::ResponseBodyLimit)
        }),
        "secrequestbodyjsondepthlimit" => (value("a depth"), |v, f| {
            number(v, f).map(Setting::JsonDepth)
        }),
        "secargumentslimit" => (value("a number"), |v, f| {
            number(v, f).map(Setting::Arguments)
        }),
        "seccollectiontimeout" => (value("seconds"), |v, f| {
            number(v, f).map(|s| Setting::CollectionTimeout(s as u64))
        }),
        "secrequestbodylimitaction" => (value("Reject or ProcessPartial"), |v, f| {
            refuse(v, f).map(Setting::RequestBodyRefuse)
        }),
        "secresponsebodylimitaction" => (value("Reject or ProcessPartial"), |v, f| {
            refuse(v, f).map(Setting::ResponseBodyRefuse)
        }),
        "secauditengine" => (value("On, Off or RelevantOnly"), audit_engine),
        "secauditlogparts" => (value("letters"), audit_parts),
        "secauditlogrelevantstatus" => (value("a pattern"), |(word, text), _| {
            Some(Setting::AuditStatus(Spanned {
                value: text,
                at: word.at,
            }))
        }),
        "seccomponentsignature" => (value("a text"), |(_, text), _| {
            Some(Setting::Signature(text))
        }),
        "secargumentseparator" => (value("one character"), separator),
        "secresponsebodymimetype" => {
            let types = arguments.iter().map(|w| w.text.to_ascii_lowercase());
            return Some(Some(Setting::ResponseBodyTypes(types.collect())));
        }
        "secresponsebodymimetypesclear" => {
            return Some(Some(Setting::ResponseBodyTypes(Vec::new())));
        }
        _ => return None,
    };
    Some(word.and_then(|word| setting(word, found)))
}

fn audit_engine((word, text): (&Word, String), found: &mut Diagnostics) -> Option<Setting> {
    AuditEngine::named(&text)
        .map(Setting::AuditEngine)
        .or_else(|| wrong(word, "On, Off or RelevantOnly", found))
}

fn audit_parts((word, text): (&Word, String), found: &mut Diagnostics) -> Option<Setting> {
    AuditParts::named(&text)
        .map(Setting::AuditParts)
        .or_else(|| wrong(word, "letters such as ABHZ", found))
}

fn separator((word, text): (&Word, String), found: &mut Diagnostics) -> Option<Setting> {
    match text.as_bytes() {
        [separator] => Some(Setting::ArgumentSeparator(*separator)),
        _ => wrong(word, "one character", found),
    }
}

fn wrong<T>(word: &Word, expected: &str, found: &mut Diagnostics) -> Option<T> {
    let message = format!("`{}` is not {expected}", word.text);
    found.push(Diagnostic::error("bad-value", word.at, message));
    None
}

fn switch((word, text): (&Word, String), found: &mut Diagnostics) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" => Some(true),
        "off" => Some(false),
        _ => wrong(word, "On or Off", found),
    }
}

fn number((word, text): (&Word, String), found: &mut Diagnostics) -> Option<usize> {
    text.parse()
        .ok()
        .or_else(|| wrong(word, "a whole number", found))
}

fn refuse((word, text): (&Word, String), found: &mut Diagnostics) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "reject" => Some(true),
        "processpartial" => Some(false),
        _ => wrong(word, "Reject or ProcessPartial", found),
    }
}
