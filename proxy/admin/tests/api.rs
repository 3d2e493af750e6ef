//! The API over real sockets, as curl, Prometheus and a hostile page would use it.

use seawall_admin::{
    AdminState, BODY_BYTES_MAX, CONNECTIONS_MAX, Control, HEAD_BYTES_MAX, PurgeOrder, PurgeOutcome,
    PurgeRefusal, PurgeWhat, ReloadError, ReloadOutcome, serve_metrics, serve_tcp, serve_unix,
};
use serde_json::{Value, json};
use std::{future::pending, net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};

struct Daemon {
    broken: bool,
}

impl Control for Daemon {
    fn server(&self, pool: &str, server: &str, _: seawall_admin::ServerChange) -> bool {
        (pool, server) == ("app", "127.0.0.1:1")
    }

    fn status(&self) -> Value {
        json!({ "version": "0.1.0" })
    }
    fn pools(&self) -> Value {
        json!([{ "name": "shop" }])
    }
    fn certificates(&self) -> Value {
        json!([{ "name": "shop.test" }])
    }
    fn certificate(&self, name: &str) -> Option<Value> {
        (name == "*.shop.test").then(|| json!({ "name": name, "timeline": [] }))
    }
    fn renew_certificate(&self, name: &str) -> Result<bool, String> {
        match name {
            "file.test" => Err("who writes the file renews it".into()),
            name => Ok(name == "shop.test"),
        }
    }
    fn explain_certificate(&self, name: &str) -> Option<Value> {
        (name == "shop.test").then(|| json!({ "findings": [] }))
    }
    fn metrics(&self) -> Vec<u8> {
        b"seawall_requests_total 1\n".to_vec()
    }
    fn purge(&self, order: &PurgeOrder) -> Result<PurgeOutcome, PurgeRefusal> {
        match &order.what {
            PurgeWhat::Url(url) => match url.strip_prefix("https://") {
                Some(rest) => Ok(PurgeOutcome {
                    removed: Some(rest == "shop.test/a"),
                }),
                None => Err(PurgeRefusal::Bad("not an absolute URL".into())),
            },
            PurgeWhat::Tag(tag) if tag == "full" => {
                Err(PurgeRefusal::Failed("the disk is full".into()))
            }
            _ => Ok(PurgeOutcome { removed: None }),
        }
    }
    fn cache_object(&self, url: &str, fields: &[String]) -> Result<Value, PurgeRefusal> {
        Ok(json!({ "url": url, "fields": fields }))
    }
    fn cache_objects(&self, wanted: &seawall_admin::CacheQuery) -> Result<Value, PurgeRefusal> {
        match wanted.limit {
            0 => Err(PurgeRefusal::Bad("nothing".into())),
            limit => Ok(json!({ "limit": limit, "tag": wanted.tag })),
        }
    }
    fn reload(&self) -> Result<ReloadOutcome, ReloadError> {
        match self.broken {
            false => Ok(ReloadOutcome::default()),
            true => Err(ReloadError {
                rendered: "line 3\n   ^".into(),
                diagnostics: json!([{ "line": 3 }]),
            }),
        }
    }
}

fn state(broken: bool) -> AdminState {
    AdminState::new(Arc::new(Daemon { broken }))
}

struct Unix {
    directory: tempfile::TempDir,
}

impl Unix {
    fn start(broken: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("admin.sock")).unwrap();
        tokio::spawn(serve_unix(listener, state(broken), pending()));
        Self { directory }
    }

    async fn ask(&self, request: &str) -> (u16, String) {
        ask(
            UnixStream::connect(self.directory.path().join("admin.sock"))
                .await
                .unwrap(),
            request,
        )
        .await
    }

    async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        let (status, answer) = self.ask(&format!("{head}{body}")).await;
        (status, json_of(&answer))
    }
}

async fn tcp() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_tcp(listener, state(false), pending()));
    address
}

/// Sends a request and reads to the end: status and everything that was said.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> (u16, String) {
    // A refused request may be answered, and the connection closed, before all of it is written.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    (status, answer)
}

async fn ask_tcp(address: SocketAddr, request: &str) -> (u16, String) {
    ask(TcpStream::connect(address).await.unwrap(), request).await
}

