//! Tokens of a certificate authority (RFC 8555 §8.4): TXT records that exist as long as an order does.

use super::{ChangeError, Edit, key};
use crate::limits::CHALLENGE_TTL_S;
use crate::query::QName;
use crate::serve::Shared;
use crate::set::{Find, Match};
use crate::zone::Record;
use crate::{Error, Name, RType};
use seawall_diag::Span;

/// Aliases followed from the name of a token to where it is to be put.
const ALIASES_MAX: usize = 8;

/// Why a token was not put.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChallengeError {
    /// It is no name.
    #[error("`{0}` is no name: {1}")]
    BadName(String, Error),
    /// Nobody would ask us.
    #[error("`{0}` lies in no zone that is served here")]
    NotServed(Name),
    /// The zone says that others answer for it.
    #[error("`{0}` is delegated to other servers")]
    Delegated(Name),
    /// A zone of which this is a secondary is changed at its primary.
    #[error("the zone of `{0}` is a copy: it is changed at its primary")]
    Secondary(Name),
    /// More than a character-string holds.
    #[error("a token is at most 255 bytes")]
    TooLong,
    /// The zone could not be changed.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl Shared {
    /// Adds a TXT record at `name` (`_acme-challenge.www.shop.test`), in whichever zone it lies; where that name is an
    /// alias, at its end. When this returns, every query that arrives is answered with it, on every thread. Several
    /// values at one name stand side by side. Takes as long as compiling the zone: call it where blocking is allowed.
    pub fn challenge_put(&self, name: &str, value: &str) -> Result<(), ChallengeError> {
        let (zone, owner, data) = self.token(name, value)?;
        self.change(
            &zone,
            &[Edit::AddToken(Record {
                owner,
                rtype: RType::TXT,
                ttl: CHALLENGE_TTL_S,
                data,
                at: Span::default(),
            })],
        )?;
        Ok(())
    }

    /// Takes a value away again. One that is not there is no error.
    pub fn challenge_remove(&self, name: &str, value: &str) -> Result<(), ChallengeError> {
        let (zone, owner, data) = self.token(name, value)?;
        if let Some(kept) = self.authority.lock().get_mut(&key(&zone)) {
            kept.edits.retain(|edit| match edit {
                Edit::AddToken(record) => {
                    record.owner.lower() != owner.lower() || record.data != data
                }
                _ => true,
            });
        }
        self.change(&zone, &[Edit::RemoveToken { owner, data }])?;
        Ok(())
    }

    /// The zone, the owner and the data of a token.
    fn token(&self, name: &str, value: &str) -> Result<(Name, Name, Box<[u8]>), ChallengeError> {
        let len = u8::try_from(value.len()).map_err(|_| ChallengeError::TooLong)?;
        let mut data = vec![len];
        data.extend_from_slice(value.as_bytes());
        let mut owner = Name::parse(name, Some(&Name::root()))
            .map_err(|e| ChallengeError::BadName(name.to_owned(), e))?;
        let serving = self.serving_now();
        for _ in 0..ALIASES_MAX {
            let not_served = || ChallengeError::NotServed(owner.clone());
            let asked = QName::read(owner.wire()).ok_or_else(not_served)?;
            let set = serving
                .zones
                .zone_of(&asked, RType::TXT)
                .flatten()
                .ok_or_else(not_served)?;
            let node = match set.locate(0, &asked, RType::TXT) {
                Match::Cut(_) | Match::Redirect(_) => return Err(ChallengeError::Delegated(owner)),
                Match::Exact(node) => Some(node),
                _ => None,
            };
            let alias = node
                .and_then(|n| set.slot(n, RType::CNAME))
                .and_then(|slot| set.set(slot.set))
                .and_then(|alias| {
                    set.answers(alias)
                        .records()
                        .next()
                        .and_then(Name::from_wire)
                });
            let Some(target) = alias else {
                let zone = set.origin().ok_or_else(not_served)?;
                if self.is_copy(&zone) {
                    return Err(ChallengeError::Secondary(owner));
                }
                return Ok((zone, owner, data.into()));
            };
            owner = target;
        }
        Err(ChallengeError::NotServed(owner))
    }
}
