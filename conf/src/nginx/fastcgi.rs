//! `fastcgi_pass` and what goes with it (ngx_http_fastcgi_module).

use super::read::{self, Reader};
use super::scope::Scope;
use super::tree::Directive;
use super::upstream::Upstreams;
use crate::address::{self, Origin, OriginError};
use crate::model::{
    Address, Content, FastCgi, FastCgiParam, Forwarding, Part, PassOn, Pattern, Protocol, Proxy,
    ProxyUri, RoutePolicy, Template,
};
use std::time::Duration;

/// What holds at a level.
#[derive(Clone, Default)]
pub(crate) struct FastCgiScope {
    params: Vec<FastCgiParam>,
    index: String,
    split: Option<Pattern>,
    keep: bool,
    no_fields: bool,
    intercept: bool,
    goes_on: bool,
    unbuffered: bool,
    hide: Vec<String>,
    connect: Option<Duration>,
    read: Option<Duration>,
    send: Option<Duration>,
}

/// Arrays that a level has begun to fill.
#[derive(Default)]
pub(crate) struct FastCgiFirsts {
    params: bool,
    hide: bool,
}

impl FastCgiScope {
    /// Takes a directive, if it is one of these.
    pub(crate) fn apply(
        &mut self,
        reader: &mut Reader<'_>,
        d: &Directive,
        first: &mut FastCgiFirsts,
    ) {
        match d.name() {
            "fastcgi_param" => {
                if !std::mem::replace(&mut first.params, true) {
                    self.params.clear();
                }
                self.param(reader, d);
            }
            "fastcgi_index" => self.index = d.arg(0).to_owned(),
            "fastcgi_split_path_info" => self.split(reader, d),
            "fastcgi_keep_conn" => self.keep = read::is_on(d),
            "fastcgi_hide_header" => {
                if !std::mem::replace(&mut first.hide, true) {
                    self.hide.clear();
                }
                self.hide.push(d.arg(0).to_owned());
            }
            "fastcgi_intercept_errors" => self.intercept = read::is_on(d),
            "fastcgi_pass_request_headers" => self.no_fields = !read::is_on(d),
            "fastcgi_buffering" => self.unbuffered = !read::is_on(d),
            "fastcgi_ignore_client_abort" => self.goes_on = read::is_on(d),
            "fastcgi_connect_timeout" => self.connect = reader.duration(d).or(self.connect),
            "fastcgi_read_timeout" => self.read = reader.duration(d).or(self.read),
            "fastcgi_send_timeout" => self.send = reader.duration(d).or(self.send),
            _ => {}
        }
    }

    fn param(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        let (Some(name), Some(value)) = (d.args.first(), d.args.get(1)) else {
            return;
        };
        let if_not_empty = match d.args.get(2) {
            None => false,
            Some(word) if word.text == "if_not_empty" => true,
            Some(word) => return reader.invalid_parameter(word),
        };
        self.params.push(FastCgiParam {
            name: name.text.clone(),
            value: reader.template(value),
            if_not_empty,
        });
    }

    fn split(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        let Some(word) = d.args.first() else { return };
        // Counted as nginx counts: what it cannot compile is reported where the plan is compiled.
        let groups = regex::Regex::new(&word.text).map_or(3, |r| r.captures_len());
        if groups < 3 {
            let message = format!("pattern \"{}\" must have 2 captures", word.text);
            return reader.error(word.at, message);
        }
        self.split = Some(read::pattern(word, &word.text, false, false));
    }

    /// What holds of its own for a route that an application answers.
    pub(crate) fn apply_to(&self, policy: &mut RoutePolicy) {
        policy.content.intercept = self.intercept;
        policy.ignore_client_abort = self.goes_on;
        policy.response_buffering = (!self.unbuffered).then(super::origin::read_ahead);
        let timeouts = &mut policy.timeouts;
        let minute = Duration::from_secs(60);
        timeouts.connect = self.connect.unwrap_or(minute);
        timeouts.first_byte = self.read.unwrap_or(minute);
        timeouts.between_bytes = timeouts.first_byte.max(self.send.unwrap_or(minute));
    }
}

/// The content of a location that `fastcgi_pass` stands in.
pub(crate) fn content(
    reader: &mut Reader<'_>,
    d: &Directive,
    scope: &Scope,
    upstreams: &mut Upstreams,
) -> Option<Content> {
    let word = d.args.first()?;
    let text = word.text.as_str();
    if text.contains('$') {
        reader.not_yet(word.at, "an application named by a variable");
        return None;
    }
    let origin = match address::origin(text, None) {
        Ok(origin) if origin.uri.is_empty() && !text.contains("://") => origin,
        // An upstream's name has no port.
        Err(OriginError::Invalid(_)) if upstreams.is_named(text) => Origin {
            address: Address::Name(text.to_owned(), 0),
            tls: false,
            http2: false,
            uri: String::new(),
            authority: text.to_owned(),
        },
        Err(OriginError::Invalid(message)) => {
            reader.error(word.at, message.replace(" in \"", " in upstream \""));
            return None;
        }
        _ => {
            reader.error(word.at, format!("invalid host in upstream \"{text}\""));
            return None;
        }
    };
    let port = match &origin.address {
        Address::Ip(address) => address.port(),
        Address::Name(_, port) => *port,
        Address::Unix(_) => 0,
    };
    let pool = upstreams.pool(word.at, &origin.authority, &origin);
    if let Some(pool) = upstreams.pools.get_mut(pool) {
        pool.protocol = Protocol::FastCgi;
    }
    let own = &scope.fastcgi;
    let mut params = own.params.clone();
    for param in &mut params {
        in_place(&mut param.value, &scope.root.path);
    }
    Some(Content::Proxy(Proxy {
        split: None,
        mirror: None,
        fastcgi: Some(Box::new(FastCgi {
            params,
            index: own.index.clone(),
            split: own.split.clone(),
            keep: own.keep,
            find: None,
            hide: own.hide.clone(),
            no_fields: own.no_fields,
        })),
        at: word.at,
        pool,
        host: None,
        proxy_host: origin.authority,
        proxy_port: port,
        uri: ProxyUri::AsReceived,
        set_headers: Vec::new(),
        add_headers: Vec::new(),
        forwarding: Forwarding::none(),
        http11: true,
        pass_on: PassOn::nothing(),
        keepalive: own.keep,
        asking: scope
            .passing
            .asking(upstreams.pools.get(pool).map(|p| &p.retry)),
        passing: scope.passing.plain(),
    }))
}

/// `$document_root` is the location's root.
fn in_place(value: &mut Template, root: &Template) {
    let named = |p: &Part| matches!(p, Part::Variable { name, .. } if name == "document_root");
    if value.parts.iter().any(named) {
        value.parts = value
            .parts
            .drain(..)
            .flat_map(|p| {
                if named(&p) {
                    root.parts.clone()
                } else {
                    vec![p]
                }
            })
            .collect();
    }
}
