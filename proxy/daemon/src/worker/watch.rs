//! Watching the files of a configuration: settled and debounced, so that an editor's many events make one reload.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// After the last event, the files are left to settle for so long.
const SETTLE: Duration = Duration::from_millis(150);

/// Links followed from a name to its file.
const LINKS_MAX: usize = 8;

/// Watches files by their directories: editors and `mv` replace a file, and a watch on the file itself would be lost.
pub struct FileWatch {
    watcher: Mutex<RecommendedWatcher>,
    files: Arc<Mutex<HashSet<PathBuf>>>,
    directories: Mutex<HashSet<PathBuf>>,
}

/// Tells that something changed.
pub struct Changes {
    events: UnboundedReceiver<()>,
}

impl FileWatch {
    /// Watches nothing yet.
    pub fn new() -> notify::Result<(Self, Changes)> {
        let (sender, events): (UnboundedSender<()>, _) = unbounded_channel();
        let files: Arc<Mutex<HashSet<PathBuf>>> = Arc::default();
        let wanted = files.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            let changed = !matches!(event.kind, EventKind::Access(_))
                && wanted
                    .lock()
                    .is_ok_and(|w| event.paths.iter().any(|p| w.contains(p)));
            if changed {
                // Without a receiver the worker is ending.
                let _ = sender.send(());
            }
        })?;
        let watch = Self {
            watcher: Mutex::new(watcher),
            files,
            directories: Mutex::default(),
        };
        Ok((watch, Changes { events }))
    }

    /// Watches these files, and no others.
    pub fn set(&self, files: &[PathBuf]) {
        let (Ok(mut watcher), Ok(mut known)) = (self.watcher.lock(), self.directories.lock())
        else {
            return;
        };
        let wanted: HashSet<PathBuf> = files.iter().flat_map(|file| ways(file)).collect();
        let directories: HashSet<PathBuf> = wanted
            .iter()
            .filter_map(|f| f.parent())
            .map(Path::to_path_buf)
            .collect();
        // Not held any longer: the watcher answers from the thread that asks for these names at each event.
        if let Ok(mut held) = self.files.lock() {
            *held = wanted;
        }
        for gone in known.difference(&directories) {
            // A directory that was removed is no longer watched anyhow.
            let _ = watcher.unwatch(gone);
        }
        for new in directories.difference(&known) {
            // A directory that cannot be watched leaves HUP and `seawall reload`.
            let _ = watcher.watch(new, RecursiveMode::NonRecursive);
        }
        *known = directories;
    }
}

/// A file under each name that leads to it: its own, the links on the way (certbot exchanges the last one, others a
/// directory in the middle), and the one at the end.
fn ways(file: &Path) -> Vec<PathBuf> {
    let mut ways = vec![file.to_path_buf()];
    let mut at = file.to_path_buf();
    for _ in 0..LINKS_MAX {
        let link = at.ancestors().find(|a| a.is_symlink());
        let Some(link) = link.map(Path::to_path_buf) else {
            break;
        };
        let (Ok(target), Ok(rest)) = (std::fs::read_link(&link), at.strip_prefix(&link)) else {
            break;
        };
        let parent = link.parent().unwrap_or(Path::new("/"));
        let next = parent.join(target);
        // Joining nothing would add a slash.
        at = if rest.as_os_str().is_empty() {
            next
        } else {
            next.join(rest)
        };
        ways.extend([link, at.clone()]);
    }
    ways.extend(file.canonicalize());
    ways
}

impl Changes {
    /// Waits for a change, and until no further one has come for a moment.
    pub async fn settled(&mut self) -> Option<()> {
        self.events.recv().await?;
        while let Ok(Some(())) = tokio::time::timeout(SETTLE, self.events.recv()).await {}
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_on_the_way_to_a_file_is_a_way() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("..1")).unwrap();
        std::fs::write(at("..1/key"), "k").unwrap();
        std::os::unix::fs::symlink("..1", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/key", at("key")).unwrap();
        let ways = ways(&at("key"));
        for way in ["key", "..data", "..1/key"] {
            assert!(ways.contains(&at(way)), "{way}: {ways:?}");
        }
        std::os::unix::fs::symlink("loop", at("loop")).unwrap();
        assert!(super::ways(&at("loop")).len() <= 2 * LINKS_MAX + 2);
    }

    #[test]
    fn what_is_watched_changes_while_files_do() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["a/file", "b/file"].map(|name| dir.path().join(name));
        for file in &files {
            std::fs::create_dir(file.parent().unwrap()).unwrap();
        }
        let (watch, _changes) = FileWatch::new().unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for file in &files {
                let stop = &stop;
                scope.spawn(move || {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        std::fs::write(file, "x").unwrap();
                    }
                });
            }
            // That it comes back at all is the point.
            for turn in 0..500 {
                watch.set(&files[turn % 2..=turn % 2]);
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[tokio::test]
    async fn a_replaced_file_is_one_change_and_a_neighbour_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("seawall.yaml");
        std::fs::write(&file, "a").unwrap();
        let (watch, mut changes) = FileWatch::new().unwrap();
        watch.set(std::slice::from_ref(&file));
        std::fs::write(dir.path().join("other"), "x").unwrap();
        let next = dir.path().join("next");
        std::fs::write(&next, "b").unwrap();
        std::fs::rename(&next, &file).unwrap();
        tokio::time::timeout(Duration::from_secs(10), changes.settled())
            .await
            .unwrap()
            .unwrap();
        assert!(changes.events.is_empty());
    }
}
