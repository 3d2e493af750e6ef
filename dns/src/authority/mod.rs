//! Changing zones while they are served: updates, transfers, the API, and the tokens of a certificate authority.
//!
//! A zone is what it was loaded from with the edits on top of it. A change decompiles the zone that is served,
//! applies the edits, raises the serial number (RFC 1982), keeps the difference for IXFR, compiles, and publishes; a
//! query that arrives after the change has returned sees it, whichever thread takes it. Reloading a zone applies its
//! edits again. One change at a time; queries never wait for one.

mod alias;
mod challenge;
mod difference;
mod edit;
mod records;

pub use challenge::ChallengeError;
pub(crate) use difference::{Difference, History, Version};
pub(crate) use edit::{Draft, Edit, apply, keep};
pub use records::{RecordLine, ZoneSummary};

use crate::edit::is_newer;
use crate::journal::Journal;
use crate::serve::Shared;
use crate::{Name, Zone, ZoneSet, Zones};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Finishes a zone before it is compiled: signs it. Called with the changes of all zones held up, so that it must
/// change no zone itself.
pub trait Finish: Send + Sync {
    /// The zone to publish. It may have a newer serial number; without a zone nothing is changed.
    fn finish(&self, zone: &Zone) -> Result<Zone, String>;

    /// What was finished last is being served.
    fn published(&self) {}
}

/// Why a zone was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// It is not served here.
    #[error("the zone `{0}` is not served here")]
    NoZone(Name),
    /// The edits would leave a zone that cannot be served.
    #[error("{0}")]
    Refused(String),
    /// The journal could not be written; nothing was changed.
    #[error("cannot write the journal: {0}")]
    Journal(#[from] std::io::Error),
}

/// What is kept of a zone beside what is served.
#[derive(Default)]
pub(crate) struct Kept {
    /// Applied again when the zone is reloaded.
    pub edits: Vec<Edit>,
    /// The last serial number that was published.
    pub serial: Option<u32>,
    pub history: History,
    pub finish: Option<Arc<dyn Finish>>,
    pub journal: Option<Journal>,
}

/// What is kept of all zones, by name in lower case.
#[derive(Default)]
pub(crate) struct Authority {
    kept: Mutex<HashMap<Box<[u8]>, Kept>>,
}

impl Authority {
    pub fn lock(&self) -> MutexGuard<'_, HashMap<Box<[u8]>, Kept>> {
        // Entries are replaced whole, so that a panic elsewhere leaves none half-done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn key(zone: &Name) -> Box<[u8]> {
    zone.lower().wire().into()
}

impl Shared {
    /// Changes a zone and publishes it. Gives its serial number, which is the old one if nothing changed. May take as
    /// long as compiling the zone does: not for a thread that serves.
    pub(crate) fn change(&self, name: &Name, edits: &[Edit]) -> Result<u32, ChangeError> {
        self.change_by(name, |draft| {
            edits.iter().cloned().for_each(|edit| draft.edit(edit));
            Ok(())
        })
    }

    /// As [`Self::change`], by a function that sees the zone and may refuse.
    pub(crate) fn change_by(
        &self,
        name: &Name,
        change: impl FnOnce(&mut Draft) -> Result<(), ChangeError>,
    ) -> Result<u32, ChangeError> {
        let mut all = self.authority.lock();
        let serving = self.serving_now();
        let no_zone = || ChangeError::NoZone(name.clone());
        let zone = serving
            .zones
            .get(name)
            .and_then(|z| z.to_zone())
            .ok_or_else(no_zone)?;
        let kept = all.entry(key(name)).or_default();
        let serial = zone.serial().unwrap_or(0);
        let mut draft = Draft::new(zone);
        change(&mut draft)?;
        let difference = draft.difference();
        let Draft { zone, edits, .. } = draft;
        if difference.is_empty() && zone.serial() == Some(serial) {
            return Ok(serial);
        }
        let mut zone = zone;
        zone.set_serial(next_serial(&zone, serial));
        // Before anything is written: what cannot be signed is not changed.
        let zone = finished(kept, zone).map_err(ChangeError::Refused)?;
        let raised = zone.serial().unwrap_or(0);
        if let Some(journal) = &mut kept.journal {
            journal.append(&edits, raised)?;
        }
        edits
            .into_iter()
            .filter(Edit::is_kept)
            .for_each(|edit| keep(&mut kept.edits, edit));
        self.put_zone(name, zone, kept, Some(difference));
        Ok(raised)
    }

