//! The web application firewall: SecLang compiled to a union scan.
//!
//! # Why an engine of our own
//! ModSecurity asks each rule about each value: it transforms the value for that rule, runs that rule's expression, and
//! a browser's GET costs 1.5 ms. Nearly all of it is spent to learn that nothing matches. This engine learns that first,
//! for all rules at once:
//!
//! 1. *Compile* ([`Program`]): SecLang is parsed with spans (all errors of all files at once), names become slots,
//!    markers become jumps, and the patterns of all rules that look at the same kind of value become one lazy DFA.
//! 2. *Scan*: each value goes through the transformation chains of its class; chains whose trigger bytes it lacks are
//!    skipped, equal results are scanned once, and a result without the bytes that every pattern needs is not scanned.
//! 3. *Verify*: rules that have candidates, and the few that no scan can decide (counts, TX, negations), run in their
//!    order with ModSecurity 3's semantics: phases, chains, `skipAfter`, `setvar`, macros, captures.
//!
//! The union only ever says "maybe": what a rule does is decided by the rule's own operator alone, so the outcome is the
//! same as if every rule had looked at every value.
//!
//! # Use
//! ```
//! use std::sync::Arc;
//! use seawall_waf::{Options, Program, RequestLine, Scratch, Transaction, Verdict};
//!
//! let program = Arc::new(Program::builtin(&Options::default()).expect("the built-in rules compile"));
//! let mut transaction = Transaction::begin(program, Scratch::new());
//! let head = RequestLine {
//!     client: [192, 0, 2, 1].into(),
//!     method: b"GET",
//!     target: b"/search?q=%27%20or%201%3D1--",
//!     protocol: b"HTTP/1.1",
//!     fields: &[(b"Host", b"shop.test"), (b"User-Agent", b"Mozilla/5.0"), (b"Accept", b"*/*")],
//! };
//! assert_eq!(transaction.request_head(&head), Verdict::Pass);
//! assert!(matches!(transaction.request_end(), Verdict::Deny { status: 403, .. }));
//! assert!(transaction.score() >= 5);
//! ```
//!
//! # Limits
//! [`Limits`] bounds arguments, depth, bytes and matches; all matching is linear in the value's length. Whether a
//! refusal is carried out is the caller's business: detection is to ignore the [`Verdict`] and log the
//! [matches](Transaction::matches).
//!
//! # What is not there
//! Warned of, because CRS names it and works without it: `@rbl`, `@geoLookup` and variables that nothing here sets
//! (`GEO`, `ENV`) never match. Errors `not-yet` at their place: scripts, `exec`, `redirect`, `proxy`, `@inspectFile`,
//! `@fuzzyHash`, `@validateSchema`, paths of `XML` other than `/*` and `//@*`. Known differences from ModSecurity 3: a
//! `%u0027` without a code page map is decoded to the ASCII it stands for; `REQUEST_FILENAME` ends at the first question
//! mark of the raw target; possessive quantifiers are plain; `REQUEST_BODY` is there for forms and where it is forced, as
//! in ModSecurity 2, for which CRS is written; a segment is a back-reference in `normalizePath` only if it is exactly `..`.
//!
//! # Tests
//! Each transformation, operator and limit has its tests beside it; `tests/` has rule semantics, errors with their
//! spans, the built-in rules on benign and hostile requests, and seeded random requests.

mod audit;
mod byteset;
mod evaluate;
mod exclude;
mod expand;
mod files;
mod limits;
mod matched;
mod operator;
mod pattern;
mod program;
mod records;
mod request;
mod scan;
mod scratch;
mod seclang;
mod template;
mod transaction;
mod transform;
mod tx;
mod variable;

pub use audit::{AuditEngine, AuditParts};
pub use exclude::{EXCLUSIONS_MAX, Exclude, ExcludeError, Exclusions, suggestions};
pub use files::{DiskFiles, Files, NoFiles};
pub use limits::{DryRun, Limits, Options, OverLimit};
pub use matched::{Match, RuleInfo, Severity};
pub use program::Program;
pub use records::Collections;
pub use request::{RequestLine, ResponseLine, Surroundings};
pub use scratch::Scratch;
pub use transaction::{Transaction, Verdict};
