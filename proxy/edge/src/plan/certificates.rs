//! Certificates of the sites: files, the internal CA, a CA that speaks ACME. One that is missing keeps nothing else from
//! being served.

use super::Plan;
use seawall_conf::model::{CertificateFiles, Config, HostName, Site, SiteTls};
use seawall_diag::{Diagnostic, Diagnostics};
use seawall_tls::{
    CertMap, CertMapBuilder, ClientPolicy, InternalCa, Served, TlsError,
    acme::{Managed, Validity},
};
use std::{path::Path, sync::Arc, time::SystemTime};

/// What became of a site's certificate.
pub struct CertificateState {
    /// The site.
    pub site: String,
    /// `internal`, `acme` or the path of the file.
    pub source: String,
    /// What is wrong with it, if anything.
    pub problem: Option<String>,
    /// The one that keeps itself current, where a CA issues.
    pub managed: Option<Arc<Managed>>,
    key: Option<Arc<rustls::sign::CertifiedKey>>,
    names: Vec<String>,
}

impl CertificateState {
    /// From when to when the certificate that is served is valid.
    pub fn validity(&self) -> Option<Validity> {
        let key = match &self.managed {
            Some(managed) => managed.live().get(),
            None => self.key.clone(),
        };
        seawall_tls::validity(&*key?)
    }

    /// The names it is for.
    pub fn names(&self) -> Vec<String> {
        match (&self.managed, &self.key) {
            (Some(managed), _) => managed.names().to_vec(),
            (None, Some(key)) => seawall_tls::names(key),
            (None, None) => self.names.clone(),
        }
    }

    /// Whether it is the internal CA's and two thirds of its life have passed: a reload issues another.
    pub fn is_due(&self, now: SystemTime) -> bool {
        let validity = self.key.as_deref().and_then(seawall_tls::validity);
        self.source == INTERNAL && validity.is_none_or(|v| v.two_thirds() <= now)
    }
}

const INTERNAL: &str = "internal";

/// Reads a file, through the keeper where that is needed.
pub type Read<'a> = &'a dyn Fn(&Path) -> std::io::Result<Vec<u8>>;

/// What certificates need besides the configuration.
pub struct Compiled {
    /// Which name gets which.
    pub map: CertMap,
    /// What became of each.
    pub states: Vec<CertificateState>,
    /// What clients must show, by site.
    pub policies: Vec<Option<Arc<ClientPolicy>>>,
}

/// Collects the certificates of all sites.
pub fn compile(
    config: &Config,
    previous: Option<&Plan>,
    env: &super::Environment<'_>,
    found: &mut Diagnostics,
) -> Compiled {
    let mut collector = Collector {
        config,
        previous,
        env,
        found,
        map: CertMapBuilder::default(),
        states: Vec::new(),
        ca: None,
        has_default: false,
    };
    let mut policies = Vec::new();
    for site in &config.sites {
        let policy = collector.policy(site);
        collector.site(site, policy.as_ref());
        policies.push(policy);
    }
    Compiled {
        map: collector.map.build(),
        states: collector.states,
        policies,
    }
}

struct Collector<'a, 'e> {
    config: &'a Config,
    previous: Option<&'a Plan>,
    env: &'a super::Environment<'e>,
    found: &'a mut Diagnostics,
    map: CertMapBuilder,
    states: Vec<CertificateState>,
    ca: Option<Result<InternalCa, TlsError>>,
    has_default: bool,
}

impl Collector<'_, '_> {
    fn site(&mut self, site: &Site, policy: Option<&Arc<ClientPolicy>>) {
        match &site.tls {
            SiteTls::Off | SiteTls::Passthrough => {}
            SiteTls::Internal | SiteTls::Acme(_) if self.env.dry_run => {}
            SiteTls::Internal => {
                let names: Vec<String> = site.names.iter().filter_map(certified_name).collect();
                let state = self.internal(site, names);
                for name in &site.names {
                    self.add(name, &state, policy);
                }
                self.states.push(state);
            }
            SiteTls::Acme(names) => self.managed(site, names, policy),
            SiteTls::Files(pairs) => {
                for pair in pairs {
                    let state = self.files(site, pair);
                    for name in &site.names {
                        self.add(name, &state, policy);
                    }
                    self.states.push(state);
                }
            }
        }
    }

