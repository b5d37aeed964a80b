//! Who listens on an address, as far as the system lets this process know.

use super::Address;
use rustix::net::sockopt::socket_peercred;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// A process.
#[derive(Debug, PartialEq, Eq)]
pub struct Holder {
    id: u32,
    /// The name of its program, as far as that is known.
    program: Option<String>,
}

impl Holder {
    /// The process with this number.
    pub fn of(id: u32) -> Self {
        let program = fs::read_to_string(format!("/proc/{id}/comm")).ok();
        Self { id, program: program.map(|name| name.trim_end().to_owned()).filter(|name| !name.is_empty()) }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.program {
            _ if self.id == std::process::id() => out.write_str("this process itself"),
            Some(program) => write!(out, "process {} ({program})", self.id),
            None => write!(out, "process {}", self.id),
        }
    }
}

/// Who serves a Unix socket; none if nobody does, or it is not for us to know.
pub fn of_socket(path: &Path) -> Option<Holder> {
    let socket = connect(path).ok()?;
    let of = socket_peercred(&socket).ok()?;
    u32::try_from(of.pid.as_raw_nonzero().get()).ok().map(Holder::of)
}

/// Connects, and waits for nothing: a process whose queue is full serves, too.
pub fn connect(path: &Path) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket)
}

/// Who listens on a port in the way of this address.
pub fn of_port(address: &Address) -> Option<Holder> {
    let wanted = address.look_up().ok()?;
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let sockets: Vec<String> = tables
        .iter()
        .flat_map(|table| table.lines().skip(1))
        .filter_map(listening)
        .filter(|(at, _)| wanted.iter().any(|wanted| overlap(*wanted, *at)))
        .map(|(_, inode)| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut ids = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
    let holds = |id: &u32| {
        let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
        let mut links = files.filter_map(|file| fs::read_link(file.path()).ok());
        links.any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
    };
    ids.find(holds).map(Holder::of)
}

/// Address and inode in a line about a socket that listens.
fn listening(line: &str) -> Option<(SocketAddr, u64)> {
    let mut words = line.split_whitespace().skip(1);
    let (host, port) = words.next()?.split_once(':')?;
    let state = words.nth(1)?;
    let inode = words.nth(5)?.parse().ok()?;
    // in the order of the machine, four bytes at a time
    let quad = |at: usize| u32::from_str_radix(host.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip: IpAddr = match host.len() {
        8 => Ipv4Addr::from(quad(0)?).into(),
        32 => {
            let mut all = [0; 16];
            for (n, four) in all.chunks_mut(4).enumerate() {
                four.copy_from_slice(&quad(n * 8)?);
            }
            Ipv6Addr::from(all).to_canonical()
        }
        _ => return None,
    };
    let at = SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?);
    (state == LISTENS && inode != 0).then_some((at, inode))
}

/// Whether nobody can listen on both.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    let covers = |all: IpAddr, ip: IpAddr| all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4());
    one.port() == other.port() && (a == b || covers(a, b) || covers(b, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let v4 = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0";
        let v6 = "   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1";
        if cfg!(target_endian = "little") {
            assert_eq!(listening(v4), Some(("127.0.0.1:8080".parse().unwrap(), 4711)));
            assert_eq!(listening(v6), Some(("[::1]:80".parse().unwrap(), 12)));
        }
        assert_eq!(listening(&v4.replace(" 0A ", " 01 ")), None);
        for cut in 0..v4.len() {
            let _ = listening(&v4[..cut]);
        }
    }
}
