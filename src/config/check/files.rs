//! Files that the conf file refers to: certificates with their keys, authorities, pages.

use super::Checker;
use crate::base::token::Tokens;
use crate::wire::pem::{self, Pair};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

impl Checker<'_> {
    /// Notes a file to be watched, and gives its whole name.
    pub(super) fn reference(&mut self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        self.files.push(path.clone());
        path
    }

    /// Checks that a file can be read.
    pub(super) fn readable(&mut self, at: &str, name: &str) {
        let path = self.reference(name);
        if let Err(error) = std::fs::read(&path) {
            let message = format!("{} cannot be read: {error}", path.display());
            self.error(at, message, "check the name, and that the user homing runs as may read it");
        }
    }

    /// Checks a file with a token.
    pub(super) fn token(&mut self, at: &str, name: &str) {
        let path = self.reference(name);
        if let Err(error) = Tokens::read(&path) {
            let help = format!("make one: (umask 077; homing token --new > {name})");
            return self.error(at, format!("{} {error}", path.display()), help);
        }
        let open = std::fs::metadata(&path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
        if open {
            self.warn(at, format!("{} can be read by other users of this machine", path.display()), format!("chmod 600 {name}"));
        }
    }

    /// Checks a file of authorities.
    pub(super) fn authorities(&mut self, at: &str, name: &str) {
        let path = self.reference(name);
        if let Err(error) = pem::certificates(&path) {
            self.error(at, error, "name a PEM file with the certificates of the authorities");
        }
    }

    /// Checks a certificate and its key, in one file or two.
    pub(super) fn pair(&mut self, at: &str, cert: &str, key: &str) {
        let pair = Pair { cert: self.reference(cert), key: self.reference(key) };
        if let Err(problem) = pem::load(&pair) {
            self.error(at, problem.message, "the key must be the one that the certificate was made for; both in PEM");
        }
    }

    /// Checks an entry of `certs`: a file, or a folder of them.
    pub(super) fn certs(&mut self, at: &str, name: &str) {
        const HELP: &str =
            "put certificate chain and key into one PEM file, or NAME.key beside NAME.crt, or privkey.pem beside fullchain.pem";
        let path = self.reference(name);
        let pairs = match pem::pairs(&path) {
            Ok(pairs) => pairs,
            Err(problem) => return self.error(at, problem.message, HELP),
        };
        for pair in pairs {
            if let Err(problem) = pem::load(&pair) {
                self.error(at, problem.message, HELP);
            }
            if !path.is_dir() {
                self.files.push(pair.key);
            }
        }
        // folders of certbot's, and those that will be once it has filled them
        self.files.extend(pem::folders(&path));
    }
}
