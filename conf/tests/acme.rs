//! Who issues for which name, and what `acme` takes.

use seawall_conf::{
    LoadOptions, load_text,
    model::{AcmeChallenge, Config, SecretText, SiteTls},
};
use std::time::Duration;

fn load(text: &str) -> Result<(Config, Vec<String>), Vec<String>> {
    let codes = |all: &seawall_diag::Diagnostics| {
        all.iter()
            .map(|d| format!("{}: {}", d.code, d.message))
            .collect::<Vec<_>>()
    };
    let text = format!("listen: [{{ http: 80 }}, {{ https: 443 }}]\n{text}");
    match load_text("/etc/seawall/seawall.yaml", text, &LoadOptions::default()) {
        Ok((config, warnings)) => Ok((config, codes(&warnings))),
        Err(error) => Err(codes(&error.diagnostics)),
    }
}

const ACME: &str = "acme: { email: a@example.com, agree_tos: true }\n";

#[test]
fn a_public_name_is_the_cas_and_the_others_are_ours() {
    let (config, warnings) = load(&format!(
        "{ACME}sites:
  - {{ host: [shop.example.com, Shop.LAN, 192.0.2.1, localhost, x.test], respond: 200 }}
  - {{ host: vault.lan, respond: 200 }}
  - {{ host: forced.lan, tls: acme, respond: 200 }}
  - {{ host: ours.example.com, tls: internal, respond: 200 }}
"
    ))
    .unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let tls: Vec<&SiteTls> = config.sites.iter().map(|s| &s.tls).collect();
    assert!(matches!(tls[0], SiteTls::Acme(names) if names == &["shop.example.com"]));
    assert!(matches!(tls[1], SiteTls::Internal));
    assert!(matches!(tls[2], SiteTls::Acme(names) if names == &["forced.lan"]));
    assert!(matches!(tls[3], SiteTls::Internal));
    let acme = config.acme.unwrap();
    assert_eq!(acme.challenge, AcmeChallenge::TlsAlpn01);
    assert_eq!(
        acme.directories,
        ["https://acme-v02.api.letsencrypt.org/directory"]
    );
    assert_eq!(
        (acme.retry, acme.timeout),
        (Duration::from_secs(120), Duration::from_secs(30))
    );
}

#[test]
fn a_public_name_without_a_ca_is_served_and_warned_of() {
    let (config, warnings) = load("sites: [{ host: shop.example.com, respond: 200 }]").unwrap();
    assert!(matches!(config.sites[0].tls, SiteTls::Internal));
    assert!(warnings.len() == 1 && warnings[0].starts_with("no-acme: `shop.example.com`"));
    let forced = load("sites: [{ host: shop.lan, tls: acme, respond: 200 }]").unwrap_err();
    assert!(forced[0].starts_with("missing-field"), "{forced:?}");
    let nameless = load(&format!(
        "{ACME}sites: [{{ host: '*', tls: acme, respond: 200 }}]"
    ));
    assert!(nameless.unwrap_err()[0].contains("has none"));
}

#[test]
fn a_wildcard_needs_a_zone_of_ours() {
    let site = "sites: [{ host: ['*.example.com', example.com], respond: 200 }]\n";
    let (config, warnings) = load(&format!("{ACME}{site}")).unwrap();
    assert!(matches!(config.sites[0].tls, SiteTls::Internal));
    assert!(
        warnings[0].starts_with("no-zone: `*.example.com`"),
        "{warnings:?}"
    );
    let dns = "dns: { listen: '127.0.0.1:53', zones: [{ name: example.com, file: z }] }\n";
    let (config, warnings) = load(&format!("{ACME}{dns}{site}")).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(
        matches!(&config.sites[0].tls, SiteTls::Acme(names) if names == &["*.example.com", "example.com"])
    );
}

#[test]
fn clients_may_be_asked_for_certificates_whoever_issues() {
    let (config, _) = load(
        "sites:
  - { host: a.lan, tls: { clients: ca.pem }, respond: 200 }
  - { host: b.lan, tls: { certificate: c.pem, key: k.pem, clients: ca.pem, ocsp: c.ocsp }, respond: 200 }
  - { host: c.lan, respond: 200 }
",
    )
    .unwrap();
    let asked: Vec<bool> = config.sites.iter().map(|s| s.clients.is_some()).collect();
    assert_eq!(asked, [true, true, false]);
    assert!(matches!(config.sites[0].tls, SiteTls::Internal));
    assert!(matches!(&config.sites[1].tls, SiteTls::Files(pairs) if pairs[0].ocsp.is_some()));
    let half = load("sites: [{ host: a.lan, tls: { ocsp: c.ocsp }, respond: 200 }]").unwrap_err();
    assert_eq!(half.len(), 2, "{half:?}");
}

#[test]
fn everything_of_acme_is_read() {
    let (config, _) = load(
        "acme:
  directory: https://ca.example/dir
  fallback: [https://other.example/dir]
  email: [a@example.com, mailto:b@example.com]
  agree_tos: true
  challenge: http-01
  ca: ca.pem
  eab: { key_id: k1, key: { file: eab.key } }
  profile: shortlived
  resolver: [192.0.2.53, '127.0.0.1:5353']
  retry: 5s
  timeout: 3s
sites: []
",
    )
    .unwrap();
    let acme = config.acme.unwrap();
    assert_eq!(acme.directories.len(), 2);
    assert_eq!(acme.email, ["a@example.com", "b@example.com"]);
    assert_eq!(acme.challenge, AcmeChallenge::Http01);
    assert_eq!(acme.ca.unwrap().0.to_str(), Some("/etc/seawall/ca.pem"));
    let eab = acme.eab.unwrap();
    assert!(matches!(eab.key, SecretText::File(..)));
    assert!(!format!("{eab:?}").contains("eab.key"));
    assert_eq!(acme.name_servers[0].port(), 53);
    assert_eq!(
        (acme.retry, acme.timeout),
        (Duration::from_secs(5), Duration::from_secs(3))
    );
}

#[test]
fn what_makes_no_sense_is_refused_all_at_once() {
    let found = load(
        "acme: { directory: http://ca.example, email: nobody, agree_tos: false, challenge: dns, eab: { key_id: a }, resolver: ns.example, retry: soon }
sites: []
",
    )
    .unwrap_err();
    for part in [
        "is no ACME directory",
        "is no mail address",
        "does not agree",
        "`dns` is not known here",
        "`eab` needs `key`",
        "is no address of a name server",
        "`soon` cannot be read",
    ] {
        assert!(found.iter().any(|f| f.contains(part)), "{part}: {found:?}");
    }
    let silent = load("acme: { email: a@example.com }\nsites: []\n").unwrap_err();
    assert!(silent[0].contains("needs `agree_tos: true`"), "{silent:?}");
}
