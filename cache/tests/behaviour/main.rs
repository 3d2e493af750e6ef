//! What a user of the cache sees: lookups, fills, purges and limits, with a clock handed in.

mod budget;
mod cases;
mod coalescing;
mod credentials;
mod disk;
mod freshness;
mod purging;
mod rig;
mod scopes;
mod simulation;
mod standing_in;
#[path = "../../src/testing.rs"]
mod testing;
mod variants;
