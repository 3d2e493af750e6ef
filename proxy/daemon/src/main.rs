//! The seawall daemon.
fn main() {}
