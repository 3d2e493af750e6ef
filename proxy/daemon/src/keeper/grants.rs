//! What a worker may ask the keeper for: what the configuration on disk names, and nothing else.
//!
//! The worker parses what strangers send and the keeper may be root, so a request is weighed against the file that the
//! operator wrote. The check is of names, because the names come from the operator; which file a name leads to is
//! decided when it is opened (see [`seawall_sys::files`]).

use super::protocol::OpenMode;
use seawall_conf::model::{AccessLog, Address, Config, Rotation, SecretText, SiteTls, WafRules};
use seawall_diag::SourceMap;
use seawall_sys::listen::Endpoint;
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

/// What is granted.
#[derive(Debug, Default)]
pub struct Grants {
    endpoints: HashSet<Endpoint>,
    /// Ports of listeners whose address is a name: the worker resolves it, so any address will do.
    named_ports: HashSet<u16>,
    read: HashSet<PathBuf>,
    append: HashSet<PathBuf>,
    rotate: HashMap<PathBuf, Rotation>,
}

impl Grants {
    /// What a configuration names.
    pub fn of(config: &Config) -> Self {
        let mut grants = Grants::default();
        let addresses = config
            .listeners
            .iter()
            .map(|l| &l.address)
            .chain(config.admin.iter().map(|a| &a.address));
        let streams = config.streams.iter().filter(|s| !s.udp);
        let addresses = addresses.chain(streams.flat_map(|s| s.listen.iter().map(|(a, _)| a)));
        for address in addresses {
            grants.grant_tcp(address);
        }
        grants.endpoints.extend(config.metrics.map(Endpoint::Tcp));
        if let Some(dns) = &config.dns {
            for (address, _) in &dns.listen {
                grants
                    .endpoints
                    .extend([Endpoint::Udp(*address), Endpoint::Tcp(*address)]);
            }
            let over_tls = dns.dot.iter().map(|(address, _)| Endpoint::Tcp(*address));
            grants.endpoints.extend(over_tls);
            let over_quic = dns.doq.iter().map(|(address, _)| Endpoint::Udp(*address));
            grants.endpoints.extend(over_quic);
            grants.read.extend(dns.files().cloned());
            let query_log = dns.query_log.iter().map(|log| log.path.clone());
            grants.append.extend(query_log);
        }
        grants.grant_logs(&config.log.access);
        for audit in config.wafs.iter().filter_map(|waf| waf.audit.as_ref()) {
            grants.grant_logs(std::slice::from_ref(&audit.log));
        }
        for stream in &config.streams {
            grants.grant_logs(&stream.log);
            let datagrams = stream.listen.iter().filter(|_| stream.udp);
            grants
                .endpoints
                .extend(datagrams.filter_map(|(a, _)| match a {
                    Address::Ip(address) => Some(Endpoint::Udp(*address)),
                    _ => None,
                }));
        }
        if let Some(path) = &config.log.error.path {
            grants.append.insert(path.clone());
            let rotate = config.log.error.rotate;
            grants.rotate.extend(rotate.map(|r| (path.clone(), r)));
        }
        let secrets = config.secret_files().into_iter();
        grants.read.extend(secrets.map(|(path, _)| path.to_owned()));
        grants.grant_reading(config);
        grants
    }

    fn grant_logs(&mut self, logs: &[AccessLog]) {
        for (log, path) in logs.iter().filter_map(|log| Some((log, log.file()?))) {
            self.append.insert(path.to_owned());
            self.rotate.extend(log.rotate.map(|r| (path.to_owned(), r)));
        }
    }

    /// How a log is put away, where the configuration says that it is.
    pub fn rotation(&self, path: &Path) -> Option<Rotation> {
        self.rotate.get(path).copied()
    }

    fn grant_tcp(&mut self, address: &Address) {
        match address {
            Address::Ip(address) => drop(self.endpoints.insert(Endpoint::Tcp(*address))),
            Address::Unix(path) => drop(self.endpoints.insert(Endpoint::Unix(path.clone()))),
            Address::Name(_, port) => drop(self.named_ports.insert(*port)),
        }
    }

