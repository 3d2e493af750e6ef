//! Requests for several pools: shares of them (`to: { a: 90, b: 10 }`), and copies (`mirror`).

use super::pools::Pools;
use super::read::{Fields, Reader, Shape};
use super::tree::{Node, Value};
use crate::model::{Mirror, Split};
use seawall_diag::Span;

pub(super) const MIRROR: Shape = Shape {
    what: "`mirror`",
    fields: &["to", "share", "methods"],
    not_yet: &[],
};

/// A `mirror` as a level has it: its pool is looked for where it is used.
#[derive(Clone)]
pub(crate) struct MirrorLayer {
    to: String,
    at: Span,
    share: u32,
    methods: Vec<String>,
}

/// The pools of a `to` that is a mapping, the first one apart.
pub(crate) fn split(
    reader: &mut Reader<'_>,
    node: &Node,
    by: Option<&Node>,
    pools: &mut Pools,
) -> Option<(usize, Split)> {
    let mut targets = Vec::new();
    for (key, node) in reader.entries(node, "`to`") {
        let share = reader.string(node).and_then(|text| {
            let number = text.strip_suffix('%').unwrap_or(text).trim_end();
            number.parse::<u32>().ok().filter(|n| *n <= 10_000)
        });
        let Some(share) = share else {
            reader.invalid(
                node.at,
                "a share is a whole number up to 10000",
                "write to: { blue: 90, green: 10 }",
            );
            continue;
        };
        if let Some(pool) = pools.target(reader, key.at, &key.name) {
            targets.push((pool, share));
        }
    }
    let by = by.and_then(|n| reader.template(n));
    if targets.iter().all(|(_, share)| *share == 0) {
        reader.invalid(
            node.at,
            "no pool has a share",
            "write to: { blue: 90, green: 10 }",
        );
        return None;
    }
    let (first, _) = *targets.iter().max_by_key(|(_, share)| *share)?;
    Some((first, Split { targets, by }))
}

/// Reports a `split_by` where nothing is split.
pub(crate) fn lone_split_by(reader: &mut Reader<'_>, fields: &Fields<'_>) {
    let is_split = fields
        .get("to")
        .is_some_and(|n| matches!(n.value, Value::Map(_)));
    if let (Some(at), false) = (fields.key("split_by"), is_split) {
        reader.invalid(
            at,
            "`split_by` stands with several pools",
            "write to: { blue: 90, green: 10 }",
        );
    }
}

/// Reads `mirror`; the inner `None` removes what an outer level says.
pub(crate) fn mirror(reader: &mut Reader<'_>, node: &Node) -> Option<Option<MirrorLayer>> {
    if node.is_off() {
        return Some(None);
    }
    let mut mirror = MirrorLayer {
        to: String::new(),
        at: node.at,
        share: 10_000,
        methods: vec!["GET".into(), "HEAD".into()],
    };
    if let Value::Scalar { .. } = node.value {
        mirror.to = reader.string(node)?.to_owned();
        return Some(Some(mirror));
    }
    let fields = reader.open(node, &MIRROR)?;
    let Some(to) = fields.get("to") else {
        reader.missing(node.at, "`mirror`", "to");
        return None;
    };
    mirror.to = reader.string(to)?.to_owned();
    mirror.at = to.at;
    if let Some(node) = fields.get("share") {
        mirror.share = share(reader, node)?;
    }
    if let Some(node) = fields.get("methods") {
        let words = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"].map(|m| (m, m));
        let all = reader.list(node).iter();
        let all = all.filter_map(|n| reader.choice(n, &words, &[]).map(str::to_owned));
        mirror.methods = all.collect();
    }
    Some(Some(mirror))
}

/// A share in hundredths of a percent: `5%`, `0.25%`.
fn share(reader: &mut Reader<'_>, node: &Node) -> Option<u32> {
    let text = reader.string(node)?;
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    let share = number.parse::<f64>().ok();
    let share = share.filter(|n| (0.0..=100.0).contains(n));
    if share.is_none() {
        reader.invalid(
            node.at,
            format!("`{text}` is no share"),
            "write a share from 0% to 100%, with two decimals at most",
        );
    }
    share.map(|n| (n * 100.0).round() as u32)
}

impl MirrorLayer {
    /// With its pool.
    pub(crate) fn resolve(&self, reader: &mut Reader<'_>, pools: &mut Pools) -> Option<Mirror> {
        let pool = pools.target(reader, self.at, &self.to)?;
        Some(Mirror {
            at: self.at,
            pool,
            share: self.share,
            methods: self.methods.clone(),
        })
    }
}
