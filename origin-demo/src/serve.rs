//! What every role has in common as a server: health, metrics, faults, keep-alive, a graceful end.

use crate::{
    cli::Cli,
    fault::{self, Faults},
    limits::{BODY_BYTES, DRAIN},
    metrics,
};
use anyhow::Context;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};
use tokio::{net::TcpListener, signal::unix::SignalKind, sync::watch};

/// One process of the shop, seen from outside.
#[derive(Clone)]
pub struct Service {
    role: &'static str,
    served_by: HeaderValue,
    /// The fault switches, for roles that also do something other than answer.
    pub faults: Arc<Faults>,
    ready: Arc<AtomicBool>,
    stopping: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
}

impl Service {
    /// The process this command line describes. Not ready until [`Service::set_ready`].
    pub fn new(cli: &Cli) -> anyhow::Result<Self> {
        let (stop, stopping) = watch::channel(false);
        Ok(Self {
            role: cli.role.as_str(),
            served_by: HeaderValue::from_str(&cli.served_by()).context("--name")?,
            faults: Arc::default(),
            ready: Arc::default(),
            stopping,
            stop,
        })
    }

    /// From now on /ready says yes, unless a switch says no.
    pub fn set_ready(&self) {
        self.ready.store(true, Relaxed);
    }

    /// Resolves when the process was asked to end.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.stopping.clone();
        async move {
            let _ = stopping.wait_for(|stop| *stop).await;
        }
    }

    /// Serve `app` and the common paths until SIGTERM or SIGINT, then let open requests end.
    pub async fn run(self, listen: SocketAddr, app: Router) -> anyhow::Result<()> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        // Whoever started us with port 0 reads this line.
        crate::say!(
            "{} listening on http://{}",
            self.role,
            listener.local_addr()?
        );
        self.spawn_signals()?;
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let app = self
            .router(app)
            .into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, app).with_graceful_shutdown(self.stopping());
        let deadline = async {
            self.stopping().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            ended = serving => ended?,
            () = deadline => crate::complain!("{}: requests were still open {} s after the signal", self.role, DRAIN.as_secs()),
        }
        Ok(())
    }

    fn spawn_signals(&self) -> anyhow::Result<()> {
        let mut term = tokio::signal::unix::signal(SignalKind::terminate())?;
        let mut int = tokio::signal::unix::signal(SignalKind::interrupt())?;
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! { _ = term.recv() => {} _ = int.recv() => {} }
            let _ = stop.send(true);
        });
        Ok(())
    }

    fn router(&self, app: Router) -> Router {
        // With the pid, so that whoever started us knows us from somebody else on our port.
        let version = format!(
            "origin-demo {} {}, pid {}\n",
            env!("CARGO_PKG_VERSION"),
            self.role,
            std::process::id()
        );
        let common = Router::new()
            .route("/live", get(|| async { "live\n" }))
            .route("/ready", get(ready).with_state(self.clone()))
            .route("/metrics", get(render_metrics).with_state(self.role))
            .route("/version", get(|| async move { version }))
            .route(
                "/_fault",
                get(fault::show)
                    .post(fault::switch)
                    .with_state(self.faults.clone()),
            );
        app.merge(common)
            .layer(DefaultBodyLimit::max(BODY_BYTES))
            .layer(middleware::from_fn_with_state(
                self.faults.clone(),
                fault::inject,
            ))
            .layer(middleware::from_fn_with_state(
                self.served_by.clone(),
                observe,
            ))
    }
}

async fn ready(State(service): State<Service>) -> Response {
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    if !service.ready.load(Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, no_store, "starting\n").into_response();
    }
    if *service.stopping.borrow() || service.faults.not_ready() {
        return (StatusCode::SERVICE_UNAVAILABLE, no_store, "not ready\n").into_response();
    }
    (no_store, "ready\n").into_response()
}

async fn render_metrics(State(role): State<&'static str>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        metrics::render(role),
    )
}

async fn observe(State(served_by): State<HeaderValue>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    metrics::HTTP_ACTIVE.inc();
    let active = Active;
    let mut response = next.run(request).await;
    drop(active);
    response.headers_mut().insert("x-served-by", served_by);
    metrics::HTTP_MICROS.add(begun.elapsed().as_micros() as u64);
    match response.status().as_u16() {
        200..=299 => metrics::HTTP_2XX.inc(),
        400..=499 => metrics::HTTP_4XX.inc(),
        500.. => metrics::HTTP_5XX.inc(),
        _ => metrics::HTTP_1XX_3XX.inc(),
    }
    response
}

/// Counted off when dropped: a client that hangs up drops the request's future half-way.
struct Active;

impl Drop for Active {
    fn drop(&mut self) {
        metrics::HTTP_ACTIVE.dec();
    }
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
