//! What is worth keeping, read as of one moment.
//!
//! The daemon writes its state whole or not at all (a file beside it, renamed), and appends to its journals and the audit
//! log. So a snapshot is: everything is listed, everything is read, everything is listed again. Where both lists are the
//! same, nothing changed while it was read, and what was read belongs together. Otherwise it is done once more.

use super::tar::{MEMBER_BYTES_MAX, Member};
use crate::{configuration::Source, worker};
use anyhow::{Context, bail, ensure};
use seawall_conf::model::{Address, Config};
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How often it is tried while the daemon writes.
const TRIES_MAX: usize = 20;

/// How long is waited between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// The first member.
pub const ABOUT: &str = "seawall-backup.json";

/// The archive's form.
pub const FORMAT: u32 = 1;

/// What an archive says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    /// [`FORMAT`]
    pub format: u32,
    /// The version that wrote it.
    pub version: String,
    /// When (seconds since 1970).
    pub made_s: u64,
    /// The configuration's file.
    pub config: PathBuf,
    /// The state directory.
    pub state: PathBuf,
    /// Unix sockets of the admin API: who answers there is running.
    pub sockets: Vec<PathBuf>,
}

/// Where the parts lie.
pub struct Places {
    /// What the archive says of itself.
    pub about: About,
    /// Files of the configuration, absolute.
    files: BTreeSet<PathBuf>,
    /// Named by the configuration and kept elsewhere: somebody else's to keep.
    pub elsewhere: Vec<PathBuf>,
    /// Directories of caches: what is in them may be lost.
    caches: Vec<PathBuf>,
}

impl Places {
    /// As a configuration names them.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(source: &Source) -> anyhow::Result<Self> {
        let loaded = source.load();
        let (config, _) = loaded.map_err(|e| {
            anyhow::anyhow!(
                "{}\nwhat is kept where is said there",
                e.diagnostics.render(&e.sources, false)
            )
        })?;
        let folder = source.path.parent().unwrap_or(Path::new("/"));
        let (own, elsewhere): (BTreeSet<PathBuf>, BTreeSet<PathBuf>) = named(&config)
            .into_iter()
            .filter(|path| path.exists() && !path.starts_with(&config.process.state))
            .partition(|path| path.starts_with(folder));
        let sockets = config.admin.iter().filter_map(|a| match &a.address {
            Address::Unix(path) => Some(path.clone()),
            _ => None,
        });
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Ok(Self {
            about: About {
                format: FORMAT,
                version: crate::version::WITH_COMMIT.to_owned(),
                made_s: now.map_or(0, |d| d.as_secs()),
                config: source.path.clone(),
                state: config.process.state.clone(),
                sockets: sockets.collect(),
            },
            files: own,
            // What packages install comes with them.
            elsewhere: elsewhere
                .into_iter()
                .filter(|p| !p.starts_with("/usr"))
                .collect(),
            caches: config
                .caches
                .iter()
                .filter_map(|c| Some(c.disk.as_ref()?.path.clone()))
                .collect(),
        })
    }

    /// Everything, as of one moment.
    ///
    /// # Errors
    /// Something cannot be read, or the daemon wrote all the while.
    pub fn read(&self, mut say: impl FnMut(&str)) -> anyhow::Result<Vec<Member>> {
        for _ in 0..TRIES_MAX {
            let before = self.list()?;
            let mut members = Vec::new();
            let mut gone = false;
            for (name, (path, _)) in &before {
                say(name);
                match member(name, path) {
                    Ok(member) => members.push(member),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => gone = true,
                    Err(e) => {
                        return Err(e).with_context(|| format!("cannot read {}", path.display()));
                    }
                }
            }
            if !gone && self.list()? == before {
                return Ok(members);
            }
            say("the daemon is writing: once more");
            std::thread::sleep(PAUSE);
        }
        bail!(
            "the state changed each of {TRIES_MAX} times it was read: stop the daemon, or try again"
        )
    }

    /// All files by the name of their member.
    fn list(&self) -> anyhow::Result<BTreeMap<String, (PathBuf, Shape)>> {
        let mut all = BTreeMap::new();
        let folder = self.about.config.parent().unwrap_or(Path::new("/"));
        for path in &self.files {
            let rest = path.strip_prefix(folder).unwrap_or(path);
            add(&mut all, "config", rest, path)?;
        }
        if self.about.state.exists() {
            self.walk(&self.about.state, &mut all)?;
        }
        Ok(all)
    }

    fn walk(
        &self,
        folder: &Path,
        all: &mut BTreeMap<String, (PathBuf, Shape)>,
    ) -> anyhow::Result<()> {
        let entries =
            fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = entry.file_name();
            // What is being written has such a name, and is nobody's yet.
            let unfinished = name.to_string_lossy().ends_with(".new")
                || name.to_string_lossy().starts_with(".tmp");
            if unfinished || kind.is_socket() || kind.is_symlink() || kind.is_fifo() {
                continue;
            }
            if kind.is_dir() {
                if !self.caches.contains(&path) {
                    self.walk(&path, all)?;
                }
                continue;
            }
            let rest = path
                .strip_prefix(&self.about.state)
                .unwrap_or(&path)
                .to_owned();
            add(all, "state", &rest, &path)?;
        }
        Ok(())
    }
}

/// By what a change of a file is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

fn add(
    all: &mut BTreeMap<String, (PathBuf, Shape)>,
    part: &str,
    rest: &Path,
    path: &Path,
) -> anyhow::Result<()> {
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        // Gone meanwhile: the second list will lack it as well, or have it.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
    };
    ensure!(
        metadata.len() <= MEMBER_BYTES_MAX,
        "{} is larger than {MEMBER_BYTES_MAX} bytes",
        path.display()
    );
    let rest = rest
        .to_str()
        .with_context(|| format!("{} is no text", path.display()))?;
    let shape = Shape {
        inode: metadata.ino(),
        length: metadata.len(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    };
    all.insert(format!("{part}/{rest}"), (path.to_owned(), shape));
    Ok(())
}

fn member(name: &str, path: &Path) -> io::Result<Member> {
    let metadata = path.metadata()?;
    Ok(Member {
        name: name.to_owned(),
        mode: metadata.mode() & 0o777,
        owner: (metadata.uid(), metadata.gid()),
        changed_s: u64::try_from(metadata.mtime()).unwrap_or(0),
        bytes: fs::read(path)?,
    })
}

/// Every file that a configuration names: its own, secrets, and whatever is read when it is compiled.
fn named(config: &Config) -> BTreeSet<PathBuf> {
    let mut all: BTreeSet<PathBuf> = config.files.iter().cloned().collect();
    all.extend(
        config
            .secret_files()
            .into_iter()
            .map(|(path, _)| path.to_owned()),
    );
    let read = RefCell::new(BTreeSet::new());
    let _ = worker::check_by(config.clone(), &|path| {
        read.borrow_mut().insert(path.to_owned());
        fs::read(path)
    });
    all.extend(read.into_inner());
    all
}
