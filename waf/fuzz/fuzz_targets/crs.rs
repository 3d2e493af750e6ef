//! See `tests/hostile/bodies.rs` for what must hold.
#![no_main]

#[allow(dead_code)]
#[path = "../../tests/hostile/bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::crs(input));
