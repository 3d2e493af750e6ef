//! Why a head is refused: one reason for each rule, so that a log line and a counter can say which.

use thiserror::Error;

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $id:ident = $status:literal $text:literal,)*) => {
        /// Why a request head is refused. The connection is closed after the answer: where the next request starts is no longer known.
        #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Error)]
        #[non_exhaustive]
        pub enum Refusal {
            $(
                $(#[doc = $doc])+
                #[error($text)]
                $id,
            )*
        }

        impl Refusal {
            /// Every reason, in the order of declaration: `reason as usize` is its index.
            pub const ALL: &[Refusal] = &[$(Refusal::$id,)*];

            /// The status to answer with: 400, 414, 431, 501 or 505.
            pub fn status(self) -> u16 {
                match self {
                    $(Refusal::$id => $status,)*
                }
            }

            /// The reason in kebab-case, for a log line and a counter's label.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Refusal::$id => $text,)*
                }
            }
        }
    };
}

refusals! {
    /// More than [`limits::EMPTY_LINES`](crate::limits::EMPTY_LINES) empty lines before the request line (RFC 9112 §2.2).
    EmptyLines = 400 "empty-lines",
    /// The method is empty, no token, or not followed by a space.
    BadMethod = 400 "bad-method",
    /// The target is longer than [`HeadLimits::target_bytes`](crate::HeadLimits::target_bytes).
    TargetTooLong = 414 "target-too-long",
    /// A space in the target: more than two spaces in the request line (RFC 9112 §3.2).
    SpaceInTarget = 400 "space-in-target",
    /// A control or non-ASCII byte in the target.
    TargetByte = 400 "target-byte",
    /// A fragment, which clients never send (RFC 9112 §3.2).
    FragmentInTarget = 400 "fragment-in-target",
    /// None of the four forms, or one that the method does not allow (RFC 9112 §3.2).
    BadTarget = 400 "bad-target",
    /// An absolute-form target whose scheme is neither `http` nor `https`.
    BadScheme = 400 "bad-scheme",
    /// User information in the target's authority (RFC 9110 §4.2.4).
    UserinfoInTarget = 400 "userinfo-in-target",
    /// The target's authority is no host with an optional port.
    BadAuthority = 400 "bad-authority",
    /// The request line does not end with a version that we know.
    BadVersion = 400 "bad-version",
    /// A major version other than 1.
    VersionUnsupported = 505 "version-unsupported",
    /// CR without LF (RFC 9112 §2.2).
    BareCr = 400 "bare-cr",
    /// LF without CR.
    BareLf = 400 "bare-lf",
    /// A NUL byte.
    Nul = 400 "nul",
    /// Another control byte in the request line or in a value.
    ControlByte = 400 "control-byte",
    /// A line that begins with white space: obsolete line folding (RFC 9112 §5.2).
    ObsFold = 400 "obs-fold",
    /// White space between a field's name and its colon (RFC 9112 §5.1).
    SpaceBeforeColon = 400 "space-before-colon",
    /// A field without a name.
    EmptyName = 400 "empty-name",
    /// A field name that is no token.
    BadName = 400 "bad-name",
    /// A field line without a colon.
    NoColon = 400 "no-colon",
    /// The head is longer than [`HeadLimits::head_bytes`](crate::HeadLimits::head_bytes).
    HeadTooLarge = 431 "head-too-large",
    /// More lines than [`HeadLimits::fields`](crate::HeadLimits::fields).
    TooManyFields = 431 "too-many-fields",
    /// HTTP/1.1 without `Host` (RFC 9112 §3.2).
    HostMissing = 400 "host-missing",
    /// More than one `Host`.
    HostRepeated = 400 "host-repeated",
    /// A `Host` that is no host with an optional port.
    HostInvalid = 400 "host-invalid",
    /// `Host` and HTTP/2's `:authority` name different hosts (RFC 9113 §8.3.1).
    HostMismatch = 400 "host-mismatch",
    /// More than one `Content-Length`, even of the same value.
    LengthRepeated = 400 "length-repeated",
    /// A `Content-Length` that is not digits alone or is past [`limits::LENGTH`](crate::limits::LENGTH).
    LengthInvalid = 400 "length-invalid",
    /// `Content-Length` together with `Transfer-Encoding` (RFC 9112 §6.3): the classic of request smuggling.
    LengthWithCoding = 400 "length-with-coding",
    /// More than one `Transfer-Encoding` line.
    CodingRepeated = 400 "coding-repeated",
    /// A `Transfer-Encoding` other than exactly `chunked`.
    CodingUnknown = 501 "coding-unknown",
    /// `Transfer-Encoding` in HTTP/1.0 (RFC 9112 §6.1).
    CodingInHttp10 = 400 "coding-in-http10",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_distinct_kebab_case_labels_with_a_client_or_server_status() {
        for (index, reason) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            assert!(matches!(reason.status(), 400 | 414 | 431 | 501 | 505));
            let label = reason.as_str();
            assert!(
                label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit())
            );
            assert_eq!(reason.to_string(), label);
            assert_eq!(
                Refusal::ALL
                    .iter()
                    .filter(|other| other.as_str() == label)
                    .count(),
                1
            );
        }
    }
}
