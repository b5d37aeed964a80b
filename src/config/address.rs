//! Addresses as the conf file writes them: where a node is, and where a listener listens.

use super::address_error::LONGEST_SOCKET_PATH;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use super::address_error::AddressError;

/// How a node is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP over TCP.
    Http,
    /// HTTP over TLS.
    Https,
    /// HTTP over a Unix socket.
    Unix,
}

/// Where a node is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeUrl {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Host name or address, without brackets; empty for a Unix socket.
    pub host: String,
    /// Port; 0 for a Unix socket.
    pub port: u16,
    /// The socket's path, for a Unix socket.
    pub unix: Option<PathBuf>,
}

impl NodeUrl {
    /// Whether both are the same place, as far as that shows without a look-up.
    pub fn is_same_place(&self, other: &Self) -> bool {
        let ip = |url: &Self| url.host.parse::<IpAddr>().map(|ip| ip.to_canonical());
        let is_here =
            |url: &Self| ip(url).is_ok_and(|ip| ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST);
        let is_near = |one: &Self, two: &Self| one.host == "localhost" && is_here(two);
        let same_host = self.host == other.host
            || ip(self).is_ok_and(|own| ip(other) == Ok(own))
            || is_near(self, other)
            || is_near(other, self);
        same_host && (self.scheme, self.port, &self.unix) == (other.scheme, other.port, &other.unix)
    }

    /// `host:port`, an IPv6 address in brackets; for a Unix socket `localhost`.
    pub fn authority(&self) -> String {
        match self.scheme {
            Scheme::Unix => "localhost".into(),
            _ => host_and_port(&self.host, self.port),
        }
    }
}

impl FromStr for NodeUrl {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix_path(path).map(|path| Self {
                scheme: Scheme::Unix,
                host: String::new(),
                port: 0,
                unix: Some(path),
            });
        }
        let (scheme, rest, default_port) = match text.split_once("://") {
            Some((http, rest)) if http.eq_ignore_ascii_case("http") => (Scheme::Http, rest, 80),
            Some((https, rest)) if https.eq_ignore_ascii_case("https") => (Scheme::Https, rest, 443),
            Some((other, _)) => return Err(AddressError::Scheme(other.to_owned())),
            None => return Err(AddressError::NoScheme(text.to_owned())),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(AddressError::User);
        }
        if rest.contains(['/', '?', '#']) {
            return Err(AddressError::Path);
        }
        let (host, port) = split_host_port(rest, Some(default_port))?;
        // a host's name is the same in any case
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port, unix: None })
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.scheme, &self.unix) {
            (Scheme::Unix, Some(path)) => write!(f, "unix:{}", path.display()),
            (Scheme::Unix, None) => f.write_str("unix:"),
            (Scheme::Http, _) => write!(f, "http://{}", self.authority()),
            (Scheme::Https, _) => write!(f, "https://{}", self.authority()),
        }
    }
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A host name, looked up when it is listened on, and a port.
    Name(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// The IP addresses that it stands for; none for a Unix socket. A host name is looked up.
    pub fn look_up(&self) -> std::io::Result<Vec<SocketAddr>> {
        match self {
            Self::Tcp(at) => Ok(vec![*at]),
            Self::Name(host, port) => (host.as_str(), *port).to_socket_addrs().map(Iterator::collect),
            Self::Unix(_) => Ok(Vec::new()),
        }
    }

    /// Host, without brackets, and port; none for a Unix socket.
    pub fn host_and_port(&self) -> Option<(String, u16)> {
        match self {
            Self::Tcp(at) => Some((at.ip().to_string(), at.port())),
            Self::Name(host, port) => Some((host.clone(), *port)),
            Self::Unix(_) => None,
        }
    }

    /// True when the system chooses the port.
    pub fn is_any_port(&self) -> bool {
        matches!(self.host_and_port(), Some((_, 0)))
    }

    /// True when only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(at) => at.ip().to_canonical().is_loopback(),
            Self::Name(host, _) => host == "localhost",
            Self::Unix(_) => true,
        }
    }

    /// The path of a Unix socket.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            _ => None,
        }
    }

    /// The same, the path of a Unix socket taken from this folder.
    pub fn within(self, folder: &Path) -> Self {
        match self {
            Self::Unix(path) => Self::Unix(folder.join(path)),
            other => other,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix_path(path).map(Self::Unix);
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(AddressError::ListenScheme { scheme: scheme.to_owned(), rest: rest.to_owned() });
        }
        if let Some(port) = text
            .strip_prefix('*')
            .unwrap_or(text)
            .strip_prefix(':')
            .filter(|port| port.parse::<u16>().is_ok())
        {
            return Err(AddressError::EveryAddress { text: text.to_owned(), port: port.to_owned() });
        }
        if text.parse::<u16>().is_ok() {
            return Err(AddressError::PortAlone(text.to_owned()));
        }
        let (host, port) = split_host_port(text, None)?;
        Ok(host
            .parse()
            .map_or_else(|_| Self::Name(host, port), |ip: IpAddr| Self::Tcp(SocketAddr::new(ip, port))))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(at) => at.fmt(f),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn unix_path(path: &str) -> Result<PathBuf, AddressError> {
    match path {
        "" => Err(AddressError::NoSocket),
        _ if path.contains('\0') || path.len() > LONGEST_SOCKET_PATH => Err(AddressError::SocketPath),
        _ => Ok(PathBuf::from(path)),
    }
}

fn split_host_port(text: &str, default_port: Option<u16>) -> Result<(String, u16), AddressError> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else {
            return Err(AddressError::OpenBracket(text.to_owned()));
        };
        if host.parse::<Ipv6Addr>().is_err() {
            return Err(AddressError::NoIpv6(host.to_owned()));
        }
        (host, after.strip_prefix(':').or((!after.is_empty()).then_some(after)))
    } else if text.parse::<Ipv6Addr>().is_ok() {
        return Err(AddressError::BareIpv6(text.to_owned()));
    } else {
        match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = match (port, default_port) {
        (Some(port), _) => port.parse().map_err(|_| AddressError::Port(port.to_owned()))?,
        (None, Some(port)) => port,
        (None, None) => return Err(AddressError::NoPort(text.to_owned())),
    };
    if !text.starts_with('[') && !is_host(host) {
        return Err(AddressError::Host(host.to_owned()));
    }
    Ok((host.to_owned(), port))
}