    /// What clients of a site must show. The one before is kept where its authorities are the same: its ticket keys with it.
    fn policy(&mut self, site: &Site) -> Option<Arc<ClientPolicy>> {
        let (path, at) = site.clients.as_ref()?;
        let pem = match (self.env.read)(path) {
            Ok(pem) => pem,
            Err(e) => {
                let message = format!(
                    "cannot load client certificates' authorities \"{}\": {e}",
                    path.display()
                );
                // To serve without would be to let everybody in.
                self.found
                    .push(Diagnostic::error("no-authorities", *at, message));
                return None;
            }
        };
        let kept = self.previous.and_then(|plan| {
            let policies = plan.client_policies.iter().flatten();
            policies.into_iter().find(|p| p.authorities_pem() == pem)
        });
        if let Some(kept) = kept {
            return Some(kept.clone());
        }
        match ClientPolicy::new(self.env.resolver, &pem) {
            Ok(policy) => Some(policy),
            Err(e) => {
                let message = format!(
                    "client certificates' authorities \"{}\": {e}",
                    path.display()
                );
                self.found
                    .push(Diagnostic::error("no-authorities", *at, message));
                None
            }
        }
    }

    fn add(
        &mut self,
        name: &HostName,
        state: &CertificateState,
        policy: Option<&Arc<ClientPolicy>>,
    ) {
        let served = match (&state.managed, &state.key) {
            (Some(managed), _) => Served::Live(managed.live().clone()),
            (None, Some(key)) => Served::Fixed(key.clone()),
            (None, None) => return,
        };
        let written = match name {
            HostName::Exact(name) => Some(name.clone()),
            HostName::Suffix(name) => Some(format!(".{name}")),
            HostName::Any => Some("*".to_owned()),
            HostName::Prefix(_) | HostName::Regex(_) | HostName::Empty => None,
        };
        if let Some(name) = &written {
            self.map.add_served(name, served.clone(), policy);
        }
        self.has_default |= *name == HostName::Any;
        // A client without SNI, or with one that no name takes, gets the first certificate, as from nginx.
        if !self.has_default {
            self.map.add_served("*", served, policy);
            self.has_default = true;
        }
    }

    /// By a CA for the names it issues for, by the internal one for the others, and by that one until the CA has issued.
    fn managed(&mut self, site: &Site, names: &[String], policy: Option<&Arc<ClientPolicy>>) {
        let state = self.config.process.state.join("acme");
        let managed = self.env.acme.managed(names, &state);
        if managed.needs_stand_in() {
            let stand_in = self.internal(site, names.to_vec());
            if let Some(key) = stand_in.key {
                managed.stand_in(key);
            }
        }
        let (issued, others): (Vec<&HostName>, Vec<&HostName>) = site
            .names
            .iter()
            .partition(|name| certified_name(name).is_some_and(|n| names.contains(&n)));
        let state = CertificateState {
            site: site_name(site),
            source: "acme".into(),
            problem: None,
            key: None,
            names: names.to_vec(),
            managed: Some(managed),
        };
        for name in issued {
            self.add(name, &state, policy);
        }
        self.states.push(state);
        if !others.is_empty() {
            let names = others.iter().filter_map(|n| certified_name(n)).collect();
            let state = self.internal(site, names);
            for name in others {
                self.add(name, &state, policy);
            }
            self.states.push(state);
        }
    }

