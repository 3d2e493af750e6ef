//! `server` of an upstream (ngx_http_upstream_module).

use crate::address::{self, OriginError};
use crate::model::{Address, Pool, Server, Source, SourceKind};
use crate::nginx::read::Reader;
use crate::nginx::tree::Directive;

/// Reads a server into its pool, or where it is found into the pool's sources.
pub(super) fn read(reader: &mut Reader<'_>, d: &Directive, pool: &mut Pool) {
    let Some((server, how)) = parse(reader, d) else {
        return;
    };
    match (how, &server.address) {
        (Found::Resolved, Address::Name(name, port)) => pool.sources.push(Source {
            kind: SourceKind::Name(name.clone(), *port),
            server,
        }),
        (Found::Service(service), Address::Name(name, _)) => {
            // "_http._tcp.name", of "http"; a service with a dot or an underscore is written out.
            let prefix = match service.as_str() {
                s if s.contains(['.', '_']) => service,
                s => format!("_{s}._tcp"),
            };
            let kind = SourceKind::Srv(format!("{prefix}.{name}"));
            pool.sources.push(Source { kind, server });
        }
        _ => pool.servers.push(server),
    }
}

/// How a server's addresses are found.
enum Found {
    /// It is written, or looked up once.
    Written,
    /// `resolve`
    Resolved,
    /// `service=name resolve`
    Service(String),
}

fn parse(reader: &mut Reader<'_>, d: &Directive) -> Option<(Server, Found)> {
    let word = d.args.first()?;
    let address = match address::origin(&word.text, Some(80)) {
        Ok(origin) if origin.uri.is_empty() && !word.text.contains("://") => origin.address,
        Ok(_) | Err(OriginError::NotYet(_)) => {
            reader.error(
                word.at,
                format!("invalid host in upstream \"{}\"", word.text),
            );
            return None;
        }
        Err(OriginError::Invalid(message)) => {
            reader.error(word.at, message.replace(" in \"", " in upstream \""));
            return None;
        }
    };
    let mut server = super::server(word.at, address);
    let (mut resolve, mut service) = (false, None);
    for word in d.args.iter().skip(1) {
        let text = word.text.as_str();
        match text.split_once('=') {
            None if text == "backup" => server.backup = true,
            None if text == "down" => server.down = true,
            None if text == "drain" => server.drain = true,
            None if text == "resolve" => resolve = true,
            Some(("weight", n)) => match reader.number_word(word, n) {
                Some(0) => reader.invalid_parameter(word),
                Some(n) => server.weight = n.min(65_535) as u32,
                None => {}
            },
            Some(("max_fails", n)) => {
                server.max_fails = reader.number_word(word, n).map(|n| n as u32)
            }
            Some(("fail_timeout", time)) => server.fail_timeout = reader.duration_word(word, time),
            Some(("max_conns", n)) => {
                let n = reader.number_word(word, n);
                server.max_conns = n.map_or(0, |n| n as u32);
            }
            Some(("slow_start", time)) => {
                server.slow_start = reader.duration_word(word, time).unwrap_or_default()
            }
            Some(("route", id)) => server.id = Some(id.to_owned()),
            Some(("service", name)) if !name.is_empty() => service = Some((name.to_owned(), word)),
            _ => reader.invalid_parameter(word),
        }
    }
    let how = match (service, resolve) {
        (Some((_, word)), false) => {
            reader.error(word.at, "service upstream requires \"resolve\" parameter");
            return None;
        }
        (Some((name, _)), true) => Found::Service(name),
        (None, true) => Found::Resolved,
        (None, false) => Found::Written,
    };
    Some((server, how))
}
