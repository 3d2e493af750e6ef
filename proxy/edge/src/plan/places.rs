//! Databases of places: read once for all who ask where an address is.

use super::Environment;
use seawall_diag::{Diagnostics, Span};
use seawall_nets::Databases;
use std::{path::PathBuf, sync::Arc};

/// Reads the databases; `None` only where none is named. Each that cannot be used is an error at the place that names it.
pub fn read(
    files: &[(PathBuf, Span)],
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> Option<Arc<Databases>> {
    let mut all = Databases::default();
    for (path, at) in files {
        match (env.read)(path) {
            Ok(bytes) => {
                if let Err(e) = all.add(bytes) {
                    let message = format!("\"{}\": {e}", path.display());
                    errors.error("bad-database", *at, message);
                }
            }
            Err(e) => {
                let message = format!("cannot read \"{}\": {e}", path.display());
                errors.error("unreadable", *at, message);
            }
        }
    }
    (!files.is_empty()).then(|| Arc::new(all))
}
