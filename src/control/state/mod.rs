//! The state folder: what outlives the process. One instance holds it at a time, by a lock that ends with the
//! process, however it ends. A file in it is replaced whole or not at all; one that cannot be read is set
//! aside and never stops a start.

mod format;
pub mod ledgers;
pub mod writer;

#[cfg(test)]
mod tests;

use self::format::{DOCUMENT as FORMAT, LONGEST, Version, read_up_to};
use super::error::{Error, Formats};
use crate::base::{clock, owner};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tracing::{info, warn};

/// Damaged files of one name that are kept.
const DAMAGED_KEPT: usize = 3;
/// How often it is looked whether a folder that is held is free.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The file that is locked; it says who holds it.
const LOCK: &str = "lock";

/// The folder that `server.state-dir` names.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Locked while this value lives. None: the folder cannot be used, and nothing is written.
    lock: Option<File>,
    /// Another process may have it by now.
    given_up: AtomicBool,
    /// Names that could not be written when it was tried last.
    failing: Mutex<HashSet<String>>,
}

/// What a document can hold.
pub trait Stored: Serialize {
    /// The first version of documents that can say all of it, so that those who know no later one read what they
    /// can and refuse the rest.
    fn format(&self) -> u32 {
        1
    }
}

/// A document as it is stored.
#[derive(Serialize, Deserialize)]
struct Document<T> {
    format: u32,
    data: T,
}

impl StateDir {
    /// Makes the folder if need be, and locks it. Refused when another instance holds it, or a later version
    /// has written in it: a folder that cannot be used is no reason not to serve, and a warning says what
    /// that costs.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_within(path, Duration::ZERO)
    }

    /// The same; an instance that holds it is waited for so long, since it may be about to end.
    pub fn open_within(path: &Path, patience: Duration) -> Result<Self, Error> {
        format::refuse_later(path)?;
        let lock = match lock_within(path, patience) {
            Ok(lock) => {
                // whoever held it may have written more
                format::refuse_later(path)?;
                Some(lock)
            }
            Err(held @ Error::Held { .. }) => return Err(held),
            Err(error) => {
                warn!(
                    "state-dir {}: {error}; sessions, pins and changes made while running will not outlive this process: \
                     make the folder writable, or set server.state-dir, and restart",
                    path.display()
                );
                None
            }
        };
        Ok(Self { path: path.to_owned(), lock, given_up: AtomicBool::new(false), failing: Mutex::default() })
    }

    /// Whether anything can be written here at all.
    pub fn is_held(&self) -> bool {
        self.lock.is_some() && !self.given_up.load(Relaxed)
    }

    /// Leaves the folder to another process: nothing is written here from now on.
    pub fn give_up(&self) {
        self.given_up.store(true, Relaxed);
        // where that fails it ends with the process
        let _ = self.lock.as_ref().map(File::unlock);
    }

    /// Where the file of this name is.
    pub fn path(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    /// Reads a document. One that is not there is the default; so is one that cannot be understood, which is
    /// set aside with a warning that says what that costs.
    pub fn read<T: DeserializeOwned + Default>(&self, name: &str, cost: &str) -> T {
        let file = format!("{name}.json");
        let text = match read_up_to(&self.path(&file), LONGEST) {
            Err(error) if is_absent(&error) => return T::default(),
            other => other.map_err(Error::Io),
        };
        text.and_then(|text| parse(&text)).unwrap_or_else(|why| {
            self.set_aside(&file, why, cost);
            T::default()
        })
    }

    /// Saves a document in place of the one before. A failure is told in the log once.
    pub fn write<T: Stored>(&self, name: &str, value: &T) -> io::Result<()> {
        let document = Document { format: value.format(), data: value };
        let text = serde_json::to_vec_pretty(&document).map_err(io::Error::other);
        let file = format!("{name}.json");
        let saved = text.and_then(|text| self.put(&file, &text));
        self.note_outcome(&file, &saved);
        saved
    }

    /// Puts a whole file in the place of the one before: after a power cut it is either of the two.
    pub fn put(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let mut new = self.create(file)?;
        let written = new.write_all(bytes).and_then(|()| new.sync_all()).and_then(|()| self.install(file));
        if written.is_err() {
            let _ = fs::remove_file(self.beside(file));
        }
        written
    }

    /// Begins the file that `install` puts in its place.
    fn create(&self, file: &str) -> io::Result<File> {
        if !self.is_held() {
            return Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "the state folder is not ours"));
        }
        let mut options = OpenOptions::new();
        owner::open(options.write(true).create(true).truncate(true).mode(0o600), &self.beside(file))
    }

    /// Puts the file that was begun with `create`, and is on the disk, in its place.
    fn install(&self, file: &str) -> io::Result<()> {
        fs::rename(self.beside(file), self.path(file))?;
        File::open(&self.path)?.sync_all()
    }

    fn beside(&self, file: &str) -> PathBuf {
        self.path(&format!("{file}.new"))
    }

    /// Takes a damaged file out of the way and says what that costs. The newest few are kept.
    fn set_aside(&self, file: &str, why: impl Display, cost: &str) {
        let path = self.path(file);
        let aside = format!("{file}.damaged-{}", clock::unix_secs());
        let renamed = if self.is_held() {
            fs::rename(&path, self.path(&aside))
        } else {
            Err(io::ErrorKind::ReadOnlyFilesystem.into())
        };
        match renamed {
            Ok(()) => warn!("{}: {why}: it is set aside as {aside}, and {cost}", path.display()),
            Err(error) => warn!("{}: {why}, and it cannot be set aside ({error}): {cost}", path.display()),
        }
        let mut all: Vec<(u64, PathBuf)> = fs::read_dir(&self.path)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let when = entry
                    .file_name()
                    .to_str()?
                    .strip_prefix(file)?
                    .strip_prefix(".damaged-")?
                    .parse()
                    .ok()?;
                Some((when, entry.path()))
            })
            .collect();
        all.sort_unstable();
        for (_, path) in all.iter().rev().skip(DAMAGED_KEPT) {
            let _ = fs::remove_file(path);
        }
    }

    /// What would be lost by a restart now: the files that could not be written when it was tried last, or the
    /// whole folder.
    pub fn unsaved(&self) -> Vec<String> {
        if self.lock.is_none() {
            return vec![self.path.display().to_string()];
        }
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut files: Vec<String> = failing.iter().cloned().collect();
        files.sort();
        files
    }

    /// Says in the log when a file can no longer be written, and when it can again.
    pub fn note_outcome(&self, file: &str, written: &io::Result<()>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok(()) if failing.remove(file) => info!("{} is written again", self.path(file).display()),
            // said when it was opened
            Err(error) if self.is_held() && failing.insert(file.to_owned()) => {
                warn!(
                    "{} cannot be written: {error}; a restart would lose what is new in it: make room",
                    self.path(file).display()
                );
            }
            _ => {}
        }
    }
}

