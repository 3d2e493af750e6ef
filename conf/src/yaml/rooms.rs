//! Named caches and rule sets.

use super::log;
use super::read::{Fields, Reader, Shape};
use super::tree::{Node, Value};
use crate::model::{Cache, CacheDisk, OWASP_CRS, Waf, WafDryRun, WafExclude, WafMode, WafRules};
use seawall_diag::Span;

pub(super) const CACHE: Shape = Shape {
    what: "a cache",
    fields: &["memory", "disk", "inactive"],
    not_yet: &[],
};

pub(super) const DISK: Shape = Shape {
    what: "a cache's `disk`",
    fields: &["path", "size", "min_free"],
    not_yet: &[],
};

pub(super) const WAF: Shape = Shape {
    what: "a rule set",
    fields: &[
        "rules",
        "mode",
        "paranoia",
        "threshold",
        "body_limit",
        "report_header",
        "response",
        "exclusions",
        "dry_run",
        "exclude",
        "audit_log",
        "shadow",
    ],
    not_yet: &[],
};

const EXCLUSION: Shape = Shape {
    what: "an exclusion",
    fields: &["rules", "tags", "target", "path"],
    not_yet: &[],
};

pub(super) const DRY_RUN: Shape = Shape {
    what: "`dry_run`",
    fields: &["rules", "tags"],
    not_yet: &[],
};

pub(super) const RULES: Shape = Shape {
    what: "rules",
    fields: &["files"],
    not_yet: &[],
};

/// Stands for the OWASP Core Rule Set where Debian's package has it: asked for and not there is an error.
const OWASP_CRS_WORD: &str = "owasp-crs";

/// Bytes of a cache's memory tier unless said otherwise.
const CACHE_MEMORY: u64 = 256 << 20;

/// Bytes of a cache's disk tier unless said otherwise.
const CACHE_DISK: u64 = 10 << 30;

/// The smallest disk tier: some segments must fit.
const CACHE_DISK_MIN: u64 = 16 << 20;

/// The names sites and routes may use.
pub(crate) struct Names<'c> {
    pub(crate) caches: Vec<&'c str>,
    pub(crate) wafs: Vec<&'c str>,
    pub(crate) lists: Vec<&'c str>,
    /// Whether something tells where addresses are.
    pub(crate) has_places: bool,
}

/// Reads `caches`.
pub(crate) fn caches(reader: &mut Reader<'_>, node: &Node) -> Vec<Cache> {
    let mut all = Vec::new();
    for (key, node) in reader.entries(node, "`caches`") {
        let mut cache = Cache {
            at: key.at,
            name: key.name.clone(),
            memory: CACHE_MEMORY,
            disk: None,
            inactive: None,
        };
        match &node.value {
            _ if node.is_null() => {}
            Value::Scalar { .. } => cache.memory = reader.size(node).unwrap_or(CACHE_MEMORY),
            _ => {
                let Some(fields) = reader.open(node, &CACHE) else {
                    continue;
                };
                cache.memory = fields
                    .get("memory")
                    .and_then(|n| reader.size(n))
                    .unwrap_or(CACHE_MEMORY);
                cache.disk = fields.get("disk").and_then(|n| disk(reader, n, &all));
                cache.inactive = fields.get("inactive").and_then(|n| reader.duration(n));
            }
        }
        all.push(cache);
    }
    all
}

/// `{ path: DIRECTORY, size: BYTES, min_free: BYTES }`, or `off`.
fn disk(reader: &mut Reader<'_>, node: &Node, others: &[Cache]) -> Option<CacheDisk> {
    if node.is_off() {
        return None;
    }
    let fields = reader.open(node, &DISK)?;
    let Some(at) = fields.get("path") else {
        reader.invalid(
            node.at,
            "a cache's `disk` needs a path",
            "write disk: { path: /var/cache/seawall, size: 10GiB }",
        );
        return None;
    };
    let path = reader.path(at)?;
    let taken = |other: &Cache| other.disk.as_ref().is_some_and(|disk| disk.path == path);
    if others.iter().any(taken) {
        reader.invalid(
            at.at,
            "another cache has this directory",
            "give each cache a directory of its own",
        );
        return None;
    }
    let size = match fields.get("size") {
        None => CACHE_DISK,
        Some(node) => reader.size(node)?,
    };
    if size < CACHE_DISK_MIN {
        reader.invalid(
            node.at,
            "a disk this small holds nothing",
            "write 16MiB or more",
        );
        return None;
    }
    let min_free = fields.get("min_free").and_then(|n| reader.size(n));
    Some(CacheDisk {
        path,
        size,
        min_free: min_free.unwrap_or(0),
    })
}

/// Reads `wafs`.
pub(crate) fn wafs(reader: &mut Reader<'_>, node: &Node) -> Vec<Waf> {
    let mut all = Vec::new();
    let mut shadows = Vec::new();
    for (key, node) in reader.entries(node, "`wafs`") {
        if let Some((waf, shadow)) = waf(reader, key.at, &key.name, node) {
            all.push(waf);
            shadows.push(shadow);
        }
    }
    for (index, node) in shadows.into_iter().enumerate() {
        let shadow = node.and_then(|node| shadow(reader, &all, index, node));
        if let Some(waf) = all.get_mut(index) {
            waf.shadow = shadow;
        }
    }
    for (waf, shadow) in all.iter().filter_map(|w| Some((w, all.get(w.shadow?)?))) {
        if shadow.shadow.is_some() {
            let message = format!(
                "the shadow `{}` of `{}` has one of its own",
                shadow.name, waf.name
            );
            reader.invalid(waf.at, message, "take the `shadow` from one of the two");
        }
    }
    all
}

