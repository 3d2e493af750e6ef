//! The repository in SQLite: WAL, so that the api and the worker read while either writes.

use super::{Repository, Result, Thumbnail, carts, jobs, orders, products};
use crate::{
    model::{Cart, CartChange, Category, Listing, NewOrder, Order, Page, Product, ProductChange},
    queue::{Claimed, Failure, JobCounts, NewJob},
};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::{path::Path, time::Duration};

/// `synchronous=FULL`: an order that was confirmed survives a power cut, and so does its mail.
const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
CREATE TABLE IF NOT EXISTS categories (slug TEXT PRIMARY KEY, position INTEGER NOT NULL, name TEXT NOT NULL, blurb TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS products (
  id INTEGER PRIMARY KEY, version INTEGER NOT NULL, category TEXT NOT NULL REFERENCES categories(slug),
  name TEXT NOT NULL UNIQUE, maker TEXT NOT NULL, summary TEXT NOT NULL, description TEXT NOT NULL, details TEXT NOT NULL,
  material TEXT NOT NULL, colour TEXT NOT NULL, price_cents INTEGER NOT NULL, stock INTEGER NOT NULL CHECK (stock >= 0),
  rating_tenths INTEGER NOT NULL, reviews INTEGER NOT NULL, art INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS products_by_category ON products (category, rating_tenths DESC);
CREATE TABLE IF NOT EXISTS thumbnails (product INTEGER PRIMARY KEY, art INTEGER NOT NULL, png BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS carts (
  session TEXT NOT NULL, product INTEGER NOT NULL, quantity INTEGER NOT NULL, touched_ms INTEGER NOT NULL,
  PRIMARY KEY (session, product));
CREATE INDEX IF NOT EXISTS carts_by_age ON carts (touched_ms);
CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY, session TEXT NOT NULL, attempt TEXT NOT NULL, customer TEXT NOT NULL, total_cents INTEGER NOT NULL,
  placed_ms INTEGER NOT NULL, UNIQUE (session, attempt));
CREATE TABLE IF NOT EXISTS order_lines (
  order_id TEXT NOT NULL REFERENCES orders(id), product INTEGER NOT NULL, name TEXT NOT NULL, price_cents INTEGER NOT NULL,
  quantity INTEGER NOT NULL, PRIMARY KEY (order_id, product));
CREATE TABLE IF NOT EXISTS jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, payload TEXT NOT NULL, key TEXT,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'leased', 'done', 'dead')),
  attempts INTEGER NOT NULL DEFAULT 0, attempts_max INTEGER NOT NULL, due_ms INTEGER NOT NULL,
  token INTEGER, lease_until_ms INTEGER, error TEXT, finished_ms INTEGER);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (due_ms) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS jobs_leased ON jobs (lease_until_ms) WHERE state = 'leased';
CREATE INDEX IF NOT EXISTS jobs_finished ON jobs (state, id);
CREATE UNIQUE INDEX IF NOT EXISTS jobs_key ON jobs (key) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, product INTEGER NOT NULL);
";

/// One connection.
pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// Open (and make) the database of a state directory.
    pub fn open(state: &Path) -> Result<Self> {
        Self::prepare(Connection::open(state.join("shop.db"))?)
    }

    /// A database for a test.
    #[cfg(test)]
    pub fn in_memory() -> Result<Self> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(connection: Connection) -> Result<Self> {
        // Two processes write; whoever comes second waits.
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.execute_batch(SCHEMA)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection })
    }

    /// `BEGIN IMMEDIATE`: a transaction that will write asks for the lock at once, or SQLite may refuse it half-way.
    fn write<T>(&mut self, work: impl FnOnce(&Transaction) -> Result<T>) -> Result<T> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }
}

impl Repository for Sqlite {
    fn seed(&mut self, seed: u64, count: u64, now_ms: u64) -> Result<bool> {
        self.write(|t| products::seed(t, seed, count, now_ms))
    }

    fn categories(&mut self) -> Result<Vec<Category>> {
        products::categories(&self.connection)
    }

    fn product(&mut self, id: u64) -> Result<Option<Product>> {
        products::one(&self.connection, id)
    }

    fn products(&mut self, listing: &Listing) -> Result<Page<Product>> {
        products::list(&self.connection, listing)
    }

    fn change_product(
        &mut self,
        id: u64,
        change: &ProductChange,
        now_ms: u64,
    ) -> Result<Option<Product>> {
        self.write(|t| products::change(t, id, change, now_ms))
    }

    fn thumbnail(&mut self, id: u64) -> Result<Option<Thumbnail>> {
        products::thumbnail(&self.connection, id)
    }

    fn save_thumbnail(&mut self, id: u64, thumbnail: &Thumbnail) -> Result<()> {
        self.write(|t| products::save_thumbnail(t, id, thumbnail))
    }

    fn cart(&mut self, session: &str) -> Result<Cart> {
        carts::cart(&self.connection, session)
    }

    fn change_cart(&mut self, session: &str, change: CartChange, now_ms: u64) -> Result<Cart> {
        self.write(|t| carts::change(t, session, change, now_ms))
    }

    fn place_order(&mut self, order: &NewOrder, now_ms: u64) -> Result<Order> {
        self.write(|t| orders::place(t, order, now_ms))
    }

    fn order(&mut self, id: &str) -> Result<Option<Order>> {
        orders::one(&self.connection, id)
    }

    fn enqueue(&mut self, job: &NewJob, now_ms: u64) -> Result<bool> {
        self.write(|t| jobs::enqueue(t, job, now_ms))
    }

    fn relay_outbox(&mut self, now_ms: u64) -> Result<usize> {
        self.write(|t| jobs::relay_outbox(t, now_ms))
    }

    fn claim(&mut self, lease_ms: u64, token: u64, now_ms: u64) -> Result<Option<Claimed>> {
        self.write(|t| jobs::claim(t, lease_ms, token, now_ms))
    }

    fn complete(&mut self, id: i64, token: u64, now_ms: u64) -> Result<bool> {
        self.write(|t| jobs::complete(t, id, token, now_ms))
    }

    fn fail(&mut self, id: i64, token: u64, failure: &Failure, now_ms: u64) -> Result<bool> {
        self.write(|t| jobs::fail(t, id, token, failure, now_ms))
    }

    fn job_counts(&mut self) -> Result<JobCounts> {
        jobs::counts(&self.connection)
    }
}
