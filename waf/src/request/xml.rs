//! XML bodies: the text of the document (`XML:/*`) and its attributes' values (`XML://@*`).
//!
//! Nothing outside of the document is ever read: entities other than the five of XML and characters by their numbers
//! stay as they are written. What is not well-formed is an error for `REQBODY_ERROR`; what was read up to there counts.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::body::Body;
use super::{Place, Store};
use crate::limits::Limits;
use crate::variable::Source;

const NOT_WELL_FORMED: &str = "XML: not well-formed";
const TOO_DEEP: &str = "XML: deeper than the limit";
const TOO_MANY: &str = "XML: more attributes than the limit";

impl Store {
    /// Adds the text and the attributes of a document.
    pub(super) fn load_xml(
        &mut self,
        body: &Body<'_>,
        limits: &Limits,
    ) -> Result<(), &'static str> {
        let mut document = Document::default();
        let read = document.read(body.bytes, limits);
        for value in &document.attributes {
            let value = self.keep(value);
            self.push(Source::XmlAttributes, Place::default(), value);
        }
        let text = self.keep(&document.text);
        self.push(Source::XmlText, Place::default(), text);
        // What was read up to the cut counts.
        if body.cut && read == Err(NOT_WELL_FORMED) {
            return Ok(());
        }
        read
    }
}

#[derive(Default)]
struct Document {
    text: Vec<u8>,
    attributes: Vec<Vec<u8>>,
    depth: usize,
    elements: usize,
}

impl Document {
    fn read(&mut self, bytes: &[u8], limits: &Limits) -> Result<(), &'static str> {
        // Bytes that are no UTF-8 do not hide what stands around them.
        let text = String::from_utf8_lossy(bytes);
        let mut reader = Reader::from_str(&text);
        let config = reader.config_mut();
        config.check_end_names = true;
        config.allow_unmatched_ends = false;
        loop {
            match reader.read_event().map_err(|_| NOT_WELL_FORMED)? {
                Event::Start(element) => {
                    self.attributes(&element, limits)?;
                    self.depth += 1;
                    if self.depth > limits.xml_depth_max {
                        return Err(TOO_DEEP);
                    }
                }
                Event::Empty(element) => self.attributes(&element, limits)?,
                Event::End(_) => self.depth = self.depth.saturating_sub(1),
                Event::Text(text) => self.text.extend_from_slice(text.as_bytes()),
                Event::CData(text) => self.text.extend_from_slice(text.as_bytes()),
                Event::GeneralRef(name) => entity(name.as_bytes(), &mut self.text),
                Event::Eof => break,
                Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
            }
        }
        if self.depth == 0 && self.elements > 0 {
            Ok(())
        } else {
            Err(NOT_WELL_FORMED)
        }
    }

    fn attributes(
        &mut self,
        element: &BytesStart<'_>,
        limits: &Limits,
    ) -> Result<(), &'static str> {
        self.elements += 1;
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| NOT_WELL_FORMED)?;
            if self.attributes.len() >= limits.args_max {
                return Err(TOO_MANY);
            }
            self.attributes.push(decoded(attribute.value.as_bytes()));
        }
        Ok(())
    }
}

/// The bytes that an entity stands for; one that is not known stays as it is written.
fn entity(name: &[u8], out: &mut Vec<u8>) {
    let number = match name {
        [b'#', b'x', digits @ ..] => character(digits, 16),
        [b'#', digits @ ..] => character(digits, 10),
        _ => None,
    };
    match (number, name) {
        (Some(c), _) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        (None, b"lt") => out.push(b'<'),
        (None, b"gt") => out.push(b'>'),
        (None, b"amp") => out.push(b'&'),
        (None, b"quot") => out.push(b'"'),
        (None, b"apos") => out.push(b'\''),
        (None, _) => {
            out.push(b'&');
            out.extend_from_slice(name);
            out.push(b';');
        }
    }
}

fn character(digits: &[u8], radix: u32) -> Option<char> {
    let digits = std::str::from_utf8(digits).ok()?;
    char::from_u32(u32::from_str_radix(digits, radix).ok()?)
}

/// An attribute's value with its entities replaced.
fn decoded(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'&', rest) {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        let inside = after.get(1..).unwrap_or_default();
        match memchr::memchr(b';', inside.get(..16).unwrap_or(inside)) {
            Some(end) => {
                entity(inside.get(..end).unwrap_or_default(), &mut out);
                rest = inside.get(end + 1..).unwrap_or_default();
            }
            None => {
                out.push(b'&');
                rest = inside;
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Vec<String>, Result<(), &'static str>) {
        let mut document = Document::default();
        let limits = Limits {
            xml_depth_max: 3,
            args_max: 4,
            ..Limits::default()
        };
        let result = document.read(text.as_bytes(), &limits);
        let string = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let attributes = document.attributes.iter().map(|a| string(a)).collect();
        (string(&document.text), attributes, result)
    }

    #[test]
    fn text_and_attributes_are_read_and_entities_replaced() {
        let text =
            "<?xml version=\"1.0\"?><a x='1&lt;2'><b y=\"&#x27;z\">t&amp;u</b><![CDATA[<c>]]></a>";
        let expected = vec!["1<2".to_owned(), "'z".to_owned()];
        assert_eq!(read(text), ("t&u<c>".to_owned(), expected, Ok(())));
        assert_eq!(read("<a>&xxe;</a>").0, "&xxe;");
    }

    #[test]
    fn what_is_no_document_is_an_error_and_what_was_read_counts() {
        for text in ["", "plain", "<a>", "<a></b>", "<a x=1></a>", "<a"] {
            assert!(read(text).2.is_err(), "{text}");
        }
        assert_eq!(read("<a>evil<b></a>").0, "evil");
    }

    #[test]
    fn depth_and_attributes_have_limits() {
        assert_eq!(read("<a><a><a/></a></a>").2, Ok(()));
        assert_eq!(read("<a><a><a><a></a></a></a></a>").2, Err(TOO_DEEP));
        assert_eq!(read("<a a='1' b='1' c='1' d='1'/>").2, Ok(()));
        assert_eq!(read("<a a='1' b='1' c='1' d='1' e='1'/>").2, Err(TOO_MANY));
    }
}