    fn grant_reading(&mut self, config: &Config) {
        self.read.extend(config.files.iter().cloned());
        self.read
            .extend(config.geo.iter().map(|(path, _)| path.clone()));
        let lists = config.lists.iter().flat_map(|list| &list.files);
        self.read.extend(lists.map(|(path, _)| path.clone()));
        for site in &config.sites {
            if let SiteTls::Files(pairs) = &site.tls {
                self.read.extend(
                    pairs
                        .iter()
                        .flat_map(|pair| [pair.certificate.0.clone(), pair.key.0.clone()]),
                );
                let staples = pairs.iter().filter_map(|pair| pair.ocsp.as_ref());
                self.read.extend(staples.map(|(path, _)| path.clone()));
            }
            self.read
                .extend(site.clients.iter().map(|(path, _)| path.clone()));
        }
        if let Some(acme) = &config.acme {
            self.read
                .extend(acme.ca.iter().map(|(path, _)| path.clone()));
            if let Some(SecretText::File(path, _)) = acme.eab.as_ref().map(|eab| &eab.key) {
                self.read.insert(path.clone());
            }
        }
        let authorities = config
            .pools
            .iter()
            .filter_map(|pool| pool.tls.as_ref()?.ca.as_ref());
        self.read.extend(authorities.map(|(path, _)| path.clone()));
        for waf in &config.wafs {
            if let WafRules::Files(files) = &waf.rules {
                self.read.extend(files.iter().map(|(path, _)| path.clone()));
            }
        }
    }

    /// Grants the files of a configuration that has errors, and nothing of what it names.
    pub fn read_also(&mut self, files: &SourceMap) {
        self.read
            .extend(files.iter().map(|(_, name, _)| name.to_owned()));
    }

    /// Whether sockets on this address may be handed out.
    pub fn may_listen(&self, endpoint: &Endpoint) -> bool {
        let by_name = matches!(endpoint, Endpoint::Tcp(address) if self.named_ports.contains(&address.port()));
        by_name || self.endpoints.contains(endpoint)
    }

    /// Whether this file may be opened.
    pub fn may_open(&self, path: &Path, mode: OpenMode) -> bool {
        match mode {
            OpenMode::Append => self.append.contains(path),
            OpenMode::Rotate => self.rotate.contains_key(path),
            OpenMode::Read => self.read.contains(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_conf::LoadOptions;

    fn grants(text: &str) -> Grants {
        let (config, _) =
            seawall_conf::load_text("/etc/seawall/seawall.yaml", text, &LoadOptions::default())
                .unwrap();
        Grants::of(&config)
    }

    #[test]
    fn the_files_of_a_broken_configuration_may_be_read_and_what_it_names_not() {
        let text = "version: 1\nwafs: { w: { rules: [/etc/shadow.conf] } }\nnonsense: 1\n";
        let name = "/etc/seawall/seawall.yaml";
        let error =
            seawall_conf::load_text(name, text, &LoadOptions::default()).expect_err("nonsense");
        let mut grants = Grants::default();
        grants.read_also(&error.sources);
        assert!(grants.may_open(Path::new(name), OpenMode::Read));
        assert!(!grants.may_open(Path::new("/etc/shadow.conf"), OpenMode::Read));
    }

    #[test]
    fn rule_files_and_included_files_are_granted() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let main = "include: d/*.yaml\nlisten: 80\nwafs: { w: { rules: [rules/a.conf] } }\nsites: [{ host: a.test, respond: 204 }]\n";
        std::fs::create_dir(path("d")).unwrap();
        std::fs::write(path("main.yaml"), main).unwrap();
        std::fs::write(path("d/1.yaml"), "version: 1\n").unwrap();
        let (config, _) = seawall_conf::load(&path("main.yaml"), &LoadOptions::default()).unwrap();
        let grants = Grants::of(&config);
        for name in ["main.yaml", "d/1.yaml", "rules/a.conf"] {
            assert!(grants.may_open(&path(name), OpenMode::Read), "{name}");
        }
        assert!(!grants.may_open(&path("d/2.yaml"), OpenMode::Read));
    }

    #[test]
    fn what_the_configuration_names_is_granted_and_nothing_else() {
        let grants = grants(
            "version: 1\nlisten: [{ http: \"127.0.0.1:8080\" }]\nlog: { access: { path: /tmp/a.log } }\n\
             sites: [{ host: a.test, respond: 204 }]\n",
        );
        assert!(grants.may_listen(&Endpoint::Tcp("127.0.0.1:8080".parse().unwrap())));
        assert!(!grants.may_listen(&Endpoint::Udp("127.0.0.1:8080".parse().unwrap())));
        assert!(!grants.may_listen(&Endpoint::Tcp("127.0.0.1:22".parse().unwrap())));
        assert!(grants.may_open(Path::new("/etc/seawall/seawall.yaml"), OpenMode::Read));
        assert!(!grants.may_open(Path::new("/etc/seawall/seawall.yaml"), OpenMode::Append));
        assert!(grants.may_open(Path::new("/tmp/a.log"), OpenMode::Append));
        assert!(!grants.may_open(Path::new("/tmp/a.log"), OpenMode::Read));
        assert!(!grants.may_open(Path::new("/etc/shadow"), OpenMode::Read));
        assert!(!grants.may_open(Path::new("/etc/shadow"), OpenMode::Append));
    }
}
