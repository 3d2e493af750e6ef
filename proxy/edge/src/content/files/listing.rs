//! Directory listings (ngx_http_autoindex_module): off unless switched on. Names are escaped for where they stand; hidden
//! ones are left out.

use super::FilePath;
use crate::{
    client::{ClientError, Reply},
    log_error,
    pipeline::Cx,
    plan::RoutePlan,
};
use seawall_conf::model::{Listing, ListingFormat};
use seawall_http::{Name, date};
use seawall_sys::clock;
use std::{
    ffi::OsStr,
    io::{self, Write},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
};

/// Entries of a listing at most; what is beyond is left out, and said.
pub const ENTRIES_MAX: usize = 10_000;

struct Entry {
    name: Vec<u8>,
    directory: bool,
    size: u64,
    modified_s: u64,
}

/// Lists a directory.
pub async fn send(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    path: &FilePath,
    listing: Listing,
) -> Result<(), ClientError> {
    let (directory, links) = (path.bytes.clone(), route.rules.links);
    let follows = links == seawall_sys::beneath::Links::Follow;
    let work = tokio::task::spawn_blocking(move || read(&directory, follows));
    let entries = match work.await.map_err(io::Error::other)? {
        Ok(entries) => entries,
        Err(e) => {
            let serial = cx.client.info.serial;
            log_error!(
                cx.local.shared,
                Error,
                serial,
                "opendir() \"{}\" failed ({e})",
                String::from_utf8_lossy(&path.bytes)
            );
            return cx.reply(Some(route), Reply::error(403)).await;
        }
    };
    let json = match listing.format {
        ListingFormat::Json => true,
        ListingFormat::Html => false,
        ListingFormat::Negotiated => prefers_json(cx),
    };
    let body = if json {
        as_json(&entries)
    } else {
        as_html(cx.tx.uri(), &entries, listing)
    };
    let reply = Reply {
        body: Some(&body),
        content_type: if json {
            b"application/json"
        } else {
            b"text/html; charset=utf-8"
        },
        lines: match listing.format {
            ListingFormat::Negotiated => b"Vary: Accept\r\n",
            _ => b"",
        },
        ..Reply::error(200)
    };
    cx.reply(Some(route), reply).await
}

/// Whether JSON is named, and HTML is not before it.
fn prefers_json(cx: &Cx<'_>) -> bool {
    fn kind(member: &[u8]) -> Option<&[u8]> {
        member.split(|b| *b == b';').next().map(<[u8]>::trim_ascii)
    }
    cx.tx
        .fields()
        .list(Name::Accept)
        .filter_map(kind)
        .find(|kind| matches!(*kind, b"application/json" | b"text/html"))
        .is_some_and(|kind| kind == b"application/json")
}

fn read(directory: &[u8], follows: bool) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(OsStr::from_bytes(directory))? {
        if entries.len() == ENTRIES_MAX {
            break;
        }
        let entry = entry?;
        let name = entry.file_name().as_bytes().to_vec();
        if name.starts_with(b".") {
            continue;
        }
        // A link is listed as what it leads to only where it may lead anywhere.
        let meta = if follows {
            std::fs::metadata(entry.path()).or_else(|_| entry.metadata())
        } else {
            entry.metadata()
        };
        let Ok(meta) = meta else { continue };
        entries.push(Entry {
            name,
            directory: meta.is_dir(),
            size: meta.len(),
            modified_s: meta.mtime().max(0) as u64,
        });
    }
    entries.sort_by(|a, b| {
        b.directory
            .cmp(&a.directory)
            .then_with(|| a.name.cmp(&b.name))
    });
    Ok(entries)
}

