//! Sites whose clients must show a certificate.

use nix::sys::signal::Signal;
use seawall_tests::{Edge, Running, eventually, tls};

struct Served {
    edge: Running,
    ours: tls::Authority,
    others: tls::Authority,
}

fn served() -> Served {
    let edge = Edge::yaml("");
    let directory = edge.path("pki");
    std::fs::create_dir(&directory).unwrap();
    let ours = tls::Authority::make(&directory, "ours", "a.test");
    let others = tls::Authority::make(&directory, "others", "a.test");
    edge.rewrite(configuration(&ours, &others));
    Served {
        edge: edge.start(),
        ours,
        others,
    }
}

fn configuration(ours: &tls::Authority, others: &tls::Authority) -> String {
    format!(
        "listen: [{{ http: \"@http@\" }}, {{ https: \"@https@\" }}]
sites:
  - {{ host: private.test, tls: {{ clients: {} }}, respond: {{ status: 200, body: private }} }}
  - {{ host: other.test, tls: {{ clients: {} }}, respond: {{ status: 200, body: other }} }}
  - {{ host: open.test, respond: {{ status: 200, body: open }} }}",
        ours.root.display(),
        others.root.display()
    )
}

impl Served {
    /// A request on a fresh connection; the status and the body, or nothing where the handshake or the request failed.
    fn ask(
        &self,
        sni: &str,
        host: &str,
        identity: Option<&tls::Authority>,
    ) -> Option<(u16, String)> {
        let identity = identity.map(|a| (a.client.0.as_path(), a.client.1.as_path()));
        let ca = self.edge.path("state/ca/ca.pem");
        let config = tls::identified(&ca, &[b"http/1.1"], identity).unwrap();
        let mut session = tls::shake(self.edge.address("https"), sni, config).ok()?;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        session.client.try_send(&request).ok()?;
        let response = session.client.try_response().ok()?;
        Some((response.status, response.text()))
    }
}

#[test]
fn who_shows_no_certificate_or_one_of_strangers_is_not_let_in() {
    let served = served();
    let ok = |body: &str| Some((200, body.to_owned()));
    assert_eq!(
        served.ask("private.test", "private.test", Some(&served.ours)),
        ok("private")
    );
    assert_eq!(served.ask("private.test", "private.test", None), None);
    assert_eq!(
        served.ask("private.test", "private.test", Some(&served.others)),
        None
    );
    assert_eq!(served.ask("open.test", "open.test", None), ok("open"));
    let client = served.edge.get("private.test", "/");
    assert_eq!(client.status, 308, "in plain there is nothing to see");
}

#[test]
fn another_names_handshake_does_not_open_the_site() {
    let served = served();
    let status = |sni, host, who| served.ask(sni, host, who).map(|(status, _)| status);
    assert_eq!(status("open.test", "private.test", None), Some(421));
    assert_eq!(
        status("open.test", "private.test", Some(&served.ours)),
        Some(421)
    );
    assert_eq!(
        status("other.test", "private.test", Some(&served.others)),
        Some(421)
    );
    // Who has shown more than is needed is welcome.
    assert_eq!(
        status("private.test", "open.test", Some(&served.ours)),
        Some(200)
    );
}

#[test]
fn a_reload_keeps_the_connections_whose_authorities_stay_and_no_others() {
    let served = served();
    let edge = &served.edge;
    let identity = (
        served.ours.client.0.as_path(),
        served.ours.client.1.as_path(),
    );
    let ca = edge.path("state/ca/ca.pem");
    let config = tls::identified(&ca, &[b"http/1.1"], Some(identity)).unwrap();
    let mut kept = tls::shake(edge.address("https"), "private.test", config).unwrap();
    assert_eq!(kept.client.get("private.test", "/").status, 200);
    edge.signal(Signal::SIGHUP);
    edge.logged("configuration is live, generation 2");
    assert_eq!(kept.client.get("private.test", "/").status, 200);
    std::fs::copy(&served.others.root, &served.ours.root).unwrap();
    edge.signal(Signal::SIGHUP);
    eventually("the new authorities", || {
        (kept.client.get("private.test", "/").status == 421).then_some(())
    });
}

#[test]
fn authorities_that_are_missing_keep_the_configuration_from_being_loaded() {
    let edge = Edge::yaml(
        "listen: [{ https: \"@https@\" }]
sites: [{ host: a.test, tls: { clients: none.pem }, respond: 200 }]",
    );
    let (status, said) = edge.start_in_vain();
    assert!(!status.success());
    assert!(
        said.contains("none.pem") && said.contains("no-authorities"),
        "{said}"
    );
}
