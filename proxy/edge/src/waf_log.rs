//! Matches in the error log, in the words and brackets that ModSecurity writes for nginx: what watches its log (fail2ban,
//! CrowdSec, dashboards) reads ours.

use seawall_waf::Match;
use std::fmt;

/// A match, as a line without its time and level.
pub struct ModSecurityLine<'a> {
    /// What matched.
    pub found: &'a Match,
    /// The status of the refusal, where this is the rule that refuses.
    pub refused: Option<u16>,
    /// The host that was asked for.
    pub host: &'a str,
    /// The path that was asked for, without what could break a line.
    pub path: &'a str,
    /// The request's id.
    pub id: &'a str,
    /// The client's address.
    pub client: &'a str,
}

/// Text between quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        // Most texts have neither: they are written as they are.
        while let Some(at) = rest.find(|c: char| c == '"' || c.is_control()) {
            let (before, from) = rest.split_at(at);
            f.write_str(before)?;
            let mut chars = from.chars();
            match chars.next() {
                Some('"') => f.write_str("\\\"")?,
                Some(c) => write!(f, "\\x{:02x}", u32::from(c))?,
                None => {}
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

impl fmt::Display for ModSecurityLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.found;
        match self.refused {
            Some(status) => write!(f, "ModSecurity: Access denied with code {status}.")?,
            None => f.write_str("ModSecurity: Warning.")?,
        }
        if !found.variable.is_empty() {
            let (variable, value) = (Quoted(&found.variable), Quoted(&found.value));
            write!(
                f,
                " Matched against variable `{variable}' (Value: `{value}')"
            )?;
        }
        write!(f, " [id \"{}\"]", found.rule)?;
        write!(f, " [msg \"{}\"]", Quoted(&found.message))?;
        write!(f, " [data \"{}\"]", Quoted(&found.data))?;
        if let Some(severity) = found.severity {
            write!(f, " [severity \"{}\"]", severity.name())?;
        }
        for tag in found.tags.iter() {
            write!(f, " [tag \"{}\"]", Quoted(tag))?;
        }
        if found.dry_run {
            f.write_str(" [tag \"dry-run\"]")?;
        }
        let (host, path, id) = (Quoted(self.host), Quoted(self.path), Quoted(self.id));
        write!(
            f,
            " [hostname \"{host}\"] [uri \"{path}\"] [unique_id \"{id}\"]"
        )?;
        write!(f, ", client: {}", self.client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_waf::Severity;

    #[test]
    fn a_match_has_modsecuritys_brackets_and_nothing_in_it_can_forge_one() {
        let found = Match {
            rule: 942100,
            message: "SQL \"injection\"".into(),
            data: "\n[id \"1\"]".into(),
            severity: Some(Severity::Critical),
            variable: "ARGS:q".into(),
            value: "' or 1=1".into(),
            tags: ["attack-sqli".to_owned()].as_slice().into(),
            scores: true,
            dry_run: false,
            logged: true,
            audited: true,
            place: (0, 0),
            info: Default::default(),
        };
        let line = ModSecurityLine {
            found: &found,
            refused: Some(403),
            host: "a.test",
            path: "/s",
            id: "abc",
            client: "192.0.2.1",
        };
        assert_eq!(
            line.to_string(),
            "ModSecurity: Access denied with code 403. Matched against variable `ARGS:q' (Value: `' or 1=1') \
             [id \"942100\"] [msg \"SQL \\\"injection\\\"\"] [data \"\\x0a[id \\\"1\\\"]\"] [severity \"CRITICAL\"] \
             [tag \"attack-sqli\"] [hostname \"a.test\"] [uri \"/s\"] [unique_id \"abc\"], client: 192.0.2.1"
        );
    }
}
