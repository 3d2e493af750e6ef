//! The judge of a choice: what may come of it, by the states before it.

use seawall_balance::{Choice, Pool, Server, ServerState};
use std::time::Instant;

/// A pool's states before a choice.
pub struct Before {
    pub states: Vec<ServerState>,
    backups: Vec<bool>,
    full: Vec<bool>,
    /// Ejected, and the time has run out.
    due: Vec<bool>,
    tried: Vec<bool>,
    bound: Option<usize>,
    sticky_while_draining: bool,
    somebody_waits: bool,
}

impl Before {
    pub fn new(pool: &Pool, now: Instant, choice: &Choice<'_>) -> Self {
        let servers = pool.servers();
        let of = |what: &dyn Fn(&Server) -> bool| -> Vec<bool> {
            servers.iter().map(|server| what(server)).collect()
        };
        Self {
            states: servers.iter().map(|server| server.state(now)).collect(),
            backups: of(&|server| server.is_backup()),
            full: of(&|server| server.is_full()),
            due: of(&|server| server.ejected_until(now).is_none()),
            tried: (0..servers.len())
                .map(|index| choice.tried.contains(index))
                .collect(),
            bound: choice.prefer,
            sticky_while_draining: pool.options().sticky_while_draining,
            somebody_waits: pool.waiting() > 0 && choice.tried.is_empty(),
        }
    }

    fn any(&self, what: impl Fn(usize) -> bool) -> bool {
        (0..self.states.len()).any(|index| !self.tried[index] && what(index))
    }

    pub fn any_up_with_room(&self) -> bool {
        self.any(|index| self.states[index] == ServerState::Up && !self.full[index])
    }

    pub fn judge(&self, index: usize) {
        assert!(!self.tried[index], "tried before");
        assert!(!self.full[index], "picked a full one");
        let is_bound = self.bound == Some(index);
        match self.states[index] {
            ServerState::Up if self.backups[index] && !is_bound => assert!(
                !self.any(|i| self.states[i] == ServerState::Up
                    && !self.full[i]
                    && !self.backups[i]),
                "a backup, with a primary up"
            ),
            ServerState::Up => {}
            ServerState::Ejected => assert!(
                self.due[index] || !self.any(|i| self.states[i] == ServerState::Up),
                "an ejected one, with another up"
            ),
            ServerState::Draining => assert!(
                is_bound && self.sticky_while_draining,
                "a draining one, for a request that is not bound to it"
            ),
            ServerState::Down => panic!("one that is down"),
        }
    }

    pub fn may_be_full(&self) -> bool {
        self.somebody_waits
            || (!self.any_up_with_room()
                && self.any(|index| self.full[index] && self.states[index] != ServerState::Down))
    }

    pub fn may_be_none(&self) -> bool {
        !self.any(|index| self.states[index] == ServerState::Up)
            && !self.any(|index| {
                self.states[index] == ServerState::Ejected
                    && !self.backups[index]
                    && !self.full[index]
            })
    }
}
