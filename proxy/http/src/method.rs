//! Request methods (RFC 9110 §9) as one byte; what we do not know keeps its text in the head.

/// A request method. Methods are case-sensitive: `get` is [`Method::Other`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// `PATCH` (RFC 5789)
    Patch,
    /// `CONNECT`
    Connect,
    /// `TRACE`
    Trace,
    /// `PURGE`, which caches have made a convention
    Purge,
    /// Any other token; its text is `RequestHead::method_text`.
    Other,
}

impl Method {
    /// The method written as `text`, exactly.
    pub fn lookup(text: &[u8]) -> Method {
        match text {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"OPTIONS" => Method::Options,
            b"PATCH" => Method::Patch,
            b"CONNECT" => Method::Connect,
            b"TRACE" => Method::Trace,
            b"PURGE" => Method::Purge,
            _ => Method::Other,
        }
    }

    /// The text of a known method; empty for [`Method::Other`].
    pub fn as_bytes(self) -> &'static [u8] {
        match self {
            Method::Get => b"GET",
            Method::Head => b"HEAD",
            Method::Post => b"POST",
            Method::Put => b"PUT",
            Method::Delete => b"DELETE",
            Method::Options => b"OPTIONS",
            Method::Patch => b"PATCH",
            Method::Connect => b"CONNECT",
            Method::Trace => b"TRACE",
            Method::Purge => b"PURGE",
            Method::Other => b"",
        }
    }

    /// Whether the client asks for no change (RFC 9110 §9.2.1).
    pub fn is_safe(self) -> bool {
        matches!(
            self,
            Method::Get | Method::Head | Method::Options | Method::Trace
        )
    }

    /// Whether sending it twice means the same as once (RFC 9110 §9.2.2), so that it may be retried.
    pub fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Method::Put | Method::Delete | Method::Purge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_methods_read_back_and_unknown_or_lower_case_ones_are_other() {
        for name in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "PURGE",
        ] {
            assert_eq!(Method::lookup(name.as_bytes()).as_bytes(), name.as_bytes());
        }
        assert_eq!(Method::lookup(b"get"), Method::Other);
        assert_eq!(Method::lookup(b"PROPFIND"), Method::Other);
        assert_eq!(Method::Other.as_bytes(), b"");
    }

    #[test]
    fn only_repeatable_methods_are_idempotent() {
        assert!(Method::Get.is_safe() && Method::Get.is_idempotent());
        assert!(!Method::Put.is_safe() && Method::Put.is_idempotent());
        assert!(!Method::Post.is_idempotent() && !Method::Patch.is_idempotent());
        assert!(!Method::Other.is_idempotent() && !Method::Connect.is_idempotent());
    }
}
