//! The thread that writes: it scans what a restart finds, appends, and makes room.

use super::{
    Inner,
    index::Location,
    segment::{self, Segment},
};
use crate::{object::Object, purge::Verdict};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
    time::{Duration, Instant},
};

/// How long nothing is written after the disk failed.
const PAUSE: Duration = Duration::from_secs(5);
/// As much of a segment as is kept when its room is needed, as a divisor: what was read since it was written.
const KEPT_SHARE: u64 = 2;

/// What the writer is told.
pub(super) enum Command {
    Write(Arc<Object>),
    /// Drop all segments that were there when it was said.
    Clear,
    /// Say when all that came before is done.
    Flush(mpsc::Sender<()>),
}

pub(super) struct Writer {
    pub inner: Arc<Inner>,
    pub found: Vec<(u32, PathBuf)>,
    pub active: Option<Arc<Segment>>,
    pub next_id: u32,
    pub paused_until: Option<Instant>,
}

impl Writer {
    pub fn run(mut self, commands: &mpsc::Receiver<Command>) {
        self.scan();
        self.inner.scanned.store(true, Relaxed);
        while let Ok(command) = commands.recv() {
            match command {
                Command::Write(object) => {
                    self.write(&object);
                    self.inner
                        .queued_bytes
                        .fetch_sub(object.disk_bytes(), Relaxed);
                }
                Command::Clear => self.clear(),
                Command::Flush(done) => drop(done.send(())),
            }
        }
        if let Some(active) = &self.active {
            let _ = active.seal();
        }
    }

    /// Enters what an earlier process wrote, segment by segment, up to the first record of each that is not whole.
    fn scan(&mut self) {
        for (id, path) in std::mem::take(&mut self.found) {
            match Segment::open(&path, id) {
                Ok(Some(segment)) => {
                    let segment = Arc::new(segment);
                    self.inner.segments.write().insert(id, segment.clone());
                    if let Err(e) = self.scan_segment(&segment) {
                        self.inner.read_failed(&e);
                    }
                }
                Ok(None) => drop(std::fs::remove_file(&path)),
                Err(e) => self.inner.read_failed(&e),
            }
        }
        self.hold_budget(0);
    }

    fn scan_segment(&self, segment: &Segment) -> io::Result<()> {
        let mut at = Segment::first();
        while let Some((header, key, meta)) = segment.read_front(at)? {
            let length = header.record_bytes();
            let verdict =
                self.inner
                    .purges
                    .verdict(&meta.labels, key.as_ref().bytes, header.judged);
            if verdict != Verdict::Gone && !self.inner.is_abandoned() {
                let location = Location {
                    segment: segment.id,
                    at,
                    length,
                };
                self.inner
                    .index
                    .insert(key.as_ref().hash, &meta.vary, location, 0);
            }
            at += length;
        }
        Ok(())
    }

    pub fn write(&mut self, object: &Arc<Object>) {
        let is_over = self.inner.is_abandoned() || self.inner.closing.load(Relaxed);
        if is_over || self.paused_until.is_some_and(|t| Instant::now() < t) {
            object.set_offered(false);
            return;
        }
        // Judged before it is written: what the record says it was judged by must be on the disk first, or a restart would count purges
        // anew below that.
        let epoch = object.judged();
        if !self.inner.reach(epoch) {
            return;
        }
        let mut written = self.append(object, epoch);
        if written
            .as_ref()
            .is_err_and(|e| e.kind() == io::ErrorKind::StorageFull)
        {
            // Somebody else filled the disk: our oldest makes room, once.
            self.drop_oldest();
            written = self.append(object, epoch);
        }
        match written {
            Ok(location) => {
                if self.paused_until.take().is_some() {
                    self.inner.write_recovered();
                }
                let key = object.key.as_ref();
                self.inner
                    .index
                    .insert(key.hash, &object.meta.vary, location, object.used_ms());
                self.inner.writes.fetch_add(1, Relaxed);
                let since = self
                    .inner
                    .purges
                    .verdict(&object.meta.labels, key.bytes, epoch);
                if since == Verdict::Gone {
                    // A purge came while it was written: it finds nothing here.
                    self.inner.index.forget_at(key.hash, location);
                }
            }
            Err(e) => {
                object.set_offered(false);
                self.inner.write_failed(&e);
                self.paused_until = Some(Instant::now() + PAUSE);
                if let Some(active) = self.active.take() {
                    let _ = active.trim();
                }
            }
        }
    }

