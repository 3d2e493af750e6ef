//! The response as a client gets it: what concerned the origin's connection goes, the rest stays in order and case.

use seawall_http::{Fields, Name, encode};

/// What is not passed on: the hop's own, and what speaks to a proxy.
const DROPPED: u128 = super::ONE_HOP
    | super::mask(&[
        Name::XAccelExpires,
        Name::XAccelRedirect,
        Name::XAccelBuffering,
        Name::XAccelLimitRate,
        Name::XAccelCharset,
    ]);

/// Appends the lines that are passed on. nginx speaks for itself in `Server` and `Date`; our own profile passes them.
pub fn pass_lines(fields: Fields<'_>, nginx: bool, out: &mut Vec<u8>) {
    let dropped = if nginx {
        DROPPED | super::mask(&[Name::Server, Name::Date])
    } else {
        DROPPED
    };
    let listed = fields.has(Name::Connection);
    for (id, name, value) in fields.iter() {
        if dropped & id.bit() != 0 {
            continue;
        }
        if listed
            && fields
                .list(Name::Connection)
                .any(|option| option.eq_ignore_ascii_case(name))
        {
            continue;
        }
        encode::field(out, name, value);
    }
}

/// Appends what a 101 says of the switch; [`pass_lines`] leaves it out of all else.
pub fn push_upgrade(fields: Fields<'_>, out: &mut Vec<u8>) {
    encode::field(out, b"Connection", b"upgrade");
    for value in fields.all(Name::Upgrade) {
        encode::field(out, b"Upgrade", value);
    }
}

/// Appends the names of the trailers that are to come, for a client that takes them.
pub fn push_trailer_names(fields: Fields<'_>, out: &mut Vec<u8>) {
    for value in fields.all(Name::Trailer) {
        encode::field(out, b"Trailer", value);
    }
}
