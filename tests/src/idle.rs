//! What a fresh install takes while nobody asks it for anything: the configuration of the package, its paths and port
//! replaced, the keeper and the worker together.

use crate::{Edge, Running};
use std::{collections::HashMap, fs, path::Path};

/// What a process has of the machine's memory, KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Everything that is mapped in (`ps`: RSS). The program's own pages are counted once a process.
    pub resident: u64,
    /// The same, with what several processes share divided among them.
    pub share: u64,
    /// What no file is behind.
    pub own: u64,
    /// Of it, in huge pages.
    pub huge: u64,
    /// Threads.
    pub threads: usize,
}

impl Memory {
    /// Of a process; zeroes when it is gone.
    pub fn of(pid: u32) -> Self {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            Some((name, rest.split_whitespace().next()?.parse().ok()?))
        });
        let figures: HashMap<&str, u64> = lines.collect();
        let of = |name| figures.get(name).copied().unwrap_or(0);
        Self {
            resident: of("Rss"),
            share: of("Pss"),
            own: of("Pss_Anon"),
            huge: of("AnonHugePages"),
            threads: fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count),
        }
    }
}

/// The daemon as the package installs it, in a directory and on a port of its own.
///
/// # Panics
/// When it does not start.
pub fn installed() -> Running {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
    let text = fs::read_to_string(packaging.join("etc/seawall.yaml")).expect("the configuration");
    let edge = Edge::yaml("");
    let welcome = packaging.join("share/welcome").display().to_string();
    let text = text
        .replace("/usr/share/seawall/welcome", &welcome)
        .replace("/var/lib/seawall", "@dir@/state")
        .replace("/var/log/seawall", "@dir@")
        .replace("/run/seawall", "@dir@")
        .replace("http: 80 ", "http: \"@http@\" ");
    fs::write(edge.config(), edge.fill_in(&text)).expect("the configuration");
    edge.start()
}

/// The keeper and the worker of an install that idles.
pub fn idle() -> [Memory; 2] {
    let edge = installed();
    // One request, so that a thread has served: a machine that never did is not what anybody has.
    assert_eq!(edge.get("a.test", "/").status, 200, "the welcome page");
    [edge.pid(), edge.worker()].map(Memory::of)
}
