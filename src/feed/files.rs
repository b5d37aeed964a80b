//! Notices when a watched file or folder holds something else than before, however an editor or an
//! orchestrator brought that about: written in place, renamed over, deleted and made anew, or reached through
//! a symlink that now points elsewhere.
//!
//! The system's events only say when to look, and who is still writing. What counts is the fingerprint of the
//! contents, so a missed event costs time and a needless one costs nothing.

use super::fingerprint::{self, Fingerprints};
use super::mounts::Mounts;
use super::spots::{Spots, folder_of, real, spots_of, touches};
use super::writes::{FileChange, FileEvent, FileGap, STEADY, WriteTracker};
use crate::base::clock;
use crate::config::watched::Watched;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher, WatcherKind};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tracing::{info, warn};

/// How often files are looked at without the system's events, in milliseconds,
const POLL: u64 = 2_000;
/// and with them: network and container file systems do not report every change.
const POLL_ANYWAY: u64 = 10_000;
/// What the system told, shared with the thread on which it does.
#[derive(Default)]
struct WatchEvents {
    spots: Mutex<Spots>,
    writes: Mutex<WriteTracker>,
    any: Notify,
}

/// The watched files and folders.
pub struct FileWatcher {
    watched: Vec<Watched>,
    prints: Fingerprints,
    /// Those that were not there or held nothing when they were named: nobody waits for them.
    blank: HashSet<Watched>,
    watcher: Option<RecommendedWatcher>,
    news: Arc<WatchEvents>,
    /// A look that was begun: kept here, so that a dropped `changed` forgets nothing.
    pending: Option<FileChange>,
    /// When the last look was taken.
    looked: u64,
    /// What the last look found, if no event told of it and it was not yet reported.
    unsteady: Option<Fingerprints>,
    /// What was reported could not be taken while somebody was writing: it is reported again when he is done.
    owed: bool,
    /// What they held when they were taken last.
    applied: Fingerprints,
    /// When that was last something else, in milliseconds since 1970.
    changed_at: u64,
    /// Not all spots could be watched.
    partial: bool,
    /// Of some the system does not tell when they change.
    silent: bool,
    warned: bool,
}

impl FileWatcher {
    /// Watches these files and folders from now on. Make it *before* the first load, so that a change during
    /// the load is seen.
    pub fn new(watched: &[Watched]) -> Self {
        let mut files = Self::polling();
        match start_watcher(Arc::clone(&files.news)) {
            Ok(watcher) => files.watcher = Some(watcher),
            Err(error) => files.warn_once(&error),
        }
        files.set(watched);
        files
    }

    /// Nothing watched, and no help from the system.
    fn polling() -> Self {
        Self {
            watched: Vec::new(),
            prints: Fingerprints::new(),
            blank: HashSet::new(),
            watcher: None,
            news: Arc::default(),
            pending: None,
            looked: clock::monotonic_ms(),
            unsteady: None,
            owed: false,
            applied: Fingerprints::new(),
            changed_at: clock::unix_ms(),
            partial: false,
            silent: false,
            warned: false,
        }
    }

    /// Watches these files and folders instead. What is known of those that stay is kept: a change to them
    /// since the last look is still reported.
    pub fn set(&mut self, watched: &[Watched]) {
        // the system names files by their whole path
        let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let mut watched: Vec<Watched> =
            watched.iter().map(|one| Watched { path: whole(&one.path), ..one.clone() }).collect();
        watched.sort();
        watched.dedup();
        // whoever names files has taken what is in them
        self.blank = watched.iter().filter(|one| gap(&one.path).is_some()).cloned().collect();
        self.owed = false;
        if watched != self.watched {
            self.watched = watched;
            self.arm();
            let new: Vec<Watched> =
                self.watched.iter().filter(|one| !self.prints.contains_key(*one)).cloned().collect();
            self.prints.extend(fingerprint::take(&new));
            let kept: HashSet<&Watched> = self.watched.iter().collect();
            self.prints.retain(|one, _| kept.contains(one));
        }
        if self.applied != self.prints {
            (self.applied, self.changed_at) = (self.prints.clone(), clock::unix_ms());
        }
    }

