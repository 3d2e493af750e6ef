//! The api role: JSON over the repository.
//!
//! It listens on loopback and trusts its callers, the other roles; what it is sent is validated all the same, because
//! they pass on what strangers wrote.

mod carts;
mod catalogue;
mod edge;
mod flight;
mod jobs;
mod refusal;

use crate::{
    cli::Cli,
    limits::{CACHED_FOR, CACHED_PRODUCTS},
    serve::{Service, now_ms},
    store::{Pool, Sqlite},
};
use anyhow::Context;
use axum::{
    Router,
    routing::{get, post},
};
use edge::Edge;
use flight::Cached;
use std::sync::Arc;

pub use refusal::Refused;

/// What the handlers share.
pub struct Api {
    store: Pool,
    products: Cached,
    edge: Option<Edge>,
}

/// Be the api.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let service = Service::new(&cli)?;
    std::fs::create_dir_all(&cli.state)
        .with_context(|| format!("cannot make {}", cli.state.display()))?;
    let store = Pool::new(2, || Sqlite::open(&cli.state)).context("cannot open the database")?;
    let (seed, products) = (cli.seed, cli.products);
    if store
        .write(move |repository| repository.seed(seed, products, now_ms()))
        .await?
    {
        crate::say!("api made {products} products from seed {seed}");
    }
    let api = Arc::new(Api {
        store,
        products: Cached::new(CACHED_PRODUCTS, CACHED_FOR),
        edge: cli.edge.as_deref().map(Edge::new),
    });
    service.set_ready();
    service.run(cli.listen(), router(api)).await
}

fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/categories", get(catalogue::categories))
        .route("/products", get(catalogue::list))
        .route(
            "/products/{id}",
            get(catalogue::one).post(catalogue::change),
        )
        .route("/thumbnails/{id}", get(catalogue::thumbnail))
        .route("/carts/{session}", get(carts::show).post(carts::change))
        .route("/orders", post(carts::place))
        .route("/orders/{id}", get(carts::order))
        .route("/jobs", get(jobs::counts).post(jobs::enqueue))
        .with_state(api)
}
