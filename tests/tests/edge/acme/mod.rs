//! Certificates by ACME, with Pebble as the CA.

mod disk;
mod dns;
mod failures;
mod issuing;

use seawall_tests::{Edge, Running, eventually, pebble::Pebble, tls};

/// The zone that the CA resolves names with: everything is here.
const ZONE: &str = "\
$ORIGIN shop.test.
$TTL 60
@   IN SOA ns1 admin 1 3600 600 86400 60
@   IN NS  ns1
@   IN A   127.0.0.1
*   IN A   127.0.0.1
ns1 IN A   127.0.0.1
elsewhere IN A 127.0.0.9
elsewhere IN CAA 0 issue \"other.test\"
";

/// An edge with sites, a zone and a CA; `acme` is more of `acme: {...}`, each field with a comma before it.
fn with_ca(sites: &str, acme: &str, change: impl Fn(Pebble) -> Pebble) -> (Edge, Pebble) {
    let edge = Edge::yaml("");
    edge.write("shop.test.zone", ZONE);
    let pebble = change(Pebble::beside(&edge));
    configure(&edge, &pebble, sites, acme);
    (edge, pebble)
}

fn configure(edge: &Edge, pebble: &Pebble, sites: &str, acme: &str) {
    edge.rewrite(format!(
        "listen: [{{ http: \"@http@\" }}, {{ https: \"@https@\" }}]
dns: {{ listen: \"@dns@\", zones: [{{ name: shop.test, file: shop.test.zone }}] }}
acme: {{ directory: \"{}\", ca: \"{}\", email: admin@shop.test, agree_tos: true, retry: 500ms, resolver: \"@dns@\"{acme} }}
sites:
{sites}",
        pebble.directory(),
        pebble.server_root().display(),
    ));
}

const ONE_SITE: &str =
    "  - { host: shop.test, tls: acme, respond: { status: 200, body: \"hello\" } }";

/// Waits for the CA's certificate: a connection for `name` that trusts the CA alone.
fn issued(edge: &Running, pebble: &Pebble, name: &str) -> tls::Session {
    let root = pebble.root();
    eventually("the CA's certificate", || {
        tls::connect(edge.address("https"), name, &root).ok()
    })
}

/// What a command prints.
fn say(edge: &Edge, arguments: &[&str]) -> String {
    let socket = format!("--admin=unix:{}", edge.path("admin.sock").display());
    let all: Vec<&str> = arguments.iter().copied().chain([socket.as_str()]).collect();
    let output = edge.seawall(&all);
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

/// Waits until a certificate's timeline says something.
fn told(edge: &Edge, name: &str, text: &str) -> String {
    eventually(&format!("{text:?} in the timeline of {name}"), || {
        let shown = say(edge, &["cert", "show", name]);
        shown.contains(text).then_some(shown)
    })
}
