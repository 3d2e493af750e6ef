//! Certificates: what is served, how it came about, and another one please.

use crate::{AdminState, Problem, routes::not_found};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

/// Everything below `/api/v1/certs`.
pub(crate) fn routes() -> Router<AdminState> {
    Router::new()
        .route(
            "/api/v1/certs",
            get(
                |State(state): State<AdminState>| async move { Json(state.control.certificates()) },
            ),
        )
        .route("/api/v1/certs/{name}", get(show))
        .route("/api/v1/certs/{name}/renew", post(renew))
        .route("/api/v1/certs/{name}/why", get(why))
}

fn nobody() -> Problem {
    not_found("no certificate is for this name")
}

async fn show(
    State(state): State<AdminState>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    state
        .control
        .certificate(&name)
        .map(Json)
        .ok_or_else(nobody)
}

/// The order takes a while: what becomes of it is in the timeline.
async fn renew(
    State(state): State<AdminState>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    match state.control.renew_certificate(&name) {
        Ok(true) => {
            let body = Json(json!({ "name": name, "asked": true }));
            Ok((StatusCode::ACCEPTED, body).into_response())
        }
        Ok(false) => Err(nobody()),
        Err(reason) => Err(Problem::new(StatusCode::CONFLICT, "Not Renewed", reason)),
    }
}

async fn why(
    State(state): State<AdminState>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let looked =
        tokio::task::spawn_blocking(move || state.control.explain_certificate(&name)).await;
    looked.ok().flatten().map(Json).ok_or_else(nobody)
}
