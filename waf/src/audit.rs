//! What an audit log is to tell of a transaction: whether, and which parts (`SecAuditEngine`, `SecAuditLogParts`,
//! `SecAuditLogRelevantStatus`, and the `ctl`s of the first two). Where it is written is the caller's business, and so is
//! whether there is one at all.

use crate::transaction::Transaction;

/// Which transactions are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditEngine {
    /// None.
    Off,
    /// Those in which a rule matched that is to be audited, and those with a relevant status.
    Relevant,
    /// All.
    All,
}

impl AuditEngine {
    /// What `SecAuditEngine` says, in any case.
    pub fn named(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "on" => Some(Self::All),
            "off" => Some(Self::Off),
            "relevantonly" => Some(Self::Relevant),
            _ => None,
        }
    }
}

/// Parts of an entry, by ModSecurity's letters. `A` (its beginning) and `Z` (its end) are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditParts(u32);

/// The letters there are. `E` (the response's body), `D`, `G` (reserved), `J` (files) and `K` (all rules) add nothing.
const LETTERS: &[u8] = b"ABCDEFGHIJKZ";

impl Default for AuditParts {
    /// `ABFHZ`: everything but bodies.
    fn default() -> Self {
        Self::of(b"ABFHZ")
    }
}

impl AuditParts {
    fn of(letters: &[u8]) -> Self {
        let bit = |b: &u8| 1u32 << (b.to_ascii_uppercase().saturating_sub(b'A') & 31);
        Self(letters.iter().map(bit).fold(0, |all, bit| all | bit))
    }

    /// `ABFHZ`; `None` where a letter is none of those there are.
    pub fn named(letters: &str) -> Option<Self> {
        let known = |b: u8| LETTERS.contains(&b.to_ascii_uppercase());
        (!letters.is_empty() && letters.bytes().all(known)).then(|| Self::of(letters.as_bytes()))
    }

    /// Whether a part is to be there.
    fn has(self, letters: &[u8]) -> bool {
        self.0 & Self::of(letters).0 != 0
    }

    /// `B`: the fields of the request.
    pub fn request_fields(self) -> bool {
        self.has(b"B")
    }

    /// `C` or `I`: the body of the request.
    pub fn request_body(self) -> bool {
        self.has(b"CI")
    }

    /// `F`: the fields of the response.
    pub fn response_fields(self) -> bool {
        self.has(b"F")
    }

    /// `H`: who says so, and which rules matched.
    pub fn messages(self) -> bool {
        self.has(b"H")
    }
}

/// What a `ctl:auditLogParts` does to the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartsChange {
    Set(AuditParts),
    Add(AuditParts),
    Remove(AuditParts),
}

impl PartsChange {
    /// `+E`, `-C` or `ABHZ`.
    pub(crate) fn named(text: &str) -> Option<Self> {
        let parts = |letters| AuditParts::named(letters);
        match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(letters), _) => parts(letters).map(Self::Add),
            (_, Some(letters)) => parts(letters).map(Self::Remove),
            _ => parts(text).map(Self::Set),
        }
    }

    pub(crate) fn of(self, parts: AuditParts) -> AuditParts {
        match self {
            Self::Set(all) => all,
            Self::Add(more) => AuditParts(parts.0 | more.0),
            Self::Remove(less) => AuditParts(parts.0 & !less.0),
        }
    }
}

/// What the rule files say of it.
#[derive(Debug, Default)]
pub(crate) struct AuditSettings {
    pub(crate) engine: Option<AuditEngine>,
    pub(crate) parts: Option<AuditParts>,
    /// Index of the pattern of statuses that are relevant.
    pub(crate) status: Option<usize>,
}

impl Transaction {
    /// Which transactions the audit log tells of, as far as this one knows: what a `ctl` said, else `asked`, else the rule
    /// files, else those in which a rule matched.
    pub fn audit_engine(&self, asked: Option<AuditEngine>) -> AuditEngine {
        let said = self.scratch.run.audit_engine;
        said.or(asked)
            .or(self.program.audit.engine)
            .unwrap_or(AuditEngine::Relevant)
    }

    /// The parts of its entry: `asked`, else what the rule files say, else `ABFHZ`; changed by what a `ctl` said.
    pub fn audit_parts(&self, asked: Option<AuditParts>) -> AuditParts {
        let parts = asked.or(self.program.audit.parts).unwrap_or_default();
        let changes = self.scratch.run.audit_parts.iter();
        changes.fold(parts, |parts, change| change.of(parts))
    }

    /// The body of the request, as far as it was kept; empty once a response is judged.
    pub fn request_body(&self) -> &[u8] {
        &self.scratch.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_letters_that_a_ctl_adds_and_removes() {
        let parts = AuditParts::named("abCz").unwrap();
        assert!(parts.request_fields() && parts.request_body() && !parts.response_fields());
        let changed = PartsChange::named("+FH").unwrap().of(parts);
        assert!(changed.response_fields() && changed.messages() && changed.request_body());
        let changed = PartsChange::named("-CI").unwrap().of(changed);
        assert!(!changed.request_body() && changed.messages());
        assert_eq!(
            PartsChange::named("AZ").unwrap().of(changed),
            AuditParts::named("AZ").unwrap()
        );
        for wrong in ["", "AQ", "A B", "\u{e9}"] {
            assert_eq!(AuditParts::named(wrong), None, "{wrong}");
        }
    }
}
