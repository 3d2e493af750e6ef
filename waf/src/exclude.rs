//! Exclusions: what rules do not look at, for a site whose ordinary requests they are wrong about.
//!
//! They are no part of the program. A transaction is given them when it begins, so that a new one holds at once, and one
//! that is only tried out costs no second compilation of a rule set.

use std::fmt;

use smallvec::SmallVec;

use crate::matched::Match;
use crate::program::{Exclusion, Program, RuleSet, Selector};
use crate::transaction::Transaction;
use crate::variable::{self, Shape, Variable};

/// Exclusions of one program.
pub const EXCLUSIONS_MAX: usize = 1000;
/// Bytes of a member's name that a suggestion repeats; a longer one is no name that a site gave.
const SUGGESTED_NAME_BYTES_MAX: usize = 64;

/// One exclusion: these rules do not look at this, below this path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclude {
    /// Ids of rules.
    pub rules: Vec<u32>,
    /// Every rule with one of these tags.
    pub tags: Vec<String>,
    /// What they do not look at: `ARGS:q`, `REQUEST_COOKIES`. Without it they do not run at all.
    pub target: Option<String>,
    /// Only for requests whose path begins like this. A path with escapes or dot segments is never below one.
    pub path: Option<String>,
}

/// Why an exclusion is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExcludeError {
    /// It would exclude nothing.
    #[error("an exclusion names `rules` or `tags`")]
    NoRules,
    /// The rule set has no such rule.
    #[error("the rule set has no rule {0}")]
    UnknownRule(u32),
    /// No rule has this tag.
    #[error("no rule of the rule set has the tag `{0}`")]
    UnknownTag(String),
    /// Nothing of a request has this name.
    #[error("`{0}` is nothing that rules look at: write ARGS:name, REQUEST_COOKIES or the like")]
    UnknownTarget(String),
    /// It is no path.
    #[error(
        "`{0}` is no path: it begins with a slash, and has no escapes, no dot segments and no query"
    )]
    NotAPath(String),
    /// More than there may be.
    #[error("a rule set has at most {EXCLUSIONS_MAX} exclusions")]
    TooMany,
}

/// Exclusions, ready for the transactions of one program.
#[derive(Debug, Default)]
pub struct Exclusions {
    identity: u64,
    list: Vec<Prepared>,
}

#[derive(Debug)]
struct Prepared {
    path: Option<Vec<u8>>,
    rules: RuleSet,
    target: Option<Exclusion>,
}

impl Program {
    /// Makes exclusions ready.
    ///
    /// # Errors
    /// The first one that names what is not there.
    pub fn exclusions(&self, list: &[Exclude]) -> Result<Exclusions, ExcludeError> {
        if list.len() > EXCLUSIONS_MAX {
            return Err(ExcludeError::TooMany);
        }
        let list = list.iter().map(|e| self.prepare(e));
        Ok(Exclusions {
            identity: self.identity,
            list: list.collect::<Result<_, _>>()?,
        })
    }

    fn prepare(&self, exclude: &Exclude) -> Result<Prepared, ExcludeError> {
        if exclude.rules.is_empty() && exclude.tags.is_empty() {
            return Err(ExcludeError::NoRules);
        }
        for id in &exclude.rules {
            if !self.rules.iter().any(|r| r.id == *id) {
                return Err(ExcludeError::UnknownRule(*id));
            }
        }
        for tag in &exclude.tags {
            if !self.rules.iter().any(|r| r.tags.contains(tag)) {
                return Err(ExcludeError::UnknownTag(tag.clone()));
            }
        }
        if let Some(path) = &exclude.path
            && !(path.starts_with('/') && is_plain(path.as_bytes()))
        {
            return Err(ExcludeError::NotAPath(path.clone()));
        }
        let mut set = vec![0u64; self.rules.len().div_ceil(64)];
        for (index, rule) in self.rules.iter().enumerate() {
            let named = exclude.rules.contains(&rule.id)
                || exclude.tags.iter().any(|tag| rule.tags.contains(tag));
            if let Some(word) = set.get_mut(index / 64).filter(|_| named) {
                *word |= 1 << (index % 64);
            }
        }
        Ok(Prepared {
            path: exclude.path.clone().map(String::into_bytes),
            rules: set.into(),
            target: exclude.target.as_deref().map(target).transpose()?,
        })
    }
}

