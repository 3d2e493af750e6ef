//! ModSecurity's transformations, on bytes.
//!
//! Each one declares the bytes without which it changes nothing, so that a chain of seven costs a benign value one
//! comparison of byte sets. What they do is ModSecurity 3's behaviour, its oddities included where a rule could tell;
//! none fails, and none makes a value more than four times as long.

mod css;
mod digest;
mod encoding;
mod escape;
mod html;
mod js;
mod path;
mod shape;
mod unicode;

use smallvec::SmallVec;

use crate::byteset::ByteSet;

pub(crate) use encoding::url_decode;

/// A transformation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Transform {
    Base64Decode,
    Base64DecodeExt,
    Base64Encode,
    EscapeSeqDecode,
    HexEncode,
    Md5,
    ParityEven,
    ParityOdd,
    ParityZero,
    RemoveComments,
    Sha1,
    SqlHexDecode,
    UrlEncode,
    CmdLine,
    CompressWhitespace,
    CssDecode,
    HexDecode,
    HtmlEntityDecode,
    JsDecode,
    Length,
    Lowercase,
    NormalizePath,
    NormalizePathWin,
    RemoveCommentsChar,
    RemoveNulls,
    RemoveWhitespace,
    ReplaceComments,
    ReplaceNulls,
    Trim,
    TrimLeft,
    TrimRight,
    Uppercase,
    UrlDecode,
    UrlDecodeUni,
    Utf8ToUnicode,
}

const NAMES: &[(&str, Transform)] = &[
    ("base64Decode", Transform::Base64Decode),
    ("base64DecodeExt", Transform::Base64DecodeExt),
    ("base64Encode", Transform::Base64Encode),
    ("cmdLine", Transform::CmdLine),
    ("escapeSeqDecode", Transform::EscapeSeqDecode),
    ("hexEncode", Transform::HexEncode),
    ("md5", Transform::Md5),
    ("parityEven7bit", Transform::ParityEven),
    ("parityOdd7bit", Transform::ParityOdd),
    ("parityZero7bit", Transform::ParityZero),
    ("removeComments", Transform::RemoveComments),
    ("sha1", Transform::Sha1),
    ("sqlHexDecode", Transform::SqlHexDecode),
    ("urlEncode", Transform::UrlEncode),
    ("compressWhitespace", Transform::CompressWhitespace),
    ("cssDecode", Transform::CssDecode),
    ("hexDecode", Transform::HexDecode),
    ("htmlEntityDecode", Transform::HtmlEntityDecode),
    ("jsDecode", Transform::JsDecode),
    ("length", Transform::Length),
    ("lowercase", Transform::Lowercase),
    ("normalisePath", Transform::NormalizePath),
    ("normalisePathWin", Transform::NormalizePathWin),
    ("normalizePath", Transform::NormalizePath),
    ("normalizePathWin", Transform::NormalizePathWin),
    ("removeCommentsChar", Transform::RemoveCommentsChar),
    ("removeNulls", Transform::RemoveNulls),
    ("removeWhitespace", Transform::RemoveWhitespace),
    ("replaceComments", Transform::ReplaceComments),
    ("replaceNulls", Transform::ReplaceNulls),
    ("trim", Transform::Trim),
    ("trimLeft", Transform::TrimLeft),
    ("trimRight", Transform::TrimRight),
    ("uppercase", Transform::Uppercase),
    ("urlDecode", Transform::UrlDecode),
    ("urlDecodeUni", Transform::UrlDecodeUni),
    ("utf8toUnicode", Transform::Utf8ToUnicode),
];

