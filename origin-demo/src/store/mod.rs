//! What the shop remembers, behind a trait.
//!
//! [`Repository`] is synchronous and object-safe: one method a question, transactions inside. SQLite implements it
//! ([`sqlite`]); a Postgres client can. [`Pool`] gives it threads: one that writes, so that SQLite's single writer is a
//! queue in our process and not a lock in the database, and a few that read (WAL: readers never wait for the writer).

mod carts;
mod jobs;
mod orders;
mod pool;
mod products;
mod sqlite;

pub use pool::Pool;
pub use sqlite::Sqlite;

use crate::{
    model::{Cart, CartChange, Category, Listing, NewOrder, Order, Page, Product, ProductChange},
    queue::{Claimed, Failure, JobCounts, NewJob},
};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database failed; the next attempt may succeed.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A JSON column does not parse: the database was written by something else.
    #[error("a column does not parse: {0}")]
    Corrupt(#[from] serde_json::Error),
    /// The threads have stopped: the process is about to end.
    #[error("the store is closed")]
    Closed,
    /// Fewer pieces left than asked for.
    #[error("{name} is out of stock: {left} left")]
    OutOfStock {
        /// The product's name.
        name: String,
        /// What there is.
        left: u32,
    },
    /// An order of nothing.
    #[error("the cart is empty")]
    EmptyCart,
    /// Too many different products.
    #[error(
        "a cart holds {} different products at most",
        crate::limits::CART_LINES_MAX
    )]
    CartFull,
    /// Nothing with this id.
    #[error("there is no such product")]
    NoProduct,
    /// The system gave no randomness for an order's id.
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, Error>;

/// A small picture, made by the worker.
#[derive(Clone, Debug)]
pub struct Thumbnail {
    /// PNG.
    pub png: Vec<u8>,
    /// The art seed it was made from: its validator.
    pub art: u64,
}

/// The questions the shop asks its memory. Times are milliseconds since 1970 and handed in.
pub trait Repository: Send {
    /// Fill an empty database; true if it was.
    fn seed(&mut self, seed: u64, products: u64, now_ms: u64) -> Result<bool>;
    /// The shelves with their counts.
    fn categories(&mut self) -> Result<Vec<Category>>;
    /// One product.
    fn product(&mut self, id: u64) -> Result<Option<Product>>;
    /// Some products.
    fn products(&mut self, listing: &Listing) -> Result<Page<Product>>;
    /// Change one; its indexing (and a new picture's thumbnail) is queued in the same transaction.
    fn change_product(
        &mut self,
        id: u64,
        change: &ProductChange,
        now_ms: u64,
    ) -> Result<Option<Product>>;
    /// A product's thumbnail.
    fn thumbnail(&mut self, id: u64) -> Result<Option<Thumbnail>>;
    /// Keep a thumbnail.
    fn save_thumbnail(&mut self, id: u64, thumbnail: &Thumbnail) -> Result<()>;

    /// A session's cart; an unknown session's is empty.
    fn cart(&mut self, session: &str) -> Result<Cart>;
    /// Change it.
    fn change_cart(&mut self, session: &str, change: CartChange, now_ms: u64) -> Result<Cart>;
    /// Stock, order, mail and indexing in one transaction. The same attempt again gives the same order.
    fn place_order(&mut self, order: &NewOrder, now_ms: u64) -> Result<Order>;
    /// An order.
    fn order(&mut self, id: &str) -> Result<Option<Order>>;

    /// Queue a job; false if one with its key is already waiting.
    fn enqueue(&mut self, job: &NewJob, now_ms: u64) -> Result<bool>;
    /// Move the outbox into the queue; how many were moved.
    fn relay_outbox(&mut self, now_ms: u64) -> Result<usize>;
    /// The next due job, leased; jobs that were claimed too often go to the dead letters instead.
    fn claim(&mut self, lease_ms: u64, token: u64, now_ms: u64) -> Result<Option<Claimed>>;
    /// A job is done. False: the lease was lost, someone else has it.
    fn complete(&mut self, id: i64, token: u64, now_ms: u64) -> Result<bool>;
    /// A job failed and is tried again at the given time, or not at all. False: the lease was lost.
    fn fail(&mut self, id: i64, token: u64, failure: &Failure, now_ms: u64) -> Result<bool>;
    /// How many jobs are in which state.
    fn job_counts(&mut self) -> Result<JobCounts>;
}
