//! Cases: requests and what must become of them, so that a configuration has tests of its own (`seawall test`).
//!
//! They are read here, with the reader of the configuration, because an operator wants the same of both: every error with
//! its line, a caret and the word that was probably meant. What runs them is the daemon's, with the pipeline that serves.
//! Limits: those of the YAML reader, [`CASES_MAX`], [`STEPS_MAX`]. Tested in `conf/tests/cases.rs`.

use crate::load::{LoadError, LoadOptions, read};
use seawall_diag::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Tests in one file.
pub const CASES_MAX: usize = 10_000;

/// Requests in one test.
pub const STEPS_MAX: usize = 1_000;

/// A value and the place where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T> {
    /// Where.
    pub at: Span,
    /// What.
    pub value: T,
}

/// A file of cases.
#[derive(Clone, Debug)]
pub struct Cases {
    /// The text it was read from.
    pub sources: SourceMap,
    /// The configuration that is tested, absolute.
    pub config: Option<At<PathBuf>>,
    /// What every origin answers unless a test says otherwise.
    pub origins: Origins,
    /// The tests in the order written.
    pub cases: Vec<Case>,
}

/// A test: requests in order, with caches that are empty before the first.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is called.
    pub name: At<String>,
    /// What origins answer in this test.
    pub origins: Origins,
    /// Its requests.
    pub steps: Vec<Step>,
}

/// A request and what must become of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it is written.
    pub at: Span,
    /// What is sent.
    pub request: Request,
    /// What origins answer from this request on, until the test ends.
    pub origins: Origins,
    /// What must come of it.
    pub expect: Expect,
}

/// What origins answer: all of them, and those that are named.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// Every one that is not named.
    pub all: Option<Origin>,
    /// By the name of their pool.
    pub named: Vec<(At<String>, Origin)>,
}

/// What an origin does with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// It closes the connection without an answer.
    Down,
    /// It answers.
    Answers {
        /// Status.
        status: u16,
        /// Fields.
        headers: Vec<(String, String)>,
        /// Body.
        body: String,
    },
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it is written.
    pub at: Span,
    /// Its method.
    pub method: String,
    /// Whether it comes over TLS.
    pub tls: bool,
    /// Host and port as they are written.
    pub authority: String,
    /// Path and arguments, byte for byte.
    pub target: String,
    /// Fields.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Option<String>,
    /// The client's address; an address of its own for every test otherwise (198.18.0.0/15, RFC 2544).
    pub from: Option<IpAddr>,
    /// The named listener it comes to.
    pub listen: Option<At<String>>,
}

/// What a text must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Text {
    /// This.
    Is(String),
    /// A match of this expression (written `~ EXPRESSION`).
    Matches(String),
    /// Not there (`off`).
    Absent,
    /// There, whatever it is (`on`).
    Present,
}

/// A field and what it must be.
pub type FieldExpected = (String, At<Text>);

/// What must come of a request; what is not written may be anything.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// First and last status: `404`, or `4xx`.
    pub status: Option<At<(u16, u16)>>,
    /// The site's first name; absent where none is found.
    pub site: Option<At<Text>>,
    /// The route, as the live tail shows it: `/api`, `= /exact`, `~ expression`.
    pub route: Option<At<Text>>,
    /// The pool that was asked last; absent where none was.
    pub pool: Option<At<Text>>,
    /// The server that was asked last, as it is written in the pool.
    pub server: Option<At<Text>>,
    /// What that server was sent.
    pub upstream: Option<At<Upstream>>,
    /// Location of a redirect.
    pub redirect: Option<At<Text>>,
    /// Response fields.
    pub headers: Vec<FieldExpected>,
    /// The response's body.
    pub body: Option<At<Text>>,
    /// What the WAF said.
    pub waf: Option<At<WafExpected>>,
    /// What the cache did: `hit`, `miss`, `bypass`, `stale` ...; absent where it was not asked.
    pub cache: Option<At<Text>>,
    /// Whether the answer is in a cache afterwards.
    pub stored: Option<At<bool>>,
    /// For how long what is stored is fresh.
    pub ttl: Option<At<Duration>>,
    /// Parts of the cache's key.
    pub key: Vec<At<String>>,
}

/// What an origin must have been sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Upstream {
    /// Method.
    pub method: Option<At<Text>>,
    /// Path and arguments.
    pub target: Option<At<Text>>,
    /// Fields; of FastCGI the parameters.
    pub headers: Vec<FieldExpected>,
    /// Body.
    pub body: Option<At<Text>>,
}

/// What the WAF must have said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WafExpected {
    /// `passed`, `detected`, `denied`, `not reached`; `off` where none is asked.
    pub result: Option<At<String>>,
    /// Rules that must have matched.
    pub rules: Vec<At<u32>>,
    /// The anomaly score.
    pub score: Option<At<u32>>,
}

/// Reads a file of cases. The diagnostics beside it are warnings.
///
/// # Errors
/// All that is wrong with it.
pub fn load_cases(path: &Path, options: &LoadOptions) -> Result<(Cases, Diagnostics), LoadError> {
    let read = load_tests(path, options, |sources, file, found| {
        crate::yaml::cases(sources, file, options, found)
    })?;
    let (mut cases, sources, diagnostics) = read;
    cases.sources = sources;
    Ok((cases, diagnostics))
}

/// Reads a file of tests by its reader; what is wrong with it, if anything is.
pub(crate) fn load_tests<T>(
    path: &Path,
    options: &LoadOptions,
    reader: impl FnOnce(&SourceMap, FileId, &mut Diagnostics) -> Option<T>,
) -> Result<(T, SourceMap, Diagnostics), LoadError> {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let tests = match read(path, options) {
        Ok(text) => {
            let file = sources.add(path, text);
            reader(&sources, file, &mut diagnostics)
        }
        Err(message) => {
            diagnostics.error("io", None, message);
            None
        }
    };
    diagnostics.sort();
    match tests {
        Some(tests) if !diagnostics.has_errors() => Ok((tests, sources, diagnostics)),
        _ => {
            if !diagnostics.has_errors() {
                let nothing = Diagnostic::error("unreadable", None, "the tests could not be read");
                diagnostics.push(nothing);
            }
            Err(LoadError {
                sources,
                diagnostics,
            })
        }
    }
}