    fn append(&mut self, object: &Object, judged: u64) -> io::Result<Location> {
        // A renewed answer whose body is in a segment: it is read before room is made, which may take that segment.
        let loaded = object.loaded()?;
        let object = loaded.as_ref().unwrap_or(object);
        let estimate = object.weight() + 256;
        let segment = self.room_for(estimate)?;
        let (at, length) = segment.append(object, judged)?;
        Ok(Location {
            segment: segment.id,
            at,
            length,
        })
    }

    /// The active segment, or a new one; with room for that much in the budget.
    fn room_for(&mut self, bytes: u64) -> io::Result<Arc<Segment>> {
        self.hold_budget(bytes);
        if !self.leaves_room_to_others(bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if let Some(active) = &self.active
            && active.length() + bytes <= self.inner.segment_bytes()
        {
            return Ok(active.clone());
        }
        if let Some(full) = self.active.take() {
            full.seal()?;
        }
        let segment = Arc::new(Segment::create(&self.inner.directory, self.next_id)?);
        self.next_id += 1;
        self.inner
            .segments
            .write()
            .insert(segment.id, segment.clone());
        self.active = Some(segment.clone());
        Ok(segment)
    }

    /// Whether the disk has as much free as it is to have, with `bytes` more of ours.
    fn leaves_room_to_others(&self, bytes: u64) -> bool {
        let wanted = self.inner.min_free_bytes.load(Relaxed);
        if wanted == 0 {
            return true;
        }
        // A file system that cannot say has room as long as it takes what is written.
        let free = seawall_sys::files::free_bytes(&self.inner.directory);
        free.map_or(true, |free| free >= wanted.saturating_add(bytes))
    }

    /// Drops the oldest segments until `bytes` more fit.
    fn hold_budget(&mut self, bytes: u64) {
        while self.inner.held_bytes() + bytes > self.inner.limit_bytes.load(Relaxed) {
            if !self.drop_oldest() {
                return;
            }
        }
    }

    /// Drops the oldest segment. What was read since it was written moves on, up to a share. False if there is none.
    fn drop_oldest(&mut self) -> bool {
        let oldest = {
            let segments = self.inner.segments.read();
            segments.values().min_by_key(|segment| segment.id).cloned()
        };
        let Some(oldest) = oldest else { return false };
        if self.active.as_ref().is_some_and(|a| a.id == oldest.id) {
            self.active = None;
        } else {
            self.move_used(&oldest);
        }
        self.inner.index.forget_segment(oldest.id);
        self.inner.segments.write().remove(&oldest.id);
        if let Err(e) = oldest.remove() {
            self.inner.write_failed(&e);
        }
        true
    }

    fn move_used(&mut self, from: &Segment) {
        let mut left = self.inner.segment_bytes() / KEPT_SHARE;
        let Some(active) = self.active.clone() else {
            return;
        };
        for (hash, location) in self.inner.index.used_in(from.id) {
            let fits = active.length() + location.length <= self.inner.segment_bytes();
            if location.length > left || !fits {
                continue;
            }
            let Ok(Some(record)) = from.read_raw(location.at, location.length) else {
                continue;
            };
            let Ok(at) = active.append_raw(&record) else {
                return;
            };
            left -= location.length;
            let to = Location {
                segment: active.id,
                at,
                ..location
            };
            self.inner.index.move_to(hash, location, to);
        }
    }

    fn clear(&mut self) {
        self.active = None;
        let segments: Vec<Arc<Segment>> = {
            let mut segments = self.inner.segments.write();
            segments.drain().map(|(_, segment)| segment).collect()
        };
        for segment in segments {
            self.inner.index.forget_segment(segment.id);
            if let Err(e) = segment.remove() {
                self.inner.write_failed(&e);
            }
        }
    }
}

/// The segments of a directory, and the number of the next.
pub(super) fn survey(directory: &std::path::Path) -> io::Result<(Vec<(u32, PathBuf)>, u32)> {
    let found = segment::list(directory)?;
    let next = found.last().map_or(0, |(id, _)| id.wrapping_add(1));
    Ok((found, next))
}
