//! `listen` and `server_name` (ngx_http_core_module).

use super::lex::Word;
use super::read::{Reader, pattern};
use super::stream::everybody;
use super::tree::Directive;
use crate::address;
use crate::model::{Address, HostName, Listener, ProxyProtocol};
use seawall_diag::{Diagnostic, Span};

/// One address of one `listen`.
pub(crate) struct Listen {
    pub(crate) index: usize,
    pub(crate) tls: bool,
    pub(crate) at: Span,
}

/// Parameters that tune the socket and nothing else.
const TUNING: &[&str] = &[
    "reuseport",
    "deferred",
    "bind",
    "ipv6only=on",
    "so_keepalive=on",
    "so_keepalive=off",
    "multipath",
];
const TUNING_VALUES: &[&str] = &[
    "backlog=",
    "rcvbuf=",
    "sndbuf=",
    "setfib=",
    "fastopen=",
    "accept_filter=",
    "so_keepalive=",
];

/// Reads the `listen`s of one server into the list of all; without any it is `*:80`.
pub(crate) fn listens(
    reader: &mut Reader<'_>,
    server: &Directive,
    all: &mut Vec<Listener>,
    site: usize,
) -> Vec<Listen> {
    let mut own: Vec<Listen> = Vec::new();
    for d in server.children().filter(|d| d.name() == "listen") {
        let Some(word) = d.args.first() else { continue };
        let addresses = match addresses(&word.text) {
            Ok(addresses) => addresses,
            Err(message) => {
                reader.error(word.at, format!("{message} of the \"listen\" directive"));
                continue;
            }
        };
        let (tls, default, http2) = parameters(reader, d);
        for address in addresses {
            add(reader, address, d.at(), tls, default, all, &mut own, site);
            if d.args.iter().any(|w| w.text == "proxy_protocol")
                && let Some(listener) = own.last().and_then(|l| all.get_mut(l.index))
            {
                // nginx takes a header from whoever connects; whom it believes is `set_real_ip_from`'s to say.
                listener
                    .proxy_protocol
                    .get_or_insert_with(|| ProxyProtocol {
                        from: everybody(),
                        believe: Vec::new(),
                    });
            }
            if http2 && let Some(listener) = own.last().and_then(|l| all.get_mut(l.index)) {
                listener.http2 = true;
            }
        }
    }
    if own.is_empty() && !server.children().any(|d| d.name() == "listen") {
        for address in addresses("80").unwrap_or_default() {
            add(
                reader,
                address,
                server.at(),
                false,
                false,
                all,
                &mut own,
                site,
            );
        }
    }
    own
}

#[allow(
    clippy::too_many_arguments,
    reason = "one place that knows a listen directive whole"
)]
fn add(
    reader: &mut Reader<'_>,
    address: Address,
    at: Span,
    tls: bool,
    default: bool,
    all: &mut Vec<Listener>,
    own: &mut Vec<Listen>,
    site: usize,
) {
    let index = match all.iter().position(|l| l.address == address) {
        Some(index) => index,
        None => {
            all.push(Listener {
                at,
                address,
                tls: false,
                http2: false,
                proxy_protocol: None,
                name: None,
                default_site: None,
            });
            all.len() - 1
        }
    };
    let Some(listener) = all.get_mut(index) else {
        return;
    };
    let shown = show(&listener.address);
    if let Some(first) = own.iter().find(|l| l.index == index) {
        let finding =
            Diagnostic::error("nginx-duplicate", at, format!("a duplicate listen {shown}"));
        reader
            .found
            .push(finding.related(first.at, "first written here"));
        return;
    }
    // TLS belongs to the address: one server's `ssl` is every server's.
    listener.tls |= tls;
    if default {
        if listener.default_site.is_some() {
            let finding = Diagnostic::error(
                "nginx-duplicate",
                at,
                format!("a duplicate default server for {shown}"),
            );
            reader
                .found
                .push(finding.related(listener.at, "first written here"));
        }
        listener.default_site = Some(site);
        listener.at = at;
    }
    own.push(Listen { index, tls, at });
}

/// nginx's forms: a port is `*:port`, an address without a port has port 80.
fn addresses(text: &str) -> Result<Vec<Address>, String> {
    if text.parse::<u16>().is_ok_and(|p| p > 0) {
        return address::listen(&format!("*:{text}"));
    }
    let has_port =
        text.starts_with("unix:") || text.rsplit_once(':').is_some_and(|(_, p)| !p.contains(']'));
    if has_port {
        address::listen(text)
    } else {
        address::listen(&format!("{text}:80"))
    }
}

/// As nginx shows an address.
pub(crate) fn show(address: &Address) -> String {
    match address {
        Address::Ip(address) => address.to_string(),
        Address::Name(host, port) => format!("{host}:{port}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// Whether it says `ssl`, `default_server` and `http2`.
fn parameters(reader: &mut Reader<'_>, d: &Directive) -> (bool, bool, bool) {
    let (mut tls, mut default, mut http2) = (false, false, false);
    for word in d.args.iter().skip(1) {
        match word.text.as_str() {
            "ssl" => tls = true,
            "default_server" | "default" => default = true,
            "http2" => http2 = true,
            // Of the address, as `ssl`: read with it.
            "proxy_protocol" => {}
            "quic" | "ipv6only=off" | "spdy" | "http3" => {
                reader.not_yet(word.at, &format!("\"{}\" of \"listen\"", word.text));
            }
            text if TUNING.contains(&text) || TUNING_VALUES.iter().any(|t| text.starts_with(t)) => {
            }
            _ => reader.invalid_parameter(word),
        }
    }
    (tls, default, http2)
}

/// Reads the `server_name`s of one server; none is the empty name.
pub(crate) fn names(reader: &mut Reader<'_>, server: &Directive) -> Vec<HostName> {
    let mut names = Vec::new();
    for d in server.children().filter(|d| d.name() == "server_name") {
        for word in &d.args {
            name(reader, word, &mut names);
        }
    }
    if names.is_empty() {
        names.push(HostName::Empty);
    }
    names
}

pub(crate) fn name(reader: &mut Reader<'_>, word: &Word, names: &mut Vec<HostName>) {
    let text = word.text.as_str();
    if let Some(regex) = text.strip_prefix('~') {
        if regex.is_empty() {
            reader.error(word.at, format!("empty regex in server name \"{text}\""));
            return;
        }
        // Names are compared in lower case (ngx_http_core_server_name).
        names.push(HostName::Regex(pattern(word, regex, true, false)));
        return;
    }
    let lower = text.to_ascii_lowercase();
    let is_plain = |t: &str| !t.contains('*') && !t.is_empty();
    if text.is_empty() {
        names.push(HostName::Empty);
    } else if lower == "$hostname" {
        names.push(HostName::Exact(hostname()));
    } else if let Some(rest) = lower.strip_prefix("*.").filter(|r| is_plain(r)) {
        names.push(HostName::Suffix(rest.to_owned()));
    } else if let Some(rest) = lower.strip_prefix('.').filter(|r| is_plain(r)) {
        names.push(HostName::Exact(rest.to_owned()));
        names.push(HostName::Suffix(rest.to_owned()));
    } else if let Some(rest) = lower.strip_suffix(".*").filter(|r| is_plain(r)) {
        names.push(HostName::Prefix(rest.to_owned()));
    } else if is_plain(&lower) && !lower.starts_with('.') {
        names.push(HostName::Exact(lower));
    } else {
        reader.error(
            word.at,
            format!("invalid server name or wildcard \"{text}\""),
        );
    }
}

/// This machine's name, as the kernel has it.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}
