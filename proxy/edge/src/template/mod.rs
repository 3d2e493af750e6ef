//! Strings with variables, compiled: variables are slots, literals are bytes, nothing is looked up a request.
//!
//! Which variables there are is said in [`variable`], what each is worth in [`value`], what of it a log has in [`log`].

mod log;
mod request;
mod value;
mod variable;

pub(crate) use request::request_line;
pub use request::{cookie, line_value};
pub(crate) use value::iso8601;
pub use variable::{UserVariables, no_places};

use crate::{
    clock::Clock,
    log::privacy,
    plan::SitePlan,
    tx::{ConnInfo, Tx},
};
use log::{Secrecy, escape_into};
use seawall_conf::model::{self, Part};
use seawall_diag::Diagnostics;
use value::value;
use variable::{Variable, unknown, variable};

/// A compiled string.
#[derive(Clone, Debug, Default)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<[u8]>),
    Variable(Variable),
}

/// What a template may ask.
pub struct Scope<'a> {
    /// The request.
    pub tx: &'a Tx,
    /// Its connection.
    pub conn: &'a ConnInfo,
    /// Its site, once found.
    pub site: Option<&'a SitePlan>,
    /// The thread's clock.
    pub clock: &'a Clock,
    /// What the process is.
    pub process: &'a ProcessInfo,
}

/// What the process is.
pub struct ProcessInfo {
    /// `$hostname`
    pub hostname: String,
    /// `$pid`
    pub pid: u32,
}

impl Default for ProcessInfo {
    fn default() -> Self {
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname")
            .unwrap_or_default()
            .trim()
            .to_owned();
        Self {
            hostname,
            pid: std::process::id(),
        }
    }
}

impl Template {
    /// Compiles a template; an unknown variable is an error at its place.
    pub fn compile(from: &model::Template, user: &UserVariables, errors: &mut Diagnostics) -> Self {
        let pieces = from
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Literal(text) => Some(Piece::Literal(text.as_bytes().into())),
                Part::Variable { name, at } => match variable(name, user) {
                    Some(v) => Some(Piece::Variable(v)),
                    None => {
                        errors.push(unknown(name, *at));
                        None
                    }
                },
            })
            .collect();
        Self { pieces }
    }

    /// Bytes as they stand.
    pub fn bytes(bytes: Vec<u8>) -> Self {
        Self {
            pieces: vec![Piece::Literal(bytes.into())],
        }
    }

    /// The bytes, if there are no variables.
    pub fn as_literal(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(b""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether the request id is asked for.
    pub fn wants_id(&self) -> bool {
        self.pieces.iter().any(|p| match p {
            Piece::Variable(Variable::RequestId) => true,
            Piece::Variable(Variable::Computed(computed)) => computed.wants_id(),
            _ => false,
        })
    }

    /// Whether it speaks of a claim of a token, which is there once the token is verified.
    pub fn names_claims(&self) -> bool {
        self.pieces.iter().any(|p| match p {
            Piece::Variable(Variable::Claim(_)) => true,
            Piece::Variable(Variable::Computed(computed)) => computed.names_claims(),
            _ => false,
        })
    }

    /// Whether it speaks of where files lie.
    pub fn names_files(&self) -> bool {
        self.pieces.iter().any(|p| match p {
            Piece::Variable(Variable::Whereabouts(_)) => true,
            Piece::Variable(Variable::Computed(computed)) => computed.names_files(),
            _ => false,
        })
    }

    /// Appends the value.
    pub fn render(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Variable(v) => value(v, scope, out),
            }
        }
    }

    /// Appends the value as a file's name: of what variables say, `/` and bytes that no name should have become `_`.
    pub fn render_name(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Variable(v) => {
                    let before = out.len();
                    value(v, scope, out);
                    for byte in out.iter_mut().skip(before) {
                        if matches!(*byte, 0..=32 | b'/' | b'\\' | 127) {
                            *byte = b'_';
                        }
                    }
                }
            }
        }
    }

    /// Appends the value as a log line (ngx_http_log_module): literals as they are, variables escaped.
    pub fn render_log(
        &self,
        scope: &Scope<'_>,
        (escape, privacy): (model::LogEscape, model::LogPrivacy),
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        for piece in &self.pieces {
            match piece {
                Piece::Variable(Variable::RemoteAddr | Variable::ClientIp)
                    if privacy.truncate_addresses =>
                {
                    scratch.clear();
                    privacy::network(scope.tx.client_text(scope.conn), scratch);
                    out.extend_from_slice(scratch);
                }
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Variable(v) if v.is_plain() => {
                    let before = out.len();
                    value(v, scope, out);
                    if out.len() == before && escape == model::LogEscape::Default {
                        out.push(b'-');
                    }
                }
                Piece::Variable(v) => {
                    scratch.clear();
                    value(v, scope, scratch);
                    match v.secrecy() {
                        Secrecy::Arguments if privacy.scrub => privacy::scrub(scratch),
                        Secrecy::Whole if privacy.scrub => privacy::cover(scratch),
                        _ => {}
                    }
                    escape_into(scratch, escape, out);
                }
            }
        }
    }
}
