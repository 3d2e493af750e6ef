//! What travels between the roles as JSON. Money is in cents, time in milliseconds since 1970.

use serde::{Deserialize, Serialize};

/// A shelf of the shop.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Category {
    /// The name in URLs.
    pub slug: String,
    /// The name for people.
    pub name: String,
    /// One sentence.
    pub blurb: String,
    /// Products in it.
    pub count: u64,
}

/// Something on sale.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Product {
    /// From 1.
    pub id: u64,
    /// Counts its changes.
    pub version: u64,
    /// A [`Category::slug`].
    pub category: String,
    /// As on the shelf: unique.
    pub name: String,
    /// Who makes it.
    pub maker: String,
    /// One sentence.
    pub summary: String,
    /// Paragraphs, an empty line between them.
    pub description: String,
    /// Short facts.
    pub details: Vec<String>,
    /// What it is made of.
    pub material: String,
    /// The colour's name.
    pub colour: String,
    /// The price in cents.
    pub price_cents: u64,
    /// Pieces left.
    pub stock: u32,
    /// 10 to 50.
    pub rating_tenths: u32,
    /// How many gave it.
    pub reviews: u32,
    /// The seed of its picture.
    pub art: u64,
}

/// Some of many.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page<T> {
    /// The ones of this page.
    pub items: Vec<T>,
    /// From 1.
    pub page: u64,
    /// Of all pages together.
    pub total: u64,
}

/// Which products to list, and in which order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Listing {
    /// Only this shelf.
    pub category: Option<String>,
    /// Only names that contain this (the fallback when search is away).
    pub q: Option<String>,
    /// Only ids greater than this, in their order (for pulling everything).
    pub after: Option<u64>,
    /// Only these ids, separated by commas.
    pub ids: Option<String>,
    /// The order.
    pub sort: Sort,
    /// From 1.
    pub page: Option<u64>,
    /// At most [`crate::limits::PER_PAGE_MAX`].
    pub per_page: Option<u64>,
}

/// An order of products. Unknown words mean the default: a link from elsewhere should show something.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(from = "String", into = "&'static str")]
pub enum Sort {
    /// Best rated first on shelves, best match first in search.
    #[default]
    Best,
    /// Cheapest first.
    PriceUp,
    /// Dearest first.
    PriceDown,
    /// By name.
    Name,
}

impl From<String> for Sort {
    fn from(word: String) -> Self {
        Self::ALL
            .into_iter()
            .find(|sort| sort.as_str() == word)
            .unwrap_or_default()
    }
}

impl From<Sort> for &'static str {
    fn from(sort: Sort) -> Self {
        sort.as_str()
    }
}

impl Sort {
    /// Every one, in the order of the menu.
    pub const ALL: [Self; 4] = [Self::Best, Self::PriceUp, Self::PriceDown, Self::Name];

    /// As written in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Sort::Best => "best",
            Sort::PriceUp => "price-up",
            Sort::PriceDown => "price-down",
            Sort::Name => "name",
        }
    }
}

/// A change of a product by the shopkeeper; what is not named stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProductChange {
    /// A new price.
    pub price_cents: Option<u64>,
    /// A new count.
    pub stock: Option<u32>,
    /// A new picture.
    pub art: Option<u64>,
}

/// What a customer has put aside.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cart {
    /// In the order they were put in.
    pub lines: Vec<CartLine>,
}

/// A product in a cart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CartLine {
    /// As it is now.
    pub product: Product,
    /// 1 to [`crate::limits::QUANTITY_MAX`].
    pub quantity: u32,
}

impl Cart {
    /// Cents for everything.
    pub fn total_cents(&self) -> u64 {
        self.lines.iter().map(CartLine::total_cents).sum()
    }

    /// Pieces.
    pub fn count(&self) -> u32 {
        self.lines.iter().map(|line| line.quantity).sum()
    }
}