/// True for a name or an IPv4 address. A name of digits and dots alone must be an address.
pub fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
    };
    let digits_only = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let name = host.strip_suffix('.').unwrap_or(host);
    host.len() <= 253
        && name.split('.').all(label)
        && (!digits_only || host.parse::<std::net::Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_urls_read_and_print() {
        for (text, printed) in [
            ("http://10.0.0.1:8080", "http://10.0.0.1:8080"),
            ("http://app/", "http://app:80"),
            ("https://app.example.com", "https://app.example.com:443"),
            ("http://[::1]:81", "http://[::1]:81"),
            ("HTTPS://App.Example.com", "https://app.example.com:443"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
        ] {
            let url: NodeUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), printed);
            assert_eq!(printed.parse::<NodeUrl>().unwrap(), url);
        }
        for bad in [
            "",
            "app:8080",
            "ftp://x",
            "http://",
            "http://a b",
            "http://a/x",
            "http://u@h",
            "http://h:99999",
            "http://[::1",
            "unix:",
            "http://1.2.3",
            "http://::1",
            "http://10.0.0.11:81:8080",
        ] {
            assert!(bad.parse::<NodeUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_same_place_is_known_in_another_spelling() {
        for (one, other, same) in [
            ("http://App:80", "HTTP://app/", true),
            ("https://app", "https://app:443/", true),
            ("http://localhost:81", "http://127.0.0.1:81", true),
            ("http://localhost:81", "http://[::1]:81", true),
            ("http://10.0.0.1:81", "http://[::ffff:10.0.0.1]:81", true),
            ("http://[::1]:81", "http://[0:0:0:0:0:0:0:1]:81", true),
            ("http://[fd00::A]:81", "http://[fd00::a]:81", true),
            ("http://app:81", "http://app:82", false),
            ("http://app:81", "https://app:81", false),
            ("http://app:81", "http://app2:81", false),
            ("http://localhost:81", "http://127.0.0.2:81", false),
            ("http://127.0.0.1:81", "http://[::1]:81", false),
            ("unix:/a", "unix:/A", false),
        ] {
            let [one, other]: [NodeUrl; 2] = [one, other].map(|text| text.parse().unwrap());
            assert_eq!((one.is_same_place(&other), other.is_same_place(&one)), (same, same), "{one} {other}");
        }
    }

    #[test]
    fn binds_read_and_print() {
        for text in ["127.0.0.1:8080", "[::]:80", "localhost:0", "unix:/run/homing.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for bad in [
            "8080",
            ":8080",
            "*:80",
            "http://a:1",
            "127.0.0.1",
            "::1",
            "[::1]",
            "256.0.0.1:80",
            "a:b",
            "a:1:2",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        for (text, local) in [
            ("127.0.0.9:1", true),
            ("[::1]:1", true),
            ("localhost:1", true),
            ("unix:a", true),
            ("0.0.0.0:1", false),
            ("app:1", false),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().is_local(), local, "{text}");
        }
        assert_eq!("127.0.0.1:80".parse::<Address>().unwrap().look_up().unwrap().len(), 1);
        assert_eq!("[0::1]:80".parse::<Address>(), "[::1]:80".parse());
        assert_eq!("unix:a".parse::<Address>().unwrap().within(Path::new("/run")).to_string(), "unix:/run/a");
    }
}
