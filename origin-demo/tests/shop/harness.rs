//! Processes that end with their test.

use crate::http::{Request, Response};
use serde::de::DeserializeOwned;
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longer than anything takes on a busy machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A role of the shop, running.
pub struct Process {
    child: Child,
    pub addr: SocketAddr,
}

impl Process {
    /// Start a role and wait for the address it prints.
    pub fn start(role: &str, state: &Path, args: &[&str]) -> Self {
        let mut child = command(role, state, args).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let addr = loop {
            let line = lines.next().expect("it ended before it listened").unwrap();
            if let Some((_, addr)) = line.split_once("listening on http://") {
                break addr.parse().unwrap();
            }
        };
        // Its pipe is read on, so that it never blocks on it.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, addr }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// SIGKILL, and gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        signal(self.pid(), "TERM");
        self.child.wait().unwrap().code()
    }

    pub fn get(&self, path: &str) -> Response {
        Request::get(path).send(self.addr)
    }

    pub fn json<T: DeserializeOwned>(&self, path: &str) -> T {
        let response = self.get(path);
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        serde_json::from_slice(&response.body).unwrap()
    }

    pub fn post_json(&self, path: &str, body: &str) -> Response {
        Request::get(path)
            .method("POST")
            .header("content-type", "application/json")
            .body(body)
            .send(self.addr)
    }

    pub fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .parse()
            .unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn command(role: &str, state: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_origin-demo"));
    command
        .arg(role)
        .arg("--state")
        .arg(state)
        .args(args)
        .stdout(Stdio::piped());
    if role != "all" {
        command.args(
            ["--listen", "127.0.0.1:0"]
                .iter()
                .filter(|_| !args.contains(&"--listen")),
        );
    }
    command
}

pub fn signal(pid: i32, name: &str) {
    assert!(
        Command::new("kill")
            .args([&format!("-{name}"), &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// The api and one web over a fresh state; more roles when asked.
pub struct Shop {
    pub state: tempfile::TempDir,
    pub api: Process,
    pub web: Process,
    pub search: Option<Process>,
}

impl Shop {
    pub fn open() -> Self {
        Self::with(false)
    }

    pub fn with_search() -> Self {
        Self::with(true)
    }

    fn with(wants_search: bool) -> Self {
        let state = tempfile::tempdir().unwrap();
        let api = Process::start("api", state.path(), &["--products", "80"]);
        let search =
            wants_search.then(|| Process::start("search", state.path(), &["--api", &api.url()]));
        // Port 9 answers nobody: search is away.
        let search_url = search
            .as_ref()
            .map_or("http://127.0.0.1:9".to_owned(), Process::url);
        let web = Process::start(
            "web",
            state.path(),
            &["--api", &api.url(), "--search", &search_url],
        );
        if let Some(search) = &search {
            until("search is ready", || search.get("/ready").status == 200);
        }
        Self {
            state,
            api,
            web,
            search,
        }
    }

    pub fn worker(&self, args: &[&str]) -> Process {
        let search = self
            .search
            .as_ref()
            .map_or("http://127.0.0.1:9".to_owned(), Process::url);
        Process::start(
            "worker",
            self.state.path(),
            &[&["--search", &search, "--backoff-ms", "20"], args].concat(),
        )
    }

    /// The confirmations in the maildir.
    pub fn letters(&self) -> Vec<String> {
        let Ok(new) = std::fs::read_dir(self.state.path().join("maildir/new")) else {
            return Vec::new();
        };
        new.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect()
    }
}

/// Look until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
