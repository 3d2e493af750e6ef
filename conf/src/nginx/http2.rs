//! ngx_http_v2_module.

use super::read::{Reader, is_on};
use super::tree::Directive;
use crate::model::{Http2Limits, Listener};
use seawall_diag::Diagnostic;

/// Switches HTTP/2 on for the listeners of servers that say `http2 on`, their own or `http`'s word. A listener speaks it
/// for all of its servers if it does for one, for the protocol is agreed on before the server is known: where that makes a
/// difference it is a warning.
pub(crate) fn switch_on(
    reader: &mut Reader<'_>,
    http: &Directive,
    servers: &[(&Directive, Vec<usize>)],
    listeners: &mut [Listener],
) {
    let said = |d: &Directive| d.children().find(|d| d.name() == "http2").map(is_on);
    let outer = said(http).unwrap_or(false);
    let (on, off): (Vec<_>, Vec<_>) = servers.iter().partition(|(d, _)| said(d).unwrap_or(outer));
    for (server, own) in on {
        for index in own {
            if let Some(listener) = listeners.get_mut(*index) {
                listener.http2 = true;
            }
            if off.iter().any(|(_, others)| others.contains(index)) {
                let message = "http2 is on for all servers of a listen, since it is for this one";
                reader
                    .found
                    .push(Diagnostic::warning("approximated", server.at(), message));
                return;
            }
        }
    }
}

/// `http2_max_concurrent_streams`: the largest of all servers, 128 without one.
pub(crate) fn limits(reader: &mut Reader<'_>, http: &Directive) -> Http2Limits {
    let servers = http
        .children()
        .filter(|d| d.name() == "server")
        .flat_map(Directive::children);
    let mut streams = None;
    for d in http.children().chain(servers) {
        if d.name() == "http2_max_concurrent_streams" {
            streams = streams.max(reader.number(d).map(|n| n.clamp(1, 10_000) as u32));
        }
    }
    Http2Limits {
        streams: streams.unwrap_or(128),
        ..Http2Limits::default()
    }
}
