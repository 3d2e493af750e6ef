//! Texts with macros: `%{tx.score}`, `%{MATCHED_VAR}`, `%{rule.id}`.

use crate::variable::{self, Record, Variable};

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    /// A member of TX by its slot.
    Tx(usize),
    /// A member of a record, its name in lower case.
    Record(Record, Vec<u8>),
    /// A variable, with the name of a member in lower case.
    Variable(Variable, Option<Vec<u8>>),
    RuleId,
    RuleMsg,
    RuleSeverity,
}

/// A text whose macros are put in when a rule matches.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Template {
    pub(crate) pieces: Vec<Piece>,
}

/// The name of a macro that nothing is known of.
pub(crate) struct UnknownMacro(pub(crate) String);

impl Template {
    /// Parses a text; `slot` names the members of TX.
    pub(crate) fn parse(
        text: &str,
        mut slot: impl FnMut(&str) -> usize,
    ) -> Result<Self, UnknownMacro> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|r| !r.is_empty()) {
            let open = rest.find("%{");
            let plain = rest.get(..open.unwrap_or(rest.len())).unwrap_or_default();
            if !plain.is_empty() {
                pieces.push(Piece::Text(plain.as_bytes().to_vec()));
            }
            at += plain.len();
            let Some(inside) = open.and_then(|o| rest.get(o + 2..)) else {
                break;
            };
            let Some(length) = inside.find('}') else {
                pieces.push(Piece::Text(b"%{".to_vec()));
                at += 2;
                continue;
            };
            let name = inside.get(..length).unwrap_or_default();
            at += length + 3;
            pieces.push(piece(name, &mut slot).ok_or_else(|| UnknownMacro(name.to_owned()))?);
        }
        Ok(Self { pieces })
    }

    /// The variables that it names.
    pub(crate) fn variables(&self) -> impl Iterator<Item = Variable> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(variable, _) => Some(*variable),
            _ => None,
        })
    }

    /// The text, if it has no macros.
    pub(crate) fn fixed(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(b""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

fn piece(name: &str, slot: &mut impl FnMut(&str) -> usize) -> Option<Piece> {
    let (collection, member) = match name.split_once(['.', ':']) {
        Some((collection, member)) => (collection, Some(member)),
        None => (name, None),
    };
    match (collection.to_ascii_lowercase().as_str(), member) {
        ("tx", Some(member)) => Some(Piece::Tx(slot(member))),
        ("rule", Some(member)) => match member.to_ascii_lowercase().as_str() {
            "id" => Some(Piece::RuleId),
            "msg" => Some(Piece::RuleMsg),
            "severity" => Some(Piece::RuleSeverity),
            _ => None,
        },
        (collection, member) => {
            let member = member.map(|m| m.to_ascii_lowercase().into_bytes());
            match (variable::named(collection)?.0, member) {
                (Variable::Tx, _) => None,
                (Variable::Record(record), Some(member)) => Some(Piece::Record(record, member)),
                (variable, member) => Some(Piece::Variable(variable, member)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_are_told_from_text() {
        let template = Template::parse("a %{tx.x}%{MATCHED_VAR} %{ z", |name| name.len())
            .ok()
            .unwrap();
        let text = |t: &str| Piece::Text(t.as_bytes().to_vec());
        let variable = Piece::Variable(Variable::MatchedVar, None);
        assert_eq!(
            template.pieces,
            [
                text("a "),
                Piece::Tx(1),
                variable,
                text(" "),
                text("%{"),
                text(" z")
            ]
        );
        assert_eq!(
            Template::parse("plain", |_| 0).ok().unwrap().fixed(),
            Some(&b"plain"[..])
        );
    }

    #[test]
    fn an_unknown_macro_is_an_error() {
        assert_eq!(
            Template::parse("a%{nope.x}", |_| 0).err().unwrap().0,
            "nope.x"
        );
    }
}
