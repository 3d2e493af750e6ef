//! Heads for tests.

use seawall_http::{Field, Fields, Name, Range32};

/// A list of fields with the buffer they lie in.
pub(crate) struct Head {
    buf: Vec<u8>,
    fields: Vec<Field>,
}

impl Head {
    pub fn new(lines: &[(&str, &str)]) -> Head {
        let mut head = Head {
            buf: Vec::new(),
            fields: Vec::new(),
        };
        for (name, value) in lines {
            let at = head.buf.len();
            head.buf
                .extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            let colon = at + name.len();
            head.fields.push(Field {
                id: Name::lookup(name.as_bytes()),
                name: Range32::new(at, colon),
                value: Range32::new(colon + 2, colon + 2 + value.len()),
            });
        }
        head
    }

    pub fn fields(&self) -> Fields<'_> {
        let present = self
            .fields
            .iter()
            .fold(0, |set, field| set | field.id.bit());
        Fields {
            fields: &self.fields,
            buf: &self.buf,
            present,
        }
    }
}
