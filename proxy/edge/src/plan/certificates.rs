//! Certificates of the sites: files, the internal CA. One that is missing keeps nothing else from being served.

use super::Plan;
use seawall_conf::model::{Config, HostName, Site, SiteTls};
use seawall_diag::{Diagnostic, Diagnostics};
use seawall_tls::{CertMap, CertMapBuilder, InternalCa};
use std::{path::Path, sync::Arc};

/// What became of a site's certificate.
pub struct CertificateState {
    /// The site.
    pub site: String,
    /// `internal` or the path of the file.
    pub source: String,
    /// What is wrong with it, if anything.
    pub problem: Option<String>,
    key: Option<Arc<rustls::sign::CertifiedKey>>,
    not_after: Option<std::time::SystemTime>,
    names: Vec<String>,
}

/// Reads a file, through the keeper where that is needed.
pub type Read<'a> = &'a dyn Fn(&Path) -> std::io::Result<Vec<u8>>;

/// Collects the certificates of all sites.
pub fn compile(
    config: &Config,
    previous: Option<&Plan>,
    env: &super::Environment<'_>,
    warnings: &mut Diagnostics,
) -> (CertMap, Vec<CertificateState>) {
    let mut map = CertMapBuilder::default();
    let mut states = Vec::new();
    let mut ca = None;
    let mut has_default = false;
    for site in &config.sites {
        match &site.tls {
            SiteTls::Off | SiteTls::Passthrough => {}
            SiteTls::Internal if env.dry_run => {}
            SiteTls::Internal => {
                let ca = ca.get_or_insert_with(|| {
                    InternalCa::open_or_create(&config.process.state.join("ca"))
                });
                let state = internal(site, ca.as_ref().map_err(|e| e.to_string()), previous);
                add(&mut map, site, &state, &mut has_default);
                if let Some(problem) = &state.problem {
                    warnings.push(Diagnostic::warning(
                        "no-certificate",
                        site.at,
                        problem.clone(),
                    ));
                }
                states.push(state);
            }
            SiteTls::Files(pairs) => {
                for pair in pairs {
                    let state = from_files(site, &pair.certificate.0, &pair.key.0, env.read);
                    if let Some(problem) = &state.problem {
                        warnings.push(
                            Diagnostic::warning("no-certificate", pair.certificate.1, problem.clone())
                                .help("the site is not served over TLS until this is mended; everything else is"),
                        );
                    }
                    add(&mut map, site, &state, &mut has_default);
                    states.push(state);
                }
            }
        }
    }
    (map.build(), states)
}

fn add(map: &mut CertMapBuilder, site: &Site, state: &CertificateState, has_default: &mut bool) {
    let Some(key) = &state.key else { return };
    for name in &site.names {
        match name {
            HostName::Exact(name) => drop(map.add(name, key.clone())),
            HostName::Suffix(name) => drop(map.add(&format!(".{name}"), key.clone())),
            HostName::Any => drop(map.add("*", key.clone())),
            HostName::Prefix(_) | HostName::Regex(_) | HostName::Empty => {}
        }
        *has_default |= *name == HostName::Any;
    }
    // A client without SNI, or with one that no name takes, gets the first certificate, as from nginx.
    if !*has_default {
        map.add("*", key.clone());
        *has_default = true;
    }
}

fn site_name(site: &Site) -> String {
    match site.names.first() {
        Some(HostName::Exact(n)) => n.clone(),
        Some(HostName::Suffix(n)) => format!("*.{n}"),
        Some(HostName::Prefix(n)) => format!("{n}.*"),
        Some(HostName::Regex(p)) => format!("~{}", p.text),
        Some(HostName::Any) => "*".to_owned(),
        Some(HostName::Empty) | None => String::new(),
    }
}

fn internal(
    site: &Site,
    ca: Result<&InternalCa, String>,
    previous: Option<&Plan>,
) -> CertificateState {
    let names: Vec<String> = site
        .names
        .iter()
        .filter_map(|n| match n {
            HostName::Exact(n) => Some(n.clone()),
            HostName::Suffix(n) => Some(format!("*.{n}")),
            _ => None,
        })
        .collect();
    let mut state = CertificateState {
        site: site_name(site),
        source: "internal".into(),
        problem: None,
        key: None,
        not_after: None,
        names: names.clone(),
    };
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(30 * 86_400);
    let known = previous.and_then(|p| {
        p.certificates.iter().find(|c| {
            c.source == "internal" && c.names == names && c.not_after.is_some_and(|t| t > soon)
        })
    });
    if let Some(known) = known {
        state.key = known.key.clone();
        state.not_after = known.not_after;
        return state;
    }
    let wanted: Vec<&str> = if names.is_empty() {
        vec!["localhost"]
    } else {
        names.iter().map(String::as_str).collect()
    };
    match ca.and_then(|ca| ca.issue(&wanted).map_err(|e| e.to_string())) {
        Ok(issued) => {
            state.key = Some(issued.key);
            state.not_after = Some(issued.not_after);
        }
        Err(e) => {
            state.problem = Some(format!(
                "the internal CA cannot issue for {}: {e}",
                state.site
            ))
        }
    }
    state
}

fn from_files(site: &Site, certificate: &Path, key: &Path, read: Read<'_>) -> CertificateState {
    let loaded = read(certificate)
        .map_err(|e| format!("cannot load certificate \"{}\": {e}", certificate.display()))
        .and_then(|chain| {
            let key_pem = read(key)
                .map_err(|e| format!("cannot load certificate key \"{}\": {e}", key.display()))?;
            seawall_tls::certified_key(&chain, &key_pem).map_err(|e| {
                format!(
                    "certificate \"{}\" with key \"{}\": {e}",
                    certificate.display(),
                    key.display()
                )
            })
        });
    let (key, problem) = match loaded {
        Ok(key) => (Some(key), None),
        Err(e) => (None, Some(e)),
    };
    CertificateState {
        site: site_name(site),
        source: certificate.display().to_string(),
        problem,
        key,
        not_after: None,
        names: Vec::new(),
    }
}

/// The name a site goes by in logs and labels.
pub fn primary_name(site: &Site) -> String {
    site_name(site)
}
