//! The built daemon, in a directory and on ports of its own.

use crate::{Client, Response, eventually, free_address, process, tls};
use nix::sys::signal::Signal;
use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Mutex,
};

/// A daemon to be started: a directory, a configuration, addresses.
///
/// In the text `@dir@` stands for the directory and `@NAME@` for the free address of that name; `@http@`, `@https@`,
/// `@dns@` and `@metrics@` have methods of their own.
pub struct Edge {
    directory: tempfile::TempDir,
    addresses: Mutex<HashMap<String, SocketAddr>>,
    file: &'static str,
    environment: Vec<(String, String)>,
    under: Vec<String>,
}

/// What every YAML configuration here begins with. `info`, because refused heads are logged there, as in nginx.
const PREAMBLE: &str = "\
version: 1
process: { pid: @dir@/seawall.pid, state: @dir@/state, drain: 2s, threads: 2 }
log:
  access: { path: @dir@/access.log, buffer: 0 }
  error: { path: @dir@/error.log, level: info }
admin: unix:@dir@/admin.sock
metrics: \"@metrics@\"
";

/// The program that is tested: `SEAWALL_BIN`, or what was built beside this test.
///
/// # Panics
/// When it is not there.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("SEAWALL_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("the test's own path");
    let beside = test.parent().expect("a directory");
    // A test stands in `deps`, a program of this crate beside the daemon.
    let built = [Some(beside), beside.parent()]
        .into_iter()
        .flatten()
        .map(|directory| directory.join("seawall"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| beside.join("seawall"));
    assert!(
        built.exists(),
        "{} is not there: cargo build -p seawall, in this profile",
        built.display()
    );
    built
}

impl Edge {
    /// With a YAML configuration; the `version`, `process`, `log`, `admin` and `metrics` come before it, and a plain
    /// listener where the text has none.
    pub fn yaml(text: impl AsRef<str>) -> Self {
        let edge = Self::empty("seawall.yaml");
        edge.rewrite(text);
        edge
    }

    /// With an nginx.conf, called as nginx is: `-p DIR -c nginx.conf -e error.log`. `daemon off` and the pid file come
    /// before the text.
    pub fn nginx(text: impl AsRef<str>) -> Self {
        let edge = Self::empty("nginx.conf");
        fs::create_dir(edge.path("logs")).expect("a directory");
        edge.rewrite(text);
        edge
    }

    fn empty(file: &'static str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::Builder::new()
            .prefix("seawall-")
            .tempdir()
            .expect("a directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
            .expect("its permissions");
        Self {
            directory,
            addresses: Mutex::default(),
            file,
            environment: Vec::new(),
            under: Vec::new(),
        }
    }

    /// Sets a variable of the daemon's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the daemon by another program, which is given the daemon's command line and becomes it.
    pub fn under(mut self, program: &[&str]) -> Self {
        self.under = program.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Writes another configuration into the file; addresses stay.
    pub fn rewrite(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        let whole = match self.file {
            "nginx.conf" => {
                format!("daemon off; pid @dir@/seawall.pid; error_log error.log notice;\n{text}")
            }
            _ if text.lines().any(|line| line.starts_with("listen:")) => {
                format!("{PREAMBLE}{text}\n")
            }
            _ => format!("{PREAMBLE}listen: [{{ http: \"@http@\" }}]\n{text}\n"),
        };
        // As editors do: the file is never half written.
        let next = self.path("next");
        fs::write(&next, self.fill_in(&whole)).expect("the configuration");
        fs::rename(next, self.config()).expect("the configuration");
    }

    /// Replaces `@NAME@`.
    pub fn fill_in(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('@') {
            out.push_str(before);
            match after.split_once('@') {
                Some(("dir", next)) => {
                    out.push_str(&self.directory.path().display().to_string());
                    rest = next;
                }
                Some((name, next))
                    if !name.is_empty()
                        && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') =>
                {
                    out.push_str(&self.address(name).to_string());
                    rest = next;
                }
                _ => {
                    out.push('@');
                    rest = after;
                }
            }
        }
        out + rest
    }

    /// The address of a name: free when first asked for, then always the same.
    pub fn address(&self, name: &str) -> SocketAddr {
        let mut addresses = self.addresses.lock().expect("addresses");
        *addresses
            .entry(name.to_owned())
            .or_insert_with(free_address)
    }

    /// Gives a name the address of somebody else's.
    ///
    /// # Panics
    /// When another thread did while it held them.
    pub fn be(&self, name: &str, address: SocketAddr) {
        let mut addresses = self.addresses.lock().expect("addresses");
        addresses.insert(name.to_owned(), address);
    }

    /// A file in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file into the directory.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, content).expect("a file");
        path
    }

    /// The configuration's file.
    pub fn config(&self) -> PathBuf {
        self.path(self.file)
    }

    /// Runs a command of the program to its end, in the directory.
    pub fn seawall<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
            .envs(self.environment.iter().cloned())
            .output()
            .expect("the program runs")
    }

