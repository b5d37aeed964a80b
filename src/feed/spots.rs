//! Where changes matter: every folder in which something on the way to a watched path could change, symlinks
//! included.

use crate::config::watched::{Watched, fits};
use notify::Event;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// Symlinks followed from one path, against loops.
const LINKS: usize = 40;

/// What matters in a folder: some names, those that fit a pattern, or every name.
#[derive(Debug, Clone, Default)]
pub struct NameFilter {
    all: bool,
    names: HashSet<OsString>,
    patterns: HashSet<String>,
}
/// The folders to watch.
pub type Spots = HashMap<PathBuf, NameFilter>;

impl NameFilter {
    /// Whether a name matters.
    pub fn hold(&self, name: &OsStr) -> bool {
        let fits = |pattern: &String| name.to_str().is_some_and(|name| fits(pattern, name));
        self.all || self.names.contains(name) || self.patterns.iter().any(fits)
    }
}

/// Whether an event is about something that matters.
pub fn touches(event: &Event, spots: &Spots) -> bool {
    event.need_rescan()
        || event.paths.is_empty()
        || event.paths.iter().any(|path| {
            let named = path.file_name().zip(spots.get(folder_of(path)));
            spots.contains_key(path) || named.is_some_and(|(name, names)| names.hold(name))
        })
}

/// The folder that a path stands in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) => parent,
        None => path,
    }
}

/// A folder without symlinks in its path: the system reports events under one name of a folder only.
pub fn real(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// Every folder in which something on the way to these paths could change.
pub fn spots_of(watched: &[Watched]) -> Spots {
    let mut spots = Spots::new();
    for Watched { path, pattern } in watched {
        follow(path, &mut spots, &mut 0);
        if path.is_dir() {
            let names = spots.entry(real(path)).or_default();
            names.all |= pattern.is_none();
            names.patterns.extend(pattern.clone());
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
        spots.entry(real(&at)).or_default().names.insert(name.to_owned());
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
