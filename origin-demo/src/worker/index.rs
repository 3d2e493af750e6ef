//! Telling search about a product, as it is now.

use super::{Worker, number};

pub async fn perform(worker: &Worker, payload: &str) -> Result<(), String> {
    let id = number(payload)?;
    let product = worker
        .store
        .read(move |repository| repository.product(id))
        .await
        .map_err(|error| error.to_string())?;
    let Some(product) = product else {
        return Ok(());
    };
    let stored = worker
        .search
        .post::<serde_json::Value>("/index", &[product])
        .await;
    stored.map(drop).map_err(|error| error.to_string())
}
