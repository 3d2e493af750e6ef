//! Putting an archive back: all of it or nothing, whatever happens meanwhile.
//!
//! Everything is first written beside its place, under names that nobody reads, and put on the disk. Then one file, the
//! *deed*, says which of them take which place; from its rename on the restore has happened, and what is left is renames
//! that may be made again as often as it takes. Before it nothing has: what lies beside is swept away by the next try. A
//! daemon that finds a deed carries it out before it reads anything (`seawall run`), or says why it cannot.

use super::{
    snapshot::{ABOUT, About, FORMAT},
    tar::{ArchiveError, Member, read},
};
use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, BufReader, Write},
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

/// What stands beside a place until its time has come.
const COMING: &str = ".seawall-restore";
/// What was there before.
const BEFORE: &str = ".before-restore";
/// The deed, beside the configuration.
const DEED: &str = ".seawall-restore.json";

/// What takes which place.
#[derive(Debug, Serialize, Deserialize)]
struct Deed {
    renames: Vec<Rename>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Rename {
    from: PathBuf,
    to: PathBuf,
}

/// Where an archive goes.
pub struct Target {
    /// The configuration's file.
    pub config: PathBuf,
    /// The state directory; where the archive's was otherwise.
    pub state: Option<PathBuf>,
    /// What is there makes room: it is kept beside, under another name.
    pub replace: bool,
}

/// What was done.
pub struct Restored {
    /// What the archive says of itself.
    pub about: About,
    /// Files.
    pub files: usize,
    /// The state directory.
    pub state: PathBuf,
}

/// Restores.
///
/// # Errors
/// Why nothing was changed.
pub fn restore(archive: &Path, target: &Target) -> anyhow::Result<Restored> {
    let deed = prepare(archive, target)?;
    let (restored, path) = (deed.1, deed_path(&target.config));
    write_deed(&path, &deed.0)?;
    carry_out(&target.config, usize::MAX)?;
    Ok(restored)
}

fn deed_path(config: &Path) -> PathBuf {
    folder_of(config).join(DEED)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// `PATH` with something behind its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Everything beside its place, and the deed that is not written yet.
fn prepare(archive: &Path, target: &Target) -> anyhow::Result<(Deed, Restored)> {
    // Twice: before the first file is written the whole is known to be what was written.
    let mut about: Option<About> = None;
    let mut files = 0;
    let open = || File::open(archive).with_context(|| format!("cannot read {}", archive.display()));
    read(BufReader::new(open()?), |member| -> anyhow::Result<()> {
        if about.is_none() {
            about = Some(introduced(&member)?);
            return Ok(());
        }
        ensure!(
            member.name.starts_with("config/") || member.name.starts_with("state/"),
            ArchiveError::Damaged(format!("it holds {:?}", member.name))
        );
        files += 1;
        Ok(())
    })?;
    let about = about.context(ArchiveError::Damaged("it is empty".into()))?;
    let state = target.state.clone().unwrap_or_else(|| about.state.clone());
    ensure!(state.is_absolute(), "{} is not absolute", state.display());
    nobody_runs(&about, &target.config, &state)?;
    let place = Place {
        config: folder_of(&target.config).to_owned(),
        coming_config: folder_of(&target.config).join(COMING),
        coming_state: beside(&state, COMING),
        state,
    };
    place.sweep()?;
    let written = place.write(open()?, &about, target);
    let deed =
        match written.and_then(|deed| place.refuse_foreign(&deed, target.replace).map(|()| deed)) {
            Ok(deed) => deed,
            Err(e) => {
                // What cannot be swept now is swept by the next try.
                let _ = place.sweep();
                return Err(e);
            }
        };
    let restored = Restored {
        about,
        files,
        state: place.state,
    };
    Ok((deed, restored))
}

/// What the first member says.
fn introduced(member: &Member) -> anyhow::Result<About> {
    ensure!(
        member.name == ABOUT,
        ArchiveError::Damaged("it is no backup of Seawall".into())
    );
    let about: About = serde_json::from_slice(&member.bytes)
        .map_err(|e| ArchiveError::Damaged(format!("{ABOUT}: {e}")))?;
    ensure!(
        about.format == FORMAT,
        "the archive has format {}, and this is seawall {}, which reads {FORMAT}",
        about.format,
        crate::version::VERSION
    );
    Ok(about)
}

/// A daemon would go on with what it has in memory, and write that over what is restored.
fn nobody_runs(about: &About, config: &Path, state: &Path) -> anyhow::Result<()> {
    let now = crate::configuration::Source::file(config.to_owned())
        .load()
        .ok();
    let own = now
        .iter()
        .flat_map(|(c, _)| &c.admin)
        .filter_map(|a| match &a.address {
            seawall_conf::model::Address::Unix(path) => Some(path),
            _ => None,
        });
    for socket in own.chain(&about.sockets) {
        if UnixStream::connect(socket).is_ok() {
            bail!(
                "a daemon answers at {}: stop it first (systemctl stop seawall)",
                socket.display()
            );
        }
    }
    let pid_file = now
        .iter()
        .filter_map(|(c, _)| c.process.pid.as_ref())
        .next();
    if let Some(pid) = pid_file.and_then(|path| crate::keeper::read_pid(path).ok())
        && Path::new(&format!("/proc/{pid}")).exists()
    {
        bail!("a daemon runs (process {pid}): stop it first (systemctl stop seawall)");
    }
    // The audit log is held by who writes it for the moment of a line alone: this sees a daemon without socket or pid file.
    let held = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .any(|process| {
            let name = process.file_name();
            let is_process = name.to_string_lossy().bytes().all(|b| b.is_ascii_digit());
            is_process && holds(&process.path(), &state.join("audit.log"))
        });
    ensure!(
        !held,
        "a process has {} open: stop the daemon first",
        state.join("audit.log").display()
    );
    Ok(())
}

/// Whether a process has a file open, as far as we may see.
fn holds(process: &Path, file: &Path) -> bool {
    let open = fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten();
    open.filter_map(|fd| fs::read_link(fd.path()).ok())
        .any(|at| at == file)
}

/// The places of one restore.
struct Place {
    config: PathBuf,
    coming_config: PathBuf,
    state: PathBuf,
    coming_state: PathBuf,
}

impl Place {
    /// What an earlier try left beside: it was never to be.
    fn sweep(&self) -> anyhow::Result<()> {
        for path in [&self.coming_config, &self.coming_state] {
            match fs::remove_dir_all(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(e).with_context(|| format!("cannot remove {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&self, archive: File, about: &About, target: &Target) -> anyhow::Result<Deed> {
        make(&self.coming_config)?;
        make(&self.coming_state)?;
        let owner = self.state.metadata().ok().map(|m| (m.uid(), m.gid()));
        let mut deed = Deed {
            renames: Vec::new(),
        };
        let old_name = about
            .config
            .file_name()
            .map(PathBuf::from)
            .unwrap_or_default();
        read(BufReader::new(archive), |member| -> anyhow::Result<()> {
            if let Some(rest) = member.name.strip_prefix("state/") {
                let owner = Some(owner.unwrap_or(member.owner));
                return write(
                    &self.coming_state.join(rest),
                    &member,
                    owner,
                    &self.coming_state,
                );
            }
            if let Some(rest) = member.name.strip_prefix("config/") {
                let from = self.coming_config.join(rest);
                write(&from, &member, None, &self.coming_config)?;
                // The configuration may have another name here.
                let to = match Path::new(rest) == old_name {
                    true => target.config.clone(),
                    false => self.config.join(rest),
                };
                deed.renames.push(Rename { from, to });
            }
            Ok(())
        })?;
        settle(&self.coming_config)?;
        settle(&self.coming_state)?;
        deed.renames.push(Rename {
            from: self.coming_state.clone(),
            to: self.state.clone(),
        });
        Ok(deed)
    }

    /// What is there and is not the same is somebody's.
    fn refuse_foreign(&self, deed: &Deed, replace: bool) -> anyhow::Result<()> {
        for Rename { from, to } in &deed.renames {
            if replace || !to.exists() || (to.is_file() && same(from, to)?) || is_empty(to) {
                continue;
            }
            bail!(
                "{} is there and holds something else; --replace puts it aside (as {}) and restores",
                to.display(),
                beside(to, BEFORE).display()
            );
        }
        Ok(())
    }
}

fn same(a: &Path, b: &Path) -> anyhow::Result<bool> {
    Ok(fs::read(a)? == fs::read(b)?)
}

fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

fn make(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

fn write(
    path: &Path,
    member: &Member,
    owner: Option<(u32, u32)>,
    root: &Path,
) -> anyhow::Result<()> {
    make(folder_of(path))?;
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(member.mode & 0o700)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(&member.bytes)?;
    if seawall_sys::privileges::is_root() {
        let (uid, gid) = owner.unwrap_or(member.owner);
        let mut own = Some(path);
        while let Some(path) = own {
            chown(path, Some(uid), Some(gid))?;
            // The configuration's directories stay root's; those of the state are the daemon's.
            own = path
                .parent()
                .filter(|p| owner.is_some() && p.starts_with(root));
        }
    }
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(member.mode & 0o777))?;
    file.sync_all()
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Puts a directory's names on the disk, and those below it.
fn settle(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            settle(&entry.path())?;
        }
    }
    File::open(path)?.sync_all()
}

fn write_deed(path: &Path, deed: &Deed) -> anyhow::Result<()> {
    let next = beside(path, ".new");
    let _ = fs::remove_file(&next);
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&next)?;
    file.write_all(&serde_json::to_vec(deed)?)?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    File::open(folder_of(path))?.sync_all()?;
    Ok(())
}

/// Carries out a deed that is there, as far as it is not done yet. False if there is none. At most `steps` renames (all, but
/// in tests).
///
/// # Errors
/// A rename cannot be made: the next call goes on there.
pub fn carry_out(config: &Path, steps: usize) -> anyhow::Result<bool> {
    let path = deed_path(config);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
    };
    let deed: Deed = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is none of ours", path.display()))?;
    for Rename { from, to } in deed.renames.iter().take(steps) {
        put(from, to).with_context(|| {
            format!(
                "a restore was begun and cannot be ended: {} -> {}",
                from.display(),
                to.display()
            )
        })?;
    }
    if steps < deed.renames.len() {
        return Ok(true);
    }
    fs::remove_dir_all(folder_of(config).join(COMING)).or_else(|e| match e.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(e),
    })?;
    fs::remove_file(&path)?;
    File::open(folder_of(&path))?.sync_all()?;
    Ok(true)
}

/// One rename; what is in its way is put aside, unless that was done before.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    if !from.exists() {
        // It has been made.
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder_of(to))?;
    let is_same = to.is_file() && fs::read(from)? == fs::read(to)?;
    let in_the_way = to.exists() && !is_empty(to) && !is_same;
    if in_the_way {
        let aside = beside(to, BEFORE);
        if aside.is_dir() {
            fs::remove_dir_all(&aside)?;
        }
        fs::rename(to, &aside)?;
    }
    fs::rename(from, to)?;
    File::open(folder_of(to))?.sync_all()
}

#[cfg(test)]
mod tests;
