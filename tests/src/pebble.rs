//! Pebble, the CA that the makers of Let's Encrypt test clients with: a real one, on the loopback, with a root of its own.

use crate::{Edge, Peer, free_address, tls};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// A running CA.
pub struct Pebble {
    directory: tempfile::TempDir,
    address: SocketAddr,
    management: SocketAddr,
    authority: tls::Authority,
    peer: Option<Peer>,
    settings: Settings,
}

struct Settings {
    http: u16,
    https: u16,
    dns: SocketAddr,
    /// How many nonces of a hundred are refused.
    bad_nonces: u8,
    extra: String,
}

impl Pebble {
    /// A CA that looks for proofs at the ports of an edge and resolves names with its DNS server. It runs from
    /// [`Pebble::start`] on.
    pub fn beside(edge: &Edge) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let authority = tls::Authority::make(directory.path(), "pebble", "localhost");
        Self {
            directory,
            address: free_address(),
            management: free_address(),
            authority,
            peer: None,
            settings: Settings {
                http: edge.address("http").port(),
                https: edge.address("https").port(),
                dns: edge.address("dns"),
                bad_nonces: 5,
                extra: String::new(),
            },
        }
    }

    /// How many nonces of a hundred are refused; five unless said otherwise.
    pub fn bad_nonces(mut self, percent: u8) -> Self {
        self.settings.bad_nonces = percent;
        self
    }

    /// More of its configuration: fields of JSON, each with a comma before it.
    pub fn with(mut self, fields: &str) -> Self {
        self.settings.extra = fields.to_owned();
        self
    }

    /// Resolves names with another DNS server.
    pub fn dns(mut self, address: SocketAddr) -> Self {
        self.settings.dns = address;
        self
    }

    /// Starts it and waits until it answers.
    pub fn start(mut self) -> Self {
        self.run();
        self
    }

    /// Starts it, also again.
    pub fn run(&mut self) {
        let (certificate, key) = &self.authority.server;
        let text = format!(
            r#"{{"pebble":{{"listenAddress":"{}","managementListenAddress":"{}","certificate":"{}","privateKey":"{}",
               "httpPort":{},"tlsPort":{},"ocspResponderURL":""{}}}}}"#,
            self.address,
            self.management,
            certificate.display(),
            key.display(),
            self.settings.http,
            self.settings.https,
            self.settings.extra,
        );
        let file = self.path("pebble.json");
        fs::write(&file, text).expect("its configuration");
        let nonces = format!("PEBBLE_WFE_NONCEREJECT={}", self.settings.bad_nonces);
        let dns = self.settings.dns.to_string();
        let arguments = [
            "PEBBLE_VA_NOSLEEP=1",
            &nonces,
            "pebble",
            "-config",
            &file.display().to_string(),
            "-dnsserver",
            &dns,
        ];
        let peer = Peer::start("env", &arguments, self.directory.path(), self.address);
        self.peer = Some(peer);
    }

    /// Stops it; its accounts are forgotten.
    pub fn stop(&mut self) {
        self.peer = None;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Its directory, for `acme: { directory }`.
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.address.port())
    }

    /// The root of its own server's certificate, for `acme: { ca }`.
    pub fn server_root(&self) -> &Path {
        &self.authority.root
    }

    /// The root of what it issues now, as a file.
    ///
    /// # Panics
    /// When it does not tell.
    pub fn root(&self) -> PathBuf {
        let mut session = tls::connect(self.management, "localhost", &self.authority.root)
            .unwrap_or_else(|e| panic!("pebble's management: {e}"));
        let root = session.client.get("localhost", "/roots/0");
        assert_eq!(root.status, 200);
        let file = self.path("root.pem");
        fs::write(&file, root.text()).expect("a file");
        file
    }

    /// What it wrote so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.path("env.said")).unwrap_or_default()
    }
}
