//! What answers: a value chosen by the steps.

mod ahead;
mod doh;
mod fastcgi;
mod files;
mod fixed;
mod hold;
mod intercept;
mod proxy;
mod splice;

pub use doh::doh;
pub use fastcgi::fastcgi;
pub use files::ranges;
pub use files::{OpenFiles, files, kept, send_pieces, tries, type_of};
pub use fixed::{absolute_location, fixed};
pub use hold::hold;
pub use intercept::{divert, diverts, leads};
pub use proxy::{exchange_error, pass_through, proxy, proxy_told};

/// What an answer came to.
pub enum Outcome {
    /// The response was sent.
    Done,
    /// An internal redirect: the route is searched again for this path.
    Reenter(Vec<u8>),
}