/// `ARGS:q`, `XML:/*`, `REQUEST_URI`.
fn target(text: &str) -> Result<Exclusion, ExcludeError> {
    let unknown = || ExcludeError::UnknownTarget(text.to_owned());
    let (name, member) = match text.split_once(':') {
        Some((name, member)) => (name, Some(member)),
        None => (text, None),
    };
    let (variable, shape) = variable::named(name).ok_or_else(unknown)?;
    let (variable, selector) = match (shape, member) {
        (_, None) => (variable, Selector::All),
        (Shape::Paths, Some(path)) => (variable::xml(path).ok_or_else(unknown)?, Selector::All),
        (Shape::Collection, Some(member)) => {
            (variable, Selector::Name(member.to_ascii_lowercase().into()))
        }
        (Shape::Single, Some(_)) => return Err(unknown()),
    };
    match variable {
        Variable::Absent(_) => Err(unknown()),
        _ => Ok(Exclusion { variable, selector }),
    }
}

/// Whether a path says the same to everybody: what one reader decodes or resolves another might not.
fn is_plain(path: &[u8]) -> bool {
    let odd = |b: &u8| b"%?#\\;\"".contains(b) || !b.is_ascii_graphic();
    let dots = |segment: &[u8]| matches!(segment, b"." | b"..");
    !path.iter().any(odd)
        && !path.split(|b| *b == b'/').any(dots)
        && memchr::memmem::find(path, b"//").is_none()
}

impl Transaction {
    /// Excludes what an operator does not want to be looked at. To be called before the head is judged, with the
    /// request's target as it was sent.
    pub fn exclude(&mut self, exclusions: &Exclusions, target: &[u8]) {
        if exclusions.list.is_empty() || exclusions.identity != self.program.identity {
            return;
        }
        let end = memchr::memchr(b'?', target).unwrap_or(target.len());
        let path = target.get(..end).unwrap_or_default();
        let plain = is_plain(path);
        for one in &exclusions.list {
            if one
                .path
                .as_ref()
                .is_some_and(|p| !plain || !path.starts_with(p))
            {
                continue;
            }
            match &one.target {
                Some(target) => {
                    let excluded = &mut self.scratch.run.excluded;
                    excluded.push((one.rules.clone(), target.clone()));
                }
                None => {
                    let words = self.scratch.removed.iter_mut().zip(one.rules.iter());
                    words.for_each(|(removed, rules)| *removed |= rules);
                }
            }
        }
    }
}

/// The exclusions that would have let a request pass: one for each thing that rules with a score matched, at the
/// request's path. Usually it is one.
pub fn suggestions(matches: &[Match], target: &[u8]) -> Vec<Exclude> {
    let end = memchr::memchr(b'?', target).unwrap_or(target.len());
    let path = target.get(..end).filter(|path| is_plain(path));
    let path = path.and_then(|path| std::str::from_utf8(path).ok());
    let mut list: Vec<Exclude> = Vec::new();
    for found in matches.iter().filter(|m| m.scores) {
        let target = nameable(&found.variable).then(|| found.variable.clone());
        let known = list.iter_mut().find(|e| e.target == target);
        match known {
            Some(known) if known.rules.contains(&found.rule) => {}
            Some(known) => known.rules.push(found.rule),
            None => list.push(Exclude {
                rules: vec![found.rule],
                tags: Vec::new(),
                target,
                path: path.map(str::to_owned),
            }),
        }
    }
    // What is excluded as a whole needs no target besides.
    let whole: SmallVec<[u32; 8]> = list
        .iter()
        .filter(|e| e.target.is_none())
        .flat_map(|e| e.rules.iter().copied())
        .collect();
    for one in list.iter_mut().filter(|e| e.target.is_some()) {
        one.rules.retain(|rule| !whole.contains(rule));
    }
    list.retain(|e| !e.rules.is_empty());
    list
}

/// Whether a matched variable can be named in an exclusion. What a chain made of others cannot.
fn nameable(name: &str) -> bool {
    let odd = |b: u8| !b.is_ascii_graphic() || b == b'"' || b == b'\\';
    name.len() <= SUGGESTED_NAME_BYTES_MAX
        && !name.bytes().any(odd)
        && !name.starts_with("TX")
        && target(name).is_ok()
}

/// As it is written in the configuration.
impl fmt::Display for Exclude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |list: Vec<String>| list.join(", ");
        let mut parts = Vec::new();
        if !self.rules.is_empty() {
            let ids = self.rules.iter().map(u32::to_string).collect();
            parts.push(format!("rules: [{}]", join(ids)));
        }
        if !self.tags.is_empty() {
            let tags = self.tags.iter().map(|tag| format!("{tag:?}")).collect();
            parts.push(format!("tags: [{}]", join(tags)));
        }
        let texts = [("target", &self.target), ("path", &self.path)];
        for (name, text) in texts {
            parts.extend(text.iter().map(|text| format!("{name}: {text:?}")));
        }
        write!(f, "{{ {} }}", parts.join(", "))
    }
}
