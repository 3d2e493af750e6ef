//! The words of ModSecurity's language that are not furnished yet, and the nearest known word to a misspelt one.
//!
//! A word that ModSecurity knows and we do not run is `not-yet`; anything else is a mistake of the writer. Neither is
//! ever accepted in silence.

use seawall_diag::{Diagnostic, Span};

pub(super) const DIRECTIVES: &[&str] = &[
    "SecRule",
    "SecAction",
    "SecMarker",
    "SecDefaultAction",
    "SecRuleEngine",
];

const LATER_DIRECTIVES: &[&str] = &[
    "Include",
    "SecArgumentSeparator",
    "SecArgumentsLimit",
    "SecAuditEngine",
    "SecAuditLog",
    "SecAuditLogFormat",
    "SecAuditLogParts",
    "SecAuditLogRelevantStatus",
    "SecAuditLogStorageDir",
    "SecAuditLogType",
    "SecCollectionTimeout",
    "SecComponentSignature",
    "SecCookieFormat",
    "SecDataDir",
    "SecDebugLog",
    "SecDebugLogLevel",
    "SecGeoLookupDb",
    "SecPcreMatchLimit",
    "SecPcreMatchLimitRecursion",
    "SecRequestBodyAccess",
    "SecRequestBodyJsonDepthLimit",
    "SecRequestBodyLimit",
    "SecRequestBodyLimitAction",
    "SecRequestBodyNoFilesLimit",
    "SecResponseBodyAccess",
    "SecResponseBodyLimit",
    "SecResponseBodyLimitAction",
    "SecResponseBodyMimeType",
    "SecRuleRemoveById",
    "SecRuleRemoveByMsg",
    "SecRuleRemoveByTag",
    "SecRuleScript",
    "SecRuleUpdateActionById",
    "SecRuleUpdateTargetById",
    "SecRuleUpdateTargetByMsg",
    "SecRuleUpdateTargetByTag",
    "SecStatusEngine",
    "SecTmpDir",
    "SecUnicodeMapFile",
    "SecUploadDir",
    "SecUploadKeepFiles",
];

const LATER_VARIABLES: &[&str] = &[
    "ARGS_GET_NAMES",
    "ARGS_POST_NAMES",
    "AUTH_TYPE",
    "DURATION",
    "ENV",
    "FILES",
    "FILES_COMBINED_SIZE",
    "FILES_NAMES",
    "FILES_SIZES",
    "FILES_TMPNAMES",
    "FILES_TMP_CONTENT",
    "FULL_REQUEST",
    "FULL_REQUEST_LENGTH",
    "GEO",
    "GLOBAL",
    "INBOUND_DATA_ERROR",
    "IP",
    "MATCHED_VARS",
    "MATCHED_VARS_NAMES",
    "MULTIPART_CRLF_LF_LINES",
    "MULTIPART_FILENAME",
    "MULTIPART_NAME",
    "MULTIPART_PART_HEADERS",
    "MULTIPART_STRICT_ERROR",
    "MULTIPART_UNMATCHED_BOUNDARY",
    "OUTBOUND_DATA_ERROR",
    "PATH_INFO",
    "REMOTE_HOST",
    "REMOTE_PORT",
    "REMOTE_USER",
    "REQBODY_ERROR_MSG",
    "REQBODY_PROCESSOR",
    "REQBODY_PROCESSOR_ERROR",
    "REQUEST_BASENAME",
    "REQUEST_BODY_LENGTH",
    "RESOURCE",
    "RESPONSE_BODY",
    "RESPONSE_CONTENT_LENGTH",
    "RESPONSE_CONTENT_TYPE",
    "RESPONSE_HEADERS",
    "RESPONSE_HEADERS_NAMES",
    "RESPONSE_PROTOCOL",
    "RESPONSE_STATUS",
    "RULE",
    "SERVER_ADDR",
    "SERVER_NAME",
    "SERVER_PORT",
    "SESSION",
    "SESSIONID",
    "STATUS_LINE",
    "TIME",
    "TIME_DAY",
    "TIME_EPOCH",
    "TIME_HOUR",
    "TIME_MIN",
    "TIME_MON",
    "TIME_SEC",
    "TIME_WDAY",
    "TIME_YEAR",
    "UNIQUE_ID",
    "URLENCODED_ERROR",
    "USER",
    "USERID",
    "WEBAPPID",
    "XML",
];

const LATER_OPERATORS: &[&str] = &[
    "containsWord",
    "detectSQLi",
    "detectXSS",
    "fuzzyHash",
    "geoLookup",
    "gsbLookup",
    "inspectFile",
    "ipMatch",
    "ipMatchF",
    "ipMatchFromFile",
    "noMatch",
    "pmf",
    "pmFromFile",
    "rbl",
    "rsub",
    "rxGlobal",
    "strmatch",
    "validateDTD",
    "validateHash",
    "validateSchema",
    "validateUrlEncoding",
    "validateUtf8Encoding",
    "verifyCC",
    "verifyCPF",
    "verifySSN",
    "verifySVNR",
];

const LATER_ACTIONS: &[&str] = &[
    "accuracy",
    "allow",
    "append",
    "auditlog",
    "deprecatevar",
    "drop",
    "exec",
    "expirevar",
    "initcol",
    "maturity",
    "multiMatch",
    "noauditlog",
    "pause",
    "prepend",
    "proxy",
    "redirect",
    "sanitiseArg",
    "sanitiseMatched",
    "sanitiseMatchedBytes",
    "sanitiseRequestHeader",
    "sanitiseResponseHeader",
    "setenv",
    "setrsc",
    "setsid",
    "setuid",
    "skip",
    "xmlns",
];

const LATER_TRANSFORMATIONS: &[&str] = &[
    "base64DecodeExt",
    "base64Encode",
    "escapeSeqDecode",
    "hexEncode",
    "md5",
    "parityEven7bit",
    "parityOdd7bit",
    "parityZero7bit",
    "removeComments",
    "sha1",
    "sqlHexDecode",
    "urlEncode",
];

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
        let later = unknown(Kind::Operator, "detectsqli", &[], Span::default());
        assert_eq!(later.code, "not-yet");
    }
}
