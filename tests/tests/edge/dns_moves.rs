//! An address that changes, as the README says it is done: the old one serves on until no cache can have it.

use super::dnssec::update;
use seawall_tests::{
    Client, Edge, Running,
    dns::{Type, ask},
    free_address,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

const ZONE: &str = "\
$TTL 1
@   IN SOA ns1 admin 1 3600 600 86400 1
@   IN NS  ns1
ns1 IN A   192.0.2.1
www IN A   127.0.0.2
";
const OLD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const NEW: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

/// A client that resolves a name again only when what it knows is over, as resolvers and browsers do.
struct Caching {
    known: Option<(Instant, IpAddr)>,
    port: u16,
}

impl Caching {
    /// Asks for the page where it believes the site to be. Gives where that was.
    fn get(&mut self, edge: &Running) -> IpAddr {
        let fresh = self.known.filter(|(until, _)| Instant::now() < *until);
        let (until, address) = fresh.unwrap_or_else(|| {
            let answer = ask(edge.address("dns"), "www.shop.test", Type::A);
            let ttl = answer.message.answers[0].ttl;
            let address = answer.data()[0].parse().expect("an address");
            (Instant::now() + Duration::from_secs(ttl.into()), address)
        });
        self.known = Some((until, address));
        let page = Client::connect(SocketAddr::new(address, self.port)).get("a.test", "/");
        assert_eq!((page.status, page.text().as_str()), (200, "ok"));
        address
    }
}

fn configuration(listen: &str) -> String {
    format!(
        "listen: [{listen}]
dns:
  listen: \"@dns@\"
  zones: [{{ name: shop.test, file: shop.test.zone, update: {{ from: 127.0.0.1 }} }}]
sites: [{{ host: a.test, respond: {{ status: 200, body: ok }} }}]"
    )
}

#[test]
fn the_old_address_serves_until_no_cache_has_it() {
    let port = free_address().port();
    let (old, new) = (SocketAddr::new(OLD, port), SocketAddr::new(NEW, port));
    let edge = Edge::yaml(configuration(&format!(
        "{{ http: \"{old}\" }}, {{ http: \"{new}\" }}"
    )));
    edge.write("shop.test.zone", ZONE);
    let edge = edge.start();
    let mut clients = [0; 3].map(|_| Caching { known: None, port });
    assert_eq!(clients.each_mut().map(|c| c.get(&edge)), [OLD; 3]);
    update(
        &edge,
        "shop.test",
        "update delete www.shop.test A\nupdate add www.shop.test 1 A 127.0.0.3",
    );
    // Whoever asks now gets the new one; who asked before is served at the old one.
    let mut late = Caching { known: None, port };
    assert_eq!(late.get(&edge), NEW);
    let changed = Instant::now();
    while clients.iter_mut().any(|c| c.get(&edge) == OLD) {
        assert!(
            changed.elapsed() < seawall_tests::PATIENCE,
            "it is cached for ever"
        );
    }
    // No cache has it any more: it may go, and nobody notices.
    edge.rewrite(configuration(&format!("{{ http: \"{new}\" }}")));
    edge.seawall(&["reload", "-c", &edge.config().to_string_lossy()]);
    seawall_tests::eventually("the old address is closed", || {
        assert_eq!(clients.each_mut().map(|c| c.get(&edge)), [NEW; 3]);
        Client::try_connect(old).is_err().then_some(())
    });
}
