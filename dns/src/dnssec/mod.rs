//! DNSSEC (RFC 4033 to 4035, 5155, 9364): zones signed here, and the pieces that signed zones by others need too.

pub(crate) mod base32hex;
pub(crate) mod bitmap;
pub(crate) mod hash;
