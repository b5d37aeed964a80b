//! Files that the conf file refers to: certificates with their keys, authorities, pages.

use super::checker::Checker;
use crate::wire::pem;
use crate::wire::pem_error::PemError;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

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
        if let Err(why) =
            self.files.read(&path).map_err(PemError::File).and_then(|text| pem::authorities(&text))
        {
            self.error(
                at,
                format!("{} {why}", path.display()),
                "name a PEM file with the certificates of the authorities",
            );
        }
    }

    /// Checks a certificate and its key, in one file or two.
    pub(super) fn pair(&mut self, at: &str, cert: &str, key: Option<&str>) {
        let pair = self.files.pair_of(cert, key);
        self.watched.extend([pair.cert.clone(), pair.key.clone()]);
        if let Err(why) = self.files.read_pair(pair) {
            self.error(
                at,
                why.to_string(),
                "the key must be the one that the certificate was made for; both in PEM",
            );
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
        if !path.is_dir() {
            self.watched.push(pem::pair_of(&path).key);
        }
        // folders of certbot's, and those that will be once it has filled them
        self.watched.extend(pem::folders(&path));
    }
}
