//! php-fpm, in a directory and on a socket of its own, and nginx in front of the same one.

use crate::{eventually, process};
use nix::sys::signal::Signal;
use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A running php-fpm; stopped when dropped.
pub struct Php {
    child: Child,
    directory: PathBuf,
}

/// Where Debian has it: its version is part of its name.
fn program() -> PathBuf {
    let there = |name: &str| name.starts_with("php-fpm");
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/sbin")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|e| e.file_name().to_str().is_some_and(there))
        .map(|e| e.path())
        .collect();
    found.sort();
    found
        .pop()
        .expect("php-fpm is installed (packaging/dev/install.sh test)")
}

impl Php {
    /// Starts it with `children` processes; its socket is `php.sock` in the directory.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(directory: &Path, children: usize) -> Self {
        let at = directory.display();
        let root = nix::unistd::Uid::effective().is_root();
        let owner = if root {
            "user = root\ngroup = root\n"
        } else {
            ""
        };
        let conf = directory.join("php-fpm.conf");
        let text = format!(
            "[global]\nerror_log = {at}/php-fpm.log\ndaemonize = no\n[www]\nlisten = {at}/php.sock\nlisten.mode = 0666\n{owner}pm = static\n\
             pm.max_children = {children}\nping.path = /ping\n"
        );
        fs::write(&conf, text).expect("php-fpm's configuration");
        let said = fs::File::create(directory.join("php-fpm.out")).expect("a file");
        let mut command = Command::new(program());
        if root {
            command.arg("-R");
        }
        // Without php.ini: what PHP does by itself.
        let child = command
            .args([
                "-n",
                "-F",
                "-d",
                "display_errors=0",
                "-d",
                "log_errors=1",
                "-y",
            ])
            .arg(&conf)
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("a file"))
            .stderr(said)
            .spawn()
            .expect("php-fpm starts");
        let mut php = Self {
            child,
            directory: directory.to_owned(),
        };
        eventually("php-fpm's socket", || {
            if let Some(status) = php.child.try_wait().expect("php-fpm's state") {
                panic!(
                    "php-fpm ended ({status}): {}",
                    fs::read_to_string(php.directory.join("php-fpm.out")).unwrap_or_default()
                );
            }
            UnixStream::connect(php.socket()).ok()
        });
        php
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("php.sock")
    }

    /// Its worker processes.
    pub fn workers(&self) -> Vec<u32> {
        process::children(self.child.id())
    }
}

impl Drop for Php {
    fn drop(&mut self) {
        let workers = self.workers();
        let _ = self.child.kill();
        workers
            .into_iter()
            .for_each(|w| process::signal(w, Signal::SIGKILL));
        let _ = self.child.wait();
    }
}

/// A running nginx; stopped when dropped.
pub struct Nginx(Child);

impl Nginx {
    /// Starts it with this `http` block's content and waits until it listens on `address`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(directory: &Path, address: std::net::SocketAddr, http: &str) -> Self {
        let conf = write(directory, http);
        let child = Command::new("/usr/sbin/nginx")
            .args(["-e", "stderr", "-c"])
            .arg(&conf)
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is installed (packaging/dev/install.sh test)");
        let mut nginx = Self(child);
        // The pid file comes after the handlers of its signals: a HUP before them is nginx's end. And the address may be that of
        // somebody who is leaving it, until nginx has it.
        eventually("nginx's pid file and socket", || {
            if let Some(status) = nginx.0.try_wait().expect("nginx's state") {
                panic!("nginx ended ({status})");
            }
            let written = fs::read_to_string(directory.join("peer.pid")).ok()?;
            let is_its = written.trim().parse() == Ok(nginx.pid());
            is_its.then(|| std::net::TcpStream::connect(address).ok())?
        });
        nginx
    }

    /// Its master process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Writes another content of its `http` block; it goes over to it on HUP.
    pub fn rewrite(&self, directory: &Path, http: &str) {
        write(directory, http);
    }
}

/// Its whole configuration as a file.
fn write(directory: &Path, http: &str) -> std::path::PathBuf {
    let at = directory.display();
    let conf = directory.join("peer.conf");
    let text = format!(
        "daemon off; pid {at}/peer.pid; error_log {at}/peer.log; events {{}}\nhttp {{ access_log off;\n\
         client_body_temp_path {at}/peer-body; fastcgi_temp_path {at}/peer-fastcgi; proxy_temp_path {at}/peer-proxy;\n\
         uwsgi_temp_path {at}/peer-uwsgi; scgi_temp_path {at}/peer-scgi;\n{http}\n}}\n"
    );
    fs::write(&conf, text).expect("nginx's configuration");
    conf
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let workers = process::children(self.0.id());
        let _ = self.0.kill();
        workers
            .into_iter()
            .for_each(|w| process::signal(w, Signal::SIGKILL));
        let _ = self.0.wait();
    }
}
