//! Files that the conf file refers to: certificates with their keys, authorities, pages.

use super::checker::Checker;
use crate::base::clock::{self, rfc3339_secs};
use crate::wire::pem::{self, Certificate};
use crate::wire::pem_error::PemFileError;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

impl Checker<'_> {
    /// Notes a file to be watched, and gives its whole name.
    pub(super) fn reference(&mut self, name: &str) -> PathBuf {
        let path = self.files.path(name);
        self.watched.push(path.clone());
        path
    }

    /// Checks that a file can be read; what it holds is kept for those who need it later.
    pub(super) fn readable(&mut self, at: &str, name: &str) {
        let path = self.reference(name);
        if let Err(why) = self.files.read(&path) {
            let help = "check the name, and that the user homing runs as may read it";
            self.error(at, format!("{} {why}", path.display()), help);
        }
    }

    /// Checks a file with a token.
    pub(super) fn token(&mut self, at: &str, name: &str) {
        let path = self.reference(name);
        if let Err(error) = self.files.read_tokens(&path) {
            let help = format!("make one: (umask 077; homing token --new > {name})");
            return self.error(at, format!("{} {error}", path.display()), help);
        }
        let open = std::fs::metadata(&path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
        if open {
            self.warn(
                at,
                format!("{} can be read by other users of this machine", path.display()),
                format!("chmod 600 {name}"),
            );
        }
    }

    /// Checks a file of authorities.
    pub(super) fn authorities(&mut self, at: &str, name: &str) {
        let path = self.reference(name);
        // why it cannot be read is told by who wants it
        let _ = self.files.read(&path);
        match self.files.authorities(name) {
            Err(why) => self.no_authorities(at, why),
            Ok(_) => self.still_good(at, &path),
        }
    }

    /// Checks a file of authorities, or of certificates that are believed themselves.
    pub(super) fn believed(&mut self, at: &str, name: &str) {
        let path = self.reference(name);
        // why it cannot be read is told by who wants it
        let _ = self.files.read(&path);
        match self.files.believed(name) {
            Err(why) => self.no_authorities(at, why),
            Ok(_) => self.still_good(at, &path),
        }
    }

    fn no_authorities(&mut self, at: &str, why: PemFileError) {
        self.error(at, why.to_string(), "name a PEM file with the certificates of the authorities");
    }

    /// Warns when none of the certificates in a file of authorities is good now.
    fn still_good(&mut self, at: &str, path: &Path) {
        let all =
            self.files.held(path).ok().and_then(|text| pem::certificates(&text).ok()).unwrap_or_default();
        let validity: Vec<[i64; 2]> = all.iter().filter_map(|one| pem::validity(one).ok()).collect();
        let now = unix_secs();
        let last = validity.iter().max_by_key(|[_, until]| *until).copied();
        if let Some(last) = last.filter(|_| !validity.iter().any(|one| is_good(*one, now))) {
            self.not_good(at, path, last, now);
        }
    }

    /// Warns of a certificate that is not good now.
    fn not_good(&mut self, at: &str, path: &Path, [from, until]: [i64; 2], now: i64) {
        let (what, help) = match now > until {
            true => {
                (format!("has expired on {}", rfc3339_secs(until)), "renew it: nobody believes it any more")
            }
            false => (
                format!("is not good before {}", rfc3339_secs(from)),
                "look whether the clock of this machine is right, or wait",
            ),
        };
        self.warn(at, format!("the certificate in {} {what}", path.display()), help);
    }

    /// Checks a certificate and its key, in one file or two.
    pub(super) fn pair(&mut self, at: &str, cert: &str, key: Option<&str>) {
        let pair = self.files.pair_of(cert, key);
        self.watched.extend([pair.cert.clone(), pair.key.clone()]);
        match self.files.read_pair(pair) {
            Err(why) => self.error(
                at,
                why.to_string(),
                "the key must be the one that the certificate was made for; both in PEM",
            ),
            Ok(read) => self.all_good(at, &[read]),
        }
    }

    fn all_good(&mut self, at: &str, read: &[Certificate]) {
        let now = unix_secs();
        for one in read {
            let validity = [one.not_before, one.not_after];
            if !is_good(validity, now) {
                self.not_good(at, &one.file, validity, now);
            }
        }
    }

    /// Checks an entry of `certs`: a file, or a folder of them.
    pub(super) fn certs(&mut self, at: &str, name: &str) {
        const HELP: &str = "put certificate chain and key into one PEM file, or NAME.key beside NAME.crt, or privkey.pem beside fullchain.pem";
        let path = self.reference(name);
        let wrong = self.files.read_certs(&path).iter().filter_map(|found| found.as_ref().err());
        for message in wrong.map(ToString::to_string).collect::<Vec<_>>() {
            self.error(at, message, HELP);
        }
        let read: Vec<Certificate> = self.files.read_certs(&path).iter().flatten().cloned().collect();
        self.all_good(at, &read);
        self.watched.extend(read.into_iter().map(|one| one.file));
        if !path.is_dir() {
            self.watched.push(pem::pair_of(&path).key);
        }
        // folders of certbot's, and those that will be once it has filled them
        self.watched.extend(pem::folders(&path));
    }
}

fn unix_secs() -> i64 {
    i64::try_from(clock::unix_secs()).unwrap_or(i64::MAX)
}

fn is_good([from, until]: [i64; 2], now: i64) -> bool {
    (from..=until).contains(&now)
}
