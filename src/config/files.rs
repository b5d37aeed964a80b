//! The files that a conf names, as they were when it was read: each is read once, so that everybody who wants one has the same
//! bytes, and nobody looks at the disk again while the conf is in force.

use crate::base::hash::{hash64, hash64_pair};
use crate::wire::pem;
use bytes::Bytes;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Files by name: what each held, or why it could not be read.
#[derive(Clone, Default)]
pub struct NamedFiles {
    folder: PathBuf,
    files: HashMap<PathBuf, Result<NamedFile, String>>,
}

/// What a file held.
#[derive(Clone)]
struct NamedFile {
    bytes: Bytes,
    print: u64,
}

impl NamedFiles {
    /// None is read yet; relative names start from this folder.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), files: HashMap::new() }
    }

    /// Where a file of this name is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Reads a file, unless it has been. The error is to stand behind the file's name: "cannot be read: …".
    pub fn read(&mut self, path: &Path) -> Result<Bytes, String> {
        if !self.files.contains_key(path) {
            let file = pem::read(path).map(|bytes| NamedFile { print: hash64(&bytes), bytes: bytes.into() });
            self.files.insert(path.to_owned(), file);
        }
        self.held(path)
    }

    /// What a file held that was read with the conf. The error is to stand behind the file's name.
    pub fn held(&self, path: &Path) -> Result<Bytes, String> {
        match self.files.get(path) {
            Some(Ok(file)) => Ok(file.bytes.clone()),
            Some(Err(why)) => Err(why.clone()),
            None => Err("was not read with the conf".into()),
        }
    }

    /// What these files held, as one number: a renewed certificate keeps its name and gets another.
    pub fn fingerprint<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> u64 {
        let print = |name| self.files.get(&self.path(name)).and_then(|file| file.as_ref().ok()).map_or(0, |file| file.print);
        names.into_iter().fold(0, |all, name| hash64_pair(&u64::to_le_bytes(all), &u64::to_le_bytes(print(name))))
    }
}

/// Their names alone: there are keys among them.
impl fmt::Debug for NamedFiles {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.files.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_read_once_and_shows_itself_by_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = NamedFiles::of(folder.path());
        let (page, gone) = (files.path("page"), files.path("gone"));
        fs::write(&page, "first").unwrap();
        assert!(files.held(&page).is_err());
        assert_eq!(files.read(&page).unwrap(), "first");
        fs::write(&page, "second").unwrap();
        assert_eq!((files.read(&page).unwrap(), files.held(&page).unwrap()), ("first".into(), "first".into()));
        let why = files.read(&gone).unwrap_err();
        assert!(why.starts_with("cannot be read: "), "{why}");
        fs::write(&gone, "there now").unwrap();
        assert_eq!((files.read(&gone), files.held(&gone)), (Err(why.clone()), Err(why)));
        let shown = format!("{files:?}");
        assert!(shown.contains("page") && !shown.contains("first"), "{shown}");
    }

    #[test]
    fn other_contents_have_another_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let print = |ca: Option<&str>, cert: &str| {
            let mut files = NamedFiles::of(folder.path());
            for (name, text) in [("ca", ca), ("cert", Some(cert))] {
                match text {
                    Some(text) => fs::write(files.path(name), text).unwrap(),
                    None => drop(fs::remove_file(files.path(name))),
                }
                drop(files.read(&files.path(name)));
            }
            files.fingerprint(&["ca".to_owned(), "cert".to_owned()])
        };
        let all = [(Some("x"), "y"), (Some("y"), "x"), (Some("xy"), ""), (Some(""), "xy"), (None, "y")].map(|(ca, cert)| print(ca, cert));
        assert!(all.iter().enumerate().all(|(n, one)| !all[..n].contains(one)), "{all:?}");
        assert_eq!(print(Some("x"), "y"), all[0]);
    }
}
