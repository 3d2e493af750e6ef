//! Configurations as they come and go over the API: checked, written, kept as revisions, taken back unless confirmed.
//!
//! The file is the truth after a restart, so a change is first written into it (whole or not at all) and then loaded. It is
//! written with the worker's own rights: the keeper, which may be root, writes no configuration for a worker that strangers
//! talk to. Where the worker may not write the file the API says so, and the file is edited as before.
//!
//! A change that must be confirmed leaves `pending.json` in the state directory before the file is touched: whatever crashes
//! then, the next worker reads it before it loads anything, and puts the file back once its time is over.

use super::{
    check,
    life::{STATE_PATIENCE, Worker},
};
use crate::{configuration::Source, patience};
use seawall_admin::{ConfigRefusal, PutConfig, ReloadError, ShownConfig, time_text};
use seawall_conf::{
    FileReader, LoadOptions, load_text,
    model::{LogLevel, Syntax},
    yaml::{self, Change, Named},
};
use seawall_diag::FileId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Revisions kept; the oldest go.
pub const REVISIONS_MAX: usize = 200;

/// A configuration that was served.
#[derive(Serialize, Deserialize)]
struct Revision {
    number: u64,
    at: String,
    actor: String,
    hash: String,
    text: String,
}

/// A configuration that waits to be confirmed.
#[derive(Clone, Serialize, Deserialize)]
struct Pending {
    /// Until when (ms since 1970).
    until_ms: u64,
    /// What comes back.
    before: String,
    /// Of the text that waits: if another one is in the file by then, somebody has moved on.
    hash: String,
    actor: String,
}

impl Pending {
    fn is_over(&self) -> bool {
        now_ms() >= self.until_ms
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as u64)
}

fn hash(text: &str) -> String {
    seawall_admin::sha256_hex(text.as_bytes())
}

fn failed(what: &str, path: &Path, error: &io::Error) -> ConfigRefusal {
    ConfigRefusal::Failed(format!("cannot {what} {}: {error}", path.display()))
}

fn pending_path(state: &Path) -> PathBuf {
    state.join("pending.json")
}

fn pending(state: &Path) -> Option<Pending> {
    let text = fs::read(pending_path(state)).ok()?;
    serde_json::from_slice(&text).ok()
}

fn forget_pending(state: &Path) -> io::Result<()> {
    match fs::remove_file(pending_path(state)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => File::open(state)?.sync_all(),
    }
}

/// Puts a file in place, whole or not at all, and on the disk.
fn durable(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let next = directory.join(name);
    // What an earlier crash left there is ours.
    let _ = fs::remove_file(&next);
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&next)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    File::open(directory)?.sync_all()
}

/// Writes the configuration's file, with the rights it had.
fn replace(path: &Path, text: &str) -> Result<(), ConfigRefusal> {
    let write = || -> io::Result<()> {
        let path = path.canonicalize()?;
        let mode = path.metadata()?.permissions().mode() & 0o777;
        durable(&path, text.as_bytes(), mode)
    };
    write().map_err(|error| {
        ConfigRefusal::Conflict(format!(
            "{} cannot be written by the daemon's own user ({error}): edit the file and `seawall reload`, or give that \
             user its directory",
            path.display()
        ))
    })
}

fn revisions_directory(state: &Path) -> PathBuf {
    state.join("revisions")
}

/// Numbers of the revisions there are, in order.
fn numbers(state: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(revisions_directory(state)) else {
        return Vec::new();
    };
    let name = |entry: fs::DirEntry| entry.file_name().into_string().ok();
    let mut all: Vec<u64> = entries
        .flatten()
        .filter_map(name)
        .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
        .collect();
    all.sort_unstable();
    all
}

