//! The files that a conf names, as they were when it was read: each is read once, so that everybody who wants
//! one has the same, and nobody looks at the disk again while the conf is in force. What is secret is kept as
//! what is made of it: of tokens their hashes, of a private key what signs.

use crate::base::clock::rfc3339_secs;
use crate::base::file::{self, FileError};
use crate::base::hash::{hash64, hash64_pair};
use crate::base::token::{TokenError, Tokens};
use crate::wire::pem::{self, Certificate, KeyPairFiles};
use crate::wire::pem_error::{PemError, PemFileError};
use bytes::Bytes;
use rustls_pki_types::CertificateDer;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Authorities, and the certificates that are listed.
pub type Believed = (rustls::RootCertStore, Vec<CertificateDer<'static>>);

/// Files by name: what each held, or why it could not be read.
#[derive(Clone, Default)]
pub struct NamedFiles {
    folder: PathBuf,
    files: HashMap<PathBuf, Result<NamedFile, FileError>>,
    tokens: HashMap<PathBuf, Result<Tokens, TokenError>>,
    /// A certificate and its key, each in a file that is named.
    pairs: HashMap<KeyPairFiles, Result<Certificate, PemFileError>>,
    /// By a file, or a folder, of as many as are found there.
    certs: HashMap<PathBuf, Vec<Result<Certificate, PemFileError>>>,
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
        Self { folder: folder.to_owned(), ..Self::default() }
    }

    /// Where a file of this name is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Reads a file, unless it has been.
    pub fn read(&mut self, path: &Path) -> Result<Bytes, FileError> {
        if !self.files.contains_key(path) {
            let file = file::read(path).map(|bytes| NamedFile { print: hash64(&bytes), bytes: bytes.into() });
            self.files.insert(path.to_owned(), file);
        }
        self.held(path)
    }

    /// What a file held that was read with the conf.
    pub fn held(&self, path: &Path) -> Result<Bytes, FileError> {
        match self.files.get(path) {
            Some(Ok(file)) => Ok(file.bytes.clone()),
            Some(Err(why)) => Err(why.clone()),
            None => Err(FileError::NotRead),
        }
    }

    /// Reads a file of tokens, unless it has been.
    pub fn read_tokens(&mut self, path: &Path) -> Result<Tokens, TokenError> {
        self.tokens.entry(path.to_owned()).or_insert_with(|| Tokens::read(path)).clone()
    }

    /// The tokens of a file that was read with the conf.
    pub fn tokens(&self, path: &Path) -> Result<Tokens, TokenError> {
        self.tokens.get(path).cloned().unwrap_or(Err(TokenError::File(FileError::NotRead)))
    }

    /// The authorities in a file that was read with the conf.
    pub fn authorities(&self, name: &str) -> Result<rustls::RootCertStore, PemFileError> {
        let path = self.path(name);
        let roots = self.held(&path).map_err(PemError::File).and_then(|text| pem::authorities(&text));
        roots.map_err(|why| PemFileError::new(&path, why.of_file(&path)))
    }

    /// Those in a file that was read with the conf, and the same as they are listed there: not each of them need be
    /// one that can sign.
    pub fn believed(&self, name: &str) -> Result<Believed, PemFileError> {
        let path = self.path(name);
        let listed = self.held(&path).map_err(PemError::File).and_then(|text| {
            let all = pem::certificates(&text)?;
            all.iter().try_for_each(|one| pem::validity(one).map(drop)).map(|()| all)
        });
        let listed = listed.map_err(|why| PemFileError::new(&path, why.of_file(&path)))?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(listed.iter().cloned());
        Ok((roots, listed))
    }

    /// Where a certificate is and its key, which lies beside it unless it is named.
    pub fn pair_of(&self, cert: &str, key: Option<&str>) -> KeyPairFiles {
        match key {
            Some(key) => KeyPairFiles { cert: self.path(cert), key: self.path(key) },
            None => pem::pair_of(&self.path(cert)),
        }
    }

    /// Reads a certificate and its key, unless they have been.
    pub fn read_pair(&mut self, pair: KeyPairFiles) -> Result<Certificate, PemFileError> {
        self.pairs.entry(pair).or_insert_with_key(pem::load).clone()
    }

    /// A certificate that was read with the conf.
    pub fn pair(&self, pair: &KeyPairFiles) -> Result<Certificate, PemFileError> {
        let not_read = || Err(PemFileError::new(&pair.cert, PemError::File(FileError::NotRead)));
        self.pairs.get(pair).cloned().unwrap_or_else(not_read)
    }

    /// Reads what certificates there are in a file or folder, unless that has been done.
    pub fn read_certs(&mut self, path: &Path) -> &[Result<Certificate, PemFileError>] {
        self.certs.entry(path.to_owned()).or_insert_with(|| pem::load_all(path))
    }

    /// The certificates of a file or folder that was read with the conf.
    pub fn certs(&self, path: &Path) -> &[Result<Certificate, PemFileError>] {
        self.certs.get(path).map(Vec::as_slice).unwrap_or_default()
    }

    /// Those that could be read, in files that are named and in folders.
    fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.certs.values().flatten().chain(self.pairs.values()).flatten()
    }

    /// What is another than in the files before, by file. Nothing of those that are new, or named no more: the conf
    /// says that.
    pub fn changes(&self, before: &Self) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        let (old, all): (Vec<_>, Vec<_>) = (before.certificates().collect(), self.certificates().collect());
        for new in &all {
            let until = rfc3339_secs(new.not_after);
            match old.iter().find(|old| old.file == new.file) {
                Some(old) if old.print == new.print => {}
                Some(_) => said.push(format!(
                    "{}: its new certificate is shown from here on, good until {until}",
                    new.file.display()
                )),
                // in a folder that was named before
                None if self
                    .certs
                    .keys()
                    .any(|of| before.certs.contains_key(of) && new.file.starts_with(of)) =>
                {
                    said.push(format!(
                        "{}: its certificate is shown too, good until {until}",
                        new.file.display()
                    ))
                }
                None => {}
            }
        }
        let gone = |old: &&&Certificate| {
            let known = before.certs.keys().any(|of| self.certs.contains_key(of) && old.file.starts_with(of));
            known && !all.iter().any(|new| new.file == old.file)
        };
        said.extend(
            old.iter()
                .filter(gone)
                .map(|old| format!("{}: its certificate is not shown any more", old.file.display())),
        );
        for (path, file) in &self.files {
            let print = |file: &Result<NamedFile, FileError>| file.as_ref().ok().map(|file| file.print);
            if before.files.get(path).is_some_and(|old| print(old) != print(file)) {
                said.push(format!("{}: its new text is used from here on", path.display()));
            }
        }
        for (path, tokens) in &self.tokens {
            if let (Ok(new), Some(Ok(old))) = (tokens, before.tokens.get(path))
                && new != old
            {
                said.push(format!("{}: its new tokens count from here on", path.display()));
            }
        }
        said.sort();
        said.dedup();
        said
    }

    /// What these files held, as one number: one that was changed keeps its name and gets another.
    pub fn fingerprint<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> u64 {
        let print = |name| {
            self.files.get(&self.path(name)).and_then(|file| file.as_ref().ok()).map_or(0, |file| file.print)
        };
        names
            .into_iter()
            .fold(0, |all, name| hash64_pair(&u64::to_le_bytes(all), &u64::to_le_bytes(print(name))))
    }

    /// What a certificate and its key held, as one number.
    pub fn fingerprint_of_pair(&self, pair: &KeyPairFiles) -> u64 {
        self.pairs.get(pair).and_then(|found| found.as_ref().ok()).map_or(0, |certificate| certificate.print)
    }
}

