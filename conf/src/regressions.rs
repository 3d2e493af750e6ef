//! Regression tests of rule sets, in the form that the OWASP Core Rule Set has its own in (go-ftw; 3.x and 4.x): requests
//! and the ids of rules that must and must not match.
//!
//! Read leniently: these files are other people's, and what is said in them of ports, statuses and logs is not about rules.
//! Limits: those of the YAML reader. Tested below.

use crate::cases::load_tests;
use crate::load::{LoadError, LoadOptions};
use seawall_diag::{SourceMap, Span};
use std::path::Path;

/// A file of them.
#[derive(Clone, Debug)]
pub struct Regressions {
    /// The text it was read from.
    pub sources: SourceMap,
    /// The tests in the order written.
    pub tests: Vec<Regression>,
}

/// One test.
#[derive(Clone, Debug)]
pub struct Regression {
    /// `942100-1`
    pub name: String,
    /// Where it is written.
    pub at: Span,
    /// Its requests; each must be judged as it says.
    pub stages: Vec<Stage>,
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// As it is sent.
    pub request: Vec<u8>,
    /// Rules that must match.
    pub expect: Vec<u32>,
    /// Rules that must not.
    pub exclude: Vec<u32>,
    /// No other rule than those expected may match.
    pub isolated: bool,
    /// It says something that is not about rules' ids: a status, a log's text.
    pub says_more: bool,
}

/// Reads a file of regression tests.
///
/// # Errors
/// It cannot be read, or is no YAML.
pub fn load_regressions(path: &Path, options: &LoadOptions) -> Result<Regressions, LoadError> {
    // What a test is called that has a number alone.
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let read = load_tests(path, options, |sources, file, found| {
        crate::yaml::regressions(sources, file, &stem, options, found)
    })?;
    let (tests, sources, _) = read;
    Ok(Regressions { sources, tests })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Vec<Regression> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("942100.yaml");
        std::fs::write(&path, text).unwrap();
        load_regressions(&path, &LoadOptions::default())
            .unwrap()
            .tests
    }

    #[test]
    fn both_forms_of_the_rule_sets_tests_are_read() {
        let new = "rule_id: 942100\ntests:\n  - test_id: 1\n    stages:\n      - input: { method: POST, uri: /post, headers: { Host: localhost }, data: \"a=1 OR 1=1\" }\n        output: { log: { expect_ids: [942100], no_expect_ids: [941100] } }\n";
        let tests = loaded(new);
        assert_eq!(tests[0].name, "942100-1");
        let stage = &tests[0].stages[0];
        assert_eq!(
            String::from_utf8_lossy(&stage.request),
            "POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\
             Content-Length: 12\r\n\r\na=1+OR+1%3D1"
        );
        assert_eq!(
            (&*stage.expect, &*stage.exclude),
            (&[942_100][..], &[941_100][..])
        );
        assert!(!stage.says_more);
        let old = "tests:\n  - test_title: 942100-7\n    stages:\n      - stage:\n          input: { stop_magic: true, method: GET, uri: \"/?a\" }\n          output: { no_log_contains: 'id \"942100\"' }\n      - stage:\n          input: { encoded_request: R0VUIC8gSFRUUC8xLjENCg0K }\n          output: { status: [400] }\n";
        let tests = loaded(old);
        assert_eq!(
            (tests[0].name.as_str(), tests[0].stages.len()),
            ("942100-7", 2)
        );
        assert_eq!(tests[0].stages[0].request, b"GET /?a HTTP/1.1\r\n\r\n");
        assert_eq!(tests[0].stages[0].exclude, [942_100]);
        assert_eq!(tests[0].stages[1].request, b"GET / HTTP/1.1\r\n\r\n");
        assert!(tests[0].stages[1].says_more);
    }

    #[test]
    fn a_value_may_be_repeated_and_parts_of_a_form_end_with_both() {
        let text = "tests:\n  - test_id: 2\n    stages:\n      - input:\n          method: POST\n          headers: { Content-Type: multipart/form-data; boundary=x }\n          data: |\n            --x\n            {{ \"ab\" | repeat 3 }}\n        output: {}\n";
        let request = loaded(text)[0].stages[0].request.clone();
        let text = String::from_utf8(request).unwrap();
        assert!(text.ends_with("\r\n\r\n--x\r\nababab\r\n"), "{text}");
    }
}
