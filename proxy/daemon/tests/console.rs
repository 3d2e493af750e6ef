//! The console in a real browser: every view draws what the API says, under its strict policy, and is used as a person would
//! use it: by mouse, by keyboard, in the dark, on a phone.

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
};
use support::{
    Place,
    chromium::{Browser, drawn},
    free_port, text,
};

#[test]
fn every_view_shows_what_there_is() {
    let tcp = free_port();
    let place = Place::new("");
    let config = fs::read_to_string(place.config()).unwrap();
    let (before, _) = config.split_once("sites:").unwrap();
    let origin = free_port();
    let config = format!(
        "{before}admin: [\"unix:./admin.sock\", \"{tcp}\"]\ncaches: {{ c: 1MiB }}\npools: {{ app: [\"{origin}\"] }}\n\
         sites:\n  - {{ host: shop.test, to: app, cache: c }}\n  - {{ host: \"*\", respond: 204 }}\n"
    );
    fs::write(place.config(), config).unwrap();
    let _daemon = place.start();
    let profile = place.path("profile");
    let origin = origin.to_string();
    for (view, parts) in [
        ("overview", ["Latency p99", "Saturation"]),
        ("sites", ["shop.test", "WAF denied"]),
        ("pools", [origin.as_str(), "Drain"]),
        ("cache", ["Purge", "nothing is cached yet"]),
        ("waf", ["nothing was refused", "Refused"]),
        ("config", ["Check and compare", "Revisions"]),
        ("audit", ["nothing was changed yet", "the chain ends"]),
    ] {
        let dom = drawn(&profile, &format!("http://{tcp}/#{view}"), 3000);
        for part in parts {
            assert!(dom.contains(part), "{view}: {part} is missing in:\n{dom}");
        }
        assert!(!dom.contains("does not answer"), "{view}: {dom}");
    }
}

/// A daemon with a console that asks for a token, and that token.
fn guarded(totp: bool) -> (Place, SocketAddr, String, String) {
    let (tcp, origin) = (free_port(), free_port());
    let place = Place::new("");
    let config = fs::read_to_string(place.config()).unwrap();
    let (before, _) = config.split_once("sites:").unwrap();
    let config = format!(
        "{before}admin: {{ listen: [\"unix:./admin.sock\", \"{tcp}\"], tokens: tokens }}\ncaches: {{ c: 1MiB }}\n\
         wafs: {{ w: {{ rules: builtin, mode: block }} }}\n\
         pools: {{ app: {{ servers: [\"{origin}\", \"127.0.0.2:{}\"], health: {{ path: /ready }} }} }}\n\
         sites:\n  - {{ host: shop.test, to: app, cache: c, waf: w }}\n  - {{ host: a.test, waf: w, respond: 204 }}\n",
        origin.port()
    );
    fs::write(place.config(), config).unwrap();
    let mut arguments = vec!["token", "new", "ops", "--scopes", "all"];
    if totp {
        arguments.push("--totp");
    }
    let made = place.seawall(&arguments);
    fs::write(place.path("tokens"), made.stdout).unwrap();
    let told = text(&made.stderr);
    let mut shown = told.lines().filter_map(|l| l.split("shown once: ").nth(1));
    let token = shown.next().unwrap().to_owned();
    let codes = shown.next().unwrap_or_default().to_owned();
    (place, tcp, token, codes)
}

/// Opens the console and gives it its token, by keyboard alone.
fn enter(browser: &mut Browser, address: SocketAddr, token: &str) {
    browser.go(&format!("http://{address}/"));
    browser.until("document.getElementById('ask-token').open");
    browser.type_text(token);
    browser.press("Enter");
    browser.until("document.getElementById('view').innerText.includes('Saturation')");
}

/// Goes on with Tab until something with this text has the focus.
fn tab_to(browser: &mut Browser, text: &str) {
    for _ in 0..60 {
        browser.press("Tab");
        if browser.value("document.activeElement.textContent") == text {
            return;
        }
    }
    panic!("Tab does not lead to {text:?}");
}

fn request(address: SocketAddr, head: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
}

