//! Everything on sale, made from a seed.
//!
//! `product(seed, id)` is a pure function: the same shop on every machine, and a product does not change when more are
//! made. Names are unique by construction: a shelf's combinations of place, material and kind are walked with a stride
//! that is coprime to their number.

mod words;

use crate::{
    model::{Category, Product},
    random::Rng,
};
use words::{CLOSINGS, MAKERS, PLACES, SHELVES};

pub use words::COLOURS;

/// Names a shelf can give before they need a number.
const COMBINATIONS: u64 = (PLACES.len() * 5 * 4) as u64;
/// Coprime to [`COMBINATIONS`] (960 = 2^6 * 3 * 5).
const STRIDE: u64 = 389;

/// The shelves; their counts are 0 here.
pub fn categories() -> impl Iterator<Item = Category> {
    SHELVES.iter().map(|shelf| Category {
        slug: shelf.slug.to_owned(),
        name: shelf.name.to_owned(),
        blurb: shelf.blurb.to_owned(),
        count: 0,
    })
}

/// The `id`th product (from 1) of the shop made from `seed`.
pub fn product(seed: u64, id: u64) -> Product {
    let mut rng = Rng::of(seed, id);
    let nth = id.saturating_sub(1);
    let shelf = &SHELVES[(nth % SHELVES.len() as u64) as usize];
    let on_shelf = nth / SHELVES.len() as u64;
    let combination = (on_shelf
        .wrapping_mul(STRIDE)
        .wrapping_add(seed.wrapping_mul(97)))
        % COMBINATIONS;
    let place = PLACES[(combination % 48) as usize];
    let (material, about_material) = shelf.materials[(combination / 48 % 5) as usize];
    let (kind, low, high) = shelf.kinds[(combination / 240) as usize];
    let edition = on_shelf / COMBINATIONS + 1;
    let numbered = if edition > 1 {
        format!(" No. {edition}")
    } else {
        String::new()
    };

    let maker = *rng.pick(&MAKERS);
    let colour = rng.pick(&COLOURS).0;
    let opening = rng
        .pick(&shelf.openings)
        .replace("{kind}", &kind.to_lowercase());
    let closing = rng.pick(&CLOSINGS).replace("{maker}", maker);
    let care = *rng.pick(&shelf.care);
    let details = three_of(&mut rng, &shelf.facts);
    let price_cents = rng.between(low, high) * 100 - if rng.chance(40) { 10 } else { 0 };
    let stock = if rng.chance(6) {
        0
    } else {
        rng.between(1, 60) as u32
    };
    Product {
        id,
        version: 1,
        category: shelf.slug.to_owned(),
        name: format!("{place} {material} {kind}{numbered}"),
        maker: maker.to_owned(),
        description: format!("{opening} {about_material}\n\n{closing} {care}"),
        summary: opening,
        details,
        material: material.to_owned(),
        colour: colour.to_owned(),
        price_cents,
        stock,
        rating_tenths: (rng.between(38, 49) + rng.between(32, 50)) as u32 / 2,
        reviews: (rng.between(2, 20) * rng.between(1, 14)) as u32,
        art: rng.next() >> 16,
    }
}

fn three_of(rng: &mut Rng, facts: &[&str; 6]) -> Vec<String> {
    let first = rng.between(0, 5) as usize;
    (0..3)
        .map(|n| {
            facts[(first + n * 2 + usize::from(n == 2 && first.is_multiple_of(2))) % 6].to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_same_seed_makes_the_same_shop() {
        assert_eq!(product(7, 42), product(7, 42));
        assert_ne!(product(7, 42), product(8, 42));
    }

    #[test]
    fn names_are_unique_even_past_all_combinations() {
        let names: HashSet<_> = (1..=20_000).map(|id| product(7, id).name).collect();
        assert_eq!(names.len(), 20_000);
    }

    #[test]
    fn products_are_within_what_the_pages_assume() {
        let slugs: HashSet<_> = categories().map(|category| category.slug).collect();
        for id in 1..=2_000 {
            let product = product(3, id);
            assert!(slugs.contains(&product.category));
            assert!(
                (1_000..100_000).contains(&product.price_cents),
                "{product:?}"
            );
            assert!((10..=50).contains(&product.rating_tenths));
            let facts: HashSet<_> = product.details.iter().collect();
            assert_eq!(facts.len(), 3, "{product:?}");
            assert!(!product.description.contains('{'));
        }
    }
}
