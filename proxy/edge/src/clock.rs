//! The clock of a thread: one system call a request, dates formatted once a second.

use seawall_http::date;
use std::{
    cell::{Cell, RefCell},
    time::{SystemTime, UNIX_EPOCH},
};

/// Wall-clock time and its usual renderings.
pub struct Clock {
    second: Cell<u64>,
    texts: RefCell<Texts>,
}

struct Texts {
    http: [u8; 29],
    clf: [u8; 26],
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            second: Cell::new(0),
            texts: RefCell::new(Texts {
                http: date::format(0),
                clf: date::clf(0),
            }),
        }
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}

impl Clock {
    fn refresh(&self, now_ms: u64) {
        let second = now_ms / 1000;
        if self.second.replace(second) != second {
            *self.texts.borrow_mut() = Texts {
                http: date::format(second),
                clf: date::clf(second),
            };
        }
    }

    /// Appends an IMF-fixdate (RFC 9110 §5.6.7).
    pub fn http_date(&self, now_ms: u64, out: &mut Vec<u8>) {
        self.refresh(now_ms);
        out.extend_from_slice(&self.texts.borrow().http);
    }

    /// Appends nginx's `$time_local`.
    pub fn clf(&self, now_ms: u64, out: &mut Vec<u8>) {
        self.refresh(now_ms);
        out.extend_from_slice(&self.texts.borrow().clf);
    }
}
