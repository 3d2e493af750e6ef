//! Rule sets: built in or read from files, compiled to one program each.

use super::compile::Environment;
use seawall_conf::model::{self, Config, WafRules};
use seawall_diag::Diagnostics;
use std::sync::Arc;

/// A rule set.
pub struct WafPlan {
    /// Its name.
    pub name: String,
    /// The program.
    pub program: Arc<seawall_waf::Program>,
    /// What a verdict does.
    pub mode: model::WafMode,
    /// Bytes of a body that are inspected.
    pub body_limit: u64,
    /// Names matched rules in this response header, for tests.
    pub report_header: Option<String>,
}

/// Compiles the rule sets of a configuration; one with errors is left out and reported.
pub fn compile(
    config: &mut Config,
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> Vec<Option<Arc<WafPlan>>> {
    let Config { wafs, sources, .. } = config;
    let mut out = Vec::new();
    for waf in wafs.iter() {
        let limits = seawall_waf::Limits {
            body_bytes_max: usize::try_from(waf.body_limit).unwrap_or(usize::MAX),
            ..Default::default()
        };
        let options = seawall_waf::Options {
            paranoia: waf.paranoia,
            threshold: waf.threshold,
            limits,
        };
        let program = match &waf.rules {
            WafRules::Builtin => seawall_waf::Program::builtin(&options),
            WafRules::Files(files) => {
                let mut ids = Vec::new();
                for (path, at) in files {
                    match (env.read)(path) {
                        Ok(bytes) => ids
                            .push(sources.add(path, String::from_utf8_lossy(&bytes).into_owned())),
                        Err(e) => errors.error(
                            "unreadable",
                            *at,
                            format!("cannot read \"{}\": {e}", path.display()),
                        ),
                    }
                }
                seawall_waf::Program::compile(sources, &ids, &options)
            }
        };
        match program {
            Ok(program) => out.push(Some(Arc::new(WafPlan {
                name: waf.name.clone(),
                program: Arc::new(program),
                mode: waf.mode,
                body_limit: waf.body_limit,
                report_header: waf.report_header.clone(),
            }))),
            Err(found) => {
                errors.extend(found);
                out.push(None);
            }
        }
    }
    out
}
