//! Clients. HTTP/1 is ours; HTTP/2 is another way to fill the same transaction, and HTTP/3 will be a third.

mod body;
mod duplex;
mod expires;
mod files;
mod grpc;
mod h1;
mod h2;
mod interim;
mod leaving;
mod pace;
mod respond;

pub use body::BodyState;
pub use duplex::Duplex;
pub use files::SLICE_BYTES;
pub use h1::{Client, ClientError, serve};
pub use h2::{Http2Counters, Stream, serve as serve_http2};
pub use pace::Pace;
pub use respond::{Length, Reply, has_line, remove_lines};
