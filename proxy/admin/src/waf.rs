//! The WAF: what it refused, why, and what it is not to look at.

use crate::{
    AdminState, Problem, PurgeRefusal,
    routes::{bad, failed, read_json},
};
use axum::{
    Json, Router,
    body::Body,
    extract::{Query, State},
    routing::{get, post},
};
use serde_json::Value;

/// Events that are listed where the query does not say how many.
const LISTED: usize = 100;

/// Everything below `/api/v1/waf`.
pub(crate) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/api/v1/waf/events", get(events))
        .route("/api/v1/waf/explain", post(explain))
        .route("/api/v1/waf/exclusions", post(exclude))
}

/// `?limit=...`
async fn events(
    State(state): State<AdminState>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Problem> {
    let mut limit = LISTED;
    for (name, value) in pairs {
        match (name.as_str(), value.parse()) {
            ("limit", Ok(number)) => limit = number,
            _ => return Err(bad("the query takes `limit`, a number")),
        }
    }
    Ok(Json(state.control.waf_events(limit)))
}

/// `{"id": "..."}` or `{"request": "GET / HTTP/1.1\r\n...", "rule_set": "..."}`
async fn explain(State(state): State<AdminState>, body: Body) -> Result<Json<Value>, Problem> {
    let body = read_json(body).await?;
    answered(move || state.control.waf_explain(&body)).await
}

/// `{"rules": [...], "tags": [...], "target": "...", "path": "...", "rule_set": "...", "dry_run": true}`
async fn exclude(State(state): State<AdminState>, body: Body) -> Result<Json<Value>, Problem> {
    let body = read_json(body).await?;
    answered(move || state.control.waf_exclude(&body)).await
}

/// Judging a request computes; it is not done on a thread that serves the API.
async fn answered(
    work: impl FnOnce() -> Result<Value, PurgeRefusal> + Send + 'static,
) -> Result<Json<Value>, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(Json(value)),
        Ok(Err(PurgeRefusal::Bad(why))) => Err(bad(why)),
        Ok(Err(PurgeRefusal::Failed(why))) => Err(failed(&why)),
        Err(_) => Err(failed("it failed inside the daemon")),
    }
}