    /// Finishes a zone anew, as its keys or the time of its signatures want it. Fails where it is not served, or
    /// cannot be finished; it is then served as it was.
    pub fn finish_again(&self, name: &Name) -> Result<(), ChangeError> {
        let mut all = self.authority.lock();
        let serving = self.serving_now();
        let served = serving.zones.get(name).and_then(|z| z.to_zone());
        let zone = served.ok_or_else(|| ChangeError::NoZone(name.clone()))?;
        let kept = all.entry(key(name)).or_default();
        let before = zone.serial();
        let zone = finished(kept, zone).map_err(ChangeError::Refused)?;
        if zone.serial() == before {
            // Nothing but what no answer shows, such as the next moment of a key.
            settled(kept);
            return Ok(());
        }
        self.put_zone(name, zone, kept, None);
        Ok(())
    }

    /// The steps from a version of a zone to its last.
    pub(crate) fn versions_since(&self, name: &Name, serial: u32) -> Option<Vec<Version>> {
        self.authority.lock().get(&key(name))?.history.since(serial)
    }

    /// Puts another version of a zone in its place, as a transfer brings it. `difference` is what changed, if that is
    /// known; IXFR starts anew otherwise.
    pub(crate) fn replace(&self, zone: Zone, difference: Option<Difference>) {
        let name = zone.origin().clone();
        let mut all = self.authority.lock();
        let kept = all.entry(key(&name)).or_default();
        self.put_zone(&name, zone, kept, difference);
    }

    /// Compiles a zone that is finished, notes what changed and serves it.
    fn put_zone(&self, name: &Name, zone: Zone, kept: &mut Kept, difference: Option<Difference>) {
        let (soa, records) = (zone.soa_record(), zone.records());
        let before = self.serving_now().zones.get(name).cloned();
        let difference = match &kept.finish {
            // What signing changed as well is in no edit.
            Some(_) => before
                .as_ref()
                .and_then(|b| b.to_zone())
                .map(|before| Difference::between(&before, &zone)),
            None => difference,
        };
        let serial = zone.serial().unwrap_or(0);
        let compiled = Arc::new(ZoneSet::new(vec![zone]));
        let soa_before = before.as_ref().and_then(|z| z.to_soa_record());
        let from = before.as_ref().and_then(|z| z.serial());
        match difference.zip(soa_before).zip(soa).zip(from) {
            Some((((difference, before), soa), from)) => {
                kept.history
                    .push(from, serial, before, soa, difference, records);
            }
            None => kept.history.clear(),
        }
        kept.serial = Some(serial);
        self.swap(|zones| zones.insert(name, compiled));
        settled(kept);
        self.announce(name);
    }

    /// Puts the edits of each zone of a configuration on top of it. Gives the zones whose serial number changed.
    pub(crate) fn adopt(&self, all: &mut HashMap<Box<[u8]>, Kept>, zones: &mut Zones) -> Vec<Name> {
        let serving = self.serving_now();
        let names: Vec<Name> = zones.iter().filter_map(|z| z.origin()).collect();
        let mut changed = Vec::new();
        for name in names {
            let kept = all.entry(key(&name)).or_default();
            let (Some(loaded), before) = (zones.get(&name).cloned(), serving.zones.get(&name))
            else {
                continue;
            };
            let automatic = loaded.serial() == Some(0);
            if kept.edits.is_empty() && kept.finish.is_none() && !automatic {
                changed.extend(reloaded(kept, before, &loaded).then_some(name));
                continue;
            }
            let Some(mut zone) = loaded.to_zone() else {
                continue;
            };
            kept.edits.iter().for_each(|edit| apply(&mut zone, edit));
            let before_serial = before.and_then(|z| z.serial());
            let least = [before_serial, kept.serial]
                .into_iter()
                .flatten()
                .reduce(|a, b| if is_newer(a, b) { a } else { b });
            if kept.finish.is_some() {
                number_before_finish(&mut zone, least);
            } else {
                number(&mut zone, least, automatic, before, kept);
            }
            match finished(kept, zone) {
                Ok(zone) => {
                    let compiled = Arc::new(ZoneSet::new(vec![zone]));
                    let is_new = reloaded(kept, before, &compiled);
                    zones.insert(&name, compiled);
                    changed.extend(is_new.then_some(name));
                }
                // Half-finished it would be refused by everybody who validates: as it was, or not at all.
                Err(_) => match before {
                    Some(before) => zones.insert(&name, Arc::clone(before)),
                    None => drop(zones.remove(&name)),
                },
            }
        }
        changed
    }

    /// Tells all who finish zones that what they finished is served.
    pub(crate) fn all_settled(&self, all: &HashMap<Box<[u8]>, Kept>) {
        all.values().for_each(settled);
    }

