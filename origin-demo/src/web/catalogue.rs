//! Public pages: front page, shelves, products.

use super::{Web, page, views};
use crate::{
    catalogue as shop,
    client::{self, encode},
    limits::{PAGE, PAGES_MAX},
    model::{Page, Product, Sort},
};
use axum::{
    extract::{Path, Query, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;
use std::sync::Arc;

type Shared = State<Arc<Web>>;

/// `GET /`
pub async fn home(State(web): Shared, headers: HeaderMap) -> Response {
    let featured = web.api.get::<Page<Product>>("/products?per_page=9").await;
    let away = featured.is_err();
    let mut featured = featured.map(|page| page.items).unwrap_or_default();
    let hero = featured.pop();
    let view = views::Home {
        shell: web.shell(""),
        featured,
        hero,
        notice: away
            .then_some("Our shelves cannot be reached at the moment. Please try again shortly."),
    };
    let mut response = page::public(&headers, "home catalogue", &view);
    if away {
        page::degrade(&mut response);
    }
    response
}

/// What a shelf's address may say.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Looking {
    page: String,
    sort: Sort,
}

/// A page number as a stranger writes it: nonsense is the first page.
pub fn page_number(written: &str) -> u64 {
    written.parse().unwrap_or(1).clamp(1, PAGES_MAX)
}

/// `GET /c/{slug}`
pub async fn shelf(
    State(web): Shared,
    Path(slug): Path<String>,
    Query(looking): Query<Looking>,
    headers: HeaderMap,
) -> Response {
    let Some(category) = shop::categories().find(|category| category.slug == slug) else {
        return page::missing(&web);
    };
    let number = page_number(&looking.page);
    let path = format!(
        "/products?category={}&page={number}&sort={}",
        encode(&slug),
        looking.sort.as_str()
    );
    let products: Page<Product> = match web.api.get(&path).await {
        Ok(products) => products,
        Err(error) => return page::apologise(&web, &error),
    };
    if products.items.is_empty() && number > 1 {
        return page::missing(&web);
    }
    let pager = views::Pager::new(number, products.total, PAGE, |page| {
        format!("/c/{slug}?page={page}&sort={}", looking.sort.as_str())
    });
    let tags = tags(&format!("catalogue category-{slug}"), &products.items);
    let view = views::Shelf {
        shell: web.shell(&slug),
        category,
        products,
        sort: looking.sort,
        pager,
    };
    page::public(&headers, &tags, &view)
}

/// `GET /products/{id}`
pub async fn product(State(web): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Ok(id) = id.parse::<u64>() else {
        return page::missing(&web);
    };
    let product: Product = match web.api.get(&format!("/products/{id}")).await {
        Ok(product) => product,
        Err(error) => return page::apologise(&web, &error),
    };
    let Some(category) = shop::categories().find(|category| category.slug == product.category)
    else {
        return page::apologise(&web, &client::Error::NotFound);
    };
    let more = web
        .api
        .get::<Page<Product>>(&format!("/products?category={}&per_page=5", category.slug))
        .await;
    // Neighbours are a nicety: without them the page is still a page.
    let mut more = more.map(|page| page.items).unwrap_or_default();
    more.retain(|other| other.id != id);
    more.truncate(4);
    let tags = tags(&format!("p-{id} category-{}", product.category), &more);
    let view = views::ProductPage {
        shell: web.shell(&product.category),
        product,
        category,
        more,
    };
    page::public(&headers, &tags, &view)
}

/// Everything else.
pub async fn missing(State(web): Shared) -> Response {
    page::missing(&web)
}

/// Tags for purging: the page's own, and every product on it.
pub fn tags(own: &str, products: &[Product]) -> String {
    products.iter().fold(own.to_owned(), |tags, product| {
        format!("{tags} p-{}", product.id)
    })
}