#[test]
fn a_server_is_drained_by_a_click_and_taken_back_by_keyboard() {
    let (place, tcp, token, _) = guarded(false);
    let _daemon = place.start();
    let mut browser = Browser::start(&place.path("profile"));
    enter(&mut browser, tcp, &token);
    tab_to(&mut browser, "Pools");
    browser.press("Enter");
    let button = |label: &str| {
        format!(
            "[...document.querySelectorAll('#view button')].find(b => b.textContent === '{label}')"
        )
    };
    browser.click(&button("Drain"));
    browser.until(&button("Undrain"));
    assert_eq!(browser.value("[...document.querySelectorAll('#view button')].filter(b => b.textContent === 'Undrain').length"), 1);
    let record = fs::read_to_string(place.path("state/audit.log")).unwrap();
    assert!(
        record.contains("token ops") && record.contains("/drain"),
        "{record}"
    );
    tab_to(&mut browser, "Undrain");
    let ring = browser.value("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(ring, "solid", "what has the focus shows it");
    browser.press("Enter");
    browser.until(&format!("!{}", button("Undrain")));
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

#[test]
fn a_code_is_asked_for_where_a_change_needs_one() {
    let (place, tcp, token, codes) = guarded(true);
    let _daemon = place.start();
    let mut browser = Browser::start(&place.path("profile"));
    enter(&mut browser, tcp, &token);
    browser.go(&format!("http://{tcp}/#pools"));
    browser.click(
        "[...document.querySelectorAll('#view button')].find(b => b.textContent === 'Drain')",
    );
    browser.until("document.getElementById('ask-code').open");
    let secret = codes
        .split("secret=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    // The code of the moment may be that of the daemon's start, which is good no more: the next one is.
    let output = Command::new("oathtool")
        .args(["--totp", "-b", "--now", "30 seconds", secret])
        .output()
        .expect("oathtool: packaging/dev/install.sh test");
    browser.type_text(text(&output.stdout).trim());
    browser.press("Enter");
    browser.until(
        "[...document.querySelectorAll('#view button')].some(b => b.textContent === 'Undrain')",
    );
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

#[test]
fn the_live_view_shows_requests_as_they_end() {
    let (place, tcp, token, _) = guarded(false);
    let _daemon = place.start();
    let mut browser = Browser::start(&place.path("profile"));
    enter(&mut browser, tcp, &token);
    browser.go(&format!("http://{tcp}/#tail"));
    browser.until("document.querySelector('#tail tbody')");
    let row = |part: &str| {
        format!(
            "[...document.querySelectorAll('#tail tbody tr')].find(r => r.innerText.includes({part:?}))"
        )
    };
    // The stream is open when the first one is told.
    let mut sent = 0;
    loop {
        request(
            place.address,
            "GET /first HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
        );
        sent += 1;
        if browser.value(&format!("Boolean({})", row("/first"))) == true || sent > 600 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    for head in [
        "GET /unknown?token=t0p HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\na b: c\r\n\r\n",
        "GET /?q=%27%20or%201%3D1--%20union%20select%20password%20from%20users HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
        "GET /down HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n",
    ] {
        request(place.address, head);
    }
    for part in [
        "site unknown",
        "token=***",
        "head refused: space-before-colon",
        "waf denied by",
        "deliver 502",
    ] {
        browser.until(&row(part));
    }
    browser.shot("tail");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

#[test]
fn every_view_fits_a_phone_and_can_be_read_by_day_and_by_night() {
    let (place, tcp, token, _) = guarded(false);
    let _daemon = place.start();
    request(
        place.address,
        "GET /?q=%27%20or%201%3D1--%20union%20select%20password%20from%20users HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
    );
    let mut browser = Browser::start(&place.path("profile"));
    enter(&mut browser, tcp, &token);
    let views =
        browser.value("[...document.querySelectorAll('#tabs a')].map(a => a.hash.slice(1))");
    let views: Vec<String> = views
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(views.len(), 9, "{views:?}");
    for (width, dark) in [(390, true), (390, false), (1280, false), (1280, true)] {
        browser.window(width, 844, dark);
        for view in &views {
            browser.value(&format!("location.hash = '#{view}'"));
            browser.until("document.querySelector('#view').childElementCount > 0");
            browser.until("!document.getElementById('said').textContent.includes('asking')");
            let name = format!("{view}-{width}-{}", if dark { "dark" } else { "light" });
            browser.shot(&name);
            let wide = browser.value("document.documentElement.scrollWidth");
            assert!(
                wide.as_u64().unwrap() <= u64::from(width),
                "{name} is {wide} wide"
            );
            let faint = browser.faint();
            assert!(faint.is_empty(), "{name}: {faint:?}");
        }
    }
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}
