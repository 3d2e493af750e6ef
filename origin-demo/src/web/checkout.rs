//! Checkout and the order's page.

use super::{Web, cart, page, session, views};
use crate::{
    client,
    model::{Cart, Customer, NewOrder, Order},
    random,
};
use axum::{
    Form,
    extract::{Path, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use std::sync::Arc;

type Shared = State<Arc<Web>>;

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Filled {
    token: String,
    attempt: String,
    name: String,
    email: String,
    street: String,
    city: String,
    postcode: String,
}

/// `GET /checkout`
pub async fn form(State(web): Shared, headers: HeaderMap) -> Response {
    match cart::current(&web, &headers).await {
        Ok((Some(session), cart)) if !cart.lines.is_empty() => {
            let Ok(attempt) = random::secret::<12>() else {
                return cart::refuse(&web, StatusCode::SERVICE_UNAVAILABLE);
            };
            let filled = Filled {
                token: session.token,
                attempt: random::hex(&attempt),
                ..Filled::default()
            };
            show(&web, StatusCode::OK, cart, &filled, false, None)
        }
        Ok(_) => page::see_other("/cart", &[]),
        Err(error) => page::apologise(&web, &error),
    }
}

/// `POST /checkout`
pub async fn place(
    State(web): Shared,
    headers: HeaderMap,
    form: Result<Form<Filled>, FormRejection>,
) -> Response {
    let Ok(Form(filled)) = form else {
        return cart::refuse(&web, StatusCode::UNPROCESSABLE_ENTITY);
    };
    let Some(session) = web
        .sessions
        .of(&headers)
        .filter(|session| web.sessions.accepts(session, &filled.token))
    else {
        return cart::refuse(&web, StatusCode::FORBIDDEN);
    };
    let customer = match customer(&filled) {
        Ok(customer) => customer,
        Err(()) => return again(&web, &headers, &filled, true, None).await,
    };
    let order = NewOrder {
        session: session.id,
        attempt: filled.attempt.clone(),
        customer,
    };
    match web.api.post::<Order>("/orders", &order).await {
        Ok(order) => page::see_other(
            &format!("/orders/{}", order.id),
            &[session::count_cookie(0)],
        ),
        Err(client::Error::Refused(refusal)) if refusal.code == "empty-cart" => {
            page::see_other("/cart", &[])
        }
        Err(client::Error::Refused(refusal)) => {
            again(&web, &headers, &filled, false, Some(refusal.message)).await
        }
        Err(client::Error::NotFound) => cart::refuse(&web, StatusCode::UNPROCESSABLE_ENTITY),
        Err(error) => page::apologise(&web, &error),
    }
}

/// `GET /orders/{id}`: the id is the key; nobody can guess it.
pub async fn confirmation(State(web): Shared, Path(id): Path<String>) -> Response {
    match web
        .api
        .get::<Order>(&format!("/orders/{}", client::encode(&id)))
        .await
    {
        Ok(order) => page::private(&views::Confirmation {
            shell: web.shell(""),
            order,
        }),
        Err(error) => page::apologise(&web, &error),
    }
}

async fn again(
    web: &Web,
    headers: &HeaderMap,
    filled: &Filled,
    judge: bool,
    problem: Option<String>,
) -> Response {
    match cart::current(web, headers).await {
        Ok((_, cart)) => show(
            web,
            StatusCode::UNPROCESSABLE_ENTITY,
            cart,
            filled,
            judge,
            problem,
        ),
        Err(error) => page::apologise(web, &error),
    }
}

fn show(
    web: &Web,
    status: StatusCode,
    cart: Cart,
    filled: &Filled,
    judge: bool,
    problem: Option<String>,
) -> Response {
    let view = views::Checkout {
        shell: web.shell(""),
        token: filled.token.clone(),
        attempt: filled.attempt.clone(),
        cart,
        fields: fields(filled, judge),
        problem,
    };
    page::private_with(status, &view)
}

fn customer(filled: &Filled) -> Result<Customer, ()> {
    if fields(filled, true)
        .iter()
        .any(|field| field.wrong.is_some())
    {
        return Err(());
    }
    let tidy = |text: &str| text.trim().to_owned();
    Ok(Customer {
        name: tidy(&filled.name),
        email: tidy(&filled.email),
        street: tidy(&filled.street),
        city: tidy(&filled.city),
        postcode: tidy(&filled.postcode),
    })
}

/// The inputs in their order; with `judge`, what is wrong with each.
fn fields(filled: &Filled, judge: bool) -> Vec<views::Field> {
    type Check = fn(&str) -> Option<&'static str>;
    let field = |name, label, kind, autocomplete, half, value: &str, check: Check| views::Field {
        name,
        label,
        kind,
        autocomplete,
        half,
        wrong: if judge { check(value.trim()) } else { None },
        value: value.to_owned(),
    };
    vec![
        field("name", "Name", "text", "name", false, &filled.name, a_line),
        field(
            "email",
            "E-mail",
            "email",
            "email",
            false,
            &filled.email,
            an_address,
        ),
        field(
            "street",
            "Street and number",
            "text",
            "street-address",
            false,
            &filled.street,
            a_line,
        ),
        field(
            "postcode",
            "Postcode",
            "text",
            "postal-code",
            true,
            &filled.postcode,
            a_postcode,
        ),
        field(
            "city",
            "Town",
            "text",
            "address-level2",
            true,
            &filled.city,
            a_line,
        ),
    ]
}

fn a_line(value: &str) -> Option<&'static str> {
    match value.chars().count() {
        0 => Some("Please fill this in."),
        121.. => Some("At most 120 characters, please."),
        _ if value.chars().any(char::is_control) => Some("On one line, please."),
        _ => None,
    }
}

fn an_address(value: &str) -> Option<&'static str> {
    a_line(value).or_else(|| {
        (!Customer::is_address(value)).then_some("An e-mail address looks like you@example.org.")
    })
}

fn a_postcode(value: &str) -> Option<&'static str> {
    let ok = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-');
    a_line(value).or_else(|| {
        (value.len() > 12 || !value.chars().all(ok))
            .then_some("Letters and digits, at most twelve.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Filled {
        Filled {
            name: "Zoë O'Quay".into(),
            email: "zoe+shop@example.test".into(),
            street: "1 Mole".into(),
            city: "Harbour".into(),
            postcode: "AB1 2CD".into(),
            ..Filled::default()
        }
    }

    #[test]
    fn a_good_form_becomes_a_customer() {
        assert_eq!(customer(&good()).unwrap().name, "Zoë O'Quay");
    }

    #[test]
    fn each_mistake_is_told_at_its_field() {
        type Break = fn(&mut Filled);
        let mistakes: [(&str, Break); 8] = [
            ("name", |f| f.name = "  ".into()),
            ("name", |f| f.name = "x".repeat(121)),
            ("name", |f| f.name = "a\r\nBcc: b@c.d".into()),
            ("email", |f| f.email = "nobody".into()),
            ("email", |f| f.email = "a@b\r\nSubject: x".into()),
            ("email", |f| f.email = "a@b.c>, <d@e.f".into()),
            ("postcode", |f| f.postcode = "<script>".into()),
            ("city", |f| f.city = String::new()),
        ];
        for (name, spoil) in mistakes {
            let mut filled = good();
            spoil(&mut filled);
            let wrong: Vec<_> = fields(&filled, true)
                .into_iter()
                .filter(|f| f.wrong.is_some())
                .map(|f| f.name)
                .collect();
            assert_eq!(wrong, [name], "{filled:?}");
        }
    }
}
