//! FastCGI with a real php-fpm, beside nginx in front of the same one, and with an application that misbehaves.

mod applications;

use nix::sys::signal::Signal;
use seawall_tests::{
    Client, Edge, Origin, Response, Running, eventually, free_address,
    php::{Nginx, Php},
    process,
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::mpsc,
    thread,
};

const DUMP: &str = r"<?php
header('Content-Type: application/json');
ksort($_SERVER);
$files = array_map(fn($f) => [$f['name'], $f['size'], md5_file($f['tmp_name'])], $_FILES);
echo json_encode(['server' => $_SERVER, 'get' => $_GET, 'post' => $_POST, 'cookie' => $_COOKIE, 'files' => $files,
    'input' => file_get_contents('php://input')], JSON_INVALID_UTF8_SUBSTITUTE);
";

/// A blog as WordPress lays one out: a front controller for everything that is no file.
const BLOG: &str = r"<?php
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/') { echo 'front page'; return; }
if (preg_match('#^/2026/11/([a-z-]+)/$#', $path, $m)) { echo 'post ' . $m[1] . ' p=' . ($_GET['p'] ?? ''); return; }
http_response_code(404);
echo 'no post at ' . $path;
";

const LOGIN: &str = r"<?php
if ($_SERVER['REQUEST_METHOD'] !== 'POST') { echo 'user: ' . ($_COOKIE['user'] ?? 'nobody'); return; }
setcookie('user', $_POST['user'], 0, '/', '', false, true);
setcookie('theme', 'dark');
header('Location: /wp-login.php?ok=1');
";

/// A site of scripts with an edge and a php-fpm in front of them.
struct Site {
    edge: Running,
    php: Php,
}

impl Site {
    fn start(children: usize, more: &str) -> Self {
        let edge = Edge::yaml(format!(
            "sites: [{{ host: a.test, root: @dir@/www, to: \"fastcgi:unix:@dir@/php.sock\"{more} }}]"
        ));
        Self::with(edge, children)
    }

    fn with(edge: Edge, children: usize) -> Self {
        for (name, text) in [
            ("index.php", BLOG),
            ("wp-login.php", LOGIN),
            ("dump.php", DUMP),
            ("wp-admin/index.php", "<?php echo 'admin';"),
            ("style.css", "body { color: red }"),
            ("uploads/evil.jpg", "<?php echo 'pwned';"),
        ] {
            edge.write(&format!("www/{name}"), text);
        }
        let php = Php::start(&edge.path(""), children);
        Self {
            edge: edge.start(),
            php,
        }
    }

    fn script(&self, name: &str, text: &str) {
        self.edge.write(&format!("www/{name}"), text);
    }

    fn get(&self, target: &str) -> Response {
        self.edge.get("a.test", target)
    }

    fn dump(&self, request: impl AsRef<[u8]>) -> Value {
        dumped(&self.edge.exchange(request))
    }
}

fn dumped(answer: &Response) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text()))
}

