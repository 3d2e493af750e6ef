//! The task of one stream: its request through the pipeline, unless the client gives it up.

use super::{
    Stream,
    hub::Hub,
    request::{self, Fault},
};
use crate::{
    client::{Client, ClientError, h1::note_failure},
    local::{Local, Pinned},
    log_error, pipeline,
    step::Step,
    tx::Tx,
};
use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::Request;
use seawall_http::{Framing, Refusal, Version, parse_request};
use std::{future::poll_fn, pin::pin, rc::Rc, task::Poll};

/// Serves a request that has a place in the hub.
pub(super) async fn serve(
    hub: Rc<Hub>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let place = Place {
        hub: &hub,
        was_lost: std::cell::Cell::new(true),
    };
    let local = &hub.local;
    let (mut client, stream) = hub.take_client();
    let mut tx = local.take_tx();
    let plan = local.plan();
    tx.step = Step::Head;
    let (parts, body) = request.into_parts();
    let whole = body.is_end_stream();
    let composed = compose(local, &mut tx, &parts, whole, &plan);
    drop(parts);
    stream.open(respond, body);
    match composed {
        Ok(()) => {
            client.prepare(local, &mut tx, &plan);
            let lost = run(&hub, &mut client, &stream, &mut tx, &plan).await;
            place.was_lost.set(lost);
        }
        Err(Fault::Refused(refusal)) => {
            tx.rb.clear();
            tx.head.clear();
            tx.head.version = Version::Http2;
            client.refuse(local, &mut tx, &plan, refusal).await;
            place.was_lost.set(false);
        }
        Err(Fault::Malformed(what)) => {
            local.shared.metrics.http2.malformed.inc();
            log_error!(
                local.shared,
                Error,
                client.info.serial,
                "client sent a malformed HTTP/2 request: {what}, client: {}",
                client.info.peer_text
            );
            stream.reset(Reason::PROTOCOL_ERROR);
        }
    }
    local.give_tx(tx);
    hub.give_client(client, stream);
}

/// The place of a request in its connection, given back also when its task ends by a panic.
struct Place<'a> {
    hub: &'a Hub,
    was_lost: std::cell::Cell<bool>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.hub.end(self.was_lost.get());
    }
}

/// Makes the request's head, as if it had been read from an HTTP/1 connection.
fn compose(
    local: &Local,
    tx: &mut Tx,
    parts: &http::request::Parts,
    whole: bool,
    plan: &Pinned,
) -> Result<(), Fault> {
    tx.started_ms = crate::clock::now_ms();
    tx.now_ms = tx.started_ms;
    let mut text = std::mem::take(&mut tx.out);
    text.clear();
    let composed = request::compose(parts, || local.random_id(), &mut text);
    tx.rb.clear();
    tx.rb.extend(&text);
    tx.out = text;
    composed?;
    let Tx { rb, head, .. } = tx;
    if !parse_request(rb.bytes(), plan.policy, &plan.head_limits, head)? {
        // A head that ends here and is not whole holds a line break, which h2 lets through nowhere.
        return Err(Refusal::ControlByte.into());
    }
    if head.len != rb.len() {
        return Err(Refusal::ControlByte.into());
    }
    head.version = Version::Http2;
    head.keep_alive = true;
    // Only an extended CONNECT can have asked for one; what it sends is the tunnel's and no body.
    let tunnels = head.upgrade;
    head.framing = match (head.framing, whole) {
        _ if tunnels => Framing::None,
        (Framing::Length(n), _) => Framing::Length(n),
        (_, true) => Framing::None,
        // Its end is the stream's: towards an origin of HTTP/1 it is chunked.
        (_, false) => Framing::Chunked,
    };
    // What the parser was shown said HTTP/1.1; logs say what it was.
    let version = tx.head.target.end as usize + 1;
    if let Some(said) = tx.rb.bytes_mut().get_mut(version..version + 8) {
        said.copy_from_slice(b"HTTP/2.0");
    }
    Ok(())
}

/// Runs the pipeline until it has answered or the client has gone. True if the request was lost.
async fn run(hub: &Hub, client: &mut Client, stream: &Stream, tx: &mut Tx, plan: &Pinned) -> bool {
    let local = &hub.local;
    let served = {
        let mut running = pin!(pipeline::run(local, client, tx, plan));
        poll_fn(|cx| {
            // First: a stream that was reset before its turn came asks nothing of anybody, and what it breaks is nobody's
            // fault. h2 wakes this task for a reset as for room to write.
            if stream.poll_gone(cx).is_ready() {
                return Poll::Ready(None);
            }
            running.as_mut().poll(cx).map(Some)
        })
        .await
    };
    hub.idle.set(client.idle);
    hub.timeout.set(client.timeout);
    match served {
        Some(Ok(())) => {
            if !client.keep_alive && client.body.is_done() {
                hub.retires.set(true);
            }
            false
        }
        Some(Err(e)) => {
            note_failure(local, client, tx, &e);
            stream.reset(match e {
                ClientError::Truncated => Reason::INTERNAL_ERROR,
                ClientError::Body(_) => Reason::PROTOCOL_ERROR,
                _ => Reason::CANCEL,
            });
            true
        }
        None => {
            local.shared.metrics.http2.abandoned.inc();
            log_error!(
                local.shared,
                Info,
                client.info.serial,
                "client reset the stream at step {}, client: {}",
                tx.step.as_str(),
                client.info.peer_text
            );
            pipeline::abandoned(local, client, tx, plan);
            true
        }
    }
}