    fn internal(&mut self, site: &Site, names: Vec<String>) -> CertificateState {
        let mut state = CertificateState {
            site: site_name(site),
            source: INTERNAL.into(),
            problem: None,
            managed: None,
            key: None,
            names: names.clone(),
        };
        let now = SystemTime::now();
        let known = self.previous.and_then(|p| {
            let same =
                |c: &&CertificateState| c.source == INTERNAL && c.names == names && !c.is_due(now);
            p.certificates.iter().find(same)
        });
        if let Some(known) = known {
            state.key = known.key.clone();
            return state;
        }
        let wanted: Vec<&str> = if names.is_empty() {
            vec!["localhost"]
        } else {
            names.iter().map(String::as_str).collect()
        };
        let directory = self.config.process.state.join("ca");
        let ca = self
            .ca
            .get_or_insert_with(|| InternalCa::open_or_create(&directory));
        let issued = match ca {
            Ok(ca) => ca.issue(&wanted).map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        match issued {
            Ok(issued) => state.key = Some(issued.key),
            Err(e) => {
                let problem = format!("the internal CA cannot issue for {}: {e}", state.site);
                let warning = Diagnostic::warning("no-certificate", site.at, problem.clone());
                self.found.push(warning);
                state.problem = Some(problem);
            }
        }
        state
    }

    fn files(&mut self, site: &Site, pair: &CertificateFiles) -> CertificateState {
        let (certificate, at) = &pair.certificate;
        let mut state = CertificateState {
            site: site_name(site),
            source: certificate.display().to_string(),
            problem: None,
            managed: None,
            key: None,
            names: Vec::new(),
        };
        match load(pair, self.env.read) {
            Ok(key) => state.key = Some(key),
            Err(problem) => {
                // A client of a CA writes one file after the other: what was read in between must not end the service.
                let before = self.previous.and_then(|p| {
                    let same = |c: &&CertificateState| {
                        c.source == state.source && c.site == state.site && c.key.is_some()
                    };
                    p.certificates.iter().find(same)
                });
                state.key = before.and_then(|c| c.key.clone());
                let help = match state.key {
                    Some(_) => "the pair from before serves on until this is mended",
                    None => {
                        "the site is not served over TLS until this is mended; everything else is"
                    }
                };
                let warning = Diagnostic::warning("no-certificate", *at, problem.clone());
                self.found.push(warning.help(help));
                state.problem = Some(problem);
            }
        }
        if let (Some((path, at)), Some(key)) = (&pair.ocsp, &state.key) {
            let stapled = (self.env.read)(path)
                .map_err(|e| e.to_string())
                .and_then(|der| seawall_tls::stapled(key, der).map_err(|e| e.to_string()));
            match stapled {
                Ok(key) => state.key = Some(key),
                Err(e) => {
                    let problem = format!("cannot staple \"{}\": {e}", path.display());
                    let warning = Diagnostic::warning("no-staple", *at, problem.clone());
                    self.found
                        .push(warning.help("the certificate is served without it"));
                    state.problem.get_or_insert(problem);
                }
            }
        }
        state
    }
}

fn load(
    pair: &CertificateFiles,
    read: Read<'_>,
) -> Result<Arc<rustls::sign::CertifiedKey>, String> {
    let ((certificate, _), (key, _)) = (&pair.certificate, &pair.key);
    let chain = read(certificate)
        .map_err(|e| format!("cannot load certificate \"{}\": {e}", certificate.display()))?;
    let key_pem =
        read(key).map_err(|e| format!("cannot load certificate key \"{}\": {e}", key.display()))?;
    seawall_tls::certified_key(&chain, &key_pem).map_err(|e| {
        format!(
            "certificate \"{}\" with key \"{}\": {e}",
            certificate.display(),
            key.display()
        )
    })
}

/// A name as a certificate has it.
fn certified_name(name: &HostName) -> Option<String> {
    match name {
        HostName::Exact(name) => Some(name.clone()),
        HostName::Suffix(name) => Some(format!("*.{name}")),
        _ => None,
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

/// The name a site goes by in logs and labels.
pub fn primary_name(site: &Site) -> String {
    site_name(site)
}
