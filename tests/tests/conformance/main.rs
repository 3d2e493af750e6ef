//! The corpora of malformed and ambiguous messages, run against the built daemon.

mod http1;
mod http2;