fn revision(state: &Path, number: u64) -> Option<Revision> {
    let path = revisions_directory(state).join(format!("{number}.json"));
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Keeps a text unless it is the last that was kept. Its number.
fn keep(state: &Path, text: &str, actor: &str) -> io::Result<u64> {
    let all = numbers(state);
    let hash = hash(text);
    let last = all.last().copied();
    if let Some(last) = last
        && revision(state, last).is_some_and(|r| r.hash == hash)
    {
        return Ok(last);
    }
    let directory = revisions_directory(state);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)?;
    let number = last.unwrap_or(0) + 1;
    let kept = Revision {
        number,
        at: time_text(now_ms()),
        actor: actor.to_owned(),
        hash,
        text: text.to_owned(),
    };
    let bytes = serde_json::to_vec(&kept).map_err(io::Error::other)?;
    durable(&directory.join(format!("{number}.json")), &bytes, 0o600)?;
    let too_many = (all.len() + 1).saturating_sub(REVISIONS_MAX);
    for old in all.iter().take(too_many) {
        let _ = fs::remove_file(directory.join(format!("{old}.json")));
    }
    Ok(number)
}

/// The same, and a disk that stands still is an error.
fn keep_within(state: &Path, text: String, actor: &str) -> io::Result<u64> {
    let (state, actor) = (state.to_owned(), actor.to_owned());
    let kept = patience::within(STATE_PATIENCE, "keeping a revision", move || {
        keep(&state, &text, &actor)
    });
    kept.unwrap_or_else(|stuck| Err(io::Error::other(stuck)))
}

/// Before a worker loads anything: puts the file back if its time to be confirmed has passed. Says what it did.
pub fn recover(source: &Source, state: &Path) -> Option<String> {
    let waiting = pending(state)?;
    if !waiting.is_over() {
        return None;
    }
    let said = put_back(&source.path, state, &waiting);
    Some(match said {
        Ok(true) => format!(
            "the configuration that {} put was not confirmed: the one before is back",
            waiting.actor
        ),
        Ok(false) => "the configuration was changed while another waited to be confirmed: it stays"
            .to_owned(),
        Err(why) => {
            format!("the configuration that was not confirmed cannot be taken back: {why:?}")
        }
    })
}

/// False where somebody has changed the file meanwhile: that is the newer word.
fn put_back(path: &Path, state: &Path, waiting: &Pending) -> Result<bool, ConfigRefusal> {
    let there = fs::read_to_string(path).map_err(|e| failed("read", path, &e))?;
    let is_ours = hash(&there) == waiting.hash;
    if is_ours {
        replace(path, &waiting.before)?;
    }
    forget_pending(state).map_err(|e| failed("remove", &pending_path(state), &e))?;
    Ok(is_ours)
}

impl Worker {
    fn state(&self) -> PathBuf {
        self.edge.plan().config.process.state.clone()
    }

    fn is_yaml(&self) -> Result<(), ConfigRefusal> {
        match self.edge.plan().config.syntax {
            Syntax::Yaml => Ok(()),
            Syntax::Nginx => Err(ConfigRefusal::Conflict(
                "nginx.conf is not changed over the API: edit the file and `seawall -s reload`"
                    .into(),
            )),
        }
    }

    fn current(&self) -> Result<String, ConfigRefusal> {
        let path = &self.source.path;
        let bytes = (self.reader())(path).map_err(|e| failed("read", path, &e))?;
        String::from_utf8(bytes).map_err(|_| ConfigRefusal::Failed("the file is not UTF-8".into()))
    }

    fn reader(&self) -> FileReader {
        self.host.reader()
    }

    /// Keeps what is served as a revision.
    pub(super) fn note_revision(&self, actor: &str) {
        let plan = self.edge.plan();
        if plan.config.syntax != Syntax::Yaml {
            return;
        }
        let text = plan.config.sources.text(FileId(0)).to_owned();
        if let Err(e) = keep_within(&plan.config.process.state, text, actor) {
            let line = format_args!("this configuration is not kept as a revision: {e}");
            self.log.line(LogLevel::Warn, 0, line);
        }
    }

