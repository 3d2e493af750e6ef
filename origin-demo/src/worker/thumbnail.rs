//! Drawing a product's thumbnail.

use super::{Worker, number};
use crate::{art, store::Thumbnail};

/// Pixels a side: sharp at 64 on a dense screen.
const SIDE: usize = 128;

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
    let drawn = tokio::task::spawn_blocking(move || {
        let scene = art::paint(
            &product.category,
            &product.name,
            &product.colour,
            product.art,
        );
        art::png(&scene, SIDE).map(|png| Thumbnail {
            png,
            art: product.art,
        })
    });
    let thumbnail = drawn
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let saved = worker
        .store
        .write(move |repository| repository.save_thumbnail(id, &thumbnail))
        .await;
    saved.map_err(|error| error.to_string())
}
