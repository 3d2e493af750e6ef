//! What a zone costs: `load ORIGIN FILE` reads it, compiles it, frees what it was read into, and says after each step
//! how long it took and how much memory is held.

use seawall_diag::SourceMap;
use seawall_dns::{Zone, Zones};
use std::error::Error;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (origin, path) = arguments
        .next()
        .zip(arguments.next())
        .ok_or("usage: load ORIGIN FILE")?;
    said("before", Instant::now())?;
    let begun = Instant::now();
    let mut sources = SourceMap::default();
    let file = sources.add(&path, std::fs::read_to_string(&path)?);
    let zone = Zone::parse(&origin, &mut sources, file)
        .map_err(|found| found.lines(&sources).join("\n"))?;
    let records = zone.records();
    said("read", begun)?;
    drop(sources);
    let begun = Instant::now();
    let zones = Zones::new(vec![zone]);
    said("compiled", begun)?;
    seawall_sys::memory::give_back();
    said("at rest", Instant::now())?;
    println!("{records} records in {} zone(s)", zones.len());
    Ok(())
}

/// Prints how long a step took, and the process's memory now and at its most.
fn said(step: &str, begun: Instant) -> Result<(), Box<dyn Error>> {
    let took = begun.elapsed();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let field = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name));
        let kib = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    };
    println!(
        "{step:<10} {:>7.1} ms, {:>6.1} MiB, at most {:>6.1} MiB",
        took.as_secs_f64() * 1e3,
        field("VmRSS:"),
        field("VmHWM:")
    );
    Ok(())
}