    pub(super) fn shown_config(&self) -> Result<ShownConfig, ConfigRefusal> {
        let plan = self.edge.plan();
        let text = self.current()?;
        let files = plan.config.files.iter().map(|f| f.display().to_string());
        let waiting = pending(&plan.config.process.state);
        let shown = match plan.config.syntax {
            Syntax::Yaml => yaml::masked(&text),
            Syntax::Nginx => text.clone(),
        };
        Ok(ShownConfig {
            path: self.source.path.display().to_string(),
            hash: hash(&text),
            text: shown,
            generation: plan.generation,
            files: files.collect(),
            pending: waiting.map_or(Value::Null, |w| {
                json!({ "until": time_text(w.until_ms), "until_ms": w.until_ms, "actor": w.actor })
            }),
        })
    }

    /// See [`seawall_admin::Control::put_config`].
    pub(super) fn put_config(self: &Arc<Self>, order: &PutConfig) -> Result<Value, ConfigRefusal> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.put_locked(order)
    }

    fn put_locked(self: &Arc<Self>, order: &PutConfig) -> Result<Value, ConfigRefusal> {
        self.is_yaml()?;
        let current = self.current()?;
        if order
            .if_match
            .as_ref()
            .is_some_and(|wanted| *wanted != hash(&current))
        {
            return Err(ConfigRefusal::Changed);
        }
        let text = yaml::unmasked(&order.text, &current);
        let changes = self.changes(&current, &text)?;
        let (warnings, wanted_state) = self.examine(&text)?;
        if order.dry_run {
            return Ok(json!({ "dry_run": true, "changes": changes, "warnings": warnings }));
        }
        let state = self.state();
        if wanted_state != state {
            let why = "`process.state` is changed in the file and by a restart: what is kept there does not move";
            return Err(ConfigRefusal::Conflict(why.into()));
        }
        if pending(&state).is_some() {
            let why =
                "another configuration waits to be confirmed: confirm it or take it back first";
            return Err(ConfigRefusal::Conflict(why.into()));
        }
        let cannot_keep = |e: io::Error| failed("keep a revision in", &state, &e);
        keep_within(&state, current.clone(), "before").map_err(cannot_keep)?;
        let until_ms = order
            .confirm
            .map(|limit| now_ms() + limit.as_millis() as u64);
        if let Some(until_ms) = until_ms {
            let waiting = Pending {
                until_ms,
                before: current.clone(),
                hash: hash(&text),
                actor: order.actor.clone(),
            };
            let bytes = serde_json::to_vec(&waiting).unwrap_or_default();
            durable(&pending_path(&state), &bytes, 0o600).map_err(cannot_keep)?;
        }
        if let Err(refused) = replace(&self.source.path, &text) {
            let _ = forget_pending(&state);
            return Err(refused);
        }
        // The reload keeps the revision, by this name.
        let generation = match self.reload(&order.actor) {
            Ok(generation) => generation,
            Err(refused) => {
                // What only going over to it shows: a port that is taken.
                replace(&self.source.path, &current)?;
                let _ = forget_pending(&state);
                let _ = self.reload("API, taken back");
                return Err(ConfigRefusal::Wrong(ReloadError {
                    rendered: refused.rendered,
                    diagnostics: refused.findings,
                }));
            }
        };
        let number = keep(&state, &text, &order.actor).map_err(cannot_keep)?;
        if until_ms.is_some() {
            self.await_confirmation();
        }
        Ok(json!({
            "dry_run": false, "changes": changes, "warnings": warnings, "generation": generation,
            "revision": number, "hash": hash(&text), "confirm_until": until_ms.map(time_text),
        }))
    }

    fn changes(&self, old: &str, new: &str) -> Result<Value, ConfigRefusal> {
        let name = self.source.path.as_path();
        let options = LoadOptions {
            read: self.reader(),
            ..LoadOptions::default()
        };
        let (old, new) = (Named { name, text: old }, Named { name, text: new });
        let changes = yaml::difference(&old, &new, &options);
        let changes = changes.map_err(|e| {
            wrong(
                e.diagnostics.render(&e.sources, false),
                e.diagnostics.to_json(&e.sources),
            )
        })?;
        Ok(changes.iter().map(Change::to_json).collect())
    }

    /// Loads and compiles a text without serving it. Its warnings, and the state directory that it wants.
    fn examine(&self, text: &str) -> Result<(Value, PathBuf), ConfigRefusal> {
        let options = LoadOptions {
            read: self.reader(),
            ..LoadOptions::default()
        };
        let refuse = |d: &seawall_diag::Diagnostics, s: &seawall_diag::SourceMap| {
            wrong(d.render(s, false), d.to_json(s))
        };
        let (config, mut found) = load_text(&self.source.path, text, &options)
            .map_err(|e| refuse(&e.diagnostics, &e.sources))?;
        let state = config.process.state.clone();
        let read = self.reader();
        let (sources, more) = check::check_by(config, &|path| read(path));
        found.extend(more);
        match found.has_errors() {
            true => Err(refuse(&found, &sources)),
            false => Ok((found.to_json(&sources), state)),
        }
    }

    /// Takes what waits back when its time is over; called again at each start.
    pub(super) fn await_confirmation(self: &Arc<Self>) {
        let Some(waiting) = pending(&self.state()) else {
            return;
        };
        let worker = self.clone();
        let rest = Duration::from_millis(waiting.until_ms.saturating_sub(now_ms()));
        self.control.spawn(async move {
            tokio::time::sleep(rest).await;
            let task = move || {
                let _one = worker
                    .changing
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                // Confirmed, or another one's time by now.
                let still = pending(&worker.state()).filter(|p| p.until_ms == waiting.until_ms);
                if let Some(waiting) = still {
                    let _ = worker.take_back(&waiting, "its time to be confirmed is over");
                }
            };
            let _ = tokio::task::spawn_blocking(task).await;
        });
    }

    fn take_back(self: &Arc<Self>, waiting: &Pending, why: &str) -> Result<Value, ConfigRefusal> {
        let was_there = put_back(&self.source.path, &self.state(), waiting);
        match &was_there {
            Ok(true) => {
                let line = format_args!(
                    "the configuration that {} put is taken back: {why}",
                    waiting.actor
                );
                self.log.line(LogLevel::Warn, 0, line);
            }
            Ok(false) => {
                let line = format_args!(
                    "a configuration is not taken back: the file was changed meanwhile"
                );
                self.log.line(LogLevel::Warn, 0, line);
            }
            Err(e) => {
                let line = format_args!("a configuration cannot be taken back: {e:?}");
                self.log.line(LogLevel::Alert, 0, line);
            }
        }
        if !was_there? {
            return Err(ConfigRefusal::Conflict(
                "the file was changed meanwhile: it stays".into(),
            ));
        }
        let generation = self
            .reload("taken back")
            .map_err(|r| wrong(r.rendered, r.findings))?;
        Ok(json!({ "reverted": true, "generation": generation }))
    }

    pub(super) fn confirm_config(&self) -> Result<Value, ConfigRefusal> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state();
        let waiting = pending(&state).ok_or_else(nothing_waits)?;
        forget_pending(&state).map_err(|e| failed("remove", &pending_path(&state), &e))?;
        Ok(json!({ "confirmed": true, "hash": waiting.hash }))
    }

    pub(super) fn revert_config(self: &Arc<Self>, actor: &str) -> Result<Value, ConfigRefusal> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = pending(&self.state()).ok_or_else(nothing_waits)?;
        self.take_back(&waiting, &format!("{actor} asked for it"))
    }

    pub(super) fn revisions(&self) -> Result<Value, ConfigRefusal> {
        let state = self.state();
        let live = self.current().map(|text| hash(&text)).unwrap_or_default();
        let all = numbers(&state).into_iter().rev();
        let all = all.filter_map(|n| revision(&state, n)).map(|r| {
            json!({ "revision": r.number, "at": r.at, "actor": r.actor, "hash": r.hash, "live": r.hash == live })
        });
        Ok(all.collect())
    }

    pub(super) fn revision(&self, number: u64) -> Result<Value, ConfigRefusal> {
        let found = revision(&self.state(), number).ok_or_else(|| unknown(number))?;
        Ok(json!({
            "revision": found.number, "at": found.at, "actor": found.actor, "hash": found.hash,
            "text": yaml::masked(&found.text),
        }))
    }

    pub(super) fn rollback(
        self: &Arc<Self>,
        wanted: Option<u64>,
        confirm: Option<Duration>,
        actor: &str,
    ) -> Result<Value, ConfigRefusal> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state();
        let live = hash(&self.current()?);
        let found = match wanted {
            Some(number) => revision(&state, number).ok_or_else(|| unknown(number))?,
            None => {
                let all = numbers(&state).into_iter().rev();
                let mut others = all
                    .filter_map(|n| revision(&state, n))
                    .filter(|r| r.hash != live);
                let none =
                    || ConfigRefusal::Unknown("there is no configuration before this one".into());
                others.next().ok_or_else(none)?
            }
        };
        let order = PutConfig {
            text: found.text,
            dry_run: false,
            if_match: None,
            confirm,
            actor: actor.to_owned(),
        };
        let mut done = self.put_locked(&order)?;
        if let Some(fields) = done.as_object_mut() {
            fields.insert("rolled_back_to".into(), found.number.into());
        }
        Ok(done)
    }
}

