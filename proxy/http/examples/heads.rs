//! How long reading a browser's head takes, beside httparse's scan of it, which judges nothing: `cargo run --release -p seawall-http --example heads`.

use std::{hint::black_box, time::Instant};

use seawall_http::{HeadLimits, Policy, RequestHead, parse_request, uri};

const BROWSER: &[u8] = b"GET /shop/products/red-shoes?size=42&page=3 HTTP/1.1\r\n\
Host: shop.example.test\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Referer: https://shop.example.test/shop/products\r\n\
Connection: keep-alive\r\n\
Cookie: session=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08; theme=dark; _ga=GA1.2.1234567890.1700000000\r\n\
Upgrade-Insecure-Requests: 1\r\n\
Sec-Fetch-Dest: document\r\n\
Sec-Fetch-Mode: navigate\r\n\
Sec-Fetch-Site: same-origin\r\n\r\n";

const ROUNDS: u32 = 1_000_000;

fn measured(what: &str, mut run: impl FnMut()) {
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            (0..ROUNDS).for_each(|_| run());
            start.elapsed()
        })
        .min();
    let ns = best.unwrap_or_default().as_nanos() / u128::from(ROUNDS);
    println!("{what:<32}{ns:>6} ns");
}

fn main() {
    println!("a head of {} bytes, 12 fields; best of five", BROWSER.len());
    let limits = HeadLimits::default();
    let mut head = RequestHead::new();
    for (what, policy) in [
        ("parse_request, rfc", Policy::Rfc),
        ("parse_request, nginx", Policy::Nginx),
    ] {
        measured(what, || {
            let complete = parse_request(black_box(BROWSER), policy, &limits, &mut head);
            assert_eq!(complete, Ok(true));
        });
    }
    measured("httparse", || {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut request = httparse::Request::new(&mut fields);
        let status = request.parse(black_box(BROWSER));
        assert!(status.is_ok_and(|status| status.is_complete()));
    });
    measured("uri::is_normal", || {
        assert!(uri::is_normal(black_box(b"/shop/products/red-shoes")));
    });
    let mut out = Vec::new();
    measured("uri::normalize", || {
        let done = uri::normalize(black_box(b"/shop//products/./red%20shoes"), true, &mut out);
        assert!(done.is_ok());
    });
}
