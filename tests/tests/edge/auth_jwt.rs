//! Tokens, signed by openssl.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use seawall_tests::{Edge, Origin, Response, Running, eventually, php::Nginx, tls::Authority};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

/// Keys made by openssl in a directory of their own.
struct Issuer {
    directory: tempfile::TempDir,
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("openssl");
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

impl Issuer {
    fn new() -> Self {
        let issuer = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        let (rsa, ed) = (issuer.path("rsa.pem"), issuer.path("ed.pem"));
        openssl(&[
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
            "-out",
            text(&rsa),
        ]);
        openssl(&["genpkey", "-algorithm", "ED25519", "-out", text(&ed)]);
        for (name, curve) in [("p256", "P-256"), ("p384", "P-384")] {
            let file = issuer.path(&format!("{name}.pem"));
            let curve = format!("ec_paramgen_curve:{curve}");
            openssl(&[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                &curve,
                "-out",
                text(&file),
            ]);
        }
        issuer
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Both public keys; the ids are `PREFIXrsa` and `PREFIXed`.
    fn keys(&self, prefix: &str) -> String {
        let modulus = openssl(&[
            "rsa",
            "-in",
            text(&self.path("rsa.pem")),
            "-noout",
            "-modulus",
        ]);
        let modulus = String::from_utf8(modulus).expect("text");
        let hex = modulus.trim().trim_start_matches("Modulus=");
        let bytes: Vec<u8> = hex
            .as_bytes()
            .chunks(2)
            .map(|c| u8::from_str_radix(std::str::from_utf8(c).expect("hex"), 16).expect("hex"))
            .collect();
        let der = openssl(&[
            "pkey",
            "-in",
            text(&self.path("ed.pem")),
            "-pubout",
            "-outform",
            "DER",
        ]);
        let ed = &der[der.len() - 32..];
        // An EC key's DER ends with its point: 4, x, y.
        let point = |name: &str, size: usize| {
            let file = self.path(&format!("{name}.pem"));
            let der = openssl(&["pkey", "-in", text(&file), "-pubout", "-outform", "DER"]);
            let y = der.len() - size;
            (BASE64.encode(&der[y - size..y]), BASE64.encode(&der[y..]))
        };
        let (p256, p384) = (point("p256", 32), point("p384", 48));
        json!({ "keys": [
            { "kty": "oct", "kid": "symmetric", "k": "c2VjcmV0" },
            { "kty": "RSA", "kid": format!("{prefix}rsa"), "use": "sig", "alg": "RS256", "e": "AQAB", "n": BASE64.encode(&bytes) },
            { "kty": "RSA", "kid": format!("{prefix}pss"), "e": "AQAB", "n": BASE64.encode(&bytes) },
            { "kty": "EC", "crv": "P-256", "kid": format!("{prefix}p256"), "x": p256.0, "y": p256.1 },
            { "kty": "EC", "crv": "P-384", "kid": format!("{prefix}p384"), "x": p384.0, "y": p384.1 },
            { "kty": "OKP", "crv": "Ed25519", "kid": format!("{prefix}ed"), "x": BASE64.encode(ed) },
        ]})
        .to_string()
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            BASE64.encode(header.to_string()),
            BASE64.encode(claims.to_string())
        );
        let message = self.path("message");
        std::fs::write(&message, &signed).expect("a file");
        let signature = match header["alg"].as_str() {
            Some("RS256") => openssl(&[
                "dgst",
                "-sha256",
                "-sign",
                text(&self.path("rsa.pem")),
                text(&message),
            ]),
            Some("EdDSA") => openssl(&[
                "pkeyutl",
                "-sign",
                "-inkey",
                text(&self.path("ed.pem")),
                "-rawin",
                "-in",
                text(&message),
            ]),
            Some(alg @ ("PS256" | "PS384" | "PS512")) => openssl(&[
                "dgst",
                &format!("-sha{}", &alg[2..]),
                "-sign",
                text(&self.path("rsa.pem")),
                "-sigopt",
                "rsa_padding_mode:pss",
                "-sigopt",
                "rsa_pss_saltlen:digest",
                text(&message),
            ]),
            Some(alg @ ("ES256" | "ES384")) => {
                let key = self.path(&format!("p{}.pem", &alg[2..]));
                let digest = format!("-sha{}", &alg[2..]);
                let der = openssl(&["dgst", &digest, "-sign", text(&key), text(&message)]);
                let size = if alg == "ES256" { 32 } else { 48 };
                raw_signature(&der, size)
            }
            Some("HS256") => openssl(&[
                "dgst",
                "-sha256",
                "-hmac",
                "secret",
                "-binary",
                text(&message),
            ]),
            _ => Vec::new(),
        };
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

/// The two numbers of an ECDSA signature in DER, each of so many bytes (RFC 7518 §3.4).
fn raw_signature(der: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 2;
    for _ in 0..2 {
        let length = usize::from(der[at + 1]);
        let number = &der[at + 2..at + 2 + length];
        let number = &number[number.len().saturating_sub(size)..];
        out.extend(std::iter::repeat_n(0, size - number.len()));
        out.extend_from_slice(number);
        at += 2 + length;
    }
    out
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_secs()
}

/// Claims of a token that is good.
fn claims() -> Value {
    json!({
        "sub": "alice", "iss": "https://id.test", "aud": ["shop", "other"], "exp": now() + 600, "nbf": now() - 60,
        "realm": { "roles": ["staff", "a,admin", "buyer"] }, "level": 3, "line": "a\r\nX-Evil: 1",
    })
}

const JWT: &str = "algorithms: [RS256, EdDSA], audience: shop, issuer: \"https://id.test\", \
                   claims: { sub: X-User, realm.roles: X-Roles, level: X-Level, line: X-Line, none: X-None }";

fn guarded(origin: &Origin, issuer: &Issuer, more: &str) -> Running {
    let edge = Edge::yaml(format!(
        "caches: {{ default: {{ memory: 1MiB }} }}
sites: [{{ host: a.test, to: \"{origin}\", cache: default, auth: {{ jwt: {{ jwks: keys.json, {JWT} {more} }} }} }}]"
    ));
    edge.write("keys.json", issuer.keys(""));
    edge.start()
}

fn ask(edge: &Running, token: &str, more: &str) -> Response {
    edge.exchange(format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
    ))
}

#[test]
fn a_good_token_names_its_holder() {
    let (origin, issuer) = (Origin::start(), Issuer::new());
    let edge = guarded(&origin, &issuer, "");
    for (alg, kid) in [("RS256", "rsa"), ("EdDSA", "ed")] {
        let token = issuer.token(&json!({"alg": alg, "kid": kid, "typ": "JWT"}), &claims());
        for _ in 0..2 {
            let lies = "X-User: root\r\nX_User: root\r\nX-None: root\r\nX-Line: root\r\n";
            assert_eq!(ask(&edge, &token, lies).status, 200, "{alg}");
            let asked = origin.last();
            assert_eq!(asked.field("X-User"), Some("alice"));
            assert_eq!(asked.field("X-Roles"), Some("staff,buyer"));
            assert_eq!(asked.field("X-Level"), Some("3"));
            for (name, value) in &asked.fields {
                assert!(value != "root" && name != "X-Evil", "{name}: {value}");
            }
        }
    }
    // A token without a key's name is tried with those of its kind.
    let token = issuer.token(&json!({"alg": "EdDSA"}), &claims());
    assert_eq!(ask(&edge, &token, "").status, 200);
}

#[test]
fn a_bad_token_is_refused_with_its_reason() {
    let (origin, issuer) = (Origin::start(), Issuer::new());
    let other = Issuer::new();
    let edge = guarded(&origin, &issuer, "");
    let header = json!({"alg": "EdDSA", "kid": "ed"});
    let with = |name: &str, value: Value| {
        let mut all = claims();
        all[name] = value;
        issuer.token(&header, &all)
    };
    let without = |name: &str| {
        let mut all = claims();
        all.as_object_mut().expect("an object").remove(name);
        issuer.token(&header, &all)
    };
    let good = issuer.token(&header, &claims());
    let (head_and_claims, _) = good.rsplit_once('.').expect("a token");
    let cases = [
        (with("exp", json!(now() - 120)), "expired"),
        (with("nbf", json!(now() + 120)), "not valid yet"),
        (with("aud", json!("another")), "somebody else"),
        (with("iss", json!("https://evil.test")), "issuer"),
        (with("exp", json!("tomorrow")), ""),
        (without("exp"), "missing"),
        (without("aud"), "missing"),
        (without("iss"), "missing"),
        (other.token(&header, &claims()), "signature"),
        (
            issuer.token(&json!({"alg": "EdDSA", "kid": "nobody"}), &claims()),
            "unknown",
        ),
        (issuer.token(&json!({"alg": "none"}), &claims()), ""),
        (format!("{head_and_claims}."), "signature"),
        // The public set is known to everybody: what it holds must not sign.
        (
            issuer.token(&json!({"alg": "HS256", "kid": "symmetric"}), &claims()),
            "algorithm",
        ),
        (
            issuer.token(&json!({"alg": "HS256", "kid": "rsa"}), &claims()),
            "algorithm",
        ),
        (
            issuer.token(&json!({"alg": "RS256", "kid": "ed"}), &claims()),
            "unknown",
        ),
        (
            issuer.token(
                &json!({"alg": "EdDSA", "kid": "ed", "crit": ["exp"]}),
                &claims(),
            ),
            "not understood",
        ),
        ("x.y.z".into(), ""),
        ("....".into(), ""),
        ("a".repeat(9000), "too long"),
    ];
    for (token, why) in &cases {
        let answer = ask(&edge, token, "");
        assert_eq!(answer.status, 401, "{why}: {token}");
        let said = answer.has("WWW-Authenticate");
        assert!(
            said.starts_with("Bearer realm=\"a.test\", error=\"invalid_token\"")
                && said.contains(why),
            "{why}: {said}"
        );
    }
    let none = edge.get("a.test", "/");
    assert_eq!(
        (none.status, none.has("WWW-Authenticate")),
        (401, "Bearer realm=\"a.test\"")
    );
    assert_eq!(
        ask(&edge, &good, &format!("Authorization: Bearer {good}\r\n")).status,
        401
    );
    assert_eq!(origin.received().len(), 0);
    edge.counts(
        "seawall_access_total{result=\"bad_token\",site=\"a.test\"}",
        cases.len() as u64 + 1,
    );
    edge.counts("seawall_panics_total", 0);
    assert_eq!(ask(&edge, &good, "").status, 200);
}

#[test]
fn a_token_may_stand_in_a_cookie_or_be_optional() {
    let (origin, issuer) = (Origin::start(), Issuer::new());
    let edge = guarded(
        &origin,
        &issuer,
        ", from: { cookie: token }, required: false",
    );
    let token = issuer.token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims());
    let with = |cookie: &str| {
        edge.exchange(format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\nX-User: root\r\nCookie: a=b; token={cookie}\r\n\r\n"
        ))
        .status
    };
    assert_eq!(with(&token), 200);
    assert_eq!(origin.last().field("X-User"), Some("alice"));
    assert_eq!(with(&format!("{token}x")), 401);
    let none = edge.exchange("GET / HTTP/1.1\r\nHost: a.test\r\nX-User: root\r\n\r\n");
    assert_eq!(none.status, 200);
    assert_eq!(origin.last().field("X-User"), None);
}

#[test]
fn keys_are_fetched_and_fetched_again_for_one_that_is_new() {
    let (origin, issuer, server) = (Origin::start(), Issuer::new(), Origin::start());
    server.serve(
        "/jwks",
        "Content-Type: application/json\r\n",
        &issuer.keys("old-"),
    );
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"{origin}\", auth: {{ jwt: {{ jwks: \"http://{server}/jwks\", {JWT} }} }} }}]"
    ))
    .start();
    let token = |prefix: &str| {
        issuer.token(
            &json!({"alg": "EdDSA", "kid": format!("{prefix}ed")}),
            &claims(),
        )
    };
    let old = token("old-");
    eventually("the first keys", || {
        (ask(&edge, &old, "").status == 200).then_some(())
    });
    // Keys change: the unknown one has them fetched, and what was verified with the old ones counts no more.
    server.serve("/jwks", "", &issuer.keys("new-"));
    let new = token("new-");
    eventually("the next keys", || {
        (ask(&edge, &new, "").status == 200).then_some(())
    });
    assert_eq!(ask(&edge, &old, "").status, 401);
    // Invented keys do not make us ask more often.
    let invented: Vec<_> = (0..10).map(|n| token(&format!("{n}-"))).collect();
    for token in invented.iter().cycle().take(100) {
        assert_eq!(ask(&edge, token, "").status, 401);
    }
    assert!(server.hits("/jwks") < 10, "{}", server.hits("/jwks"));
}

#[test]
fn nobody_passes_before_there_are_keys() {
    let (origin, issuer, server) = (Origin::start(), Issuer::new(), Origin::start());
    server.answer("/jwks", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"{origin}\", auth: {{ jwt: {{ jwks: \"http://{server}/jwks\", {JWT} }} }} }}]"
    ))
    .start();
    let token = issuer.token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims());
    edge.logged("were not fetched");
    assert_eq!(ask(&edge, &token, "").status, 503);
    assert_eq!(edge.get("a.test", "/").status, 401);
    assert_eq!(origin.received().len(), 0);
}

