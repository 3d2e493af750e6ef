//! An active check, compiled.

use super::pattern;
use seawall_conf::model::{BodyExpected, CheckKind, HealthCheck};
use seawall_diag::Diagnostics;

/// An active check.
pub struct CheckPlan {
    /// As configured.
    pub check: HealthCheck,
    /// What the body must match.
    pub regex: Option<regex::bytes::Regex>,
}

impl CheckPlan {
    /// Compiles a check.
    pub fn compile(from: &HealthCheck, errors: &mut Diagnostics) -> Self {
        let regex = match &from.kind {
            CheckKind::Http(http) => match &http.body {
                Some(BodyExpected::Matches(p)) => pattern::compile(p, errors),
                _ => None,
            },
            CheckKind::Tcp | CheckKind::Grpc(_) => None,
        };
        Self {
            check: from.clone(),
            regex,
        }
    }
}
