//! A request as the cache sees it.

use crate::{
    key::hash_bytes,
    policy::{Profile, Rules},
};
use seawall_http::{Fields, Method, Name};

/// A client's request. The key is handed in apart.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Method.
    pub method: Method,
    /// Fields.
    pub fields: Fields<'a>,
    /// The time, unix milliseconds.
    pub now_ms: u64,
}

impl Request<'_> {
    /// Whether it has neither demands nor credentials.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        let special = demand_bits() | Name::Cookie.bit() | Name::Authorization.bit();
        self.fields.present & special == 0
    }
}

/// Presence of what makes a request more than "give me this".
#[inline]
pub(crate) fn demand_bits() -> u128 {
    Name::CacheControl.bit() | Name::Pragma.bit()
}

/// What kind of client asks: the answers to one kind say nothing on what another would get, so that fills and the memory of
/// unstorable answers are kept apart. It is mixed into hashes; 0 is the plain kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Class {
    pub cookie: bool,
    pub authorization: bool,
    /// Hash of the selecting fields, when it is known that the key has variants.
    pub variant: u64,
    /// The rules' own number.
    pub scope: u64,
}

impl Class {
    pub fn of(request: &Request<'_>, rules: &Rules) -> Class {
        let strict = rules.profile == Profile::Rfc9111;
        Class {
            cookie: strict && request.fields.has(Name::Cookie),
            authorization: strict && request.fields.has(Name::Authorization),
            variant: 0,
            scope: rules.scope,
        }
    }

    /// Without credentials.
    pub fn is_plain(self) -> bool {
        !self.cookie && !self.authorization
    }

    /// A number to tell side entries of one key apart.
    pub fn mix(self, hash: u64) -> u64 {
        if self == Class::default() {
            return hash;
        }
        let mut bytes = [0; 26];
        let (head, tail) = bytes.split_at_mut(8);
        head.copy_from_slice(&hash.to_le_bytes());
        let (variant, tail) = tail.split_at_mut(8);
        variant.copy_from_slice(&self.variant.to_le_bytes());
        let (scope, kind) = tail.split_at_mut(8);
        scope.copy_from_slice(&self.scope.to_le_bytes());
        kind.copy_from_slice(&[u8::from(self.cookie), u8::from(self.authorization)]);
        hash_bytes(&bytes)
    }
}