    /// Keeps the changes of a zone in a journal from now on. What the journal holds already is put on the zone when it
    /// is published next.
    pub fn keep_journal(&self, name: &Name, folder: &Path) -> std::io::Result<()> {
        /// A journal is opened, and what is torn of it cut off, by one at a time: never beside one who writes.
        static OPENING: Mutex<()> = Mutex::new(());
        let _one = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.authority.lock();
        if known.get(&key(name)).is_some_and(|k| k.journal.is_some()) {
            return Ok(());
        }
        drop(known);
        // Without the lock on all zones: a disk that stands still must not hold up those who publish.
        let (journal, recovered) = Journal::open(&journal_of(name, folder))?;
        let mut all = self.authority.lock();
        let kept = all.entry(key(name)).or_default();
        kept.journal = Some(journal);
        kept.serial = recovered.serial.or(kept.serial);
        let tokens = std::mem::take(&mut kept.edits);
        let all_edits = recovered.edits.into_iter().chain(tokens);
        all_edits.for_each(|edit| keep(&mut kept.edits, edit));
        Ok(())
    }

    /// Whether a zone was ever changed with a journal in this folder.
    pub fn has_journal(name: &Name, folder: &Path) -> bool {
        journal_of(name, folder).exists()
    }

    /// Sets what finishes a zone before it is compiled; it takes effect with the next change or reload.
    pub fn finish_with(&self, name: &Name, finish: Option<Arc<dyn Finish>>) {
        self.authority.lock().entry(key(name)).or_default().finish = finish;
    }
}

fn journal_of(name: &Name, folder: &Path) -> std::path::PathBuf {
    let file = crate::transfer::file_name(name);
    folder.join(format!(
        "{}journal",
        file.strip_suffix("zone").unwrap_or(&file)
    ))
}

fn finished(kept: &Kept, zone: Zone) -> Result<Zone, String> {
    match &kept.finish {
        Some(finish) => finish.finish(&zone),
        None => Ok(zone),
    }
}

fn settled(kept: &Kept) {
    if let Some(finish) = &kept.finish {
        finish.published();
    }
}

/// Numbers a loaded zone with its edits: never back, and not on where nothing changed.
fn number(
    zone: &mut Zone,
    least: Option<u32>,
    automatic: bool,
    before: Option<&Arc<ZoneSet>>,
    kept: &mut Kept,
) {
    let own = zone.serial().unwrap_or(0);
    if let Some(least) = least.filter(|least| !is_newer(own, *least)) {
        let same = before
            .and_then(|z| z.to_zone())
            .is_some_and(|b| b.same_records(zone));
        let time = crate::tsig::now() as u32;
        let next = if automatic && is_newer(time, least) {
            time
        } else {
            after(least)
        };
        let chosen = if same { least } else { next };
        zone.set_serial(chosen);
        // So that the next start does not give this number to something else.
        if let Some(journal) = kept.journal.as_mut().filter(|_| !same) {
            let _ = journal.append(&[], chosen);
        }
    }
    if zone.serial() == Some(0) {
        zone.set_serial(crate::tsig::now() as u32);
    }
}

/// Who finishes a zone compares it with the last one and numbers it: it needs but a number that is not behind.
fn number_before_finish(zone: &mut Zone, least: Option<u32>) {
    let own = zone.serial().unwrap_or(0);
    match least {
        Some(least) if own == 0 || !is_newer(own, least) => zone.set_serial(least),
        None if own == 0 => zone.set_serial(crate::tsig::now() as u32),
        _ => {}
    }
}

/// Notes a version that came with the configuration, and what it changed. Tells whether it is a new one.
fn reloaded(kept: &mut Kept, before: Option<&Arc<ZoneSet>>, now: &Arc<ZoneSet>) -> bool {
    let serial = now.serial();
    kept.serial = serial.or(kept.serial);
    let Some(before) = before else { return true };
    if before.serial() == serial {
        return false;
    }
    let zones = before.to_zone().zip(now.to_zone());
    let soas = before.to_soa_record().zip(now.to_soa_record());
    match zones.zip(soas).zip(before.serial().zip(serial)) {
        Some((((old, new), (soa_before, soa_now)), (from, to))) => {
            let difference = Difference::between(&old, &new);
            kept.history
                .push(from, to, soa_before, soa_now, difference, new.records());
        }
        _ => kept.history.clear(),
    }
    true
}

/// The serial number of a changed zone: its own, if an edit raised it, else the next.
fn next_serial(zone: &Zone, before: u32) -> u32 {
    let own = zone.serial().unwrap_or(before);
    if is_newer(own, before) {
        own
    } else {
        after(before)
    }
}

fn after(serial: u32) -> u32 {
    // RFC 2136 §4.6: zero has meant "none" to some.
    serial.checked_add(1).unwrap_or(1)
}
