//! The words of ModSecurity's language that are not furnished yet, and the nearest known word to a misspelt one.
//!
//! A word that ModSecurity knows and we do not run is `not-yet`; anything else is a mistake of the writer. Neither is
//! ever accepted in silence.

use seawall_diag::{Diagnostic, Span};

pub(super) const DIRECTIVES: &[&str] = &[
    "Include",
    "IncludeOptional",
    "SecAction",
    "SecArgumentSeparator",
    "SecArgumentsLimit",
    "SecAuditEngine",
    "SecAuditLogParts",
    "SecAuditLogRelevantStatus",
    "SecCollectionTimeout",
    "SecComponentSignature",
    "SecDefaultAction",
    "SecMarker",
    "SecRequestBodyAccess",
    "SecRequestBodyJsonDepthLimit",
    "SecRequestBodyLimit",
    "SecRequestBodyLimitAction",
    "SecResponseBodyAccess",
    "SecResponseBodyLimit",
    "SecResponseBodyLimitAction",
    "SecResponseBodyMimeType",
    "SecResponseBodyMimeTypesClear",
    "SecRule",
    "SecRuleEngine",
    "SecRuleRemoveById",
    "SecRuleRemoveByMsg",
    "SecRuleRemoveByTag",
    "SecRuleUpdateActionById",
    "SecRuleUpdateTargetById",
    "SecRuleUpdateTargetByMsg",
    "SecRuleUpdateTargetByTag",
];

/// What says nothing that could have an effect here: logs have their place in the configuration, nothing is written to
/// temporary files, patterns take linear time, and nothing calls home.
pub(super) const WITHOUT_EFFECT: &[&str] = &[
    "SecAuditLog",
    "SecAuditLog2",
    "SecAuditLogDirMode",
    "SecAuditLogFileMode",
    "SecAuditLogFormat",
    "SecAuditLogPrefix",
    "SecAuditLogStorageDir",
    "SecAuditLogType",
    "SecConnEngine",
    "SecContentInjection",
    "SecCookieFormat",
    "SecDataDir",
    "SecDebugLog",
    "SecDebugLogLevel",
    "SecDisableBackendCompression",
    "SecGsbLookupDb",
    "SecGuardianLog",
    "SecHttpBlKey",
    "SecInterceptOnError",
    "SecPcreMatchLimit",
    "SecPcreMatchLimitRecursion",
    "SecRequestBodyInMemoryLimit",
    "SecRequestBodyNoFilesLimit",
    "SecRulePerfTime",
    "SecSensorId",
    "SecServerSignature",
    "SecStatusEngine",
    "SecStreamInBodyInspection",
    "SecStreamOutBodyInspection",
    "SecTmpDir",
    "SecTmpSaveUploadedFiles",
    "SecUnicodeMapFile",
    "SecUploadDir",
    "SecUploadFileLimit",
    "SecUploadFileMode",
    "SecUploadKeepFiles",
    "SecWebAppId",
    "SecXmlExternalEntity",
];

const LATER_DIRECTIVES: &[&str] = &[
    "SecCacheTransformations",
    "SecGeoLookupDb",
    "SecHashEngine",
    "SecRemoteRules",
    "SecRuleInheritance",
    "SecRuleScript",
];

const LATER_VARIABLES: &[&str] = &["HIGHEST_SEVERITY", "MODSEC_BUILD", "RULE"];

const LATER_OPERATORS: &[&str] = &[
    "fuzzyHash",
    "gsbLookup",
    "inspectFile",
    "rsub",
    "validateDTD",
    "validateHash",
    "validateSchema",
    "verifySVNR",
];

const LATER_ACTIONS: &[&str] = &[
    "append",
    "deprecatevar",
    "exec",
    "pause",
    "prepend",
    "proxy",
    "redirect",
    "setenv",
    "xmlns",
];

const LATER_TRANSFORMATIONS: &[&str] = &[];

/// A kind of word.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Directive,
    Variable,
    Operator,
    Action,
    Transformation,
}

impl Kind {
    fn later(self) -> &'static [&'static str] {
        match self {
            Kind::Directive => LATER_DIRECTIVES,
            Kind::Variable => LATER_VARIABLES,
            Kind::Operator => LATER_OPERATORS,
            Kind::Action => LATER_ACTIONS,
            Kind::Transformation => LATER_TRANSFORMATIONS,
        }
    }

    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Kind::Directive => ("unknown-directive", "directive"),
            Kind::Variable => ("unknown-variable", "variable"),
            Kind::Operator => ("unknown-operator", "operator"),
            Kind::Action => ("unknown-action", "action"),
            Kind::Transformation => ("unknown-transformation", "transformation"),
        }
    }
}

/// The error for a word that is none of `known`.
pub(super) fn unknown(kind: Kind, word: &str, known: &[&'static str], at: Span) -> Diagnostic {
    let (code, noun) = kind.parts();
    if let Some(later) = kind.later().iter().find(|l| l.eq_ignore_ascii_case(word)) {
        return Diagnostic::error(
            "not-yet",
            at,
            format!("the {noun} `{later}` is not supported yet"),
        );
    }
    let error = Diagnostic::error(code, at, format!("unknown {noun} `{word}`"));
    match nearest(word, known.iter().chain(kind.later())) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    }
}

fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a &'static str>) -> Option<&'static str> {
    // A long word is no misspelling of anything, and must not cost a quadratic comparison.
    if word.len() > 64 {
        return None;
    }
    let far = 1 + word.len() / 4;
    known
        .map(|k| (distance(word, k), *k))
        .filter(|(d, _)| *d <= far)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// Levenshtein's distance, regardless of ASCII case.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let change = diagonal + usize::from(!x.eq_ignore_ascii_case(&y));
            diagonal = *cell;
            left = change.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("secrule", "SecRule"), 0);
    }

    #[test]
    fn a_misspelt_word_gets_its_neighbour_and_nonsense_gets_none() {
        let near = unknown(Kind::Directive, "SecRul", DIRECTIVES, Span::default());
        assert_eq!(near.help.as_deref(), Some("did you mean `SecRule`?"));
        let far = unknown(Kind::Directive, "Listen", DIRECTIVES, Span::default());
        assert_eq!((far.code, far.help), ("unknown-directive", None));
        let later = unknown(Kind::Operator, "inspectfile", &[], Span::default());
        assert_eq!(later.code, "not-yet");
    }
}
