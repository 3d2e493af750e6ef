//! How one role asks another: JSON over a kept-alive HTTP/1.1 connection, with a deadline and a size limit.

use crate::{
    limits::{ANSWER_BYTES, CALL_TIMEOUT},
    metrics,
    model::Refusal,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::{
    client::legacy::{Client as Pooled, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody there, too slow, or a 5xx: the same question may be answered later.
    #[error("{0}")]
    Away(String),
    /// There is nothing of this name.
    #[error("not found")]
    NotFound,
    /// A 4xx with a reason.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// Not what we speak.
    #[error("an answer that does not parse: {0}")]
    Garbled(#[from] serde_json::Error),
}

/// A role, by its address.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: Pooled<HttpConnector, Full<Bytes>>,
}

impl Client {
    /// `base` as in `http://127.0.0.1:7010`.
    pub fn new(base: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(1)));
        let http = Pooled::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(32)
            .build(connector);
        Self {
            base: base.trim_end_matches('/').to_owned(),
            http,
        }
    }

    /// Get JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let bytes = self.call(Method::GET, path, Bytes::new()).await?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Get bytes.
    pub async fn get_bytes(&self, path: &str) -> Result<Bytes, Error> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    /// Post JSON, get JSON.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let bytes = self
            .call(Method::POST, path, serde_json::to_vec(body)?.into())
            .await?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Error> {
        let answered = tokio::time::timeout(CALL_TIMEOUT, self.exchange(method, path, body)).await;
        let result =
            answered.unwrap_or_else(|_| Err(Error::Away(format!("{}: too slow", self.base))));
        if matches!(result, Err(Error::Away(_) | Error::Garbled(_))) {
            metrics::UPSTREAM_ERRORS.inc();
        }
        result
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Error> {
        let away = |error: &dyn std::fmt::Display| Error::Away(format!("{}: {error}", self.base));
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| away(&error))?;
        let response = self
            .http
            .request(request)
            .await
            .map_err(|error| away(&error))?;
        let status = response.status();
        let collected = Limited::new(response.into_body(), ANSWER_BYTES)
            .collect()
            .await;
        let bytes = collected.map_err(|error| away(&error))?.to_bytes();
        if status.is_success() {
            return Ok(bytes);
        }
        if status.is_client_error() {
            return Err(match serde_json::from_slice::<Refusal>(&bytes) {
                Ok(refusal) if refusal.code != "not-found" => Error::Refused(refusal),
                _ if status == StatusCode::NOT_FOUND => Error::NotFound,
                _ => away(&status),
            });
        }
        Err(away(&status))
    }
}

/// Percent-encode a value for a query or a path segment.
pub fn encode(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}
