//! `seawall backup` and `seawall restore`: what is worth keeping in one file, and back.
//!
//! In it are the configuration with the files it names in its own directory (tokens, keys, passwords, zones), and the state
//! directory: certificates and account keys, the internal CA, revisions, the audit chain, zones' journals and DNSSEC keys.
//! Caches are not, and neither are the journals of their purges: an older one put beside a newer cache would bring back what
//! was purged. The file is private (0600), written beside its name and renamed, and ends with a checksum of the whole.

mod restore;
mod snapshot;
mod tar;

use crate::{configuration::Source, terminal};
use anyhow::Context;
pub use restore::carry_out;
use restore::{Target, restore as put_back};
use snapshot::{ABOUT, Places};
use std::{
    fs::{self, File},
    io::BufWriter,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};
use tar::{Member, Writer};

/// What is kept, and where.
#[derive(clap::Args)]
pub struct Backup {
    /// The archive that is made; one that is there is replaced
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// The configuration that names the state directory
    #[arg(short, long, value_name = "FILE", default_value = super::CONFIG_DEFAULT)]
    config: PathBuf,
}

/// What is put back, and where.
#[derive(clap::Args)]
pub struct Restore {
    /// The archive
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// Where the configuration goes; the files beside it go there as well
    #[arg(short, long, value_name = "FILE", default_value = super::CONFIG_DEFAULT)]
    config: PathBuf,
    /// Where the state goes [default: where it was]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Put aside what is there and is something else
    #[arg(long)]
    replace: bool,
}

/// `seawall backup`
pub fn backup(wanted: &Backup) -> anyhow::Result<ExitCode> {
    let places = Places::of(&Source::file(wanted.config.clone()))?;
    let mut progress = terminal::Progress::new();
    let members = places.read(|name| progress.say(format_args!("reading {name}")))?;
    progress.done();
    let about = Member {
        name: ABOUT.into(),
        mode: 0o600,
        owner: (0, 0),
        changed_s: places.about.made_s,
        bytes: serde_json::to_vec_pretty(&places.about)?,
    };
    let to = std::path::absolute(&wanted.to)?;
    let written = write(&to, &about, &members, &mut progress);
    written.with_context(|| format!("cannot write {}", to.display()))?;
    for path in &places.elsewhere {
        terminal::err(format_args!(
            "not in it, as it lies elsewhere: {}\n",
            path.display()
        ));
    }
    let bytes: usize = members.iter().map(|m| m.bytes.len()).sum();
    terminal::out(format_args!(
        "{}: {} files, {bytes} bytes; keep it as private as the keys in it\n",
        wanted.to.display(),
        members.len()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The archive is there whole or not at all.
fn write(
    to: &Path,
    about: &Member,
    members: &[Member],
    progress: &mut terminal::Progress,
) -> anyhow::Result<()> {
    let mut name = to.file_name().context("it has no name")?.to_owned();
    name.push(".new");
    let next = to.with_file_name(name);
    // What an earlier crash left there is ours.
    let _ = fs::remove_file(&next);
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&next)?;
    let filled = || -> anyhow::Result<()> {
        let mut writer = Writer::new(BufWriter::new(file));
        writer.add(about)?;
        for member in members {
            progress.say(format_args!("writing {}", member.name));
            writer.add(member)?;
        }
        let file = writer.finish()?.into_inner().map_err(|e| e.into_error())?;
        file.sync_all()?;
        fs::rename(&next, to)?;
        File::open(to.parent().unwrap_or(Path::new("/")))?.sync_all()?;
        Ok(())
    };
    let outcome = filled();
    if outcome.is_err() {
        let _ = fs::remove_file(&next);
    }
    outcome
}

/// `seawall restore`
pub fn restore(wanted: &Restore) -> anyhow::Result<ExitCode> {
    let config = std::path::absolute(&wanted.config)?;
    if carry_out(&config, usize::MAX)? {
        terminal::err(format_args!("an earlier restore was ended first\n"));
    }
    let mut progress = terminal::Progress::new();
    progress.say(format_args!("restoring {}", wanted.from.display()));
    let state = wanted.state.as_ref().map(std::path::absolute).transpose()?;
    let target = Target {
        config,
        state,
        replace: wanted.replace,
    };
    let done = put_back(&wanted.from, &target)?;
    progress.done();
    terminal::out(format_args!(
        "{} files restored, of seawall {}: {} and {}\n",
        done.files,
        done.about.version,
        target.config.display(),
        done.state.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}
