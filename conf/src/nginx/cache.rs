//! `proxy_cache_path` and `proxy_cache_valid`.

use super::read::{Reader, nginx_size};
use super::tree::Directive;
use crate::model::{Cache, CacheDisk};
use seawall_diag::Diagnostic;
use std::time::Duration;

/// The smallest `keys_zone`: two pages, as nginx wants.
const KEYS_ZONE_MIN: u64 = 8192;

/// Memory before the disk, at most: nginx leaves that to the kernel's page cache.
const MEMORY: u64 = 256 << 20;

/// The disk of a cache without `max_size=`.
const DISK_BYTES: u64 = 10 << 30;

/// The smallest disk tier: what is smaller is kept in memory alone.
const DISK_BYTES_MIN: u64 = 16 << 20;

/// What nobody asked for that long goes (ngx_http_proxy_module, `inactive`).
const INACTIVE: Duration = Duration::from_secs(600);
/// Parameters that steer files we do not have: there are segments, and what is least worth makes room.
const OTHERS: &[&str] = &[
    "levels=",
    "use_temp_path=",
    "manager_files=",
    "manager_sleep=",
    "manager_threshold=",
    "loader_files=",
    "loader_sleep=",
    "loader_threshold=",
];

/// Reads every `proxy_cache_path`.
pub(crate) fn caches<'d>(
    reader: &mut Reader<'_>,
    directives: impl Iterator<Item = &'d Directive>,
) -> Vec<Cache> {
    let mut all: Vec<Cache> = Vec::new();
    for d in directives {
        let Some(cache) = cache(reader, d) else {
            continue;
        };
        if let Some(first) = all.iter().find(|c| c.name == cache.name) {
            let message = format!("duplicate zone \"{}\"", cache.name);
            reader.found.push(
                Diagnostic::error("nginx-duplicate", d.at(), message)
                    .related(first.at, "first written here"),
            );
            continue;
        }
        let path = |cache: &Cache| cache.disk.as_ref().map(|disk| disk.path.clone());
        if cache.disk.is_some() && all.iter().any(|other| path(other) == path(&cache)) {
            let word = d.args.first().map_or("", |word| &word.text);
            reader.error(d.at(), format!("duplicate cache path \"{word}\""));
            continue;
        }
        all.push(cache);
    }
    all
}

fn cache(reader: &mut Reader<'_>, d: &Directive) -> Option<Cache> {
    let mut cache = Cache {
        at: d.at(),
        name: String::new(),
        memory: MEMORY,
        disk: None,
        inactive: Some(INACTIVE),
    };
    let mut disk_bytes = DISK_BYTES;
    let mut min_free = 0;
    for word in d.args.iter().skip(1) {
        let text = word.text.as_str();
        if let Some(zone) = text.strip_prefix("keys_zone=") {
            match zone.split_once(':') {
                Some((name, size)) if !name.is_empty() => {
                    cache.name = name.to_owned();
                    match nginx_size(size) {
                        Some(size) if size < KEYS_ZONE_MIN => {
                            reader.error(word.at, format!("keys zone \"{text}\" is too small"));
                        }
                        Some(_) => {}
                        None => reader.error(word.at, format!("invalid keys zone size \"{text}\"")),
                    }
                }
                _ => reader.error(word.at, format!("invalid keys zone size \"{text}\"")),
            }
        } else if let Some(time) = text.strip_prefix("inactive=") {
            cache.inactive = reader.duration_word(word, time).or(cache.inactive);
        } else if let Some(size) = text.strip_prefix("max_size=") {
            disk_bytes = reader.size_word(word, size).unwrap_or(DISK_BYTES);
        } else if let Some(size) = text.strip_prefix("min_free=") {
            min_free = reader.size_word(word, size).unwrap_or(0);
        } else if !OTHERS.iter().any(|p| text.starts_with(p)) {
            reader.invalid_parameter(word);
        }
    }
    if cache.name.is_empty() {
        reader.error(
            d.at(),
            "\"proxy_cache_path\" must have \"keys_zone\" parameter",
        );
        return None;
    }
    cache.memory = MEMORY.min(disk_bytes);
    let path = d.args.first().map(|word| reader.prefix.join(&word.text));
    cache.disk = path
        .filter(|_| disk_bytes >= DISK_BYTES_MIN)
        .map(|path| CacheDisk {
            path,
            size: disk_bytes,
            min_free,
        });
    Some(cache)
}

/// `[code ...] time`: without codes 200, 301 and 302; `any` is an empty list.
pub(crate) fn valid(reader: &mut Reader<'_>, d: &Directive) -> Option<(Vec<u16>, Duration)> {
    let (time, codes) = d.args.split_last()?;
    let Some(lifetime) = crate::quantity::duration(&time.text, true).ok() else {
        reader.error(time.at, format!("invalid time value \"{}\"", time.text));
        return None;
    };
    if codes.is_empty() {
        return Some((vec![200, 301, 302], lifetime));
    }
    if codes.iter().any(|w| w.text == "any") {
        return Some((Vec::new(), lifetime));
    }
    let mut statuses = Vec::new();
    for word in codes {
        match word.text.parse().ok().filter(|s| (100..=599).contains(s)) {
            Some(status) => statuses.push(status),
            None => reader.error(word.at, format!("invalid status \"{}\"", word.text)),
        }
    }
    Some((statuses, lifetime))
}
