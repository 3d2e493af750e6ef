//! Bodies: which processor takes them, and what rules see of them.

use super::json::JsonError;
use super::{Place, Store, TooManyArgs};
use crate::limits::Limits;
use crate::program::Program;
use crate::variable::Source;

/// How a body is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart,
    /// `application/json` and anything `+json`.
    Json,
    /// `application/xml`, `text/xml` and anything `+xml`.
    Xml,
}

const NAMES: [(&str, BodyKind); 4] = [
    ("URLENCODED", BodyKind::Form),
    ("MULTIPART", BodyKind::Multipart),
    ("JSON", BodyKind::Json),
    ("XML", BodyKind::Xml),
];

impl BodyKind {
    /// The processor of a name, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, kind)| *kind)
    }

    /// `URLENCODED`: what `REQBODY_PROCESSOR` says.
    pub(crate) fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }

    /// How a body of this content type is parsed, if it is.
    pub(crate) fn of(content_type: &[u8]) -> Option<Self> {
        let end = memchr::memchr2(b';', b',', content_type).unwrap_or(content_type.len());
        let media = content_type.get(..end).unwrap_or_default().trim_ascii();
        let is = |name: &[u8]| media.eq_ignore_ascii_case(name);
        let ends = |suffix: &[u8]| {
            let at = media.len().checked_sub(suffix.len());
            at.and_then(|at| media.get(at..))
                .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
        };
        if is(b"application/x-www-form-urlencoded") {
            Some(Self::Form)
        } else if is(b"multipart/form-data") {
            Some(Self::Multipart)
        } else if is(b"application/json") || is(b"text/json") || ends(b"+json") {
            Some(Self::Json)
        } else if is(b"application/xml") || is(b"text/xml") || ends(b"+xml") {
            Some(Self::Xml)
        } else {
            None
        }
    }
}

/// A body and what is to be done with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) kind: Option<BodyKind>,
    /// It goes on beyond what was kept.
    pub(crate) cut: bool,
    /// `REQUEST_BODY` is there whatever processor it has.
    pub(crate) forced: bool,
}

/// Why a body could not be parsed.
enum Failure {
    Args,
    Text(&'static str),
}

impl From<TooManyArgs> for Failure {
    fn from(_: TooManyArgs) -> Self {
        Failure::Args
    }
}

impl Store {
    /// Adds what is known only when the body is complete.
    pub(crate) fn load_body(
        &mut self,
        body: &Body<'_>,
        program: &Program,
    ) -> Result<(), TooManyArgs> {
        let limits = &program.limits;
        let loaded = match body.kind {
            Some(BodyKind::Form) => self
                .load_form(Source::ArgsPost, body.bytes, limits)
                .map_err(Failure::from),
            Some(BodyKind::Json) => self.json(body, limits),
            Some(BodyKind::Multipart) => {
                self.load_multipart(body, program)
                    .map_err(|error| match error {
                        super::multipart::MultipartError::TooManyArgs => Failure::Args,
                        super::multipart::MultipartError::Text(text) => Failure::Text(text),
                    })
            }
            Some(BodyKind::Xml) => self.load_xml(body, limits).map_err(Failure::Text),
            None => Ok(()),
        };
        // As in ModSecurity 2, for whose behaviour CRS is written: documents and files are seen by their parts.
        if body.forced || body.kind == Some(BodyKind::Form) {
            self.push_text(Source::Body, body.bytes);
        }
        // `REQBODY_PROCESSOR` stays what the head and its rules made it, also where there is no body.
        let (error, text) = match &loaded {
            Err(Failure::Text(text)) => ("1", *text),
            _ => ("0", ""),
        };
        self.push_text(Source::BodyError, error.as_bytes());
        self.push_text(Source::BodyErrorText, text.as_bytes());
        self.push_text(Source::BodyLength, body.bytes.len().to_string().as_bytes());
        self.push_text(Source::InboundError, if body.cut { b"1" } else { b"0" });
        if body.kind == Some(BodyKind::Form) && program.uses(Source::UrlencodedError) {
            let broken = crate::operator::is_broken_url_encoding(body.bytes);
            self.push_text(Source::UrlencodedError, if broken { b"1" } else { b"0" });
        }
        self.load_args_size();
        match loaded {
            Err(Failure::Args) => Err(TooManyArgs),
            _ => Ok(()),
        }
    }

    fn json(&mut self, body: &Body<'_>, limits: &Limits) -> Result<(), Failure> {
        self.load_json(body.bytes, body.cut, limits)
            .map_err(|error| match error {
                JsonError::TooManyArgs => Failure::Args,
                JsonError::TooDeep => Failure::Text("JSON: deeper than the limit"),
                JsonError::NameTooLong => Failure::Text("JSON: names longer than the limit"),
                JsonError::Syntax => Failure::Text("JSON: not well-formed"),
            })
    }

    /// `REQBODY_PROCESSOR`, which a `ctl` may have changed since the head was read.
    pub(crate) fn load_processor(&mut self, kind: Option<BodyKind>) {
        if let Some(range) = self.sources.get_mut(Source::BodyProcessor as usize) {
            *range = 0..0;
        }
        self.push_text(
            Source::BodyProcessor,
            kind.map_or("", BodyKind::name).as_bytes(),
        );
    }

    /// Adds a response's head.
    pub(crate) fn load_response(&mut self, head: &ResponseLine<'_>, program: &Program) {
        let status = head.status.to_string();
        self.push_text(Source::ResponseStatus, status.as_bytes());
        self.push_text(Source::ResponseProtocol, head.protocol);
        if program.uses(Source::StatusLine) {
            let line = [head.protocol, b" ", status.as_bytes()].concat();
            self.push_text(Source::StatusLine, &line);
        }
        for (name, value) in head.fields {
            let (name, value) = (self.place(name), self.place(value));
            self.push(Source::ResponseHeaders, name, value);
        }
        for (source, name) in [
            (Source::ResponseContentType, &b"content-type"[..]),
            (Source::ResponseContentLength, b"content-length"),
        ] {
            let value = self.first(Source::ResponseHeaders, Some(name));
            let value = value.unwrap_or_default().to_vec();
            self.push_text(source, &value);
        }
    }

    /// Adds a response's body.
    pub(crate) fn load_response_body(&mut self, body: &[u8], cut: bool) {
        self.push_text(Source::ResponseBody, body);
        self.push_text(Source::OutboundError, if cut { b"1" } else { b"0" });
    }

    /// A text of its own at the end of the buffer, for members that are added later.
    pub(super) fn keep(&mut self, text: &[u8]) -> Place {
        self.place(text)
    }
}

/// A response's head as the origin sent it.
#[derive(Clone, Copy, Debug)]
pub struct ResponseLine<'a> {
    /// The status.
    pub status: u16,
    /// `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// The header fields in order.
    pub fields: &'a [(&'a [u8], &'a [u8])],
}

#[cfg(test)]
mod tests {
    use super::BodyKind::{self, Form, Json, Multipart, Xml};

    #[test]
    fn content_types_choose_their_processors() {
        for (text, kind) in [
            (
                "application/x-www-form-urlencoded; charset=utf-8",
                Some(Form),
            ),
            ("Multipart/Form-Data; boundary=x", Some(Multipart)),
            ("application/vnd.api+JSON", Some(Json)),
            ("text/xml", Some(Xml)),
            ("image/svg+xml;q=1", Some(Xml)),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(BodyKind::of(text.as_bytes()), kind, "{text}");
        }
        assert_eq!(BodyKind::named("xml").map(BodyKind::name), Some("XML"));
    }
}
