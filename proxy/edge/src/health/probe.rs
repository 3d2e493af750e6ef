//! One check: a connection to the server, TLS where the pool speaks it, then what the check asks.

use super::{grpc, http};
use crate::plan::{CheckPlan, PeerSlot, PoolPlan};
use seawall_conf::model::{Address, CheckKind};
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

/// `Ok` when the server is healthy, else why it is not.
pub(super) async fn probe(
    pool: &PoolPlan,
    slot: &PeerSlot,
    plan: &CheckPlan,
) -> Result<(), String> {
    let text = |e: io::Error| e.to_string();
    let port = |own: u16| plan.check.port.unwrap_or(own);
    let stream = match &slot.address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(text)?;
            return over(pool, slot, plan, stream).await;
        }
        Address::Ip(a) => TcpStream::connect((a.ip(), port(a.port()))).await,
        // As requests reach it: at the address that its name had last.
        Address::Name(name, own) => match slot.ip() {
            Some(ip) => TcpStream::connect((ip, port(*own))).await,
            None => TcpStream::connect((name.as_str(), port(*own))).await,
        },
    };
    over(pool, slot, plan, stream.map_err(text)?).await
}

async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    pool: &PoolPlan,
    slot: &PeerSlot,
    plan: &CheckPlan,
    stream: S,
) -> Result<(), String> {
    let (Some(sni), Some(config)) = (&slot.sni, &pool.check_tls) else {
        return ask(slot, plan, stream).await;
    };
    let name = rustls::pki_types::ServerName::try_from(sni.clone()).map_err(|e| e.to_string())?;
    let config = match &plan.check.kind {
        CheckKind::Grpc(_) => {
            let mut config = (**config).clone();
            config.alpn_protocols = vec![b"h2".to_vec()];
            Arc::new(config)
        }
        _ => config.clone(),
    };
    let connector = tokio_rustls::TlsConnector::from(config);
    let stream = connector.connect(name, stream).await;
    ask(slot, plan, stream.map_err(|e| e.to_string())?).await
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    slot: &PeerSlot,
    plan: &CheckPlan,
    stream: S,
) -> Result<(), String> {
    match &plan.check.kind {
        CheckKind::Tcp => Ok(()),
        CheckKind::Http(check) => http::ask(slot, check, plan, stream).await,
        CheckKind::Grpc(service) => grpc::ask(slot, service, stream).await,
    }
}
