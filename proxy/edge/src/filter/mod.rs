//! Body filters: sans-io, in one declared order, a chunk at a time.
//!
//! A filter sees each chunk of a response body once and says what goes on in its place. A response without filters costs
//! one branch. Which filters a response gets is decided in one place, where its head is made ([`plan_response`]), so that
//! every content has them: proxied, from the cache, files, fixed answers, pages. Framing (chunks, lengths) is the
//! client's business and comes after the last filter.
//!
//! A worker thread computes little at a time: what is larger than [`INLINE_BYTES`] is filtered on the blocking pool, with
//! at most as many jobs at once as there are processors. Output is handed on in pieces of about [`OUT_BYTES`], so that a
//! small body that decodes to a huge one is never held whole.
//!
//! Limits: `limits.encoders` responses are compressed at once; each encoder holds at most about 2 MiB (windows of 32 KiB
//! for gzip, 256 KiB for br and zstd). Tested by unit tests here and end to end in `tests/tests/edge/compression.rs`.

mod chain;
mod decode;
mod encode;
mod plan;

pub use chain::{Chain, Encoders, Then};
pub use encode::default_level;
pub use plan::plan_response;
