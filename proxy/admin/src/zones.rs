//! DNS zones and their records.

use crate::{
    Problem,
    answers::{Ask, Reply},
    problem::{bad, failed, not_found},
};
use axum::http::StatusCode;
use serde_json::{Value, json};

type Answer = Result<Reply, Problem>;

/// An RRset that is put in the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneChange {
    /// The zone.
    pub zone: String,
    /// The owner: relative to the zone, `@`, or absolute with its dot.
    pub name: String,
    /// A type by its name, or as `TYPEnnn`.
    pub rtype: String,
    /// Seconds it may be kept.
    pub ttl_s: u32,
    /// The data of each record; none take the RRset away.
    pub values: Vec<String>,
}

/// Why an RRset was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneRefusal {
    /// The zone is not served here.
    NoZone,
    /// It is no record, or cannot stand there.
    Bad(String),
    /// It could not be kept.
    Failed(String),
}

/// The TTL of records that are put without one.
const TTL_S: u64 = 300;

/// Values of one RRset at most.
const VALUES_MAX: usize = 1000;

const NO_ZONE: &str = "no such zone is served here";
const BODY: &str = "the body must be {\"values\": [\"...\"], \"ttl\": seconds}";

pub(crate) fn list(ask: &Ask) -> Answer {
    Ok(ask.state.control.zones().into())
}

pub(crate) fn show(ask: &Ask) -> Answer {
    let listed = ask.state.control.zone(ask.param("zone"));
    listed.map(Reply::from).ok_or_else(|| not_found(NO_ZONE))
}

pub(crate) fn change(ask: &Ask) -> Answer {
    let body = ask.json()?;
    let ttl = body.get("ttl").map_or(Some(TTL_S), Value::as_u64);
    let values: Option<Vec<String>> = body
        .get("values")
        .and_then(Value::as_array)
        .filter(|v| (1..=VALUES_MAX).contains(&v.len()))
        .and_then(|v| v.iter().map(|v| v.as_str().map(str::to_owned)).collect());
    let ttl_s = ttl.filter(|n| *n <= i32::MAX as u64);
    let (Some(values), Some(ttl_s)) = (values, ttl_s) else {
        return Err(bad(BODY));
    };
    make(ask, ttl_s as u32, values)
}

pub(crate) fn remove(ask: &Ask) -> Answer {
    make(ask, 0, Vec::new())
}

fn make(ask: &Ask, ttl_s: u32, values: Vec<String>) -> Answer {
    let change = ZoneChange {
        zone: ask.param("zone").to_owned(),
        name: ask.param("name").to_owned(),
        rtype: ask.param("type").to_owned(),
        ttl_s,
        values,
    };
    match ask.state.control.change_zone(&change) {
        Ok(serial) => Ok(json!({ "serial": serial }).into()),
        Err(ZoneRefusal::NoZone) => Err(not_found(NO_ZONE)),
        Err(ZoneRefusal::Bad(why)) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Not Changed",
            why,
        )),
        Err(ZoneRefusal::Failed(why)) => Err(failed(&why)),
    }
}
