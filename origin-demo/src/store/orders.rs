//! Placing an order: stock, order, mail job and outbox in one transaction, or none of it.

use super::{Error, Result, carts, jobs, products};
use crate::{
    model::{NewOrder, Order, OrderLine},
    queue::NewJob,
    random,
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub fn place(t: &Transaction, new: &NewOrder, now_ms: u64) -> Result<Order> {
    // A browser's second click, or an edge's retry: the same attempt is the same order.
    let before: Option<String> = t
        .query_row(
            "SELECT id FROM orders WHERE session = ?1 AND attempt = ?2",
            [&new.session, &new.attempt],
            |r| r.get(0),
        )
        .optional()?;
    if let Some(order) = before.map(|id| one(t, &id)).transpose()?.flatten() {
        return Ok(order);
    }
    let cart = carts::cart(t, &new.session)?;
    if cart.lines.is_empty() {
        return Err(Error::EmptyCart);
    }
    let id = random::hex(&random::secret::<10>()?);
    t.execute(
        "INSERT INTO orders (id, session, attempt, customer, total_cents, placed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            id,
            new.session,
            new.attempt,
            serde_json::to_string(&new.customer)?,
            cart.total_cents() as i64,
            now_ms as i64
        ],
    )?;
    for line in &cart.lines {
        let product = &line.product;
        let taken = t.execute(
            "UPDATE products SET stock = stock - ?2, version = version + 1 WHERE id = ?1 AND stock >= ?2",
            params![product.id as i64, line.quantity],
        )?;
        if taken == 0 {
            return Err(Error::OutOfStock {
                name: product.name.clone(),
                left: product.stock,
            });
        }
        t.execute(
            "INSERT INTO order_lines (order_id, product, name, price_cents, quantity) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, product.id as i64, product.name, product.price_cents as i64, line.quantity],
        )?;
        products::changed(t, product.id)?;
    }
    t.execute("DELETE FROM carts WHERE session = ?1", [&new.session])?;
    jobs::enqueue(t, &NewJob::mail(&id), now_ms)?;
    one(t, &id)?.ok_or(Error::EmptyCart)
}

pub fn one(c: &Connection, id: &str) -> Result<Option<Order>> {
    let row = c
        .prepare_cached("SELECT customer, total_cents, placed_ms FROM orders WHERE id = ?1")?
        .query_row([id], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
            ))
        })
        .optional()?;
    let Some((customer, total, placed)) = row else {
        return Ok(None);
    };
    let mut statement = c.prepare_cached(
        "SELECT product, name, price_cents, quantity FROM order_lines WHERE order_id = ?1 ORDER BY rowid",
    )?;
    let lines = statement.query_map([id], |row| {
        Ok(OrderLine {
            product: row.get::<_, i64>(0)? as u64,
            name: row.get(1)?,
            price_cents: row.get::<_, i64>(2)? as u64,
            quantity: row.get(3)?,
        })
    })?;
    Ok(Some(Order {
        id: id.to_owned(),
        customer: serde_json::from_str(&customer)?,
        lines: lines.collect::<rusqlite::Result<_>>()?,
        total_cents: total as u64,
        placed_ms: placed as u64,
    }))
}

#[cfg(test)]
mod tests {
    use crate::{
        model::{CartChange, Customer, NewOrder, ProductChange},
        store::{Error, Repository, Sqlite},
    };

    fn shop() -> Sqlite {
        let mut shop = Sqlite::in_memory().unwrap();
        assert!(shop.seed(7, 8, 0).unwrap());
        assert!(
            !shop.seed(7, 8, 0).unwrap(),
            "a second start keeps what is there"
        );
        shop.change_product(
            1,
            &ProductChange {
                stock: Some(3),
                ..Default::default()
            },
            0,
        )
        .unwrap();
        shop
    }

    fn order(session: &str, attempt: &str) -> NewOrder {
        NewOrder {
            session: session.into(),
            attempt: attempt.into(),
            customer: Customer::default(),
        }
    }

    fn put(shop: &mut Sqlite, session: &str, quantity: u32) -> super::Result<crate::model::Cart> {
        shop.change_cart(
            session,
            CartChange {
                product: 1,
                quantity,
                set: false,
            },
            0,
        )
    }

    #[test]
    fn the_same_attempt_twice_is_one_order_and_takes_stock_once() {
        let mut shop = shop();
        put(&mut shop, "s", 2).unwrap();
        let first = shop.place_order(&order("s", "a"), 1).unwrap();
        let again = shop.place_order(&order("s", "a"), 2).unwrap();
        assert_eq!(first.id, again.id);
        assert_eq!(shop.product(1).unwrap().unwrap().stock, 1);
        assert!(shop.cart("s").unwrap().lines.is_empty());
        assert!(matches!(
            shop.place_order(&order("s", "b"), 3),
            Err(Error::EmptyCart)
        ));
    }

    #[test]
    fn an_order_that_cannot_be_filled_leaves_nothing_behind() {
        let mut shop = shop();
        put(&mut shop, "first", 2).unwrap();
        put(&mut shop, "second", 2).unwrap();
        let before = shop.job_counts().unwrap();
        shop.place_order(&order("first", "a"), 1).unwrap();
        assert!(matches!(
            shop.place_order(&order("second", "a"), 1),
            Err(Error::OutOfStock { left: 1, .. })
        ));
        assert_eq!(
            shop.cart("second").unwrap().count(),
            2,
            "the cart is kept to be mended"
        );
        assert_eq!(
            shop.job_counts().unwrap().waiting,
            before.waiting + 1,
            "one mail, not two"
        );
    }

    #[test]
    fn a_cart_refuses_more_than_there_is_and_bounds_what_it_takes() {
        let mut shop = shop();
        assert!(matches!(
            put(&mut shop, "s", 4),
            Err(Error::OutOfStock { left: 3, .. })
        ));
        shop.change_product(
            1,
            &ProductChange {
                stock: Some(1000),
                ..Default::default()
            },
            0,
        )
        .unwrap();
        assert_eq!(
            put(&mut shop, "s", u32::MAX).unwrap().count(),
            crate::limits::QUANTITY_MAX
        );
        assert!(matches!(
            shop.change_cart(
                "s",
                CartChange {
                    product: 999,
                    quantity: 1,
                    set: false
                },
                0
            ),
            Err(Error::NoProduct)
        ));
    }

    #[test]
    fn carts_nobody_came_back_to_are_swept_away() {
        let mut shop = shop();
        put(&mut shop, "old", 1).unwrap();
        let later = crate::limits::CART_KEPT.as_millis() as u64 + 1;
        let change = CartChange {
            product: 2,
            quantity: 0,
            set: true,
        };
        shop.change_cart("new", change, later).unwrap();
        assert!(shop.cart("old").unwrap().lines.is_empty());
    }

    #[test]
    fn a_cart_takes_so_many_different_products_and_no_more() {
        let mut shop = Sqlite::in_memory().unwrap();
        let most = crate::limits::CART_LINES_MAX as u64;
        shop.seed(7, most + 1, 0).unwrap();
        for id in 1..=most + 1 {
            shop.change_product(
                id,
                &ProductChange {
                    stock: Some(9),
                    ..Default::default()
                },
                0,
            )
            .unwrap();
            let put = shop.change_cart(
                "s",
                CartChange {
                    product: id,
                    quantity: 1,
                    set: false,
                },
                0,
            );
            assert_eq!(matches!(put, Err(Error::CartFull)), id > most);
        }
    }
}
