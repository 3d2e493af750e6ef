//! Structured fields (RFC 9651): `Cache-Status`, `CDN-Cache-Control`, `No-Vary-Search`, `Priority` and what comes after them.
//!
//! A value is parsed whole or not at all, as the RFC asks. Nesting ends with inner lists, which hold items only, so that no input recurses;
//! the numbers of members and parameters are limited. Serialising is total: what cannot be written (a string with a newline) is an error of its own.

mod parse;
mod serialize;

use thiserror::Error;

pub use parse::{join, parse_dictionary, parse_item, parse_list};
pub use serialize::{write_dictionary, write_item, write_list};

/// Members of one list or dictionary, and items of one inner list. The RFC asks for at least 1024 and 256.
pub const MEMBERS: usize = 1024;

/// Parameters of one item. The RFC asks for at least 256.
pub const PARAMETERS: usize = 256;

/// Why a value is no structured field of the wanted type, or cannot be written as one.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum SfError {
    /// The grammar does not allow the byte at this offset (or the end there).
    #[error("unexpected byte or end at offset {0}")]
    Syntax(usize),
    /// A number with too many digits.
    #[error("number out of range")]
    Range,
    /// More than [`MEMBERS`] or [`PARAMETERS`].
    #[error("too many members or parameters")]
    TooMany,
    /// A key, token or string with characters that its type does not have.
    #[error("not representable")]
    NotRepresentable,
}

/// An item without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bare {
    /// At most fifteen digits.
    Integer(i64),
    /// In thousandths: at most twelve digits before the point and three after it.
    Decimal(i64),
    /// Printable ASCII.
    String(String),
    /// Like `fwd=stale`'s `stale`.
    Token(String),
    /// `:aGVsbG8=:`
    Bytes(Vec<u8>),
    /// `?1` or `?0`
    Boolean(bool),
    /// `@1659578233`, seconds since 1970.
    Date(i64),
    /// `%"f%c3%bc"`, any Unicode.
    Display(String),
}

impl Bare {
    /// The value of an integer.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Bare::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            Bare::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The text of a string or a token.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Bare::String(text) | Bare::Token(text) => Some(text),
            _ => None,
        }
    }
}

/// Parameters in order; a key is there once.
pub type Parameters = Vec<(String, Bare)>;

/// An item with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The value.
    pub bare: Bare,
    /// Its parameters.
    pub parameters: Parameters,
}

impl Item {
    /// The parameter of that key.
    pub fn parameter(&self, key: &str) -> Option<&Bare> {
        find(&self.parameters, key)
    }
}

impl From<Bare> for Item {
    fn from(bare: Bare) -> Item {
        Item {
            bare,
            parameters: Parameters::new(),
        }
    }
}

/// A member of a list or a dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// An item.
    Item(Item),
    /// `("a" "b");q=1`
    InnerList(Vec<Item>, Parameters),
}

impl Member {
    /// The item, if it is one.
    pub fn as_item(&self) -> Option<&Item> {
        match self {
            Member::Item(item) => Some(item),
            Member::InnerList(..) => None,
        }
    }

    /// The member's parameters.
    pub fn parameters(&self) -> &[(String, Bare)] {
        match self {
            Member::Item(item) => &item.parameters,
            Member::InnerList(_, parameters) => parameters,
        }
    }
}

/// Members in order.
pub type List = Vec<Member>;

/// Members by key in order; a key is there once.
pub type Dictionary = Vec<(String, Member)>;

/// The value of `key` in parameters or in a dictionary.
pub fn find<'a, T>(pairs: &'a [(String, T)], key: &str) -> Option<&'a T> {
    pairs
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}
