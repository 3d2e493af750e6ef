//! `syslog:server=...,facility=...` of `access_log` and `error_log` (ngx_syslog.c), with nginx's words for its errors.

use super::lex::Word;
use super::read::Reader;
use crate::address::host_port;
use crate::model::{SYSLOG_FACILITIES, SYSLOG_SEVERITIES, Syslog};

/// Where syslog listens unless a port is named.
const PORT: u16 = 514;

/// Whether an argument names a syslog server.
pub(crate) fn is_one(text: &str) -> bool {
    text.starts_with("syslog:")
}

/// The server that a word names.
pub(crate) fn read(reader: &mut Reader<'_>, word: &Word) -> Option<Syslog> {
    match parse(word) {
        Ok(syslog) => Some(syslog),
        Err(message) => {
            reader.error(word.at, message);
            None
        }
    }
}

fn parse(word: &Word) -> Result<Syslog, String> {
    let mut server = None;
    let (mut facility, mut severity) = (None, None);
    let (mut tag, mut hostname) = ("nginx", true);
    let parameters = word.text.strip_prefix("syslog:").unwrap_or_default();
    for parameter in parameters.split(',') {
        match parameter.split_once('=') {
            Some(("server", _)) if server.is_some() => {
                return Err("duplicate syslog \"server\"".into());
            }
            Some(("server", address)) => {
                server =
                    Some(host_port(address, Some(PORT)).map_err(|e| format!("{e} of syslog"))?);
            }
            Some(("facility", _)) if facility.is_some() => {
                return Err("duplicate syslog \"facility\"".into());
            }
            Some(("facility", name)) => {
                facility = Some(number(&SYSLOG_FACILITIES, "facility", name)?)
            }
            Some(("severity", _)) if severity.is_some() => {
                return Err("duplicate syslog \"severity\"".into());
            }
            Some(("severity", name)) => {
                severity = Some(number(&SYSLOG_SEVERITIES, "severity", name)?)
            }
            Some(("tag", name)) if name.len() > Syslog::TAG_MAX => {
                return Err("syslog tag length exceeds 32".into());
            }
            Some(("tag", name)) if !Syslog::is_tag(name) => {
                return Err(
                    "syslog \"tag\" only allows alphanumeric characters and underscore".into(),
                );
            }
            Some(("tag", name)) => tag = name,
            None if parameter == "nohostname" => hostname = false,
            _ => return Err(format!("unknown syslog parameter \"{parameter}\"")),
        }
    }
    Ok(Syslog {
        at: word.at,
        server: server.ok_or("no syslog server specified")?,
        facility: facility.unwrap_or(23),
        severity: severity.unwrap_or(6),
        tag: tag.to_owned(),
        hostname,
    })
}

fn number(names: &[&str], what: &str, name: &str) -> Result<u8, String> {
    names
        .iter()
        .position(|n| *n == name)
        .and_then(|n| u8::try_from(n).ok())
        .ok_or_else(|| format!("unknown syslog {what} \"{name}\""))
}