    fn command(&self) -> Command {
        let mut command = match self.under.split_first() {
            None => Command::new(program()),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program());
                command
            }
        };
        match self.file {
            "nginx.conf" => command.arg("-p").arg(self.directory.path()).args([
                "-c",
                "nginx.conf",
                "-e",
                "error.log",
            ]),
            _ => command.args(["run", "-c"]).arg(self.config()),
        };
        let said = fs::File::create(self.path("stderr")).expect("a file");
        command.envs(self.environment.iter().cloned());
        command
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stderr(said);
        command
    }

    /// Starts it and waits until it serves: its pid file is written when the sockets are bound.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn start(self) -> Running {
        let child = self.command().spawn().expect("the daemon starts");
        let mut running = Running { edge: self, child };
        running.until_it_serves();
        running
    }

    /// Starts it where it is expected to fail: its exit and what it said on standard error.
    pub fn start_in_vain(&self) -> (ExitStatus, String) {
        let mut child = self.command().spawn().expect("the daemon starts");
        let status = eventually("its end", || child.try_wait().expect("the daemon's state"));
        (status, read(&self.path("stderr")))
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// A running daemon; killed with its worker when dropped.
pub struct Running {
    edge: Edge,
    child: Child,
}

impl std::ops::Deref for Running {
    type Target = Edge;

    fn deref(&self) -> &Edge {
        &self.edge
    }
}

impl Running {
    /// The keeper's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What stands in the pid file.
    pub fn pid_file(&self) -> Option<u32> {
        read(&self.path("seawall.pid")).trim().parse().ok()
    }

    /// The worker's process.
    pub fn worker(&self) -> u32 {
        eventually("a worker", || {
            process::children(self.pid()).first().copied()
        })
    }

    /// Sends a signal to the keeper.
    pub fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }

    /// Waits for the daemon's end.
    pub fn wait(mut self) -> (ExitStatus, Edge) {
        let status = eventually("the daemon's end", || {
            self.child.try_wait().expect("the daemon's state")
        });
        let empty = Edge::empty(self.edge.file);
        (status, std::mem::replace(&mut self.edge, empty))
    }

    /// A connection to the plain listener.
    pub fn client(&self) -> Client {
        Client::connect(self.address("http"))
    }

    /// A request without a body, on a connection of its own.
    pub fn get(&self, host: &str, target: &str) -> Response {
        self.client().get(host, target)
    }

    /// Sends these bytes on a connection of their own and reads one response.
    pub fn exchange(&self, bytes: impl AsRef<[u8]>) -> Response {
        self.client().send(bytes).response()
    }

    /// A TLS connection for `name` that trusts the internal CA.
    ///
    /// # Panics
    /// When the handshake fails.
    pub fn tls(&self, name: &str) -> tls::Session {
        let ca = self.path("state/ca/ca.pem");
        tls::connect(self.address("https"), name, &ca)
            .unwrap_or_else(|e| panic!("the handshake for {name}: {e}"))
    }

    /// The sum of all samples of `/metrics` that begin so: a name, or a name with its labels.
    pub fn metric(&self, sample: &str) -> u64 {
        let text = Client::connect(self.address("metrics"))
            .get("metrics", "/metrics")
            .text();
        let values = text.lines().filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            let bare = name.split('{').next()?;
            (name == sample || bare == sample).then(|| value.parse::<f64>().ok())?
        });
        values.sum::<f64>() as u64
    }

    /// Waits until a sample stands at exactly this: what is counted when a request ends may come after its answer.
    ///
    /// # Panics
    /// When it goes past it.
    pub fn counts(&self, sample: &str, expected: u64) {
        eventually(&format!("{expected} of {sample}"), || {
            let count = self.metric(sample);
            assert!(count <= expected, "{count} of {sample}, not {expected}");
            (count == expected).then_some(())
        });
    }

    /// The error log so far.
    pub fn error_log(&self) -> String {
        read(&self.path("error.log"))
    }

    /// The access log so far.
    pub fn access_log(&self) -> String {
        read(&self.path("access.log"))
    }

    /// What was said on standard error.
    pub fn stderr(&self) -> String {
        read(&self.path("stderr"))
    }

    /// Waits until the error log holds this text, and gives the line.
    pub fn logged(&self, text: &str) -> String {
        eventually(&format!("the log line {text:?}"), || {
            self.error_log()
                .lines()
                .find(|line| line.contains(text))
                .map(str::to_owned)
        })
    }

    fn until_it_serves(&mut self) {
        eventually("the pid file", || {
            if let Some(status) = self.child.try_wait().expect("the daemon's state") {
                panic!(
                    "the daemon ended ({status}): {}{}",
                    self.stderr(),
                    self.error_log()
                );
            }
            (self.pid_file() == Some(self.pid())).then_some(())
        });
    }

    /// Kills the keeper alone, with the signal that nobody hears, and starts the daemon again at once, as systemd would.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn kill_keeper_and_start_again(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = self.edge.command().spawn().expect("the daemon starts");
        self.until_it_serves();
    }

    /// Kills the keeper and its worker.
    pub fn kill(&mut self) {
        let workers = process::children(self.pid());
        let _ = self.child.kill();
        workers
            .into_iter()
            .for_each(|worker| process::signal(worker, Signal::SIGKILL));
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!(
                "--- error.log\n{}--- stderr\n{}",
                self.error_log(),
                self.stderr()
            );
        }
    }
}
