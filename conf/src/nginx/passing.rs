//! What ngx_http_proxy_module, ngx_http_grpc_module and ngx_http_fastcgi_module change of requests and responses, the
//! speed of responses, and copies of requests.

use super::lex::Word;
use super::read::{Reader, is_on, nginx_size, pattern};
use super::tree::Directive;
use crate::model::{
    Asking, BodyFiles, CookieFlags, Fit, MirrorTo, Pace, Passing, Pattern, Replace, Retry, Template,
};
use seawall_diag::Span;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// What a level says; arrays are inherited where the inner level has none.
#[derive(Clone, Default)]
pub(crate) struct PassingScope {
    method: Option<Template>,
    body: Option<Template>,
    no_fields: bool,
    no_body: bool,
    next: Option<Next>,
    tries: u32,
    within: Duration,
    hide: Vec<String>,
    pass: Vec<String>,
    ignore: Vec<String>,
    /// `None` is `proxy_redirect default`.
    redirects: Option<Vec<Redirect>>,
    cookie_domains: Vec<Replace>,
    cookie_paths: Vec<Replace>,
    cookie_flags: Vec<CookieFlags>,
    pace: Pace,
    mirrors: Vec<Template>,
    mirror_without_body: bool,
    body_files: Option<bool>,
    body_directory: Option<PathBuf>,
}

/// Arrays that a level has begun to fill.
#[derive(Default)]
pub(crate) struct PassingFirsts {
    hide: bool,
    pass: bool,
    ignore: bool,
    redirects: bool,
    cookie_domains: bool,
    cookie_paths: bool,
    cookie_flags: bool,
    mirrors: bool,
}

#[derive(Clone)]
enum Redirect {
    /// As `proxy_pass` has it.
    Default,
    Rule(Replace),
}

#[derive(Clone, Default)]
struct Next {
    error: bool,
    timeout: bool,
    invalid: bool,
    non_idempotent: bool,
    statuses: Vec<u16>,
}

fn start<T>(begun: &mut bool, array: &mut Vec<T>) {
    if !std::mem::replace(begun, true) {
        array.clear();
    }
}

impl PassingScope {
    /// Takes a directive, if it is one of these.
    pub(crate) fn apply(
        &mut self,
        reader: &mut Reader<'_>,
        d: &Directive,
        first: &mut PassingFirsts,
    ) -> bool {
        let Some(word) = d.args.first() else {
            return false;
        };
        match d.name() {
            "proxy_method" => self.method = Some(reader.template(word)),
            "proxy_set_body" => self.body = Some(reader.template(word)),
            "proxy_pass_request_headers" => self.no_fields = !is_on(d),
            "proxy_pass_request_body" => self.no_body = !is_on(d),
            "proxy_next_upstream" | "grpc_next_upstream" | "fastcgi_next_upstream" => {
                self.next = Some(next(reader, d));
            }
            "proxy_next_upstream_tries"
            | "grpc_next_upstream_tries"
            | "fastcgi_next_upstream_tries" => {
                self.tries = reader.number(d).unwrap_or(0).min(1000) as u32;
            }
            "proxy_next_upstream_timeout"
            | "grpc_next_upstream_timeout"
            | "fastcgi_next_upstream_timeout" => {
                self.within = reader.duration(d).unwrap_or_default();
            }
            "proxy_hide_header" | "grpc_hide_header" => {
                start(&mut first.hide, &mut self.hide);
                self.hide.push(word.text.clone());
            }
            "proxy_pass_header" | "grpc_pass_header" | "fastcgi_pass_header" => {
                start(&mut first.pass, &mut self.pass);
                self.pass.push(word.text.clone());
            }
            "proxy_ignore_headers" | "grpc_ignore_headers" | "fastcgi_ignore_headers" => {
                start(&mut first.ignore, &mut self.ignore);
                self.ignore(reader, d);
            }
            "proxy_redirect" => self.redirect(reader, d, word, first),
            "proxy_cookie_domain" => {
                start(&mut first.cookie_domains, &mut self.cookie_domains);
                // Names of hosts have no case.
                self.cookie_domains.extend(replace(reader, d, true));
            }
            "proxy_cookie_path" => {
                start(&mut first.cookie_paths, &mut self.cookie_paths);
                self.cookie_paths.extend(replace(reader, d, false));
            }
            "proxy_cookie_flags" => {
                start(&mut first.cookie_flags, &mut self.cookie_flags);
                self.cookie_flags.extend(cookie_flags(reader, d));
            }
            "client_body_in_file_only" => match word.text.as_str() {
                "on" => self.body_files = Some(true),
                "clean" => self.body_files = Some(false),
                "off" => self.body_files = None,
                other => reader.error(word.at, format!("invalid value \"{other}\"")),
            },
            "client_body_temp_path" => self.body_directory = Some(reader.path(&word.text)),
            "limit_rate" => self.pace.rate = size_template(reader, d, word),
            "limit_rate_after" => self.pace.after = size_template(reader, d, word),
            "mirror" => {
                start(&mut first.mirrors, &mut self.mirrors);
                if word.text != "off" {
                    self.mirrors.push(reader.template(word));
                }
            }
            "mirror_request_body" => self.mirror_without_body = !is_on(d),
            _ => return false,
        }
        true
    }

