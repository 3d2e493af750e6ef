//! The HTTP cache: RFC 9111 policy, keys, variants, stores and shared fills.
//!
//! A request is looked up by its key and gets one of seven answers ([`Lookup`]). Whoever is to ask the origin holds a [`Fill`], hands it the
//! head and the body, and everybody who asked for the same meanwhile reads along with a [`FillReader`]. The crate opens no connection,
//! reads no clock and spawns nothing: the time comes with each request, the origin's answer from whoever fetches it.
//!
//! Why it is built this way:
//! - **A hit is nearly free.** The policy runs once, when an answer is stored, and leaves absolute times and a mask of request fields that
//!   forbid a quick answer. A lookup is one hash, one read lock of one shard, a comparison of the whole key and of the times.
//! - **Decisions are one pure function** ([`decide`]) with a reason for each, so that it can be tested as a table and explained to a person.
//! - **A fill belongs to nobody's connection.** It is shared between threads as an append-only list, counted in the same budget as what is
//!   stored, and there is one for a key and kind of client: with cookies, with Authorization, and plain ones never share a fill.
//! - **A purge wins.** A purge of a key and a commit take the same lock of the table of fills; what was being fetched when its key was purged reaches its
//!   readers and is not stored. Others are numbers that a lookup and a commit compare.
//! - **What cannot be stored is remembered**, so that its requests do not queue behind each other.
//!
//! ```
//! # use seawall_cache::*;
//! # use seawall_http::{Field, Fields, Method, Name, Range32};
//! # let line = b"Cache-Control: max-age=60";
//! # let field = Field { id: Name::CacheControl, name: Range32::new(0, 13), value: Range32::new(15, line.len()) };
//! # let answered = Fields { fields: &[field], buf: line, present: Name::CacheControl.bit() };
//! # let asked = Fields::EMPTY;
//! let cache = Cache::new(Options::default());
//! let mut key = KeyBuf::new();
//! ["https", "shop.test", "/a?b"].iter().for_each(|part| key.part(part.as_bytes()));
//! let rules = Rules::default();
//! let request = Request { method: Method::Get, fields: asked, now_ms: 1_000_000 };
//! // The first who asks is the one who fetches. Whoever asks meanwhile gets `Lookup::Join`.
//! let Lookup::Miss(mut fill) = cache.lookup(key.finish(), &request, &rules) else { panic!() };
//! let response = ResponseMeta { status: 200, fields: answered, request_time_ms: 1_000_000, response_time_ms: 1_000_010 };
//! let Responded::Store(decision) = fill.respond(&request, &rules, response) else { panic!() };
//! assert_eq!(decision.reason, "max-age");
//! fill.push("Hello".into()).unwrap();
//! fill.finish();
//! let Lookup::Hit(hit) = cache.lookup(key.finish(), &request, &rules) else { panic!() };
//! assert_eq!(hit.object.body().unwrap(), "Hello");
//! ```
//!
//! Limits: those of [`Options`] and the ones named in `options.rs`. A fill is always for the whole answer to GET; a HEAD is answered from the
//! store, and passes where there is nothing unless the rules let it lead a fill; a body that is too large, or of which somebody wants a far part, is fetched in slices ([`Sliced`]).
//!
//! Tested beside each module, by tables with the sections of the RFCs (`policy/tests.rs`), and under `tests/` by runtimes on several threads,
//! by random load against the budget, and by a simulation against a naive model. `examples/lookup.rs` measures a hit.
#![forbid(unsafe_code)]

mod cache;
mod coded;
mod conditional;
mod fill;
mod freshen;
mod head;
mod inspect;
mod key;
mod languages;
mod load;
mod lookup;
mod object;
mod options;
mod policy;
mod purge;
mod request;
mod search;
mod seek;
mod slices;
mod stats;
pub mod status;
pub mod store;
#[cfg(test)]
mod testing;
mod unstorable;
mod uses;
mod vary;

pub use cache::Cache;
pub use conditional::not_modified;
pub use fill::{Fill, FillChunk, FillError, FillHead, FillReader, FillStart, Responded};
pub use inspect::Explained;
pub use key::{Key, KeyBuf, KeyRef};
pub use load::Load;
pub use lookup::{Lookup, Pass, Staleness};
pub use object::{Hit, Object};
pub use options::{OBJECT_OVERHEAD_BYTES, Options};
pub use policy::{
    Decision, Failure, Profile, Reason, ResponseMeta, Rules, SetCookie, UseStale, decide,
};
pub use purge::{Durable, MARKS_MAX, Manner, PREFIXES_MAX, Scope, request_tags};
pub use request::Request;
pub use search::NoVarySearch;
pub use slices::{Cutter, NotASlice, Part, SLICE_BYTES, SLICED_BYTES_MAX, Slice, Sliced};
pub use stats::Stats;
pub use status::CacheStatus;
pub use store::{DiskOptions, DiskStats, FILED_BYTES_MIN, FileBody, Store};
pub use vary::push_accept_encoding;
