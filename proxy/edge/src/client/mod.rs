//! Clients. HTTP/1 is ours; HTTP/2 and HTTP/3 will be further ways to fill the same transaction.

mod body;
mod h1;
mod respond;

pub use body::BodyState;
pub use h1::{Client, ClientError, serve};
pub use respond::{Length, Reply, remove_lines};
