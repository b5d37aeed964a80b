//! Notices when a watched file or folder holds something else than before, however an editor or an orchestrator brought that
//! about: written in place, renamed over, deleted and made anew, or reached through a symlink that now points elsewhere.
//!
//! The system's events only say when to look. What counts is the fingerprint of the contents, so a missed event costs time and a
//! needless one costs nothing.

use super::fingerprint::{self, Prints};
use crate::base::clock;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tracing::warn;

/// A change is looked at when nothing more happened for so long,
const QUIET: Duration = Duration::from_millis(30);
/// or, while it does not end, after so many milliseconds.
const LONGEST_MS: u64 = 120;
/// How often files are looked at without the system's events,
const POLL: Duration = Duration::from_secs(2);
/// and with them: network and container file systems do not report every change.
const POLL_ANYWAY: Duration = Duration::from_secs(10);
/// Symlinks followed from one path, against loops.
const LINKS: usize = 40;

/// What matters in a folder: some names, or (`None`) every name.
type Names = Option<HashSet<OsString>>;
/// The folders to watch.
type Spots = HashMap<PathBuf, Names>;

/// The watched files and folders.
pub struct Files {
    paths: Vec<PathBuf>,
    prints: Prints,
    watcher: Option<RecommendedWatcher>,
    spots: Arc<Mutex<Spots>>,
    news: Arc<Notify>,
    /// Something happened that was not yet looked at: kept here, so that a dropped `changed` forgets nothing.
    pending: bool,
    /// Not all spots could be watched.
    partial: bool,
    warned: bool,
}

impl Files {
    /// Watches these files and folders from now on. Make it *before* the first load, so that a change during the load is seen.
    pub fn new(paths: &[PathBuf]) -> Self {
        let mut files = Self::polling();
        match start_watcher(Arc::clone(&files.spots), Arc::clone(&files.news)) {
            Ok(watcher) => files.watcher = Some(watcher),
            Err(error) => files.warn_once(&error),
        }
        files.set(paths);
        files
    }

    /// Nothing watched, and no help from the system.
    fn polling() -> Self {
        Self {
            paths: Vec::new(),
            prints: Prints::new(),
            watcher: None,
            spots: Arc::default(),
            news: Arc::default(),
            pending: false,
            partial: false,
            warned: false,
        }
    }

    /// Watches these files and folders instead. What is known of those that stay is kept: a change to them since the last look
    /// is still reported.
    pub fn set(&mut self, paths: &[PathBuf]) {
        // the system names files by their whole path
        let mut paths: Vec<PathBuf> = paths.iter().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())).collect();
        paths.sort();
        paths.dedup();
        if paths == self.paths {
            return;
        }
        self.paths = paths;
        self.arm();
        let new: Vec<PathBuf> = self.paths.iter().filter(|path| !self.prints.contains_key(*path)).cloned().collect();
        self.prints.extend(fingerprint::take(&new));
        let kept: HashSet<&PathBuf> = self.paths.iter().collect();
        self.prints.retain(|path, _| kept.contains(path));
    }

    /// Resolves when the contents differ from those of the last time. May be dropped and called again: nothing is lost.
    pub async fn changed(&mut self) {
        loop {
            if !self.pending {
                let pause = if self.watcher.is_none() || self.partial { POLL } else { POLL_ANYWAY };
                // whether an event or the pause ended the wait: look
                let event = tokio::time::timeout(pause, self.news.notified()).await.is_ok();
                self.pending = true;
                if event {
                    self.settle().await;
                }
            }
            // folders may have been replaced and symlinks turned: watch what is there now, then look at it
            self.arm();
            let paths = self.paths.clone();
            let Ok(prints) = tokio::task::spawn_blocking(move || fingerprint::take(&paths)).await else { return };
            self.pending = false;
            if prints != self.prints {
                self.prints = prints;
                return;
            }
        }
    }

    /// Waits until nothing more happens, but not for ever.
    async fn settle(&self) {
        let end = clock::monotonic_ms() + LONGEST_MS;
        while clock::monotonic_ms() < end && tokio::time::timeout(QUIET, self.news.notified()).await.is_ok() {}
    }

    /// Watches the folders that matter now. Watching one again follows a folder that was replaced by another of its name.
    fn arm(&mut self) {
        let wanted = spots_of(&self.paths);
        let before = std::mem::replace(&mut *self.spots.lock().unwrap_or_else(PoisonError::into_inner), wanted.clone());
        self.partial = false;
        let Some(watcher) = &mut self.watcher else { return };
        for gone in before.keys().filter(|folder| !wanted.contains_key(*folder)) {
            // it may be gone from the disk, too
            watcher.unwatch(gone).ok();
        }
        let near: HashSet<PathBuf> = self.paths.iter().map(|path| real(folder_of(path))).collect();
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

    fn warn_once(&mut self, error: &notify::Error) {
        if !std::mem::replace(&mut self.warned, true) {
            warn!("files cannot be watched ({error}): they are looked at every {} s instead", POLL.as_secs());
        }
    }
}

fn start_watcher(spots: Arc<Mutex<Spots>>, news: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<Event>| {
        let matters = match &event {
            Ok(event) => concerns(event, &spots.lock().unwrap_or_else(PoisonError::into_inner)),
            Err(_) => true,
        };
        if matters {
            news.notify_one();
        }
    })
}

/// Whether an event may be about one of ours. In doubt it is.
fn concerns(event: &Event, spots: &Spots) -> bool {
    if let EventKind::Access(kind) = event.kind {
        // our own reading makes events, too
        return kind == AccessKind::Close(AccessMode::Write) && touches(event, spots);
    }
    touches(event, spots)
}

fn touches(event: &Event, spots: &Spots) -> bool {
    event.need_rescan()
        || event.paths.is_empty()
        || event.paths.iter().any(|path| {
            let named = path.file_name().zip(spots.get(folder_of(path)));
            spots.contains_key(path) || named.is_some_and(|(name, names)| names.as_ref().is_none_or(|names| names.contains(name)))
        })
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) => parent,
        None => path,
    }
}

/// A folder without symlinks in its path: the system reports events under one name of a folder only.
fn real(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// Every folder in which something on the way to these paths could change.
fn spots_of(paths: &[PathBuf]) -> Spots {
    let mut spots = Spots::new();
    for path in paths {
        follow(path, &mut spots, &mut 0);
        if path.is_dir() {
            spots.insert(real(path), None);
        }
    }
    spots
}

/// Walks a path down from its root, through its symlinks, noting each name in the folder it stands in.
fn follow(path: &Path, spots: &mut Spots, links: &mut usize) {
    let mut at = PathBuf::new();
    for part in path.components() {
        let Component::Normal(name) = part else {
            at.push(part);
            continue;
        };
        if let Some(names) = spots.entry(real(&at)).or_insert_with(|| Some(HashSet::new())) {
            names.insert(name.to_owned());
        }
        at.push(name);
        if let Ok(target) = at.read_link() {
            *links += 1;
            if *links > LINKS {
                return;
            }
            // a link is relative to the folder it stands in; what follows is looked for behind it
            let target = folder_of(&at).join(target);
            follow(&target, spots, links);
            at = target;
        }
    }
}

#[cfg(test)]
mod tests;
