//! A harness that reads like the test's sentence: an origin that does what it is told, the built daemon with a
//! configuration, a client that sends exact bytes.
//!
//! ```no_run
//! use seawall_tests::{Edge, Origin};
//! let origin = Origin::start();
//! origin.answer("/hello", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
//! let edge = Edge::yaml(format!("sites: [{{ host: a.test, to: \"{origin}\" }}]")).start();
//! assert_eq!(edge.get("a.test", "/hello").text(), "hi");
//! ```
//!
//! Everything is a real process and a real socket on the loopback: what is judged is what a user would see. The clients
//! and the origin know nothing of the code under test, so that a mistake in its codec cannot hide itself. Blocking
//! sockets and threads, because a test is a sequence of events; nothing sleeps for a guessed time: waiting is for a byte,
//! a line of a log or a process's end, with a generous [`PATIENCE`] that only a hang exceeds.
//!
//! `tests/edge` is the behaviour, topic by topic, in one binary. `tests/load` runs by itself, one test at a time: what it
//! measures (memory, thousands of sockets) would suffer from company.

#[path = "../../proxy/daemon/tests/support/chromium.rs"]
pub mod chromium;
mod client;
pub mod conformance;
pub mod crowdsec;
mod daemon;
pub mod dns;
pub mod drills;
mod gate;
pub mod http2;
pub mod idle;
pub mod load;
#[path = "../../proxy/nets/tests/mmdb/mod.rs"]
pub mod mmdb;
mod origin;
mod patience;
pub mod pebble;
mod peer;
pub mod php;
mod ports;
pub mod process;
pub mod quic;
mod response;
mod shop;
pub mod soak;
pub mod tls;

pub use client::{Client, Stream};
pub use daemon::{Edge, Running, program};
pub use gate::Gate;
pub use origin::{Exchange, Origin, Received, Then};
pub use patience::{PATIENCE, eventually};
pub use peer::Peer;
pub use ports::{Deaf, free_address};
pub use response::Response;
pub use shop::Shop;
