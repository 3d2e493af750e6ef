//! A file of servers: an address a line, perhaps with what nginx says of a server.
//!
//! ```text
//! # comment
//! 10.0.0.5:8080 weight=2
//! [2001:db8::5]:8080 backup max_conns=100
//! ```

use crate::plan::pool::Member;
use seawall_conf::model::Source;
use std::{io::Read, net::SocketAddr, path::Path};

/// Bytes of such a file at most.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut text = String::new();
    let mut limited = file.take(FILE_BYTES_MAX + 1);
    limited
        .read_to_string(&mut text)
        .map_err(|e| e.to_string())?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it is longer than {FILE_BYTES_MAX} bytes"));
    }
    Ok(text)
}

/// Its servers; a file with one bad line changes nothing.
pub(super) fn members(source: &Source, text: &str) -> Result<Vec<Member>, String> {
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let member = member(source, line);
            all.push(member.map_err(|e| format!("line {number}: {e}"))?);
        }
    }
    Ok(all)
}

fn member(source: &Source, line: &str) -> Result<Member, String> {
    let mut words = line.split_ascii_whitespace();
    let address = words.next().unwrap_or_default();
    let address: SocketAddr = address
        .parse()
        .map_err(|_| format!("\"{address}\" is no address with a port"))?;
    let mut member = Member::at(source, address, None);
    let mut own = member.server.clone();
    for word in words {
        let bad = || format!("\"{word}\" is not known here");
        let number = |text: &str, max: u32| {
            let n = text.parse::<u32>().ok();
            n.filter(|n| *n <= max).ok_or_else(bad)
        };
        match word.split_once('=') {
            None if word == "backup" => own.backup = true,
            None if word == "down" => own.down = true,
            None if word == "drain" => own.drain = true,
            Some(("weight", n)) => own.weight = number(n, 65_535)?.max(1),
            Some(("max_conns", n)) => own.max_conns = number(n, 1_000_000)?,
            _ => return Err(bad()),
        }
    }
    member.own = Some(Box::new(own));
    Ok(member.with_own())
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_conf::model::{Address, Server, SourceKind};
    use std::time::Duration;

    fn source() -> Source {
        let server = Server {
            at: seawall_diag::Span::default(),
            address: Address::Name(String::new(), 0),
            weight: 3,
            backup: false,
            down: false,
            max_fails: None,
            fail_timeout: None,
            drain: false,
            max_conns: 0,
            slow_start: Duration::ZERO,
            id: None,
        };
        Source {
            kind: SourceKind::File("servers.txt".into()),
            server,
        }
    }

    #[test]
    fn a_line_is_an_address_and_what_is_said_of_it() {
        let text = "# all\n10.0.0.5:80 weight=2 max_conns=9\n\n[::1]:81 backup drain # the last\n";
        let all = members(&source(), text).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].server.weight, all[0].server.max_conns), (2, 9));
        assert_eq!((all[1].server.weight, all[1].server.backup), (3, true));
        assert!(all[1].server.drain);
    }

    #[test]
    fn one_bad_line_changes_nothing_and_is_named() {
        for bad in [
            "shop.test:80",
            "10.0.0.5",
            "10.0.0.5:80 wieght=2",
            "10.0.0.5:80 weight=x",
        ] {
            let error = members(&source(), &format!("10.0.0.1:80\n{bad}\n"));
            assert!(error.is_err_and(|e| e.starts_with("line 2: ")), "{bad}");
        }
    }

    #[test]
    fn an_empty_file_names_nobody() {
        assert!(members(&source(), "# nobody\n").unwrap().is_empty());
    }
}