    /// Since when they hold what they held when they were taken last, in milliseconds since 1970; none if they
    /// hold something else.
    pub fn unchanged_since(&self) -> Option<u64> {
        (fingerprint::take(&self.watched) == self.applied).then_some(self.changed_at)
    }

    /// Resolves when the contents differ from those of the last time. May be dropped and called again:
    /// nothing is lost.
    pub async fn changed(&mut self) -> FileChange {
        loop {
            if self.pending.is_none() {
                self.wait().await;
                self.pending = Some(self.news.writes().look(clock::monotonic_ms()));
            }
            // folders may have been replaced and symlinks turned: watch what is there now, then look at it
            self.arm();
            let watched = self.watched.clone();
            let Ok(prints) = tokio::task::spawn_blocking(move || fingerprint::take(&watched)).await else {
                return FileChange::default();
            };
            let change = self.pending.take().unwrap_or_default();
            self.looked = clock::monotonic_ms();
            if prints == self.prints {
                self.unsteady = None;
                if self.owed && (change.held || change.open.is_empty()) {
                    self.owed = false;
                    return change;
                }
            } else if change.told || self.unsteady.as_ref() == Some(&prints) {
                (self.prints, self.unsteady, self.owed) = (prints, None, false);
                return change;
            } else {
                self.unsteady = Some(prints);
            }
        }
    }

    /// Whether the contents are still those that were reported, so that what was read since then is no
    /// mixture.
    pub fn are_still(&self) -> bool {
        fingerprint::take(&self.watched) == self.prints
    }

    /// What was reported cannot be taken, and somebody may not be done with it: it is to be reported once
    /// more when he is.
    pub fn look_again(&mut self) {
        self.owed = true;
    }

    /// What was reported takes something away. Whether it may be something half done: then it is reported
    /// once more when nobody goes on with it.
    pub fn doubts(&mut self, change: &FileChange) -> bool {
        let gaps = self
            .watched
            .iter()
            .filter(|one| !self.blank.contains(*one))
            .filter_map(|one| Some((gap(&one.path)?, &one.path)));
        let gap = gaps.max_by_key(|(gap, _)| *gap);
        let Some(quiet) = change.doubt(gap.map(|(gap, _)| gap)) else { return false };
        if let Some((FileGap::Emptied, path)) = gap {
            info!("{} is empty: that counts when nobody fills it within {} s", path.display(), quiet / 1000);
        }
        self.owed = true;
        self.news.writes().hold(change, quiet);
        true
    }

    /// Waits until it is time for a look.
    async fn wait(&mut self) {
        loop {
            let now = clock::monotonic_ms();
            let (due, slow) = {
                let writes = self.news.writes();
                (writes.due(), writes.slow())
            };
            let at = due.unwrap_or_else(|| self.looked + self.pause());
            if at <= now {
                return;
            }
            if slow.is_some_and(|slow| slow <= now) {
                let open = self.news.writes().take_slow();
                info!(
                    "{} is being written: it is read when its writer closes it, or 5 s after the last change",
                    shown(&open)
                );
                continue;
            }
            let pause = Duration::from_millis(slow.map_or(at, |slow| slow.min(at)) - now);
            tokio::time::timeout(pause, self.news.any.notified()).await.ok();
        }
    }

    /// Milliseconds until the next look if nothing happens.
    fn pause(&self) -> u64 {
        match (&self.unsteady, &self.watcher) {
            (Some(_), _) => STEADY,
            (None, Some(_)) if !self.partial && !self.silent => POLL_ANYWAY,
            _ => POLL,
        }
    }

