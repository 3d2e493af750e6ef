//! Routes that a FastCGI application answers: its parameters, and how a path is parted into script and the rest.

use super::pattern;
use crate::template::{Template, UserVariables};
use regex::bytes::Regex;
use seawall_conf::model;
use seawall_diag::Diagnostics;

/// What an application needs.
pub struct FastCgiPlan {
    /// What it is told, in order.
    pub params: Vec<Param>,
    /// Whether connections are kept.
    pub keep: bool,
    /// How scripts are found; `None`: whatever is asked for is passed on (nginx).
    pub find: Option<FindPlan>,
    /// The request's fields are not passed.
    pub no_fields: bool,
    /// Response fields that clients do not get, in lower case.
    pub hide: Vec<Box<[u8]>>,
    index: Box<[u8]>,
    split: Option<Regex>,
}

/// A parameter.
pub struct Param {
    /// Name.
    pub name: Box<[u8]>,
    /// Value.
    pub value: Template,
    /// Left out when empty.
    pub if_not_empty: bool,
}

/// How scripts are found below a root.
pub struct FindPlan {
    /// The root.
    pub root: super::RootPlan,
    /// Answers what is neither a script nor a file.
    pub fallback: Option<Box<[u8]>>,
    /// Names tried in a directory by those who serve files.
    pub index: Vec<Template>,
}

impl FastCgiPlan {
    /// Compiles it.
    pub fn compile(from: &model::FastCgi, user: &UserVariables, errors: &mut Diagnostics) -> Self {
        let params = from.params.iter().map(|p| Param {
            name: p.name.as_bytes().into(),
            value: Template::compile(&p.value, user, errors),
            if_not_empty: p.if_not_empty,
        });
        let params = params.collect();
        let find = from.find.as_ref().map(|f| FindPlan {
            root: super::RootPlan::directory(&f.root, user, errors),
            fallback: f.fallback.as_ref().map(|f| f.as_bytes().into()),
            index: vec![Template::compile(
                &model::Template::literal("index.html"),
                user,
                errors,
            )],
        });
        Self {
            params,
            keep: from.keep,
            no_fields: from.no_fields,
            find,
            hide: from
                .hide
                .iter()
                .map(|n| n.to_ascii_lowercase().into_bytes().into())
                .collect(),
            index: from.index.as_bytes().into(),
            split: from
                .split
                .as_ref()
                .and_then(|p| pattern::compile(p, errors)),
        }
    }

    /// The script and the rest of a path, by the expression's two groups; without a match all of it is the script.
    pub fn split<'u>(&self, uri: &'u [u8]) -> (&'u [u8], &'u [u8]) {
        let captures = self.split.as_ref().and_then(|r| r.captures(uri));
        match captures {
            Some(c) => {
                let group = |n| c.get(n).map_or(&b""[..], |m| m.as_bytes());
                (group(1), group(2))
            }
            None => (uri, b""),
        }
    }

    /// The script that a path names, and the rest: where the expression matches, or of any path where there is none.
    pub fn script_of<'u>(&self, uri: &'u [u8]) -> Option<(&'u [u8], &'u [u8])> {
        match &self.split {
            Some(regex) if !regex.is_match(uri) => None,
            _ => Some(self.split(uri)),
        }
    }

    /// The name of a directory's script.
    pub fn index(&self) -> &[u8] {
        &self.index
    }
}
