//! What systemd hears of us (sd_notify(3)): up, what we are doing, alive, ending.
//!
//! Without `NOTIFY_SOCKET` in the environment all of this is silence. The watchdog is fed by the keeper's own loop, so a
//! keeper that hangs is replaced; a worker that hangs is the keeper's business.

use std::{
    ffi::OsString,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::{Duration, Instant},
};

/// The way to the service manager.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants to hear that we are alive.
    beat: Option<Duration>,
    next_beat: Option<Instant>,
}

impl Notifier {
    /// As the environment says.
    pub fn from_environment() -> Self {
        let watchdog_us = std::env::var("WATCHDOG_USEC").ok();
        // WATCHDOG_PID names whom it is meant for: a keeper that has replaced itself has the same number.
        let meant = std::env::var("WATCHDOG_PID")
            .ok()
            .is_none_or(|pid| pid == std::process::id().to_string());
        Self::new(
            std::env::var_os("NOTIFY_SOCKET"),
            watchdog_us.filter(|_| meant).and_then(|us| us.parse().ok()),
        )
    }

    fn new(path: Option<OsString>, watchdog_us: Option<u64>) -> Self {
        let socket = path.and_then(|path| {
            let address = match path.as_bytes().strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(&path),
            };
            let socket = UnixDatagram::unbound().ok()?;
            // A manager that does not read must not hold us up.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        });
        // Half of the time, as sd_watchdog_enabled(3) advises.
        let beat = watchdog_us
            .map(|us| Duration::from_micros(us / 2))
            .filter(|b| !b.is_zero());
        Self {
            next_beat: beat.filter(|_| socket.is_some()).map(|_| Instant::now()),
            socket,
            beat,
        }
    }

    /// Whether a service manager has started us.
    pub fn is_managed(&self) -> bool {
        self.socket.is_some()
    }

    /// The daemon is up.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// What the daemon does, for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.say(&format!("STATUS={}", one_line(status)));
    }

    /// The daemon is ending.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=draining");
    }

    /// When the next sign of life is due.
    pub fn next_beat(&self) -> Option<Instant> {
        self.next_beat
    }

    /// Gives a sign of life if it is due.
    pub fn beat(&mut self, now: Instant) {
        let (Some(beat), Some(next)) = (self.beat, self.next_beat) else {
            return;
        };
        if now >= next {
            self.say("WATCHDOG=1");
            self.next_beat = now.checked_add(beat);
        }
    }

    fn say(&self, text: &str) {
        if let Some((socket, address)) = &self.socket {
            // Nobody to complain to.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 512];
        let n = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    }

    #[test]
    fn the_manager_hears_that_we_are_up_and_alive() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut notifier = Notifier::new(Some(path.into()), Some(2_000_000));
        notifier.ready("serving\nwell");
        assert_eq!(heard(&manager), "READY=1\nSTATUS=serving well");
        let now = Instant::now();
        notifier.beat(now);
        assert_eq!(heard(&manager), "WATCHDOG=1");
        assert_eq!(notifier.next_beat(), Some(now + Duration::from_secs(1)));
        notifier.beat(now);
        notifier.stopping();
        assert!(
            heard(&manager).starts_with("STOPPING=1"),
            "one beat a second"
        );
    }

    #[test]
    fn an_abstract_name_is_understood_and_no_manager_is_silence() {
        let name = format!("seawall-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        Notifier::new(Some(format!("@{name}").into()), None).status("x");
        assert_eq!(heard(&manager), "STATUS=x");
        let mut silent = Notifier::new(None, Some(1000));
        silent.beat(Instant::now());
        assert!(!silent.is_managed() && silent.next_beat().is_none());
    }
}