impl CartLine {
    /// Cents for this line.
    pub fn total_cents(&self) -> u64 {
        self.product
            .price_cents
            .saturating_mul(u64::from(self.quantity))
    }
}

/// Put `quantity` more of a product into a cart, or set it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CartChange {
    /// Which product.
    pub product: u64,
    /// How many; 0 with `set` takes it out.
    pub quantity: u32,
    /// Set the number instead of adding to it.
    pub set: bool,
}

/// Where to send it, and to whom. Built from a form by `web::checkout`, checked again by `api`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Customer {
    /// The person.
    pub name: String,
    /// For the confirmation.
    pub email: String,
    /// Street and number.
    pub street: String,
    /// Town.
    pub city: String,
    /// Postcode.
    pub postcode: String,
}

/// Buy what is in a cart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewOrder {
    /// Whose cart.
    pub session: String,
    /// One a checkout page: the same attempt twice is one order.
    pub attempt: String,
    /// To whom.
    pub customer: Customer,
}

/// Bought.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Unguessable: whoever has the link sees the order.
    pub id: String,
    /// To whom.
    pub customer: Customer,
    /// What.
    pub lines: Vec<OrderLine>,
    /// Cents.
    pub total_cents: u64,
    /// When, in milliseconds since 1970.
    pub placed_ms: u64,
}

/// A product as it was bought.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderLine {
    /// Which.
    pub product: u64,
    /// Its name then.
    pub name: String,
    /// Its price then.
    pub price_cents: u64,
    /// How many.
    pub quantity: u32,
}

/// Why the api refused, for programs (`code`) and people (`message`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// `not-found`, `out-of-stock`, `empty-cart`, `invalid`, `unavailable`.
    pub code: String,
    /// One sentence.
    pub message: String,
}

/// Cents as people write them.
pub fn money(cents: u64) -> String {
    format!("€{}.{:02}", cents / 100, cents % 100)
}

/// What pages say of a product.
impl Product {
    /// The price as people write it.
    pub fn price(&self) -> String {
        money(self.price_cents)
    }

    /// As in "4.6".
    pub fn rating(&self) -> String {
        format!("{}.{}", self.rating_tenths / 10, self.rating_tenths % 10)
    }

    /// The big picture; its address changes with the picture.
    pub fn image(&self) -> String {
        format!("/images/{}.svg?v={:x}", self.id, self.art)
    }

    /// The small one.
    pub fn thumb(&self) -> String {
        format!("/thumbs/{}.png?v={:x}", self.id, self.art)
    }

    /// The most one may put into a cart now.
    pub fn most(&self) -> u32 {
        self.stock.min(crate::limits::QUANTITY_MAX)
    }

    /// Few enough to say so.
    pub fn is_scarce(&self) -> bool {
        (1..=5).contains(&self.stock)
    }
}

impl OrderLine {
    /// The price of one then.
    pub fn price(&self) -> String {
        money(self.price_cents)
    }

    /// Cents for this line, as people write them.
    pub fn total(&self) -> String {
        money(self.price_cents.saturating_mul(u64::from(self.quantity)))
    }
}

impl Order {
    /// The total as people write it.
    pub fn total(&self) -> String {
        money(self.total_cents)
    }
}

impl Customer {
    /// Whether a mail header can carry this as an address: ASCII, one @ with a dotted name after it, nothing that
    /// separates or quotes.
    pub fn is_address(email: &str) -> bool {
        let plain = |c: char| {
            c.is_ascii_graphic()
                && !matches!(
                    c,
                    '<' | '>' | '(' | ')' | ',' | ';' | ':' | '"' | '\\' | '[' | ']'
                )
        };
        let Some((local, host)) = email.split_once('@') else {
            return false;
        };
        email.len() <= 120
            && email.chars().all(plain)
            && !local.is_empty()
            && !host.contains('@')
            && host.contains('.')
            && host.split('.').all(|label| !label.is_empty())
    }
}
