//! Serves zone files on one address, over UDP and TCP: `serve 127.0.0.1:25010 shop.test=shop.test.zone ...`

use seawall_diag::SourceMap;
use seawall_dns::{AlwaysUp, Shared, TcpLimits, Zone, Zones, serve_tcp, serve_udp};
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::net::TcpSocket;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .ok_or("usage: serve ADDRESS:PORT NAME=FILE...")?;
    let mut sources = SourceMap::default();
    let mut zones = Vec::new();
    for argument in arguments {
        let (name, path) = argument
            .split_once('=')
            .ok_or("a zone is given as NAME=FILE")?;
        let file = sources.add(path, std::fs::read_to_string(path)?);
        let mut load = |path: &Path, from: &Path| {
            let path = from.parent().unwrap_or(Path::new("")).join(path);
            std::fs::read_to_string(&path).map(|text| (path, text))
        };
        match Zone::parse_with(name, &mut sources, file, &mut load) {
            Ok(zone) => {
                zone.warnings()
                    .lines(&sources)
                    .iter()
                    .for_each(|line| eprintln!("{line}"));
                eprintln!("{}: {} records", zone.origin(), zone.records());
                zones.push(zone);
            }
            Err(found) => {
                found
                    .lines(&sources)
                    .iter()
                    .for_each(|line| eprintln!("{line}"));
                return Err(format!("{path} cannot be served").into());
            }
        }
    }
    let shared = Arc::new(Shared::new(Zones::new(zones), Arc::new(AlwaysUp)));
    let socket = std::net::UdpSocket::bind(&address)?;
    let for_udp = Arc::clone(&shared);
    std::thread::spawn(move || serve_udp(socket, for_udp, Arc::new(AtomicBool::new(false))));
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let address: SocketAddr = address.parse()?;
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(1024)?;
        let limits = TcpLimits {
            per_client: 1024,
            ..TcpLimits::default()
        };
        serve_tcp(listener, shared, limits, stopped).await;
        Ok(())
    })
}