impl Transform {
    /// The transformation of a name, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, t)| *t)
    }

    /// All names.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(n, _)| *n)
    }

    /// A value without any of these bytes stays as it is.
    fn trigger(self) -> ByteSet {
        match self {
            // These change what they are given, whatever it is.
            Self::Base64Decode
            | Self::Base64DecodeExt
            | Self::Base64Encode
            | Self::HexDecode
            | Self::HexEncode
            | Self::Length
            | Self::Md5
            | Self::ParityEven
            | Self::ParityOdd
            | Self::Sha1
            | Self::UrlEncode => ByteSet::ALL,
            Self::ParityZero => ByteSet::range(0x80, 0xff),
            Self::SqlHexDecode => ByteSet::of(b"0"),
            Self::EscapeSeqDecode => ByteSet::of(b"\\"),
            Self::RemoveComments => ByteSet::of(b"/<-#"),
            Self::CmdLine => ByteSet::range(b'A', b'Z').union(ByteSet::of(b"\"'\\^ ,;\t\r\n")),
            Self::CompressWhitespace | Self::Trim | Self::TrimLeft | Self::TrimRight => {
                ByteSet::of(b" \t\n\x0b\x0c\r")
            }
            Self::CssDecode | Self::JsDecode => ByteSet::of(b"\\"),
            Self::HtmlEntityDecode => ByteSet::of(b"&"),
            Self::Lowercase => ByteSet::range(b'A', b'Z'),
            Self::Uppercase => ByteSet::range(b'a', b'z'),
            Self::NormalizePath => ByteSet::of(b"/."),
            Self::NormalizePathWin => ByteSet::of(b"/.\\"),
            Self::RemoveCommentsChar => ByteSet::of(b"/*<-#"),
            Self::RemoveNulls | Self::ReplaceNulls => ByteSet::of(b"\0"),
            Self::RemoveWhitespace => ByteSet::of(b" \t\n\x0b\x0c\r\xa0"),
            Self::ReplaceComments => ByteSet::of(b"/"),
            Self::UrlDecode | Self::UrlDecodeUni => ByteSet::of(b"%+"),
            Self::Utf8ToUnicode => ByteSet::range(0x80, 0xff).union(ByteSet::of(b"\0")),
        }
    }

    /// A set that has every byte of what becomes of a value with these bytes.
    fn reach(self, bytes: ByteSet, trigger: &ByteSet) -> ByteSet {
        if !trigger.meets(&bytes) && !self.changes_empty() {
            return bytes;
        }
        match self {
            Self::UrlDecode | Self::UrlDecodeUni if !bytes.contains(b'%') => bytes.with(b' '),
            Self::Base64Decode
            | Self::Base64DecodeExt
            | Self::Base64Encode
            | Self::EscapeSeqDecode
            | Self::Md5
            | Self::ParityEven
            | Self::ParityOdd
            | Self::ParityZero
            | Self::Sha1
            | Self::SqlHexDecode
            | Self::UrlEncode
            | Self::CssDecode
            | Self::HexDecode
            | Self::HtmlEntityDecode
            | Self::JsDecode
            | Self::UrlDecode
            | Self::UrlDecodeUni
            | Self::Utf8ToUnicode => ByteSet::ALL,
            Self::Length => ByteSet::range(b'0', b'9'),
            Self::HexEncode => ByteSet::range(b'0', b'9').union(ByteSet::range(b'a', b'f')),
            Self::CmdLine => bytes.with_lower_case().with(b' '),
            Self::Lowercase => bytes.with_lower_case(),
            Self::Uppercase => bytes.with_upper_case(),
            Self::CompressWhitespace
            | Self::RemoveComments
            | Self::ReplaceComments
            | Self::ReplaceNulls => bytes.with(b' '),
            Self::NormalizePath | Self::NormalizePathWin => bytes.with(b'/'),
            Self::RemoveCommentsChar
            | Self::RemoveNulls
            | Self::RemoveWhitespace
            | Self::Trim
            | Self::TrimLeft
            | Self::TrimRight => bytes,
        }
    }

    /// Whether an empty value changes (the others need one of their trigger bytes).
    fn changes_empty(self) -> bool {
        matches!(self, Self::Length | Self::Md5 | Self::Sha1)
    }

    /// Writes the transformed value to `out`, which is empty.
    fn run(self, input: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Base64Decode => encoding::base64_decode(input, out),
            Self::Base64DecodeExt => encoding::base64_decode_forgiving(input, out),
            Self::Base64Encode => encoding::base64_encode(input, out),
            Self::EscapeSeqDecode => escape::decode(input, out),
            Self::HexEncode => encoding::hex_encode(input, out),
            Self::Md5 => digest::md5(input, out),
            Self::ParityEven => out.extend(input.iter().map(|b| digest::parity(*b, 0))),
            Self::ParityOdd => out.extend(input.iter().map(|b| digest::parity(*b, 1))),
            Self::ParityZero => out.extend(input.iter().map(|b| b & 0x7f)),
            Self::RemoveComments => shape::remove_comments(input, out),
            Self::Sha1 => digest::sha1(input, out),
            Self::SqlHexDecode => encoding::sql_hex_decode(input, out),
            Self::UrlEncode => encoding::url_encode(input, out),
            Self::CmdLine => shape::cmd_line(input, out),
            Self::CompressWhitespace => shape::compress_whitespace(input, out),
            Self::CssDecode => css::decode(input, out),
            Self::HexDecode => encoding::hex_decode(input, out),
            Self::HtmlEntityDecode => html::decode(input, out),
            Self::JsDecode => js::decode(input, out),
            Self::Length => out.extend_from_slice(input.len().to_string().as_bytes()),
            Self::Lowercase => out.extend(input.iter().map(u8::to_ascii_lowercase)),
            Self::NormalizePath => path::normalize(input, false, out),
            Self::NormalizePathWin => path::normalize(input, true, out),
            Self::RemoveCommentsChar => shape::remove_comments_char(input, out),
            Self::RemoveNulls => out.extend(input.iter().filter(|b| **b != 0)),
            Self::RemoveWhitespace => out.extend(
                input
                    .iter()
                    .filter(|b| !shape::is_space(**b) && **b != shape::NBSP),
            ),
            Self::ReplaceComments => shape::replace_comments(input, out),
            Self::ReplaceNulls => out.extend(input.iter().map(|b| if *b == 0 { b' ' } else { *b })),
            Self::Trim => out.extend_from_slice(shape::trim_left(shape::trim_right(input))),
            Self::TrimLeft => out.extend_from_slice(shape::trim_left(input)),
            Self::TrimRight => out.extend_from_slice(shape::trim_right(input)),
            Self::Uppercase => out.extend(input.iter().map(u8::to_ascii_uppercase)),
            Self::UrlDecode => encoding::url_decode(input, out),
            Self::UrlDecodeUni => encoding::url_decode_uni(input, out),
            Self::Utf8ToUnicode => unicode::utf8_to_unicode(input, out),
        }
    }
}

