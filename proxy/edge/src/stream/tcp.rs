//! A connection that is carried as it is.

use super::{
    Place, Session, Status,
    connect::connect,
    pump::{End, pump},
};
use crate::{
    accept::{self, NoHeader, Socket, Wire, hello},
    local::Local,
    log_error,
    plan::{PoolPlan, StreamPlan},
    timer::Timer,
    tx::ConnInfo,
};
use seawall_conf::model::ProxyVersion;
use seawall_http::proxy_protocol::{Said, encode_v1, encode_v2};
use seawall_tls::ClientHello;
use std::{rc::Rc, sync::Arc, time::Instant};
use tokio::io::AsyncWriteExt;

/// Serves a connection of a stream's own address; `ahead` was read of it.
pub async fn serve(
    local: &Rc<Local>,
    socket: Socket,
    info: &mut ConnInfo,
    stream: Arc<StreamPlan>,
    ahead: Vec<u8>,
) {
    carry(local, socket, info, stream, ahead, None).await;
}

/// Carries a connection, of which `ahead` was read to learn the `name` it asks for.
pub async fn carry(
    local: &Rc<Local>,
    socket: Socket,
    info: &mut ConnInfo,
    stream: Arc<StreamPlan>,
    ahead: Vec<u8>,
    name: Option<&str>,
) {
    let began = Instant::now();
    let mut session = Session {
        serial: info.serial,
        server: info.local,
        name: name.map(str::to_owned),
        ..Session::default()
    };
    stream.metrics.connections.inc();
    let status = run(local, socket, info, &stream, ahead, &mut session).await;
    session.ms = began.elapsed().as_millis() as u64;
    session.status = status.code();
    session.client = info.peer;
    session.client_text.clone_from(&info.peer_text);
    session.proxied = info.proxied.as_ref().and_then(|p| p.header.source());
    stream.metrics.received.inc_by(session.received);
    stream.metrics.sent.inc_by(session.sent);
    stream.log(local, &session);
}

async fn run(
    local: &Rc<Local>,
    socket: Socket,
    info: &mut ConnInfo,
    stream: &StreamPlan,
    mut ahead: Vec<u8>,
    session: &mut Session,
) -> Status {
    let Some(_place) = Place::take(&stream.open, stream.sessions_max) else {
        stream.metrics.too_many.inc();
        log_error!(
            local.shared,
            Warn,
            info.serial,
            "stream \"{}\" has {} connections, which is its limit, client: {}",
            stream.name,
            stream.sessions_max,
            info.peer_text
        );
        return Status::TooMany;
    };
    let timer = local.timers.timer();
    let first = stream.timeouts.first;
    if let Some(wanted) = &stream.accept_proxy
        && accept::learn(local, &socket, &timer, wanted, first, info)
            .await
            .is_none()
    {
        return Status::Bad;
    }
    session.client_text.clone_from(&info.peer_text);
    if !stream.admits(info.peer.map(|p| p.ip())) {
        stream.metrics.forbidden.inc();
        log_error!(
            local.shared,
            Error,
            info.serial,
            "access forbidden by rule, client: {}, server: {}",
            info.peer_text,
            stream.name
        );
        return Status::Forbidden;
    }
    if stream.reads_names() && session.name.is_none() {
        match read_name(&socket, &timer, stream, session).await {
            Some(bytes) => ahead = bytes,
            None => return Status::Bad,
        }
    }
    let Some(pool) = stream.pool(session.name.as_deref()) else {
        stream.metrics.no_name.inc();
        log_error!(
            local.shared,
            Info,
            info.serial,
            "no server for the name \"{}\", client: {}, server: {}",
            session.name.as_deref().unwrap_or_default(),
            info.peer_text,
            stream.name
        );
        return Status::Bad;
    };
    let client = Wire::new(socket, ahead);
    exchange(local, &timer, client, info, stream, &pool.live(), session).await
}

/// The name that a TLS client asks for; what is no TLS has none. `None`: the client is gone or says nothing.
async fn read_name(
    socket: &Socket,
    timer: &Timer,
    stream: &StreamPlan,
    session: &mut Session,
) -> Option<Vec<u8>> {
    timer.set(stream.timeouts.first);
    match hello(socket, timer).await {
        Ok((said, bytes)) => {
            if let ClientHello::Whole(name) = said {
                session.name = name;
            }
            Some(bytes)
        }
        Err(NoHeader::Late) => {
            stream.metrics.timeouts.inc();
            None
        }
        Err(_) => None,
    }
}

async fn exchange(
    local: &Rc<Local>,
    timer: &Timer,
    mut client: Wire,
    info: &ConnInfo,
    stream: &StreamPlan,
    pool: &PoolPlan,
    session: &mut Session,
) -> Status {
    let connect_timeout = stream.timeouts.connect;
    let Some(mut server) = connect(local, timer, pool, connect_timeout, session).await else {
        stream.metrics.unconnected.inc();
        return Status::NoServer;
    };
    if let Some(version) = stream.proxy_protocol {
        let mut header = Vec::with_capacity(128);
        say_who(version, info, session.name.as_deref(), &mut header);
        timer.set(connect_timeout);
        // The kernel's buffer is empty: that a header does not fit means that the connection is broken.
        if !matches!(
            timer.guard(server.wire.write_all(&header)).await,
            Ok(Ok(()))
        ) {
            stream.metrics.unconnected.inc();
            return Status::NoServer;
        }
    }
    let idle = stream.timeouts.idle;
    let counts = (&mut session.received, &mut session.sent);
    let end = pump(&mut client, &mut server.wire, timer, idle, counts).await;
    let why = match end {
        End::Done => return Status::Ended,
        End::Idle => {
            stream.metrics.timeouts.inc();
            "idle for too long".to_owned()
        }
        End::Broken(e) => e.to_string(),
    };
    log_error!(
        local.shared,
        Info,
        info.serial,
        "{why} while carrying a stream, client: {}, server: {}, upstream: \"{}\"",
        info.peer_text,
        stream.name,
        session.tried.last().map_or("", |t| t)
    );
    Status::Ended
}

/// The PROXY header for a server: the client, and what it connected to as the proxy before us said it, or as we see it.
fn say_who(version: ProxyVersion, info: &ConnInfo, name: Option<&str>, out: &mut Vec<u8>) {
    let said = info.proxied.as_ref().and_then(|p| p.header.destination());
    let ends = info.peer.zip(said.or(info.local));
    match version {
        ProxyVersion::V1 => encode_v1(ends, out),
        ProxyVersion::V2 => {
            let said = ends.map_or(Said::Unknown, |(source, destination)| Said::Stream {
                source,
                destination,
            });
            let name = name.map(|n| (seawall_http::proxy_protocol::value::AUTHORITY, n.as_bytes()));
            encode_v2(said, name.as_slice(), out);
        }
    }
}
