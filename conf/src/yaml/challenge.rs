//! `challenge`: a browser proves that it is one by some work before the site is asked.

use super::document::networks;
use super::pools::servers::resolver;
use super::read::{Reader, Shape};
use super::tree::Node;
use crate::model::{Challenge, KnownBot};
use std::time::Duration;

pub(super) const CHALLENGE: Shape = Shape {
    what: "a challenge",
    fields: &["difficulty", "lifetime", "unless", "bots", "resolver"],
    not_yet: &[],
};
pub(super) const BOT: Shape = Shape {
    what: "a bot",
    fields: &["agent", "domains"],
    not_yet: &[],
};

const DIFFICULTY_MAX: u64 = 24;
const LIFETIME_MAX: Duration = Duration::from_secs(30 * 86_400);

/// `on`, `off`, or how.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Option<Challenge>> {
    if node.is_off() {
        return Some(None);
    }
    let mut challenge = Challenge::default();
    if matches!(node.scalar(), Some("on" | "true")) {
        return Some(Some(challenge));
    }
    let fields = reader.open(node, &CHALLENGE)?;
    if let Some(bits) = fields
        .get("difficulty")
        .and_then(|n| reader.integer(n, 1, DIFFICULTY_MAX))
    {
        challenge.difficulty = bits as u8;
    }
    if let Some(node) = fields.get("lifetime") {
        let lifetime = reader.duration(node)?;
        if lifetime.is_zero() || lifetime > LIFETIME_MAX {
            reader.invalid(node.at, "a proof holds for 1s to 30d", "write 12h");
            return None;
        }
        challenge.lifetime = lifetime;
    }
    if let Some(node) = fields.get("unless") {
        challenge.unless = networks(reader, node);
    }
    if let Some(node) = fields.get("bots") {
        challenge.bots = if node.is_off() {
            Vec::new()
        } else {
            let list = reader.list(node).iter();
            list.filter_map(|n| bot(reader, n)).collect()
        };
    }
    if let Some(node) = fields.get("resolver") {
        challenge.resolver = resolver(reader, node);
    }
    Some(Some(challenge))
}

fn bot(reader: &mut Reader<'_>, node: &Node) -> Option<KnownBot> {
    let fields = reader.open(node, &BOT)?;
    let mut bot = KnownBot {
        agent: String::new(),
        domains: Vec::new(),
    };
    match fields.get("agent") {
        Some(node) => bot.agent = reader.string(node)?.to_owned(),
        None => reader.missing(node.at, "a bot", "agent"),
    }
    for node in fields.get("domains").map_or(&[][..], |n| reader.list(n)) {
        let domain = reader.string(node)?.trim_end_matches('.');
        bot.domains.push(domain.to_ascii_lowercase());
    }
    if bot.domains.is_empty() {
        reader.missing(node.at, "a bot", "domains");
        return None;
    }
    Some(bot)
}
