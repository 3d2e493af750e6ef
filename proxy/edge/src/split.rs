//! Which of several pools a request goes to.

use crate::{
    pipeline::Cx,
    plan::{ProxyPlan, SplitPlan, found::Live},
};
use seawall_balance as balance;

impl ProxyPlan {
    /// The pool of a request, in the generation that serves now.
    pub fn choose_pool<'p>(&'p self, cx: &Cx<'_>) -> Live<'p> {
        if self.dynamic.is_some()
            && let Some(target) = &cx.tx.target
        {
            return Live::Found(target.pool.clone());
        }
        match &self.split {
            None => self.pool.live(),
            Some(split) => {
                let at = split.place(point(cx, split));
                split.targets.get(at).map_or(&self.pool, |t| &t.pool).live()
            }
        }
    }
}

/// A number for the request, uniform over all its bits: the same for the same value of `split_by`.
fn point(cx: &Cx<'_>, split: &SplitPlan) -> u64 {
    let mut value = Vec::new();
    if let Some(by) = &split.by {
        by.render(&cx.scope(), &mut value);
    }
    if value.is_empty() {
        return cx.local.random();
    }
    // The same on every edge and after every restart, so the hash is a fixed one; mixed (Murmur's finalizer), because a
    // checksum of similar values is similar.
    let mut z = balance::hash_key(&value) ^ (value.len() as u64) << 32;
    z = (z ^ (z >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    z = (z ^ (z >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    z ^ (z >> 33)
}
