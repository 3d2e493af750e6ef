//! Drills: what clients see while something happens to an origin, a configuration, a binary or a process, under load. Each
//! gives its figures; the tests assert what must hold whatever the machine, `make drills` prints them all.

mod api;
mod kills;
mod origins;
mod random;
mod reloads;
mod sites;
mod upgrades;

pub use api::call;
pub use kills::{Kills, kills};
pub use origins::{
    Break, Drain, Half, Kill, Ramp, Scale, breaker, change_server, drain, half, kill, slow_start,
};
pub use random::Random;
pub use reloads::{Held, Reloads, reloads};
pub use sites::{Served, Sites, many_sites};
pub use upgrades::{Upgrades, upgrades};
