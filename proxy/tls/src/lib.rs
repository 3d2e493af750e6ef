//! TLS on both sides: which certificate a client gets, where certificates come from, and how origins are checked.
//!
//! # Shape
//! A listener has one [`ServerConfig`](rustls::ServerConfig), made once by [`server_config`], whose [`Resolver`] answers
//! each ClientHello from a [`CertMap`]. What changes at run time (a reload, a renewal) is the map alone, swapped whole by
//! [`Resolver::store`]: handshakes under way finish on the map they began with, session tickets stay valid, and nobody
//! takes a lock. Maps are built from [`CertifiedKey`](rustls::sign::CertifiedKey)s, which come from PEM by
//! [`certified_key`] (the key is proved to belong to the certificate before anything is swapped) or from the
//! [`InternalCa`].
//!
//! [`accept`] does the handshake, with the right alert for names nobody knows, and with the policy of sites that ask
//! clients for certificates ([`ClientPolicy`]). [`acme`] keeps certificates of public CAs current; what it renews is
//! exchanged inside the map ([`Served::Live`]).
//!
//! # Why this way
//! - The cryptography is an explicit value, [`provider`]: other crates of the house bring a second one along, and
//!   whichever is installed first as the process default would decide for all.
//! - Certificates of X.509 version 1 with nothing but a common name are read here by our own check: operators have them
//!   in front of old appliances, nginx serves them, and rustls's own consistency check refuses them.
//! - The internal CA keeps key and root in one file, as a rename is only atomic for one.
//!
//! # Limits
//! Named in [`limits`]. TLS 1.2 and 1.3 with AEAD suites and forward secrecy only; X25519MLKEM768 is preferred.
//! Tested by real handshakes in `tests/`.

mod accept;
pub mod acme;
mod ca;
mod cert_map;
mod certificate;
mod client;
mod client_hello;
mod client_policy;
mod durable;
mod error;
pub mod limits;
mod openssl_names;
mod provider;
mod resolver;
mod server;

pub use accept::{Accepted, accept, is_challenge};
pub use ca::{InternalCa, IssuedCertificate};
pub use cert_map::{CertMap, CertMapBuilder, Served};
pub use certificate::{certified_key, names, not_after, stapled, validity};
pub use client::{ClientOptions, client_config};
pub use client_hello::{ClientHello, HELLO_BYTES_MAX, client_hello};
pub use client_policy::ClientPolicy;
pub use error::TlsError;
pub use openssl_names::{openssl_cipher_name, openssl_protocol_name};
pub use provider::provider;
pub use resolver::Resolver;
pub use server::server_config;
