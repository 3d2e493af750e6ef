//! Directives and records: owner, TTL, class and type in the orders that RFC 1035 §5.1 allows.

use super::fields::{Fields, Read, period, unquoted};
use super::scan::{Entry, Scanner};
use crate::limits::{FINDINGS_MAX, INCLUDE_DEPTH_MAX};
use crate::zone::{Loader, Record};
use crate::{Name, RType, Zone};
use seawall_diag::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use std::path::Path;

/// What a file passes on to the ones it includes.
#[derive(Clone)]
struct Context {
    origin: Name,
    owner: Option<Name>,
}

pub(crate) struct Reader<'a> {
    sources: &'a mut SourceMap,
    load: &'a mut Loader<'a>,
    zone: &'a mut Zone,
    found: &'a mut Diagnostics,
    ttls: Ttls,
    findings: usize,
}

/// What a record without a TTL gets (RFC 2308 §4, RFC 1035 §5.1).
#[derive(Default)]
struct Ttls {
    default: Option<u32>,
    last: Option<u32>,
}

impl<'a> Reader<'a> {
    pub fn new(
        sources: &'a mut SourceMap,
        load: &'a mut Loader<'a>,
        zone: &'a mut Zone,
        found: &'a mut Diagnostics,
    ) -> Self {
        Self {
            sources,
            load,
            zone,
            found,
            ttls: Ttls::default(),
            findings: 0,
        }
    }

    /// Reads a file and what it includes.
    pub fn read(&mut self, file: FileId) {
        let origin = self.zone.origin().clone();
        self.file(
            file,
            Context {
                origin,
                owner: None,
            },
            1,
        );
    }

    fn file(&mut self, file: FileId, mut context: Context, depth: usize) {
        let text = self.sources.lend(file);
        self.entries(&text, file, &mut context, depth);
        self.sources.give_back(file, text);
    }

    fn entries(&mut self, text: &str, file: FileId, context: &mut Context, depth: usize) {
        let mut scanner = Scanner::new(text);
        let mut entry = Entry::default();
        while let Some(scanned) = scanner.next(&mut entry) {
            let done = match scanned {
                Ok(()) => self.entry(text, file, &entry, context, depth),
                Err(broken) => {
                    let at = Span::new(file, broken.at.start, broken.at.end);
                    Err(Diagnostic::error("syntax", at, broken.message))
                }
            };
            if let Err(diagnostic) = done {
                self.findings += 1;
                if self.findings > FINDINGS_MAX {
                    return;
                }
                self.found.push(diagnostic);
            }
        }
    }

    fn entry(
        &mut self,
        text: &str,
        file: FileId,
        entry: &Entry,
        context: &mut Context,
        depth: usize,
    ) -> Read<()> {
        let mut fields = Fields {
            text,
            file,
            tokens: &entry.tokens,
            at: 0,
            origin: None,
        };
        if let Some((word, at)) = fields
            .peek()
            .filter(|(w, _)| w.starts_with('$') && !entry.continues_owner)
        {
            let origin = context.origin.clone();
            fields.at += 1;
            fields.origin = Some(&origin);
            return self.directive(word, at, &mut fields, context, depth);
        }
        let Context { origin, owner } = context;
        fields.origin = Some(origin);
        if !entry.continues_owner {
            *owner = Some(fields.name("the owner")?);
        }
        let Some(owner) = owner.clone() else {
            let help =
                "a line that begins with a blank repeats the owner before it; there is none yet";
            let whole = fields.whole();
            return Err(
                Diagnostic::error("missing-owner", whole, "this record has no owner").help(help),
            );
        };
        let record = parse_record(owner, &mut fields, &mut self.ttls)?;
        if let Some(finding) = self.zone.insert(record)? {
            self.found.push(finding);
        }
        Ok(())
    }

    fn directive(
        &mut self,
        word: &str,
        at: Span,
        fields: &mut Fields<'_>,
        context: &mut Context,
        depth: usize,
    ) -> Read<()> {
        match word.to_ascii_uppercase().as_str() {
            "$ORIGIN" => context.origin = fields.name("the origin")?,
            "$TTL" => self.ttls.default = Some(within_range(fields.period("the TTL")?)),
            "$INCLUDE" => {
                let (path, path_at) = fields.next("the file to include")?;
                let origin = if fields.peek().is_some() {
                    fields.name("the origin")?
                } else {
                    context.origin.clone()
                };
                fields.finish()?;
                let file = self.include(unquoted(path), path_at, depth)?;
                self.file(
                    file,
                    Context {
                        origin,
                        owner: context.owner.clone(),
                    },
                    depth + 1,
                );
                return Ok(());
            }
            _ => {
                let message = format!("`{word}` is not a directive");
                return Err(Diagnostic::error("unknown-directive", at, message)
                    .help("there are $ORIGIN, $TTL and $INCLUDE"));
            }
        }
        fields.finish()
    }

