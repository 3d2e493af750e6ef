//! DNSSEC (RFC 4033 to 4035, 5155, 9364): zones signed here, and the pieces that signed zones by others need too.
//!
//! A [`Signer`] turns a zone into a signed zone, which is a zone like any other: signatures, keys and denial are records in
//! it, and what answers, transfers and dumps needs to know no difference. Keys and their states are in one file a zone.

pub(crate) mod base32hex;
pub(crate) mod bitmap;
mod chain;
pub(crate) mod hash;
mod key;
mod parent;
mod rollover;
mod rrsig;
mod signer;
mod signing;
mod store;

pub use chain::Denial;
pub use key::Algorithm;
pub use parent::{ds_answer, ds_query};
pub use rollover::{KeyPolicy, Role, State};
pub use signer::{KeyStatus, Signer, SignerStatus, SigningOptions};
pub use signing::Lifetimes;
pub(crate) use signing::RrSigner;
pub use store::{KeyFile, KeyStore};
