//! A stream's log line (ngx_stream_log_module): variables of the session, compiled once.

use super::Session;
use crate::{
    local::Local,
    log::{Buffering, LogSink},
};
use seawall_conf::model::{self, LogEscape, Part};
use seawall_diag::Diagnostics;
use std::io::Write;

/// An access log of a stream.
pub struct StreamLog {
    to: LogSink,
    pieces: Vec<Piece>,
    escape: LogEscape,
    how: Buffering,
}

enum Piece {
    Literal(Box<[u8]>),
    Variable(Variable),
}

#[derive(Clone, Copy)]
#[rustfmt::skip]
enum Variable {
    RemoteAddr, RemotePort, ServerAddr, ServerPort, Protocol, Status, BytesSent, BytesReceived, SessionTime, Connection, Pid,
    Hostname, TimeLocal, TimeIso8601, Msec, UpstreamAddr, UpstreamConnectTime, Name, ProxyAddr, ProxyPort,
}

#[rustfmt::skip]
fn variable(name: &str) -> Option<Variable> {
    use Variable::*;
    Some(match name {
        "remote_addr" | "client_ip" => RemoteAddr, "remote_port" => RemotePort, "server_addr" => ServerAddr,
        "server_port" => ServerPort, "protocol" => Protocol, "status" => Status, "bytes_sent" => BytesSent,
        "bytes_received" => BytesReceived, "session_time" => SessionTime, "connection" => Connection, "pid" => Pid,
        "hostname" => Hostname, "time_local" => TimeLocal, "time_iso8601" => TimeIso8601, "msec" => Msec,
        "upstream_addr" => UpstreamAddr, "upstream_connect_time" => UpstreamConnectTime,
        "ssl_preread_server_name" => Name, "proxy_protocol_addr" => ProxyAddr, "proxy_protocol_port" => ProxyPort,
        _ => return None,
    })
}

impl StreamLog {
    /// Compiles a log; a variable that streams do not have is an error at its place.
    pub fn compile(log: &model::AccessLog, to: LogSink, errors: &mut Diagnostics) -> Self {
        let mut pieces = Vec::new();
        for part in &log.format.parts {
            match part {
                Part::Literal(text) => pieces.push(Piece::Literal(text.as_bytes().into())),
                Part::Variable { name, at } => match variable(name) {
                    Some(v) => pieces.push(Piece::Variable(v)),
                    None => {
                        let message = format!("unknown \"{name}\" variable");
                        errors.error("unknown-variable", *at, message);
                    }
                },
            }
        }
        Self {
            to,
            pieces,
            escape: log.escape,
            how: Buffering::of(log),
        }
    }

    /// Writes a session's line.
    pub fn line(&self, local: &Local, session: &Session) {
        let mut held = Vec::new();
        let write = |out: &mut Vec<u8>| {
            for piece in &self.pieces {
                match piece {
                    Piece::Literal(text) => out.extend_from_slice(text),
                    Piece::Variable(v) => {
                        held.clear();
                        value(*v, session, local, &mut held);
                        // Nothing of it can hold a quote or a control byte: names and addresses only.
                        match held.as_slice() {
                            b"" if self.escape == LogEscape::Default => out.push(b'-'),
                            text => out.extend_from_slice(text),
                        }
                    }
                }
            }
        };
        match &self.to {
            LogSink::File(file) => local.logs.line(file, self.how, write),
            LogSink::Syslog(server) => server.send(None, &mut Vec::new(), write),
            // Refused where it is written.
            LogSink::Files(_) => {}
        }
    }
}

fn value(variable: Variable, session: &Session, local: &Local, out: &mut Vec<u8>) {
    use Variable::*;
    let now_ms = crate::clock::now_ms();
    let seconds = |ms: u64, out: &mut Vec<u8>| {
        let _ = write!(out, "{}.{:03}", ms / 1000, ms % 1000);
    };
    // Writing to memory does not fail.
    let _ = match variable {
        RemoteAddr => out.write_all(session.client_text.as_bytes()),
        RemotePort => session
            .client
            .map_or(Ok(()), |a| write!(out, "{}", a.port())),
        ServerAddr => session.server.map_or(Ok(()), |a| write!(out, "{}", a.ip())),
        ServerPort => session
            .server
            .map_or(Ok(()), |a| write!(out, "{}", a.port())),
        Protocol => out.write_all(if session.udp { b"UDP" } else { b"TCP" }),
        Status => write!(out, "{}", session.status),
        BytesSent => write!(out, "{}", session.sent),
        BytesReceived => write!(out, "{}", session.received),
        SessionTime => {
            seconds(session.ms, out);
            Ok(())
        }
        Connection => write!(out, "{}", session.serial),
        Pid => write!(out, "{}", local.process.pid),
        Hostname => out.write_all(local.process.hostname.as_bytes()),
        TimeLocal => {
            local.clock.clf(now_ms, out);
            Ok(())
        }
        TimeIso8601 => {
            crate::template::iso8601(now_ms / 1000, out);
            Ok(())
        }
        Msec => {
            seconds(now_ms, out);
            Ok(())
        }
        UpstreamAddr => out.write_all(session.tried.join(", ").as_bytes()),
        UpstreamConnectTime if session.tried.is_empty() => Ok(()),
        UpstreamConnectTime => {
            seconds(session.connect_ms, out);
            Ok(())
        }
        Name => out.write_all(session.name.as_deref().unwrap_or_default().as_bytes()),
        ProxyAddr => session
            .proxied
            .map_or(Ok(()), |a| write!(out, "{}", a.ip())),
        ProxyPort => session
            .proxied
            .map_or(Ok(()), |a| write!(out, "{}", a.port())),
    };
}
