//! DNS zones and their records.

use crate::{
    AdminState, Problem,
    routes::{bad, not_found, read_json},
};
use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, put},
};
use serde_json::{Value, json};

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

/// Everything below `/api/v1/dns/zones`.
pub(crate) fn routes() -> Router<AdminState> {
    Router::new()
        .route(
            "/api/v1/dns/zones",
            get(|State(state): State<AdminState>| async move { Json(state.control.zones()) }),
        )
        .route("/api/v1/dns/zones/{zone}", get(show))
        .route(
            "/api/v1/dns/zones/{zone}/{name}/{type}",
            put(change).delete(remove),
        )
}

async fn show(
    State(state): State<AdminState>,
    Path(zone): Path<String>,
) -> Result<Json<Value>, Problem> {
    let listed = tokio::task::spawn_blocking(move || state.control.zone(&zone)).await;
    let listed = listed.ok().flatten();
    listed.map(Json).ok_or_else(|| not_found(NO_ZONE))
}

const NO_ZONE: &str = "no such zone is served here";
const BODY: &str = "the body must be {\"values\": [\"...\"], \"ttl\": seconds}";

async fn change(
    State(state): State<AdminState>,
    Path((zone, name, rtype)): Path<(String, String, String)>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let body = read_json(body).await?;
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
    let ttl_s = ttl_s as u32;
    make(
        state,
        ZoneChange {
            zone,
            name,
            rtype,
            ttl_s,
            values,
        },
    )
    .await
}

async fn remove(
    State(state): State<AdminState>,
    Path((zone, name, rtype)): Path<(String, String, String)>,
) -> Result<Json<Value>, Problem> {
    make(
        state,
        ZoneChange {
            zone,
            name,
            rtype,
            ttl_s: 0,
            values: Vec::new(),
        },
    )
    .await
}

async fn make(state: AdminState, change: ZoneChange) -> Result<Json<Value>, Problem> {
    let made = tokio::task::spawn_blocking(move || state.control.change_zone(&change)).await;
    match made {
        Ok(Ok(serial)) => Ok(Json(json!({ "serial": serial }))),
        Ok(Err(ZoneRefusal::NoZone)) => Err(not_found(NO_ZONE)),
        Ok(Err(ZoneRefusal::Bad(why))) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Not Changed",
            why,
        )),
        Ok(Err(ZoneRefusal::Failed(why))) => Err(broken(why)),
        Err(_) => Err(broken("the change failed inside the daemon")),
    }
}

fn broken(why: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Internal Server Error",
        why,
    )
}
