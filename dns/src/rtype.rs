//! Record types.

use std::fmt;

/// A record type's number (the IANA registry of DNS parameters).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RType(pub u16);

macro_rules! types {
    ($($name:ident $number:literal $text:literal;)*) => {
        #[allow(missing_docs)]
        impl RType {
            $(pub const $name: RType = RType($number);)*
        }

        const MNEMONICS: &[(RType, &str)] = &[$((RType::$name, $text)),*];
    };
}

types! {
    A 1 "A"; NS 2 "NS"; CNAME 5 "CNAME"; SOA 6 "SOA"; PTR 12 "PTR"; HINFO 13 "HINFO"; MX 15 "MX"; TXT 16 "TXT";
    RP 17 "RP"; AFSDB 18 "AFSDB"; SIG 24 "SIG"; KEY 25 "KEY"; AAAA 28 "AAAA"; LOC 29 "LOC"; SRV 33 "SRV";
    NAPTR 35 "NAPTR"; KX 36 "KX"; CERT 37 "CERT"; DNAME 39 "DNAME"; OPT 41 "OPT"; DS 43 "DS"; SSHFP 44 "SSHFP";
    RRSIG 46 "RRSIG"; NSEC 47 "NSEC"; DNSKEY 48 "DNSKEY"; NSEC3 50 "NSEC3"; NSEC3PARAM 51 "NSEC3PARAM";
    TLSA 52 "TLSA"; SMIMEA 53 "SMIMEA"; CDS 59 "CDS"; CDNSKEY 60 "CDNSKEY"; OPENPGPKEY 61 "OPENPGPKEY";
    CSYNC 62 "CSYNC"; ZONEMD 63 "ZONEMD"; SVCB 64 "SVCB"; HTTPS 65 "HTTPS"; SPF 99 "SPF"; EUI48 108 "EUI48";
    EUI64 109 "EUI64"; TKEY 249 "TKEY"; TSIG 250 "TSIG"; IXFR 251 "IXFR"; AXFR 252 "AXFR"; MAILB 253 "MAILB";
    MAILA 254 "MAILA"; ANY 255 "ANY"; URI 256 "URI"; CAA 257 "CAA";
}

impl RType {
    /// Reads a mnemonic or `TYPEnnn` (RFC 3597 §5), in any case.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((rtype, _)) = MNEMONICS.iter().find(|(_, m)| m.eq_ignore_ascii_case(text)) {
            return Some(*rtype);
        }
        let (prefix, digits) = text.split_at_checked(4)?;
        let number =
            prefix.eq_ignore_ascii_case("TYPE") && digits.bytes().all(|b| b.is_ascii_digit());
        number.then(|| digits.parse().ok().map(RType)).flatten()
    }

    /// Whether it is a question or a message's own record and can be in no zone (RFC 6895 §3.1).
    pub fn is_meta(self) -> bool {
        matches!(self.0, 0 | 41 | 128..=255)
    }
}

impl fmt::Display for RType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match MNEMONICS.iter().find(|(t, _)| t == self) {
            Some((_, mnemonic)) => f.write_str(mnemonic),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mnemonics_and_numbers_are_read_in_any_case() {
        assert_eq!(RType::parse("aaaa"), Some(RType::AAAA));
        assert_eq!(RType::parse("type65280"), Some(RType(65280)));
        assert_eq!(RType::parse("TYPE1"), Some(RType::A));
        for text in ["TYPE", "TYPE65536", "TYPE-1", "BOGUS", "", "TYPE+1"] {
            assert_eq!(RType::parse(text), None, "{text}");
        }
        assert_eq!(RType(65280).to_string(), "TYPE65280");
    }
}
