//! Content codings and what a client says of them (RFC 9110 §8.4.1, §12.5.3).

use crate::{members, trim};

/// A content coding that can be made or undone.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `zstd` (RFC 8878)
    Zstd,
    /// `br` (RFC 7932)
    Br,
    /// `gzip` (RFC 1952)
    Gzip,
}

/// Members of `Accept-Encoding` that are looked at; what comes after them is not.
pub const MEMBERS_MAX: usize = 32;

impl Coding {
    /// Its name in `Content-Encoding`.
    pub fn as_str(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Br => "br",
            Coding::Gzip => "gzip",
        }
    }

    fn is(self, name: &[u8]) -> bool {
        // `x-gzip` is `gzip` (RFC 9110 §8.4.1.3).
        name.eq_ignore_ascii_case(self.as_str().as_bytes())
            || self == Coding::Gzip && name.eq_ignore_ascii_case(b"x-gzip")
    }
}

/// What a client accepts: weights in thousandths.
#[derive(Clone, Debug, Default)]
pub struct Accepted {
    zstd: Option<u16>,
    br: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

impl Accepted {
    /// Reads the lines of `Accept-Encoding`. A member whose weight is no weight is passed over.
    pub fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Accepted {
        let mut accepted = Accepted::default();
        for member in lines.flat_map(members).take(MEMBERS_MAX) {
            let mut parts = member.split(|b| *b == b';');
            let name = trim(parts.next().unwrap_or_default());
            let Some(weight) = weight(parts) else {
                continue;
            };
            let slot = match name {
                b"*" => &mut accepted.any,
                n if Coding::Zstd.is(n) => &mut accepted.zstd,
                n if Coding::Br.is(n) => &mut accepted.br,
                n if Coding::Gzip.is(n) => &mut accepted.gzip,
                n if n.eq_ignore_ascii_case(b"identity") => &mut accepted.identity,
                _ => continue,
            };
            // Said twice: the first counts, as it stood nearer to what the client wanted.
            slot.get_or_insert(weight);
        }
        accepted
    }

    /// The weight of a coding, 0 to 1000; one that is not named has that of `*`.
    pub fn weight(&self, coding: Coding) -> u16 {
        let named = match coding {
            Coding::Zstd => self.zstd,
            Coding::Br => self.br,
            Coding::Gzip => self.gzip,
        };
        named.or(self.any).unwrap_or(0)
    }

    /// Whether a coding is named with a weight above zero, `*` left out of account (as nginx does).
    pub fn names(&self, coding: Coding) -> bool {
        let named = match coding {
            Coding::Zstd => self.zstd,
            Coding::Br => self.br,
            Coding::Gzip => self.gzip,
        };
        named.is_some_and(|w| w > 0)
    }

    /// The best of `offered`, in the server's order among equals; `None` for the body as it is: where no coding is
    /// accepted, or where the client says that it likes `identity` better.
    pub fn choose(&self, offered: &[Coding]) -> Option<Coding> {
        let mut best: Option<(Coding, u16)> = None;
        for &coding in offered {
            let weight = self.weight(coding);
            if weight > best.map_or(0, |(_, w)| w) {
                best = Some((coding, weight));
            }
        }
        let identity = self.identity.unwrap_or(0);
        best.filter(|(_, w)| *w >= identity).map(|(c, _)| c)
    }
}

/// The weight among a member's parameters, 1000 where none is said; `None` for one that cannot be read.
fn weight<'a>(parameters: impl Iterator<Item = &'a [u8]>) -> Option<u16> {
    for parameter in parameters {
        let parameter = trim(parameter);
        if let [b'q' | b'Q', rest @ ..] = parameter
            && let Some(value) = trim(rest).strip_prefix(b"=")
        {
            return thousandths(trim(value));
        }
    }
    Some(1000)
}

/// `0`, `0.5`, `1.000`: at most three digits behind the point (RFC 9110 §12.4.2).
fn thousandths(text: &[u8]) -> Option<u16> {
    let (whole, rest) = text.split_first()?;
    let fraction = match rest {
        [] => &[][..],
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut value = 0;
    for place in 0..3 {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u16::from(digit - b'0');
    }
    match whole {
        b'0' => Some(value),
        b'1' if value == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Coding; 3] = [Coding::Zstd, Coding::Br, Coding::Gzip];

    fn choose(line: &str) -> Option<Coding> {
        Accepted::read(std::iter::once(line.as_bytes())).choose(&ALL)
    }

    #[test]
    fn the_greatest_weight_wins_and_the_servers_order_among_equals() {
        for (line, chosen) in [
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, br", Some(Coding::Br)),
            ("gzip;q=1.0, br;q=0.9", Some(Coding::Gzip)),
            ("br;q=0.5;x=y, gzip ; q = 0.500", Some(Coding::Br)),
            ("GZIP", Some(Coding::Gzip)),
            ("x-gzip", Some(Coding::Gzip)),
            ("*", Some(Coding::Zstd)),
            ("*;q=0.1, gzip;q=0.2", Some(Coding::Gzip)),
            ("zstd;q=0, *", Some(Coding::Br)),
            ("identity;q=0.9, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.5", Some(Coding::Gzip)),
            ("identity;q=0", None),
            ("gzip;q=0", None),
            ("gzip;q=0.000, br;q=0.001", Some(Coding::Br)),
            ("", None),
            ("deflate", None),
            (",, ,gzip", Some(Coding::Gzip)),
        ] {
            assert_eq!(choose(line), chosen, "{line}");
        }
        assert_eq!(Accepted::read(std::iter::empty()).choose(&ALL), None);
    }

    #[test]
    fn what_is_no_weight_takes_its_member_with_it() {
        for line in [
            "gzip;q=2",
            "gzip;q=1.1",
            "gzip;q=.5",
            "gzip;q=0.1234",
            "gzip;q=x",
            "gzip;q=",
            "gzip;q=-1",
        ] {
            assert_eq!(choose(line), None, "{line}");
        }
    }

    #[test]
    fn lines_are_read_together_up_to_a_bound() {
        let two: [&[u8]; 2] = [b"br;q=0.2", b"gzip;q=0.3"];
        assert_eq!(
            Accepted::read(two.into_iter()).choose(&ALL),
            Some(Coding::Gzip)
        );
        let within = format!("{}br", "x,".repeat(MEMBERS_MAX - 1));
        assert_eq!(choose(&within), Some(Coding::Br));
        let past = format!("{}br", "x,".repeat(MEMBERS_MAX));
        assert_eq!(choose(&past), None);
    }

    #[test]
    fn nginx_hears_only_names() {
        let star = Accepted::read(std::iter::once(&b"*"[..]));
        assert!(!star.names(Coding::Gzip) && star.weight(Coding::Gzip) == 1000);
    }
}
