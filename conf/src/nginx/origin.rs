//! What ngx_http_proxy_module and ngx_http_grpc_module say of connections to origins and of what is passed on.

use super::lex::Word;
use super::read::{Reader, is_on};
use super::tree::Directive;
use crate::address;
use crate::model::{
    Address, CertificateFiles, Interim, PassOn, PoolTls, RequestBuffering, ResponseBuffering,
    Template,
};
use seawall_diag::Span;
use std::{net::SocketAddr, path::PathBuf};

/// nginx's 8 buffers of 4 KiB are less than one read takes here.
const READ_AHEAD_BYTES_MIN: u64 = 64 << 10;

/// How far a response is read ahead where nothing is said.
pub(crate) fn read_ahead() -> ResponseBuffering {
    ResponseBuffering {
        memory: READ_AHEAD_BYTES_MIN,
        disk: 1 << 30,
    }
}

type File = Option<(PathBuf, Span)>;

/// What a level says, each value inherited where the inner one is silent.
#[derive(Clone)]
pub(crate) struct OriginScope {
    pub(crate) http2: bool,
    pub(crate) request_buffering: RequestBuffering,
    pub(crate) ignore_client_abort: bool,
    response_buffering: bool,
    read_ahead: ResponseBuffering,
    name: Option<String>,
    server_name: bool,
    verify: bool,
    trusted: File,
    crl: File,
    certificate: File,
    key: File,
    trailers: bool,
    hints: Vec<Template>,
    /// Who is asked for names that requests bring.
    pub(crate) resolver: Vec<SocketAddr>,
}

impl Default for OriginScope {
    fn default() -> Self {
        Self {
            http2: false,
            request_buffering: RequestBuffering::All,
            ignore_client_abort: false,
            response_buffering: true,
            read_ahead: read_ahead(),
            name: None,
            server_name: false,
            verify: false,
            trusted: None,
            crl: None,
            certificate: None,
            key: None,
            trailers: false,
            hints: Vec::new(),
            resolver: Vec::new(),
        }
    }
}

impl OriginScope {
    pub(crate) fn apply(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        let Some(word) = d.args.first() else { return };
        let file = |reader: &Reader<'_>| match word.text.as_str() {
            "" => None,
            text => Some((reader.path(text), word.at)),
        };
        match d.name() {
            "proxy_request_buffering" => {
                self.request_buffering = if is_on(d) {
                    RequestBuffering::All
                } else {
                    RequestBuffering::Never
                }
            }
            "proxy_ignore_client_abort" => self.ignore_client_abort = is_on(d),
            "proxy_buffering" => self.response_buffering = is_on(d),
            "proxy_buffers" => self.buffers(reader, d),
            "proxy_max_temp_file_size" => {
                self.read_ahead.disk = reader.size(d).unwrap_or(self.read_ahead.disk);
            }
            "proxy_ssl_name" | "grpc_ssl_name" if word.text.contains('$') => {
                reader.not_yet(word.at, "a name that is a variable")
            }
            "proxy_ssl_name" | "grpc_ssl_name" => self.name = Some(word.text.clone()),
            "proxy_ssl_server_name" | "grpc_ssl_server_name" => self.server_name = is_on(d),
            "proxy_ssl_verify" | "grpc_ssl_verify" => self.verify = is_on(d),
            "proxy_ssl_trusted_certificate" | "grpc_ssl_trusted_certificate" => {
                self.trusted = file(reader)
            }
            "proxy_ssl_crl" | "grpc_ssl_crl" => self.crl = file(reader),
            "proxy_ssl_certificate" | "grpc_ssl_certificate" => self.certificate = file(reader),
            "proxy_ssl_certificate_key" | "grpc_ssl_certificate_key" => self.key = file(reader),
            // Errors are said where the upstreams are read.
            "resolver" => {
                let address = |w: &Word| match address::host_port(&w.text, Some(53)) {
                    Ok(Address::Ip(address)) if !w.text.contains('=') => Some(address),
                    _ => None,
                };
                self.resolver = d.args.iter().filter_map(address).collect();
            }
            "proxy_pass_trailers" => self.trailers = is_on(d),
            "early_hints" => {
                self.hints = d.args.iter().map(|w| reader.template(w)).collect();
            }
            _ => {}
        }
    }

    /// `proxy_buffers number size`: their product is what counts.
    fn buffers(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        let [number, size] = d.args.as_slice() else {
            return;
        };
        let Some(size) = reader.size_word(size, &size.text) else {
            return;
        };
        match number.text.parse::<u32>() {
            // ngx_conf_set_bufs_slot and ngx_http_proxy_module refuse less than two.
            Ok(number) if number >= 2 && size > 0 => {
                let bytes = size.saturating_mul(u64::from(number));
                self.read_ahead.memory = bytes.max(READ_AHEAD_BYTES_MIN);
            }
            _ => reader.error(number.at, "\"proxy_buffers\" directive invalid value"),
        }
    }

    /// How far responses are read ahead.
    pub(crate) fn response_buffering(&self) -> Option<ResponseBuffering> {
        self.response_buffering.then_some(self.read_ahead)
    }

    /// TLS as this level has it. `host` is the name in `proxy_pass`, which is asked for unless another is.
    pub(crate) fn tls(&self, reader: &mut Reader<'_>, at: Span, host: &str) -> PoolTls {
        if self.verify && self.trusted.is_none() {
            reader.error(at, "no proxy_ssl_trusted_certificate for proxy_ssl_verify");
        }
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some(CertificateFiles {
                certificate: certificate.clone(),
                key: key.clone(),
                ocsp: None,
            }),
            (Some((path, at)), None) => {
                let message = format!(
                    "no \"proxy_ssl_certificate_key\" is defined for certificate \"{}\"",
                    path.display()
                );
                reader.error(*at, message);
                None
            }
            (None, _) => None,
        };
        let name = self.name.clone().unwrap_or_else(|| host.to_owned());
        PoolTls {
            sni: (!name.is_empty()).then_some(name),
            nameless: !self.server_name,
            ca: self.trusted.clone(),
            verify: self.verify,
            crl: self.crl.clone(),
            identity,
        }
    }

    /// What is passed on besides.
    pub(crate) fn pass_on(&self) -> PassOn {
        PassOn {
            trailers: self.trailers,
            interim: if self.hints.is_empty() {
                Interim::Never
            } else {
                Interim::When(self.hints.clone())
            },
            ..PassOn::nothing()
        }
    }
}