    /// Watches the folders that matter now. Watching one again follows a folder that was replaced by another
    /// of its name.
    fn arm(&mut self) {
        self.find_silent();
        let wanted = spots_of(&self.watched);
        let before = std::mem::replace(
            &mut *self.news.spots.lock().unwrap_or_else(PoisonError::into_inner),
            wanted.clone(),
        );
        self.partial = false;
        let Some(watcher) = &mut self.watcher else { return };
        for gone in before.keys().filter(|folder| !wanted.contains_key(*folder)) {
            // it may be gone from the disk, too
            watcher.unwatch(gone).ok();
        }
        let near: HashSet<PathBuf> = self.watched.iter().map(|one| real(folder_of(&one.path))).collect();
        let mut trouble = None;
        for folder in wanted.keys().filter(|folder| folder.is_dir()) {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                // a folder far up that we may not read only hides its own replacement
                if near.contains(folder) || matches!(error.kind, notify::ErrorKind::MaxFilesWatch) {
                    trouble = Some(error);
                }
            }
        }
        if let Some(error) = trouble {
            self.partial = true;
            self.warn_once(&error);
        }
    }

    /// Finds out whether the system tells of changes everywhere.
    fn find_silent(&mut self) {
        let mounts = Mounts::now();
        let mut silent = self.watched.iter().filter(|one| mounts.are_silent_at(&real(&one.path)));
        let found = silent.next();
        if let Some(Watched { path, .. }) = found.filter(|_| !self.silent) {
            let every = POLL / 1000;
            info!("the system may not tell when {} changes: it is looked at every {every} s", path.display());
        }
        self.silent = found.is_some();
    }

    fn warn_once(&mut self, error: &notify::Error) {
        if !std::mem::replace(&mut self.warned, true) {
            warn!("files cannot be watched ({error}): they are looked at every {} s instead", POLL / 1000);
        }
    }
}

impl WatchEvents {
    fn writes(&self) -> MutexGuard<'_, WriteTracker> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_event(&self, event: notify::Result<Event>) {
        let Ok(event) = event else { return self.note(FileEvent::Other, &[]) };
        let Some(act) = act(&event) else { return };
        if touches(&event, &self.spots.lock().unwrap_or_else(PoisonError::into_inner)) {
            self.note(act, &event.paths);
        }
    }

    fn note(&self, act: FileEvent, paths: &[PathBuf]) {
        let now = clock::monotonic_ms();
        let mut writes = self.writes();
        if paths.is_empty() {
            writes.note(now, act, None);
        }
        paths.iter().for_each(|path| writes.note(now, act, Some(path)));
        drop(writes);
        self.any.notify_one();
    }
}

/// What is missing at a path.
fn gap(path: &Path) -> Option<FileGap> {
    match path.metadata() {
        Ok(meta) => (meta.is_file() && meta.len() == 0).then_some(FileGap::Emptied),
        Err(_) => Some(FileGap::Gone),
    }
}

/// Some paths for a line of the log.
pub fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn start_watcher(news: Arc<WatchEvents>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event| news.on_event(event))
}

/// What an event says; none if it is one that our own reading makes.
fn act(event: &Event) -> Option<FileEvent> {
    // only there is the end of a change told, so that it can be waited for
    let told = RecommendedWatcher::kind() == WatcherKind::Inotify;
    Some(match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => FileEvent::Closed,
        EventKind::Access(_) => return None,
        EventKind::Modify(ModifyKind::Data(_)) if told => FileEvent::Written,
        // a link is whole when it is made
        EventKind::Create(_)
            if told
                && event
                    .paths
                    .iter()
                    .all(|path| path.symlink_metadata().is_ok_and(|meta| meta.is_file())) =>
        {
            FileEvent::Written
        }
        EventKind::Modify(ModifyKind::Data(_)) => FileEvent::Closed,
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Create(_) | EventKind::Remove(_) => {
            FileEvent::Replaced
        }
        _ => FileEvent::Other,
    })
}

#[cfg(test)]
mod tests;
