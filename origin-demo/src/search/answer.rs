//! What is asked and what is answered.

use crate::model::{Product, Sort};
use serde::{Deserialize, Serialize};

/// A search. Everything may be missing; nonsense counts as missing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Question {
    /// Words.
    pub q: String,
    /// A shelf's slug.
    pub category: String,
    /// A colour.
    pub colour: String,
    /// A price band: see [`BANDS`].
    pub price: String,
    /// `in` for what can be bought now.
    pub stock: String,
    /// The order.
    pub sort: Sort,
    /// From 1.
    pub page: String,
}

/// Price bands: the word in URLs, the label, and from (inclusive) and to (exclusive) in cents.
pub const BANDS: [(&str, &str, u64, u64); 4] = [
    ("0-25", "Under €25", 0, 2_500),
    ("25-75", "€25 to €75", 2_500, 7_500),
    ("75-150", "€75 to €150", 7_500, 15_000),
    ("150-", "€150 and more", 15_000, u64::MAX),
];

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// One page of it.
    pub hits: Vec<Hit>,
    /// Of all pages.
    pub total: u64,
    /// From 1.
    pub page: u64,
    /// Ways to narrow it down, with counts.
    pub facets: Vec<Facet>,
    /// The words as they are probably spelt, if some are unknown.
    pub did_you_mean: Option<String>,
}

/// One product.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hit {
    /// The product.
    pub product: Product,
    /// Its name in pieces, marked where it matches. Text, not HTML: whoever shows it escapes it.
    pub name: Vec<Piece>,
}

/// A part of a text.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Piece {
    /// As it stands there.
    pub text: String,
    /// Whether it matches.
    pub hit: bool,
}

/// A property and how often each value occurs among what the *other* filters leave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facet {
    /// The parameter's name.
    pub name: String,
    /// For people.
    pub label: String,
    /// Values that occur, or are chosen.
    pub values: Vec<FacetValue>,
}

/// A value of a facet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FacetValue {
    /// In URLs.
    pub value: String,
    /// For people.
    pub label: String,
    /// How many products.
    pub count: u64,
    /// Whether it is chosen.
    pub chosen: bool,
}
