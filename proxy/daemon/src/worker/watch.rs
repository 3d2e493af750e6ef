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
        let (Ok(mut watcher), Ok(mut known), Ok(mut wanted)) = (
            self.watcher.lock(),
            self.directories.lock(),
            self.files.lock(),
        ) else {
            return;
        };
        *wanted = files
            .iter()
            .flat_map(|f| [Some(f.clone()), f.canonicalize().ok()])
            .flatten()
            .collect();
        let directories: HashSet<PathBuf> = wanted
            .iter()
            .filter_map(|f| f.parent())
            .map(Path::to_path_buf)
            .collect();
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
