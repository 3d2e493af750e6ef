//! The configuration: one model, two syntaxes (YAML and nginx.conf).

pub mod model;
