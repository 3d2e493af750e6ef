//! `gzip`, `gunzip` and what goes with them (ngx_http_gzip_filter_module, ngx_http_gunzip_filter_module).

use super::read::{self, Reader};
use super::tree::Directive;
use crate::model::{Coding, Compress, GzipProxied, NginxGzip};

/// What holds at a level.
#[derive(Clone)]
pub(crate) struct Gzip {
    on: bool,
    gunzip: bool,
    level: u8,
    min_length: u64,
    types: Vec<String>,
    conditions: NginxGzip,
}

/// Arrays that a level has begun to fill.
#[derive(Default)]
pub(crate) struct GzipFirsts {
    disable: bool,
}

impl Default for Gzip {
    fn default() -> Self {
        Self {
            on: false,
            gunzip: false,
            level: 1,
            min_length: 20,
            types: vec!["text/html".into()],
            conditions: NginxGzip::default(),
        }
    }
}

impl Gzip {
    /// Takes a directive, if it is one of these.
    pub(crate) fn apply(
        &mut self,
        reader: &mut Reader<'_>,
        d: &Directive,
        first: &mut GzipFirsts,
    ) -> bool {
        match d.name() {
            "gzip" => self.on = read::is_on(d),
            "gunzip" => self.gunzip = read::is_on(d),
            "gzip_vary" => self.conditions.vary = read::is_on(d),
            "gzip_min_length" => self.min_length = reader.size(d).unwrap_or(self.min_length),
            "gzip_comp_level" => match reader.number(d) {
                Some(n @ 1..=9) => self.level = n as u8,
                Some(_) => reader.error(d.at(), "value must be between 1 and 9"),
                None => {}
            },
            "gzip_http_version" => match d.arg(0) {
                "1.0" => self.conditions.http10 = true,
                "1.1" => self.conditions.http10 = false,
                other => reader.error(d.at(), format!("invalid value \"{other}\"")),
            },
            "gzip_types" => {
                // text/html is always among them; `*` is every type.
                self.types = vec!["text/html".into()];
                self.types
                    .extend(d.args.iter().map(|w| w.text.to_ascii_lowercase()));
            }
            "gzip_proxied" => self.proxied(reader, d),
            "gzip_disable" => {
                if !std::mem::replace(&mut first.disable, true) {
                    self.conditions.disable.clear();
                }
                for word in &d.args {
                    // A name of its own for what is a slow expression elsewhere.
                    let text = match word.text.as_str() {
                        "msie6" => "MSIE [456]\\.",
                        other => other,
                    };
                    self.conditions
                        .disable
                        .push(read::pattern(word, text, true, false));
                }
            }
            _ => return false,
        }
        true
    }

    fn proxied(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        self.conditions.proxied = GzipProxied(0);
        for word in &d.args {
            if word.text == "off" {
                self.conditions.proxied = GzipProxied(0);
                continue;
            }
            match GzipProxied::WORDS.iter().find(|(w, _)| *w == word.text) {
                Some((_, bit)) => self.conditions.proxied.0 |= bit,
                None => reader.error(word.at, format!("invalid value \"{}\"", word.text)),
            }
        }
    }

    /// The policy of a route at this level.
    pub(crate) fn policy(&self) -> Option<Compress> {
        (self.on || self.gunzip).then(|| Compress {
            codings: if self.on {
                vec![Coding::Gzip]
            } else {
                Vec::new()
            },
            types: self.types.clone(),
            min_length: self.min_length,
            level: Some(self.level),
            decode: self.gunzip,
            nginx: Some(self.conditions.clone()),
        })
    }
}
