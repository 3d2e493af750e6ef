//! A zone as it was read: records by owner in canonical order. What answers is the [`crate::ZoneSet`] made of it.

use crate::dnssec::RrSigner;
use crate::dynamic::{self, DynamicRecord};
use crate::name::canonical_key;
use crate::{Error, Name, RType, master};
use seawall_diag::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub owner: Name,
    pub rtype: RType,
    pub ttl: u32,
    pub data: Box<[u8]>,
    pub at: Span,
}

/// Records of one owner and type.
#[derive(Clone, Debug)]
pub(crate) struct RrSet {
    pub rtype: RType,
    pub ttl: u32,
    pub data: Vec<Box<[u8]>>,
    /// The first one's place.
    pub at: Span,
}

impl RrSet {
    /// The type that these signatures cover; `None` if this holds no signatures.
    pub fn covers(&self) -> Option<RType> {
        let covered = self.data.first()?.first_chunk()?;
        (self.rtype == RType::RRSIG).then(|| RType(u16::from_be_bytes(*covered)))
    }
}

/// What one name owns.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub name: Name,
    pub sets: Vec<RrSet>,
    pub dynamic: Vec<DynamicRecord>,
}

impl Owner {
    pub fn set(&self, rtype: RType) -> Option<&RrSet> {
        self.sets.iter().find(|s| s.rtype == rtype)
    }

    /// The signatures that cover a type; each covered type's are a set of their own.
    pub fn signatures(&self, covered: RType) -> Option<&RrSet> {
        self.sets.iter().find(|s| s.covers() == Some(covered))
    }
}

/// Finds an included file: given its path as written and the name of the including file, it gives the name to report
/// the file by, and its text.
pub type Loader<'a> = dyn FnMut(&Path, &Path) -> io::Result<(PathBuf, String)> + 'a;

/// A zone: its origin and its records.
#[derive(Clone, Debug)]
pub struct Zone {
    origin: Name,
    /// By canonical key, so that an ancestor comes before what is below it.
    owners: BTreeMap<Box<[u8]>, Owner>,
    warnings: Diagnostics,
    /// Signs what dynamic records may answer, where the zone is signed here.
    pub(crate) signer: Option<Arc<RrSigner>>,
}

impl Zone {
    /// Reads a zone file that includes no other. `origin` is the zone's name (`shop.test`, with or without its dot).
    /// All errors of the file are returned together.
    pub fn parse(origin: &str, sources: &mut SourceMap, file: FileId) -> Result<Self, Diagnostics> {
        let mut none = |_: &Path, _: &Path| Err(io::Error::other("no files can be included here"));
        Self::parse_with(origin, sources, file, &mut none)
    }

