//! What answering costs, apart from the kernel: `answers ORIGIN FILE QUESTIONS [ROUNDS] [--do]` reads a zone and asks it
//! what is in a file as dnsperf takes it, a name and a type a line, and says how long an answer takes. With one round it
//! is what callgrind or perf count.

use seawall_diag::SourceMap;
use seawall_dns::{
    AlwaysUp, Client, Guard, Name, Out, RType, Transport, Verdict, Zone, Zones, answer,
};
use std::error::Error;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let dnssec = arguments.iter().any(|a| a == "--do");
    arguments.retain(|a| a != "--do");
    let [origin, path, questions, rest @ ..] = &arguments[..] else {
        return Err("usage: answers ORIGIN FILE QUESTIONS [ROUNDS] [--do]".into());
    };
    let rounds: usize = rest.first().map_or(Ok(1), |n| n.parse())?;
    let mut sources = SourceMap::default();
    let file = sources.add(path, std::fs::read_to_string(path)?);
    let zone = Zone::parse(origin, &mut sources, file)
        .map_err(|found| found.lines(&sources).join("\n"))?;
    let zones = Zones::new(vec![zone]);
    let text = std::fs::read_to_string(questions)?;
    let queries: Vec<Vec<u8>> = text
        .lines()
        .filter_map(|line| query(line, dnssec))
        .collect();
    let guard = Guard::default();
    let client = Client {
        addr: [127, 0, 0, 1].into(),
        transport: Transport::Udp,
        health: &AlwaysUp,
        guard: Some(&guard),
    };
    let mut room = [0; 1500];
    let (begun, mut bytes) = (Instant::now(), 0);
    for _ in 0..rounds {
        for query in &queries {
            if let Verdict::Reply(len) = answer(&zones, query, &client, &mut Out::new(&mut room)) {
                bytes += len;
            }
        }
    }
    let count = (rounds * queries.len()).max(1);
    println!(
        "{count} answers of {} bytes, {:.0} ns each",
        bytes / count,
        begun.elapsed().as_nanos() as f64 / count as f64
    );
    Ok(())
}

/// A query with EDNS where signatures are asked for, without it elsewhere.
fn query(line: &str, dnssec: bool) -> Option<Vec<u8>> {
    let (name, rtype) = line.split_once(' ')?;
    let mut query = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(dnssec)];
    query.extend_from_slice(Name::parse(name, Some(&Name::root())).ok()?.wire());
    query.extend(RType::parse(rtype.trim())?.0.to_be_bytes());
    query.extend([0, 1]);
    if dnssec {
        query.extend([0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]);
    }
    Some(query)
}
