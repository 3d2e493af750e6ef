//! HTTP sans-io: heads, URIs, dates, structured fields, framing; the frames and the compression of HTTP/2 ([`http2`]).
//!
//! Bytes in, values out: nothing here reads a socket, a clock or the configuration, and nothing allocates for a request once its head has
//! been used before.
//!
//! - **A head is ranges over the buffer it came in.** [`parse_request`] and [`parse_response`] fill a reused [`RequestHead`] or [`ResponseHead`]: the order and
//!   the case of the lines are kept, so that what is forwarded is what was sent, and a known name is a [`Name`] whose presence is one bit.
//! - **Strictness is a value.** [`Policy`] says what is doubtful but harmless; what two readers could frame differently is refused under each. Every rule has its
//!   own [`Refusal`], which is a status, a log text and a counter's label.
//! - **Framing is decided once**, with the head ([`Framing`]), and [`BodyDecoder`] only carries it out. Responses are as hostile as requests.
//! - **Every limit** is in [`limits`] or [`HeadLimits`], with its default, and is tested from both sides.
//!
//! Tested by unit tests beside each rule, by properties (any split gives the same head, what is encoded decodes), by a seeded corpus of random and
//! mutated messages (`tests/hostile.rs`, the same bodies as the targets in `fuzz/`), and differentially against hyper
//! (`tests/against_hyper.rs`, where each rule that is stricter than hyper's is listed) and the `h2` crate (`tests/against_h2.rs`).
#![forbid(unsafe_code)]

mod body;
mod chunked;
pub mod coding;
pub mod date;
pub mod encode;
pub mod etag;
pub mod fastcgi;
mod field;
mod framing;
mod host;
pub mod http2;
pub mod limits;
mod lines;
mod method;
mod name;
mod policy;
pub mod proxy_protocol;
mod refusal;
mod request;
mod response;
mod scan;
pub mod sf;
mod target;
pub mod uri;

pub use body::{BodyDecoder, BodyError, Decoded};
pub use coding::Coding;
pub use field::{Field, Fields, Members, Range32, members, trim};
pub use framing::Framing;
pub use limits::HeadLimits;
pub use method::Method;
pub use name::Name;
pub use policy::Policy;
pub use refusal::Refusal;
pub use request::{RequestHead, Version, parse_request};
pub use response::{BadResponse, ResponseHead, ResponseTo, parse_response};
