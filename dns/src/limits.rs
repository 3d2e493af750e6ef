//! Every limit of this crate, in one place.

/// Bytes of a name in wire form (RFC 1035 §2.3.4).
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of a label (RFC 1035 §2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;
/// Labels of a name, the root not counted: what fits into [`NAME_BYTES_MAX`].
pub const LABELS_MAX: usize = 127;
/// Bytes of a UDP answer without EDNS (RFC 1035 §4.2.1).
pub const UDP_PLAIN_BYTES: usize = 512;
/// Bytes of a UDP answer we send and advertise: what passes every network unfragmented (DNS flag day 2020).
pub const UDP_EDNS_BYTES: usize = 1232;
/// Bytes of a message over TCP (RFC 1035 §4.2.2).
pub const TCP_BYTES: usize = 65_535;
/// Room for an answer over HTTPS before it is made again with [`TCP_BYTES`].
pub const HTTPS_ROOM_BYTES: usize = 4096;
/// Answers that are padded are a multiple of so many bytes long (RFC 8467 §4.1).
pub const PADDED_BLOCK_BYTES: usize = 468;
/// Records of a zone that the API lists at most.
pub const API_RECORDS_MAX: usize = 10_000;
/// Aliases (CNAME and DNAME) followed in one answer; the rest is the resolver's.
pub const ALIASES_MAX: usize = 16;
/// Records in one answer that deny: up to four for what is asked, one for each wildcard among its aliases.
pub const PROOFS_MAX: usize = ALIASES_MAX + 8;
/// Iterations of NSEC3 in a zone that others signed; with more it is not served, as every denial would cost them
/// (RFC 9276 §3.2).
pub const NSEC3_ITERATIONS_MAX: u16 = 500;
/// Names remembered while a message is compressed; further ones are written out.
pub const COMPRESSION_NAMES_MAX: usize = 96;
/// Targets of a dynamic record.
pub const DYNAMIC_TARGETS_MAX: usize = 64;
/// Targets of a dynamic record that answers several at once: each choice of them is encoded ahead.
pub const DYNAMIC_MULTI_MAX: usize = 8;
/// Bytes of an answer that is rendered when zones are loaded; longer ones are written when asked for.
pub const RENDERED_BYTES_MAX: usize = 4096;
/// Files that include one another, counted from the zone's own.
pub const INCLUDE_DEPTH_MAX: usize = 8;
/// Findings of one zone after which its parser gives up.
pub const FINDINGS_MAX: usize = 200;
/// Datagrams taken from the kernel at once.
pub const UDP_BATCH: usize = 64;
/// How long a UDP thread sleeps at most before it looks whether it is to stop.
pub const UDP_WAKE: std::time::Duration = std::time::Duration::from_millis(250);

/// Versions of a zone that IXFR can start from.
pub const HISTORY_VERSIONS_MAX: usize = 256;
/// Changed records kept for IXFR where the zone has fewer records itself; otherwise as many as it has.
pub const HISTORY_RECORDS_MIN: usize = 1000;
/// Bytes of a zone's journal; changes beyond are refused.
pub const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a message of a transfer, unless one record needs more.
pub const TRANSFER_MESSAGE_BYTES: usize = 16 << 10;
/// Transfers sent at once; more wait their turn.
pub const TRANSFERS_MAX: usize = 16;
/// Bytes of a zone that is copied from another server.
pub const TRANSFER_BYTES_MAX: u64 = 512 << 20;
/// How long a primary may take to connect or for its next message.
pub const TRANSFER_READ: std::time::Duration = std::time::Duration::from_secs(30);
/// How long a whole transfer may take.
pub const TRANSFER_WHOLE: std::time::Duration = std::time::Duration::from_secs(1800);
/// Times a server is told of a change until it answers (RFC 1996 §3.6), each wait twice the one before.
pub const NOTIFY_TRIES: u16 = 5;
/// Updates over UDP that are made at once; others are answered SERVFAIL.
pub const UDP_UPDATES_MAX: usize = 4;
/// Addresses that an ALIAS has at most; more of its target's are left out.
pub const ALIAS_ADDRESSES_MAX: usize = 16;
/// Queries that wait to be written into the log; more are lost.
pub const QUERY_LOG_QUEUE: usize = 1024;
/// Bytes of a PROXY header: 107 of version 1, a few hundred of version 2 with all its values.
pub const PROXY_HEADER_BYTES_MAX: usize = 4096;
/// Seconds a certificate authority's token may be kept by a resolver.
pub const CHALLENGE_TTL_S: u32 = 1;

/// Bytes of queries that a QUIC connection may have under way.
pub const QUIC_RECEIVE_BYTES: usize = 32 << 10;
/// Bytes of answers that a QUIC connection holds until its client has them.
pub const QUIC_SEND_BYTES: usize = 96 << 10;
/// Bytes kept of what a QUIC client sends before its connection is taken, and of what all send.
pub const QUIC_INCOMING_BYTES: u64 = 16 << 10;
/// See [`QUIC_INCOMING_BYTES`].
pub const QUIC_INCOMING_BYTES_TOTAL: u64 = 1 << 20;

/// Limits of the TCP server. The defaults are for the open internet.
#[derive(Clone, Copy, Debug)]
pub struct TcpLimits {
    /// Connections in all (default 1024); one more is closed at once.
    pub connections: usize,
    /// Connections of one client address (default 64); one more is closed at once.
    pub per_client: usize,
    /// Queries on one connection (default 1024), after which it is closed.
    pub queries: usize,
    /// Bytes of one query (default 4096); a longer one closes the connection.
    pub query_bytes: usize,
    /// The longest a client may take for a whole query, or to take its answers (default 10 s, RFC 7766 §6.2.3).
    pub idle: std::time::Duration,
    /// Bytes of answers that are gathered before they are written (default 16 KiB).
    pub batch_bytes: usize,
}

impl Default for TcpLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            per_client: 64,
            queries: 1024,
            query_bytes: 4096,
            idle: std::time::Duration::from_secs(10),
            batch_bytes: 16 << 10,
        }
    }
}

/// Limits of the QUIC server. The defaults are for the open internet.
#[derive(Clone, Copy, Debug)]
pub struct QuicLimits {
    /// Connections in all (default 1024); one more is refused.
    pub connections: usize,
    /// Connections of one client address (default 64); one more is refused. From half of them on a client has to show
    /// that the address is its own.
    pub per_client: usize,
    /// Handshakes under way (default 128) from which on every new client has to show that its address is its own.
    pub handshakes: usize,
    /// Queries of one connection that are under way at once (default 100).
    pub streams: usize,
    /// Queries on one connection (default 1024), after which it is closed.
    pub queries: usize,
    /// Bytes of one query (default 4096); the stream of a longer one is reset.
    pub query_bytes: usize,
    /// The longest for a handshake, for a whole query, for taking an answer, and without any of them (default 10 s).
    pub idle: std::time::Duration,
}

impl Default for QuicLimits {
    fn default() -> Self {
        let tcp = TcpLimits::default();
        Self {
            connections: tcp.connections,
            per_client: tcp.per_client,
            handshakes: 128,
            streams: 100,
            queries: tcp.queries,
            query_bytes: tcp.query_bytes,
            idle: tcp.idle,
        }
    }
}
