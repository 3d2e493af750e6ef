//! The durable queue's SQL. What it promises is in [`crate::queue`].

use super::Result;
use crate::{
    limits::JOBS_DONE_KEPT,
    queue::{Claimed, Failure, JobCounts, NewJob},
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub fn enqueue(t: &Transaction, job: &NewJob, now_ms: u64) -> Result<bool> {
    let added = t
        .prepare_cached(
            "INSERT INTO jobs (kind, payload, key, state, attempts_max, due_ms) VALUES (?1, ?2, ?3, 'waiting', ?4, ?5)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![job.kind, job.payload, job.key, job.attempts_max, now_ms as i64])?;
    Ok(added == 1)
}

pub fn relay_outbox(t: &Transaction, now_ms: u64) -> Result<usize> {
    let products: Vec<i64> = t
        .prepare_cached("SELECT DISTINCT product FROM outbox")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for product in &products {
        enqueue(t, &NewJob::index(*product as u64), now_ms)?;
    }
    t.prepare_cached("DELETE FROM outbox")?.execute([])?;
    Ok(products.len())
}

pub fn claim(t: &Transaction, lease_ms: u64, token: u64, now_ms: u64) -> Result<Option<Claimed>> {
    let now = now_ms as i64;
    // Whoever held these is dead or stuck, and has had its chances.
    t.prepare_cached(
        "UPDATE jobs SET state = 'dead', token = NULL, finished_ms = ?1, key = NULL,
           error = coalesce(error || '; then ', '') || 'the lease ran out'
         WHERE state = 'leased' AND lease_until_ms <= ?1 AND attempts >= attempts_max",
    )?
    .execute([now])?;
    // Letters first: a customer waits for them, and a new shop has hundreds of thumbnails to draw.
    let next: Option<i64> = t
        .prepare_cached(
            "SELECT id FROM (
               SELECT id, due_ms, kind FROM jobs WHERE state = 'waiting' AND due_ms <= ?1
               UNION ALL SELECT id, due_ms, kind FROM jobs WHERE state = 'leased' AND lease_until_ms <= ?1)
             ORDER BY kind = 'mail' DESC, due_ms, id LIMIT 1",
        )?
        .query_row([now], |row| row.get(0))
        .optional()?;
    let Some(id) = next else { return Ok(None) };
    // The attempt is counted now, not when it fails: a job that kills its worker must run out of attempts too.
    let claimed = t
        .prepare_cached(
            "UPDATE jobs SET state = 'leased', attempts = attempts + 1, token = ?2, lease_until_ms = ?3 WHERE id = ?1
             RETURNING kind, payload, attempts, attempts_max",
        )?
        .query_row(params![id, token as i64, (now_ms + lease_ms) as i64], |row| {
            Ok(Claimed {
                id,
                token,
                kind: row.get(0)?,
                payload: row.get(1)?,
                attempts: row.get(2)?,
                attempts_max: row.get(3)?,
            })
        })?;
    Ok(Some(claimed))
}

pub fn complete(t: &Transaction, id: i64, token: u64, now_ms: u64) -> Result<bool> {
    let done = t
        .prepare_cached(
            "UPDATE jobs SET state = 'done', token = NULL, key = NULL, finished_ms = ?3
             WHERE id = ?1 AND token = ?2 AND state = 'leased'",
        )?
        .execute(params![id, token as i64, now_ms as i64])?;
    t.prepare_cached("DELETE FROM jobs WHERE state = 'done' AND id < ?1 - ?2")?
        .execute(params![id, JOBS_DONE_KEPT as i64])?;
    Ok(done == 1)
}

pub fn fail(t: &Transaction, id: i64, token: u64, failure: &Failure, now_ms: u64) -> Result<bool> {
    let changed = match failure {
        Failure::Retry { due_ms, error } => t
            .prepare_cached(
                "UPDATE OR IGNORE jobs SET state = 'waiting', token = NULL, error = ?3, due_ms = ?4
                 WHERE id = ?1 AND token = ?2 AND state = 'leased'",
            )?
            .execute(params![id, token as i64, error, *due_ms as i64])?,
        Failure::Dead { .. } => 0,
    };
    if changed == 1 {
        return Ok(true);
    }
    // Dead, or a newer job with its key is waiting already and will do the same work: this one is over either way.
    let error = match failure {
        Failure::Dead { error } => error.clone(),
        Failure::Retry { error, .. } => format!("superseded by a newer job; {error}"),
    };
    let ended = t.execute(
        "UPDATE jobs SET state = ?5, token = NULL, key = NULL, error = ?3, finished_ms = ?4
         WHERE id = ?1 AND token = ?2 AND state = 'leased'",
        params![
            id,
            token as i64,
            error,
            now_ms as i64,
            if matches!(failure, Failure::Dead { .. }) {
                "dead"
            } else {
                "done"
            }
        ],
    )?;
    Ok(ended == 1)
}

pub fn counts(c: &Connection) -> Result<JobCounts> {
    let mut counts = JobCounts::default();
    let mut statement = c.prepare_cached("SELECT state, count(*) FROM jobs GROUP BY state")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let count = row.get::<_, i64>(1)? as u64;
        match row.get_ref(0)?.as_str().unwrap_or_default() {
            "waiting" => counts.waiting = count,
            "leased" => counts.leased = count,
            "done" => counts.done = count,
            _ => counts.dead = count,
        }
    }
    drop(rows);
    let mut letters = c.prepare_cached(
        "SELECT id, kind, payload, attempts, coalesce(error, '') FROM jobs WHERE state = 'dead' ORDER BY id DESC LIMIT 50",
    )?;
    let letters = letters.query_map([], |row| {
        Ok(crate::queue::DeadLetter {
            id: row.get(0)?,
            kind: row.get(1)?,
            payload: row.get(2)?,
            attempts: row.get(3)?,
            error: row.get(4)?,
        })
    })?;
    counts.dead_letters = letters.collect::<rusqlite::Result<_>>()?;
    Ok(counts)
}
