//! The head of a stored answer, serialised once and sent as it is.

use crate::policy::Profile;
use bytes::Bytes;
use seawall_http::{Field, Fields, Name, Range32, date};

/// Status line and field lines, with ranges over them; no final empty line.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    status: u16,
    bytes: Bytes,
    fields: Box<[Field]>,
    present: u128,
}

impl Head {
    pub fn status(&self) -> u16 {
        self.status
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn fields(&self) -> Fields<'_> {
        Fields {
            fields: &self.fields,
            buf: &self.bytes,
            present: self.present,
        }
    }

    /// Bytes that it takes.
    pub fn weight(&self) -> u64 {
        (self.bytes.len() + self.fields.len() * size_of::<Field>()) as u64
    }

    /// A head that was serialised here before; `None` if these bytes are none.
    pub fn of_bytes(status: u16, bytes: &[u8]) -> Option<Head> {
        let first = bytes.iter().position(|&byte| byte == b'\n')? + 1;
        let mut fields = Vec::new();
        let mut present = 0;
        let mut at = first;
        while let Some(line) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let end = line.iter().position(|&byte| byte == b'\r')?;
            let colon = line.iter().position(|&byte| byte == b':')?;
            let name = line.get(..colon)?;
            line.get(colon..end)?.strip_prefix(b": ")?;
            line.get(end..)?.strip_prefix(b"\r\n")?;
            let id = Name::lookup(name);
            present |= id.bit();
            fields.push(Field {
                id,
                name: Range32::new(at, at + colon),
                value: Range32::new(at + colon + 2, at + end),
            });
            at += end + 2;
        }
        Some(Head {
            status,
            bytes: Bytes::copy_from_slice(bytes),
            fields: fields.into(),
            present,
        })
    }

    /// What is kept of a response (RFC 9111 §3.1): all but what belongs to the connection, Age and Cache-Status, which are made anew
    /// for each answer, and the fields that the origin withheld. A missing Date is the time it came (RFC 9110 §6.6.1).
    pub fn of_response(
        status: u16,
        fields: &Fields<'_>,
        withheld: &[Box<[u8]>],
        profile: Profile,
        now_ms: u64,
    ) -> Head {
        let mut head = Writer::new(status, fields.buf.len());
        let dropped = dropped(profile);
        for (id, name, value) in fields.iter() {
            if id.bit() & dropped == 0 && !is_named(name, withheld) && !is_nominated(fields, name) {
                head.field(id, name, value);
            }
        }
        if !fields.has(Name::Date) {
            head.date(now_ms);
        }
        head.finish()
    }

    /// The head with the fields of a 304 in place of its own (RFC 9111 §3.2). What describes the stored body stays, but not its Date:
    /// where the 304 has none it is the time that came, or the answer would look as old as before.
    pub fn merged(&self, update: &Fields<'_>, profile: Profile, now_ms: u64) -> Head {
        let kept = dropped(profile)
            | Name::ContentLength.bit()
            | Name::ContentEncoding.bit()
            | Name::ContentType.bit()
            | Name::ContentRange.bit();
        let updates = |id: Name, name: &[u8]| id.bit() & kept == 0 && !is_nominated(update, name);
        let mut head = Writer::new(self.status, self.bytes.len() + update.buf.len());
        for (id, name, value) in self.fields().iter() {
            let replaced = id == Name::Date || updates(id, name) && update.find(name).is_some();
            if !replaced {
                head.field(id, name, value);
            }
        }
        for (id, name, value) in update.iter() {
            if updates(id, name) {
                head.field(id, name, value);
            }
        }
        if !update.has(Name::Date) {
            head.date(now_ms);
        }
        head.finish()
    }

    /// The head with the length of a body that came without one.
    pub fn with_content_length(&self, length: u64) -> Head {
        let mut head = Writer::new(self.status, self.bytes.len() + 40);
        for (id, name, value) in self.fields().iter() {
            if id != Name::ContentLength {
                head.field(id, name, value);
            }
        }
        head.field(
            Name::ContentLength,
            Name::ContentLength.as_bytes(),
            length.to_string().as_bytes(),
        );
        head.finish()
    }
}

/// Known names that are not kept.
fn dropped(profile: Profile) -> u128 {
    let hop_by_hop = Name::Connection.bit()
        | Name::KeepAlive.bit()
        | Name::ProxyConnection.bit()
        | Name::Te.bit()
        | Name::Trailer.bit()
        | Name::TransferEncoding.bit()
        | Name::Upgrade.bit()
        | Name::ProxyAuthenticate.bit();
    let made_anew = Name::Age.bit() | Name::CacheStatus.bit();
    let for_nginx = match profile {
        // Tags are between the origin and us.
        Profile::Rfc9111 => Name::SurrogateKey.bit() | Name::CacheTag.bit() | Name::CdnTag.bit(),
        Profile::Nginx => {
            Name::XAccelExpires.bit()
                | Name::XAccelRedirect.bit()
                | Name::XAccelBuffering.bit()
                | Name::XAccelCharset.bit()
                | Name::XAccelLimitRate.bit()
        }
    };
    hop_by_hop | made_anew | for_nginx
}