fn wrong(rendered: String, diagnostics: Value) -> ConfigRefusal {
    ConfigRefusal::Wrong(ReloadError {
        rendered,
        diagnostics,
    })
}

fn nothing_waits() -> ConfigRefusal {
    ConfigRefusal::Conflict("no configuration waits to be confirmed".into())
}

fn unknown(number: u64) -> ConfigRefusal {
    ConfigRefusal::Unknown(format!("there is no revision {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_count_on_are_not_repeated_and_the_oldest_go() {
        let state = tempfile::tempdir().unwrap();
        for n in 0..REVISIONS_MAX + 3 {
            assert_eq!(
                keep(state.path(), &format!("# {n}"), "uid 0").unwrap(),
                n as u64 + 1
            );
        }
        let last = REVISIONS_MAX as u64 + 3;
        assert_eq!(
            keep(state.path(), &format!("# {}", last - 1), "uid 0").unwrap(),
            last
        );
        let all = numbers(state.path());
        assert_eq!(
            (all.len(), all.first().copied(), all.last().copied()),
            (REVISIONS_MAX, Some(4), Some(last))
        );
        assert!(revision(state.path(), 4).is_some_and(|r| r.text == "# 3"));
        let mode = revisions_directory(state.path())
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn what_was_not_confirmed_goes_back_and_what_was_edited_stays() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("seawall.yaml");
        let waits = |until_ms: u64| {
            fs::write(&file, "new").unwrap();
            let waiting = Pending {
                until_ms,
                before: "old".into(),
                hash: hash("new"),
                actor: "uid 0".into(),
            };
            durable(
                &pending_path(state.path()),
                &serde_json::to_vec(&waiting).unwrap(),
                0o600,
            )
            .unwrap();
        };
        let source = Source::file(file.clone());
        let there = || fs::read_to_string(&file).unwrap();
        waits(u64::MAX);
        assert!(recover(&source, state.path()).is_none(), "it has time");
        assert_eq!(there(), "new");
        waits(1);
        assert!(recover(&source, state.path()).is_some_and(|s| s.contains("one before is back")));
        assert_eq!(there(), "old");
        assert!(recover(&source, state.path()).is_none(), "once");
        waits(1);
        fs::write(&file, "edited").unwrap();
        assert!(recover(&source, state.path()).is_some_and(|s| s.contains("it stays")));
        assert_eq!(there(), "edited");
        fs::write(pending_path(state.path()), "{torn").unwrap();
        assert!(recover(&source, state.path()).is_none());
    }
}
