//! Carts: rows of session and product.

use super::{Error, Result, products};
use crate::{
    limits::{CART_KEPT, CART_LINES_MAX, QUANTITY_MAX},
    model::{Cart, CartChange, CartLine},
};
use rusqlite::{Connection, Transaction, params};

pub fn cart(c: &Connection, session: &str) -> Result<Cart> {
    let mut statement =
        c.prepare_cached("SELECT product, quantity FROM carts WHERE session = ?1 ORDER BY rowid")?;
    let rows = statement.query_map([session], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, u32>(1)?))
    })?;
    let mut lines = Vec::new();
    for row in rows {
        let (id, quantity) = row?;
        if let Some(product) = products::one(c, id as u64)? {
            lines.push(CartLine { product, quantity });
        }
    }
    Ok(Cart { lines })
}

pub fn change(t: &Transaction, session: &str, change: CartChange, now_ms: u64) -> Result<Cart> {
    // Whoever comes without a cookie begins a cart; those nobody came back to must not pile up.
    t.prepare_cached("DELETE FROM carts WHERE touched_ms < ?1")?
        .execute([now_ms.saturating_sub(CART_KEPT.as_millis() as u64) as i64])?;
    let product = products::one(t, change.product)?.ok_or(Error::NoProduct)?;
    let before = cart(t, session)?;
    let had = before
        .lines
        .iter()
        .find(|line| line.product.id == product.id)
        .map_or(0, |line| line.quantity);
    if had == 0 && before.lines.len() >= CART_LINES_MAX {
        return Err(Error::CartFull);
    }
    let wanted = if change.set {
        change.quantity
    } else {
        had.saturating_add(change.quantity)
    };
    let quantity = wanted.min(QUANTITY_MAX);
    if quantity > had && quantity > product.stock {
        return Err(Error::OutOfStock {
            name: product.name,
            left: product.stock,
        });
    }
    if quantity == 0 {
        t.execute(
            "DELETE FROM carts WHERE session = ?1 AND product = ?2",
            params![session, product.id as i64],
        )?;
    } else {
        t.execute(
            "INSERT INTO carts (session, product, quantity, touched_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (session, product) DO UPDATE SET quantity = excluded.quantity, touched_ms = excluded.touched_ms",
            params![session, product.id as i64, quantity, now_ms as i64],
        )?;
    }
    cart(t, session)
}
