//! CrowdSec's own local API on the loopback, told what to decide by its own command line: no agent, no central API.

use crate::{Peer, free_address};
use std::{fs, net::SocketAddr, path::Path, process::Command};

/// A running server.
pub struct CrowdSec {
    directory: tempfile::TempDir,
    address: SocketAddr,
    /// The key of a bouncer that it knows.
    pub key: String,
    peer: Option<Peer>,
}

impl CrowdSec {
    /// Starts one with nothing decided yet.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut server = Self {
            address: free_address(),
            directory,
            key: String::new(),
            peer: None,
        };
        server.write_files();
        server.cscli(&[
            "machines",
            "add",
            "tester",
            "--password",
            "testtesttest",
            "--force",
        ]);
        let said = server.cscli(&["bouncers", "add", "seawall", "-o", "raw"]);
        server.key = said.trim().to_owned();
        server.run();
        server
    }

    fn write_files(&self) {
        let dir = self.directory.path();
        let text = format!(
            "common: {{ daemonize: false, log_media: stdout, log_level: info, working_dir: . }}
config_paths:
  config_dir: {dir}
  data_dir: {dir}
  simulation_path: {dir}/simulation.yaml
  hub_dir: {dir}/hub
  index_path: {dir}/hub/.index.json
  notification_dir: {dir}/notifications
  plugin_dir: {dir}/plugins
db_config: {{ type: sqlite, db_path: {dir}/crowdsec.db, use_wal: false }}
api:
  client: {{ credentials_path: {dir}/client.yaml }}
  server: {{ listen_uri: \"{}\", profiles_path: {dir}/profiles.yaml, console_path: {dir}/console.yaml }}
prometheus: {{ enabled: false }}
",
            self.address,
            dir = dir.display()
        );
        let client = format!(
            "url: http://{}\nlogin: tester\npassword: testtesttest\n",
            self.address
        );
        let profiles = "name: all\nfilters: [\"true\"]\ndecisions: [{ type: ban, duration: 4h }]\non_success: break\n";
        for (name, text) in [
            ("config.yaml", text.as_str()),
            ("client.yaml", &client),
            ("profiles.yaml", profiles),
            ("simulation.yaml", "simulation: off\n"),
            ("console.yaml", "{}\n"),
            ("hub/.index.json", "{}\n"),
        ] {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        for name in ["notifications", "plugins"] {
            fs::create_dir_all(dir.join(name)).expect("a directory");
        }
    }

    /// Starts it, also again, and waits until it listens.
    pub fn run(&mut self) {
        let arguments = ["-c", "config.yaml", "-no-cs"];
        let directory = self.directory.path();
        self.peer = Some(Peer::start("crowdsec", &arguments, directory, self.address));
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.peer = None;
    }

    /// Tells it something by `cscli`; what that prints.
    ///
    /// # Panics
    /// When it refuses.
    pub fn cscli(&self, arguments: &[&str]) -> String {
        let output = Command::new("cscli")
            .arg("-c")
            .arg(self.directory.path().join("config.yaml"))
            .args(arguments)
            .output()
            .expect("cscli: packaging/dev/install.sh test");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
