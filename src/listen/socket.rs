//! How a listening socket comes to be.

use super::{Address, UnixAccess, holder};
use socket2::{Domain, Protocol, SockAddr, SockFilter, SockRef, Type};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;

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
pub struct BoundSocket {
    socket: socket2::Socket,
    address: Address,
    file: Option<Arc<SocketFile>>,
}

impl BoundSocket {
    /// Where it listens, with the port that was found for port 0.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The socket, and its file if it has one.
    pub(super) fn into_parts(self) -> (socket2::Socket, Option<Arc<SocketFile>>) {
        (self.socket, self.file)
    }
}

/// How sockets are bound.
#[derive(Debug, Clone, Copy)]
pub struct SocketOptions {
    /// So many share an address: on TCP each its own queue, among which the kernel spreads clients; on a Unix
    /// domain socket one queue that all accept from. None: no other may listen beside it.
    pub shared_by: Option<usize>,
    /// New connections that may wait in the kernel's queue; the kernel lowers it to net.core.somaxconn.
    pub backlog: i32,
    /// Whose its file is as a Unix domain socket, and who may connect to it.
    pub access: UnixAccess,
    /// An address of this process is in its way, which lets others in beside it.
    pub beside: bool,
}

impl SocketOptions {
    /// Whose files are by the umask, with none of this process beside.
    pub fn new(shared_by: Option<usize>, backlog: i32) -> Self {
        Self { shared_by, backlog, access: UnixAccess::default(), beside: false }
    }
}

/// Binds the sockets of one address, one at least. Of a host name the first address is taken.
pub fn bind(address: &Address, options: SocketOptions) -> io::Result<Vec<BoundSocket>> {
    let SocketOptions { shared_by, backlog, access, beside } = options;
    let at = match address {
        Address::Unix(path) => return unix(path, backlog, access)?.and_clones(shared_by.unwrap_or(1)),
        Address::Tcp(at) => *at,
        Address::Name(..) => address.look_up()?.first().copied().ok_or(io::ErrorKind::AddrNotAvailable)?,
    };
    let first = tcp(at, backlog, shared_by.is_some() && beside)?;
    if shared_by.is_some() {
        // only now, so that no other process's socket is joined, nor joins this one unseen: who comes asks for
        // it before anybody listens
        first.socket.set_reuse_port(true)?;
    }
    // the port that port 0 stood for
    let at = first.socket.local_addr()?.as_socket().unwrap_or(at);
    let others = (1..shared_by.unwrap_or(1)).map(|_| tcp(at, backlog, true));
    std::iter::once(Ok(first)).chain(others).collect()
}

impl BoundSocket {
    fn and_clones(self, n: usize) -> io::Result<Vec<Self>> {
        let clone = |_| {
            Ok(Self {
                socket: self.socket.try_clone()?,
                address: self.address.clone(),
                file: self.file.clone(),
            })
        };
        let clones: io::Result<Vec<_>> = (1..n).map(clone).collect();
        Ok(std::iter::once(self).chain(clones?).collect())
    }
}

fn tcp(address: SocketAddr, backlog: i32, shared: bool) -> io::Result<BoundSocket> {
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
    Ok(BoundSocket { socket, address: Address::Tcp(bound), file: None })
}

fn unix(path: &Path, backlog: i32, access: UnixAccess) -> io::Result<BoundSocket> {
    remove_stale(path)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::new(path)?;
    // nobody gets in before: it does not listen yet
    grant(path, access)?;
    socket.listen(backlog)?;
    Ok(BoundSocket { socket, address: Address::Unix(path.to_owned()), file: Some(file) })
}

/// Gives a socket's file to whom it is to belong to.
pub fn grant(path: &Path, UnixAccess { mode, user, group }: UnixAccess) -> io::Result<()> {
    if user.is_some() || group.is_some() {
        std::os::unix::fs::chown(path, user, group)?;
    }
    mode.map_or(Ok(()), |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
}

/// Whose a socket's file is, and who may connect to it.
pub fn access_of(path: &Path) -> io::Result<UnixAccess> {
    let file = fs::symlink_metadata(path)?;
    Ok(UnixAccess { mode: Some(file.mode() & 0o7777), user: Some(file.uid()), group: Some(file.gid()) })
}

/// Removes a socket file that nobody listens on. Anything else there makes bind fail, which is right.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        return Ok(());
    }
    match holder::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// A filter on the socket: segments with SYN and without ACK are dropped. It sees a segment from its TCP
/// header on.
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
