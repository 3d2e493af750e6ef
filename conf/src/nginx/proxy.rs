//! `proxy_pass` and what goes with it (ngx_http_proxy_module).

use super::lex::Word;
use super::read::Reader;
use super::scope::Scope;
use super::tree::Directive;
use super::upstream::Upstreams;
use crate::address::{self, Origin, OriginError};
use crate::model::{
    Address, Content, DynamicOrigin, Forwarding, Matcher, Part, PassOn, Proxy, ProxyUri, Template,
};

/// A proxied content; `matcher` is the location's, or none within `if`.
pub(crate) fn content(
    reader: &mut Reader<'_>,
    d: &Directive,
    scope: &Scope,
    matcher: Option<&Matcher>,
    upstreams: &mut Upstreams,
) -> Option<Content> {
    let word = d.args.first()?;
    let grpc = d.name() == "grpc_pass";
    // The only one of the two that may leave its scheme out.
    let with_scheme = (grpc && !word.text.contains("://")).then(|| format!("grpc://{}", word.text));
    let text = with_scheme.as_deref().unwrap_or(&word.text);
    let scheme_end = text.find("://").map(|i| i + 3);
    let is_http = scheme_end.is_some_and(|i| match text.get(..i) {
        Some("http://" | "https://") => !grpc,
        Some("grpc://" | "grpcs://") => grpc,
        _ => false,
    });
    if !is_http {
        if text.starts_with('$') && !grpc {
            return Some(dynamic(reader, word, scope, upstreams));
        }
        reader.error(word.at, "invalid URL prefix");
        return None;
    }
    let after = text.get(scheme_end.unwrap_or(0)..).unwrap_or_default();
    // What stands before the first "/", "?" or variable names the origin; a variable must not stand within it.
    let (fixed, variable) = after.split_at(after.find('$').unwrap_or(after.len()));
    if !variable.is_empty() && !fixed.contains(['/', '?']) && !is_uri_variable(fixed, variable) {
        if grpc {
            reader.not_yet(word.at, "an origin named by a variable");
            return None;
        }
        return Some(dynamic(reader, word, scope, upstreams));
    }
    let prefix_length = text.len() - variable.len();
    let origin = parse(
        reader,
        d,
        text.get(..prefix_length).unwrap_or_default(),
        upstreams,
    )?;
    let with_uri = !origin.uri.is_empty();
    let uri = if variable.is_empty() {
        fixed_uri(reader, d, &origin, matcher)?
    } else {
        let start = text.len() - variable.len() - origin.uri.len();
        ProxyUri::Template(reader.template_text(word, text.get(start..).unwrap_or_default()))
    };
    let port = if origin.tls { 443 } else { 80 };
    let proxy_port = match &origin.address {
        Address::Ip(address) => address.port(),
        Address::Name(_, port) => *port,
        Address::Unix(_) => port,
    };
    let http2 = grpc || scope.origin.http2;
    let tls = origin.tls.then(|| {
        let host = match &origin.address {
            Address::Name(name, _) => name.as_str(),
            _ => "",
        };
        scope.origin.tls(reader, word.at, host)
    });
    let pool = upstreams.pool_over(word.at, &origin.authority, &origin, tls, http2);
    let (host, set_headers, keeps) = headers(scope, word.at);
    let url = if variable.is_empty() { text } else { "" };
    let location = match matcher {
        Some(Matcher::Exact(path) | Matcher::Prefix { path, .. }) => path.as_str(),
        _ => "/",
    };
    let passing = scope
        .passing
        .passing(reader, word.at, url, with_uri, location);
    let on = scope.origin.pass_on();
    Some(Content::Proxy(Proxy {
        at: word.at,
        pool,
        host: Some(host),
        proxy_host: origin.authority,
        proxy_port,
        uri,
        split: None,
        mirror: None,
        set_headers,
        add_headers: Vec::new(),
        forwarding: Forwarding::none(),
        http11: scope.http11 || http2,
        pass_on: PassOn {
            request_trailers: grpc,
            trailers: grpc || on.trailers,
            ..on
        },
        keepalive: (scope.http11 || http2) && keeps,
        fastcgi: None,
        asking: scope
            .passing
            .asking(upstreams.pools.get(pool).map(|p| &p.retry)),
        passing,
    }))
}

