//! Shelves, products and their thumbnails.

use super::{Result, Thumbnail, jobs};
use crate::{
    catalogue,
    limits::{PAGE, PAGES_MAX, PER_PAGE_MAX},
    model::{Category, Listing, Page, Product, ProductChange, Sort},
    queue::NewJob,
};
use rusqlite::{
    Connection, OptionalExtension, Row, Transaction, params, params_from_iter, types::Value,
};

const COLUMNS: &str = "id, version, category, name, maker, summary, description, details, material, colour, price_cents, \
     stock, rating_tenths, reviews, art";

pub fn seed(t: &Transaction, seed: u64, count: u64, now_ms: u64) -> Result<bool> {
    if t.query_row("SELECT EXISTS (SELECT 1 FROM products)", [], |row| {
        row.get(0)
    })? {
        return Ok(false);
    }
    for (position, category) in catalogue::categories().enumerate() {
        t.prepare_cached(
            "INSERT INTO categories (slug, position, name, blurb) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            category.slug,
            position as i64,
            category.name,
            category.blurb
        ])?;
    }
    for id in 1..=count {
        insert(t, &catalogue::product(seed, id))?;
        jobs::enqueue(t, &NewJob::thumbnail(id), now_ms)?;
    }
    Ok(true)
}

fn insert(t: &Transaction, p: &Product) -> Result<()> {
    let sql = format!(
        "INSERT INTO products ({COLUMNS}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)"
    );
    t.prepare_cached(&sql)?.execute(params![
        p.id as i64,
        p.version as i64,
        p.category,
        p.name,
        p.maker,
        p.summary,
        p.description,
        serde_json::to_string(&p.details)?,
        p.material,
        p.colour,
        p.price_cents as i64,
        p.stock,
        p.rating_tenths,
        p.reviews,
        p.art as i64
    ])?;
    Ok(())
}

/// Reads [`COLUMNS`].
pub fn from_row(row: &Row) -> rusqlite::Result<Product> {
    let details: String = row.get(7)?;
    Ok(Product {
        id: row.get::<_, i64>(0)? as u64,
        version: row.get::<_, i64>(1)? as u64,
        category: row.get(2)?,
        name: row.get(3)?,
        maker: row.get(4)?,
        summary: row.get(5)?,
        description: row.get(6)?,
        details: serde_json::from_str(&details).unwrap_or_default(),
        material: row.get(8)?,
        colour: row.get(9)?,
        price_cents: row.get::<_, i64>(10)? as u64,
        stock: row.get(11)?,
        rating_tenths: row.get(12)?,
        reviews: row.get(13)?,
        art: row.get::<_, i64>(14)? as u64,
    })
}

