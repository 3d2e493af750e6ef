//! Shelves, products, thumbnails.

use super::{Api, Refused};
use crate::{
    model::{Category, Listing, Page, Product, ProductChange},
    serve::now_ms,
};
use axum::{
    Json,
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

type Shared = State<Arc<Api>>;

pub async fn categories(State(api): Shared) -> Result<Json<Vec<Category>>, Refused> {
    Ok(Json(
        api.store.read(|repository| repository.categories()).await?,
    ))
}

pub async fn list(
    State(api): Shared,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Product>>, Refused> {
    Ok(Json(
        api.store
            .read(move |repository| repository.products(&listing))
            .await?,
    ))
}

pub async fn one(State(api): Shared, Path(id): Path<u64>) -> Result<Json<Product>, Refused> {
    let product = api
        .products
        .get(id, &api.store)
        .await?
        .ok_or_else(Refused::not_found)?;
    Ok(Json((*product).clone()))
}

pub async fn change(
    State(api): Shared,
    Path(id): Path<u64>,
    Json(change): Json<ProductChange>,
) -> Result<Json<Product>, Refused> {
    if change
        .price_cents
        .is_some_and(|price| price == 0 || price > 100_000_000)
    {
        return Err(Refused::invalid(
            "A price is between one cent and a million.",
        ));
    }
    if change.stock.is_some_and(|stock| stock > 1_000_000) {
        return Err(Refused::invalid("A stock is at most a million."));
    }
    // 48 bits, so that it survives every JSON reader as an integer.
    if change.art.is_some_and(|art| art >> 48 != 0) {
        return Err(Refused::invalid("An art seed has at most 48 bits."));
    }
    let product = api
        .store
        .write(move |repository| repository.change_product(id, &change, now_ms()))
        .await?;
    api.products.forget(id);
    // Only now: what is fetched after the purge is the new one.
    if let (Some(edge), Some(_)) = (&api.edge, &product) {
        edge.forget(&format!("p-{id}")).await;
    }
    product.map(Json).ok_or_else(Refused::not_found)
}

pub async fn thumbnail(State(api): Shared, Path(id): Path<u64>) -> Result<Response, Refused> {
    let thumbnail = api
        .store
        .read(move |repository| repository.thumbnail(id))
        .await?;
    let product = api
        .products
        .get(id, &api.store)
        .await?
        .ok_or_else(Refused::not_found)?;
    // One of an older picture is none: its address would be cached under the new one's name.
    let thumbnail = thumbnail
        .filter(|made| made.art == product.art)
        .ok_or_else(Refused::not_found)?;
    Ok(([(header::CONTENT_TYPE, "image/png")], thumbnail.png).into_response())
}
