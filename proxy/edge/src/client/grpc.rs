//! Errors of ours as gRPC says them: a client of it looks at `grpc-status`, not at the status of HTTP
//! (gRPC's "HTTP to gRPC Status Code Mapping").

use super::Reply;
use crate::tx::Tx;
use seawall_http::{Name, Version};

/// What an error is for a call of gRPC; any other reply, and any to another kind of request, stays as it is.
pub(super) fn translate<'a>(tx: &Tx, reply: Reply<'a>) -> Reply<'a> {
    if reply.status < 400 || reply.body.is_some() || tx.head.version != Version::Http2 {
        return reply;
    }
    let kind = tx.fields().get(Name::ContentType).unwrap_or_default();
    if !kind.starts_with(b"application/grpc") {
        return reply;
    }
    Reply {
        body: Some(b""),
        lines: lines(reply.status),
        ..Reply::error(200)
    }
}

fn lines(status: u16) -> &'static [u8] {
    match status {
        400 => b"Content-Type: application/grpc\r\ngrpc-status: 13\r\ngrpc-message: bad request\r\n",
        401 => b"Content-Type: application/grpc\r\ngrpc-status: 16\r\ngrpc-message: unauthenticated\r\n",
        403 => b"Content-Type: application/grpc\r\ngrpc-status: 7\r\ngrpc-message: forbidden\r\n",
        404 | 421 => b"Content-Type: application/grpc\r\ngrpc-status: 12\r\ngrpc-message: not found\r\n",
        413 | 429 => b"Content-Type: application/grpc\r\ngrpc-status: 8\r\ngrpc-message: too much\r\n",
        504 => b"Content-Type: application/grpc\r\ngrpc-status: 4\r\ngrpc-message: upstream timed out\r\n",
        502 | 503 => b"Content-Type: application/grpc\r\ngrpc-status: 14\r\ngrpc-message: upstream unavailable\r\n",
        _ => b"Content-Type: application/grpc\r\ngrpc-status: 2\r\ngrpc-message: failed\r\n",
    }
}
