//! Fault switches: an origin that is slow, wrong or unwell on request, so that an edge has something to show.
//!
//! Errors are spread evenly, not drawn: with `error_percent: 25` exactly every fourth answer fails, so a test can count.
//! Only a caller on this machine that also *names* us by a loopback address may switch, and no request that a proxy has
//! marked: through an edge the peer is local too.

use crate::{limits::FAULT_LATENCY_MS, metrics};
use axum::{
    Json,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The switches of this process.
#[derive(Default)]
pub struct Faults {
    latency_ms: AtomicU64,
    error_percent: AtomicU64,
    not_ready: AtomicBool,
    dice: AtomicU64,
}

/// What is switched on. What is not named is off.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Setting {
    latency_ms: u64,
    error_percent: u64,
    not_ready: bool,
}

impl Faults {
    /// Whether /ready should say no.
    pub fn not_ready(&self) -> bool {
        self.not_ready.load(Relaxed)
    }

    /// Wait as long as the switch says.
    pub async fn delay(&self) {
        let latency = self.latency_ms.load(Relaxed);
        if latency > 0 {
            metrics::FAULTS.inc();
            tokio::time::sleep(Duration::from_millis(latency)).await;
        }
    }

    /// Whether this one fails: the nth does when n * percent / 100 steps up.
    pub fn fails(&self) -> bool {
        let percent = self.error_percent.load(Relaxed);
        if percent == 0 {
            return false;
        }
        let n = self.dice.fetch_add(1, Relaxed);
        let fails = (n + 1) * percent / 100 > n * percent / 100;
        if fails {
            metrics::FAULTS.inc();
        }
        fails
    }

    fn setting(&self) -> Setting {
        Setting {
            latency_ms: self.latency_ms.load(Relaxed),
            error_percent: self.error_percent.load(Relaxed),
            not_ready: self.not_ready(),
        }
    }

    fn set(&self, setting: Setting) {
        self.latency_ms
            .store(setting.latency_ms.min(FAULT_LATENCY_MS), Relaxed);
        self.error_percent
            .store(setting.error_percent.min(100), Relaxed);
        self.not_ready.store(setting.not_ready, Relaxed);
        self.dice.store(0, Relaxed);
    }
}

/// Slow down and fail what is not about our own state.
pub async fn inject(State(faults): State<Arc<Faults>>, request: Request, next: Next) -> Response {
    if matches!(
        request.uri().path(),
        "/live" | "/ready" | "/metrics" | "/_fault"
    ) {
        return next.run(request).await;
    }
    faults.delay().await;
    if faults.fails() {
        let headers = [("x-fault", "error"), ("cache-control", "no-store")];
        return (
            StatusCode::INTERNAL_SERVER_ERROR,
            headers,
            "A fault was asked for.\n",
        )
            .into_response();
    }
    next.run(request).await
}

/// `GET /_fault`
pub async fn show(
    State(faults): State<Arc<Faults>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if !is_local(peer, &headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(faults.setting()).into_response()
}

/// `POST /_fault`
pub async fn switch(
    State(faults): State<Arc<Faults>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(setting): Json<Setting>,
) -> Response {
    if !is_local(peer, &headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    faults.set(setting);
    Json(faults.setting()).into_response()
}

fn is_local(peer: SocketAddr, headers: &HeaderMap) -> bool {
    let proxied = [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-real-ip",
        "via",
    ];
    if !peer.ip().is_loopback() || proxied.iter().any(|name| headers.contains_key(*name)) {
        return false;
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = host
        .rsplit_once(':')
        .map_or(host, |(name, _)| name)
        .trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_spread_evenly() {
        let faults = Faults::default();
        faults.set(Setting {
            error_percent: 25,
            ..Setting::default()
        });
        let failed: Vec<bool> = (0..8).map(|_| faults.fails()).collect();
        assert_eq!(
            failed,
            [false, false, false, true, false, false, false, true]
        );
        faults.set(Setting {
            error_percent: 1_000,
            ..Setting::default()
        });
        assert!((0..10).all(|_| faults.fails()), "more than all is all");
    }

    #[test]
    fn only_local_callers_who_name_us_locally_may_switch() {
        let local: SocketAddr = "127.0.0.1:5".parse().unwrap();
        let far: SocketAddr = "192.0.2.1:5".parse().unwrap();
        let with = |pairs: &[(&'static str, &'static str)]| {
            pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<HeaderMap>()
        };
        assert!(is_local(local, &with(&[("host", "127.0.0.2:7001")])));
        assert!(is_local(local, &with(&[("host", "[::1]:7001")])));
        assert!(is_local(local, &with(&[("host", "localhost")])));
        assert!(!is_local(far, &with(&[("host", "127.0.0.2:7001")])));
        assert!(
            !is_local(local, &with(&[("host", "shop.test")])),
            "through an edge that keeps Host"
        );
        assert!(!is_local(
            local,
            &with(&[("host", "127.0.0.2"), ("x-forwarded-for", "192.0.2.1")])
        ));
        assert!(!is_local(local, &with(&[])));
    }
}
