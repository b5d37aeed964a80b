//! What to do when an address cannot be had.

use super::Address;
use super::holder::{self, Holder};
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// What stands in the way, as far as that can be known.
#[derive(Debug, PartialEq, Eq)]
pub enum ListenHint {
    /// A port that only some may listen on.
    Privileged,
    /// Somebody listens there.
    Held(Option<Holder>),
    /// The machine does not have it.
    NotHere,
    /// A file that is no socket.
    OtherFile(PathBuf),
    /// The folder of a socket is missing.
    NoFolder(PathBuf),
    /// The folder of a socket is not ours to write in.
    Closed(PathBuf),
    /// A socket's file cannot be given to somebody else.
    NotToGive,
}

/// The first port that everybody may listen on, unless the system is told otherwise.
const FIRST_FREE: u16 = 1024;

impl ListenHint {
    /// Of what the system says.
    pub fn of(address: &Address, why: &io::Error) -> Option<Self> {
        match (address, why.kind()) {
            (Address::Tcp(at), ErrorKind::PermissionDenied) if at.port() < FIRST_FREE => {
                Some(Self::Privileged)
            }
            (Address::Name(_, port), ErrorKind::PermissionDenied) if *port < FIRST_FREE => {
                Some(Self::Privileged)
            }
            (Address::Unix(path), _) => Self::of_file(path, why.kind()),
            (_, ErrorKind::AddrInUse) => Some(Self::Held(holder::of_port(address))),
            (_, ErrorKind::AddrNotAvailable) => Some(Self::NotHere),
            _ => None,
        }
    }

    fn of_file(path: &Path, why: ErrorKind) -> Option<Self> {
        let folder = || {
            path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
        };
        let is_socket = || fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
        match why {
            ErrorKind::AddrInUse if is_socket() => Some(Self::Held(holder::of_socket(path))),
            ErrorKind::AddrInUse => Some(Self::OtherFile(path.to_owned())),
            ErrorKind::NotFound => Some(Self::NoFolder(folder())),
            ErrorKind::PermissionDenied if path.exists() => Some(Self::NotToGive),
            ErrorKind::PermissionDenied => Some(Self::Closed(folder())),
            _ => None,
        }
    }
}

impl fmt::Display for ListenHint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Privileged => out.write_str(
                "ports below 1024 need CAP_NET_BIND_SERVICE: AmbientCapabilities= in the unit, `setcap cap_net_bind_service=+ep` \
                 on the binary, or a lower net.ipv4.ip_unprivileged_port_start",
            ),
            Self::Held(Some(holder)) => write!(out, "{holder} listens there: end it, or write another address"),
            Self::Held(None) => out.write_str(
                "another process listens there, or an address of its own covers this one (`ss -lntxp` as root names it): end it, or \
                 write another address",
            ),
            Self::NotHere => {
                out.write_str("this machine does not have that address: `ip address` shows those that it has")
            }
            Self::OtherFile(path) => {
                write!(out, "{} is a file and no socket: take it away, or write another path", path.display())
            }
            Self::NoFolder(folder) => write!(out, "there is no folder {}: make it", folder.display()),
            Self::Closed(folder) => {
                write!(out, "{} is not writable for the user that this process runs as", folder.display())
            }
            Self::NotToGive => out.write_str(
                "only root gives a socket to another user, and to groups that its own user is not in",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    fn hint(address: &str, why: ErrorKind) -> Option<ListenHint> {
        ListenHint::of(&address.parse().unwrap(), &why.into())
    }

    #[test]
    fn what_is_in_the_way_is_told_with_what_to_do() {
        use ErrorKind::{AddrInUse, AddrNotAvailable, NotFound, OutOfMemory, PermissionDenied};
        for (address, why, says) in [
            ("0.0.0.0:80", PermissionDenied, "CAP_NET_BIND_SERVICE"),
            ("localhost:443", PermissionDenied, "CAP_NET_BIND_SERVICE"),
            ("192.0.2.1:8080", AddrNotAvailable, "`ip address`"),
            ("unix:/no/such/folder/s", NotFound, "no folder /no/such/folder"),
            ("unix:/proc/s", PermissionDenied, "/proc is not writable"),
            ("unix:s", NotFound, "no folder ."),
            ("unix:/etc/hostname", AddrInUse, "no socket"),
            ("127.0.0.1:1", AddrInUse, "another process"),
        ] {
            let told = hint(address, why).unwrap().to_string();
            assert!(told.contains(says), "{address}: {told}");
        }
        assert_eq!(hint("0.0.0.0:8080", PermissionDenied), None);
        assert_eq!(hint("0.0.0.0:80", OutOfMemory), None);
    }

    #[test]
    fn who_listens_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let (tcp, _unix) = (TcpListener::bind("127.0.0.1:0").unwrap(), UnixListener::bind(&path).unwrap());
        let myself = || Holder::of(std::process::id());
        let me = Some(myself());
        let held = |address: &str| match hint(address, ErrorKind::AddrInUse) {
            Some(ListenHint::Held(by)) => by,
            other => panic!("{other:?}"),
        };
        let port = tcp.local_addr().unwrap().port();
        assert_eq!(held(&format!("127.0.0.1:{port}")), me);
        assert_eq!(held(&format!("0.0.0.0:{port}")), me, "what it covers");
        assert_eq!(held(&format!("[::]:{port}")), me);
        assert_eq!(held(&format!("127.0.0.2:{port}")), None);
        assert_eq!(held(&format!("unix:{}", path.display())), me);
        assert!(myself().to_string().contains("this process"));
    }
}
