//! `acme`: the CA that issues for public names.

use super::read::{Fields, Reader, Shape};
use super::tree::{Node, Value};
use crate::model::{Acme, AcmeAccount, AcmeChallenge, SecretText};
use std::{net::SocketAddr, time::Duration};

pub(super) const ACME: Shape = Shape {
    what: "`acme`",
    fields: &[
        "directory",
        "fallback",
        "email",
        "agree_tos",
        "challenge",
        "ca",
        "eab",
        "profile",
        "resolver",
        "retry",
        "timeout",
    ],
    not_yet: &[],
};

pub(super) const EAB: Shape = Shape {
    what: "`eab`",
    fields: &["key_id", "key"],
    not_yet: &[],
};

/// The directory of Let's Encrypt, which is asked unless another is named.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// CAs that are asked one after the other.
const DIRECTORIES_MAX: usize = 4;

/// The first pause after a failure unless said otherwise.
const RETRY: Duration = Duration::from_secs(120);

/// The time for one request to the CA unless said otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What sites need to know of how certificates are issued.
#[derive(Clone, Copy)]
pub(crate) struct Issuing<'a> {
    /// The CA, if one is named.
    pub(crate) acme: Option<&'a Acme>,
    /// Whether zones are served here: dns-01 goes nowhere else.
    pub(crate) has_zones: bool,
}

/// Reads `acme`. `None` where it says that there is to be none, or is wrong.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Acme> {
    if node.is_off() {
        return None;
    }
    let fields = reader.open(node, &ACME)?;
    agreed(reader, &fields);
    let challenges = [
        ("tls-alpn-01", AcmeChallenge::TlsAlpn01),
        ("http-01", AcmeChallenge::Http01),
        ("dns-01", AcmeChallenge::Dns01),
    ];
    let challenge = fields
        .get("challenge")
        .and_then(|n| reader.choice(n, &challenges, &[]))
        .unwrap_or(AcmeChallenge::TlsAlpn01);
    let duration = |reader: &mut Reader<'_>, name: &str, default: Duration| {
        let given = fields.get(name).and_then(|n| reader.duration(n));
        given.filter(|d| !d.is_zero()).unwrap_or(default)
    };
    Some(Acme {
        at: node.at,
        directories: directories(reader, &fields),
        email: email(reader, &fields),
        challenge,
        ca: fields.get("ca").and_then(|n| Some((reader.path(n)?, n.at))),
        eab: fields.get("eab").and_then(|n| eab(reader, n)),
        profile: fields
            .get("profile")
            .and_then(|n| reader.string(n))
            .map(str::to_owned),
        name_servers: name_servers(reader, &fields),
        retry: duration(reader, "retry", RETRY),
        timeout: duration(reader, "timeout", TIMEOUT),
    })
}

/// A CA's terms are agreed to by the operator, not by us.
fn agreed(reader: &mut Reader<'_>, fields: &Fields<'_>) {
    let help = "read the CA's terms of service (Let's Encrypt: https://letsencrypt.org/repository/), then write `agree_tos: true`";
    match fields.get("agree_tos") {
        Some(node) => {
            if reader.boolean(node) == Some(false) {
                let message = "no CA issues to who does not agree to its terms";
                reader.invalid(node.at, message, help);
            }
        }
        None => reader.invalid(fields.at, "`acme` needs `agree_tos: true`", help),
    }
}

fn directories(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<String> {
    let mut all = Vec::new();
    let named = ["directory", "fallback"].map(|name| fields.get(name));
    if named.first().is_none_or(Option::is_none) {
        all.push(LETS_ENCRYPT.to_owned());
    }
    for node in named.into_iter().flatten() {
        for node in reader.list(node) {
            let Some(text) = reader.string(node) else {
                continue;
            };
            if !text.starts_with("https://") || text.len() <= "https://".len() {
                let message = format!("`{text}` is no ACME directory");
                reader.invalid(
                    node.at,
                    message,
                    "write its URL: https://ca.example/directory",
                );
                continue;
            }
            all.push(text.to_owned());
        }
    }
    if all.len() > DIRECTORIES_MAX {
        let message = format!("at most {DIRECTORIES_MAX} CAs are asked one after the other");
        reader.invalid(fields.at, message, "leave some out");
    }
    all
}

fn email(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for node in fields.get("email").map_or(&[][..], |n| reader.list(n)) {
        let Some(text) = reader.string(node) else {
            continue;
        };
        let text = text.strip_prefix("mailto:").unwrap_or(text);
        let is_one = text
            .split_once('@')
            .is_some_and(|(who, place)| !who.is_empty() && !place.is_empty())
            && !text.contains([' ', ',', '<', '?']);
        if is_one {
            all.push(text.to_owned());
        } else {
            let message = format!("`{text}` is no mail address");
            reader.invalid(node.at, message, "write you@example.com");
        }
    }
    all
}

fn eab(reader: &mut Reader<'_>, node: &Node) -> Option<AcmeAccount> {
    let fields = reader.open(node, &EAB)?;
    let mut get = |name: &str| {
        let found = fields.get(name);
        if found.is_none() {
            reader.missing(fields.at, "`eab`", name);
        }
        found
    };
    let (key_id, key) = (get("key_id"), get("key"));
    let key_id = reader.string(key_id?)?.to_owned();
    let key = key?;
    let key = match key.value {
        Value::Map(_) => {
            let (file, at) = reader.secret_file(key)?;
            SecretText::File(file, at)
        }
        _ => SecretText::Text(reader.string(key)?.to_owned(), key.at),
    };
    Some(AcmeAccount { key_id, key })
}

fn name_servers(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<SocketAddr> {
    let mut all = Vec::new();
    for node in fields.get("resolver").map_or(&[][..], |n| reader.list(n)) {
        let Some(text) = reader.string(node) else {
            continue;
        };
        let address = text
            .parse()
            .ok()
            .or_else(|| Some(SocketAddr::new(text.parse().ok()?, 53)));
        match address {
            Some(address) => all.push(address),
            None => {
                let message = format!("`{text}` is no address of a name server");
                reader.invalid(node.at, message, "write 192.0.2.53 or 127.0.0.1:5353");
            }
        }
    }
    all
}
