//! Routes that nothing can reach: an earlier one takes all their paths.

use super::read::Reader;
use crate::model::{Matcher, Route};
use seawall_diag::Diagnostic;

/// Routes of a site beyond this many are not compared with all before them.
const COMPARED_ROUTES_MAX: usize = 2000;

/// Warns of every route that an earlier one hides.
pub(crate) fn report(reader: &mut Reader<'_>, routes: &[Route]) {
    for (i, route) in routes.iter().enumerate().take(COMPARED_ROUTES_MAX) {
        let before = routes.get(..i).unwrap_or_default();
        if let Some(first) = before
            .iter()
            .find(|e| asks_no_more(e, route) && covers(&e.matcher, &route.matcher))
        {
            let d = Diagnostic::warning(
                "unreachable",
                route.at,
                "nothing reaches this route: the first match wins",
            );
            reader
                .found
                .push(d.related(first.at, "this one takes all its paths"));
        }
    }
}

/// Whether an earlier route asks nothing beside its path, or nothing that the later one does not ask, too.
fn asks_no_more(earlier: &Route, later: &Route) -> bool {
    earlier.when.iter().all(|test| later.when.contains(test))
}

/// Whether every path of `inner` is one of `outer`. A regular expression is only covered by everything, or by itself.
fn covers(outer: &Matcher, inner: &Matcher) -> bool {
    let below = |outer: &str, path: &str| {
        outer == "/"
            || path
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match (outer, inner) {
        (Matcher::Segments(outer), Matcher::Segments(inner) | Matcher::Exact(inner)) => {
            below(outer, inner)
        }
        (Matcher::Segments(outer), Matcher::Regex(_)) => outer == "/",
        (Matcher::Exact(outer), Matcher::Exact(inner)) => outer == inner,
        (Matcher::Regex(outer), Matcher::Regex(inner)) => outer.text == inner.text,
        _ => false,
    }
}
