//! HTTP/1 sans-io: heads, URIs, dates, structured fields, framing.
