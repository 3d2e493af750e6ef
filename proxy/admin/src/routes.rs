//! The router, made from the table of endpoints, behind its door.

use crate::{
    AdminState, Door, Problem, Scope,
    answers::{Ask, Reply},
    audit::Entry,
    door::Caller,
    endpoints::{Carries, ENDPOINTS, Endpoint, Handler, Verb},
    events, page,
    problem::{bad, failed},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Extension, Query, RawPathParams, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, post, put},
};
use std::time::Duration;

/// The largest request body, but for a configuration.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The largest configuration that is put: as much as is read from a file.
pub const CONFIGURATION_BYTES_MAX: usize = 16 * 1024 * 1024;

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
                "there is nothing at this path; /api/v1/openapi.json lists what there is",
            )
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "Method Not Allowed",
                "this path does not take this method",
            )
        })
        .layer(from_fn_with_state((door, state.clone()), guard))
        .with_state(state)
}

fn api(mut routes: Router<AdminState>) -> Router<AdminState> {
    for endpoint in ENDPOINTS {
        routes = routes.route(endpoint.path, served(endpoint));
    }
    routes
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

fn served(endpoint: &'static Endpoint) -> MethodRouter<AdminState> {
    let run = move |State(state): State<AdminState>,
                    Extension(caller): Extension<Caller>,
                    params: RawPathParams,
                    Query(query): Query<Vec<(String, String)>>,
                    headers: HeaderMap,
                    body: Body| async move {
        let params = params
            .iter()
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        let ask = Ask {
            state,
            actor: caller.to_string(),
            params,
            query,
            headers,
            body: Vec::new(),
        };
        match answer(endpoint, &caller, ask, body).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        }
    };
    match endpoint.verb {
        Verb::Get => get(run),
        Verb::Post => post(run),
        Verb::Put => put(run),
        Verb::Delete => delete(run),
    }
}

async fn answer(
    endpoint: &'static Endpoint,
    caller: &Caller,
    mut ask: Ask,
    body: Body,
) -> Result<Response, Problem> {
    caller.may(endpoint.scope)?;
    ask.body = read(endpoint, body).await?;
    let run = match endpoint.handler {
        Handler::Events => return events::stream(&ask),
        Handler::Plain(run) => run,
    };
    let changes = endpoint.scope != Scope::Read
        && endpoint.path != "/api/v1/config/diff"
        && ask.argument("dry_run") != Some("true");
    let answered = tokio::task::spawn_blocking(move || match changes {
        true => recorded(endpoint, &ask, run),
        false => run(&ask),
    });
    let answered = answered.await;
    let reply = answered
        .map_err(|_| failed("this failed inside the daemon; its error log says more"))??;
    Ok(respond(reply))
}

/// A change, with its lines in the audit log before and after it.
fn recorded(
    endpoint: &Endpoint,
    ask: &Ask,
    run: fn(&Ask) -> Result<Reply, Problem>,
) -> Result<Reply, Problem> {
    let Some(log) = &ask.state.audit else {
        return match &ask.state.audit_failure {
            None => run(ask),
            Some(why) => Err(failed(&format!(
                "nothing is changed that cannot be recorded: {why}"
            ))),
        };
    };
    let mut action = format!("{} {}", endpoint.verb.as_str(), endpoint.path);
    for (name, value) in &ask.params {
        action = action.replace(&format!("{{{name}}}"), value);
    }
    let detail = match endpoint.carries {
        // What it changed is in the revisions.
        Carries::Yaml => format!("{} bytes", ask.body.len()),
        _ => String::from_utf8_lossy(&ask.body).into_owned(),
    };
    let query = ask.query.iter().map(|(n, v)| format!(" {n}={v}"));
    let detail = detail + &query.collect::<String>();
    let asked = Entry {
        phase: "asked",
        actor: &ask.actor,
        action: &action,
        detail: &detail,
        ..Entry::default()
    };
    let unwritten = |e| failed(&format!("nothing is changed that cannot be recorded: {e}"));
    let of = log.append(&asked).map_err(unwritten)?;
    let outcome = run(ask);
    let status = match &outcome {
        Ok(reply) => reply.status,
        Err(problem) => problem.status(),
    };
    let done = Entry {
        phase: "done",
        actor: &ask.actor,
        action: &action,
        status: Some(status.as_u16()),
        of: Some(of),
        ..Entry::default()
    };
    match log.append(&done) {
        Ok(_) => outcome,
        Err(e) if outcome.is_ok() => Err(failed(&format!(
            "it was done, and that could not be recorded: {e}"
        ))),
        Err(_) => outcome,
    }
}

fn respond(reply: Reply) -> Response {
    let mut response = (reply.status, axum::Json(reply.body)).into_response();
    if let Some(etag) = reply.etag.and_then(|e| HeaderValue::from_str(&e).ok()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

async fn read(endpoint: &Endpoint, body: Body) -> Result<Vec<u8>, Problem> {
    let limit = match endpoint.carries {
        Carries::Yaml => CONFIGURATION_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    };
    let read = tokio::time::timeout(BODY_TIME_MAX, to_bytes(body, limit)).await;
    let read = read.map_err(|_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "Request Timeout",
            "the body took too long to arrive",
        )
    })?;
    let bytes = read.map_err(|_| {
        let detail = format!("the body is cut short or longer than {limit} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large", detail)
    })?;
    if endpoint.verb == Verb::Get && !bytes.is_empty() {
        return Err(bad("a GET has no body"));
    }
    Ok(bytes.to_vec())
}

/// Every request passes here first, every answer last.
async fn guard(
    State((door, state)): State<(Door, AdminState)>,
    mut request: Request,
    next: Next,
) -> Response {
    let admitted = door.admit(
        &state,
        request.method(),
        request.uri().path(),
        request.headers(),
    );
    let mut response = match admitted.await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
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
