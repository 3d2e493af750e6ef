//! Assets under names that contain their hash: they never change, so they may be kept for a year.

use super::{Web, page};
use crate::random;
use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::sync::Arc;

const FOREVER: &str = "public, max-age=31536000, immutable";

/// The files and where they are.
pub struct Assets {
    /// Path of the style sheet.
    pub css: String,
    /// Path of the script.
    pub js: String,
}

const CSS: &str = include_str!("../../assets/app.css");
const JS: &str = include_str!("../../assets/app.js");

impl Assets {
    /// Hash them.
    pub fn new() -> Self {
        Self {
            css: path("css", CSS),
            js: path("js", JS),
        }
    }
}

fn path(extension: &str, body: &str) -> String {
    let hash = Sha256::digest(body);
    format!(
        "/assets/app.{}.{extension}",
        random::hex(hash.get(..6).unwrap_or_default())
    )
}

/// `GET /assets/{file}`: only the current names; an old one is a 404 and never another file's content.
pub async fn serve(
    State(web): State<Arc<Web>>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    let asked = format!("/assets/{file}");
    let (body, kind) = match asked {
        _ if asked == web.assets.css => (CSS, "text/css; charset=utf-8"),
        _ if asked == web.assets.js => (JS, "text/javascript; charset=utf-8"),
        _ => return page::missing(&web),
    };
    page::validated(
        &headers,
        Bytes::from_static(body.as_bytes()),
        kind,
        FOREVER,
        "assets",
    )
}
