//! The rewrite module's directives, compiled (ngx_http_rewrite_module).

use super::{RoutePlan, pattern};
use crate::template::{Scope, Template, UserVariables};
use regex::bytes::Regex;
use seawall_conf::model::{self, FileTest, RewriteFlag};
use seawall_diag::Diagnostics;
use std::{borrow::Cow, sync::Arc};

/// A compiled program.
#[derive(Default)]
pub struct Program {
    ops: Vec<Op>,
    /// Whether the request's id is asked for.
    wants_id: bool,
}

enum Op {
    Set {
        slot: usize,
        value: Template,
    },
    Rewrite {
        regex: Regex,
        groups: Vec<(usize, usize)>,
        replacement: Replacement,
        flag: RewriteFlag,
    },
    Return {
        status: u16,
        value: Option<Template>,
    },
    If {
        condition: Condition,
        then: Program,
        route: Option<Arc<RoutePlan>>,
    },
    Query {
        set: Vec<(Box<[u8]>, Template)>,
        remove: Vec<Box<[u8]>>,
    },
    Break,
}

struct Replacement {
    path: Template,
    args: Option<Template>,
    keeps_args: bool,
    redirects: bool,
}

enum Condition {
    True(Template),
    Equal {
        left: Template,
        right: Template,
        negated: bool,
    },
    Match {
        value: Template,
        regex: Regex,
        groups: Vec<(usize, usize)>,
        negated: bool,
    },
    File {
        path: Template,
        test: FileTest,
        negated: bool,
    },
}

/// What a program came to.
pub enum Verdict<'p> {
    /// Go on; `uri_changed` asks for a new search of the route.
    Continue {
        /// A rewrite took place without `break`.
        uri_changed: bool,
        /// The content and policy of a true `if`.
        route: Option<&'p Arc<RoutePlan>>,
    },
    /// `last`: search the route again.
    Last,
    /// `return`, and rewrites that redirect.
    Return {
        /// Status.
        status: u16,
        /// Text or location; borrowed from the plan where it has no variables.
        value: Option<Cow<'p, [u8]>>,
        /// The content and policy of a true `if`.
        route: Option<&'p Arc<RoutePlan>>,
    },
}

/// What a program may change of a request; evaluated strings are handed in, so that reading and writing do not mix.
pub trait Target {
    /// What templates see now.
    fn scope(&self) -> Scope<'_>;
    /// Sets a variable.
    fn set(&mut self, slot: usize, value: Vec<u8>);
    /// Keeps captures.
    fn keep(&mut self, captures: &regex::bytes::Captures<'_>);
    /// Replaces the path, and the arguments if given.
    fn rewrite(&mut self, path: Vec<u8>, args: Option<Vec<u8>>);
    /// Replaces the arguments.
    fn set_args(&mut self, args: Vec<u8>);
}

impl Program {
    /// Compiles directives. `route` compiles the route of an `if`.
    pub fn compile(
        ops: &[model::Op],
        user: &UserVariables,
        errors: &mut Diagnostics,
        route: &mut dyn FnMut(&model::Route, &mut Diagnostics) -> Option<Arc<RoutePlan>>,
    ) -> Self {
        let compiled = ops
            .iter()
            .filter_map(|op| compile_op(op, user, errors, route))
            .collect();
        Self {
            ops: compiled,
            wants_id: asks_for_id(ops),
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether the request's id is asked for.
    pub fn wants_id(&self) -> bool {
        self.wants_id
    }

    /// Runs it.
    pub fn run<'p>(&'p self, target: &mut dyn Target) -> Verdict<'p> {
        let mut state = State {
            uri_changed: false,
            broken: false,
            route: None,
        };
        match self.run_in(target, &mut state) {
            // What a true `if` put in the route's place holds for what is returned, too.
            Some(Verdict::Return { status, value, .. }) => Verdict::Return {
                status,
                value,
                route: state.route,
            },
            Some(verdict) => verdict,
            None => Verdict::Continue {
                uri_changed: state.uri_changed && !state.broken,
                route: state.route,
            },
        }
    }

