//! `seawall test`, as a person runs it.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use support::{SEAWALL, text};

const CONFIG: &str = "\
version: 1
listen: [{ http: 80 }, { https: 443 }, { https: 8443, name: lan }]
acme: { email: ops@shop.test, agree_tos: true }
caches: { default: 16MiB }
pools:
  web: { servers: [\"web1.internal:80\", \"web2.internal:80\"], health: { path: /ready }, retry: { attempts: 2 } }
  php: { protocol: fastcgi, servers: [\"unix:/run/php.sock\"] }
sites:
  - host: shop.test
    to: web
    cache: default
    routes:
      - { path: /old, redirect: \"/new$is_args$args\" }
      - { path: /api, to: web, cache: off, rewrite: { strip: /api, add: /v1 }, rate_limit: { key: $client_ip, rate: 1/m } }
      - { path: /x, headers: { request: { add: { X-Edge: edge } } } }
  - { host: php.test, tls: off, to: php, root: ROOT }
  - { host: lan.test, listen: lan, respond: { status: 200, body: lan } }
";

const TESTS: &str = "\
config: seawall.yaml
tests:
  - name: an answer is stored, and the next comes from the cache
    origin: { headers: { Cache-Control: max-age=60 }, body: hello }
    steps:
      - request: GET https://shop.test/a?x=1
        expect: { status: 200, site: shop.test, pool: web, server: \"~ ^web[12].internal:80$\", cache: miss, stored: true, ttl: 60s, key: [shop.test, /a?x=1], body: hello }
      - request: GET https://shop.test/a?x=1
        expect: { status: 200, pool: off, cache: hit }
  - name: every test begins with empty caches
    request: GET https://shop.test/a?x=1
    expect: { cache: miss, stored: false }
  - name: the origin is asked for the rewritten path
    request: { method: POST, url: \"https://shop.test/api/orders?q=1\", body: \"{}\", headers: { Content-Type: application/json } }
    expect: { route: /api, cache: off, upstream: { method: POST, target: \"/v1/orders?q=1\", body: \"{}\", headers: { X-Forwarded-Proto: https, Host: shop.test } } }
  - name: a rate is a rate
    steps:
      - { request: GET https://shop.test/api, expect: { status: 200 } }
      - { request: GET https://shop.test/api, expect: { status: 429, pool: off } }
  - name: and is counted by client
    request: GET https://shop.test/api
    expect: { status: 200 }
  - name: a route without a `to` of its own sends its own fields
    request: GET https://shop.test/x
    expect: { upstream: { headers: { X-Edge: edge } } }
  - name: plain is led to https
    request: GET http://shop.test/a
    expect: { status: 308, redirect: https://shop.test/a }
  - name: a redirect
    request: GET https://shop.test/old?a=1
    expect: { status: 3xx, redirect: \"/new?a=1\" }
  - name: nobody is up
    request: GET https://shop.test/
    origin: down
    expect: { status: 502 }
  - name: php is told of its script
    request: { method: POST, url: \"http://php.test/x.php?a\", body: k=v }
    origin: { status: 201, headers: { X-Php: 8 } }
    expect: { status: 201, pool: php, headers: { X-Php: 8 }, upstream: { body: k=v, headers: { QUERY_STRING: a, SCRIPT_FILENAME: \"~ /x.php$\" } } }
  - name: a listener by name
    request: { url: https://lan.test:8443/, listen: lan }
    expect: { body: lan }
  - name: a head that is refused
    request: { url: http://shop.test/, headers: { \"a b\": c } }
    expect: { status: 400, site: off }
";

struct Files(tempfile::TempDir);

impl Files {
    fn new(tests: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("www");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("x.php"), "<?php").unwrap();
        let config = CONFIG.replace("ROOT", &root.display().to_string());
        fs::write(directory.path().join("seawall.yaml"), config).unwrap();
        fs::write(directory.path().join("tests.yaml"), tests).unwrap();
        Self(directory)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(SEAWALL);
        command.arg("test").args(arguments);
        command.current_dir(self.0.path()).output().unwrap()
    }
}

#[test]
fn what_would_become_of_requests_is_what_the_file_says() {
    let files = Files::new(TESTS);
    let output = files.run(&["tests.yaml"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let out = text(&output.stdout);
    assert!(
        out.starts_with("tests.yaml: 12 passed, 0 failed ("),
        "{out}\n{said}"
    );
}

#[test]
fn what_does_not_hold_is_shown_at_its_place_with_what_came() {
    let files = Files::new(
        "tests:\n  - name: wrong\n    request: GET https://shop.test/\n    expect: { status: 404, pool: wbe, waf: denied, headers: { Server: nginx } }\n  \
         - name: right\n    request: GET https://shop.test/\n    expect: { status: 200 }\n",
    );
    let output = files.run(&["-c", "seawall.yaml", "-v", "tests.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    for part in [
        "error[expected]: \"wrong\": status is 200, not 404",
        "tests.yaml:4:23",
        "there is no pool \"wbe\"",
        "the WAF says \"off\", not \"denied\"",
        "Server is \"seawall\", not \"nginx\"",
        "what happened: 200; site shop.test; ",
        "asked web at web",
    ] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
    let out = text(&output.stdout);
    assert!(
        out.contains("ok  right\n") && out.contains("1 passed, 1 failed"),
        "{out}"
    );
    let output = files.run(&["-c", "seawall.yaml", "--only", "right", "tests.yaml"]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_cannot_be_read_is_exit_code_2() {
    let files = Files::new("tests:\n  - name: x\n    request: GET shop.test/\n");
    let output = files.run(&["-c", "seawall.yaml", "tests.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("tests.yaml:3:14"));
    fs::write(files.0.path().join("tests.yaml"), "tests: []\n").unwrap();
    fs::write(
        files.0.path().join("seawall.yaml"),
        "version: 1\nsitse: []\n",
    )
    .unwrap();
    let output = files.run(&["-c", "seawall.yaml", "tests.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("did you mean `sites`?"));
}

#[test]
fn the_sample_holds() {
    let samples: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf/samples");
    let output = Command::new(SEAWALL)
        .arg("test")
        .arg(samples.join("policy.tests.yaml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn bash_completes_commands_and_their_options() {
    let script = format!(
        "source <({SEAWALL} completions bash); COMP_WORDS=(seawall \"$1\" \"$2\"); COMP_CWORD=$3; \
         _seawall seawall \"$4\" \"$5\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let complete = |words: [&str; 5]| {
        let mut command = Command::new("bash");
        command.args(["--norc", "-c", &script, "bash"]).args(words);
        let output = command.output().unwrap();
        text(&output.stdout)
    };
    let words = complete(["und", "", "1", "und", "seawall"]);
    assert!(words.lines().any(|l| l == "undrain"), "{words}");
    let words = complete(["purge", "--so", "2", "--so", "purge"]);
    assert!(words.lines().any(|l| l == "--soft"), "{words}");
}