#[test]
fn symmetric_and_no_algorithms_are_no_configuration() {
    for (algorithms, word) in [
        ("algorithms: [HS256],", "HS256"),
        ("algorithms: [none],", "none"),
        ("algorithms: [],", "algorithm"),
        ("", "algorithms"),
        ("algorithms: [RS25],", "RS256"),
    ] {
        let edge = Edge::yaml(format!(
            "sites: [{{ host: a.test, respond: 200, auth: {{ jwt: {{ {algorithms} jwks: keys.json }} }} }}]"
        ));
        let (status, said) = edge.start_in_vain();
        assert!(
            !status.success() && said.contains(word),
            "{algorithms}: {said}"
        );
    }
    let edge = Edge::yaml(
        "sites: [{ host: a.test, respond: 200, auth: { jwt: { algorithms: RS256, jwks: keys.json } } }]",
    );
    edge.write("keys.json", "{\"keys\": []}");
    let (status, said) = edge.start_in_vain();
    assert!(!status.success() && said.contains("keys.json"), "{said}");
}

const EVERY: &str = "algorithms: [RS256, EdDSA, ES256, ES384, PS256, PS384, PS512], audience: shop, issuer: \"https://id.test\"";

#[test]
fn elliptic_curves_and_probabilistic_signatures_are_verified() {
    let (origin, issuer) = (Origin::start(), Issuer::new());
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"{origin}\", auth: {{ jwt: {{ jwks: keys.json, {EVERY} }} }} }}]"
    ));
    edge.write("keys.json", issuer.keys(""));
    let edge = edge.start();
    for (alg, kid) in [
        ("ES256", "p256"),
        ("ES384", "p384"),
        ("PS256", "pss"),
        ("PS384", "pss"),
        ("PS512", "pss"),
    ] {
        let token = issuer.token(&json!({"alg": alg, "kid": kid}), &claims());
        assert_eq!(ask(&edge, &token, "").status, 200, "{alg}");
        let (head_and_claims, signature) = token.rsplit_once('.').expect("a token");
        let mut other: Vec<u8> = signature.bytes().rev().collect();
        other.rotate_left(7);
        let other = String::from_utf8(other).expect("text");
        assert_eq!(
            ask(&edge, &format!("{head_and_claims}.{other}"), "").status,
            401,
            "{alg}"
        );
        let wrong = issuer.token(&json!({"alg": alg, "kid": "ed"}), &claims());
        assert_eq!(ask(&edge, &wrong, "").status, 401, "{alg}");
    }
}

