//! Waits for files to change: the system tells, nothing is polled.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// How long nothing may change before a change is taken for done: a build writes a file in steps.
const QUIET: Duration = Duration::from_millis(100);

/// Changes that wait to be looked at. One is as good as many.
const WAITING: usize = 16;

/// What the system told.
enum Told {
    Changed,
    /// A folder of a watched file is gone, and the watch with it.
    FolderGone(PathBuf),
    Failed(notify::Error),
}

/// A watch on some files. Their folders are watched, so that a file may come later, or be replaced by another one.
pub(super) struct Watch {
    told: mpsc::Receiver<Told>,
    /// Something has changed, and it was not waited out.
    changing: bool,
    /// Held for its drop, which ends the watch.
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Begins. Changes from now on are not missed.
    ///
    /// # Errors
    /// If the folder of a file is not there, or the system can't watch it.
    pub(super) fn begin(files: &[PathBuf]) -> anyhow::Result<Self> {
        let (mut names, mut folders) = (BTreeSet::<OsString>::new(), BTreeSet::new());
        for file in files {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let missing =
                || format!("{} can't be watched, there is no folder {}: build first", file.display(), folder.display());
            folders.insert(folder.canonicalize().with_context(missing)?);
            names.extend(file.file_name().map(Into::into));
        }
        let (sender, told) = mpsc::channel(WAITING);
        let watched = folders.clone();
        let handler = move |event: notify::Result<Event>| {
            let told = match event {
                Ok(event) => tell(&event, &names, &watched),
                Err(error) => Some(Told::Failed(error)),
            };
            // A full queue holds a change already.
            let _ = told.map(|told| sender.try_send(told));
        };
        let mut watcher = notify::recommended_watcher(handler).context("files can't be watched")?;
        for folder in &folders {
            let watching = watcher.watch(folder, RecursiveMode::NonRecursive);
            watching.with_context(|| format!("{} can't be watched", folder.display()))?;
        }
        Ok(Self { told, changing: false, _watcher: watcher })
    }

    /// Waits until something has changed, and then for a moment in which nothing does. Cancel-safe.
    ///
    /// # Errors
    /// If a folder is gone, or the system watches no longer.
    pub(super) async fn changed(&mut self) -> anyhow::Result<()> {
        if !self.changing {
            check(self.told.recv().await.context("the watch has ended")?)?;
            self.changing = true;
        }
        while let Ok(next) = tokio::time::timeout(QUIET, self.told.recv()).await {
            check(next.context("the watch has ended")?)?;
        }
        self.changing = false;
        Ok(())
    }
}

fn check(told: Told) -> anyhow::Result<()> {
    match told {
        Told::Changed => Ok(()),
        Told::FolderGone(folder) => bail!("{} is gone: build again, then start anew", folder.display()),
        Told::Failed(error) => Err(error).context("files can't be watched any longer"),
    }
}

fn tell(event: &Event, names: &BTreeSet<OsString>, folders: &BTreeSet<PathBuf>) -> Option<Told> {
    match event.kind {
        EventKind::Access(_) => return None,
        EventKind::Remove(_) => {
            if let Some(folder) = event.paths.iter().find(|path| folders.contains(*path)) {
                return Some(Told::FolderGone(folder.clone()));
            }
        }
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Other => {}
    }
    let ours = |path: &PathBuf| path.file_name().is_some_and(|name| names.contains(name));
    // The system may have dropped events, and then says no more than that.
    (event.need_rescan() || event.paths.iter().any(ours)).then_some(Told::Changed)
}