    /// Reads a zone file and, through `load`, the files it includes.
    pub fn parse_with<'a>(
        origin: &str,
        sources: &'a mut SourceMap,
        file: FileId,
        load: &'a mut Loader<'a>,
    ) -> Result<Self, Diagnostics> {
        let mut found = Diagnostics::default();
        let origin = match Name::parse(origin, Some(&Name::root())) {
            Ok(origin) => origin,
            Err(e) => {
                found.error(
                    "bad-name",
                    None,
                    format!("`{origin}` cannot be a zone's name: {e}"),
                );
                return Err(found);
            }
        };
        let mut zone = Self {
            origin,
            owners: BTreeMap::new(),
            warnings: Diagnostics::default(),
            signer: None,
        };
        master::Reader::new(sources, load, &mut zone, &mut found).read(file);
        master::check(&zone, file, &mut found);
        if found.has_errors() {
            return Err(found);
        }
        zone.warnings = found;
        Ok(zone)
    }

    /// The zone's name.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// Whether whoever made this zone signed it, so that it is served as it is.
    pub fn is_signed(&self) -> bool {
        let apex = self.owners.values().next();
        apex.is_some_and(|a| a.signatures(RType::SOA).is_some())
    }

    /// What is probably not meant, though it can be served.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// How many records there are, dynamic ones counted once.
    pub fn records(&self) -> usize {
        self.owners
            .values()
            .map(|o| o.sets.iter().map(|s| s.data.len()).sum::<usize>() + o.dynamic.len())
            .sum()
    }

    /// Adds a record whose answer depends on health. Its owner is relative to the zone unless it ends with a dot;
    /// `@` is the zone itself.
    pub fn add_dynamic(&mut self, record: DynamicRecord) -> Result<(), Error> {
        dynamic::check(&record)?;
        let name = Name::parse(&record.owner, Some(&self.origin))?;
        if !name.is_within(&self.origin) {
            return Err(Error::OutOfZone {
                owner: record.owner,
                zone: self.origin.to_string(),
            });
        }
        let key = canonical_key(name.wire());
        let owner = self.owners.entry(key).or_insert_with(|| Owner {
            name,
            sets: Vec::new(),
            dynamic: Vec::new(),
        });
        let blocking = |t: RType| t == record.rtype || t == RType::CNAME;
        let existing = owner
            .sets
            .iter()
            .map(|s| s.rtype)
            .chain(owner.dynamic.iter().map(|d| d.rtype))
            .find(|t| blocking(*t));
        if let Some(existing) = existing {
            return Err(Error::Conflict {
                owner: record.owner,
                existing,
            });
        }
        owner.dynamic.push(record);
        Ok(())
    }

    /// A zone without records.
    pub(crate) fn empty(origin: Name) -> Self {
        Self {
            origin,
            owners: BTreeMap::new(),
            warnings: Diagnostics::default(),
            signer: None,
        }
    }

    /// A zone whose records come one by one, with a SOA that numbers itself: its serial number is 0 until it is
    /// published, then the time.
    pub fn generated(origin: &str) -> Result<Self, Error> {
        let origin = Name::parse(origin, Some(&Name::root()))?;
        let contact = Name::parse("hostmaster", Some(&origin))?;
        let mut data = origin.wire().to_vec();
        data.extend_from_slice(contact.wire());
        data.extend(
            [0, 7200, 3600, 1_209_600, 300]
                .iter()
                .flat_map(|n: &u32| n.to_be_bytes()),
        );
        let mut zone = Self::empty(origin.clone());
        zone.put(Record {
            owner: origin,
            rtype: RType::SOA,
            ttl: 3600,
            data: data.into(),
            at: Span::default(),
        });
        Ok(zone)
    }

    /// Adds a record by its owner, relative to the zone, its TTL, its type, and its data as a zone file has it.
    pub fn add_line(
        &mut self,
        owner: &str,
        ttl: u32,
        rtype: &str,
        data: &str,
    ) -> Result<(), String> {
        let line = format!("{owner} {ttl} IN {rtype} {data}");
        let record = master::record_within(&line, &self.origin)?;
        if record.rtype == RType::SOA {
            self.remove_set(&record.owner, RType::SOA);
        }
        self.insert(record).map(|_| ()).map_err(|d| d.message)
    }

    /// What is in it, name by name in canonical order.
    pub(crate) fn into_owners(self) -> impl Iterator<Item = Owner> {
        self.owners.into_values()
    }

    pub(crate) fn owners_mut(&mut self) -> &mut BTreeMap<Box<[u8]>, Owner> {
        &mut self.owners
    }

    pub(crate) fn owners(&self) -> &BTreeMap<Box<[u8]>, Owner> {
        &self.owners
    }

    /// Adds a record. `Ok` may carry a warning.
    pub(crate) fn insert(&mut self, record: Record) -> Result<Option<Diagnostic>, Diagnostic> {
        let Record {
            owner: name,
            rtype,
            ttl,
            data,
            at,
        } = record;
        if !name.is_within(&self.origin) {
            let message = format!("`{name}` lies outside of the zone `{}`", self.origin);
            return Err(Diagnostic::error("out-of-zone", at, message)
                .help("is a dot missing or too many at its end?"));
        }
        if rtype == RType::SOA && !name.wire().eq_ignore_ascii_case(self.origin.wire()) {
            let message = format!(
                "a SOA stands only at the top of its zone, `{}`",
                self.origin
            );
            return Err(Diagnostic::error("bad-soa", at, message));
        }
        let key = canonical_key(name.wire());
        let owner = self.owners.entry(key).or_insert_with(|| Owner {
            name,
            sets: Vec::new(),
            dynamic: Vec::new(),
        });
        // Signatures of each type are a set of their own, as their TTL is that of what they cover (RFC 4034 §3).
        let covered = (rtype == RType::RRSIG).then(|| {
            data.first_chunk()
                .copied()
                .map(|c| RType(u16::from_be_bytes(c)))
        });
        let is_same = |s: &RrSet| s.rtype == rtype && covered.is_none_or(|c| s.covers() == c);
        let Some(set) = owner.sets.iter_mut().find(|s| is_same(s)) else {
            // Most names have one or two types: no room is kept for more.
            owner.sets.reserve_exact(1);
            owner.sets.push(RrSet {
                rtype,
                ttl,
                data: vec![data],
                at,
            });
            return Ok(None);
        };
        if matches!(rtype, RType::SOA | RType::CNAME | RType::DNAME)
            && set.data.first() != Some(&data)
        {
            let again = Diagnostic::error(
                "duplicate",
                at,
                format!("a name has at most one {rtype} record"),
            );
            return Err(again.related(set.at, "the first is here"));
        }
        if set.data.contains(&data) {
            let again = Diagnostic::warning("duplicate", at, "this record is already there");
            return Ok(Some(again.related(set.at, "in this RRset")));
        }
        set.data.push(data);
        if set.ttl == ttl {
            return Ok(None);
        }
        // RFC 2181 §5.2 forbids it; the first one's is what BIND takes.
        let differs = Diagnostic::warning(
            "ttl",
            at,
            "the records of one name and type share one TTL; the first one's is used",
        );
        Ok(Some(differs.related(set.at, "this one differs")))
    }
}