#[test]
fn keys_are_fetched_over_tls_from_who_proves_its_name_alone() {
    let (origin, issuer) = (Origin::start(), Issuer::new());
    for (ca, status) in [("ca-root.pem", 200), ("other-root.pem", 503)] {
        let edge = Edge::yaml(format!(
            "sites: [{{ host: a.test, to: \"{origin}\", auth: {{ jwt: {{ jwks: \"https://@peer@/jwks\", {EVERY} }} }} }}]"
        ));
        let directory = edge.path("");
        let peer = edge.address("peer");
        let own = Authority::make(&directory, "ca", "127.0.0.1");
        Authority::make(&directory, "other", "127.0.0.1");
        edge.write("jwks", issuer.keys(""));
        let http = format!(
            "server {{ listen {peer} ssl; root {}; ssl_certificate {}; ssl_certificate_key {}; }}",
            directory.display(),
            own.server.0.display(),
            own.server.1.display()
        );
        let _nginx = Nginx::start(&directory, peer, &http);
        let trusted = directory.join(ca).display().to_string();
        let edge = edge.env("SSL_CERT_FILE", &trusted).start();
        let token = issuer.token(&json!({"alg": "ES256", "kid": "p256"}), &claims());
        eventually("the answer", || {
            (ask(&edge, &token, "").status == status).then_some(())
        });
    }
}

