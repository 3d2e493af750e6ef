//! System calls behind safe functions: descriptors over a socketpair, listening sockets, privileges, signals, clocks.
//!
//! This is the only crate of the workspace in which `unsafe` may be written. Two thirds of what a daemon asks of the
//! kernel have safe wrappers in `nix` and `socket2`; what is left over ([`channel`] adopting received descriptors,
//! [`process::fork`], [`clock::local`], the batched datagram calls, `sendfile`, `preadv2` and one `madvise`) is small, stands next to its proof, and is used
//! through types that cannot be misused. No policy lives here: which address is bound, which user is assumed and what
//! a signal means is decided by the callers.
//!
//! Linux only, as the daemon is: `SOCK_SEQPACKET` pairs, `signalfd`, `SO_REUSEPORT` groups and the coarse clocks.
//!
//! Limits: [`channel::FDS_MAX`] descriptors and [`channel::MESSAGE_BYTES_MAX`] bytes a message,
//! [`listen::SIBLINGS_MAX`] sockets an address. Each module's tests run against the real kernel, on loopback.

pub mod beneath;
pub mod channel;
pub mod clock;
mod error;
pub mod files;
pub mod handover;
pub mod holder;
pub mod huge_pages;
pub mod listen;
pub mod memory;
pub mod pages;
mod peek;
pub mod peer;
pub mod privileges;
pub mod process;
pub mod signals;
pub mod splice;
pub mod udp;

pub use error::Error;
pub use peek::peek;
