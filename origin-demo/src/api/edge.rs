//! Telling the edge what has changed: it keeps pages by the tags they came with, and drops those of a tag when it is told to.

use crate::{limits::CALL_TIMEOUT, metrics};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Method, Request};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// The name that the edge knows the shop by on its plain listener.
const HOST: &str = "shop.localhost";

/// An edge, by its address.
pub struct Edge {
    url: String,
    http: Client<HttpConnector, Empty<Bytes>>,
}

impl Edge {
    /// `base` as in `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Self {
        Self {
            url: format!("{}/", base.trim_end_matches('/')),
            http: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Has everything forgotten that carries one of these tags. An edge that cannot be told serves what it has until that is stale: said, and
    /// no reason to refuse a change that is made already.
    pub async fn forget(&self, tags: &str) {
        let told = tokio::time::timeout(CALL_TIMEOUT, self.purge(tags)).await;
        let failure = match told {
            Ok(Ok(200)) => return,
            Ok(Ok(status)) => format!("status {status}"),
            Ok(Err(error)) => error,
            Err(_) => "too slow".to_owned(),
        };
        metrics::UPSTREAM_ERRORS.inc();
        crate::say!(
            "api: the edge at {} did not purge {tags}: {failure}",
            self.url
        );
    }

    async fn purge(&self, tags: &str) -> Result<u16, String> {
        let method = Method::from_bytes(b"PURGE").map_err(|error| error.to_string())?;
        let request = Request::builder()
            .method(method)
            .uri(&self.url)
            .header("host", HOST)
            .header("surrogate-key", tags)
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let response = self.http.request(request).await;
        response
            .map(|response| response.status().as_u16())
            .map_err(|error| error.to_string())
    }
}