    fn ignore(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        const KNOWN: &[&str] = &[
            "X-Accel-Redirect",
            "X-Accel-Expires",
            "X-Accel-Limit-Rate",
            "X-Accel-Buffering",
            "X-Accel-Charset",
            "Expires",
            "Cache-Control",
            "Set-Cookie",
            "Vary",
        ];
        for word in &d.args {
            match KNOWN.iter().find(|n| n.eq_ignore_ascii_case(&word.text)) {
                Some(name) => self.ignore.push((*name).to_owned()),
                None => reader.error(word.at, format!("invalid value \"{}\"", word.text)),
            }
        }
    }

    fn redirect(
        &mut self,
        reader: &mut Reader<'_>,
        d: &Directive,
        word: &Word,
        first: &mut PassingFirsts,
    ) {
        if !std::mem::replace(&mut first.redirects, true) {
            self.redirects = Some(Vec::new());
        }
        let Some(rules) = &mut self.redirects else {
            return;
        };
        match (word.text.as_str(), d.args.len()) {
            ("off", 1) => rules.clear(),
            ("default", 1) => rules.push(Redirect::Default),
            ("false", 1) => {
                reader.error(word.at, "invalid parameter \"false\", use \"off\" instead")
            }
            (_, 1) => reader.error(word.at, format!("invalid parameter \"{}\"", word.text)),
            _ => rules.extend(replace(reader, d, false).map(Redirect::Rule)),
        }
    }

    /// What is asked by a route at this level of a pool whose own retries are these.
    pub(crate) fn asking(&self, own: Option<&Retry>) -> Box<Asking> {
        let says = self.next.is_some() || self.tries > 0 || !self.within.is_zero();
        let retry = own.filter(|_| says).map(|own| {
            let mut retry = own.clone();
            if let Some(next) = &self.next {
                retry.connect = next.error;
                retry.timeout = next.timeout;
                retry.invalid = next.invalid;
                retry.non_idempotent = next.non_idempotent;
                retry.statuses.clone_from(&next.statuses);
            }
            if self.tries > 0 {
                retry.attempts = self.tries;
            }
            retry.within = self.within;
            Box::new(retry)
        });
        Box::new(Asking {
            dynamic: None,
            method: self.method.clone(),
            body: self.body.clone(),
            no_fields: self.no_fields,
            no_body: self.no_body,
            retry,
        })
    }

    /// What becomes of the responses of `proxy_pass url` in a location of this prefix, if it has one; `url` is empty
    /// where variables make it.
    pub(crate) fn passing(
        &self,
        reader: &mut Reader<'_>,
        at: Span,
        url: &str,
        with_uri: bool,
        location: &str,
    ) -> Box<Passing> {
        let mut redirects = Vec::new();
        let own = [Redirect::Default];
        for rule in self.redirects.as_deref().unwrap_or(&own) {
            match rule {
                Redirect::Rule(rule) => redirects.push(rule.clone()),
                Redirect::Default if url.is_empty() => {
                    if self.redirects.is_some() {
                        let message = "\"proxy_redirect default\" cannot be used with \"proxy_pass\" directive with variables";
                        reader.error(at, message);
                    }
                }
                Redirect::Default => {
                    let (from, to) = match with_uri {
                        true => (url.to_owned(), location.to_owned()),
                        false => (format!("{url}/"), "/".to_owned()),
                    };
                    redirects.push(Replace {
                        from: Fit::Text(Template::literal(from)),
                        to: Template::literal(to),
                    });
                }
            }
        }
        Box::new(Passing {
            hide: self.hidden(),
            pass: self.pass.clone(),
            ignore: self.ignore.clone(),
            redirects,
            cookie_domains: self.cookie_domains.clone(),
            cookie_paths: self.cookie_paths.clone(),
            cookie_flags: self.cookie_flags.clone(),
        })
    }

