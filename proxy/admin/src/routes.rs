//! The routes, behind their door.

use crate::{
    AdminState, CacheQuery, Door, Problem, PurgeOrder, PurgeRefusal, PurgeWhat, ServerChange,
    certificates, page, waf, zones,
};
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Path, Query, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use std::time::Duration;

/// The largest request body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The longest a request body may take.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// All that is served through a door.
pub fn router(state: AdminState, door: Door) -> Router {
    let routes = Router::new()
        .route("/live", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics));
    let routes = if door == Door::Metrics {
        routes
    } else {
        api(routes)
    };
    routes
        .fallback(|| async {
            Problem::new(
                StatusCode::NOT_FOUND,
                "Not Found",
                "there is nothing at this path",
            )
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "Method Not Allowed",
                "this path does not take this method",
            )
        })
        .layer(from_fn_with_state(door, guard))
        .with_state(state)
}

fn api(routes: Router<AdminState>) -> Router<AdminState> {
    routes
        .route(
            "/api/v1/status",
            get(|State(state): State<AdminState>| async move { Json(state.control.status()) }),
        )
        .route(
            "/api/v1/pools",
            get(|State(state): State<AdminState>| async move { Json(state.control.pools()) }),
        )
        .route(
            "/api/v1/pools/{pool}/servers/{server}/{change}",
            post(server),
        )
        .route(
            "/api/v1/dns/dnssec",
            get(|State(state): State<AdminState>| async move { Json(state.control.dnssec()) }),
        )
        .merge(certificates::routes())
        .merge(waf::routes())
        .merge(zones::routes())
        .route("/api/v1/cache/purge", post(purge))
        .route("/api/v1/cache/object", get(cache_object))
        .route("/api/v1/cache/objects", get(cache_objects))
        .route("/api/v1/config/reload", post(reload))
        .route(
            "/",
            get(|| async { asset("text/html; charset=utf-8", page::HTML) }),
        )
        .route(
            "/page.js",
            get(|| async { asset("text/javascript; charset=utf-8", page::SCRIPT) }),
        )
        .route(
            "/page.css",
            get(|| async { asset("text/css; charset=utf-8", page::STYLE) }),
        )
}

/// Every request passes here first, every answer last.
async fn guard(State(door): State<Door>, request: Request, next: Next) -> Response {
    let mut response = match door.admit(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, page::POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

async fn metrics(State(state): State<AdminState>) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        state.control.metrics(),
    )
}

/// `drain`, `undrain`, or `weight` with `{"weight": n}`.
async fn server(
    State(state): State<AdminState>,
    Path((pool, server, change)): Path<(String, String, String)>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let wanted = match change.as_str() {
        "drain" => ServerChange::Drain(true),
        "undrain" => ServerChange::Drain(false),
        "weight" => {
            let body = read_json(body).await?;
            let weight = body.get("weight").and_then(Value::as_u64);
            let weight = weight.filter(|n| *n <= 65_535);
            let weight = weight.ok_or_else(|| bad("the body must be {\"weight\": 0 to 65535}"))?;
            ServerChange::Weight(weight as u32)
        }
        _ => return Err(not_found("a server can be drained, undrained or weighed")),
    };
    if !state.control.server(&pool, &server, wanted) {
        return Err(not_found("there is no such server in such a pool"));
    }
    Ok(Json(
        json!({ "pool": pool, "server": server, "change": change }),
    ))
}

pub(crate) fn not_found(detail: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "Not Found", detail)
}

async fn purge(State(state): State<AdminState>, body: Body) -> Result<Json<Value>, Problem> {
    let body = read_json(body).await?;
    let order = purge_order(&body).ok_or_else(|| bad(PURGE_BODY))?;
    let purged = tokio::task::spawn_blocking(move || state.control.purge(&order)).await;
    let outcome = match purged {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(PurgeRefusal::Bad(why))) => return Err(bad(why)),
        Ok(Err(PurgeRefusal::Failed(why))) => return Err(failed(&why)),
        Err(_) => return Err(failed("the purge failed inside the daemon")),
    };
    let mut answer = body;
    if let (Some(fields), Some(removed)) = (answer.as_object_mut(), outcome.removed) {
        fields.insert("removed".into(), removed.into());
    }
    Ok(Json(answer))
}

const PURGE_BODY: &str = "the body must be one of {\"url\": \"https://...\"}, {\"prefix\": \"host/path\"}, {\"tag\": \"...\"}, \
                          {\"site\": \"...\"} and {\"all\": true}, with \"soft\": true if it is to be stale instead of gone";

