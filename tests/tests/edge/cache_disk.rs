//! A cache that outlives its process: kills, restarts, and a disk that fails.

use nix::sys::signal::Signal;
use seawall_tests::{Edge, Origin, Response, Running, Then, eventually};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

/// Kills in a run: `SEAWALL_TEST_KILLS`, or this many.
const KILLS: u32 = 8;

fn config(origin: &Origin, directory: &Path) -> String {
    format!(
        "caches: {{ default: {{ memory: 16MiB, disk: {{ path: {}, size: 64MiB }} }} }}\n\
         sites: [{{ host: a.test, cache: default, to: \"{origin}\" }}]",
        directory.display()
    )
}

fn purge(edge: &Running, words: &[&str]) -> bool {
    let config = edge.config();
    let mut all = vec!["purge".as_ref()];
    all.extend(words.iter().map(|word| std::ffi::OsStr::new(*word)));
    all.extend(["-c".as_ref(), config.as_os_str()]);
    edge.seawall(&all).status.success()
}

/// Asks until it is a hit.
fn warm(edge: &Running, path: &str) -> Response {
    eventually("a hit", || {
        Some(edge.get("a.test", path)).filter(Response::is_hit)
    })
}

#[test]
fn what_was_asked_for_twice_is_a_hit_after_a_restart() {
    let origin = Origin::start();
    origin.serve(
        "/x",
        "Cache-Control: max-age=600\r\nETag: \"1\"\r\n",
        "body",
    );
    let directory = tempfile::tempdir().unwrap();
    let edge = Edge::yaml(config(&origin, directory.path())).start();
    edge.get("a.test", "/x");
    warm(&edge, "/x");
    eventually("a record on the disk", || {
        (edge.metric("seawall_cache_disk_objects{cache=\"default\"}") == 1).then_some(())
    });
    edge.signal(Signal::SIGTERM);
    let (_, edge) = edge.wait();
    let edge = edge.start();
    eventually("the index", || {
        (edge.metric("seawall_cache_disk_objects{cache=\"default\"}") == 1).then_some(())
    });
    let found = edge.get("a.test", "/x");
    assert!(found.is_hit(), "{found:?}");
    assert_eq!((found.text().as_str(), origin.hits("/x")), ("body", 1));
}

/// Bodies say which page and which version they are, in every line.
fn page(path: &str, version: u64) -> String {
    let size: usize = path.trim_start_matches("/p").parse().unwrap_or(0);
    format!("{path} {version}\n").repeat(1 + size * 400)
}