/// Transformations in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Chain {
    /// Each step with its trigger.
    steps: SmallVec<[(Transform, ByteSet); 4]>,
    trigger: ByteSet,
    changes_empty: bool,
}

/// Two buffers that a chain's steps write to in turn.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    front: Vec<u8>,
    back: Vec<u8>,
}

impl Chain {
    /// A chain of these steps.
    pub(crate) fn new(steps: impl IntoIterator<Item = Transform>) -> Self {
        let steps: SmallVec<[_; 4]> = steps.into_iter().map(|s| (s, s.trigger())).collect();
        // A step can only add triggers of a later one by changing the value, which needs a trigger of its own.
        let trigger = steps
            .iter()
            .fold(ByteSet::default(), |set, (_, t)| set.union(*t));
        let changes_empty = steps.iter().any(|(s, _)| s.changes_empty());
        Self {
            steps,
            trigger,
            changes_empty,
        }
    }

    /// Whether it has no steps.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// A set that has every byte of what the chain makes of a value with these bytes.
    pub(crate) fn reach(&self, bytes: &ByteSet) -> ByteSet {
        self.steps
            .iter()
            .fold(*bytes, |bytes, (step, trigger)| step.reach(bytes, trigger))
    }

    /// The transformed value, or `None` if nothing changes it. `bytes` are the bytes that occur in `value`.
    pub(crate) fn apply<'b>(
        &self,
        value: &[u8],
        bytes: &ByteSet,
        buffers: &'b mut Buffers,
    ) -> Option<&'b [u8]> {
        let may_change = self.trigger.meets(bytes) || (value.is_empty() && self.changes_empty);
        if !may_change {
            return None;
        }
        let mut changed = false;
        let mut bytes = *bytes;
        for (step, trigger) in &self.steps {
            let input = if changed {
                buffers.front.as_slice()
            } else {
                value
            };
            let may_change = trigger.meets(&bytes) || (input.is_empty() && step.changes_empty());
            if !may_change {
                continue;
            }
            buffers.back.clear();
            step.run(input, &mut buffers.back);
            if buffers.back.as_slice() != input {
                std::mem::swap(&mut buffers.front, &mut buffers.back);
                changed = true;
                bytes = ByteSet::of(&buffers.front);
            }
        }
        changed.then_some(buffers.front.as_slice())
    }
}

/// The value of a hexadecimal digit.
fn hex(b: u8) -> Option<u8> {
    (b as char).to_digit(16).map(|d| d as u8)
}

/// The value of two hexadecimal digits.
fn hex_pair(high: u8, low: u8) -> Option<u8> {
    Some(hex(high)? << 4 | hex(low)?)
}

#[cfg(test)]
mod tests;
