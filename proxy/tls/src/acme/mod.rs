//! Certificates by ACME (RFC 8555), for names that a public (or a company's) CA signs.
//!
//! # Shape
//! [`Acme`] is the register: for each set of names one [`Managed`] certificate, whose [`LiveCertificate`] the SNI map
//! holds, so that a renewal is one pointer swapped and nothing is rebuilt. [`Issuer`] keeps them current: one task a
//! certificate, which sleeps until its [`Schedule`] (sans-io: clock and randomness are handed in) says that it is due,
//! and then runs one order. What an order proves control with stands in [`Challenges`] for as long as the order runs:
//! listeners answer http-01 and tls-alpn-01 from it, dns-01 goes to our own zones through [`Zones`].
//!
//! # Why this way
//! - One client library, instant-acme, drives all three challenges. rustls-acme was weighed for tls-alpn-01: it would
//!   have been a second account, a second scheduler and a second runtime (async-io) with an HTTP client of its own, and it
//!   gives up at the first `badNonce`, does not read `Retry-After`, and knows neither ARI nor profiles nor steps that a
//!   timeline could show. The certificate of RFC 8737 that it would make for us is twenty lines (`challenges.rs`).
//! - Connections to the CA are ours (`http.rs`): bounded in time and bytes, over our own TLS with the roots configured.
//! - A CA is as hostile as anybody: what it says is bounded and escaped, and a certificate is installed only if it fits
//!   its key, names what was asked for, and is valid now.
//! - Nothing here is waited for: until the first certificate is there, the internal CA's stands in.
//!
//! # Limits
//! In [`limits`]. Tested in `tests/acme/` against a small CA that lies, stalls and refuses, and end to end with Pebble.

mod challenges;
mod explain;
mod http;
mod issuer;
pub mod limits;
mod live;
mod managed;
mod options;
mod order;
mod resolve;
mod schedule;
mod store;
mod timeline;

pub(crate) use challenges::{ALPN, proving};
pub use challenges::{Challenges, Held, Zones};
pub use explain::{Finding, why};
pub use issuer::Issuer;
pub use live::LiveCertificate;
pub use managed::{Acme, Managed, Snapshot, Source};
pub use options::{AcmeOptions, Challenge, ExternalAccount, LETS_ENCRYPT};
pub use resolve::Lookup;
pub use schedule::{Schedule, Validity};
pub use timeline::{Event, Step, Timeline};
