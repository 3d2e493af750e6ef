//! What is said of the way to an origin: what is passed on beside the request itself, how bodies are held back, which
//! protocol is spoken.

use super::Template;

/// What is passed on besides request and response (RFC 9110 §7.6, §7.8, §15.2, §6.5).
///
/// From YAML all of it is; nginx passes an upgrade only where `proxy_set_header` names it, interim responses where
/// `early_hints` says so and trailers with `proxy_pass_trailers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassOn {
    /// The client's `Connection: upgrade` and `Upgrade`.
    pub upgrade: bool,
    /// `TE: trailers`, and the trailers of a request.
    pub request_trailers: bool,
    /// Trailers of a response, to clients that said `TE: trailers`.
    pub trailers: bool,
    /// Interim responses (1xx but 101).
    pub interim: Interim,
}

/// Which interim responses a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interim {
    /// None.
    Never,
    /// All.
    Always,
    /// 103 alone, when one of these is neither empty nor `0` (nginx: `early_hints`).
    When(Vec<Template>),
}

impl PassOn {
    /// Everything: the profile of YAML.
    pub fn everything() -> Self {
        Self {
            upgrade: true,
            request_trailers: true,
            trailers: true,
            interim: Interim::Always,
        }
    }

    /// Nothing that is not asked for: nginx's profile.
    pub fn nothing() -> Self {
        Self {
            upgrade: false,
            request_trailers: false,
            trailers: false,
            interim: Interim::Never,
        }
    }
}
