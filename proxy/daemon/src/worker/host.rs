//! What the edge asks of the keeper: sockets, logs and keys.

use crate::{
    keeper::{ClientError, KeeperClient, protocol::OpenMode},
    log::ErrorLog,
};
use seawall_conf::{
    FileReader,
    model::{Address, LogLevel},
};
use seawall_edge::Host;
use seawall_sys::listen::Endpoint;
use std::{
    fmt,
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    os::fd::OwnedFd,
    path::Path,
    sync::{Arc, Mutex},
};

/// Bytes of a key, certificate, rule or zone file at most.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// The keeper as the edge sees it.
pub struct KeeperHost {
    keeper: KeeperClient,
    /// Addresses that are not the edge's: DNS, admin, metrics.
    others: Mutex<Vec<Endpoint>>,
    edge: Mutex<Vec<Endpoint>>,
}

impl KeeperHost {
    /// Asks `keeper`.
    pub fn new(keeper: KeeperClient) -> Self {
        Self {
            keeper,
            others: Mutex::default(),
            edge: Mutex::default(),
        }
    }

    /// A way to read the configuration: with our own rights where they are enough, else through the keeper.
    pub fn reader(self: &Arc<Self>) -> FileReader {
        let host = self.clone();
        Arc::new(move |path| host.read(path))
    }

    /// Says what the daemon is doing, for whoever manages it.
    pub fn tell_status(&self, text: &str) {
        // A keeper that is gone tells nobody.
        let _ = self.keeper.status(text);
    }

    /// Sockets for what is not the edge's.
    pub fn sockets(&self, endpoint: &Endpoint, count: usize) -> io::Result<Vec<OwnedFd>> {
        let (sockets, _) = self.keeper.listen(endpoint, count).map_err(why_not)?;
        if let Ok(mut others) = self.others.lock()
            && !others.contains(endpoint)
        {
            others.push(endpoint.clone());
        }
        Ok(sockets)
    }

    /// Addresses of the last configuration that this one does not have are closed.
    pub fn retain_others(&self, keep: &[Endpoint]) {
        if let Ok(mut others) = self.others.lock() {
            others.retain(|e| keep.contains(e));
        }
        self.say_retained();
    }

    fn say_retained(&self) {
        let (Ok(others), Ok(edge)) = (self.others.lock(), self.edge.lock()) else {
            return;
        };
        let all: Vec<Endpoint> = edge.iter().chain(others.iter()).cloned().collect();
        // A keeper that is gone closes nothing, and the worker will hear of it.
        let _ = self.keeper.retain(&all);
    }
}

/// An address as the keeper knows it. Names are not listened on.
pub fn endpoint(address: &Address) -> Option<Endpoint> {
    match address {
        Address::Ip(a) => Some(Endpoint::Tcp(*a)),
        Address::Unix(path) => Some(Endpoint::Unix(path.clone())),
        Address::Name(..) => None,
    }
}

/// A UDP address.
pub fn udp(address: SocketAddr) -> Endpoint {
    Endpoint::Udp(address)
}

/// Why an address cannot be listened on, as nginx puts it behind `bind() to ADDRESS failed`: `98: Address already in use`.
fn why_not(e: ClientError) -> io::Error {
    let holder = match &e {
        ClientError::Refused { holder, .. } => holder.clone(),
        _ => None,
    };
    let error = to_io(e);
    match error.raw_os_error() {
        Some(number) => {
            let words = error.to_string();
            let words = words.split(" (os error").next().unwrap_or_default();
            let holder = holder.map(|h| format!("; {h}")).unwrap_or_default();
            io::Error::new(error.kind(), format!("{number}: {words}{holder}"))
        }
        None => error,
    }
}

fn to_io(e: ClientError) -> io::Error {
    match e {
        ClientError::Refused { errno: Some(n), .. } => io::Error::from_raw_os_error(n),
        other => io::Error::other(other.to_string()),
    }
}

impl Host for KeeperHost {
    fn open_log(&self, path: &Path) -> io::Result<File> {
        self.keeper.open(path, OpenMode::Append).map_err(to_io)
    }

    fn rotate_log(&self, path: &Path) -> io::Result<File> {
        self.keeper.open(path, OpenMode::Rotate).map_err(to_io)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // What the worker's own user may read needs no privilege: zone includes, for one, are named in no configuration.
        let file = match File::open(path) {
            Ok(file) => file,
            Err(own) if own.kind() == io::ErrorKind::PermissionDenied => {
                self.keeper.open(path, OpenMode::Read).map_err(to_io)?
            }
            Err(own) => return Err(own),
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn listen(&self, address: &Address, count: usize) -> io::Result<Vec<OwnedFd>> {
        let endpoint = endpoint(address).ok_or(io::ErrorKind::InvalidInput)?;
        self.keeper
            .listen(&endpoint, count)
            .map(|(sockets, _)| sockets)
            .map_err(why_not)
    }

    fn listen_udp(&self, address: SocketAddr, count: usize) -> io::Result<Vec<OwnedFd>> {
        self.keeper
            .listen(&udp(address), count)
            .map(|(sockets, _)| sockets)
            .map_err(why_not)
    }

    fn retain(&self, addresses: &[Address], datagrams: &[SocketAddr]) {
        if let Ok(mut edge) = self.edge.lock() {
            let streams = addresses.iter().filter_map(endpoint);
            *edge = streams.chain(datagrams.iter().copied().map(udp)).collect();
        }
        self.say_retained();
    }
}

/// The error log as the edge sees it.
pub struct EdgeLog(pub ErrorLog);

impl seawall_edge::log::ErrorLog for EdgeLog {
    fn enabled(&self, level: LogLevel) -> bool {
        self.0.enabled(level)
    }

    fn line(&self, level: LogLevel, connection: u64, text: fmt::Arguments<'_>) {
        self.0.line(level, connection, text);
    }
}
