//! `seawall demo`: the whole edge in front of the bundled shop, on high ports of the loopback.

use std::{path::Path, process::ExitCode};

/// Runs the demo with its files under `state`: starts the demo origin's processes, writes a configuration for them and
/// serves it until interrupted.
///
/// # Errors
/// Always, so far: the demo is not composed yet.
pub fn run(state: &Path) -> anyhow::Result<ExitCode> {
    anyhow::bail!(
        "not-yet: the demo is not built into this binary (its state would go to {})",
        state.display()
    )
}