/// An origin that the request names: an upstream, an address, or a name that the resolver knows.
fn dynamic(
    reader: &mut Reader<'_>,
    word: &Word,
    scope: &Scope,
    upstreams: &mut Upstreams,
) -> Content {
    let text = word.text.as_str();
    let http2 = scope.origin.http2;
    let resolver = &scope.origin.resolver;
    let plain = (!text.starts_with("https://"))
        .then(|| upstreams.reach(word.at, text, None, http2, resolver));
    let tls = (!text.starts_with("http://")).then(|| {
        let tls = scope.origin.tls(reader, word.at, "");
        upstreams.reach(word.at, text, Some(tls), http2, resolver)
    });
    let pool = plain.as_ref().or(tls.as_ref()).map_or(0, |r| r.pool);
    let (host, set_headers, keeps) = headers(scope, word.at);
    let passing = scope.passing.passing(reader, word.at, "", false, "/");
    let mut asking = scope
        .passing
        .asking(upstreams.pools.get(pool).map(|p| &p.retry));
    asking.dynamic = Some(Box::new(DynamicOrigin {
        url: reader.template(word),
        plain,
        tls,
    }));
    Content::Proxy(Proxy {
        at: word.at,
        pool,
        host: Some(host),
        proxy_host: String::new(),
        proxy_port: 80,
        uri: ProxyUri::AsReceived,
        split: None,
        mirror: None,
        set_headers,
        add_headers: Vec::new(),
        forwarding: Forwarding::none(),
        http11: scope.http11 || http2,
        pass_on: scope.origin.pass_on(),
        keepalive: (scope.http11 || http2) && keeps,
        fastcgi: None,
        asking,
        passing,
    })
}

/// `http://origin$request_uri`: the name ends where a variable begins that holds a URI.
fn is_uri_variable(origin: &str, variable: &str) -> bool {
    !origin.is_empty()
        && ["$request_uri", "$uri", "$document_uri"]
            .iter()
            .any(|v| variable.starts_with(v))
}

fn parse(
    reader: &mut Reader<'_>,
    d: &Directive,
    url: &str,
    upstreams: &Upstreams,
) -> Option<Origin> {
    let at = d.args.first().map_or(d.at(), |w| w.at);
    match address::origin(url, None) {
        Ok(origin) => Some(origin),
        Err(OriginError::NotYet(what)) => {
            reader.not_yet(at, what);
            None
        }
        Err(OriginError::Invalid(message)) => {
            // An upstream's name may hold what no host's name does.
            let rest = url.split_once("://").map_or(url, |(_, r)| r);
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, uri) = rest.split_at(end);
            if upstreams.is_named(authority) {
                let tls = url.starts_with("https://") || url.starts_with("grpcs://");
                let address = Address::Name(authority.to_owned(), if tls { 443 } else { 80 });
                return Some(Origin {
                    address,
                    tls,
                    http2: false,
                    uri: uri.to_owned(),
                    authority: authority.to_owned(),
                });
            }
            reader.error(at, message.replace(" in \"", " in upstream \""));
            None
        }
    }
}

fn fixed_uri(
    reader: &mut Reader<'_>,
    d: &Directive,
    origin: &Origin,
    matcher: Option<&Matcher>,
) -> Option<ProxyUri> {
    if origin.uri.is_empty() {
        return Some(ProxyUri::AsReceived);
    }
    match matcher {
        Some(Matcher::Exact(path) | Matcher::Prefix { path, .. }) => {
            Some(ProxyUri::ReplacePrefix {
                prefix: path.clone(),
                with: origin.uri.clone(),
            })
        }
        _ => {
            let message = "\"proxy_pass\" cannot have URI part in location given by regular expression, or inside \
                           named location, or inside \"if\" statement, or inside \"limit_except\" block";
            reader.error(d.args.first().map_or(d.at(), |w| w.at), message);
            None
        }
    }
}

/// The Host sent, the other fields, and whether they let the connection be kept.
fn headers(scope: &Scope, at: seawall_diag::Span) -> (Template, Vec<(String, Template)>, bool) {
    let mut host = Template {
        parts: vec![Part::Variable {
            name: "proxy_host".into(),
            at,
        }],
    };
    let mut fields = Vec::new();
    let mut keeps = true;
    for (name, value) in &scope.set_headers {
        if name.eq_ignore_ascii_case("host") {
            host = value.clone();
        } else if name.eq_ignore_ascii_case("connection") && value.parts.is_empty() {
            // Nothing to send: the connection is kept, as it is by default.
        } else {
            keeps &= !(name.eq_ignore_ascii_case("connection")
                && value.as_literal().is_some_and(is_close));
            fields.push((name.clone(), value.clone()));
        }
    }
    (host, fields, keeps)
}

fn is_close(value: &str) -> bool {
    value.eq_ignore_ascii_case("close")
}