    /// The same for an application, where redirects and cookies are not changed.
    pub(crate) fn plain(&self) -> Box<Passing> {
        Box::new(Passing {
            pass: self.pass.clone(),
            ignore: self.ignore.clone(),
            ..Passing::default()
        })
    }

    fn hidden(&self) -> Vec<String> {
        let passed = |name: &String| self.pass.iter().any(|p| p.eq_ignore_ascii_case(name));
        self.hide.iter().filter(|n| !passed(n)).cloned().collect()
    }

    /// Bodies kept in files; `prefix` is where they lie unless it is said.
    pub(crate) fn body_files(&self, prefix: &Path) -> Option<Box<BodyFiles>> {
        self.body_files.map(|stay| {
            let said = self.body_directory.clone();
            Box::new(BodyFiles {
                directory: said.unwrap_or_else(|| prefix.join("client_body_temp")),
                stay,
            })
        })
    }

    /// Bounds on the speed of responses.
    pub(crate) fn pace(&self) -> Option<Box<Pace>> {
        self.pace
            .rate
            .is_some()
            .then(|| Box::new(self.pace.clone()))
    }

    /// Copies of requests.
    pub(crate) fn mirrors(&self) -> Option<Box<MirrorTo>> {
        (!self.mirrors.is_empty()).then(|| {
            Box::new(MirrorTo {
                uris: self.mirrors.clone(),
                body: !self.mirror_without_body,
            })
        })
    }
}

fn next(reader: &mut Reader<'_>, d: &Directive) -> Next {
    let mut next = Next::default();
    for word in &d.args {
        match word.text.as_str() {
            "error" => next.error = true,
            "timeout" => next.timeout = true,
            "invalid_header" => next.invalid = true,
            "non_idempotent" => next.non_idempotent = true,
            "off" => next = Next::default(),
            text => {
                let status = text.strip_prefix("http_").and_then(|n| n.parse().ok());
                match status {
                    Some(status @ (403 | 404 | 429 | 500 | 502 | 503 | 504)) => {
                        next.statuses.push(status)
                    }
                    _ => reader.error(word.at, format!("invalid value \"{text}\"")),
                }
            }
        }
    }
    next
}

/// `directive from to`, where the first may be a regular expression, or `directive off`.
fn replace(reader: &mut Reader<'_>, d: &Directive, caseless: bool) -> Option<Replace> {
    let word = d.args.first()?;
    let Some(to) = d.args.get(1) else {
        if word.text != "off" {
            reader.error(word.at, format!("invalid parameter \"{}\"", word.text));
        }
        return None;
    };
    Some(Replace {
        from: fit(reader, word, caseless),
        to: reader.template(to),
    })
}

fn fit(reader: &mut Reader<'_>, word: &Word, caseless: bool) -> Fit {
    match regex_of(word, caseless) {
        Some(regex) => Fit::Regex(regex),
        None => Fit::Text(reader.template(word)),
    }
}

fn regex_of(word: &Word, caseless: bool) -> Option<Pattern> {
    let text = word.text.strip_prefix('~')?;
    Some(match text.strip_prefix('*') {
        Some(text) => pattern(word, text, true, false),
        None => pattern(word, text, caseless, false),
    })
}

fn cookie_flags(reader: &mut Reader<'_>, d: &Directive) -> Option<CookieFlags> {
    let word = d.args.first()?;
    if d.args.len() == 1 {
        if word.text != "off" {
            reader.error(word.at, format!("invalid parameter \"{}\"", word.text));
        }
        return None;
    }
    const KNOWN: &[&str] = &[
        "secure",
        "nosecure",
        "httponly",
        "nohttponly",
        "samesite",
        "nosamesite",
        "samesite=strict",
        "samesite=lax",
        "samesite=none",
    ];
    let mut flags = Vec::new();
    for word in d.args.iter().skip(1) {
        if !word.text.contains('$') && !KNOWN.iter().any(|k| k.eq_ignore_ascii_case(&word.text)) {
            reader.error(word.at, format!("invalid parameter \"{}\"", word.text));
            continue;
        }
        flags.push(reader.template(word));
    }
    Some(CookieFlags {
        name: fit(reader, word, true),
        flags,
    })
}

/// A size, or what makes one.
fn size_template(reader: &mut Reader<'_>, d: &Directive, word: &Word) -> Option<Template> {
    if !word.text.contains('$') && nginx_size(&word.text).is_none() {
        reader.error(word.at, format!("\"{}\" directive invalid value", d.name()));
        return None;
    }
    Some(reader.template(word))
}