/// The rule set that is judged beside another.
fn shadow(reader: &mut Reader<'_>, all: &[Waf], of: usize, node: &Node) -> Option<usize> {
    let name = reader.string(node)?;
    let names: Vec<&str> = all.iter().map(|w| w.name.as_str()).collect();
    let index = reader.resolve(node.at, name, "rule set", &names)?;
    if index == of {
        reader.invalid(
            node.at,
            "a rule set is not its own shadow".to_owned(),
            "name another of `wafs`",
        );
        return None;
    }
    Some(index)
}

/// A rule set, and where it names its shadow.
fn waf<'t>(
    reader: &mut Reader<'_>,
    at: Span,
    name: &str,
    node: &'t Node,
) -> Option<(Waf, Option<&'t Node>)> {
    let mut waf = Waf {
        at,
        name: name.to_owned(),
        rules: WafRules::Builtin,
        mode: WafMode::Detect,
        paranoia: 1,
        threshold: 5,
        body_limit: 128 * 1024,
        report_header: None,
        response: false,
        default_exclusions: true,
        dry_run: None,
        exclude: Vec::new(),
        audit: None,
        shadow: None,
    };
    if node.is_null() {
        return Some((waf, None));
    }
    let fields = reader.open(node, &WAF)?;
    if let Some(rules) = fields.get("rules").and_then(|n| rules(reader, n)) {
        waf.rules = rules;
    }
    let modes = [
        ("off", WafMode::Off),
        ("false", WafMode::Off),
        ("detect", WafMode::Detect),
        ("block", WafMode::Block),
    ];
    if let Some(mode) = fields
        .get("mode")
        .and_then(|n| reader.choice(n, &modes, &[]))
    {
        waf.mode = mode;
    }
    if let Some(level) = fields.get("paranoia").and_then(|n| reader.integer(n, 1, 4)) {
        waf.paranoia = level as u8;
    }
    if let Some(score) = fields
        .get("threshold")
        .and_then(|n| reader.integer(n, 1, 10_000))
    {
        waf.threshold = score as u32;
    }
    if let Some(limit) = fields.get("body_limit").and_then(|n| reader.size(n)) {
        waf.body_limit = limit;
    }
    waf.report_header = fields
        .get("report_header")
        .and_then(|n| reader.string(n))
        .map(str::to_owned);
    if let Some(response) = fields.get("response").and_then(|n| reader.boolean(n)) {
        waf.response = response;
    }
    let words = [("default", true), ("none", false)];
    waf.default_exclusions = fields
        .get("exclusions")
        .and_then(|n| reader.choice(n, &words, &[]))
        .unwrap_or(waf.paranoia == 1);
    waf.dry_run = fields.get("dry_run").and_then(|node| {
        let fields = reader.open(node, &DRY_RUN)?;
        let (rules, tags) = named_rules(reader, &fields, DRY_RUN.what)?;
        let at = node.at;
        Some(WafDryRun { at, rules, tags })
    });
    if let Some(list) = fields.get("exclude") {
        let list = reader.list(list).iter();
        waf.exclude = list.filter_map(|n| exclusion(reader, n)).collect();
    }
    waf.audit = fields
        .get("audit_log")
        .filter(|n| !n.is_off())
        .and_then(|n| log::audit(reader, n));
    Some((waf, fields.get("shadow")))
}

/// `{ rules: [942100], target: "ARGS:q", path: /search }`
fn exclusion(reader: &mut Reader<'_>, node: &Node) -> Option<WafExclude> {
    let fields = reader.open(node, &EXCLUSION)?;
    let (rules, tags) = named_rules(reader, &fields, EXCLUSION.what)?;
    let mut text = |name| {
        let node = fields.get(name)?;
        reader.string(node).map(str::to_owned)
    };
    Some(WafExclude {
        at: node.at,
        rules,
        tags,
        target: text("target"),
        path: text("path"),
    })
}

/// `rules` and `tags`: at least one of them.
fn named_rules(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    what: &str,
) -> Option<(Vec<u32>, Vec<String>)> {
    let (mut rules, mut tags) = (Vec::new(), Vec::new());
    if let Some(list) = fields.get("rules") {
        for node in reader.list(list) {
            let id = reader.integer(node, 1, u64::from(u32::MAX))?;
            rules.extend(u32::try_from(id));
        }
    }
    if let Some(list) = fields.get("tags") {
        for node in reader.list(list) {
            tags.push(reader.string(node)?.to_owned());
        }
    }
    if rules.is_empty() && tags.is_empty() {
        reader.missing(fields.at, what, "rules");
        return None;
    }
    Some((rules, tags))
}

/// `builtin`, `owasp-crs`, or SecLang files (`owasp-crs` may be one of them): a list, or `{ files: [...] }`.
fn rules(reader: &mut Reader<'_>, node: &Node) -> Option<WafRules> {
    let help = "write `builtin`, `owasp-crs` or SecLang files such as rules/shop.conf";
    if let Value::Scalar { .. } = node.value {
        match node.scalar()? {
            "builtin" => return Some(WafRules::Builtin),
            OWASP_CRS_WORD => {}
            text if !text.contains(['/', '.']) => {
                reader.invalid(node.at, format!("`{text}` is no rule set"), help);
                return None;
            }
            _ => {}
        }
    }
    let files = match &node.value {
        Value::Map(_) => reader.open(node, &RULES)?.get("files")?,
        _ => node,
    };
    let files: Vec<_> = reader
        .list(files)
        .iter()
        .filter_map(|n| match n.scalar() {
            Some(OWASP_CRS_WORD) => Some((OWASP_CRS.into(), n.at)),
            _ => Some((reader.path(n)?, n.at)),
        })
        .collect();
    if files.is_empty() {
        reader.invalid(node.at, "no rules", help);
        return None;
    }
    Some(WafRules::Files(files))
}
