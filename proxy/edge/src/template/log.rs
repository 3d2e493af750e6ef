//! What of a value a log has: secrets are covered, and bytes that could forge a line are escaped.

use super::variable::Variable;
use crate::log::privacy;
use seawall_conf::model;
use seawall_http::Name;

/// What of a value is not for a log.
pub(super) enum Secrecy {
    Nothing,
    /// Values of arguments in it, by their names.
    Arguments,
    /// All of it.
    Whole,
}

impl Variable {
    /// What of its value is not for a log.
    pub(super) fn secrecy(&self) -> Secrecy {
        use Variable::*;
        match self {
            Request | RequestUri | Args | Http(Name::Referer) => Secrecy::Arguments,
            Http(Name::Authorization | Name::Cookie) | Cookie(_) | RequestBody => Secrecy::Whole,
            Arg(name) if privacy::is_secret(name) => Secrecy::Whole,
            SentHttp(name) | HttpOther(name) if privacy::is_credential(name) => Secrecy::Whole,
            _ => Secrecy::Nothing,
        }
    }

    /// Values that are digits, dots and the like by construction need no escaping in a log.
    #[rustfmt::skip]
    pub(super) fn is_plain(&self) -> bool {
        use Variable::*;
        matches!(self, Status | BodyBytesSent | BytesSent | RequestLength | RequestTime | Msec | TimeLocal | TimeIso8601
            | RemoteAddr | RemotePort | ClientIp | ServerPort | ServerAddr | Connection | ConnectionRequests | Pid | RequestId)
    }
}

/// Appends a value as a log has it (ngx_http_log_module).
pub(super) fn escape_into(value: &[u8], escape: model::LogEscape, out: &mut Vec<u8>) {
    use model::LogEscape;
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let hex = |n: u8| HEX.get(usize::from(n & 15)).copied().unwrap_or(b'0');
    match escape {
        LogEscape::None => out.extend_from_slice(value),
        LogEscape::Default if value.is_empty() => out.push(b'-'),
        LogEscape::Default => {
            // Without an early exit the compiler compares sixteen bytes at a time.
            let special = |b: &u8| (*b < 32) | (*b >= 127) | (*b == b'"') | (*b == b'\\');
            if !value.iter().fold(false, |any, b| any | special(b)) {
                return out.extend_from_slice(value);
            }
            for &b in value {
                match b {
                    0..32 | 127.. | b'"' | b'\\' => {
                        out.extend_from_slice(&[b'\\', b'x', hex(b >> 4), hex(b)])
                    }
                    _ => out.push(b),
                }
            }
        }
        LogEscape::Json => {
            // nginx passes bytes on that are no UTF-8, and no reader of JSON takes the line then.
            for chunk in value.utf8_chunks() {
                for &b in chunk.valid().as_bytes() {
                    match b {
                        b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
                        b'\n' => out.extend_from_slice(b"\\n"),
                        b'\r' => out.extend_from_slice(b"\\r"),
                        b'\t' => out.extend_from_slice(b"\\t"),
                        8 => out.extend_from_slice(b"\\b"),
                        12 => out.extend_from_slice(b"\\f"),
                        0..32 => {
                            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(b >> 4), hex(b)])
                        }
                        _ => out.push(b),
                    }
                }
                if !chunk.invalid().is_empty() {
                    out.extend_from_slice(b"\\ufffd");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_values_are_escaped_as_nginx_does() {
        let mut out = Vec::new();
        escape_into(b"a\"b\\c\x01\xff", model::LogEscape::Default, &mut out);
        assert_eq!(out, br"a\x22b\x5Cc\x01\xFF");
        out.clear();
        escape_into(b"", model::LogEscape::Default, &mut out);
        assert_eq!(out, b"-");
        out.clear();
        escape_into(b"a\"\n\x01", model::LogEscape::Json, &mut out);
        assert_eq!(out, br#"a\"\n\u0001"#);
        out.clear();
        escape_into(b"\xc3\xa9\xff\xc3", model::LogEscape::Json, &mut out);
        assert_eq!(out, b"\xc3\xa9\\ufffd\\ufffd");
    }
}
