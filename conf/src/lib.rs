//! The configuration: one model, two syntaxes (YAML and nginx.conf).
//!
//! Both syntaxes are read into a small tree whose every value knows its place in the text, and lowered from there
//! into one [`model::Config`]. A tree of our own rather than derived readers, because an operator wants *all* errors
//! of a file in one run, each with a caret and the word that was probably meant; a derived reader stops at the first.
//! What is written and not built yet is an error `not-yet`, never ignored; nginx directives that change nothing that a
//! client could see are accepted without effect, and the directive table says which.
//!
//! Limits: [`FILE_BYTES_MAX`], [`yaml::NODES_MAX`], [`yaml::DEPTH_MAX`], [`yaml::FILES_MAX`],
//! [`nginx::INCLUDE_DEPTH_MAX`], [`nginx::BLOCK_DEPTH_MAX`], [`nginx::FILES_MAX`].
//! Tested in `conf/tests`: golden errors, the samples, the normative sample, seeded damage.

mod address;
pub mod cases;
pub mod expires;
mod load;
mod log_format;
mod media;
pub mod model;
pub mod nginx;
mod quantity;
pub mod regressions;
mod suggest;
mod template;
mod variables;
pub mod yaml;

pub use address::{LISTEN_NAME_ADDRESSES_MAX, UNIX_PATH_MAX, host_port};
pub use load::{Environment, FILE_BYTES_MAX, FileReader, LoadError, LoadOptions, load, load_text};
pub use quantity::{DURATION_MAX, duration, percent, size};
pub use variables::{VARIABLE_PREFIXES, VARIABLES, is_variable, nearest_variable};
