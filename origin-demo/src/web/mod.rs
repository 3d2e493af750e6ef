//! The web role: the shop's pages, made on the server.
//!
//! It opens no database: everything comes from `api` and `search` over HTTP, so it can be run twice behind a balancer
//! and killed at any time. Two kinds of page, never mixed ([`page`]): public ones that say nothing about the visitor
//! and may be cached by an edge, and private ones (cart, checkout, orders) that must not be.

mod assets;
mod cart;
mod catalogue;
mod checkout;
mod images;
mod page;
mod search;
mod session;
mod views;

use crate::{cli::Cli, client::Client, serve::Service};
use anyhow::Context;
use assets::Assets;
use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use session::Sessions;
use std::sync::Arc;

/// What the handlers share.
pub struct Web {
    api: Client,
    search: Client,
    assets: Assets,
    sessions: Sessions,
    edge_name: String,
}

/// Be the web.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let service = Service::new(&cli)?;
    std::fs::create_dir_all(&cli.state)
        .with_context(|| format!("cannot make {}", cli.state.display()))?;
    let web = Web {
        api: Client::new(&cli.api),
        search: Client::new(&cli.search),
        assets: Assets::new(),
        sessions: Sessions::open(&cli.state).context("cannot read or make session.key")?,
        edge_name: cli.edge_name.clone(),
    };
    // Ready without the api: a page that says what is wrong beats no server at all.
    service.set_ready();
    service.run(cli.listen(), router(Arc::new(web))).await
}

fn router(web: Arc<Web>) -> Router {
    Router::new()
        .route("/", get(catalogue::home))
        .route("/c/{slug}", get(catalogue::shelf))
        .route("/products/{id}", get(catalogue::product))
        .route("/search", get(search::results))
        .route("/cart", get(cart::show))
        .route("/cart/add", post(cart::add))
        .route("/cart/update", post(cart::update))
        .route("/checkout", get(checkout::form).post(checkout::place))
        .route("/orders/{id}", get(checkout::confirmation))
        .route("/images/{file}", get(images::picture))
        .route("/thumbs/{file}", get(images::thumbnail))
        .route("/assets/{file}", get(assets::serve))
        .route("/favicon.ico", get(images::favicon))
        .route(
            "/robots.txt",
            get(|| async {
                "User-agent: *\nDisallow: /cart\nDisallow: /checkout\nDisallow: /orders/\n"
            }),
        )
        .fallback(catalogue::missing)
        .layer(middleware::from_fn(harden))
        .with_state(web)
}

/// Headers every answer carries.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = "default-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(policy),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    response
}
