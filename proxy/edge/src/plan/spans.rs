//! Where spans go.

use super::{Plan, compile::Environment};
use crate::otlp::Exporter;
use seawall_conf::model::Config;
use seawall_diag::Diagnostics;
use std::sync::Arc;

/// The exporter of a configuration; the one of before where it has the same collector.
pub fn compile(
    config: &Config,
    previous: Option<&Plan>,
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> Option<Arc<Exporter>> {
    let to = config.log.traces.as_ref()?.otlp.as_ref()?;
    if cfg!(not(feature = "otlp")) {
        errors.error(
            "not-built",
            None,
            "`otlp` needs a daemon that was built with the feature `otlp`",
        );
        return None;
    }
    let before = previous.and_then(|p| p.spans.clone());
    before.filter(|exporter| exporter.is_for(to)).or_else(|| {
        Some(Arc::new(Exporter::new(
            to.clone(),
            env.metrics.spans.clone(),
        )))
    })
}
