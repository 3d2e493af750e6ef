//! `status`, `purge` and `reload` as an operator types them, against a daemon that runs.

mod support;

use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use support::{Place, SEAWALL, get, text};

/// An origin that lets everything be stored, and counts what it is asked. It ends with its test's process.
fn origin() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let _ = answer(stream, &count);
        }
    });
    (address, asked)
}

/// Answers one request and closes.
fn answer(mut stream: TcpStream, count: &AtomicUsize) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.extend(byte);
    }
    count.fetch_add(1, Ordering::SeqCst);
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    )
}

/// A place whose daemon has an admin socket; `site` is put into its only site.
fn place(site: &str) -> Place {
    let place = Place::new("");
    let config = fs::read_to_string(place.config()).unwrap();
    let (before, _) = config.split_once("sites:").unwrap();
    let config = format!(
        "{before}admin: {{ listen: \"unix:./admin.sock\" }}\nsites: [{{ host: \"*\", {site} }}]\n"
    );
    fs::write(place.config(), config).unwrap();
    place
}

/// Exit code, standard output, standard error; the daemon is found by the configuration.
fn ask(place: &Place, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = place.seawall(&[arguments, &["-c", "seawall.yaml"]].concat());
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn status_is_json_on_standard_output() {
    let place = place("to: \"127.0.0.1:9\"");
    let daemon = place.start();
    let (code, said, complained) = ask(&place, &["status"]);
    assert_eq!((code, complained.as_str()), (Some(0), ""));
    let status: Value = serde_json::from_str(&said).unwrap();
    assert!(status.is_object() && said.contains("127.0.0.1:9"), "{said}");
    // By its address, and by nobody who listens to the end.
    let socket = format!("unix:{}", place.path("admin.sock").display());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(SEAWALL)
        .args(["status", "--admin", &socket])
        .stdout(writer)
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output.stderr), "");
    drop(daemon);
}

#[test]
fn purge_removes_one_url_and_says_whether_it_was_there() {
    let (origin, asked) = origin();
    let place = place(&format!("to: \"{origin}\", cache: default"));
    let config = fs::read_to_string(place.config()).unwrap() + "caches: { default: 1MiB }\n";
    fs::write(place.config(), config).unwrap();
    let _daemon = place.start();
    let url = format!("http://a.test:{}/", place.address.port());
    for _ in 0..2 {
        assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the second one is a hit");
    let removed = (Some(0), format!("{url}: removed\n"), String::new());
    assert_eq!(ask(&place, &["purge", &url]), removed);
    let absent = (
        Some(0),
        format!("{url}: was not in a cache\n"),
        String::new(),
    );
    assert_eq!(ask(&place, &["purge", &url]), absent);
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(asked.load(Ordering::SeqCst), 2, "it was fetched again");
    let (code, said, complained) = ask(&place, &["purge", "no url"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(complained.starts_with("seawall: "), "{complained}");
}

#[test]
fn reload_makes_a_good_configuration_live_and_shows_what_is_wrong_with_another() {
    let place = place("respond: 202");
    let _daemon = place.start();
    let good = fs::read_to_string(place.config()).unwrap();
    fs::write(place.config(), good.replace("202", "203")).unwrap();
    let (code, said, complained) = ask(&place, &["reload"]);
    assert_eq!((code, complained.as_str()), (Some(0), ""));
    assert!(serde_json::from_str::<Value>(&said).is_ok(), "{said}");
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 203"));
    let socket = format!("unix:{}", place.path("admin.sock").display());
    fs::write(place.config(), good.replace("respond", "respnd")).unwrap();
    let output = place.seawall(&["reload", "--admin", &socket]);
    let complained = text(&output.stderr);
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(1), "")
    );
    for part in ["respnd", "seawall.yaml:", "^^^^^^", "did you mean"] {
        assert!(complained.contains(part), "{part}: {complained}");
    }
    assert!(
        get(place.address).unwrap().starts_with("HTTP/1.1 203"),
        "the one before serves on"
    );
}