#[test]
fn limits_by_a_claim_count_users_wherever_they_come_from_and_only_those_who_are_verified() {
    let issuer = Issuer::new();
    let edge = Edge::yaml(format!(
        "trusted_proxies: [127.0.0.1]
sites:
  - host: a.test
    auth: {{ jwt: {{ jwks: keys.json, {JWT} }} }}
    rate_limit: [{{ key: $jwt_claim_sub, rate: 1/h, burst: 1 }}, {{ key: \"$client_ip\", rate: 1/h, burst: 4 }}]
    respond: {{ status: 200, body: \"$jwt_claim_sub $jwt_claim_level $jwt_claim_none\" }}"
    ));
    edge.write("keys.json", issuer.keys(""));
    let edge = edge.start();
    let of = |user: &str| {
        let mut claims = claims();
        claims["sub"] = user.into();
        issuer.token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims)
    };
    let (alice, bob) = (of("alice"), of("bob"));
    let from =
        |token: &str, address: &str| ask(&edge, token, &format!("X-Forwarded-For: {address}\r\n"));
    // The same user from two addresses has one bucket, two users at one address have two.
    assert_eq!(from(&alice, "192.0.2.1").text(), "alice 3 ");
    assert_eq!(from(&alice, "192.0.2.2").status, 200);
    let refused = from(&alice, "192.0.2.3");
    assert_eq!(refused.status, 429);
    assert_eq!(refused.has("RateLimit-Policy"), "\"default\";q=2;w=7200");
    assert!(refused.has("Retry-After").parse::<u64>().expect("seconds") > 1800);
    assert_eq!(from(&bob, "192.0.2.1").status, 200);
    // Nobody uses up a share of alice by saying that he is her, and who does is counted by his address.
    let forged = format!("{}x", of("carol"));
    for _ in 0..5 {
        assert_eq!(from(&forged, "192.0.2.9").status, 401);
    }
    assert_eq!(from(&forged, "192.0.2.9").status, 429);
    assert_eq!(from(&of("carol"), "192.0.2.4").status, 200);
}
