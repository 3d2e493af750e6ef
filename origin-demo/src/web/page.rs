//! How pages leave: what a cache may do with them, and 304s.

use crate::{
    client, random,
    web::{Web, views},
};
use askama::Template;
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Anonymous pages: an edge keeps them for 30 s, one more minute while it fetches, and ten should we fail. Browsers ask
/// each time, and get a 304.
const PUBLIC: &str =
    "public, max-age=0, s-maxage=30, stale-while-revalidate=60, stale-if-error=600";
const PRIVATE: &str = "private, no-store";
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// A page that says nothing about who looks at it; `tags` are for purging.
pub fn public(request: &HeaderMap, tags: &str, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => validated(
            request,
            html.into(),
            "text/html; charset=utf-8",
            PUBLIC,
            tags,
        ),
        Err(error) => unrenderable(&error),
    }
}

/// A page for one person.
pub fn private(page: &impl Template) -> Response {
    private_with(StatusCode::OK, page)
}

/// A page for one person, with something to say.
pub fn private_with(status: StatusCode, page: &impl Template) -> Response {
    let headers = [(header::CACHE_CONTROL, PRIVATE), (header::VARY, "Cookie")];
    match page.render() {
        Ok(html) => (status, headers, Html(html)).into_response(),
        Err(error) => unrenderable(&error),
    }
}

/// Back to `to` with GET (303), for the person who sent a form.
pub fn see_other(to: &str, cookies: &[String]) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(header::CACHE_CONTROL, PRIVATE)]).into_response();
    let headers = response.headers_mut();
    // Only our own paths get here; one that is no header value ends at the front page.
    headers.insert(
        header::LOCATION,
        HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/")),
    );
    set_cookies(headers, cookies);
    response
}

/// Add cookies to an answer; only private ones may carry them.
pub fn set_cookies(headers: &mut HeaderMap, cookies: &[String]) {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// A body with a strong ETag, or a 304 if the client has it (RFC 9110 §13.1.2).
pub fn validated(
    request: &HeaderMap,
    body: Bytes,
    kind: &'static str,
    cache: &'static str,
    tags: &str,
) -> Response {
    let etag = etag(&body);
    let mut response = if matches(request, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    if !tags.is_empty()
        && let Ok(tags) = HeaderValue::from_str(tags)
    {
        headers.insert(SURROGATE_KEY, tags);
    }
    response
}

/// A quoted hash.
pub fn etag(body: &[u8]) -> String {
    let hash = Sha256::digest(body);
    format!("\"{}\"", random::hex(hash.get(..10).unwrap_or_default()))
}

/// Weak comparison: an edge that compressed our body marks its validator as weak.
fn matches(request: &HeaderMap, etag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == etag || one == "*")
}

/// The page for what another role could not give us.
pub fn apologise(web: &Web, error: &client::Error) -> Response {
    if matches!(error, client::Error::NotFound) {
        return missing(web);
    }
    crate::complain!("web: {error}");
    let page = views::Notice {
        shell: web.shell(""),
        title: "We will be right back",
        text: "This part of the shop cannot be reached at the moment. Your cart is safe; please try again shortly.",
    };
    let mut response = private_with(StatusCode::SERVICE_UNAVAILABLE, &page);
    degrade(&mut response);
    response
}

/// Mark an answer as made without something we need.
pub fn degrade(response: &mut Response) {
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// The 404 page. Shortly cacheable: a link to nothing should not cost us a page each time.
pub fn missing(web: &Web) -> Response {
    let page = views::Notice {
        shell: web.shell(""),
        title: "Washed away",
        text: "There is nothing at this address. The tide may have taken it.",
    };
    let headers = [(header::CACHE_CONTROL, "public, max-age=0, s-maxage=10")];
    match page.render() {
        Ok(html) => (StatusCode::NOT_FOUND, headers, Html(html)).into_response(),
        Err(error) => unrenderable(&error),
    }
}

fn unrenderable(error: &askama::Error) -> Response {
    crate::complain!("web: a template failed: {error}");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        [(header::CACHE_CONTROL, "no-store")],
        "This page could not be made.\n",
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validator_matches_in_a_list_and_weakly() {
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
            matches(&headers, "\"abc\"")
        };
        assert!(asked("\"abc\""));
        assert!(asked("\"x\", W/\"abc\""));
        assert!(asked("*"));
        assert!(!asked("\"ab\""));
        assert!(!matches(&HeaderMap::new(), "\"abc\""));
    }
}