    fn run_in<'p>(&'p self, target: &mut dyn Target, state: &mut State<'p>) -> Option<Verdict<'p>> {
        for op in &self.ops {
            match op {
                Op::Set { slot, value } => {
                    let value = rendered(value, target);
                    target.set(*slot, value);
                }
                Op::Rewrite {
                    regex,
                    groups,
                    replacement,
                    flag,
                } => {
                    if let Some(verdict) =
                        run_rewrite(regex, groups, replacement, *flag, target, state)
                    {
                        return Some(verdict);
                    }
                }
                Op::Return { status, value } => {
                    let value = value.as_ref().map(|v| match v.as_literal() {
                        Some(text) => Cow::Borrowed(text),
                        None => Cow::Owned(rendered(v, target)),
                    });
                    return Some(Verdict::Return {
                        status: *status,
                        value,
                        route: None,
                    });
                }
                Op::If {
                    condition,
                    then,
                    route,
                } => {
                    if condition.holds(target) {
                        if let Some(route) = route {
                            state.route = Some(route);
                        }
                        if let Some(verdict) = then.run_in(target, state) {
                            return Some(verdict);
                        }
                    }
                }
                Op::Query { set, remove } => run_query(set, remove, target),
                Op::Break => state.broken = true,
            }
            if state.broken {
                return None;
            }
        }
        None
    }
}

/// Whether a value of a program asks for the request's id.
fn asks_for_id(ops: &[model::Op]) -> bool {
    let asks = |t: &model::Template| {
        t.parts
            .iter()
            .any(|p| matches!(p, model::Part::Variable { name, .. } if name == "request_id"))
    };
    ops.iter().any(|op| match op {
        model::Op::Set { value, .. } => asks(value),
        model::Op::Rewrite { replacement, .. } => asks(replacement),
        model::Op::Return { value, .. } => value.as_ref().is_some_and(asks),
        model::Op::If { then, .. } => asks_for_id(then),
        model::Op::Query { set, .. } => set.iter().any(|(_, value)| asks(value)),
        model::Op::Break => false,
    })
}

struct State<'p> {
    uri_changed: bool,
    broken: bool,
    route: Option<&'p Arc<RoutePlan>>,
}

fn rendered(template: &Template, target: &dyn Target) -> Vec<u8> {
    let mut out = Vec::new();
    template.render(&target.scope(), &mut out);
    out
}

/// Arguments that stay keep their order; those that are set stand at the end.
fn run_query(set: &[(Box<[u8]>, Template)], remove: &[Box<[u8]>], target: &mut dyn Target) {
    let mut args = Vec::new();
    {
        let scope = target.scope();
        let kept = scope.tx.args().split(|b| *b == b'&').filter(|pair| {
            let name = pair.split(|b| *b == b'=').next().unwrap_or_default();
            !pair.is_empty()
                && !set.iter().any(|(n, _)| **n == *name)
                && !remove.iter().any(|n| **n == *name)
        });
        for pair in kept {
            args.extend_from_slice(pair);
            args.push(b'&');
        }
        let mut value = Vec::new();
        for (name, template) in set {
            args.extend_from_slice(name);
            args.push(b'=');
            value.clear();
            template.render(&scope, &mut value);
            // Nothing that a client sends in a path or a field may end the argument or the line.
            for &byte in &value {
                match byte {
                    0..=b' ' | b'&' | b'#' | b'+' | 127.. => {
                        args.extend_from_slice(format!("%{byte:02X}").as_bytes());
                    }
                    _ => args.push(byte),
                }
            }
            args.push(b'&');
        }
    }
    args.pop();
    target.set_args(args);
}

fn run_rewrite(
    regex: &Regex,
    groups: &[(usize, usize)],
    replacement: &Replacement,
    flag: RewriteFlag,
    target: &mut dyn Target,
    state: &mut State<'_>,
) -> Option<Verdict<'static>> {
    let path = target.scope().tx.uri().to_vec();
    let captures = regex.captures(&path)?;
    keep(&captures, groups, target);
    let mut path = rendered(&replacement.path, target);
    let mut args = replacement.args.as_ref().map(|a| rendered(a, target));
    if replacement.keeps_args {
        let old = target.scope().tx.args().to_vec();
        args = match args {
            Some(mut new) if !old.is_empty() => {
                if !new.is_empty() {
                    new.push(b'&');
                }
                new.extend_from_slice(&old);
                Some(new)
            }
            Some(new) => Some(new),
            None => Some(old),
        };
    } else if args.is_none() {
        args = Some(Vec::new());
    }
    let status = match flag {
        RewriteFlag::Permanent => Some(301),
        RewriteFlag::Redirect => Some(302),
        _ if replacement.redirects => Some(302),
        _ => None,
    };
    if let Some(status) = status {
        if let Some(args) = args.filter(|a| !a.is_empty()) {
            path.push(b'?');
            path.extend_from_slice(&args);
        }
        return Some(Verdict::Return {
            status,
            value: Some(Cow::Owned(path)),
            route: None,
        });
    }
    target.rewrite(path, args);
    match flag {
        RewriteFlag::Last => Some(Verdict::Last),
        RewriteFlag::Break => {
            state.broken = true;
            None
        }
        _ => {
            state.uri_changed = true;
            None
        }
    }
}

fn keep(captures: &regex::bytes::Captures<'_>, groups: &[(usize, usize)], target: &mut dyn Target) {
    target.keep(captures);
    for (group, slot) in groups {
        target.set(
            *slot,
            captures
                .get(*group)
                .map(|m| m.as_bytes().to_vec())
                .unwrap_or_default(),
        );
    }
}

