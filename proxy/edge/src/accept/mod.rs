//! From a taken connection to whoever speaks its protocol: the PROXY header, the TLS client's name, the handshake.
//!
//! A plain HTTP connection of a listener without any of this never comes here.

pub mod metrics;
mod preread;
mod wire;

pub use metrics::AcceptMetrics;
pub use preread::{NoHeader, hello, proxy_header};
pub use wire::{Socket, Wire};

use crate::{
    io::Io,
    local::Local,
    log_error,
    plan::ListenerPlan,
    stream,
    thread::handshake,
    timer::Timer,
    tx::{ConnInfo, Proxied},
};
use seawall_conf::model::ProxyProtocol;
use seawall_tls::ClientHello;
use std::{rc::Rc, time::Duration};

/// Whether a connection of this listener is plain HTTP from its first byte on.
pub fn is_plain(listener: &ListenerPlan) -> bool {
    !listener.tls && listener.proxy_protocol.is_none()
}

/// Brings a connection to where HTTP begins. `None`: it is served already, or refused, or gone.
pub async fn open(local: &Rc<Local>, socket: Socket, info: &mut ConnInfo) -> Option<Io> {
    let plan = local.plan();
    let Some(listener) = plan.listener(info.listener) else {
        // A stream's address, or one that was taken away while the connection waited.
        let stream = plan.stream(info.listener)?.clone();
        drop(plan);
        stream::serve(local, socket, info, stream, Vec::new()).await;
        return None;
    };
    info.tls = listener.tls;
    let timer = local.timers.timer();
    if let Some(wanted) = &listener.proxy_protocol {
        learn(local, &socket, &timer, wanted, plan.head_timeout, info).await?;
    }
    if !listener.tls {
        return Some(match socket {
            Socket::Tcp(s) => Io::Tcp(s),
            Socket::Unix(s) => Io::Unix(s),
        });
    }
    let mut ahead = Vec::new();
    if let Some(carried) = &listener.carried {
        timer.set(plan.head_timeout);
        let (said, bytes) = match hello(&socket, &timer).await {
            Ok(read) => read,
            Err(why) => {
                if let NoHeader::Late = why {
                    local.shared.metrics.timeouts.tls.inc();
                }
                return None;
            }
        };
        if let ClientHello::Whole(Some(name)) = &said
            && let Some(stream) = carried.find(name)
        {
            let stream = stream.clone();
            drop(plan);
            info.tls = false;
            stream::carry(local, socket, info, stream, bytes, Some(name)).await;
            return None;
        }
        ahead = bytes;
    }
    drop(plan);
    handshake(local, Wire::new(socket, ahead), info).await
}

/// Reads the PROXY header and takes over what it says. `None`: the connection is refused or gone.
pub async fn learn(
    local: &Local,
    socket: &Socket,
    timer: &Timer,
    wanted: &ProxyProtocol,
    timeout: Duration,
    info: &mut ConnInfo,
) -> Option<()> {
    let metrics = &local.shared.metrics.accept;
    let peer = info.peer.map(|p| p.ip());
    if !wanted.admits(peer) {
        metrics.untrusted.inc();
        log_error!(
            local.shared,
            Warn,
            info.serial,
            "a connection from outside proxy_protocol.from is refused, client: {}",
            info.peer_text
        );
        return None;
    }
    timer.set(timeout);
    let header = match proxy_header(socket, timer).await {
        Ok(header) => header,
        Err(why) => {
            let text = match why {
                NoHeader::Gone => return None,
                NoHeader::Late => {
                    metrics.late.inc();
                    "no PROXY protocol header in time".to_owned()
                }
                NoHeader::Bad(e) => {
                    metrics.bad.inc();
                    e.to_string()
                }
            };
            log_error!(
                local.shared,
                Error,
                info.serial,
                "{text}, client: {}, server: {}",
                info.peer_text,
                info.local.map_or_else(String::new, |a| a.to_string())
            );
            return None;
        }
    };
    let source = header.source();
    let believed = source.filter(|_| wanted.believes(peer));
    info.proxied = Some(Rc::new(Proxied {
        header,
        from: info.peer,
    }));
    if let Some(source) = believed {
        info.peer = Some(source);
        info.peer_text = source.ip().to_string();
    }
    Some(())
}