fn json_of(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn everything_can_be_read_over_tcp() {
    let address = tcp().await;
    let get = async |path: &str| {
        ask_tcp(
            address,
            &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
        )
        .await
    };
    assert_eq!(json_of(&get("/api/v1/status").await.1)["version"], "0.1.0");
    assert_eq!(json_of(&get("/api/v1/pools").await.1)[0]["name"], "shop");
    assert!(
        get("/metrics")
            .await
            .1
            .ends_with("\r\n\r\nseawall_requests_total 1\n")
    );
    assert!(get("/live").await.1.ends_with("\r\n\r\nok\n"));
    let (status, page) = get("/").await;
    assert_eq!(status, 200);
    assert!(
        page.contains("<title>Seawall</title>") && page.contains("default-src 'none'"),
        "{page}"
    );
    let (status, absent) = get("/api/v1/absent").await;
    assert_eq!(
        (status, json_of(&absent)["status"].clone()),
        (404, json!(404))
    );
    assert!(
        absent.contains("content-type: application/problem+json"),
        "{absent}"
    );
}

#[tokio::test]
async fn a_rebound_name_learns_nothing() {
    let address = tcp().await;
    let (status, answer) = ask_tcp(
        address,
        "GET /api/v1/status HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    )
    .await;
    assert_eq!(status, 403);
    assert!(
        !answer.contains("0.1.0") && !answer.contains("access-control"),
        "{answer}"
    );
    let (status, _) = ask_tcp(address, "GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(status, 403, "no Host at all");
}

#[tokio::test]
async fn nothing_can_be_changed_over_tcp() {
    let address = tcp().await;
    for request in [
        "POST /api/v1/config/reload",
        "POST /api/v1/cache/purge",
        "OPTIONS /api/v1/status",
        "PUT /",
    ] {
        let (status, answer) = ask_tcp(
            address,
            &format!("{request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"),
        )
        .await;
        assert_eq!(status, 403, "{request}");
        assert!(
            json_of(&answer)["detail"]
                .as_str()
                .unwrap()
                .contains("unix socket")
        );
    }
}

#[tokio::test]
async fn a_purge_says_whether_anything_was_there() {
    let api = Unix::start(false);
    let (status, answer) = api
        .post("/api/v1/cache/purge", r#"{"url":"https://shop.test/a"}"#)
        .await;
    assert_eq!((status, answer["removed"].clone()), (200, json!(true)));
    let (_, answer) = api
        .post("/api/v1/cache/purge", r#"{"url":"https://shop.test/b"}"#)
        .await;
    assert_eq!(answer["removed"], false);
    for whole in [
        r#"{"tag":"red"}"#,
        r#"{"prefix":"shop.test/a","soft":true}"#,
        r#"{"site":"shop.test"}"#,
        r#"{"all":true,"soft":false}"#,
    ] {
        let (status, answer) = api.post("/api/v1/cache/purge", whole).await;
        assert_eq!(status, 200, "{whole}");
        assert_eq!(answer, serde_json::from_str::<Value>(whole).unwrap());
    }
    let (status, _) = api.post("/api/v1/cache/purge", r#"{"tag":"full"}"#).await;
    assert_eq!(status, 500);
    for wrong in [
        "",
        "{",
        "{}",
        r#"{"url":1}"#,
        r#"{"url":"/a"}"#,
        r#"{"all":false}"#,
        r#"{"soft":true}"#,
        r#"{"tag":"a","site":"b"}"#,
        r#"{"tag":"a","soft":1}"#,
        r#"{"tags":["a"]}"#,
    ] {
        let (status, answer) = api.post("/api/v1/cache/purge", wrong).await;
        assert_eq!(
            (status, answer["title"].clone()),
            (400, json!("Bad Request")),
            "{wrong}"
        );
    }
    let (status, answer) = api
        .ask("GET /api/v1/cache/purge HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert_eq!(
        (status, json_of(&answer)["status"].clone()),
        (405, json!(405))
    );
}

#[tokio::test]
async fn certificates_are_shown_renewed_and_explained() {
    let api = Unix::start(false);
    let get = async |path: &str| {
        let request = format!("GET /api/v1/certs{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let (status, answer) = api.ask(&request).await;
        (status, json_of(&answer))
    };
    assert_eq!(get("").await.1[0]["name"], "shop.test");
    // A wildcard's name arrives decoded.
    assert_eq!(get("/%2A.shop.test").await.1["name"], "*.shop.test");
    assert_eq!(get("/other.test").await.0, 404);
    assert_eq!(get("/shop.test/why").await.0, 200);
    assert_eq!(get("/other.test/why").await.0, 404);
    let renew = async |name: &str| api.post(&format!("/api/v1/certs/{name}/renew"), "").await;
    assert_eq!(renew("shop.test").await.0, 202);
    assert_eq!(renew("other.test").await.0, 404);
    let (status, answer) = renew("file.test").await;
    assert_eq!(
        (status, answer["title"].as_str()),
        (409, Some("Not Renewed"))
    );
    assert_eq!(get("/shop.test/renew").await.0, 405);
}

#[tokio::test]
async fn what_is_in_a_cache_is_looked_at_by_url_and_listed_by_query() {
    let api = Unix::start(false);
    let ask = async |path: &str| {
        let asked = format!("GET /api/v1/cache/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let (status, answer) = api.ask(&asked).await;
        (status, json_of(&answer))
    };
    let (status, answer) =
        ask("object?url=https%3A%2F%2Fa%2F%3Fb&field=Accept%3A%20x&field=B:c").await;
    let expected = json!({ "url": "https://a/?b", "fields": ["Accept: x", "B:c"] });
    assert_eq!((status, answer), (200, expected));
    let (status, answer) = ask("objects?tag=red").await;
    let expected = json!({ "limit": 100, "tag": "red" });
    assert_eq!((status, answer), (200, expected));
    for wrong in [
        "object",
        "object?uri=a",
        "objects?limit=x",
        "objects?limit=0",
        "objects?all=1",
    ] {
        assert_eq!(ask(wrong).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_refused_reload_shows_where_and_keeps_its_diagnostics() {
    let (status, answer) = Unix::start(false).post("/api/v1/config/reload", "").await;
    assert_eq!((status, answer["reloaded"].clone()), (200, json!(true)));
    let (status, answer) = Unix::start(true).post("/api/v1/config/reload", "").await;
    assert_eq!(status, 422);
    assert_eq!(
        (
            answer["rendered"].clone(),
            answer["diagnostics"][0]["line"].clone()
        ),
        (json!("line 3\n   ^"), json!(3))
    );
}

#[tokio::test]
async fn limits_hold() {
    let api = Unix::start(false);
    let body = format!("{{\"url\":\"{}\"}}", "x".repeat(BODY_BYTES_MAX));
    assert_eq!(api.post("/api/v1/cache/purge", &body).await.0, 413);
    let (status, _) = api
        .ask(&format!(
            "GET /{} HTTP/1.1\r\nHost: x\r\n\r\n",
            "x".repeat(2 * HEAD_BYTES_MAX)
        ))
        .await;
    assert!(matches!(status, 414 | 431), "{status}");
}

#[tokio::test]
async fn connections_past_the_cap_wait_for_a_place() {
    let address = tcp().await;
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let request = format!("GET /live HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let waiting = tokio::spawn(async move { ask_tcp(address, &request).await.0 });
    // Ends only because a place becomes free.
    drop(idle.pop());
    assert_eq!(waiting.await.unwrap(), 200);
}

#[tokio::test]
async fn the_metrics_listener_serves_metrics_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve_metrics(listener, state(false), async {
        drop(stopped.await)
    }));
    let get = async |path: &str| {
        ask_tcp(
            address,
            &format!("GET {path} HTTP/1.1\r\nHost: edge-1:9181\r\n\r\n"),
        )
        .await
        .0
    };
    assert_eq!(
        (
            get("/metrics").await,
            get("/live").await,
            get("/api/v1/status").await,
            get("/").await
        ),
        (200, 200, 404, 404)
    );
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(
        TcpStream::connect(address).await.is_err(),
        "the listener is closed"
    );
}

/// What everybody may who comes over TCP where there are tokens.
async fn with_tokens(line: &str) -> (SocketAddr, Arc<seawall_admin::AuditLog>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let audit =
        Arc::new(seawall_admin::AuditLog::open(&directory.path().join("audit.log")).unwrap());
    let (tokens, bad) = seawall_admin::Tokens::read(line);
    assert!(bad.is_empty());
    let mut state = state(false);
    state.tokens.store(Arc::new(tokens));
    state.audit = Some(audit.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_tcp(listener, state, pending()));
    (address, audit, directory)
}

#[tokio::test]
async fn with_tokens_each_does_what_it_is_good_for_and_nobody_else_anything() {
    use seawall_admin::{Scope, make_token};
    let cache = make_token("purger", &[Scope::Cache], None).unwrap();
    let old = make_token("old", &Scope::ALL, Some(std::time::Duration::ZERO)).unwrap();
    let (address, audit, directory) = with_tokens(&format!("{}\n{}\n", cache.line, old.line)).await;
    let ask = async |request: &str, token: Option<&str>| {
        let token = token.map_or_else(String::new, |t| format!("Authorization: Bearer {t}\r\n"));
        let request = format!(
            "{request} HTTP/1.1\r\nHost: edge.lan\r\n{token}Content-Length: 12\r\n\r\n{{\"all\":true}}"
        );
        ask_tcp(address, &request).await.0
    };
    let purge = "POST /api/v1/cache/purge";
    assert_eq!(ask(purge, Some(&cache.token)).await, 200);
    assert_eq!(
        ask("POST /api/v1/config/reload", Some(&cache.token)).await,
        403
    );
    assert_eq!(ask(purge, Some(&old.token)).await, 401, "it has expired");
    assert_eq!(ask(purge, Some("swt_00000000_0")).await, 401);
    let get = async |path: &str, fields: &str| {
        ask_tcp(
            address,
            &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n"),
        )
        .await
        .0
    };
    for (path, status) in [
        ("/api/v1/status", 401),
        ("/metrics", 401),
        ("/", 200),
        ("/live", 200),
    ] {
        assert_eq!(get(path, "").await, status, "{path}");
    }
    let basic = "Authorization: Basic YTpi\r\n";
    assert_eq!(get("/api/v1/status", basic).await, 401);
    let bearer = format!("Authorization: Bearer {}\r\n", cache.token);
    assert_eq!(get("/api/v1/status", &bearer).await, 200);
    assert_eq!(
        get("/api/v1/status", &format!("{bearer}{bearer}")).await,
        401,
        "one or none"
    );
    // The one change that was made is recorded, and so is the one that was not: never the token.
    let log = std::fs::read_to_string(directory.path().join("audit.log")).unwrap();
    assert_eq!(audit.head().lines, 2, "{log}");
    assert!(
        log.contains("token purger") && log.contains("POST /api/v1/cache/purge"),
        "{log}"
    );
    assert!(!log.contains(&cache.token));
    assert_eq!(
        seawall_admin::verify(&directory.path().join("audit.log")).unwrap(),
        audit.head()
    );
}

#[tokio::test]
async fn pages_of_another_site_change_nothing_and_learn_nothing() {
    let api = Unix::start(false);
    for fields in [
        "Origin: http://evil.test\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
        "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\n",
    ] {
        for request in [
            "POST /api/v1/config/reload",
            "GET /api/v1/status",
            "PUT /api/v1/config",
        ] {
            let text = format!(
                "{request} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: 0\r\n\r\n"
            );
            let (status, answer) = api.ask(&text).await;
            assert_eq!(status, 403, "{request} {fields}");
            assert!(!answer.contains("access-control"), "{answer}");
        }
    }
}

#[tokio::test]
async fn every_documented_endpoint_is_served_and_nothing_else() {
    let api = Unix::start(false);
    let (status, answer) = api
        .ask("GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert_eq!(status, 200);
    let document = json_of(&answer);
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap();
        let path = path.replace(['{', '}'], "");
        for verb in ["get", "post", "put", "delete", "patch"] {
            if path.ends_with("/tail") && verb == "get" {
                continue;
            }
            let request = format!(
                "{} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
                verb.to_uppercase()
            );
            let (status, answer) = api.ask(&request).await;
            let is_there = status != 405 && !answer.contains("there is nothing at this path");
            assert_eq!(
                is_there,
                methods.contains_key(verb),
                "{verb} {path}: {status}"
            );
        }
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut state = state(false);
    state.audit_failure = Some("the disk is read-only".into());
    tokio::spawn(serve_unix(listener, state, pending()));
    let body = r#"{"all":true}"#;
    let request = format!(
        "POST /api/v1/cache/purge HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, answer) = ask(UnixStream::connect(&path).await.unwrap(), &request).await;
    assert_eq!(status, 500);
    assert!(answer.contains("read-only"), "{answer}");
}

#[tokio::test]
async fn a_configuration_is_put_with_what_was_asked() {
    let api = Unix::start(false);
    for (query, status) in [
        ("?confirm=1d", 400),
        ("?confirm=0s", 400),
        ("?confirm=25h", 400),
        // This daemon keeps none.
        ("?confirm=120s", 409),
        ("", 409),
    ] {
        let request = format!(
            "PUT /api/v1/config{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nversion: 1"
        );
        assert_eq!(api.ask(&request).await.0, status, "{query}");
    }
    let (status, _) = api
        .ask("PUT /api/v1/config HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n\u{a0}")
        .await;
    assert_ne!(status, 200);
}

/// Every endpoint by a token of every scope: what a token is not good for is refused, before anything is looked at.
#[tokio::test]
async fn every_endpoint_is_for_its_scope_alone() {
    use seawall_admin::{ENDPOINTS, Scope, make_token};
    let made: Vec<_> = Scope::ALL
        .map(|scope| (scope, make_token(scope.as_str(), &[scope], None).unwrap()))
        .into();
    let lines: String = made.iter().map(|(_, m)| format!("{}\n", m.line)).collect();
    let (address, audit, _directory) = with_tokens(&lines).await;
    let mut changed = 0;
    for endpoint in ENDPOINTS {
        let verb = match endpoint.verb {
            seawall_admin::Verb::Get => "GET",
            seawall_admin::Verb::Post => "POST",
            seawall_admin::Verb::Put => "PUT",
            seawall_admin::Verb::Delete => "DELETE",
        };
        let path = endpoint.path.replace(['{', '}'], "");
        for (scope, token) in &made {
            let request = format!(
                "{verb} {path} HTTP/1.1\r\nHost: edge.lan\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
                token.token
            );
            let before = audit.head().lines;
            let status = ask_tcp(address, &request).await.0;
            let may = endpoint.scope == Scope::Read || endpoint.scope == *scope;
            assert_eq!(
                status == 403,
                !may,
                "{verb} {path} with {scope:?}: {status}"
            );
            assert_ne!(status, 401, "{verb} {path}");
            if !may {
                changed += 1;
                assert_eq!(
                    audit.head().lines,
                    before,
                    "nothing was asked of the daemon"
                );
            }
        }
    }
    assert!(changed > 50, "{changed}");
}

#[tokio::test]
async fn a_token_with_codes_changes_something_with_the_code_of_the_moment_and_once() {
    use seawall_admin::{Scope, make_token};
    let mut made = make_token("ops", &Scope::ALL, None).unwrap();
    let address_of_codes = made.with_codes("ops").unwrap();
    let secret = address_of_codes.split("secret=").nth(1).unwrap();
    let secret = secret.split('&').next().unwrap();
    let code = || {
        let output = std::process::Command::new("oathtool")
            .args(["--totp", "-b", secret])
            .output()
            .expect("oathtool: packaging/dev/install.sh test");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (address, _audit, _directory) = with_tokens(&made.line).await;
    let ask = async |verb: &str, path: &str, code: &str| {
        let body = if verb == "GET" { "" } else { "{\"all\":true}" };
        let fields = format!(
            "Authorization: Bearer {}\r\n{code}Content-Length: {}\r\n",
            made.token,
            body.len()
        );
        ask_tcp(
            address,
            &format!("{verb} {path} HTTP/1.1\r\nHost: edge.lan\r\n{fields}\r\n{body}"),
        )
        .await
    };
    assert_eq!(
        ask("GET", "/api/v1/status", "").await.0,
        200,
        "reading needs none"
    );
    let (status, said) = ask("POST", "/api/v1/cache/purge", "").await;
    assert!(status == 401 && said.contains("Seawall-Code"), "{said}");
    let wrong = "Seawall-Code: 12345\r\n";
    assert_eq!(ask("POST", "/api/v1/cache/purge", wrong).await.0, 401);
    let good = format!("Seawall-Code: {}\r\n", code());
    assert_eq!(ask("POST", "/api/v1/cache/purge", &good).await.0, 200);
    let (status, said) = ask("POST", "/api/v1/cache/purge", &good).await;
    assert!(status == 401 && said.contains("used already"), "{said}");
}
