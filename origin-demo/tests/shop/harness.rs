//! Processes that end with their test, and a small HTTP client that sees everything.

use serde::de::DeserializeOwned;
use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
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
        Request {
            method: "POST",
            ..Request::get(path)
        }
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

#[derive(Clone)]
pub struct Request {
    method: &'static str,
    path: String,
    headers: String,
    body: String,
}

impl Request {
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            headers: String::new(),
            body: String::new(),
        }
    }

    pub fn head(path: &str) -> Self {
        Self {
            method: "HEAD",
            ..Self::get(path)
        }
    }

    pub fn form(path: &str, fields: &[(&str, &str)]) -> Self {
        let encode = |text: &str| {
            text.bytes()
                .map(|byte| format!("%{byte:02X}"))
                .collect::<String>()
        };
        let body: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        Self {
            method: "POST",
            ..Self::get(path)
        }
        .header("content-type", "application/x-www-form-urlencoded")
        .body(&body.join("&"))
    }

    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    pub fn send(&self, to: SocketAddr) -> Response {
        let mut stream = TcpStream::connect(to).unwrap();
        self.write(&mut stream, "close");
        Response::read(&mut BufReader::new(stream), self.method).unwrap()
    }

    pub fn write(&self, stream: &mut TcpStream, connection: &str) {
        let host = if self.headers.contains("host:") {
            String::new()
        } else {
            "host: 127.0.0.1\r\n".to_owned()
        };
        let head = format!(
            "{} {} HTTP/1.1\r\n{host}connection: {connection}\r\ncontent-length: {}\r\n{}\r\n{}",
            self.method,
            self.path,
            self.body.len(),
            self.headers,
            self.body
        );
        stream.write_all(head.as_bytes()).unwrap();
    }
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// Framed by Content-Length alone: everything the shop sends has one, or has no body.
    pub fn read(from: &mut impl BufRead, method: &str) -> std::io::Result<Self> {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status =
            status.ok_or_else(|| std::io::Error::other(format!("not a status line: {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            line.clear();
            from.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut response = Self {
            status,
            headers,
            body: Vec::new(),
        };
        let length = response
            .header("content-length")
            .and_then(|length| length.parse().ok());
        if method != "HEAD" && status != 304 {
            response.body =
                vec![0; length.unwrap_or_else(|| panic!("no Content-Length: {response:?}"))];
            from.read_exact(&mut response.body)?;
        }
        Ok(response)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// What follows `mark` up to the next quote.
    pub fn quoted_after(&self, mark: &str) -> String {
        let text = self.text();
        let (_, rest) = text
            .split_once(mark)
            .unwrap_or_else(|| panic!("no {mark:?} in\n{text}"));
        rest.split('"').next().unwrap().to_owned()
    }
}

/// A person with a browser.
pub struct Customer {
    web: SocketAddr,
    cookies: Vec<(String, String)>,
}

impl Customer {
    pub fn of(web: &Process) -> Self {
        Self {
            web: web.addr,
            cookies: Vec::new(),
        }
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn send(&mut self, mut request: Request) -> Response {
        if !self.cookies.is_empty() {
            let jar: Vec<_> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header("cookie", &jar.join("; "));
        }
        let response = request.send(self.web);
        for (_, cookie) in response
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie")
        {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(n, _)| n != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        response
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.send(Request::get(path))
    }

    pub fn add(&mut self, product: u64, quantity: u32) -> Response {
        let fields = [
            ("product", &*product.to_string()),
            ("quantity", &*quantity.to_string()),
        ];
        self.send(Request::form("/cart/add", &fields).header("sec-fetch-site", "same-origin"))
    }

    /// The checkout form's hidden fields: token and attempt.
    pub fn checkout(&mut self) -> (String, String) {
        let page = self.get("/checkout");
        assert_eq!(page.status, 200, "{}", page.text());
        (
            page.quoted_after("name=\"token\" value=\""),
            page.quoted_after("name=\"attempt\" value=\""),
        )
    }

    pub fn order(&mut self, (token, attempt): &(String, String)) -> Response {
        let fields = [
            ("token", token.as_str()),
            ("attempt", attempt),
            ("name", "Zoë O'Quay"),
            ("email", "zoe@example.test"),
            ("street", "1 Mole <b>"),
            ("postcode", "AB1 2CD"),
            ("city", "Harbour"),
        ];
        self.send(Request::form("/checkout", &fields))
    }
}
