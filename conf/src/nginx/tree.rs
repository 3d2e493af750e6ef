//! The directive tree: comments kept, includes put in place.

use super::glob;
use super::lex::{Kind, Token, Word, lex};
use crate::load::{LoadOptions, read};
use seawall_diag::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use std::path::{Path, PathBuf};

/// How deep `include` may nest.
pub const INCLUDE_DEPTH_MAX: usize = 16;

/// How deep blocks may nest.
pub const BLOCK_DEPTH_MAX: usize = 64;

/// The most files one configuration is made of.
pub const FILES_MAX: usize = 4096;

/// A directive, or a comment between directives.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Directive(Directive),
    /// Kept for `convert`.
    Comment(
        #[allow(
            dead_code,
            reason = "what makes the tree lossless is read by `convert`"
        )]
        Span,
    ),
}

/// A directive with its arguments, and its block where it has one.
#[derive(Clone, Debug)]
pub(crate) struct Directive {
    pub(crate) name: Word,
    pub(crate) args: Vec<Word>,
    pub(crate) block: Option<Vec<Item>>,
}

impl Directive {
    /// Where it is pointed at: its name.
    pub(crate) fn at(&self) -> Span {
        self.name.at
    }

    pub(crate) fn name(&self) -> &str {
        &self.name.text
    }

    /// An argument's text; empty where there is none.
    pub(crate) fn arg(&self, index: usize) -> &str {
        self.args.get(index).map_or("", |w| &w.text)
    }

    /// The directives of its block.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Directive> {
        directives(self.block.as_deref().unwrap_or_default())
    }
}

/// The directives among items.
pub(crate) fn directives(items: &[Item]) -> impl Iterator<Item = &Directive> {
    items.iter().filter_map(|i| match i {
        Item::Directive(directive) => Some(directive),
        Item::Comment(_) => None,
    })
}

/// One file as a tree, includes not yet followed.
///
/// Of what is wrong with the syntax only the first is reported: whatever follows it is mostly its echo (a block of Lua
/// is a hundred unexpected characters).
pub(crate) fn parse(file: FileId, text: &str, found: &mut Diagnostics) -> Vec<Item> {
    let mut errors = Diagnostics::default();
    let mut parser = Parser {
        stack: vec![Level::default()],
        words: Vec::new(),
        found: &mut errors,
    };
    for token in lex(file, text, parser.found) {
        parser.token(token);
    }
    let items = parser.finish(Span::new(file, text.trim_end().len(), text.len()));
    errors.sort();
    if let Some(first) = errors.iter().next() {
        found.push(first.clone());
    }
    items
}

/// An open block: the directive it belongs to and what it holds so far.
#[derive(Default)]
struct Level {
    words: Vec<Word>,
    items: Vec<Item>,
}

struct Parser<'a> {
    stack: Vec<Level>,
    words: Vec<Word>,
    found: &'a mut Diagnostics,
}