    fn include(&mut self, path: &str, at: Span, depth: usize) -> Read<FileId> {
        if depth >= INCLUDE_DEPTH_MAX {
            let message = format!("files include one another at most {INCLUDE_DEPTH_MAX} deep");
            return Err(Diagnostic::error("include-depth", at, message));
        }
        let from = self.sources.name(at.file).to_owned();
        let (name, text) = (self.load)(Path::new(path), &from)
            .map_err(|e| Diagnostic::error("include", at, format!("cannot read `{path}`: {e}")))?;
        Ok(self.sources.add(name, text))
    }
}

fn parse_record(owner: Name, fields: &mut Fields<'_>, ttls: &mut Ttls) -> Read<Record> {
    let mut ttl = None;
    let mut class = false;
    let rtype = loop {
        let (word, at) = fields.next("the type")?;
        if ttl.is_none() && word.starts_with(|c: char| c.is_ascii_digit()) {
            let seconds = period(word).ok_or_else(|| bad_word(word, at))?;
            ttl = Some(within_range(seconds));
        } else if !class && (word.eq_ignore_ascii_case("IN") || word.eq_ignore_ascii_case("CLASS1"))
        {
            class = true;
        } else if ["CH", "HS", "CS"]
            .iter()
            .any(|c| c.eq_ignore_ascii_case(word))
        {
            return Err(Diagnostic::error(
                "class",
                at,
                format!("only the class IN is served, not {word}"),
            ));
        } else {
            let rtype = RType::parse(word).ok_or_else(|| bad_word(word, at))?;
            break (rtype, at);
        }
    };
    let (rtype, at) = rtype;
    if rtype.is_meta() {
        return Err(Diagnostic::error(
            "bad-type",
            at,
            format!("{rtype} is a question, not a record"),
        ));
    }
    let data = fields.data(rtype)?;
    let minimum = data
        .last_chunk()
        .map(|m| u32::from_be_bytes(*m))
        .filter(|_| rtype == RType::SOA);
    let ttl = ttl
        .or(ttls.default)
        .or(ttls.last)
        .or(minimum)
        .ok_or_else(|| {
            Diagnostic::error("missing-ttl", fields.whole(), "this record has no TTL")
                .help("begin the file with `$TTL 300`")
        })?;
    ttls.last = Some(ttl);
    Ok(Record {
        owner,
        rtype,
        ttl,
        data: data.into(),
        at: fields.whole(),
    })
}

fn bad_word(word: &str, at: Span) -> Diagnostic {
    Diagnostic::error(
        "unknown-type",
        at,
        format!("`{word}` is neither a type, a class nor a TTL"),
    )
    .help("a type without a mnemonic is written TYPEnnn, its data \\# LENGTH HEX")
}

/// RFC 2181 §8: a TTL with its highest bit set counts as zero.
fn within_range(seconds: u32) -> u32 {
    if seconds <= i32::MAX as u32 {
        seconds
    } else {
        0
    }
}

/// Reads one record in one line, its name absolute, as [`crate::edit::line`] writes it.
pub(crate) fn record_line(text: &str) -> Option<Record> {
    one_record(text, None).ok()
}

/// Reads one record in one line, its names relative to an origin. `Err` says what is wrong.
pub(crate) fn record_within(text: &str, origin: &Name) -> Result<Record, String> {
    one_record(text, Some(origin))
}

fn one_record(text: &str, origin: Option<&Name>) -> Result<Record, String> {
    let mut scanner = Scanner::new(text);
    let mut entry = Entry::default();
    match scanner.next(&mut entry) {
        Some(Ok(())) => {}
        Some(Err(broken)) => return Err(broken.message.to_owned()),
        None => return Err("there is no record".to_owned()),
    }
    let mut fields = Fields {
        text,
        file: FileId::default(),
        tokens: &entry.tokens,
        at: 0,
        origin,
    };
    let owner = fields.name("the owner").map_err(|d| d.message)?;
    parse_record(owner, &mut fields, &mut Ttls::default()).map_err(|d| d.message)
}
