//! A person with a browser: keeps cookies, reads forms.

use crate::{
    harness::Process,
    http::{Request, Response},
};
use std::net::SocketAddr;

/// A person with a browser.
pub struct Customer {
    web: SocketAddr,
    cookies: Vec<(String, String)>,
}

impl Customer {
    pub fn of(web: &Process) -> Self {
        Self {
            web: web.addr,
            cookies: Vec::new(),
        }
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn send(&mut self, mut request: Request) -> Response {
        if !self.cookies.is_empty() {
            let jar: Vec<_> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header("cookie", &jar.join("; "));
        }
        let response = request.send(self.web);
        for (_, cookie) in response
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie")
        {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(n, _)| n != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        response
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.send(Request::get(path))
    }

    pub fn add(&mut self, product: u64, quantity: u32) -> Response {
        let fields = [
            ("product", &*product.to_string()),
            ("quantity", &*quantity.to_string()),
        ];
        self.send(Request::form("/cart/add", &fields).header("sec-fetch-site", "same-origin"))
    }

    /// The checkout form's hidden fields: token and attempt.
    pub fn checkout(&mut self) -> (String, String) {
        let page = self.get("/checkout");
        assert_eq!(page.status, 200, "{}", page.text());
        (
            page.quoted_after("name=\"token\" value=\""),
            page.quoted_after("name=\"attempt\" value=\""),
        )
    }

    pub fn order(&mut self, (token, attempt): &(String, String)) -> Response {
        let fields = [
            ("token", token.as_str()),
            ("attempt", attempt),
            ("name", "Zoë O'Quay"),
            ("email", "zoe@example.test"),
            ("street", "1 Mole <b>"),
            ("postcode", "AB1 2CD"),
            ("city", "Harbour"),
        ];
        self.send(Request::form("/checkout", &fields))
    }
}
