//! A look at the queue, and a way to put something into it (a poison job, for instance).

use super::{Api, Refused};
use crate::{
    limits::{JOB_ATTEMPTS, JOB_PAYLOAD_BYTES},
    queue::{JobCounts, NewJob},
    serve::now_ms,
};
use axum::{Json, extract::State};
use std::sync::Arc;

pub async fn counts(State(api): State<Arc<Api>>) -> Result<Json<JobCounts>, Refused> {
    Ok(Json(
        api.store.read(|repository| repository.job_counts()).await?,
    ))
}

/// True if it was queued, false if one with its key waits already.
pub async fn enqueue(
    State(api): State<Arc<Api>>,
    Json(job): Json<NewJob>,
) -> Result<Json<bool>, Refused> {
    if job.payload.len() > JOB_PAYLOAD_BYTES
        || job.kind.len() > 40
        || !(1..=4 * JOB_ATTEMPTS).contains(&job.attempts_max)
    {
        return Err(Refused::invalid(
            "A job has a short kind, a small payload and a few attempts.",
        ));
    }
    Ok(Json(
        api.store
            .write(move |repository| repository.enqueue(&job, now_ms()))
            .await?,
    ))
}
