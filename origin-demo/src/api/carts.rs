//! Carts and orders.

use super::{Api, Refused};
use crate::{
    metrics,
    model::{Cart, CartChange, Customer, NewOrder, Order},
    serve::now_ms,
};
use axum::{
    Json,
    extract::{Path, State},
};
use std::sync::Arc;

type Shared = State<Arc<Api>>;

pub async fn show(State(api): Shared, Path(session): Path<String>) -> Result<Json<Cart>, Refused> {
    check_token(&session)?;
    Ok(Json(
        api.store
            .read(move |repository| repository.cart(&session))
            .await?,
    ))
}

pub async fn change(
    State(api): Shared,
    Path(session): Path<String>,
    Json(change): Json<CartChange>,
) -> Result<Json<Cart>, Refused> {
    check_token(&session)?;
    Ok(Json(
        api.store
            .write(move |repository| repository.change_cart(&session, change, now_ms()))
            .await?,
    ))
}

pub async fn place(
    State(api): Shared,
    Json(order): Json<NewOrder>,
) -> Result<Json<Order>, Refused> {
    check_token(&order.session)?;
    check_token(&order.attempt)?;
    check_customer(&order.customer)?;
    let placed = api
        .store
        .write(move |repository| repository.place_order(&order, now_ms()))
        .await?;
    for line in &placed.lines {
        api.products.forget(line.product);
    }
    metrics::ORDERS.inc();
    Ok(Json(placed))
}

pub async fn order(State(api): Shared, Path(id): Path<String>) -> Result<Json<Order>, Refused> {
    check_token(&id)?;
    let order = api
        .store
        .read(move |repository| repository.order(&id))
        .await?;
    order.map(Json).ok_or_else(Refused::not_found)
}

/// Sessions, attempts and order ids are our own: short and alphanumeric.
fn check_token(token: &str) -> Result<(), Refused> {
    if (1..=64).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(Refused::not_found())
}

/// The web role explains mistakes to people; this is what must hold whoever calls.
fn check_customer(customer: &Customer) -> Result<(), Refused> {
    let fields = [
        &customer.name,
        &customer.email,
        &customer.street,
        &customer.city,
        &customer.postcode,
    ];
    let ok = |field: &&String| {
        !field.trim().is_empty() && field.len() <= 400 && !field.chars().any(char::is_control)
    };
    if fields.iter().all(ok) && Customer::is_address(&customer.email) {
        return Ok(());
    }
    Err(Refused::invalid(
        "Name, address and e-mail are needed, on one line each.",
    ))
}
