//! A daemon of this very build, in a directory of its own.
#![allow(dead_code)] // each test binary uses its part

pub mod chromium;

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

/// The longest anything here may take; far more than it does, so that a slow machine is not a failure.
const PATIENCE: Duration = Duration::from_secs(20);

pub const SEAWALL: &str = env!("CARGO_BIN_EXE_seawall");

/// Tries until something holds.
pub fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port nobody listens on.
pub fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Asks for `/` and gives the status line.
pub fn get(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

pub fn alive(pid: u32) -> bool {
    // A zombie has no open files any more.
    fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|mut files| files.next().is_some())
}

pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status()
        .unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// A directory with a configuration that serves one address.
pub struct Place {
    pub directory: tempfile::TempDir,
    pub address: SocketAddr,
}

impl Place {
    /// `process` is put into the configuration's `process`.
    pub fn new(process: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let place = Self {
            directory,
            address: free_port(),
        };
        let text = format!(
            "version: 1\n\
             process: {{ pid: seawall.pid, state: state, drain: 2s, threads: 1{process} }}\n\
             log: {{ error: {{ path: ./error.log, level: notice }} }}\n\
             listen: [{{ http: \"{}\" }}]\n\
             sites: [{{ host: \"*\", respond: {{ status: 200, body: \"ok\\n\" }} }}]\n",
            place.address
        );
        fs::write(place.config(), text).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("seawall.yaml")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("error.log")).unwrap_or_default()
    }

    pub fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.path("seawall.pid"))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Starts the daemon and waits until it has written its pid file.
    pub fn start(&self) -> Daemon<'_> {
        self.start_with("seawall.yaml")
    }

    /// The same with another configuration, which names the same pid file.
    pub fn start_with(&self, name: &str) -> Daemon<'_> {
        let child = Command::new(SEAWALL)
            .args(["run", "--config"])
            .arg(self.path(name))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.watching(child)
    }

    /// A daemon that was started in another way, once it has written its pid file.
    pub fn watching(&self, child: Child) -> Daemon<'_> {
        let mut daemon = Daemon { place: self, child };
        until("the pid file", || {
            assert!(
                daemon.child.try_wait().unwrap().is_none(),
                "the daemon ended: {}",
                self.log()
            );
            self.pid()
        });
        daemon
    }

    /// Runs a command to its end.
    pub fn seawall(&self, arguments: &[&str]) -> Output {
        Command::new(SEAWALL)
            .args(arguments)
            .current_dir(self.directory.path())
            .output()
            .unwrap()
    }
}

/// A running daemon; killed when dropped.
pub struct Daemon<'a> {
    place: &'a Place,
    child: Child,
}

impl Daemon<'_> {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The worker, once there is one.
    pub fn worker(&self) -> u32 {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        until("a worker", || {
            fs::read_to_string(&path)
                .ok()?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
    }

    /// Waits for the end.
    pub fn wait(mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the daemon's end", || child.try_wait().unwrap())
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until the log holds this.
    pub fn logged(&self, text: &str) {
        until(text, || self.place.log().contains(text).then_some(()));
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // The worker drains on its own; a test that failed should not leave it behind for long.
        self.kill();
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asks on a connection that stays open.
pub fn ask(stream: &mut TcpStream) -> String {
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .unwrap();
    let mut answer = [0; 4096];
    let n = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..n]).into_owned()
}

/// A daemon under a service manager, and where that hears of it.
pub fn managed(place: &Place) -> (UnixDatagram, Daemon<'_>) {
    let manager = UnixDatagram::bind(place.path("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let child = Command::new(SEAWALL)
        .args(["run", "-c"])
        .arg(place.config())
        .env("NOTIFY_SOCKET", place.path("notify"))
        .env("WATCHDOG_USEC", "100000")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    (manager, place.watching(child))
}
