//! What callers can do wrong. (What zone files get wrong is a diagnostic with a place, see [`crate::Zone::parse`].)

/// An error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two dots in a row, or one at the start.
    #[error("a name has an empty label; a dot separates labels and may stand once at the end")]
    EmptyLabel,
    /// RFC 1035 §2.3.4.
    #[error("a label is longer than 63 bytes")]
    LabelTooLong,
    /// RFC 1035 §2.3.4.
    #[error("a name is longer than 255 bytes")]
    NameTooLong,
    /// RFC 1035 §5.1.
    #[error("`\\` is followed by neither a character nor three digits up to 255")]
    BadEscape,
    /// A relative name where no origin is known.
    #[error("`{0}` is relative and there is no origin; end it with a dot")]
    NotAbsolute(String),
    /// A dynamic record outside of its zone.
    #[error("`{owner}` lies outside of the zone `{zone}`")]
    OutOfZone {
        /// The owner as written.
        owner: String,
        /// The zone.
        zone: String,
    },
    /// A dynamic record of another type than A and AAAA.
    #[error("a dynamic record is of type A or AAAA, not {0}")]
    DynamicType(crate::RType),
    /// A dynamic record without targets, or with too many.
    #[error("a dynamic record has 1 to {max} targets, this one has {0}", max = crate::limits::DYNAMIC_TARGETS_MAX)]
    DynamicTargets(usize),
    /// Too many targets for a record that answers several at once.
    #[error("a record with the policy multi has at most {max} targets, this one has {0}", max = crate::limits::DYNAMIC_MULTI_MAX)]
    DynamicMulti(usize),
    /// An IPv6 address in an A record, or the reverse.
    #[error("{address} cannot be the target of a record of type {rtype}")]
    WrongFamily {
        /// The target.
        address: std::net::IpAddr,
        /// The record's type.
        rtype: crate::RType,
    },
    /// A dynamic record beside a static RRset of the same name and type, beside an alias, or twice.
    #[error("`{owner}` already has {existing} records")]
    Conflict {
        /// The owner.
        owner: String,
        /// What stands in the way.
        existing: crate::RType,
    },
    /// A key whose parts do not fit each other, or which cannot sign.
    #[error("a key for signing cannot be used: its private and public part do not fit each other")]
    KeyUnusable,
    /// The file of a zone's keys could not be read or written.
    #[error("the keys of `{zone}` in {file} cannot be {verb}: {problem}")]
    KeyFile {
        /// The zone.
        zone: String,
        /// The file.
        file: String,
        /// `read` or `written`.
        verb: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Two names of a zone have one NSEC3 hash (RFC 5155 §7.1).
    #[error("two names of the zone have the same NSEC3 hash; deny by NSEC")]
    HashCollision,
    /// A TTL above 2^31-1 (RFC 2181 §8).
    #[error("a TTL is at most 2147483647 seconds")]
    TtlTooLarge,
}

impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}
