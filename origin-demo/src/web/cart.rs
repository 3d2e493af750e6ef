//! The cart's pages.

use super::{
    Web, page,
    session::{self, Session},
    views,
};
use crate::{
    client,
    limits::QUANTITY_MAX,
    model::{Cart, CartChange},
};
use axum::{
    Form,
    extract::{Query, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use std::sync::Arc;

type Shared = State<Arc<Web>>;

/// Why we came back here.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Why {
    note: String,
}

/// `GET /cart`
pub async fn show(State(web): Shared, Query(why): Query<Why>, headers: HeaderMap) -> Response {
    let (session, cart) = match current(&web, &headers).await {
        Ok(found) => found,
        Err(error) => return page::apologise(&web, &error),
    };
    let count = session::count_cookie(cart.count());
    let known = session.is_some();
    let mut response = page::private(&views::CartPage {
        shell: web.shell(""),
        note: note(&why.note),
        token: session.map(|session| session.token).unwrap_or_default(),
        short: cart
            .lines
            .iter()
            .any(|line| line.quantity > line.product.stock),
        cart,
    });
    if known {
        // Another tab may have changed it: the badge follows.
        page::set_cookies(response.headers_mut(), &[count]);
    }
    response
}

/// The sentences a redirect may ask for; anything else says nothing.
fn note(code: &str) -> Option<&'static str> {
    Some(match code {
        "added" => "It is in your cart.",
        "short" => "There are not as many left as you asked for.",
        "full" => "Your cart is full.",
        "gone" => "That product is not on sale any more.",
        _ => return None,
    })
}

/// The visitor and what they have put aside.
pub async fn current(
    web: &Web,
    headers: &HeaderMap,
) -> Result<(Option<Session>, Cart), client::Error> {
    match web.sessions.of(headers) {
        Some(session) => {
            let cart = web.api.get(&format!("/carts/{}", session.id)).await?;
            Ok((Some(session), cart))
        }
        None => Ok((None, Cart::default())),
    }
}

/// "Put in cart".
#[derive(Deserialize)]
pub struct Adding {
    product: u64,
    #[serde(default = "one")]
    quantity: u32,
}

fn one() -> u32 {
    1
}

/// `POST /cart/add`, from cacheable pages: see [`session::is_own_form`].
pub async fn add(
    State(web): Shared,
    headers: HeaderMap,
    form: Result<Form<Adding>, FormRejection>,
) -> Response {
    let Ok(Form(adding)) = form else {
        return refuse(&web, StatusCode::UNPROCESSABLE_ENTITY);
    };
    let known = web.sessions.of(&headers);
    if !session::is_own_form(&headers, known.is_some(), &web.edge_name) {
        return refuse(&web, StatusCode::FORBIDDEN);
    }
    let mut cookies = Vec::new();
    let session = match known {
        Some(session) => session,
        None => match web.sessions.begin(&headers) {
            Ok((session, cookie)) => {
                cookies.push(cookie);
                session
            }
            Err(_) => return refuse(&web, StatusCode::SERVICE_UNAVAILABLE),
        },
    };
    let quantity = adding.quantity.clamp(1, QUANTITY_MAX);
    change(
        &web,
        &session,
        CartChange {
            product: adding.product,
            quantity,
            set: false,
        },
        cookies,
        "added",
    )
    .await
}

/// A line's own form.
#[derive(Deserialize)]
pub struct Updating {
    token: String,
    product: u64,
    quantity: u32,
    #[serde(default)]
    remove: Option<String>,
}

/// `POST /cart/update`
pub async fn update(
    State(web): Shared,
    headers: HeaderMap,
    form: Result<Form<Updating>, FormRejection>,
) -> Response {
    let Ok(Form(updating)) = form else {
        return refuse(&web, StatusCode::UNPROCESSABLE_ENTITY);
    };
    let Some(session) = web
        .sessions
        .of(&headers)
        .filter(|session| web.sessions.accepts(session, &updating.token))
    else {
        return refuse(&web, StatusCode::FORBIDDEN);
    };
    let quantity = if updating.remove.is_some() {
        0
    } else {
        updating.quantity
    };
    change(
        &web,
        &session,
        CartChange {
            product: updating.product,
            quantity,
            set: true,
        },
        Vec::new(),
        "",
    )
    .await
}

async fn change(
    web: &Web,
    session: &Session,
    change: CartChange,
    mut cookies: Vec<String>,
    done: &'static str,
) -> Response {
    match web
        .api
        .post::<Cart>(&format!("/carts/{}", session.id), &change)
        .await
    {
        Ok(cart) => {
            cookies.push(session::count_cookie(cart.count()));
            page::see_other(&to_cart(done), &cookies)
        }
        Err(client::Error::Refused(refusal)) => {
            let code = if refusal.code == "cart-full" {
                "full"
            } else {
                "short"
            };
            page::see_other(&to_cart(code), &cookies)
        }
        Err(client::Error::NotFound) => page::see_other(&to_cart("gone"), &cookies),
        Err(error) => page::apologise(web, &error),
    }
}

fn to_cart(note: &str) -> String {
    if note.is_empty() {
        "/cart".to_owned()
    } else {
        format!("/cart?note={note}")
    }
}

/// A form we did not make.
pub fn refuse(web: &Web, status: StatusCode) -> Response {
    page::private_with(
        status,
        &views::Notice {
            shell: web.shell(""),
            title: "That did not come from our shop",
            text: "The form you sent was incomplete, too old, or from another page. Nothing was changed.",
        },
    )
}