#[test]
fn a_blog_with_permalinks_a_login_and_files_of_its_own() {
    let site = Site::start(2, "");
    assert_eq!(site.get("/").text(), "front page");
    let post = site.get("/2026/11/hello-world/?p=7");
    assert_eq!(
        (post.status, post.text().as_str()),
        (200, "post hello-world p=7")
    );
    assert!(post.has("Content-Type").starts_with("text/html"));
    let missing = site.get("/2026/nothing");
    assert_eq!(
        (missing.status, missing.text().as_str()),
        (404, "no post at /2026/nothing")
    );
    let css = site.get("/style.css");
    assert_eq!(css.text(), "body { color: red }");
    assert!(css.has("Content-Type").starts_with("text/css"));
    let admin = site.get("/wp-admin?x=1");
    assert_eq!(
        (admin.status, admin.has("Location")),
        (308, "/wp-admin/?x=1")
    );
    assert_eq!(site.get("/wp-admin/").text(), "admin");

    assert_eq!(site.get("/wp-login.php").text(), "user: nobody");
    let form = "user=J%C3%BCrgen+x&password=a%26b";
    let login = site.edge.exchange(format!(
        "POST /wp-login.php HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    ));
    assert_eq!(
        (login.status, login.has("Location")),
        (302, "/wp-login.php?ok=1")
    );
    let cookies: Vec<&str> = login
        .fields
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case("set-cookie"))
        .map(|(_, v)| v.as_str())
        .collect();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    let cookie = cookies[0].split(';').next().unwrap();
    let back = site.edge.exchange(format!(
        "GET /wp-login.php HTTP/1.1\r\nHost: a.test\r\nCookie: {cookie}\r\n\r\n"
    ));
    assert_eq!(back.text(), "user: J\u{fc}rgen x");
}

#[test]
fn the_rest_of_a_path_cannot_make_a_script_of_an_upload() {
    let site = Site::start(1, "");
    for target in [
        "/uploads/evil.jpg/x.php",
        "/uploads/evil.jpg/.php",
        "/uploads/evil.jpg%00.php",
        "/uploads/evil.jpg/index.php/y.php",
        "/uploads/evil.jpg%2fx.php",
    ] {
        let answer = site.get(target);
        assert!(
            !answer.text().contains("pwned"),
            "{target}: {}",
            answer.text()
        );
        assert!(
            matches!(answer.status, 400 | 404),
            "{target}: {}",
            answer.status
        );
    }
    // Nor is what an application keeps for itself a file for others, nor a script's source.
    site.script(".env", "SECRET=1");
    site.script(".git/config", "SECRET=1");
    site.script(".well-known/security.txt", "Contact: x");
    for target in [
        "/.env",
        "/.git/config",
        "/%2eenv",
        "/index.php%20",
        "/index.php/",
        "/index.php.",
    ] {
        let answer = site.get(target).text();
        assert!(
            !answer.contains("SECRET") && !answer.contains("<?php"),
            "{target}: {answer}"
        );
    }
    assert_eq!(site.get("/.well-known/security.txt").text(), "Contact: x");
    let admin = site.get("//wp-admin");
    assert_eq!((admin.status, admin.has("Location")), (308, "/wp-admin/"));
    let image = site.get("/uploads/evil.jpg");
    assert_eq!(
        (image.has("Content-Type"), image.text().as_str()),
        ("image/jpeg", "<?php echo 'pwned';")
    );
    let rest = dumped(&site.get("/dump.php/a/b%20c?x=1"));
    assert_eq!(rest["server"]["PATH_INFO"], "/a/b c");
    assert_eq!(rest["server"]["SCRIPT_NAME"], "/dump.php");
    assert_eq!(rest["server"]["REQUEST_URI"], "/dump.php/a/b%20c?x=1");
    assert_eq!(rest["get"]["x"], "1");
}

#[test]
fn bodies_arrive_whole_of_known_length_in_chunks_and_as_uploads() {
    let site = Site::start(1, ", body_limit: 1MiB");
    let body: Vec<u8> = (0..300_000u32).map(|n| b'a' + (n * 7 % 26) as u8).collect();
    let head = "POST /dump.php HTTP/1.1\r\nHost: a.test\r\nContent-Type: text/plain\r\n";
    let mut sized = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    sized.extend(&body);
    let seen = site.dump(&sized);
    assert!(seen["input"] == String::from_utf8(body.clone()).unwrap());
    assert_eq!(seen["server"]["CONTENT_LENGTH"], "300000");

    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in body.chunks(70_001) {
        chunked.extend(format!("{:x}\r\n", piece.len()).bytes());
        chunked.extend(piece);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    let seen = site.dump(&chunked);
    assert!(seen["input"] == String::from_utf8(body.clone()).unwrap());
    assert_eq!(
        seen["server"]["CONTENT_LENGTH"], "300000",
        "held back, then counted"
    );
    assert_eq!(seen["server"]["HTTP_TRANSFER_ENCODING"], Value::Null);

    let upload = [
        b"--XX\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nphoto\r\n--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.bin\"\r\n\r\n".to_vec(),
        body.clone(),
        b"\r\n--XX--\r\n".to_vec(),
    ]
    .concat();
    let mut request = format!("POST /dump.php HTTP/1.1\r\nHost: a.test\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: {}\r\n\r\n", upload.len()).into_bytes();
    request.extend(upload);
    let seen = site.dump(&request);
    assert_eq!(seen["post"]["title"], "photo");
    assert_eq!(seen["files"]["f"][0], "a.bin");
    assert_eq!(seen["files"]["f"][1], 300_000);

    let mut past = site.edge.client();
    past.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    for _ in 0..17 {
        if past
            .try_send(format!("10000\r\n{}\r\n", "x".repeat(0x10000)))
            .is_err()
        {
            break;
        }
    }
    assert_eq!(past.response().status, 413);
}

#[test]
fn what_an_application_is_told() {
    let site = Site::start(
        1,
        ", fastcgi: { params: { APP_ENV: test, WHO: $remote_addr } }",
    );
    let seen = site.dump(
        "GET /dump.php?a=b HTTP/1.1\r\nHost: a.test:8080\r\nProxy: http://evil/\r\nX_Real_IP: 1.2.3.4\r\nX-Forwarded-For: 6.6.6.6\r\n\
         X-Two: one\r\nCookie: a=1\r\nx-two: two\r\nCookie: b=2\r\nConnection: X-Hop\r\nTE: trailers\r\n\r\n",
    );
    let server = &seen["server"];
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("QUERY_STRING", "a=b"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("SERVER_NAME", "a.test"),
        ("HTTP_HOST", "a.test:8080"),
        ("HTTP_X_TWO", "one, two"),
        ("HTTP_COOKIE", "a=1; b=2"),
        ("DOCUMENT_URI", "/dump.php"),
        ("APP_ENV", "test"),
        ("WHO", "127.0.0.1"),
        ("HTTP_X_FORWARDED_FOR", "127.0.0.1"),
    ] {
        assert_eq!(server[name], value, "{name}");
    }
    assert_eq!(
        server["SCRIPT_FILENAME"],
        site.edge.path("www/dump.php").display().to_string()
    );
    for absent in [
        "HTTP_PROXY",
        "HTTP_X_REAL_IP",
        "HTTPS",
        "HTTP_TE",
        "HTTP_CONNECTION",
        "HTTP_CONTENT_LENGTH",
    ] {
        assert_eq!(server[absent], Value::Null, "{absent}");
    }
}

#[test]
fn statuses_heads_and_large_answers() {
    let site = Site::start(1, "");
    site.script("status.php", "<?php http_response_code((int)$_GET['s']); header('X-Made: by php'); if (!in_array($_GET['s'], [204, 304])) echo 'body';");
    site.script("large.php", "<?php for ($i = 0; $i < 20000; $i++) { printf(\"%08d the line of a large answer\\n\", $i); }");
    site.script(
        "sized.php",
        "<?php header('Content-Length: 5'); echo 'hello';",
    );
    for (status, body) in [(201, "body"), (404, "body"), (503, "body"), (204, "")] {
        let answer = site.get(&format!("/status.php?s={status}"));
        assert_eq!((answer.status, answer.text().as_str()), (status, body));
        assert_eq!(answer.has("X-Made"), "by php");
        assert_eq!(answer.field("Status"), None);
    }
    let unchanged = site
        .edge
        .exchange("GET /status.php?s=304 HTTP/1.1\r\nHost: a.test\r\nIf-None-Match: \"x\"\r\n\r\n");
    assert_eq!(unchanged.status, 304);
    assert_eq!(
        site.get("/status.php?s=304").status,
        502,
        "nobody asked for it"
    );
    let large = site.get("/large.php");
    assert_eq!(large.body.len(), 20_000 * 36);
    assert!(
        large
            .text()
            .ends_with("00019999 the line of a large answer\n")
    );
    let mut client = site.edge.client();
    client.send("HEAD /large.php HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.response_to_head().status, 200);
    let sized = client.get("a.test", "/sized.php");
    assert_eq!(
        (sized.has("Content-Length"), sized.text().as_str()),
        ("5", "hello")
    );
    let curl = std::process::Command::new("curl")
        .args(["-sS", "-H", "Host: a.test", "-F", "f=@/etc/passwd"])
        .arg(format!("http://{}/dump.php", site.edge.address("http")))
        .output()
        .expect("curl");
    assert!(
        String::from_utf8_lossy(&curl.stdout).contains("passwd"),
        "{curl:?}"
    );
}

#[test]
fn what_goes_wrong_in_a_script_is_told_and_logged() {
    let site = Site::start(1, ", timeouts: { first_byte: 300ms }");
    site.script("fatal.php", "<?php undefined_function();");
    site.script(
        "warn.php",
        "<?php error_log(\"a warning\\x07 of two\\nlines\"); echo 'fine';",
    );
    site.script("slow.php", "<?php sleep(20); echo 'late';");
    assert_eq!(site.get("/fatal.php").status, 500);
    let line = site.edge.logged("undefined_function");
    assert!(line.contains("FastCGI sent in stderr"), "{line}");
    assert_eq!(site.get("/warn.php").text(), "fine");
    let line = site.edge.logged("a warning");
    assert!(line.contains("\\x07") && !line.contains('\u{7}'), "{line}");
    assert_eq!(site.get("/slow.php").status, 504);
}

#[test]
fn a_worker_that_is_killed_is_a_502_and_the_next_one_answers() {
    let site = Site::start(1, "");
    site.script(
        "hang.php",
        "<?php file_put_contents(__DIR__ . '/began', ''); sleep(60); echo 'never';",
    );
    let mut client = site.edge.client();
    client.send("POST /hang.php HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
    let began = site.edge.path("www/began");
    eventually("the script", || began.exists().then_some(()));
    for worker in site.php.workers() {
        process::signal(worker, Signal::SIGKILL);
    }
    assert_eq!(client.response().status, 502);
    assert_eq!(site.get("/").text(), "front page");
    drop(site.php);
    assert_eq!(site.edge.get("a.test", "/").status, 502);
    site.edge.logged("while asking upstream");
}

#[test]
fn connections_are_kept_where_that_is_asked_for_and_answers_are_cached() {
    let edge = Edge::yaml(
        "caches: { default: { memory: 16MiB } }
pools: { php: { protocol: fastcgi, servers: [\"unix:@dir@/php.sock\"], retry: { budget: 100% } } }
sites:
  - host: a.test
    root: @dir@/www
    to: php
    fastcgi: { keep_conn: true }
    cache: default",
    );
    let site = Site::with(edge, 2);
    site.script(
        "pid.php",
        "<?php header('Content-Type: text/plain'); echo getmypid();",
    );
    site.script("cached.php", "<?php header('Cache-Control: max-age=60'); header('ETag: \"1\"'); echo $_SERVER['REQUEST_METHOD'], ' ', uniqid();");
    let mut client = site.edge.client();
    let first = client.get("a.test", "/pid.php").text();
    for _ in 0..5 {
        assert_eq!(
            client.get("a.test", "/pid.php").text(),
            first,
            "one connection, one process"
        );
    }
    assert!(
        site.edge
            .metric("seawall_origin_events_total{event=\"reuse\",pool=\"php\"}")
            >= 5
    );
    let mut head = site.edge.client();
    head.send("HEAD /cached.php HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(head.response_to_head().status, 200);
    let stored = site.get("/cached.php");
    assert!(stored.text().starts_with("GET "), "{}", stored.text());
    let again = site.get("/cached.php");
    assert!(again.is_hit() && again.body == stored.body);
    let unchanged = site
        .edge
        .exchange("GET /cached.php HTTP/1.1\r\nHost: a.test\r\nIf-None-Match: \"1\"\r\n\r\n");
    assert_eq!(unchanged.status, 304);
}

#[test]
fn the_same_page_as_behind_nginx() {
    let conf = "
        server { listen @http@; server_name a.test; root @dir@/www; index index.php;
            location / { fastcgi_pass unix:@dir@/php.sock; fastcgi_param SCRIPT_FILENAME $document_root/index.php;
                include /etc/nginx/fastcgi_params; }
            location ~ \\.php(/|$) {
                fastcgi_split_path_info ^(.+?\\.php)(/.*)$;
                fastcgi_param PATH_INFO $fastcgi_path_info;
                fastcgi_index index.php; fastcgi_keep_conn on; fastcgi_hide_header X-Powered-By;
                fastcgi_buffers 16 16k; fastcgi_buffer_size 32k; fastcgi_read_timeout 30s;
                fastcgi_pass unix:@dir@/php.sock;
                include /etc/nginx/fastcgi.conf; } }";
    let edge = Edge::nginx(format!("events {{}}\nhttp {{ access_log off; {conf} }}"));
    let peer = edge.address("peer");
    let nginx = edge.fill_in(&conf.replace("@http@", "@peer@"));
    let site = Site::with(edge, 2);
    let _nginx = Nginx::start(&site.edge.path(""), peer, &nginx);
    for request in [
        "GET /dump.php?a=b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /dump.php/path/info%20x?a=b&c HTTP/1.1\r\nHost: a.test:81\r\nAccept: */*\r\nX-Two: 1, 2\r\nCookie: a=b\r\n\r\n",
        "POST /dump.php HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=1&b=2",
        "POST /dump.php HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ] {
        let mut theirs = dumped(&Client::connect(peer).send(request).response());
        let mut ours = site.dump(request);
        // (Fields that come twice are joined here as in nginx since 1.23, which Debian's is older than.)
        // The client's port and what names a moment or a server; what concerns a hop alone, which nginx passes; the two
        // fields that have parameters of their own, which nginx passes twice; php's echo of the path that it made.
        for gone in [
            "REMOTE_PORT",
            "SERVER_PORT",
            "REQUEST_TIME",
            "REQUEST_TIME_FLOAT",
            "SERVER_SOFTWARE",
            "HTTP_TRANSFER_ENCODING",
            "HTTP_CONTENT_LENGTH",
        ] {
            for side in [&mut theirs, &mut ours] {
                side["server"].as_object_mut().unwrap().remove(gone);
            }
        }
        assert_eq!(ours, theirs, "{request}");
    }
    let front = site.get("/2026/11/a/?p=1");
    let theirs = Client::connect(peer).get("a.test", "/2026/11/a/?p=1");
    assert_eq!((front.status, front.text()), (theirs.status, theirs.text()));
    assert_eq!(front.text(), "post a p=1");
    assert_eq!(site.get("/dump.php").field("X-Powered-By"), None);
}

#[test]
fn over_http2_an_upload_of_unknown_length_arrives_and_the_answer_is_compressed() {
    let site = Site::start(1, ", compress: [br]");
    let body: Vec<u8> = (0..200_000u32).map(|n| b'a' + (n * 7 % 26) as u8).collect();
    let file = site.edge.write("upload", &body);
    // From a pipe: curl cannot know its length.
    let output = std::process::Command::new("curl")
        .args(["-sS", "--http2-prior-knowledge", "--compressed", "-D"])
        .arg(site.edge.path("head"))
        .args([
            "-H",
            "Host: a.test",
            "-H",
            "Content-Type: text/plain",
            "-X",
            "POST",
            "-T",
            "-",
        ])
        .arg(format!("http://{}/dump.php", site.edge.address("http")))
        .stdin(std::fs::File::open(file).expect("the upload"))
        .output()
        .expect("curl");
    let seen: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    assert!(seen["input"] == String::from_utf8(body).unwrap());
    assert_eq!(seen["server"]["CONTENT_LENGTH"], "200000");
    assert_eq!(seen["server"]["SERVER_PROTOCOL"], "HTTP/2.0");
    let head = std::fs::read_to_string(site.edge.path("head")).expect("the head");
    assert!(head.contains("content-encoding: br"), "{head}");
}

#[test]
fn who_a_check_has_let_in_is_told_and_nobody_can_claim_to_be() {
    let checks = Origin::start();
    checks.answer(
        "/verify",
        "HTTP/1.1 200 OK\r\nRemote-User: alice\r\nContent-Length: 0\r\n\r\n",
    );
    let site = Site::start(
        1,
        &format!(
            ", headers: {{ request: {{ set: {{ X-From: edge }} }} }}, auth: {{ forward: \"http://{checks}/verify\", copy: [Remote-User] }}"
        ),
    );
    let seen = site.dump("GET /dump.php HTTP/1.1\r\nHost: a.test\r\nRemote-User: mallory\r\nRemote_User: mallory\r\nX-From: outside\r\n\r\n");
    assert_eq!(seen["server"]["HTTP_REMOTE_USER"], "alice");
    assert_eq!(seen["server"]["HTTP_X_FROM"], "edge");
}

#[test]
fn debians_snippet_with_try_files_is_served_as_nginx_serves_it() {
    let conf = "
        server { listen @http@; server_name a.test; root @dir@/www; index index.php;
            location / { try_files $uri $uri/ /index.php?$args; }
            location ~ \\.php(/|$) { include /etc/nginx/snippets/fastcgi-php.conf; fastcgi_pass unix:@dir@/php.sock; }
            location /private/ { internal; root @dir@; }
            location = /busy { fastcgi_intercept_errors on; error_page 503 /style.css; fastcgi_pass unix:@dir@/php.sock;
                fastcgi_param SCRIPT_FILENAME $document_root/busy.php; fastcgi_param REQUEST_METHOD GET; } }";
    let edge = Edge::nginx(format!(
        "events {{}}\nhttp {{ access_log off; types {{ text/css css; text/plain txt; }} {conf} }}"
    ));
    edge.write(
        "fastcgi.conf",
        std::fs::read("/etc/nginx/fastcgi.conf").expect("Debian's"),
    );
    edge.write("private/report.txt", "for members");
    let peer = edge.address("peer");
    let nginx = edge.fill_in(&conf.replace("@http@", "@peer@"));
    let site = Site::with(edge, 2);
    site.script(
        "send.php",
        "<?php header('X-Accel-Redirect: /private/report.txt'); echo 'never seen';",
    );
    site.script(
        "busy.php",
        "<?php http_response_code(503); echo 'own words';",
    );
    let nginx = format!("types {{ text/css css; text/plain txt; }} {nginx}");
    let _nginx = Nginx::start(&site.edge.path(""), peer, &nginx);
    for target in [
        "/",
        "/2026/11/hello/?p=3",
        "/style.css",
        "/wp-login.php",
        "/wp-admin/",
        "/nothing.php",
        "/nothing.php/x",
        "/uploads/evil.jpg/x.php",
        "/send.php",
        "/private/report.txt",
        "/busy",
    ] {
        let ours = site.get(target);
        let theirs = Client::connect(peer).get("a.test", target);
        assert_eq!(ours.status, theirs.status, "{target}");
        if ours.status == 200 || target == "/busy" {
            assert_eq!(ours.text(), theirs.text(), "{target}");
        }
    }
    assert_eq!(site.get("/send.php").text(), "for members");
    let rest = "GET /dump.php/a/b?x=1 HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let (ours, theirs) = (
        site.dump(rest),
        dumped(&Client::connect(peer).send(rest).response()),
    );
    for name in [
        "PATH_INFO",
        "SCRIPT_NAME",
        "SCRIPT_FILENAME",
        "REQUEST_URI",
        "PHP_SELF",
    ] {
        assert_eq!(ours["server"][name], theirs["server"][name], "{name}");
    }
}

#[test]
fn permalinks_by_try_and_a_route_for_scripts() {
    let edge = Edge::yaml(
        "sites:
  - host: a.test
    routes:
      - { regex: '\\.php(/|$)', root: @dir@/www, to: \"fastcgi:unix:@dir@/php.sock\", fastcgi: { fallback: off } }
      - { path: /, root: @dir@/www, index: index.php, try: [$uri, $uri/, \"/index.php?$args\"] }",
    );
    let site = Site::with(edge, 1);
    assert_eq!(site.get("/").text(), "front page");
    assert_eq!(site.get("/2026/11/hello/?p=3").text(), "post hello p=3");
    assert_eq!(site.get("/style.css").text(), "body { color: red }");
    assert_eq!(site.get("/wp-login.php").text(), "user: nobody");
    assert_eq!(site.get("/nothing.php").status, 404);
    assert_eq!(site.get("/uploads/evil.jpg/x.php").status, 404);
}

#[test]
fn an_application_is_free_before_a_slow_client_has_read() {
    let site = Site::with(
        Edge::nginx(
            "events {} http { server { listen @http@; root @dir@/www;
               fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
               fastcgi_param REQUEST_METHOD $request_method;
               location ~ \\.php$ { fastcgi_pass unix:@dir@/php.sock; } } }",
        ),
        1,
    );
    // More than the sockets on the way hold.
    site.script(
        "large.php",
        "<?php for ($i = 0; $i < 48; $i++) { echo str_repeat('x', 1 << 20); flush(); }",
    );
    let mut slow = site.edge.client();
    assert_eq!(slow.ask("a.test", "/large.php").head().status, 200);
    // The only process of the application answers somebody else.
    let other = site.edge.get("a.test", "/wp-login.php");
    assert_eq!(other.text(), "user: nobody");
    let mut size = 0;
    loop {
        match slow.chunk().len() {
            0 => break,
            n => size += n,
        }
    }
    assert_eq!(size, 48 << 20);
}
