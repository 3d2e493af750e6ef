//! The keeper and what the worker knows of it.
//!
//! nginx's operators know the shape: a master that may be root and does nothing clever, and a worker without rights
//! that does everything else. Ours differs in three points. The keeper *holds* the listening sockets, so that a worker
//! that dies is replaced without a port, or a connection that waits in its queue, being lost. The worker *asks* for
//! sockets and files over a socketpair ([`protocol`]), and gets only what the configuration on disk names ([`grants`]):
//! a worker that was taken over cannot talk the keeper into opening `/etc/shadow`. And a reload happens inside the
//! worker, because its caches, counters and connections stay.
//!
//! The worker is this same binary (`/proc/self/exe worker`), started anew rather than forked: it inherits no memory of
//! the keeper's, and gets one descriptor, its end of the socketpair, as standard input. When that ends the keeper is
//! gone, and the worker stops accepting, drains and exits; no parent-death signal is used, because that would cut the
//! requests in flight.
//!
//! | keeper gets | does |
//! |---|---|
//! | HUP | rereads what is granted, tells the worker to reload |
//! | USR1 | reopens the error log, tells the worker to reopen its own |
//! | QUIT | closes the sockets, lets the worker drain, kills it after `process.drain` |
//! | TERM, INT | closes the sockets, lets the worker end at once, kills it after [`life::STOP_LIMIT`] |
//! | USR2 | becomes the binary that is on the disk now, if that can serve the configuration ([`upgrade`]) |
//! | WINCH | says `not-yet` in the log |
//!
//! Nothing that the keeper waits for is without bound: what a disk may hold up (files that are opened or read for a worker, the
//! pid file, a new binary) is done by [`crate::patience`] within [`DISK_PATIENCE`], and its own log is written by a thread.
//!
//! Limits: [`DISK_PATIENCE`]; those of [`seawall_sys::channel`]; restarts wait at most [`restart::PAUSE_MAX`] and are never given up.
//! Tested in `proxy/daemon/tests/keeper.rs` with real processes.

mod background;
pub mod client;
mod grants;
mod handover;
mod life;
mod notify;
mod pid_file;
pub mod protocol;
mod restart;
mod run;
mod serve;
mod sockets;
mod upgrade;
mod worker_process;

/// How long the keeper waits for a disk: less than any watchdog over it waits for the keeper.
const DISK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

pub use client::{Error as ClientError, KeeperClient, KeeperEvent, Welcomed, welcome};
pub use handover::VERSION as HANDOVER_VERSION;
pub use pid_file::read_pid;
pub use run::run;
