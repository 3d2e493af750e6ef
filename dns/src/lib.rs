//! Authoritative DNS: zones, answers, dynamic records, servers for UDP, TCP, TLS and QUIC.
//!
//! **What.** [`Zone`] reads master files (RFC 1035 §5), [`ZoneSet`] encodes zones, [`answer`] turns a query's bytes
//! into an answer's, [`serve_udp`] and [`serve_tcp`] carry them. Records may be dynamic: what they answer depends on
//! [`Health`], which is the balancer's own.
//!
//! **Why this way.** General DNS libraries build every answer from objects: they allocate, search and compress for
//! each query, and search the zone to deny one. Here all that can be known ahead is done ahead. A hit, a denial, a
//! referral or a followed alias is a copy behind the question with its pointers moved; what cannot be rendered ahead
//! (answers over the client's limit, aliases of dynamic names, DNAME) is written by the same code at answer time,
//! without allocation. [`answer`] is a function of bytes: it knows no sockets, and every transport calls it.
//!
//! **Limits** are in [`limits`].
//!
//! **Tested** by answers to each RFC's rules, by hickory-proto decoding all of them, by seeded hostile packets, and
//! over real sockets.

mod answer;
mod authority;
mod cookie;
mod counters;
mod described;
mod dnssec;
mod dynamic;
mod edit;
mod error;
mod geo;
mod guard;
mod journal;
pub mod limits;
mod master;
mod message;
mod name;
mod policy;
mod present;
mod query;
mod query_log;
mod rdata;
mod resolve;
mod rrl;
mod rtype;
mod serve;
mod served;
mod set;
mod transfer;
mod tsig;
mod update;
mod wire;
mod zone;

pub use answer::{Client, Out, Transport, Verdict, answer};
pub use authority::{ChallengeError, ChangeError, Finish, RecordLine, ZoneSummary};
pub use cookie::CookieSecrets;
pub use counters::{Counters, DropReason, QTYPE_CLASSES, RCODES, Snapshot, ZoneCounts};
pub use described::{Question, described};
pub use dnssec::{
    Algorithm, Denial, KeyFile, KeyPolicy, KeyStatus, KeyStore, Lifetimes, Role, Signer,
    SignerStatus, SigningOptions, State, ds_answer, ds_query,
};
pub use dynamic::{AllDown, AlwaysUp, Area, DynamicRecord, Health, HealthId, Policy, Target};
pub use error::Error;
pub use geo::Geo;
pub use guard::Guard;
pub use limits::{QuicLimits, TcpLimits};
pub use name::Name;
pub use policy::{Access, Net, Peer, Policies, Secondary, ZonePolicy};
pub use query_log::{LoggedQuery, QueryLog};
pub use rrl::RrlOptions;
pub use rtype::RType;
pub use seawall_nets::Place;
pub use serve::{
    Front, HttpsAnswer, Proxies, ProxyHeader, QuicServer, Serving, Shared, serve_streams,
    serve_tcp, serve_tls, serve_udp,
};
pub use served::Zones;
pub use set::ZoneSet;
pub use transfer::{Report, Secondaries, notify_peers};
pub use tsig::{Algorithm as KeyAlgorithm, Key, Keys};
pub use zone::{Loader, Zone};