/// Locks the folder as soon as nobody holds it, which may take so long.
fn lock_within(folder: &Path, patience: Duration) -> Result<File, Error> {
    let begun = clock::instant();
    let mut told = false;
    loop {
        match lock(folder) {
            Err(Error::Held { holder, .. }) if clock::since(begun) < patience => {
                if !std::mem::replace(&mut told, true) {
                    let by =
                        holder.map_or_else(|| "another instance".to_owned(), |pid| format!("process {pid}"));
                    info!(
                        "state-dir {} is in use by {by}: waiting {patience:?} for its end",
                        folder.display()
                    );
                }
                std::thread::sleep(LOOK_AGAIN);
            }
            other => return other,
        }
    }
}

/// Locks the folder, which is made if need be.
fn lock(folder: &Path) -> Result<File, Error> {
    owner::make_folder(folder).map_err(Error::Io)?;
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = owner::open(options, &path).map_err(Error::Io)?;
    match file.try_lock() {
        Ok(()) => {
            // who holds it is a courtesy to the operator: the lock is what counts
            let _ = file.set_len(0).and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let pid = read_up_to(&path, 20).ok().and_then(|text| String::from_utf8(text).ok());
            Err(Error::Held { folder: folder.to_owned(), holder: pid.filter(|pid| !pid.is_empty()) })
        }
        Err(TryLockError::Error(error)) => Err(Error::Io(error)),
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    let version: Version = serde_json::from_slice(text).map_err(Error::Document)?;
    if !(1..=FORMAT).contains(&version.format) {
        return Err(Error::OtherVersion(Some(Formats { found: version.format, read: FORMAT })));
    }
    serde_json::from_slice::<Document<T>>(text).map(|d| d.data).map_err(Error::Document)
}

/// Nothing is there: no file, or no folder that could have one.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
