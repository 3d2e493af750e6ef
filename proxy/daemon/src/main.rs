//! The seawall daemon: command line, keeper and worker. It only composes.
//!
//! One binary is three things. As a command (`seawall check`, `seawall -t`) it does its work and ends. As the *keeper*
//! (`seawall run`, `seawall -c nginx.conf`) it holds sockets, log files and the pid file, and starts and restarts the
//! *worker*, which is the same binary again with everything that touches the network. The keeper parses nothing from the
//! network and stays root where it was started as root; the worker drops to the configured user. See [`keeper`].
//!
//! One binary rather than three, so that an upgrade replaces all of it at once and the two sides of the socketpair never
//! speak different versions. Limits are named beside their use: [`keeper`] for processes, [`log`] for the error log,
//! [`demo`] for how long the shop may take. Exit codes are listed in [`cli`]. Tested with real processes in `tests/`, and
//! end to end by the crate `seawall-tests`.

mod cli;
mod configuration;
mod demo;
mod keeper;
mod log;
mod patience;
mod terminal;
mod version;
mod worker;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything is touched. A keeper never has enough to do for them, nor has a command; a worker inherits this and takes
    // them when it has. A kernel without them needs nothing.
    let _ = seawall_sys::huge_pages::forbid();
    cli::main(std::env::args_os().collect())
}