/// Exactly one of the ways to name what is purged, and nothing that is not known.
fn purge_order(body: &Value) -> Option<PurgeOrder> {
    let fields = body.as_object()?;
    let soft = match fields.get("soft") {
        None => false,
        Some(soft) => soft.as_bool()?,
    };
    let mut named = fields.iter().filter(|(name, _)| *name != "soft");
    let (name, value) = named.next()?;
    if named.next().is_some() {
        return None;
    }
    let text = || value.as_str().map(str::to_owned);
    let what = match name.as_str() {
        "url" => PurgeWhat::Url(text()?),
        "prefix" => PurgeWhat::Prefix(text()?),
        "tag" => PurgeWhat::Tag(text()?),
        "site" => PurgeWhat::Site(text()?),
        "all" if *value == Value::Bool(true) => PurgeWhat::All,
        _ => return None,
    };
    Some(PurgeOrder { what, soft })
}

/// Objects that are listed where the query does not say how many.
const LISTED: usize = 100;

type Pairs = Query<Vec<(String, String)>>;

/// `?url=...`, and `field=Name: value` as often as wanted.
async fn cache_object(
    State(state): State<AdminState>,
    Query(pairs): Pairs,
) -> Result<Json<Value>, Problem> {
    let mut url = None;
    let mut fields = Vec::new();
    for (name, value) in pairs {
        match name.as_str() {
            "url" => url = Some(value),
            "field" => fields.push(value),
            _ => return Err(bad("the query takes `url` and `field`")),
        }
    }
    let url = url.ok_or_else(|| bad("the query must have a `url`"))?;
    looked(move || state.control.cache_object(&url, &fields)).await
}

/// `?prefix=...&tag=...&site=...&limit=...`
async fn cache_objects(
    State(state): State<AdminState>,
    Query(pairs): Pairs,
) -> Result<Json<Value>, Problem> {
    let mut wanted = CacheQuery {
        limit: LISTED,
        ..CacheQuery::default()
    };
    for (name, value) in pairs {
        match name.as_str() {
            "prefix" => wanted.prefix = Some(value),
            "tag" => wanted.tag = Some(value),
            "site" => wanted.site = Some(value),
            "limit" => {
                let limit = value.parse();
                wanted.limit = limit.map_err(|_| bad("`limit` is a number"))?;
            }
            _ => return Err(bad("the query takes `prefix`, `tag`, `site` and `limit`")),
        }
    }
    looked(move || state.control.cache_objects(&wanted)).await
}

async fn looked(
    look: impl FnOnce() -> Result<Value, PurgeRefusal> + Send + 'static,
) -> Result<Json<Value>, Problem> {
    match tokio::task::spawn_blocking(look).await {
        Ok(Ok(value)) => Ok(Json(value)),
        Ok(Err(PurgeRefusal::Bad(why))) => Err(bad(why)),
        Ok(Err(PurgeRefusal::Failed(why))) => Err(failed(&why)),
        Err(_) => Err(failed("looking failed inside the daemon")),
    }
}

pub(crate) fn failed(detail: &str) -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Internal Server Error",
        detail,
    )
}

async fn reload(State(state): State<AdminState>) -> Result<Json<Value>, Problem> {
    let reloaded = tokio::task::spawn_blocking(move || state.control.reload()).await;
    let reloaded = reloaded.map_err(|_| {
        let detail = "the reload failed inside the daemon; its error log says more";
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal Server Error",
            detail,
        )
    })?;
    match reloaded {
        Ok(outcome) => Ok(Json(
            json!({ "reloaded": true, "warnings": outcome.warnings }),
        )),
        Err(error) => {
            let detail = "the configuration has errors; the previous one serves on";
            Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "Configuration Refused",
                detail,
            )
            .with("rendered", error.rendered)
            .with("diagnostics", error.diagnostics))
        }
    }
}

pub(crate) async fn read_json(body: Body) -> Result<Value, Problem> {
    let read = tokio::time::timeout(BODY_TIME_MAX, to_bytes(body, BODY_BYTES_MAX)).await;
    let read = read.map_err(|_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "Request Timeout",
            "the body took too long to arrive",
        )
    })?;
    let bytes = read.map_err(|_| {
        let detail = format!("the body is cut short or longer than {BODY_BYTES_MAX} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large", detail)
    })?;
    serde_json::from_slice(&bytes).map_err(|error| bad(format!("the body is not JSON: {error}")))
}

pub(crate) fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "Bad Request", detail)
}
