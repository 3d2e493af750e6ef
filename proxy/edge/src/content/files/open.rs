//! Opening: from the thread's cache, from the kernel's, or by the blocking pool.

use super::FilePath;
use crate::{local::Local, plan::RoutePlan};
use seawall_http::{date, encode};
use seawall_sys::beneath::{self, Links, Wait};
use std::{
    cell::Cell,
    fs::{File, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    rc::Rc,
    sync::Arc,
};

/// Files up to this size are kept in memory by the open cache, and sent with their head in one write.
pub const KEPT_BYTES: u64 = 64 * 1024;

/// What a path leads to.
#[derive(Clone)]
pub enum Found {
    /// A regular file.
    File(Rc<OpenedFile>),
    /// A directory.
    Directory,
}

/// A regular file.
pub struct OpenedFile {
    /// Its bytes are read through this; `None` where `kept` has them all.
    pub file: Option<Arc<File>>,
    /// All of its bytes.
    pub kept: Option<Box<[u8]>>,
    /// How many there are.
    pub size: u64,
    /// When it was last modified (s since 1970).
    pub modified_s: u64,
    /// `Last-Modified` and `ETag`, ready.
    lines: Box<[u8]>,
    /// Where the second begins.
    tag_line: usize,
    /// The entity tag.
    pub tag: Box<[u8]>,
    /// What tells that it is another file now.
    pub identity: Identity,
    /// Until when (ms since 1970) all of it is taken to be in the kernel's cache.
    pub warm_until_ms: Cell<u64>,
}

impl OpenedFile {
    /// The bytes that are kept.
    pub fn content(&self) -> &[u8] {
        self.kept.as_deref().unwrap_or_default()
    }

    /// `Last-Modified` and, where it is sent, `ETag`.
    pub fn lines(&self, tag: bool) -> &[u8] {
        let end = if tag { self.lines.len() } else { self.tag_line };
        self.lines.get(..end).unwrap_or_default()
    }
}

/// What tells a file from the one that was there before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// What opening came to, on whatever thread.
enum Raw {
    File(File, Metadata),
    Directory,
}

fn open_raw(path: &[u8], root: usize, links: Links, wait: Wait) -> io::Result<Raw> {
    let below = path.get(root..).unwrap_or_default();
    if below.split(|b| *b == b'/').any(|name| name == b"..") {
        return Err(ErrorKind::NotFound.into());
    }
    let file = beneath::open(path, root, links, wait)?;
    let meta = file.metadata()?;
    if meta.is_dir() {
        Ok(Raw::Directory)
    } else if meta.is_file() {
        Ok(Raw::File(file, meta))
    } else {
        // A pipe or a device would block or never end.
        Err(ErrorKind::PermissionDenied.into())
    }
}

/// Opens what a path leads to.
pub async fn open(local: &Local, route: &RoutePlan, path: &FilePath) -> io::Result<Found> {
    let cache = route.rules.files.open_cache.as_ref();
    let links = route.rules.links;
    let now = crate::clock::now_ms();
    let mut before = None;
    if let Some(cache) = cache {
        match local.files.find(&path.bytes, links, now, cache.valid) {
            Some((found, true)) => return found,
            Some((Ok(Found::File(file)), false)) => before = Some(file),
            _ => {}
        }
    }
    let raw = match open_raw(&path.bytes, path.root, links, Wait::Never) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => {
            let (bytes, root) = (path.bytes.clone(), path.root);
            let work =
                tokio::task::spawn_blocking(move || open_raw(&bytes, root, links, Wait::Allowed));
            work.await.map_err(io::Error::other)?
        }
        raw => raw,
    };
    let found = match raw {
        Ok(Raw::Directory) => Ok(Found::Directory),
        Ok(Raw::File(file, meta)) => match before {
            // What is kept of it still holds.
            Some(file) if file.identity == Identity::of(&meta) => Ok(Found::File(file)),
            _ => Ok(Found::File(Rc::new(
                take(file, &meta, cache.is_some()).await?,
            ))),
        },
        Err(e) => Err(e),
    };
    if let Some(cache) = cache
        && (found.is_ok() || cache.errors)
    {
        local.files.put(&path.bytes, links, now, cache.max, &found);
    }
    found
}

/// Makes what is sent of a file ready; keeps a small one's bytes.
async fn take(file: File, meta: &Metadata, keeps: bool) -> io::Result<OpenedFile> {
    let modified_s = meta.mtime().max(0) as u64;
    let tag = tag(meta, modified_s);
    let mut lines = Vec::with_capacity(96);
    encode::field(&mut lines, b"Last-Modified", &date::format(modified_s));
    let tag_line = lines.len();
    encode::field(&mut lines, b"ETag", &tag);
    let file = Arc::new(file);
    let kept = if keeps && meta.len() <= KEPT_BYTES {
        Some(read_whole(&file, meta.len() as usize).await?)
    } else {
        None
    };
    Ok(OpenedFile {
        // Without its descriptor a small file costs memory alone.
        file: kept.is_none().then_some(file),
        kept: kept.map(Vec::into_boxed_slice),
        size: meta.len(),
        modified_s,
        lines: lines.into(),
        tag_line,
        tag: tag.into(),
        identity: Identity::of(meta),
        warm_until_ms: Cell::new(0),
    })
}

/// nginx's tag: seconds and size. Where the file system tells parts of a second, they follow: two versions of one size
/// within a second are two.
fn tag(meta: &Metadata, modified_s: u64) -> Vec<u8> {
    let size = meta.len();
    match meta.mtime_nsec() {
        0 => format!("\"{modified_s:x}-{size:x}\""),
        part => format!("\"{modified_s:x}-{size:x}-{part:x}\""),
    }
    .into_bytes()
}

async fn read_whole(file: &Arc<File>, size: usize) -> io::Result<Vec<u8>> {
    let mut content = vec![0; size];
    if matches!(beneath::read_now(file, &mut content, 0), Ok(n) if n == size) {
        return Ok(content);
    }
    let file = file.clone();
    let work = tokio::task::spawn_blocking(move || {
        std::os::unix::fs::FileExt::read_exact_at(&*file, &mut content, 0)?;
        Ok(content)
    });
    work.await.map_err(io::Error::other)?
}
