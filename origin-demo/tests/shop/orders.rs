//! From the shelf to the letter.

use crate::{
    customer::Customer,
    harness::{Process, Shop, until},
    http::Request,
};
use serde_json::Value;
use std::{sync::mpsc, thread};

#[test]
fn a_customer_fills_a_cart_orders_and_gets_a_letter() {
    let shop = Shop::open();
    let _worker = shop.worker(&[]);
    shop.api
        .post_json("/products/1", r#"{"stock": 10, "price_cents": 1250}"#);
    let mut zoe = Customer::of(&shop.web);
    let added = zoe.add(1, 2);
    assert_eq!(
        (added.status, added.header("location")),
        (303, Some("/cart?note=added"))
    );
    assert_eq!(zoe.cookie("cart_count"), Some("2"));
    let cart = zoe.get("/cart");
    assert_eq!(cart.header("cache-control"), Some("private, no-store"));
    assert!(cart.text().contains("€25.00"), "{}", cart.text());

    let form = zoe.checkout();
    let placed = zoe.order(&form);
    assert_eq!(placed.status, 303, "{}", placed.text());
    let order = placed.header("location").unwrap().to_owned();
    assert_eq!(zoe.cookie("cart_count"), Some("0"));
    assert_eq!(
        zoe.order(&form).header("location"),
        Some(order.as_str()),
        "the same form again is the same order"
    );

    let page = zoe.get(&order);
    assert_eq!(page.header("cache-control"), Some("private, no-store"));
    assert!(
        page.text().contains("Thank you, Zoë O&#39;Quay"),
        "{}",
        page.text()
    );
    assert!(page.text().contains("1 Mole &#60;b&#62;"));
    assert_eq!(shop.api.json::<Value>("/products/1")["stock"], 8);

    until("the letter is there", || !shop.letters().is_empty());
    let letters = shop.letters();
    assert_eq!(letters.len(), 1);
    assert!(
        letters[0].contains("To: <zoe@example.test>") && letters[0].contains("€25.00"),
        "{}",
        letters[0]
    );
    assert!(letters[0].contains(&format!("https://shop.test{order}")));
}

#[test]
fn mistakes_in_the_form_are_told_and_nothing_is_ordered() {
    let shop = Shop::open();
    let mut zoe = Customer::of(&shop.web);
    assert_eq!(
        zoe.get("/checkout").header("location"),
        Some("/cart"),
        "nothing to check out"
    );
    zoe.add(1, 1);
    let (token, attempt) = zoe.checkout();
    let sent = [
        ("token", &*token),
        ("attempt", &*attempt),
        ("name", "\"><script>"),
        ("email", "nobody"),
        ("city", ""),
    ];
    let page = zoe.send(Request::form("/checkout", &sent));
    assert_eq!(page.status, 422);
    assert!(page.text().contains("An e-mail address looks like"));
    assert!(
        page.text().contains("&#34;&#62;&#60;script&#62;") && !page.text().contains("\"><script>")
    );
    assert!(
        zoe.get("/cart").text().contains("Check out"),
        "the cart is still there"
    );
}

#[test]
fn forms_from_elsewhere_are_refused() {
    let shop = Shop::open();
    let mut zoe = Customer::of(&shop.web);
    zoe.add(1, 1);
    let mut mallory = Customer::of(&shop.web);
    mallory.add(1, 1);
    let (stolen, attempt) = mallory.checkout();
    for token in ["", "x", stolen.as_str()] {
        assert_eq!(
            zoe.order(&(token.to_owned(), attempt.clone())).status,
            403,
            "{token:?}"
        );
        let update = [("token", token), ("product", "1"), ("quantity", "0")];
        assert_eq!(
            zoe.send(Request::form("/cart/update", &update)).status,
            403,
            "{token:?}"
        );
    }
    let add = Request::form("/cart/add", &[("product", "3"), ("quantity", "9")]);
    assert_eq!(
        zoe.send(add.clone().header("sec-fetch-site", "cross-site"))
            .status,
        403
    );
    assert_eq!(
        zoe.send(add.clone().header("origin", "https://evil.test"))
            .status,
        403
    );
    assert_eq!(
        zoe.send(add.clone()).status,
        403,
        "a session and no word from a browser"
    );
    assert_eq!(
        zoe.send(add.header("origin", "https://shop.test")).status,
        303
    );
    assert_eq!(
        Request::form("/cart/add", &[("product", "x")])
            .send(shop.web.addr)
            .status,
        422
    );
    let flood = Request::form("/cart/add", &[("product", "1"), ("x", &"y".repeat(40_000))]);
    assert_eq!(flood.send(shop.web.addr).status, 422, "past the body limit");
}

#[test]
fn a_line_is_changed_and_taken_out() {
    let shop = Shop::open();
    shop.api
        .post_json("/products/1", r#"{"stock": 10, "price_cents": 1000}"#);
    let mut zoe = Customer::of(&shop.web);
    zoe.add(1, 1);
    let token = zoe.get("/cart").quoted_after("name=\"token\" value=\"");
    zoe.send(Request::form(
        "/cart/update",
        &[("token", &token), ("product", "1"), ("quantity", "3")],
    ));
    assert!(zoe.get("/cart").text().contains("€30.00"));
    let more = zoe.send(Request::form(
        "/cart/update",
        &[("token", &token), ("product", "1"), ("quantity", "11")],
    ));
    assert_eq!(more.header("location"), Some("/cart?note=short"));
    zoe.send(Request::form(
        "/cart/update",
        &[
            ("token", &token),
            ("product", "1"),
            ("quantity", "3"),
            ("remove", "1"),
        ],
    ));
    assert!(zoe.get("/cart").text().contains("Your cart is empty"));
    assert_eq!(zoe.cookie("cart_count"), Some("0"));
}

#[test]
fn the_last_pieces_are_sold_once_each_to_a_crowd() {
    let shop = Shop::open();
    shop.api.post_json("/products/7", r#"{"stock": 5}"#);
    // All have it in their carts before the first one buys.
    let buyers: Vec<_> = (0..12)
        .map(|_| {
            let mut buyer = Customer::of(&shop.web);
            assert_eq!(buyer.add(7, 1).header("location"), Some("/cart?note=added"));
            let form = buyer.checkout();
            (buyer, form)
        })
        .collect();
    let buying = buyers
        .into_iter()
        .map(|(mut buyer, form)| thread::spawn(move || buyer.order(&form).status));
    let buying: Vec<_> = buying.collect();
    let mut statuses: Vec<u16> = buying
        .into_iter()
        .map(|buyer| buyer.join().unwrap())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![303; 5], vec![422; 7]].concat());
    assert_eq!(shop.api.json::<Value>("/products/7")["stock"], 0);
    assert_eq!(shop.api.metric("origin_orders_total"), 5);
    assert!(shop.web.get("/products/7").text().contains("Sold out"));
}

#[test]
fn an_order_that_was_confirmed_outlives_the_api() {
    let mut shop = Shop::open();
    shop.api.post_json("/products/1", r#"{"stock": 50}"#);
    let buyers: Vec<_> = (0..8)
        .map(|_| {
            let mut buyer = Customer::of(&shop.web);
            buyer.add(1, 1);
            let form = buyer.checkout();
            (buyer, form)
        })
        .collect();
    let (told, confirmed) = mpsc::channel();
    let buying: Vec<_> = buyers
        .into_iter()
        .map(|(mut buyer, form)| {
            let told = told.clone();
            thread::spawn(move || {
                let answer = buyer.order(&form);
                if answer.status == 303 {
                    let _ = told.send(answer.header("location").unwrap().to_owned());
                }
            })
        })
        .collect();
    drop(told);
    // The first is through, the others are anywhere.
    let first = confirmed.recv().unwrap();
    shop.api.kill();
    buying.into_iter().for_each(|buyer| buyer.join().unwrap());
    let confirmed: Vec<String> = [first].into_iter().chain(confirmed).collect();

    let _api = Process::start(
        "api",
        shop.state.path(),
        &["--listen", &shop.api.addr.to_string()],
    );
    let _worker = shop.worker(&[]);
    for order in &confirmed {
        assert_eq!(shop.web.get(order).status, 200, "{order}");
        until("its letter is there", || {
            shop.letters().iter().any(|letter| letter.contains(order))
        });
    }
    let left = shop.api.json::<Value>("/products/1")["stock"]
        .as_u64()
        .unwrap();
    assert!(
        50 - left >= confirmed.len() as u64 && left >= 42,
        "{left} left, {} confirmed",
        confirmed.len()
    );
}
