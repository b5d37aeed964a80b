//! Where the proxy's window is: what the command line is told, or finds in the conf file.

use super::argument_error::ArgumentError;
use crate::base::file::{self, FileError};
use crate::config::address::Address;
use crate::config::model::{Admin, AdminLevel};
use crate::config::{self, Loaded};
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, ServerName};
use std::cmp::Reverse;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// The conf file where none is named.
pub const CONF: &str = "conf/homing.toml";

/// One of its addresses.
#[derive(Debug, Clone, PartialEq)]
pub enum AdminDoor {
    /// In clear text.
    Tcp(String),
    /// Over TLS.
    Tls(String),
    /// A Unix socket.
    Unix(PathBuf),
}

/// A connection, however it is made.
pub type DoorStream = Box<dyn AdminStream>;

/// What is read and written on one.
pub trait AdminStream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> AdminStream for S {}

impl AdminDoor {
    /// As people write it.
    pub fn parse(url: &str) -> Result<Self, ArgumentError> {
        if let Some(path) = url.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let (door, rest): (fn(String) -> Self, &str) = match url.split_once("://") {
            Some(("http", rest)) => (Self::Tcp, rest.strip_suffix('/').unwrap_or(rest)),
            Some(("https", rest)) => (Self::Tls, rest.strip_suffix('/').unwrap_or(rest)),
            Some((scheme, _)) => return Err(ArgumentError::Scheme(scheme.to_owned())),
            None => (Self::Tcp, url),
        };
        match rest.parse() {
            Ok(Address::Tcp(_) | Address::Name(..)) => Ok(door(rest.to_owned())),
            _ => Err(ArgumentError::Address(url.to_owned())),
        }
    }

    /// How to get to what listens there.
    pub(super) fn of(bind: Address, encrypted: bool, folder: &Path) -> Self {
        let door = if encrypted { Self::Tls } else { Self::Tcp };
        match bind {
            Address::Unix(path) => Self::Unix(folder.join(path)),
            Address::Tcp(at) if at.ip().is_unspecified() && at.is_ipv4() => {
                door(format!("127.0.0.1:{}", at.port()))
            }
            Address::Tcp(at) if at.ip().is_unspecified() => door(format!("[::1]:{}", at.port())),
            other => door(other.to_string()),
        }
    }

    /// By what name it is asked.
    pub fn host(&self) -> &str {
        match self {
            Self::Tcp(address) | Self::Tls(address) => address,
            Self::Unix(_) => "localhost",
        }
    }

    /// A connection to it.
    pub async fn connect(&self, tls: Option<&Arc<ClientConfig>>) -> io::Result<DoorStream> {
        Ok(match (self, tls) {
            (Self::Unix(path), _) => Box::new(UnixStream::connect(path).await?),
            (Self::Tls(address), Some(tls)) => {
                let host = address.rsplit_once(':').map_or(&**address, |(host, _)| host);
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
                    .map_err(io::Error::other)?;
                let stream = TcpStream::connect(address).await?;
                Box::new(TlsConnector::from(tls.clone()).connect(name, stream).await?)
            }
            (Self::Tcp(address) | Self::Tls(address), _) => Box::new(TcpStream::connect(address).await?),
        })
    }
}

impl fmt::Display for AdminDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Tls(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What the conf file says of the window.
pub struct KnownDoors {
    /// A Unix socket first, for which nothing need be known.
    pub doors: Vec<AdminDoor>,
    /// Files of tokens, the highest level first.
    pub token_files: Vec<PathBuf>,
    /// What it shows over TLS, where that can be read.
    pub certificates: Vec<CertificateDer<'static>>,
}

impl KnownDoors {
    /// From a conf file; nothing if it says nothing of a window. The one that is taken where none is named need
    /// not be there.
    pub fn read(path: &Path) -> Result<Option<Self>, FileError> {
        let (admin, token_file, folder, certificates) = match config::load(path) {
            Ok(loaded) => {
                let certificates = certificates(&loaded);
                let server = loaded.config.server;
                (server.admin, server.admin_token_file, loaded.folder, certificates)
            }
            // it has mistakes, and the proxy runs by an older one: the address is likely to be the same
            Err(_) => {
                let text = match file::read(path) {
                    Ok(text) => text,
                    Err(_) if path == Path::new(CONF) => return Ok(None),
                    Err(why) => return Err(why),
                };
                let (admin, token_file) = rough(&String::from_utf8_lossy(&text));
                (admin, token_file, path.parent().map(Path::to_owned).unwrap_or_default(), Vec::new())
            }
        };
        let Some(admin) = admin else { return Ok(None) };
        let encrypted = admin.tls().is_some();
        let binds = admin.binds().iter().filter_map(|bind| bind.parse().ok());
        let mut doors: Vec<AdminDoor> = binds.map(|bind| AdminDoor::of(bind, encrypted, &folder)).collect();
        doors.sort_by_key(|door| !matches!(door, AdminDoor::Unix(_)));
        let named = token_file.iter().map(|file| (AdminLevel::Admin, &**file));
        let mut tokens: Vec<_> =
            named.chain(admin.tokens().map(|(_, token)| (token.level, &*token.file))).collect();
        tokens.sort_by_key(|(level, _)| Reverse(*level));
        let token_files = tokens.into_iter().map(|(_, file)| folder.join(file)).collect();
        Ok((!doors.is_empty()).then_some(Self { doors, token_files, certificates }))
    }
}

/// The certificates that the window shows.
fn certificates(loaded: &Loaded) -> Vec<CertificateDer<'static>> {
    let tls = loaded.config.server.admin.as_ref().and_then(Admin::tls);
    let files = tls.into_iter().flat_map(|tls| &tls.certs).flat_map(|name| {
        let path = loaded.files.path(name);
        loaded
            .files
            .certs(&path)
            .iter()
            .flatten()
            .filter_map(|found| found.key.cert.first().cloned())
            .collect::<Vec<_>>()
    });
    files.collect()
}

