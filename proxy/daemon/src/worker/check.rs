//! What only compiling finds: patterns, rules, zones, certificates. Nothing is bound, opened for writing or issued.

use seawall_conf::model::{Address, Config};
use seawall_diag::{Diagnostics, SourceMap};
use seawall_edge::{
    Metrics,
    log::AccessLogs,
    plan::{Environment, Plan},
};
use std::{cell::RefCell, fs::File, io, path::Path};

/// Compiles a configuration without serving it: everything found, with the texts it is in.
pub fn check(config: Config) -> (SourceMap, Diagnostics) {
    check_by(config, &|path| std::fs::read(path))
}

/// The same with files read by `read`.
pub fn check_by(
    config: Config,
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> (SourceMap, Diagnostics) {
    match compile_dry(config, read) {
        Ok((plan, warnings)) => (plan.config.sources.clone(), warnings),
        Err((sources, errors)) => (sources, errors),
    }
}

/// The plan of a configuration that will not serve, with its warnings.
///
/// # Errors
/// All that is wrong with it, and where it stands.
pub fn compile_dry(
    config: Config,
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<(Plan, Diagnostics), (SourceMap, Diagnostics)> {
    let sources = config.sources.clone();
    let Ok(metrics) = Metrics::new() else {
        return Err((sources, Diagnostics::default()));
    };
    let logs = AccessLogs::default();
    let known: RefCell<Vec<(Address, bool)>> = RefCell::default();
    let resolver = seawall_tls::Resolver::new(seawall_tls::CertMap::default());
    let environment = Environment {
        metrics: &metrics,
        logs: &logs,
        open_log: &|_| File::options().append(true).open("/dev/null"),
        read,
        dry_run: true,
        resolver: &resolver,
        acme: &seawall_tls::acme::Acme::default(),
        listener_id: &|address, udp| {
            let mut known = known.borrow_mut();
            let at = known
                .iter()
                .position(|(a, u)| a == address && *u == udp)
                .unwrap_or(known.len());
            if at == known.len() {
                known.push((address.clone(), udp));
            }
            at as u32
        },
    };
    Plan::compile(config, None, &environment)
}
