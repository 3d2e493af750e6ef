//! The search page. Without the search role it falls back to the api's plain matching, and says so.

use super::{Web, catalogue::page_number, page, views};
use crate::{
    client::{self, encode},
    limits::{PAGE, QUERY_CHARS},
    model::{Page, Product},
    search::{Answer, Hit, Piece, Question},
};
use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use std::sync::Arc;

/// `GET /search`
pub async fn results(
    State(web): State<Arc<Web>>,
    Query(mut question): Query<Question>,
    headers: HeaderMap,
) -> Response {
    question.q = question.q.trim().chars().take(QUERY_CHARS).collect();
    let (answer, plain) = match web
        .search
        .get::<Answer>(&address(&question, &question.page))
        .await
    {
        Ok(answer) => (answer, false),
        Err(_) => match plain(&web, &question).await {
            Ok(answer) => (answer, true),
            Err(error) => return page::apologise(&web, &error),
        },
    };
    let mut shell = web.shell("");
    shell.q = question.q.clone();
    let products: Vec<Product> = answer.hits.iter().map(|hit| hit.product.clone()).collect();
    let tags = super::catalogue::tags("search", &products);
    let view = views::SearchPage {
        pager: views::Pager::new(answer.page, answer.total, PAGE, |n| {
            address(&question, &n.to_string())
        }),
        facets: facets(&answer, &question),
        shell,
        question,
        answer,
        plain,
    };
    let mut response = page::public(&headers, &tags, &view);
    if plain {
        // Good enough to look at, not to keep.
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

async fn plain(web: &Web, question: &Question) -> Result<Answer, client::Error> {
    let page = page_number(&question.page);
    let mut path = format!(
        "/products?q={}&page={page}&sort={}",
        encode(&question.q),
        question.sort.as_str()
    );
    if !question.category.is_empty() {
        path.push_str("&category=");
        path.push_str(&encode(&question.category));
    }
    let found: Page<Product> = web.api.get(&path).await?;
    let name = |product: &Product| {
        vec![Piece {
            text: product.name.clone(),
            hit: false,
        }]
    };
    Ok(Answer {
        hits: found
            .items
            .into_iter()
            .map(|product| Hit {
                name: name(&product),
                product,
            })
            .collect(),
        total: found.total,
        page,
        ..Answer::default()
    })
}

/// The address of a question, the same for people and for the search role.
fn address(question: &Question, page: &str) -> String {
    let mut address = format!("/search?q={}", encode(&question.q));
    let parameters = [
        ("category", question.category.as_str()),
        ("price", &question.price),
        ("colour", &question.colour),
        ("stock", &question.stock),
        (
            "sort",
            if question.sort.as_str() == "best" {
                ""
            } else {
                question.sort.as_str()
            },
        ),
        ("page", if page == "1" { "" } else { page }),
    ];
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        address.push_str(&format!("&{name}={}", encode(value)));
    }
    address
}

/// Each value is a link that chooses it, or lets go of it.
fn facets(answer: &Answer, question: &Question) -> Vec<views::FacetLinks> {
    let link = |name: &str, value: &str| {
        let mut question = question.clone();
        match name {
            "category" => question.category = value.to_owned(),
            "price" => question.price = value.to_owned(),
            "colour" => question.colour = value.to_owned(),
            _ => question.stock = value.to_owned(),
        }
        address(&question, "1")
    };
    answer
        .facets
        .iter()
        .filter(|facet| !facet.values.is_empty())
        .map(|facet| views::FacetLinks {
            label: facet.label.clone(),
            links: facet
                .values
                .iter()
                .map(|value| views::FacetLink {
                    label: value.label.clone(),
                    count: value.count,
                    chosen: value.chosen,
                    href: link(&facet.name, if value.chosen { "" } else { &value.value }),
                })
                .collect(),
        })
        .collect()
}