/// What a text that is no good as a whole says of the window, and of its token.
fn rough(text: &str) -> (Option<Admin>, Option<String>) {
    let Ok(tree) = toml::from_str::<toml::Table>(text) else {
        return (server_key(text, "admin").map(Admin::Address), server_key(text, "admin-token-file"));
    };
    let key = |name: &str| tree.get("server").and_then(|server| server.get(name)).cloned();
    (
        key("admin").and_then(|admin| admin.try_into().ok()),
        key("admin-token-file").and_then(|file| file.try_into().ok()),
    )
}

/// What a text gives a key, as in `key = "value"`.
fn server_key(text: &str, key: &str) -> Option<String> {
    let value = |line: &str| {
        line.trim()
            .strip_prefix(key)?
            .trim_start()
            .strip_prefix('=')?
            .trim_start()
            .strip_prefix('"')
            .map(str::to_owned)
    };
    text.lines().find_map(value)?.split('"').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        for (url, printed) in [
            ("http://127.0.0.1:9900", "http://127.0.0.1:9900"),
            ("http://proxy:9900/", "http://proxy:9900"),
            ("https://proxy:9900/", "https://proxy:9900"),
            ("127.0.0.1:9900", "http://127.0.0.1:9900"),
            ("http://[::1]:9900", "http://[::1]:9900"),
            ("unix:/run/homing.sock", "unix:/run/homing.sock"),
        ] {
            assert_eq!(AdminDoor::parse(url).unwrap().to_string(), printed);
        }
        for bad in [
            "unix:",
            "ftp://proxy:9900",
            "https://proxy",
            "http://proxy",
            "http://proxy:9900/api",
            "9900",
            "",
        ] {
            assert!(AdminDoor::parse(bad).is_err(), "{bad}");
        }
        for (bind, encrypted, at) in [
            ("0.0.0.0:9900", false, "http://127.0.0.1:9900"),
            ("0.0.0.0:9900", true, "https://127.0.0.1:9900"),
            ("[::]:9900", false, "http://[::1]:9900"),
            ("unix:a.sock", true, "unix:/etc/a.sock"),
        ] {
            assert_eq!(AdminDoor::of(bind.parse().unwrap(), encrypted, Path::new("/etc")).to_string(), at);
        }
    }

    #[test]
    fn a_conf_with_mistakes_still_tells_where_the_window_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("homing.toml");
        let told = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let known = KnownDoors::read(&path).unwrap()?;
            let doors: Vec<String> = known.doors.iter().map(ToString::to_string).collect();
            let names =
                known.token_files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned());
            Some((doors.join(" "), names.collect::<Vec<_>>().join(" ")))
        };
        let short = "[server]\nadmin-token-file = \"t\"\n admin= \"127.0.0.1:7\" # here\nwokers = 1\n[[[";
        assert_eq!(told(short), Some(("http://127.0.0.1:7".into(), "t".into())));
        let table = "[server.admin]\nbind = [\"127.0.0.1:7\", \"unix:/a\"]\ntls = { certs = [\"x\"] }\n\
                     tokens = { g = { file = \"g\" }, o = { file = \"o\", level = \"admin\" } }\n[wrong]\n";
        assert_eq!(told(table), Some(("unix:/a https://127.0.0.1:7".into(), "o g".into())));
        assert_eq!(told("[server]\nwokers = 1\n"), None);
    }
}
