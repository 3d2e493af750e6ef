//! Files of tests for `seawall test`: read with places, refused with carets.

use seawall_conf::{
    LoadOptions,
    cases::{Cases, Origin, Text, load_cases},
};
use std::{fs, time::Duration};

fn read(text: &str) -> Result<Cases, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tests.yaml");
    fs::write(&path, text).unwrap();
    load_cases(&path, &LoadOptions::default())
        .map(|(cases, _)| cases)
        .map_err(|e| e.diagnostics.render(&e.sources, false))
}

#[test]
fn a_file_is_read_as_it_is_written() {
    let cases = read(
        "config: seawall.yaml\norigin: { headers: { Cache-Control: max-age=60 }, body: hello }\ntests:\n\
         - name: one\n  request: GET https://shop.test:8443/a?b\n  expect: { status: 2xx, pool: web, waf: passed, ttl: 60s }\n\
         - name: two\n  origins: { web: down, api: 404 }\n  steps:\n\
         \x20 - request: { method: POST, url: 'http://shop.test', headers: { A: b }, body: x, from: 192.0.2.1, listen: lan }\n\
         \x20   origin: { status: 503 }\n\
         \x20   expect: { status: 502, headers: { X: off, Y: on, Z: '~ ^a', W: 'off' }, upstream: { target: /, headers: { Host: x } }, \
         waf: { result: denied, rules: [942100, 1], score: 5 }, key: [shop.test, /a], stored: false, redirect: off }\n",
    )
    .unwrap();
    assert!(cases.config.unwrap().value.ends_with("seawall.yaml"));
    let one = &cases.cases[0].steps[0];
    assert_eq!(
        (
            one.request.tls,
            one.request.authority.as_str(),
            one.request.target.as_str()
        ),
        (true, "shop.test:8443", "/a?b")
    );
    assert_eq!(one.expect.status.as_ref().unwrap().value, (200, 299));
    assert_eq!(
        one.expect.ttl.as_ref().unwrap().value,
        Duration::from_secs(60)
    );
    let two = &cases.cases[1];
    assert_eq!(two.origins.named[0].1, Origin::Down);
    assert!(matches!(
        two.origins.named[1].1,
        Origin::Answers { status: 404, .. }
    ));
    let step = &two.steps[0];
    assert_eq!(step.request.target, "/");
    let texts: Vec<&Text> = step.expect.headers.iter().map(|(_, t)| &t.value).collect();
    assert_eq!(
        texts,
        [
            &Text::Absent,
            &Text::Present,
            &Text::Matches("^a".into()),
            &Text::Is("off".into())
        ]
    );
    let waf = &step.expect.waf.as_ref().unwrap().value;
    assert_eq!(
        waf.rules.iter().map(|r| r.value).collect::<Vec<_>>(),
        [942_100, 1]
    );
}

#[test]
fn every_mistake_has_its_line_and_a_remedy() {
    let said = read(
        "tests:\n- name: x\n  request: GET shop.test/\n- name: y\n  request: GET http://a.test/\n  expect: { statsu: 1 }\n\
         - name: z\n  request: GET http://a.test/\n  expect: { status: 7xx, waf: denyed }\n- request: GET http://a.test/\n\
         - name: w\n  request: { url: 'http://a.test/', from: nowhere, headers: { A: \"b\\r\\nC: d\" } }\n  origin: { status: 99 }\n",
    )
    .unwrap_err();
    for part in [
        "is no URL to ask for",
        "did you mean `status`?",
        "`7xx` is no status",
        "did you mean `denied`?",
        "a test needs `name`",
        "`nowhere` is no address",
        "a field is one line",
        "`99` is no number that fits here",
        "tests.yaml:3:12",
    ] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
    assert!(read("tests: 1\n").is_err());
    assert!(read("{}\n").unwrap_err().contains("needs `tests`"));
}