pub fn categories(c: &Connection) -> Result<Vec<Category>> {
    let mut statement = c.prepare_cached(
        "SELECT slug, name, blurb, (SELECT count(*) FROM products WHERE category = slug) FROM categories ORDER BY position",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Category {
            slug: row.get(0)?,
            name: row.get(1)?,
            blurb: row.get(2)?,
            count: row.get::<_, i64>(3)? as u64,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub fn one(c: &Connection, id: u64) -> Result<Option<Product>> {
    let Ok(id) = i64::try_from(id) else {
        return Ok(None);
    };
    let mut statement =
        c.prepare_cached(&format!("SELECT {COLUMNS} FROM products WHERE id = ?1"))?;
    Ok(statement.query_row([id], from_row).optional()?)
}

/// Every condition is a parameter; only the order's SQL is chosen from our own words.
pub fn list(c: &Connection, listing: &Listing) -> Result<Page<Product>> {
    let mut conditions = vec!["1".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    if let Some(category) = &listing.category {
        values.push(category.clone().into());
        conditions.push(format!("category = ?{}", values.len()));
    }
    for word in listing
        .q
        .iter()
        .flat_map(|q| q.split_whitespace())
        .take(crate::limits::QUERY_WORDS)
    {
        values.push(word.to_lowercase().into());
        conditions.push(format!(
            "instr(lower(name || ' ' || colour), ?{}) > 0",
            values.len()
        ));
    }
    if let Some(after) = listing.after {
        values.push(i64::try_from(after).unwrap_or(i64::MAX).into());
        conditions.push(format!("id > ?{}", values.len()));
    }
    if let Some(ids) = &listing.ids {
        let ids: Vec<i64> = ids
            .split(',')
            .filter_map(|id| id.parse().ok())
            .take(PER_PAGE_MAX as usize)
            .collect();
        let marks: Vec<String> = (0..ids.len())
            .map(|n| format!("?{}", values.len() + n + 1))
            .collect();
        conditions.push(format!("id IN ({})", marks.join(",")));
        values.extend(ids.into_iter().map(Value::from));
    }
    let filter = conditions.join(" AND ");
    let total: i64 = c
        .prepare_cached(&format!("SELECT count(*) FROM products WHERE {filter}"))?
        .query_row(params_from_iter(values.iter()), |row| row.get(0))?;

    let order = match listing.sort {
        _ if listing.after.is_some() => "id",
        Sort::Best => "stock > 0 DESC, rating_tenths DESC, reviews DESC, id",
        Sort::PriceUp => "price_cents, id",
        Sort::PriceDown => "price_cents DESC, id",
        Sort::Name => "name",
    };
    let per_page = listing.per_page.unwrap_or(PAGE).clamp(1, PER_PAGE_MAX);
    let page = listing.page.unwrap_or(1).clamp(1, PAGES_MAX);
    let sql = format!(
        "SELECT {COLUMNS} FROM products WHERE {filter} ORDER BY {order} LIMIT {per_page} OFFSET {}",
        (page - 1) * per_page
    );
    let mut statement = c.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values.iter()), from_row)?;
    Ok(Page {
        items: rows.collect::<rusqlite::Result<_>>()?,
        page,
        total: total as u64,
    })
}

pub fn change(
    t: &Transaction,
    id: u64,
    change: &ProductChange,
    now_ms: u64,
) -> Result<Option<Product>> {
    let Some(before) = one(t, id)? else {
        return Ok(None);
    };
    t.execute(
        "UPDATE products SET version = version + 1, price_cents = ?2, stock = ?3, art = ?4 WHERE id = ?1",
        params![
            id as i64,
            change.price_cents.unwrap_or(before.price_cents) as i64,
            change.stock.unwrap_or(before.stock),
            change.art.unwrap_or(before.art) as i64
        ],
    )?;
    changed(t, id)?;
    if change.art.is_some_and(|art| art != before.art) {
        jobs::enqueue(t, &NewJob::thumbnail(id), now_ms)?;
    }
    one(t, id)
}

/// Note in the outbox that search should hear of this product.
pub fn changed(t: &Transaction, id: u64) -> Result<()> {
    t.prepare_cached("INSERT INTO outbox (product) VALUES (?1)")?
        .execute([id as i64])?;
    Ok(())
}

pub fn thumbnail(c: &Connection, id: u64) -> Result<Option<Thumbnail>> {
    let Ok(id) = i64::try_from(id) else {
        return Ok(None);
    };
    let mut statement = c.prepare_cached("SELECT art, png FROM thumbnails WHERE product = ?1")?;
    let row = |row: &Row| {
        Ok(Thumbnail {
            art: row.get::<_, i64>(0)? as u64,
            png: row.get(1)?,
        })
    };
    Ok(statement.query_row([id], row).optional()?)
}

pub fn save_thumbnail(t: &Transaction, id: u64, thumbnail: &Thumbnail) -> Result<()> {
    t.prepare_cached(
        "INSERT INTO thumbnails (product, art, png) VALUES (?1, ?2, ?3)
         ON CONFLICT (product) DO UPDATE SET art = excluded.art, png = excluded.png",
    )?
    .execute(params![id as i64, thumbnail.art as i64, thumbnail.png])?;
    Ok(())
}
