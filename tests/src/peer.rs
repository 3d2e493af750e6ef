//! Programs of others, as Debian ships them, beside the daemon: started for one test and killed with it.

use crate::eventually;
use std::{
    ffi::OsStr,
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

/// A running program of others.
pub struct Peer {
    name: String,
    child: Child,
}

impl Peer {
    /// Starts a program in `directory` and waits until it accepts connections.
    ///
    /// # Panics
    /// When it is not installed (`packaging/dev/install.sh test` installs it) or ends instead.
    pub fn start<S: AsRef<OsStr>>(
        name: &str,
        arguments: &[S],
        directory: &Path,
        address: SocketAddr,
    ) -> Self {
        let said = directory.join(format!("{name}.said"));
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new(name)
            .args(arguments)
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&said).expect("a file"))
            .stderr(fs::File::create(directory.join(format!("{name}.errors"))).expect("a file"))
            .spawn()
            .unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        let mut peer = Self {
            name: name.to_owned(),
            child,
        };
        eventually(&format!("{name} at {address}"), || {
            if let Some(status) = peer.child.try_wait().expect("its state") {
                let errors = directory.join(format!("{name}.errors"));
                let said =
                    [said.clone(), errors].map(|p| fs::read_to_string(p).unwrap_or_default());
                panic!("{name} ended ({status}): {}", said.concat());
            }
            TcpStream::connect(address).ok()
        });
        peer
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child
            .wait()
            .unwrap_or_else(|e| panic!("{} does not end: {e}", self.name));
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