fn is_named(name: &[u8], names: &[Box<[u8]>]) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// Whether Connection names it (RFC 9110 §7.6.1).
fn is_nominated(fields: &Fields<'_>, name: &[u8]) -> bool {
    fields.has(Name::Connection)
        && fields
            .list(Name::Connection)
            .any(|option| option.eq_ignore_ascii_case(name))
}

/// Serialises a head and notes where its fields are.
struct Writer {
    status: u16,
    bytes: Vec<u8>,
    fields: Vec<Field>,
}

impl Writer {
    fn new(status: u16, capacity: usize) -> Writer {
        let mut bytes = Vec::with_capacity(capacity + 64);
        seawall_http::encode::status_line(&mut bytes, status);
        Writer {
            status,
            bytes,
            fields: Vec::new(),
        }
    }

    fn field(&mut self, id: Name, name: &[u8], value: &[u8]) {
        let name_at = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let name_range = Range32::new(name_at, self.bytes.len());
        self.bytes.extend_from_slice(b": ");
        let value_at = self.bytes.len();
        self.bytes.extend_from_slice(value);
        let value_range = Range32::new(value_at, self.bytes.len());
        self.bytes.extend_from_slice(b"\r\n");
        self.fields.push(Field {
            id,
            name: name_range,
            value: value_range,
        });
    }

    fn date(&mut self, now_ms: u64) {
        let value = date::format(now_ms / 1000);
        self.field(Name::Date, Name::Date.as_bytes(), &value);
    }

    fn finish(self) -> Head {
        // Exactly as long as it is: the budget counts what is used.
        let bytes = Bytes::from(self.bytes.into_boxed_slice());
        let present = self
            .fields
            .iter()
            .fold(0, |set, field| set | field.id.bit());
        Head {
            status: self.status,
            bytes,
            fields: self.fields.into(),
            present,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn text(head: &Head) -> &str {
        std::str::from_utf8(head.bytes()).unwrap()
    }

    #[test]
    fn what_belongs_to_the_connection_is_not_kept() {
        let response = testing::Head::new(&[
            ("Date", "Mon, 23 Nov 2026 18:00:00 GMT"),
            ("Connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("Keep-Alive", "5"),
            ("Age", "7"),
            ("Cache-Status", "other; hit"),
            ("X-Kept", "a"),
            ("X-Secret", "b"),
        ]);
        let head = Head::of_response(
            200,
            &response.fields(),
            &[b"x-secret".as_slice().into()],
            Profile::Rfc9111,
            0,
        );
        assert_eq!(
            text(&head),
            "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 18:00:00 GMT\r\nX-Kept: a\r\n"
        );
        assert_eq!(head.fields().find(b"X-Kept"), Some(b"a".as_slice()));
    }

    #[test]
    fn a_missing_date_is_the_time_it_came() {
        let head = Head::of_response(404, &Fields::EMPTY, &[], Profile::Rfc9111, 784_111_777_900);
        assert_eq!(
            text(&head),
            "HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        );
    }

    #[test]
    fn a_304_replaces_fields_but_not_what_describes_the_body() {
        let stored = testing::Head::new(&[
            ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("Content-Type", "text/css"),
            ("Content-Length", "5"),
            ("X-A", "1"),
            ("X-A", "2"),
            ("X-B", "3"),
        ]);
        let update = testing::Head::new(&[
            ("Date", "Sun, 06 Nov 1994 08:49:38 GMT"),
            ("Content-Type", "text/html"),
            ("Content-Length", "0"),
            ("x-a", "4"),
            ("Connection", "close"),
        ]);
        let head = Head::of_response(200, &stored.fields(), &[], Profile::Rfc9111, 0);
        assert_eq!(
            text(&head.merged(&update.fields(), Profile::Rfc9111, 0)),
            "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: 5\r\nX-B: 3\r\nDate: Sun, 06 Nov 1994 08:49:38 GMT\r\nx-a: 4\r\n"
        );
    }

    #[test]
    fn a_head_read_back_is_the_same() {
        let response = testing::Head::new(&[
            ("Date", "x"),
            ("ETag", "\"a: b\""),
            ("X-Empty", ""),
            ("X-Own", "1"),
        ]);
        let head = Head::of_response(200, &response.fields(), &[], Profile::Rfc9111, 0);
        let again = Head::of_bytes(200, head.bytes()).unwrap();
        assert_eq!(again.bytes(), head.bytes());
        assert_eq!(again.present, head.present);
        let lines = |head: &Head| -> Vec<(Name, Vec<u8>, Vec<u8>)> {
            let own = |(id, name, value): (Name, &[u8], &[u8])| (id, name.to_vec(), value.to_vec());
            head.fields().iter().map(own).collect()
        };
        assert_eq!(lines(&again), lines(&head));
        for broken in [
            "",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK\r\nA",
            "x\nA:b\r\n",
            "x\nA: b",
        ] {
            assert!(Head::of_bytes(200, broken.as_bytes()).is_none(), "{broken}");
        }
    }

    #[test]
    fn a_length_learnt_late_is_added() {
        let head = Head::of_response(
            200,
            &testing::Head::new(&[("Date", "x")]).fields(),
            &[],
            Profile::Rfc9111,
            0,
        );
        assert_eq!(
            text(&head.with_content_length(12)),
            "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 12\r\n"
        );
    }
}
