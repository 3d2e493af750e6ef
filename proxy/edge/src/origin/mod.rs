//! Origins: the request as sent, connections, the exchange, the response as passed on.

mod answer;
mod attempt;
mod connect;
mod dynamic;
mod exchange;
pub mod fastcgi;
mod forwarding;
mod hedge;
mod http2;
mod io;
mod passing;
mod preface;
mod queue;
mod request;
mod response;
mod tunnel;
mod upload;

use seawall_http::Name;

/// A set of known names.
const fn mask(names: &[Name]) -> u128 {
    let mut set = 0;
    let mut at = 0;
    while at < names.len() {
        set |= 1 << names[at] as u8;
        at += 1;
    }
    set
}

/// Fields that concern one connection only (RFC 9110 §7.6.1), and the length, which is said anew.
const ONE_HOP: u128 = mask(&[
    Name::Connection,
    Name::KeepAlive,
    Name::ProxyConnection,
    Name::Te,
    Name::Trailer,
    Name::TransferEncoding,
    Name::Upgrade,
    Name::ContentLength,
]);

pub use answer::Answer;
pub use connect::Origins;
pub use dynamic::{Target, aim};
pub use exchange::{FetchError, OutBody, fetch};
pub use forwarding::is_loop;
pub use http2::Connections as Http2Origins;
pub use passing::{adjust, pass_more, rules};
pub use request::{Built, Conditional, asked, build, name_origin, push_target};
pub use response::{pass_lines, push_trailer_names, push_upgrade};
pub use tunnel::tunnel;
