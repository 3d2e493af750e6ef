//! What of a response's fields is changed on its way to the client.

use super::pattern;
use crate::template::{Template, UserVariables};
use regex::bytes::Regex;
use seawall_conf::model;
use seawall_diag::Diagnostics;
use seawall_http::Name;

/// Compiled rules.
#[derive(Default)]
pub struct PassingPlan {
    /// Names of lines that are not passed on.
    pub hide: Vec<Box<[u8]>>,
    /// Names of those that are, though they are not by default.
    pub pass: Vec<Box<[u8]>>,
    /// What is not heeded, as bits of known names.
    pub ignored: u128,
    /// `Location` and `Refresh`.
    pub redirects: Vec<ReplacePlan>,
    /// `Domain` of cookies.
    pub cookie_domains: Vec<ReplacePlan>,
    /// `Path` of cookies.
    pub cookie_paths: Vec<ReplacePlan>,
    /// Flags of cookies.
    pub cookie_flags: Vec<FlagsPlan>,
}

/// A value replaced.
pub struct ReplacePlan {
    /// What is replaced.
    pub from: FitPlan,
    /// What stands in its place.
    pub to: Template,
}

/// What a value is compared with.
pub enum FitPlan {
    /// A text.
    Text(Template),
    /// A regular expression.
    Regex(Regex),
}

/// Flags of the cookies of a name.
pub struct FlagsPlan {
    /// The name.
    pub name: FitPlan,
    /// What is set and taken away.
    pub flags: Vec<Template>,
}

impl PassingPlan {
    /// Compiles rules.
    pub fn compile(from: &model::Passing, user: &UserVariables, errors: &mut Diagnostics) -> Self {
        let names = |names: &[String]| {
            let name = |n: &String| n.to_ascii_lowercase().into_bytes().into_boxed_slice();
            names.iter().map(name).collect()
        };
        Self {
            hide: names(&from.hide),
            pass: names(&from.pass),
            ignored: from
                .ignore
                .iter()
                .fold(0, |bits, n| bits | Name::lookup(n.as_bytes()).bit()),
            redirects: replaces(&from.redirects, user, errors),
            cookie_domains: replaces(&from.cookie_domains, user, errors),
            cookie_paths: replaces(&from.cookie_paths, user, errors),
            cookie_flags: from
                .cookie_flags
                .iter()
                .filter_map(|f| {
                    Some(FlagsPlan {
                        name: FitPlan::compile(&f.name, user, errors)?,
                        flags: f
                            .flags
                            .iter()
                            .map(|flag| Template::compile(flag, user, errors))
                            .collect(),
                    })
                })
                .collect(),
        }
    }

    /// Whether any line may be changed.
    pub fn changes(&self) -> bool {
        !(self.hide.is_empty() && self.redirects.is_empty()) || self.changes_cookies()
    }

    /// Whether cookies may be.
    pub fn changes_cookies(&self) -> bool {
        !(self.cookie_domains.is_empty()
            && self.cookie_paths.is_empty()
            && self.cookie_flags.is_empty())
    }
}

fn replaces(
    from: &[model::Replace],
    user: &UserVariables,
    errors: &mut Diagnostics,
) -> Vec<ReplacePlan> {
    from.iter()
        .filter_map(|r| {
            Some(ReplacePlan {
                from: FitPlan::compile(&r.from, user, errors)?,
                to: Template::compile(&r.to, user, errors),
            })
        })
        .collect()
}

impl FitPlan {
    fn compile(from: &model::Fit, user: &UserVariables, errors: &mut Diagnostics) -> Option<Self> {
        Some(match from {
            model::Fit::Text(text) => FitPlan::Text(Template::compile(text, user, errors)),
            model::Fit::Regex(regex) => FitPlan::Regex(pattern::compile(regex, errors)?),
        })
    }
}