impl Condition {
    fn holds(&self, target: &mut dyn Target) -> bool {
        match self {
            Condition::True(value) => !matches!(rendered(value, target).as_slice(), b"" | b"0"),
            Condition::Equal {
                left,
                right,
                negated,
            } => (rendered(left, target) == rendered(right, target)) != *negated,
            Condition::Match {
                value,
                regex,
                groups,
                negated,
            } => {
                let value = rendered(value, target);
                match regex.captures(&value) {
                    Some(captures) => {
                        if !*negated {
                            keep(&captures, groups, target);
                        }
                        !*negated
                    }
                    None => *negated,
                }
            }
            Condition::File {
                path,
                test,
                negated,
            } => {
                let path = rendered(path, target);
                // A missing file answers `false` to every test, as in nginx.
                let found = std::fs::metadata(std::path::Path::new(
                    <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&path),
                ));
                let holds = found.is_ok_and(|m| match test {
                    FileTest::File => m.is_file(),
                    FileTest::Directory => m.is_dir(),
                    FileTest::Exists => true,
                    FileTest::Executable => {
                        std::os::unix::fs::PermissionsExt::mode(&m.permissions()) & 0o111 != 0
                    }
                });
                holds != *negated
            }
        }
    }
}

/// The named groups of an expression, as (group, slot of the variable).
pub fn named_groups(regex: &Regex, user: &UserVariables) -> Vec<(usize, usize)> {
    regex
        .capture_names()
        .enumerate()
        .filter_map(|(group, name)| Some((group, user.slot(name?)?)))
        .collect()
}

fn compile_op(
    op: &model::Op,
    user: &UserVariables,
    errors: &mut Diagnostics,
    route: &mut dyn FnMut(&model::Route, &mut Diagnostics) -> Option<Arc<RoutePlan>>,
) -> Option<Op> {
    Some(match op {
        model::Op::Set { variable, value } => Op::Set {
            slot: user.slot(variable)?,
            value: Template::compile(value, user, errors),
        },
        model::Op::Rewrite {
            pattern: p,
            replacement,
            flag,
        } => {
            let regex = pattern::compile(p, errors)?;
            let groups = named_groups(&regex, user);
            Op::Rewrite {
                regex,
                groups,
                replacement: compile_replacement(replacement, user, errors),
                flag: *flag,
            }
        }
        model::Op::Return { status, value } => Op::Return {
            status: *status,
            value: value.as_ref().map(|v| Template::compile(v, user, errors)),
        },
        model::Op::If {
            condition,
            then,
            route: inner,
        } => Op::If {
            condition: compile_condition(condition, user, errors)?,
            then: Program::compile(then, user, errors, route),
            route: inner.as_ref().and_then(|r| route(r, errors)),
        },
        model::Op::Query { set, remove } => Op::Query {
            set: set
                .iter()
                .map(|(name, value)| {
                    let value = Template::compile(value, user, errors);
                    (name.as_bytes().into(), value)
                })
                .collect(),
            remove: remove.iter().map(|name| name.as_bytes().into()).collect(),
        },
        model::Op::Break => Op::Break,
    })
}

fn compile_condition(
    condition: &model::Condition,
    user: &UserVariables,
    errors: &mut Diagnostics,
) -> Option<Condition> {
    let mut template = |t: &model::Template| Template::compile(t, user, errors);
    Some(match condition {
        model::Condition::True(value) => Condition::True(template(value)),
        model::Condition::Equal {
            left,
            right,
            negated,
        } => Condition::Equal {
            left: template(left),
            right: template(right),
            negated: *negated,
        },
        model::Condition::Match { value, pattern: p } => {
            let value = template(value);
            let regex = pattern::compile(p, errors)?;
            let groups = named_groups(&regex, user);
            Condition::Match {
                value,
                regex,
                groups,
                negated: p.negated,
            }
        }
        model::Condition::File {
            path,
            test,
            negated,
        } => Condition::File {
            path: template(path),
            test: *test,
            negated: *negated,
        },
    })
}

/// Splits a replacement at its first literal `?`: what follows are arguments; a final `?` drops the old ones.
fn compile_replacement(
    from: &model::Template,
    user: &UserVariables,
    errors: &mut Diagnostics,
) -> Replacement {
    let redirects = matches!(from.parts.first(), Some(model::Part::Literal(t))
        if t.starts_with("http://") || t.starts_with("https://") || t.starts_with("$scheme"))
        || matches!(from.parts.first(), Some(model::Part::Variable { name, .. }) if name == "scheme");
    let mut path = model::Template::default();
    let mut args: Option<model::Template> = None;
    for part in &from.parts {
        match (part, &mut args) {
            (model::Part::Literal(text), None) => match text.split_once('?') {
                Some((before, after)) => {
                    path.parts.push(model::Part::Literal(before.to_owned()));
                    args = Some(model::Template::literal(after));
                }
                None => path.parts.push(part.clone()),
            },
            (part, None) => path.parts.push(part.clone()),
            (part, Some(args)) => args.parts.push(part.clone()),
        }
    }
    let mut keeps_args = true;
    if let Some(args) = &mut args {
        match args.parts.last_mut() {
            None => keeps_args = false,
            Some(model::Part::Literal(text)) if text.ends_with('?') => {
                text.pop();
                keeps_args = false;
            }
            Some(_) => {}
        }
    }
    Replacement {
        path: Template::compile(&path, user, errors),
        args: args.map(|a| Template::compile(&a, user, errors)),
        keeps_args,
        redirects,
    }
}
