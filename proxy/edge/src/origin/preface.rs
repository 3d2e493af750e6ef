//! The PROXY header that goes before a request, where a pool asks for one (nginx's stream module: `proxy_protocol on`).

use crate::tx::ConnInfo;
use seawall_conf::model::ProxyVersion;
use seawall_http::proxy_protocol::{Said, encode_v1, encode_v2};

/// The header for a client's connection; one that says nothing of a client where there is none, or where its
/// connection has no addresses (a unix socket).
pub fn preface(version: ProxyVersion, client: Option<&ConnInfo>) -> Vec<u8> {
    let ends = client.and_then(|info| Some((info.peer?, info.local?)));
    let mut out = Vec::new();
    match version {
        ProxyVersion::V1 => encode_v1(ends, &mut out),
        ProxyVersion::V2 => {
            let said = match (ends, client) {
                (Some((source, destination)), _) => Said::Stream {
                    source,
                    destination,
                },
                (None, Some(_)) => Said::Unknown,
                (None, None) => Said::Local,
            };
            encode_v2(said, &[], &mut out);
        }
    }
    out
}
