//! One request on a stream: sent, and its response's head received, while the body goes on.

use super::{
    connections::Place,
    request,
    response::{Incoming, Upload, UploadError, head_text},
};
use crate::{
    client::ClientError,
    local::Local,
    origin::{
        attempt::{Failure, INTERIM_MAX, is_unasked},
        exchange::OutBody,
        response::pass_lines,
    },
    plan::{OriginPeer, PoolPlan},
    timer::Timer,
    tx::OriginScratch,
};
use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::Response;
use seawall_conf::model::Timeouts;
use seawall_http::{Framing, HeadLimits, Method, ResponseHead, ResponseTo, parse_response};
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

/// Who asks, and how long it may take.
pub struct Asking<'a> {
    pub local: &'a Local,
    pub timer: &'a Timer,
    pub pool: &'a PoolPlan,
    pub method: Method,
    pub timeouts: &'a Timeouts,
}

/// What is waited for until the head has come.
enum Event {
    Interim(Response<()>),
    Head(Response<RecvStream>),
    /// The body is sent, or the origin wants no more of it.
    Uploaded,
}

/// Asks a peer. The head stands in the scratch buffers; `sent_body` is set once bytes of a body were read that cannot be
/// read again. `fresh` asks for a new connection.
pub async fn exchange(
    asking: &Asking<'_>,
    peer: &OriginPeer,
    fresh: bool,
    scratch: &mut OriginScratch,
    body: &mut OutBody<'_>,
    sent_body: &mut bool,
) -> Result<Incoming, Failure> {
    let Some(request) = request::request(&scratch.out, peer.tls.is_some()) else {
        return Err(Failure::Invalid("the request cannot be said in HTTP/2"));
    };
    let (mut response, mut send, place) = begin(asking, peer, fresh, request, body).await?;
    let mut upload = match body {
        OutBody::None | OutBody::Bare { .. } => None,
        OutBody::Held { spool, .. } | OutBody::Kept { spool } => {
            push_spool(asking, &mut send, spool).await?;
            None
        }
        OutBody::Client { spool, limit, .. } => {
            *sent_body = true;
            let mut upload = send.take().map(|send| Upload::new(send, *limit));
            if let (Some(upload), Some(spool)) = (&mut upload, spool) {
                upload.push(
                    spool
                        .read_all()
                        .map_err(|e| Failure::Broken(e.to_string()))?,
                );
            }
            upload
        }
    };
    let mut interim = 0;
    asking.timer.set(asking.timeouts.first_byte);
    loop {
        let event = asking.timer.guard(poll_fn(|cx| {
            if let Poll::Ready(Some(Ok(head))) = response.poll_informational(cx) {
                return Poll::Ready(Ok(Event::Interim(head)));
            }
            if let Poll::Ready(head) = Pin::new(&mut response).poll(cx) {
                return Poll::Ready(head.map(Event::Head).map_err(|e| refused(&e)));
            }
            let Some((client, tx)) = body.asker() else {
                return Poll::Pending;
            };
            if let Some(upload) = &mut upload {
                let before = tx.body_read;
                match upload.poll(cx, client, tx) {
                    Poll::Ready(Ok(()) | Err(UploadError::Refused)) => {
                        return Poll::Ready(Ok(Event::Uploaded));
                    }
                    Poll::Ready(Err(UploadError::Client(e))) => {
                        return Poll::Ready(Err(Failure::Client(e)));
                    }
                    Poll::Ready(Err(UploadError::TooLarge)) => {
                        return Poll::Ready(Err(Failure::TooLarge));
                    }
                    // A body that moves is no silence.
                    Poll::Pending if tx.body_read != before => {
                        asking.timer.set(asking.timeouts.first_byte)
                    }
                    Poll::Pending => {}
                }
            } else if client.poll_left(tx, cx).is_ready() {
                return Poll::Ready(Err(Failure::Client(ClientError::Left)));
            }
            Poll::Pending
        }));
        match event.await {
            Err(_) => {
                asking.pool.metrics.timeouts.inc();
                place.spend();
                return Err(Failure::TimedOut);
            }
            Ok(Err(failure)) => {
                if matches!(failure, Failure::Unprocessed) {
                    place.spend();
                }
                return Err(failure);
            }
            Ok(Ok(Event::Uploaded)) => upload = None,
            Ok(Ok(Event::Interim(head))) => {
                interim += 1;
                if interim > INTERIM_MAX {
                    return Err(invalid(asking, "too many interim responses"));
                }
                pass_interim(scratch, &head, body).await?;
                asking.timer.set(asking.timeouts.first_byte);
            }
            Ok(Ok(Event::Head(head))) => {
                return received(asking, scratch, head, upload, place);
            }
        }
    }
}

