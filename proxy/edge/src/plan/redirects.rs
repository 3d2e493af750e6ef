//! A file of redirects: exact paths, looked up by hash before a route is looked for.
//!
//! `FROM TO [STATUS]` a line, parted by blanks; a final `;` is ignored, as is what follows a `#` at the beginning of a line
//! or after a blank. `FROM` is a decoded path, with its query where one is written; `TO` is sent as it stands.

use super::Environment;
use seawall_conf::model::RedirectMap;
use seawall_diag::{Diagnostic, Diagnostics};
use std::collections::HashMap;

/// Lines that are redirects, at most.
const REDIRECTS_MAX: usize = 1 << 20;
/// Faults that are told of one file.
const FAULTS_MAX: usize = 20;

/// Redirects by path.
pub struct RedirectTable {
    targets: HashMap<Box<[u8]>, (Box<str>, u16), ahash::RandomState>,
    /// Whether some are for a path with its query.
    queries: bool,
}

impl RedirectTable {
    /// Reads the file; what is wrong with it is told at the place it is named, with its line.
    pub fn compile(map: &RedirectMap, env: &Environment<'_>, errors: &mut Diagnostics) -> Self {
        let mut table = Self {
            targets: HashMap::default(),
            queries: false,
        };
        let shown = map.path.display();
        let text = match (env.read)(&map.path).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => {
                errors.error("bad-redirects", map.at, format!("\"{shown}\" is not UTF-8"));
                return table;
            }
            Err(e) => {
                let message = format!("open() \"{shown}\" failed ({e})");
                errors.error("file-open", map.at, message);
                return table;
            }
        };
        let mut faults = 0;
        for (number, line) in (1..).zip(text.lines()) {
            if let Err(why) = table.line(line, map.status) {
                faults += 1;
                if faults <= FAULTS_MAX {
                    let message = format!("{shown}:{number}: {why}");
                    errors.push(
                        Diagnostic::error("bad-redirects", map.at, message)
                            .help("write a path, where it leads, and a status if it is another: /old /new 301"),
                    );
                }
            }
            if table.targets.len() > REDIRECTS_MAX {
                let message = format!("\"{shown}\" holds more than {REDIRECTS_MAX} redirects");
                errors.error("bad-redirects", map.at, message);
                break;
            }
        }
        table
    }

    fn line(&mut self, line: &str, unless_said: u16) -> Result<(), String> {
        let line = match line.find(" #").or_else(|| line.find("\t#")) {
            Some(at) => line.get(..at).unwrap_or_default(),
            None if line.starts_with('#') => "",
            None => line,
        };
        let mut words = line.trim().trim_end_matches(';').split_whitespace();
        let Some(from) = words.next() else {
            return Ok(());
        };
        if !from.starts_with('/') {
            return Err(format!("`{from}` is no path"));
        }
        let Some(to) = words.next() else {
            return Err(format!("`{from}` leads nowhere"));
        };
        let status = match words.next() {
            None => unless_said,
            Some(word) => match word.parse() {
                Ok(status @ (301 | 302 | 303 | 307 | 308)) => status,
                _ => return Err(format!("`{word}` is no status of a redirect")),
            },
        };
        if let Some(word) = words.next() {
            return Err(format!("`{word}` is one word too many"));
        }
        self.queries |= from.contains('?');
        if self
            .targets
            .insert(from.as_bytes().into(), (to.into(), status))
            .is_some()
        {
            return Err(format!("`{from}` is written twice"));
        }
        Ok(())
    }

    /// Where a path leads, and with which status.
    pub fn find(&self, path: &[u8], args: &[u8]) -> Option<(&str, u16)> {
        if self.queries && !args.is_empty() {
            let whole = [path, b"?", args].concat();
            if let Some((to, status)) = self.targets.get(whole.as_slice()) {
                return Some((to, *status));
            }
        }
        let (to, status) = self.targets.get(path)?;
        Some((to, *status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> (RedirectTable, Vec<String>) {
        let mut table = RedirectTable {
            targets: HashMap::default(),
            queries: false,
        };
        let faults = text
            .lines()
            .filter_map(|line| table.line(line, 302).err())
            .collect();
        (table, faults)
    }

    #[test]
    fn lines_are_paths_targets_and_statuses() {
        let (table, faults) = table(
            "# moved in May\n\n/old /new\n/a https://a.test/ 301;  # for good\n/q?x=1 /one\n/q /all 308\n",
        );
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(table.find(b"/old", b"x"), Some(("/new", 302)));
        assert_eq!(table.find(b"/a", b""), Some(("https://a.test/", 301)));
        assert_eq!(table.find(b"/q", b"x=1"), Some(("/one", 302)));
        assert_eq!(table.find(b"/q", b"x=2"), Some(("/all", 308)));
        assert_eq!(table.find(b"/old/", b""), None);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let (_, faults) = table("old /new\n/a\n/b /c 200\n/d /e 301 x\n/f /g\n/f /h\n");
        assert_eq!(faults.len(), 5, "{faults:?}");
    }
}