fn as_html(uri: &[u8], entries: &[Entry], listing: Listing) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + entries.len() * 160);
    out.extend_from_slice(b"<!DOCTYPE html>\r\n<html>\r\n<head><title>Index of ");
    escape_html(uri, &mut out);
    out.extend_from_slice(b"</title></head>\r\n<body>\r\n<h1>Index of ");
    escape_html(uri, &mut out);
    out.extend_from_slice(b"</h1><hr><pre><a href=\"../\">../</a>\r\n");
    for entry in entries {
        out.extend_from_slice(b"<a href=\"");
        // Before the name: one with a colon is no scheme.
        out.extend_from_slice(b"./");
        escape_reference(&entry.name, &mut out);
        let slash: &[u8] = if entry.directory { b"/" } else { b"" };
        out.extend_from_slice(slash);
        out.extend_from_slice(b"\">");
        escape_html(&entry.name, &mut out);
        out.extend_from_slice(slash);
        out.extend_from_slice(b"</a>");
        let shown = String::from_utf8_lossy(&entry.name).chars().count() + slash.len();
        let blanks = 51usize.saturating_sub(shown).max(1);
        let _ = write!(
            out,
            "{:blanks$}{} {:>19}\r\n",
            "",
            moment(entry.modified_s, listing.local_time),
            size(entry, listing.exact_size)
        );
    }
    out.extend_from_slice(b"</pre><hr>");
    if entries.len() == ENTRIES_MAX {
        let _ = write!(out, "<p>The first {ENTRIES_MAX} entries.</p>");
    }
    out.extend_from_slice(b"</body>\r\n</html>\r\n");
    out
}

fn moment(at: u64, local_time: bool) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    if local_time {
        let t = clock::local(at);
        let month = usize::from(t.month)
            .checked_sub(1)
            .and_then(|m| MONTHS.get(m));
        let month = month.copied().unwrap_or("Jan");
        return format!(
            "{:02}-{month}-{} {:02}:{:02}",
            t.day, t.year, t.hour, t.minute
        );
    }
    // "Sun, 06 Nov 1994 08:49:37 GMT"
    let text = date::format(at);
    let part = |from: usize, to: usize| {
        String::from_utf8_lossy(text.get(from..to).unwrap_or_default()).into_owned()
    };
    format!(
        "{}-{}-{} {}",
        part(5, 7),
        part(8, 11),
        part(12, 16),
        part(17, 22)
    )
}

fn size(entry: &Entry, exact: bool) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    if entry.directory {
        return "-".into();
    }
    let unit = UNITS.iter().find(|(unit, _)| entry.size >= *unit);
    match unit {
        Some((unit, name)) if !exact => format!("{}{name}", (entry.size + unit / 2) / unit),
        _ => entry.size.to_string(),
    }
}

fn as_json(entries: &[Entry]) -> Vec<u8> {
    let list: Vec<serde_json::Value> = entries
        .iter()
        .map(|entry| {
            let mut object = serde_json::json!({
                "name": String::from_utf8_lossy(&entry.name),
                "type": if entry.directory { "directory" } else { "file" },
                "mtime": String::from_utf8_lossy(&date::format(entry.modified_s)),
            });
            if !entry.directory
                && let Some(object) = object.as_object_mut()
            {
                object.insert("size".into(), entry.size.into());
            }
            object
        })
        .collect();
    serde_json::to_vec(&list).unwrap_or_default()
}

fn escape_html(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            // A line break in a name would not be seen as one.
            0..=31 | 127 => out.extend_from_slice("\u{fffd}".as_bytes()),
            _ => out.push(byte),
        }
    }
}

/// A name as a part of a reference: everything but unreserved characters is escaped.
fn escape_reference(name: &[u8], out: &mut Vec<u8>) {
    for &byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, size: u64) -> Entry {
        Entry {
            name: name.into(),
            directory: false,
            size,
            modified_s: 784_111_777,
        }
    }

    #[test]
    fn names_cannot_leave_their_place() {
        let entries = [entry("<b>\"&'\n", 1), entry("javascript:alert(1)", 1)];
        let listing = Listing {
            format: ListingFormat::Html,
            exact_size: true,
            local_time: false,
        };
        let html = String::from_utf8(as_html(b"/<i>/", &entries, listing)).unwrap();
        assert!(!html.contains("<b>") && !html.contains("<i>") && !html.contains("href=\"java"));
        assert!(html.contains("href=\"./%3Cb%3E%22%26%27%0A\""), "{html}");
        assert!(html.contains("06-Nov-1994 08:49"), "{html}");
        let json = String::from_utf8(as_json(&entries)).unwrap();
        assert!(json.contains(r#""name":"<b>\"&'\n""#), "{json}");
    }

    #[test]
    fn sizes_are_rounded_where_wanted() {
        assert_eq!(size(&entry("a", 1023), false), "1023");
        assert_eq!(size(&entry("a", 1536), false), "2K");
        assert_eq!(size(&entry("a", 5 << 30), false), "5G");
        assert_eq!(size(&entry("a", 1536), true), "1536");
    }
}
