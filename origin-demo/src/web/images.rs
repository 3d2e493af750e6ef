//! Product pictures: drawn here as SVG, or the worker's thumbnails.

use super::{Web, page};
use crate::{art, client, model::Product};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use std::sync::Arc;

/// A day: addresses carry the picture's seed, so a new picture has a new address.
const A_DAY: &str = "public, max-age=86400, stale-if-error=604800";

/// `GET /images/{id}.svg`
pub async fn picture(
    State(web): State<Arc<Web>>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(id) = number(&file, ".svg") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match web.api.get::<Product>(&format!("/products/{id}")).await {
        Ok(product) => drawn(&headers, &product),
        Err(error) => unavailable(&error),
    }
}

/// `GET /thumbs/{id}.png`: until the worker has made it, the way to the big picture.
pub async fn thumbnail(
    State(web): State<Arc<Web>>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(id) = number(&file, ".png") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match web.api.get_bytes(&format!("/thumbnails/{id}")).await {
        Ok(png) => page::validated(&headers, png, "image/png", A_DAY, &format!("p-{id}")),
        Err(client::Error::NotFound) => {
            let headers = [
                (header::LOCATION, format!("/images/{id}.svg")),
                (header::CACHE_CONTROL, "no-store".into()),
            ];
            (StatusCode::FOUND, headers).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

/// `GET /favicon.ico`
pub async fn favicon(headers: HeaderMap) -> Response {
    let svg = include_str!("../../assets/favicon.svg");
    page::validated(
        &headers,
        Bytes::from_static(svg.as_bytes()),
        "image/svg+xml",
        A_DAY,
        "assets",
    )
}

fn drawn(headers: &HeaderMap, product: &Product) -> Response {
    let scene = art::paint(
        &product.category,
        &product.name,
        &product.colour,
        product.art,
    );
    let title = format!("{}, {}", product.name, product.colour.to_lowercase());
    let tag = format!("p-{}", product.id);
    page::validated(
        headers,
        art::svg(&scene, &title).into(),
        "image/svg+xml",
        A_DAY,
        &tag,
    )
}

fn number(file: &str, extension: &str) -> Option<u64> {
    file.strip_suffix(extension)?.parse().ok()
}

fn unavailable(error: &client::Error) -> Response {
    let status = match error {
        client::Error::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, [(header::CACHE_CONTROL, "no-store")]).into_response()
}