/// Their names alone: there are keys among them.
impl fmt::Debug for NamedFiles {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let certs = self.pairs.keys().map(|pair| &pair.cert).chain(self.certs.keys());
        out.debug_set().entries(self.files.keys().chain(self.tokens.keys()).chain(certs)).finish()
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
        assert_eq!(
            (files.read(&page).unwrap(), files.held(&page).unwrap()),
            ("first".into(), "first".into())
        );
        let why = files.read(&gone).unwrap_err().to_string();
        assert!(why.starts_with("cannot be read: "), "{why}");
        fs::write(&gone, "there now").unwrap();
        let again = [files.read(&gone), files.held(&gone)].map(|held| held.unwrap_err().to_string());
        assert_eq!(again, [why.clone(), why]);
        let shown = format!("{files:?}");
        assert!(shown.contains("page") && !shown.contains("first"), "{shown}");
    }

    #[test]
    fn secrets_are_read_once_and_kept_as_what_is_made_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = NamedFiles::of(folder.path());
        let (token, cert, gone) = (files.path("token"), files.path("cert.pem"), files.path("gone.pem"));
        let key = rcgen::KeyPair::generate().unwrap();
        let chain =
            rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        fs::write(&token, "0123456789abcdef").unwrap();
        fs::write(&cert, format!("{chain}{}", key.serialize_pem())).unwrap();
        let pair = KeyPairFiles { cert: cert.clone(), key: cert.clone() };
        assert!(
            files.tokens(&token).is_err() && files.pair(&pair).is_err() && files.certs(&cert).is_empty(),
            "nothing is read"
        );
        let (tokens, read) = (files.read_tokens(&token).unwrap(), files.read_pair(pair.clone()).unwrap());
        assert!(
            files.read_certs(&cert)[0].as_ref().unwrap().print == read.print
                && files.fingerprint_of_pair(&pair) == read.print
        );
        assert!(
            files.read_certs(&gone)[0].as_ref().unwrap_err().to_string().contains("gone.pem cannot be read")
        );
        fs::remove_file(&token).unwrap();
        fs::write(&cert, "another").unwrap();
        assert_eq!(
            [files.read_tokens(&token).unwrap(), files.tokens(&token).unwrap()],
            [tokens.clone(), tokens]
        );
        assert!(files.pair(&pair).unwrap().print == read.print && files.certs(&cert).len() == 1);
        let shown = format!("{files:?}");
        assert!(
            shown.contains("cert.pem")
                && shown.contains("token")
                && !shown.contains("0123456789")
                && !shown.contains("KEY"),
            "{shown}"
        );
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
        let all = [(Some("x"), "y"), (Some("y"), "x"), (Some("xy"), ""), (Some(""), "xy"), (None, "y")]
            .map(|(ca, cert)| print(ca, cert));
        assert!(all.iter().enumerate().all(|(n, one)| !all[..n].contains(one)), "{all:?}");
        assert_eq!(print(Some("x"), "y"), all[0]);
    }
}
