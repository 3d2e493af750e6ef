//! What a program is built for, and how much of a request it looks at.

use std::sync::Arc;

use crate::records::Collections;

/// How a program is compiled.
#[derive(Clone, Debug)]
pub struct Options {
    /// Paranoia level, 1 to 4: `TX:paranoia_level` (and CRS 4's names for it) before the first rule.
    pub paranoia: u8,
    /// Inbound anomaly score at which the blocking rule refuses: `TX:inbound_anomaly_score_threshold` (default 5).
    pub threshold: u32,
    /// Only detects: a refusal does not end the rules that follow, and is told at the end of its phase.
    pub detect: bool,
    /// Looks at the bodies of responses, unless `SecResponseBodyAccess Off` stands in the rule files.
    pub response_body: bool,
    /// Reads our exclusions for the OWASP Core Rule Set (`exclusions/crs.conf`) before the files: what its rules are wrong
    /// about on an ordinary site. It changes nothing of other rule sets but three members of `TX`.
    pub exclusions: bool,
    /// Rules that are only tried.
    pub dry_run: DryRun,
    /// What rules remember from one transaction to the next (`initcol`). Hand it on to the program that takes this
    /// one's place.
    pub collections: Arc<Collections>,
    /// How much of a request is looked at.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            paranoia: 1,
            threshold: 5,
            detect: false,
            response_body: false,
            exclusions: false,
            dry_run: DryRun::default(),
            collections: Arc::default(),
            limits: Limits::default(),
        }
    }
}

/// Rules whose matches are told and change nothing: no score, no refusal.
#[derive(Clone, Debug, Default)]
pub struct DryRun {
    /// Their ids.
    pub rules: Vec<u32>,
    /// Tags of them.
    pub tags: Vec<String>,
}

impl DryRun {
    /// Whether a rule is one of them.
    pub(crate) fn names(&self, id: u32, tags: &[String]) -> bool {
        self.rules.contains(&id) || self.tags.iter().any(|tag| tags.contains(tag))
    }
}

/// How much of a request is looked at. Every limit has a test that goes past it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Arguments of the query and of the body together (default 1000). One more refuses the request with 413.
    pub args_max: usize,
    /// Nesting of a JSON body (default 64). One more is a body that cannot be parsed: `REQBODY_ERROR` is 1.
    pub json_depth_max: usize,
    /// Bytes of one value that operators see (default 128 KiB); the rest of the value is not inspected.
    pub value_bytes_max: usize,
    /// Matches kept for [`Transaction::matches`](crate::Transaction::matches) (default 64); later ones still score.
    pub matches_max: usize,
    /// Bytes of a body that are kept and parsed (default 128 KiB).
    pub body_bytes_max: usize,
    /// What happens to a body that is longer than `body_bytes_max`.
    pub body_over: OverLimit,
    /// Whether bodies of requests are looked at (default yes; `SecRequestBodyAccess`).
    pub body_access: bool,
    /// Bytes of a response's body that are kept and looked at (default 512 KiB).
    pub response_bytes_max: usize,
    /// What happens to a response whose body is longer.
    pub response_over: OverLimit,
    /// Depth of the elements of an XML body (default 128). One more is a body that cannot be parsed.
    pub xml_depth_max: usize,
    /// Parts of a multipart body (default 1000). One more is a body that cannot be parsed.
    pub parts_max: usize,
    /// Work of one transaction, in bytes that were looked at once (default 100 million, some 50 ms of CPU): beyond it no
    /// value is looked at, and the request is refused or passed as `work_over` says.
    pub work_max: u64,
    /// What happens to a request that takes more work.
    pub work_over: OverLimit,
    /// Seconds that members of `ip`, `global` and the like live after they were set (default 3600;
    /// `SecCollectionTimeout`).
    pub collection_timeout_s: u64,
    /// What separates arguments (default `&`; `SecArgumentSeparator`).
    pub argument_separator: u8,
    /// Bytes a transaction may add to its `TX` collection and to expanded macros (default 256 KiB); a `setvar` beyond
    /// it does nothing.
    pub macro_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            args_max: 1000,
            json_depth_max: 64,
            value_bytes_max: 128 << 10,
            matches_max: 64,
            body_bytes_max: 128 << 10,
            body_over: OverLimit::Inspect,
            body_access: true,
            response_bytes_max: 512 << 10,
            response_over: OverLimit::Inspect,
            xml_depth_max: 128,
            parts_max: 1000,
            work_max: 100_000_000,
            work_over: OverLimit::Refuse,
            collection_timeout_s: 3600,
            argument_separator: b'&',
            macro_bytes_max: 256 << 10,
        }
    }
}

/// What happens to a body over its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverLimit {
    /// Its beginning is inspected, as far as the limit goes.
    Inspect,
    /// The request is refused with 413.
    Refuse,
}
