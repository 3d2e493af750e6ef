//! The members of a catalog zone (RFC 9432).

use crate::{Name, RType, Zone};
use std::collections::BTreeMap;

/// The zones that a catalog lists. `None` where it is no catalog of version 2: then nothing is changed.
pub(super) fn members(catalog: &Zone) -> Option<Vec<Name>> {
    let origin = catalog.origin();
    let below = |label: &str| Name::parse(label, Some(origin)).ok();
    let version = catalog.owner(&below("version")?)?.set(RType::TXT)?;
    if version.data.len() != 1 || version.data.first().map(|d| &**d) != Some(b"\x012") {
        return None;
    }
    let zones = below("zones")?;
    let mut found: BTreeMap<Box<[u8]>, (Name, usize)> = BTreeMap::new();
    for (owner, set, data) in catalog.each() {
        let is_member = set.rtype == RType::PTR
            && set.data.len() == 1
            && owner.labels() == zones.labels() + 1
            && owner.is_within(&zones);
        if let Some(member) = Name::from_wire(data).filter(|_| is_member) {
            let entry = found
                .entry(member.lower().wire().into())
                .or_insert((member, 0));
            entry.1 += 1;
        }
    }
    // RFC 9432 §4.1: a zone that is listed twice is not processed.
    Some(
        found
            .into_values()
            .filter(|(_, times)| *times == 1)
            .map(|(name, _)| name)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_diag::SourceMap;

    fn catalog(text: &str) -> Option<Vec<String>> {
        let mut sources = SourceMap::default();
        let file = sources.add(
            "c",
            format!("$TTL 0\n@ SOA invalid. invalid. 1 2 3 4 5\n@ NS invalid.\n{text}"),
        );
        let zone = Zone::parse("catalog.invalid", &mut sources, file).unwrap();
        members(&zone).map(|m| m.iter().map(Name::to_string).collect())
    }

    #[test]
    fn members_are_listed_once_by_a_catalog_of_version_2() {
        let text = "version TXT \"2\"\na.zones PTR a.test.\nb.zones PTR b.test.\ngroup.b.zones TXT x\nc.zones PTR a.test.\nd.zones PTR x.test.\nd.zones PTR y.test.\n";
        assert_eq!(catalog(text), Some(vec!["b.test.".to_owned()]));
        assert_eq!(catalog("a.zones PTR a.test.\n"), None);
        assert_eq!(catalog("version TXT \"1\"\na.zones PTR a.test.\n"), None);
    }
}