impl Parser<'_> {
    fn token(&mut self, token: Token) {
        match token.kind {
            Kind::Comment => self.push(Item::Comment(token.at)),
            Kind::Word(word) => self.words.push(word),
            Kind::Semicolon => {
                let words = std::mem::take(&mut self.words);
                match directive(words, None) {
                    Some(directive) => self.push(Item::Directive(directive)),
                    None => self.unexpected(token.at, ";"),
                }
            }
            Kind::Open => {
                let words = std::mem::take(&mut self.words);
                if words.is_empty() {
                    self.unexpected(token.at, "{");
                }
                self.stack.push(Level {
                    words,
                    items: Vec::new(),
                });
            }
            Kind::Close => self.close(token.at),
        }
    }

    fn close(&mut self, at: Span) {
        if !self.words.is_empty() {
            self.unexpected(at, "}");
            self.words.clear();
        }
        if self.stack.len() < 2 {
            self.unexpected(at, "}");
            return;
        }
        // The last level is the file's own; it stays.
        let Some(level) = self.stack.pop() else {
            return;
        };
        let Some(directive) = directive(level.words, Some(level.items)) else {
            return;
        };
        if self.stack.len() > BLOCK_DEPTH_MAX {
            let message = format!("blocks are nested deeper than {BLOCK_DEPTH_MAX} levels");
            self.found.error("nginx-limit", directive.at(), message);
            return;
        }
        self.push(Item::Directive(directive));
    }

    fn push(&mut self, item: Item) {
        if let Some(level) = self.stack.last_mut() {
            level.items.push(item);
        }
    }

    fn unexpected(&mut self, at: Span, what: &str) {
        self.found
            .error("nginx-syntax", at, format!("unexpected \"{what}\""));
    }

    fn finish(mut self, end: Span) -> Vec<Item> {
        let expected = if self.words.is_empty() {
            "\"}\""
        } else {
            "\";\" or \"}\""
        };
        if !self.words.is_empty() || self.stack.len() > 1 {
            let mut d = Diagnostic::error(
                "nginx-syntax",
                end,
                format!("unexpected end of file, expecting {expected}"),
            );
            if let Some(open) = self
                .stack
                .last()
                .and_then(|l| l.words.first())
                .map(|w| w.at)
            {
                d = d.related(open, "this block is not closed");
            }
            self.found.push(d);
        }
        self.words.clear();
        while self.stack.len() > 1 {
            let Some(level) = self.stack.pop() else { break };
            if self.stack.len() <= BLOCK_DEPTH_MAX
                && let Some(directive) = directive(level.words, Some(level.items))
            {
                self.push(Item::Directive(directive));
            }
        }
        self.stack.pop().map(|l| l.items).unwrap_or_default()
    }
}

fn directive(words: Vec<Word>, block: Option<Vec<Item>>) -> Option<Directive> {
    let mut words = words.into_iter();
    Some(Directive {
        name: words.next()?,
        args: words.collect(),
        block,
    })
}

/// Puts the contents of included files in place of `include`.
pub(crate) struct Includes<'a> {
    pub(crate) sources: &'a mut SourceMap,
    pub(crate) found: &'a mut Diagnostics,
    /// Every file read.
    pub(crate) files: &'a mut Vec<PathBuf>,
    /// Where relative patterns start: the directory of the main file.
    pub(crate) directory: &'a Path,
    /// How they are read.
    pub(crate) options: &'a LoadOptions,
}

impl Includes<'_> {
    /// Follows the includes among items, and in their blocks.
    pub(crate) fn expand(&mut self, items: Vec<Item>, depth: usize) -> Vec<Item> {
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Directive(d)
                    if d.name() == "include" && d.block.is_none() && d.args.len() == 1 =>
                {
                    self.include(&d, depth, &mut out);
                }
                Item::Directive(mut d) => {
                    d.block = d.block.map(|items| self.expand(items, depth));
                    out.push(Item::Directive(d));
                }
                comment => out.push(comment),
            }
        }
        out
    }

    fn include(&mut self, directive: &Directive, depth: usize, out: &mut Vec<Item>) {
        let at = directive.args.first().map_or(directive.at(), |w| w.at);
        if depth >= INCLUDE_DEPTH_MAX {
            self.found.error(
                "nginx-limit",
                at,
                format!("includes are nested deeper than {INCLUDE_DEPTH_MAX} levels"),
            );
            return;
        }
        let paths = match glob::expand(&self.directory.join(directive.arg(0))) {
            Ok(paths) => paths,
            Err(message) => return self.found.error("include", at, message),
        };
        for path in paths {
            if self.files.len() >= FILES_MAX {
                return self
                    .found
                    .error("nginx-limit", at, format!("more than {FILES_MAX} files"));
            }
            match read(&path, self.options) {
                Ok(text) => {
                    let file = self.sources.add(path.clone(), text);
                    self.files.push(path);
                    let items = parse(file, self.sources.text(file), self.found);
                    out.extend(self.expand(items, depth + 1));
                }
                Err(message) => self.found.error("include", at, message),
            }
        }
    }
}
