//! A pool's configuration as the balancer takes it, and its retries as a request looks at them.

use super::pool::{Member, address_text};
use seawall_balance as balance;
use seawall_conf::model;
use seawall_http::Method;
use std::time::Duration;

/// Retries of a pool.
pub struct RetryPlan {
    /// What is tried again.
    pub on: balance::RetryOn,
    /// Also after an answer that is no HTTP.
    pub invalid: bool,
    /// Tries in all, at least 1.
    pub attempts: u32,
    /// Waits between them.
    pub backoff: balance::Backoff,
    /// No retry begins later than this after the request; zero is no limit.
    pub within: Duration,
    /// Methods that count as idempotent, as bits; `None` is RFC 9110's.
    methods: Option<u32>,
    /// POST and PATCH with an `Idempotency-Key` count as idempotent.
    keyed: bool,
}

impl RetryPlan {
    /// Compiles what is configured.
    pub fn compile(from: &model::Retry) -> Self {
        let statuses = from.statuses.iter().copied();
        let methods = from.methods.iter();
        let bits = methods.fold(0, |bits, m| bits | bit(Method::lookup(m.as_bytes())));
        Self {
            on: balance::RetryOn {
                connect: from.connect,
                timeout: from.timeout,
                broken: from.connect,
                statuses: statuses.fold(balance::Statuses::none(), balance::Statuses::with),
                non_idempotent: from.non_idempotent,
            },
            invalid: from.invalid,
            attempts: from.attempts.max(1),
            backoff: balance::Backoff {
                base: from.backoff,
                cap: from.backoff_max,
            },
            within: from.within,
            methods: Some(bits).filter(|_| !from.methods.is_empty()),
            keyed: from.idempotency_key,
        }
    }

    /// Whether a request may be carried out twice. `head` is the request as it is sent.
    pub fn is_idempotent(&self, method: Method, head: &[u8]) -> bool {
        match self.methods {
            Some(bits) => bits & bit(method) != 0,
            None if method.is_idempotent() => true,
            None => {
                self.keyed
                    && balance::is_idempotent(method.as_bytes(), true)
                    && has_field(head, b"idempotency-key:")
            }
        }
    }
}

fn bit(method: Method) -> u32 {
    1u32.checked_shl(method as u32).unwrap_or(0)
}

/// Whether a head has a line that begins so, in lower case.
fn has_field(head: &[u8], prefix: &[u8]) -> bool {
    head.split(|b| *b == b'\n').any(|line| {
        line.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    })
}

/// A pool's options; `members` are its servers now.
pub fn options(from: &model::Pool, members: &[Member]) -> balance::PoolOptions {
    let servers = members.iter().map(|m| server(&m.server)).collect();
    let algorithm = match from.balance {
        model::Balance::RoundRobin => balance::Algorithm::RoundRobin,
        model::Balance::LeastConn => balance::Algorithm::LeastConn,
        model::Balance::P2c => balance::Algorithm::P2c,
        model::Balance::Ewma => balance::Algorithm::Ewma,
        model::Balance::IpHash => balance::Algorithm::IpHash,
        model::Balance::Hash => balance::Algorithm::Hash,
        model::Balance::Random => balance::Algorithm::Random,
    };
    balance::PoolOptions {
        checked: from.health.is_some(),
        rise: from.health.as_ref().map_or(2, |h| h.rise),
        fall: from.health.as_ref().map_or(2, |h| h.fall),
        eject: balance::Eject {
            after: from.eject.after,
            ratio: from.eject.ratio.map(|r| balance::EjectRatio {
                percent: r.percent,
                min_requests: r.min_requests,
                window: r.window,
            }),
            for_: from.eject.for_,
            at_longest: from.eject.at_longest,
            at_most_percent: from.eject.at_most_percent,
        },
        queue: balance::QueueOptions {
            size: from.queue.size,
            timeout: from.queue.timeout,
        },
        sticky_while_draining: from.sticky.as_ref().is_some_and(|s| s.while_draining),
        breaker: from.breaker.map(|b| balance::BreakerOptions {
            failures_percent: b.failures_percent,
            min_requests: b.min_requests,
            window: b.window,
            open_for: b.open_for,
            half_open_probes: b.probes,
        }),
        retry_budget_percent: from.retry.budget_percent,
        retry_attempts: from.retry.attempts,
        hedge: from.hedge.map(|h| balance::HedgeOptions {
            after: h.after.map_or(
                balance::HedgeAfter::P95 {
                    at_least: h.at_least,
                },
                balance::HedgeAfter::Fixed,
            ),
            budget_percent: h.budget_percent,
        }),
        ..balance::PoolOptions::new(from.name.as_str(), algorithm, servers)
    }
}

fn server(from: &model::Server) -> balance::ServerOptions {
    balance::ServerOptions {
        address: address_text(&from.address),
        weight: from.weight,
        backup: from.backup,
        down: from.down,
        drain: from.drain,
        max_conns: from.max_conns,
        slow_start: from.slow_start,
        max_fails: from.max_fails,
        fail_timeout: from.fail_timeout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(change: impl FnOnce(&mut model::Retry)) -> RetryPlan {
        let mut retry = model::Retry {
            connect: true,
            timeout: true,
            statuses: vec![503],
            invalid: false,
            non_idempotent: false,
            idempotency_key: false,
            methods: Vec::new(),
            attempts: 0,
            budget_percent: 20,
            backoff: Duration::ZERO,
            backoff_max: Duration::ZERO,
            within: Duration::ZERO,
        };
        change(&mut retry);
        RetryPlan::compile(&retry)
    }

    #[test]
    fn a_post_is_idempotent_only_with_a_key_that_counts() {
        let keyed = b"POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: 7\r\n\r\n";
        let bare = b"POST / HTTP/1.1\r\nHost: a\r\n\r\n";
        let on = plan(|r| r.idempotency_key = true);
        assert!(on.is_idempotent(Method::Post, keyed));
        assert!(!on.is_idempotent(Method::Post, bare));
        assert!(!plan(|_| {}).is_idempotent(Method::Post, keyed));
    }

    #[test]
    fn named_methods_replace_the_usual_ones() {
        let only = plan(|r| r.methods = vec!["GET".into()]);
        assert!(only.is_idempotent(Method::Get, b""));
        assert!(!only.is_idempotent(Method::Put, b""));
        assert!(plan(|_| {}).is_idempotent(Method::Put, b""));
    }

    #[test]
    fn there_is_always_one_try() {
        assert_eq!(plan(|_| {}).attempts, 1);
    }
}
