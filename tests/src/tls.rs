//! A TLS client that trusts exactly one CA, and certificates made for a test.

use crate::{Client, PATIENCE, Stream};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{
    io,
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

/// What a handshake came to.
pub struct Session {
    /// The connection, ready for requests.
    pub client: Client,
    /// `http/1.1`, if that was agreed on.
    pub alpn: Option<String>,
    /// The certificate that the server showed, DER.
    pub certificate: Vec<u8>,
}

/// Shakes hands for `name`, trusting the CAs in the PEM file `ca`.
///
/// # Errors
/// The handshake's.
pub fn connect(address: SocketAddr, name: &str, ca: &Path) -> io::Result<Session> {
    shake(address, name, trusting(ca, &[b"http/1.1"])?)
}

/// Shakes hands for `name` in a way of one's own.
///
/// # Errors
/// The handshake's.
pub fn shake(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> io::Result<Session> {
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    let alpn = session
        .alpn_protocol()
        .map(|p| String::from_utf8_lossy(p).into_owned());
    let certificate = session
        .peer_certificates()
        .and_then(|c| c.first())
        .map(|c| c.to_vec())
        .unwrap_or_default();
    let client = Client::over(Box::new(StreamOwned::new(session, socket)));
    Ok(Session {
        client,
        alpn,
        certificate,
    })
}

/// What a client needs that trusts the CAs in the PEM file `ca` and offers these protocols.
///
/// # Errors
/// The file's.
pub fn trusting(ca: &Path, alpn: &[&[u8]]) -> io::Result<Arc<ClientConfig>> {
    identified(ca, alpn, None)
}

/// The same with a certificate of the client's own: its chain and its key, PEM.
///
/// # Errors
/// The files'.
pub fn identified(
    ca: &Path,
    alpn: &[&[u8]],
    identity: Option<(&Path, &Path)>,
) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in rustls_pemfile::certs(&mut io::BufReader::new(std::fs::File::open(ca)?)) {
        roots.add(certificate?).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = CertificateDer::pem_file_iter(chain).map_err(io::Error::other)?;
            let chain = chain.collect::<Result<_, _>>().map_err(io::Error::other)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
            let with = config.with_client_auth_cert(chain, key);
            with.map_err(io::Error::other)?
        }
    };
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Writes a new self-signed certificate for `name` and its key.
///
/// # Panics
/// When the files cannot be written.
pub fn write_certificate(name: &str, certificate: &Path, key: &Path) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    std::fs::write(key, made.signing_key.serialize_pem()).expect("the key's file");
    std::fs::write(certificate, made.cert.pem()).expect("the certificate's file");
}

/// A CA made for a test, with a server's certificate and a client's under it.
pub struct Authority {
    /// Its root, PEM.
    pub root: std::path::PathBuf,
    /// The server's chain and key.
    pub server: (std::path::PathBuf, std::path::PathBuf),
    /// The client's chain and key.
    pub client: (std::path::PathBuf, std::path::PathBuf),
}

impl Authority {
    /// Makes one; its files begin with `name` in the directory, and the server's certificate is for `server`.
    ///
    /// # Panics
    /// When the files cannot be written.
    pub fn make(directory: &Path, name: &str, server: &str) -> Self {
        use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
        let write = |file: &str, text: String| {
            let path = directory.join(format!("{name}-{file}"));
            std::fs::write(&path, text).expect("a file");
            path
        };
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{name} root"));
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a root");
        let issuer = Issuer::new(params, key);
        let leaf = |file: &str, names: Vec<String>| {
            let mut params = CertificateParams::new(names).expect("parameters");
            params.distinguished_name.push(DnType::CommonName, file);
            let key = KeyPair::generate().expect("a key");
            let made = params.signed_by(&key, &issuer).expect("a certificate");
            (
                write(&format!("{file}.pem"), made.pem()),
                write(&format!("{file}.key"), key.serialize_pem()),
            )
        };
        Self {
            server: leaf("server", vec![server.to_owned()]),
            client: leaf("client", vec!["client.test".to_owned()]),
            root: write("root.pem", root.pem()),
        }
    }
}
