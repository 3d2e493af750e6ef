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
    A 1 "A"; NS 2 "NS"; MD 3 "MD"; MF 4 "MF"; CNAME 5 "CNAME"; SOA 6 "SOA"; MB 7 "MB"; MG 8 "MG"; MR 9 "MR";
    NULL 10 "NULL"; WKS 11 "WKS"; PTR 12 "PTR"; HINFO 13 "HINFO"; MINFO 14 "MINFO"; MX 15 "MX"; TXT 16 "TXT";
    RP 17 "RP"; AFSDB 18 "AFSDB"; X25 19 "X25"; ISDN 20 "ISDN"; RT 21 "RT"; NSAP 22 "NSAP"; NSAP_PTR 23 "NSAP-PTR";
    SIG 24 "SIG"; KEY 25 "KEY"; PX 26 "PX"; GPOS 27 "GPOS"; AAAA 28 "AAAA"; LOC 29 "LOC"; NXT 30 "NXT"; EID 31 "EID";
    NIMLOC 32 "NIMLOC"; SRV 33 "SRV"; ATMA 34 "ATMA"; NAPTR 35 "NAPTR"; KX 36 "KX"; CERT 37 "CERT"; A6 38 "A6";
    DNAME 39 "DNAME"; SINK 40 "SINK"; OPT 41 "OPT"; APL 42 "APL"; DS 43 "DS"; SSHFP 44 "SSHFP";
    IPSECKEY 45 "IPSECKEY"; RRSIG 46 "RRSIG"; NSEC 47 "NSEC"; DNSKEY 48 "DNSKEY"; DHCID 49 "DHCID"; NSEC3 50 "NSEC3";
    NSEC3PARAM 51 "NSEC3PARAM"; TLSA 52 "TLSA"; SMIMEA 53 "SMIMEA"; HIP 55 "HIP"; NINFO 56 "NINFO"; RKEY 57 "RKEY";
    TALINK 58 "TALINK"; CDS 59 "CDS"; CDNSKEY 60 "CDNSKEY"; OPENPGPKEY 61 "OPENPGPKEY"; CSYNC 62 "CSYNC";
    ZONEMD 63 "ZONEMD"; SVCB 64 "SVCB"; HTTPS 65 "HTTPS"; DSYNC 66 "DSYNC"; HHIT 67 "HHIT"; BRID 68 "BRID";
    SPF 99 "SPF"; NID 104 "NID"; L32 105 "L32"; L64 106 "L64"; LP 107 "LP"; EUI48 108 "EUI48"; EUI64 109 "EUI64";
    NXNAME 128 "NXNAME"; TKEY 249 "TKEY"; TSIG 250 "TSIG"; IXFR 251 "IXFR"; AXFR 252 "AXFR"; MAILB 253 "MAILB";
    MAILA 254 "MAILA"; ANY 255 "ANY"; URI 256 "URI"; CAA 257 "CAA"; AVC 258 "AVC"; DOA 259 "DOA";
    AMTRELAY 260 "AMTRELAY"; RESINFO 261 "RESINFO"; WALLET 262 "WALLET"; CLA 263 "CLA"; IPN 264 "IPN"; TA 32768 "TA";
    DLV 32769 "DLV";
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