/// Takes a place and sends the head.
async fn begin(
    asking: &Asking<'_>,
    peer: &OriginPeer,
    fresh: bool,
    request: http::Request<()>,
    body: &OutBody<'_>,
) -> Result<(ResponseFuture, Option<SendStream<Bytes>>, Place), Failure> {
    let metrics = &asking.pool.metrics;
    asking.timer.set(asking.timeouts.connect);
    let place = async {
        let keep = asking.pool.keepalive_timeout;
        let (send, place, known) = asking.local.http2.place(peer, keep, fresh).await?;
        let ready: Result<SendRequest<Bytes>, h2::Error> = send.ready().await;
        Ok::<_, String>((ready.map_err(|_| place.spend()), place, known))
    };
    let (ready, place, known) = match asking.timer.guard(Box::pin(place)).await {
        Ok(Ok(made)) => made,
        Ok(Err(e)) => {
            metrics.connect_failures.inc();
            return Err(Failure::Connect(e));
        }
        Err(_) => {
            metrics.connect_failures.inc();
            metrics.timeouts.inc();
            return Err(Failure::ConnectTimedOut);
        }
    };
    if known {
        metrics.reuses.inc()
    } else {
        metrics.connects.inc()
    }
    metrics.requests.inc();
    let Ok(mut ready) = ready else {
        return Err(Failure::Unprocessed);
    };
    let bodiless = matches!(body, OutBody::None | OutBody::Bare { .. });
    match ready.send_request(request, bodiless) {
        Ok((response, send)) => Ok((response, (!bodiless).then_some(send), place)),
        Err(_) => {
            place.spend();
            Err(Failure::Unprocessed)
        }
    }
}

async fn push_spool(
    asking: &Asking<'_>,
    send: &mut Option<SendStream<Bytes>>,
    spool: &crate::spool::Spool,
) -> Result<(), Failure> {
    let Some(send) = send.take() else {
        return Ok(());
    };
    let mut upload = Upload::new(send, None);
    let mut at = 0;
    while at < spool.len() {
        let piece = spool
            .piece_later(at, super::UPLOAD_BYTES)
            .await
            .map_err(|e| Failure::Broken(e.to_string()))?;
        at += piece.len() as u64;
        upload.push(piece);
        asking.timer.set(asking.timeouts.between_bytes);
        match asking
            .timer
            .guard(poll_fn(|cx| upload.poll_pending(cx)))
            .await
        {
            Ok(true) => {}
            // The origin wants no more of it: its response says why.
            Ok(false) => return Ok(()),
            Err(_) => return Err(Failure::TimedOut),
        }
    }
    upload.end();
    Ok(())
}

/// A stream that failed before its head came.
fn refused(e: &h2::Error) -> Failure {
    let unprocessed = e.is_remote()
        && (e.reason() == Some(Reason::REFUSED_STREAM)
            || (e.is_go_away() && e.reason() == Some(Reason::NO_ERROR)));
    if unprocessed {
        return Failure::Unprocessed;
    }
    match e.reason() {
        Some(reason) if !e.is_io() => {
            Failure::Broken(format!("upstream reset the stream: {reason}"))
        }
        _ => Failure::Broken("upstream prematurely closed connection".into()),
    }
}

fn invalid(asking: &Asking<'_>, why: &'static str) -> Failure {
    asking.local.shared.metrics.bad_responses.inc();
    Failure::Invalid(why)
}

async fn pass_interim(
    scratch: &mut OriginScratch,
    head: &Response<()>,
    body: &mut OutBody<'_>,
) -> Result<(), Failure> {
    let status = head.status().as_u16();
    if !scratch.asked.interim.passes(status) {
        return Ok(());
    }
    let Some((client, tx)) = body.asker() else {
        return Ok(());
    };
    head_text(head, &mut scratch.rb);
    let mut parsed = ResponseHead::new();
    let to = ResponseTo {
        method: Method::Get,
        upgrade_asked: false,
    };
    if let Ok(true) = parse_response(scratch.rb.bytes(), &to, &HeadLimits::default(), &mut parsed) {
        let mut lines = Vec::new();
        pass_lines(parsed.fields(scratch.rb.bytes()), false, &mut lines);
        let told = client.interim(tx, status, &lines).await;
        told.map_err(Failure::Client)?;
    }
    Ok(())
}

/// Judges the head as an HTTP/1 origin's.
fn received(
    asking: &Asking<'_>,
    scratch: &mut OriginScratch,
    response: Response<RecvStream>,
    upload: Option<Upload>,
    place: Place,
) -> Result<Incoming, Failure> {
    let (parts, recv) = response.into_parts();
    head_text(&Response::from_parts(parts, ()), &mut scratch.rb);
    let head = scratch
        .head
        .get_or_insert_with(|| Box::new(ResponseHead::new()));
    let to = ResponseTo {
        method: asking.method,
        upgrade_asked: false,
    };
    match parse_response(scratch.rb.bytes(), &to, &HeadLimits::default(), head) {
        Ok(true) if is_unasked(head.status, &scratch.out) => {
            Err(invalid(asking, "a status that this request cannot have"))
        }
        Ok(true) => Ok(Incoming {
            // A body that must not be there is not read: the stream is reset.
            done: head.framing == Framing::None || recv.is_end_stream(),
            head_len: head.len,
            recv,
            upload,
            place,
            trailers: Vec::new(),
        }),
        Ok(false) => Err(invalid(asking, "a head that does not end")),
        Err(bad) => Err(invalid(asking, bad.as_str())),
    }
}
