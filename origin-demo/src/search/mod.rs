//! The search role: a tantivy index in a directory, answering over HTTP.
//!
//! The index holds words; what is shown, filtered and counted comes from a table of all products in memory
//! ([`shelf::Shelf`]), loaded from the index's own stored copies. So facets need no second index, and a search is one
//! pass over the hits. The worker keeps it current; when it is empty (first start, or the directory was thrown away)
//! it pulls everything from the api and is not ready until it has.

mod answer;
mod index;
mod shelf;
mod words;

pub use answer::{Answer, Hit, Piece, Question};

use crate::{
    cli::Cli,
    client::Client,
    limits::{INDEX_BODY_BYTES, PER_PAGE_MAX},
    metrics,
    model::{Page, Product},
    serve::Service,
};
use anyhow::Context;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use index::Index;
use std::{sync::Arc, time::Duration};

/// Be the search.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let service = Service::new(&cli)?;
    let path = cli.state.join("search");
    let index = tokio::task::spawn_blocking(move || Index::open(&path))
        .await?
        .context("cannot open the index")?;
    let index = Arc::new(index);
    let filling = fill(index.clone(), Client::new(&cli.api), service.clone());
    tokio::spawn(async move {
        if let Err(error) = filling.await {
            crate::complain!("search: cannot fill the index: {error}");
        }
    });
    let app = Router::new()
        .route("/search", get(search))
        .route(
            "/index",
            post(upsert).layer(DefaultBodyLimit::max(INDEX_BODY_BYTES)),
        )
        .with_state(index);
    service.run(cli.listen(), app).await
}

/// Pull everything if there is nothing, however long it takes the api to come up.
async fn fill(index: Arc<Index>, api: Client, service: Service) -> Result<(), index::Error> {
    let mut after = 0;
    while index.is_empty() || after > 0 {
        let path = format!("/products?after={after}&per_page={PER_PAGE_MAX}");
        match api.get::<Page<Product>>(&path).await {
            Ok(page) => {
                let Some(last) = page.items.last() else { break };
                after = last.id;
                store(index.clone(), page.items).await?;
            }
            // Not an event one could await: another process has to come up.
            Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
    service.set_ready();
    Ok(())
}

async fn store(index: Arc<Index>, products: Vec<Product>) -> Result<usize, index::Error> {
    let stored = tokio::task::spawn_blocking(move || {
        let stored = index.upsert(products);
        metrics::INDEXED.set(index.len() as u64);
        stored
    });
    stored.await.unwrap_or(Err(index::Error::Stopped))
}

async fn search(State(index): State<Arc<Index>>, Query(question): Query<Question>) -> Response {
    metrics::SEARCHES.inc();
    let answered = tokio::task::spawn_blocking(move || index.search(&question)).await;
    match answered.unwrap_or(Err(index::Error::Stopped)) {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => failed(&error),
    }
}

async fn upsert(State(index): State<Arc<Index>>, Json(products): Json<Vec<Product>>) -> Response {
    match store(index, products).await {
        Ok(stored) => Json(serde_json::json!({ "stored": stored })).into_response(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &index::Error) -> Response {
    crate::complain!("search: {error}");
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "The index did not answer.\n",
    )
        .into_response()
}
