//! How a listening socket comes to be.

use super::Listener;
use crate::upstream::home::Place;
use socket2::{Domain, Protocol, SockAddr, SockFilter, SockRef, Type};
use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix domain socket in the file system.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    /// Reads "host:port", `[::]:port` or "unix:/path". A host name is looked up, its first address taken.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err("no path behind unix:".into()) } else { Ok(Self::Unix(path.into())) };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Tcp(address));
        }
        let mut found = text.to_socket_addrs().map_err(|error| format!("{text:?}: {error}"))?;
        found.next().map(Self::Tcp).ok_or_else(|| format!("{text:?}: no address"))
    }
}

impl From<&Address> for Place {
    fn from(address: &Address) -> Self {
        match address {
            Address::Tcp(address) => Self::Tcp(*address),
            Address::Unix(path) => Self::Unix(path.clone()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The file of a Unix domain socket; dropping the last handle removes it.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: only our own file is removed, not the one of a process that took our place.
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Arc<Self>> {
        let identity = identity(path)?;
        Ok(Arc::new(Self { path: path.to_owned(), identity }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file, if it is still the one that was made.
    pub(super) fn remove(&self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // Nothing is lost if it stays: the next start finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// A bound, listening socket that no runtime owns yet.
#[derive(Debug)]
pub struct Socket {
    socket: socket2::Socket,
    address: Address,
    file: Option<Arc<SocketFile>>,
}

impl Socket {
    /// Where it listens, with the port that was found for port 0.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Hands the socket to the runtime that this is called in.
    pub fn into_tokio(self) -> io::Result<Listener> {
        match self.file {
            None => TcpListener::from_std(self.socket.into()).map(Listener::Tcp),
            Some(file) => Ok(Listener::Unix(tokio::net::UnixListener::from_std(self.socket.into())?, file)),
        }
    }
}

/// Binds one socket.
pub fn bind(address: &Address, backlog: i32) -> io::Result<Socket> {
    match address {
        Address::Tcp(address) => tcp(*address, backlog, true),
        Address::Unix(path) => unix(path, backlog, None),
    }
}

/// Binds one socket that no other may listen beside; a Unix domain socket has this mode.
pub fn bind_alone(address: &Address, backlog: i32, mode: Option<u32>) -> io::Result<Socket> {
    match address {
        Address::Tcp(address) => tcp(*address, backlog, false),
        Address::Unix(path) => unix(path, backlog, mode),
    }
}

/// Binds sockets for `n` workers on one address: on TCP each its own queue, among which the kernel spreads clients; on a Unix domain
/// socket one queue that all accept from.
pub fn bind_many(address: &Address, n: usize, backlog: i32) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::with_capacity(n);
    for _ in 0..n {
        let next = match sockets.first() {
            None => bind(address, backlog)?,
            Some(Socket { file: Some(file), socket, address }) => {
                Socket { socket: socket.try_clone()?, address: address.clone(), file: Some(file.clone()) }
            }
            // The first one's address: it has the port that port 0 stood for.
            Some(first) => bind(first.address(), backlog)?,
        };
        sockets.push(next);
    }
    Ok(sockets)
}

fn tcp(address: SocketAddr, backlog: i32, shared: bool) -> io::Result<Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    // what is accepted inherits it: one system call for each connection less
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok(Socket { socket, address: Address::Tcp(bound), file: None })
}

fn unix(path: &Path, backlog: i32, mode: Option<u32>) -> io::Result<Socket> {
    remove_stale(path)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::new(path)?;
    if let Some(mode) = mode {
        // nobody gets in before: it does not listen yet
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    socket.listen(backlog)?;
    Ok(Socket { socket, address: Address::Unix(path.to_owned()), file: Some(file) })
}

/// Removes a socket file that nobody listens on. Anything else there makes bind fail, which is right.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        return Ok(());
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// A filter on the socket: segments with SYN and without ACK are dropped. It sees a segment from its TCP header on.
pub(super) fn drop_syns(listener: &TcpListener) -> io::Result<()> {
    const LOAD_BYTE: u16 = 0x30; // ld b [k]
    const AND: u16 = 0x54; // and #k
    const JUMP_EQUAL: u16 = 0x15; // jeq #k, then, else
    const RETURN: u16 = 0x06; // ret #k
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}