#[test]
fn after_any_kill_bodies_are_whole_and_nothing_purged_comes_back() {
    let kills = std::env::var("SEAWALL_TEST_KILLS").map_or(KILLS, |n| n.parse().unwrap());
    let origin = Origin::start();
    let version = Arc::new(AtomicU64::new(0));
    const PAGES: usize = 12;
    for n in 0..PAGES {
        let version = version.clone();
        origin.script(&format!("/p{n}"), move |request, exchange| {
            let body = page(request.path(), version.load(SeqCst));
            exchange.send(format!(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=6000\r\nSurrogate-Key: tag{} all\r\nContent-Length: {}\r\n\r\n",
                n % 3,
                body.len()
            ));
            // In halves, so that a kill can come between them.
            let (first, second) = body.split_at(body.len() / 2);
            exchange.send(first);
            exchange.send(second);
            Then::Keep
        });
    }
    let directory = tempfile::tempdir().unwrap();
    let mut edge = Edge::yaml(config(&origin, directory.path())).start();
    // The version that a page must have at least: that of its last acknowledged purge.
    let mut least = [0; PAGES];
    let check = |response: &Response, n: usize, least: &[u64; PAGES]| {
        let text = response.text();
        let version: u64 = text
            .lines()
            .next()
            .and_then(|line| line.split_once(' ')?.1.parse().ok())
            .unwrap_or_else(|| panic!("no version in {text:?}"));
        assert!(
            text == page(&format!("/p{n}"), version),
            "a torn body of /p{n}"
        );
        assert!(
            version >= least[n],
            "/p{n} came back: {version} < {}",
            least[n]
        );
    };
    let mut seed = 88_172_645_463_325_252_u64;
    for kill in 0..kills {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        // Half of the pages are asked for several times, so that they are being written when the kill comes.
        for round in 0..3 {
            for n in (0..PAGES).filter(|n| round == 0 || (seed >> n) & 1 == 1) {
                check(&edge.get("a.test", &format!("/p{n}")), n, &least);
            }
        }
        let now = version.fetch_add(1, SeqCst) + 1;
        let tag = (seed % 3) as usize;
        match kill % 4 {
            0 => assert!(purge(&edge, &["--tag", &format!("tag{tag}")])),
            1 => assert!(purge(&edge, &[&format!("http://a.test/p{tag}")])),
            2 => assert!(purge(&edge, &["--prefix", "a.test/p1"])),
            _ => assert!(purge(&edge, &["--all"])),
        }
        for (n, least) in least.iter_mut().enumerate() {
            let is_purged = match kill % 4 {
                0 => n % 3 == tag,
                1 => n == tag,
                2 => n == 1 || n >= 10,
                _ => true,
            };
            if is_purged {
                *least = now;
            }
        }
        // Fills are under way when the kill comes.
        let mut client = edge.client();
        for n in 0..PAGES {
            let _ = client.try_send(format!("GET /p{n} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        }
        edge.kill();
        let (_, place) = edge.wait();
        edge = place.start();
    }
    for n in 0..PAGES {
        check(&edge.get("a.test", &format!("/p{n}")), n, &least);
    }
}

#[test]
fn a_directory_that_cannot_be_used_is_an_alert_and_the_cache_is_in_memory() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=600\r\n", "body");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let edge = Edge::yaml(config(&origin, &file)).start();
    edge.logged("it is in memory only");
    edge.get("a.test", "/x");
    assert!(edge.get("a.test", "/x").is_hit());
}

#[test]
fn a_disk_that_goes_away_costs_no_request() {
    let origin = Origin::start();
    for n in 0..20 {
        origin.serve(&format!("/{n}"), "Cache-Control: max-age=600\r\n", "body");
    }
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("cache");
    let edge = Edge::yaml(config(&origin, &inner)).start();
    std::fs::remove_dir_all(&inner).unwrap();
    for n in 0..20 {
        edge.get("a.test", &format!("/{n}"));
        let again = edge.get("a.test", &format!("/{n}"));
        assert!(again.is_hit(), "{again:?}");
    }
    edge.logged("failed");
    edge.counts("seawall_cache_disk_errors_total{cache=\"default\"}", 1);
}

/// The daemon with a small file system of its own under the cache's directory, in a mount namespace.
fn on_small_disk(origin: &Origin, directory: &Path) -> Running {
    let mount = format!(
        "mount -t tmpfs -o size=6m none {} && exec \"$@\"",
        directory.display()
    );
    Edge::yaml(config(origin, directory))
        .under(&["unshare", "-m", "sh", "-c", &mount, "sh"])
        .start()
}

#[test]
fn a_full_disk_is_an_alert_and_the_tier_comes_back_when_there_is_room() {
    let origin = Origin::start();
    for n in 0..200 {
        origin.serve(
            &format!("/{n}"),
            "Cache-Control: max-age=600\r\n",
            &"x".repeat(50_000),
        );
    }
    let directory = tempfile::tempdir().unwrap();
    let edge = on_small_disk(&origin, directory.path());
    let inside = format!("/proc/{}/root{}", edge.worker(), directory.path().display());
    let filler = Path::new(&inside).join("filler");
    // Somebody else takes all the room there is.
    let mut file = std::fs::File::create(&filler).unwrap();
    let zeroes = vec![0; 4096];
    while std::io::Write::write_all(&mut file, &zeroes).is_ok() {}
    drop(file);
    let mut client = edge.client();
    let mut twice = |n: usize| {
        client.get("a.test", &format!("/{n}"));
        let again = client.get("a.test", &format!("/{n}"));
        assert!(again.is_hit() && again.body.len() == 50_000, "{n}");
    };
    (0..20).for_each(&mut twice);
    edge.logged("the cache is in memory for a while");
    let written = || edge.metric("seawall_cache_disk_writes_total{cache=\"default\"}");
    assert!(edge.metric("seawall_cache_disk_errors_total{cache=\"default\"}") >= 1);
    let before = written();
    std::fs::remove_file(&filler).unwrap();
    let mut next = 20..200;
    eventually("objects on the disk again", || {
        twice(next.next().unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(100));
        (written() > before).then_some(())
    });
    edge.logged("works again");
}

/// Lines that tell where in the body they are.
fn numbered(bytes: usize) -> String {
    (0..bytes / 16).map(|n| format!("line {n:010}\n")).collect()
}

/// An edge whose cache has an object of that body on its disk, and not in its memory.
fn with_a_body_on_disk(origin: &Origin, directory: &Path, body: &str, fields: &str) -> Running {
    origin.serve(
        "/large",
        &format!(
            "Cache-Control: max-age=600\r\nETag: \"1\"\r\nContent-Type: text/plain\r\n{fields}"
        ),
        body,
    );
    let edge = Edge::yaml(format!(
        "listen: [{{ http: \"@http@\" }}, {{ https: \"@https@\" }}]
caches: {{ default: {{ memory: 16MiB, disk: {{ path: {}, size: 64MiB }} }} }}
sites:
  - {{ host: a.test, tls: off, cache: default, to: \"{origin}\" }}
  - {{ host: s.test, tls: internal, cache: default, to: \"{origin}\" }}
  - {{ host: z.test, tls: off, cache: default, to: \"{origin}\", compress: on }}",
        directory.display()
    ))
    .start();
    edge.get("a.test", "/large");
    warm(&edge, "/large");
    let written = || edge.metric("seawall_cache_disk_objects{cache=\"default\"}") == 1;
    eventually("a record on the disk", || written().then_some(()));
    edge.signal(Signal::SIGTERM);
    let (_, place) = edge.wait();
    let edge = place.start();
    let read = || edge.metric("seawall_cache_disk_objects{cache=\"default\"}") == 1;
    eventually("the index", || read().then_some(()));
    edge
}

#[test]
fn a_large_body_is_sent_from_its_file_whole_in_parts_and_coded() {
    let origin = Origin::start();
    let directory = tempfile::tempdir().unwrap();
    let body = numbered(700_000);
    let edge = with_a_body_on_disk(&origin, directory.path(), &body, "");
    let mut client = edge.client();
    for _ in 0..3 {
        let found = client.get("a.test", "/large");
        assert!(found.is_hit() && found.text() == body, "{:?}", found.fields);
    }
    let ask = |client: &mut seawall_tests::Client, fields: &str| {
        client
            .send(format!(
                "GET /large HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"
            ))
            .response()
    };
    let part = ask(&mut client, "Range: bytes=300000-399999\r\n");
    assert_eq!(part.status, 206);
    assert!(part.body == body.as_bytes()[300_000..400_000]);
    let parts = ask(&mut client, "Range: bytes=16-31,-16\r\n");
    assert!(
        parts.text().contains(&body[16..31]) && parts.text().contains(&body[body.len() - 16..])
    );
    assert_eq!(ask(&mut client, "If-None-Match: \"1\"\r\n").status, 304);
    let head = client
        .send("HEAD /large HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response_to_head();
    assert_eq!(head.has("Content-Length"), body.len().to_string());
    assert!(client.get("a.test", "/large").text() == body);
    assert_eq!(origin.hits("/large"), 1);
}

#[test]
fn a_large_body_on_disk_goes_through_tls_and_encoders_too() {
    let origin = Origin::start();
    let directory = tempfile::tempdir().unwrap();
    let body = numbered(700_000);
    let edge = with_a_body_on_disk(&origin, directory.path(), &body, "");
    // Each site has keys of its own: they are brought to the disk by a second request, and up by a restart.
    let mut tls = edge.tls("s.test").client;
    let zipped = |edge: &Running| {
        let request = "GET /large HTTP/1.1\r\nHost: z.test\r\nAccept-Encoding: gzip\r\n\r\n";
        edge.client().send(request).response()
    };
    for _ in 0..2 {
        assert!(tls.get("s.test", "/large").text() == body);
        assert_eq!(zipped(&edge).has("Content-Encoding"), "gzip");
    }
    let objects = |edge: &Running| edge.metric("seawall_cache_disk_objects{cache=\"default\"}");
    eventually("three records", || (objects(&edge) == 3).then_some(()));
    edge.signal(Signal::SIGTERM);
    let (_, place) = edge.wait();
    let edge = place.start();
    eventually("the index", || (objects(&edge) == 3).then_some(()));
    let mut tls = edge.tls("s.test").client;
    for _ in 0..2 {
        let found = tls.get("s.test", "/large");
        assert!(found.is_hit() && found.text() == body);
        let found = zipped(&edge);
        assert!(found.is_hit() && found.has("Content-Encoding") == "gzip");
        let mut text = String::new();
        let mut coded = flate2::read::GzDecoder::new(&found.body[..]);
        std::io::Read::read_to_string(&mut coded, &mut text).unwrap();
        assert!(text == body);
    }
    assert_eq!(origin.hits("/large"), 3);
}

#[test]
fn a_file_that_is_cut_beneath_costs_one_answer_and_the_next_comes_from_the_origin() {
    let origin = Origin::start();
    let directory = tempfile::tempdir().unwrap();
    let body = numbered(700_000);
    let edge = with_a_body_on_disk(&origin, directory.path(), &body, "");
    assert!(edge.get("a.test", "/large").text() == body);
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "segment") {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(100_000).unwrap();
        }
    }
    let broken = edge.client().ask("a.test", "/large").try_response();
    assert!(broken.is_err(), "the length that was said cannot be kept");
    edge.logged("the origin is asked instead");
    edge.counts("seawall_cache_disk_errors_total{cache=\"default\"}", 1);
    let next = edge.get("a.test", "/large");
    assert!(!next.is_hit() && next.text() == body);
    assert!(edge.get("a.test", "/large").is_hit());
}
