//! The catalogue's pages, and HTTP as an edge cares about it.

use crate::{
    harness::{Process, Shop, until},
    http::{Request, Response},
};
use std::{
    io::{BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
};

#[test]
fn catalogue_pages_are_whole_public_and_tagged_and_set_no_cookie() {
    let shop = Shop::open();
    for (path, text, tag) in [
        ("/", "Most loved", "home"),
        ("/c/mugs", "Mugs &#38; Jugs", "category-mugs"),
        ("/c/mugs?sort=price-up", "low to high", "category-mugs"),
        ("/products/1", "Put in cart", "p-1"),
    ] {
        let page = shop.web.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text().contains(text), "{path}: {}", page.text());
        assert!(page.text().trim_end().ends_with("</html>"));
        assert!(
            page.header("cache-control")
                .unwrap()
                .starts_with("public, max-age=0, s-maxage=30, stale-while-revalidate=60")
        );
        assert!(
            page.header("surrogate-key")
                .unwrap()
                .split(' ')
                .any(|key| key == tag),
            "{path}"
        );
        assert_eq!(page.header("set-cookie"), None, "{path}");
        assert_eq!(page.header("x-served-by"), Some("web-1"));
        assert_eq!(
            page.body,
            Request::get(path)
                .header("cookie", "session=x; cart_count=3")
                .send(shop.web.addr)
                .body
        );
    }
}

#[test]
fn what_is_not_there_is_a_404_and_nonsense_in_addresses_is_survived() {
    let shop = Shop::open();
    for path in [
        "/nothing",
        "/c/boats",
        "/products/9999",
        "/products/-1",
        "/products/99999999999999999999",
        "/assets/app.css",
        "/images/x.svg",
        "/images/7.gif",
        "/c/mugs?page=999",
        "/orders/zz%2F..%2F..",
        "/c/%ff",
    ] {
        let status = shop.web.get(path).status;
        assert!(matches!(status, 404 | 400), "{path}: {status}");
    }
    assert_eq!(
        shop.web
            .get("/c/mugs?page=99999999999999999999999&sort=%00&unknown=1")
            .status,
        200
    );
    assert_eq!(
        Request::get("/").method("POST").send(shop.web.addr).status,
        405
    );
}

#[test]
fn a_validator_is_answered_304_with_the_same_headers() {
    let shop = Shop::open();
    let css = shop.web.get("/").quoted_after("stylesheet\" href=\"");
    for path in ["/", "/products/3", "/images/3.svg", css.as_str()] {
        let full = shop.web.get(path);
        let etag = full.header("etag").unwrap();
        for sent in [etag.to_owned(), format!("\"x\", W/{etag}")] {
            let again = Request::get(path)
                .header("if-none-match", &sent)
                .send(shop.web.addr);
            assert_eq!(again.status, 304, "{path}");
            assert!(again.body.is_empty());
            for name in ["etag", "cache-control", "surrogate-key"] {
                assert_eq!(again.header(name), full.header(name), "{path}");
            }
        }
        assert_eq!(
            Request::get(path)
                .header("if-none-match", "\"other\"")
                .send(shop.web.addr)
                .status,
            200
        );
    }
}

#[test]
fn assets_have_their_hash_in_their_name_and_never_expire() {
    let shop = Shop::open();
    let css = shop.web.get("/").quoted_after("stylesheet\" href=\"");
    let asset = shop.web.get(&css);
    assert_eq!(
        asset.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    assert_eq!(
        asset.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert_eq!(shop.web.get(&css.replace("app.", "app.0")).status, 404);
}

#[test]
fn head_is_get_without_the_body() {
    let shop = Shop::open();
    let (get, head) = (
        shop.web.get("/products/5"),
        Request::head("/products/5").send(shop.web.addr),
    );
    assert_eq!(head.status, 200);
    assert_eq!(
        head.header("content-length"),
        Some(get.body.len().to_string().as_str())
    );
    assert_eq!(head.header("etag"), get.header("etag"));
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let shop = Shop::open();
    let mut stream = TcpStream::connect(shop.web.addr).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    for path in ["/", "/products/1", "/nothing", "/version", "/images/1.svg"] {
        Request::get(path).write(&mut stream, "keep-alive");
        let answer = Response::read(&mut answers, "GET").unwrap();
        assert_ne!(answer.header("connection"), Some("close"), "{path}");
    }
}

#[test]
fn pictures_are_svg_and_thumbnails_lead_there_until_they_are_made() {
    let shop = Shop::open();
    let picture = shop.web.get("/images/4.svg");
    assert_eq!(picture.header("content-type"), Some("image/svg+xml"));
    assert!(picture.text().starts_with("<svg"));
    assert_eq!(
        shop.web.get("/thumbs/4.png").header("location"),
        Some("/images/4.svg")
    );
    let _worker = shop.worker(&[]);
    let made = || shop.web.get("/thumbs/4.png").status == 200;
    until("the thumbnail is made", made);
    let before = shop.web.get("/thumbs/4.png");
    assert!(before.body.starts_with(b"\x89PNG"));
    shop.api.post_json("/products/4", r#"{"art": 12345}"#);
    until("the new one is made", made);
    assert_ne!(
        shop.web.get("/thumbs/4.png").body,
        before.body,
        "never the old one under the new one's name"
    );
    assert_ne!(shop.web.get("/images/4.svg").body, picture.body);
}

#[test]
fn two_shops_of_one_seed_are_the_same() {
    let (one, two) = (Shop::open(), Shop::open());
    for path in ["/", "/products/17", "/images/17.svg"] {
        assert_eq!(one.web.get(path).body, two.web.get(path).body, "{path}");
    }
}

#[test]
fn bytes_of_any_kind_do_not_stop_it() {
    let shop = Shop::open();
    let mut state = 7u64;
    for n in 0..200 {
        let mut bytes = match n % 3 {
            0 => b"GET /".to_vec(),
            1 => b"POST /cart/add HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\n".to_vec(),
            _ => b"GET /search?q=".to_vec(),
        };
        for _ in 0..60 {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            bytes.push((state >> 56) as u8);
        }
        bytes.extend_from_slice(b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(shop.web.addr).unwrap();
        // It may have refused and hung up before we are done.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(shop.web.get("/").status, 200);
    assert_eq!(
        shop.web.metric("origin_http_requests_total{class=\"5xx\"}"),
        0
    );
}

#[test]
fn a_changed_product_is_forgotten_by_the_edge_before_the_change_is_answered() {
    let edge = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", edge.local_addr().unwrap());
    let told = std::thread::spawn(move || {
        let (mut stream, _) = edge.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).unwrap();
        String::from_utf8(head).unwrap()
    });
    let state = tempfile::tempdir().unwrap();
    let api = Process::start(
        "api",
        state.path(),
        &["--products", "20", "--edge", &address],
    );
    let change = r#"{"price_cents": 100}"#;
    assert_eq!(api.post_json("/products/1", change).status, 200);
    let head = told.join().unwrap();
    assert!(head.starts_with("PURGE / HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("surrogate-key: p-1\r\n"), "{head}");
    // Nobody listens there any more: that is no reason to refuse a change.
    assert_eq!(api.post_json("/products/2", change).status, 200);
}
