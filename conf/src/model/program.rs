//! Programs of rewriting, as they run when a site or a route is chosen.

use super::*;

/// A step of a program (ngx_http_rewrite_module).
#[derive(Clone, Debug)]
pub enum Op {
    /// `set $variable value`
    Set {
        /// Without the `$`.
        variable: String,
        /// Value.
        value: Template,
    },
    /// `rewrite pattern replacement [flag]`
    Rewrite {
        /// Against the normalised path.
        pattern: Pattern,
        /// A replacement that ends in `?` drops the arguments; one with a scheme redirects.
        replacement: Template,
        /// What then.
        flag: RewriteFlag,
    },
    /// `return code [text]`, `return code URL`
    Return {
        /// Status; 444 closes the connection.
        status: u16,
        /// Text, or for 301, 302, 303, 307, 308 the location.
        value: Option<Template>,
    },
    /// `if (condition) { ... }`
    If {
        /// Condition.
        condition: Condition,
        /// Its own rewrite directives.
        then: Vec<Op>,
        /// Content and policy that hold from here on when the condition is true: a true `if` makes a location of
        /// its own. `None` in `server`, or where nothing differs.
        route: Option<Box<Route>>,
    },
    /// Arguments set and removed (YAML: `rewrite.query`).
    Query {
        /// Names and values; a name that is there is replaced.
        set: Vec<(String, Template)>,
        /// Names.
        remove: Vec<String>,
    },
    /// `break`
    Break,
}

/// What follows a rewrite that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewriteFlag {
    /// Go on with the next directive.
    Continue,
    /// Stop, look for a route again.
    Last,
    /// Stop, stay in this route.
    Break,
    /// 302
    Redirect,
    /// 301
    Permanent,
}

/// A condition of `if`.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Neither empty nor `0`.
    True(Template),
    /// `=` (or `!=`).
    Equal {
        /// Left.
        left: Template,
        /// Right.
        right: Template,
        /// `!=`
        negated: bool,
    },
    /// `~`, `~*`, `!~`, `!~*`
    Match {
        /// What is matched.
        value: Template,
        /// Pattern, with its negation.
        pattern: Pattern,
    },
    /// `-f`, `-d`, `-e`, `-x` and their negations.
    File {
        /// Path.
        path: Template,
        /// Which test.
        test: FileTest,
        /// `!-f` ...
        negated: bool,
    },
}

/// A test on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FileTest {
    File,
    Directory,
    Exists,
    Executable,
}
