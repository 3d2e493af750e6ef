//! How strict a head is read.

/// How strict a request head is read. Neither policy accepts what two readers could frame differently.
///
/// | written | `Rfc` | `Nginx` (1.31) |
/// |---|---|---|
/// | line ends with LF only | refused | accepted |
/// | CR CR LF | refused | accepted in field lines |
/// | several spaces around the target, spaces after the version | refused | accepted |
/// | spaces in the target | refused | refused |
/// | non-ASCII bytes in the target | refused | accepted |
/// | `#` in the target | refused | accepted; path and query end there |
/// | `HTTP/1.2` and other minors | refused | read as 1.1 |
/// | `get`, `M!` | a method | refused: capitals, `-` and `_` only |
/// | `*` | for OPTIONS | refused |
/// | `ftp://a/` | refused | accepted |
/// | `[not-an-address]` as host | refused | accepted |
/// | line folding, white space before the colon, NUL | refused | refused |
/// | a name that is not a token, or with `_` | refused; `_` accepted | the line is dropped |
/// | a line without a colon | refused | a field without value |
/// | control bytes in a value | refused | accepted, but for NUL |
/// | more than 4 empty lines before the request | refused | accepted |
///
/// HTTP/0.9, which nginx still answers, is refused by both.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// RFC 9112 where it says MUST, and everything doubtful refused.
    #[default]
    Rfc,
    /// What nginx accepts, for sites that come from an `nginx.conf`.
    Nginx,
}
