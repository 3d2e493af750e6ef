//! Serves zone files on one address, over UDP and TCP: `serve 127.0.0.1:25010 shop.test=shop.test.zone ...`
//!
//! With `--sign DIRECTORY` before the zones, keeps keys there and signs them; `--nsec3` and `--ed25519` say how.
//! With `--dump FILE` it writes the last zone as a zone file of generic data instead of serving it.

use seawall_diag::SourceMap;
use seawall_dns::{
    Algorithm, AlwaysUp, Denial, KeyFile, Shared, Signer, SigningOptions, TcpLimits, Zone, Zones,
    serve_tcp, serve_udp,
};
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
    let (mut sign, mut dump) = (None, None);
    let mut options = SigningOptions::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--sign" => sign = arguments.next(),
            "--dump" => dump = arguments.next(),
            "--nsec3" => options.denial = Denial::Nsec3,
            "--ed25519" => options.keys.algorithm = Algorithm::Ed25519,
            _ => {}
        }
        if argument.starts_with("--") {
            continue;
        }
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
                zones.push(match &sign {
                    Some(directory) => signed(&zone, Path::new(directory), options)?,
                    None => zone,
                });
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
    if let Some(path) = dump {
        let text: String = zones.iter().map(Zone::to_text).collect();
        std::fs::write(path, text)?;
        return Ok(());
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

/// Signs a zone with the keys in a directory, and says how long it took.
fn signed(zone: &Zone, directory: &Path, options: SigningOptions) -> Result<Zone, Box<dyn Error>> {
    let store = KeyFile::of(directory, &zone.origin().to_string());
    let mut signer = Signer::open(zone.origin(), options, Box::new(store))?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs();
    let started = std::time::Instant::now();
    let (zone, events) = signer.sign(zone, now)?;
    let (signatures, made) = signer.status().signatures;
    eprintln!(
        "{signatures} signatures, {made} made, in {:?}",
        started.elapsed()
    );
    events
        .iter()
        .chain(&signer.ds())
        .for_each(|line| eprintln!("{line}"));
    signer.published(now)?;
    Ok(zone)
}
