//! The sockets of one address and its multicast groups.

use crate::config::address::Bind;
use crate::config::model;
use crate::net::listen::{self, Address};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Connections that wait at most.
const BACKLOG: i32 = 128;
/// Room for the datagrams of many nodes while the thread is busy with something else.
const BUFFER: usize = 1 << 20;

/// Bound sockets that no runtime owns yet.
pub struct Sockets {
    /// For POSTs.
    pub tcp: listen::Socket,
    /// For datagrams: one for the address, and one for each group.
    pub udp: Vec<UdpSocket>,
    groups: Vec<String>,
}

impl Sockets {
    /// Binds the address, and each group on its port.
    pub fn open(conf: &model::ModHeartbeat) -> Result<Self, String> {
        let bind: Bind = conf.bind.parse()?;
        let wrong = |e: io::Error| format!("cannot listen on {bind}: {e}");
        let address = bind.addresses().map_err(wrong)?.first().copied().ok_or_else(|| format!("{bind} is not an address"))?;
        let tcp = listen::bind(&Address::Tcp(address), BACKLOG).map_err(wrong)?;
        let address = match tcp.address() {
            Address::Tcp(bound) => *bound,
            Address::Unix(_) => address,
        };
        let mut udp = vec![socket(address).map_err(wrong)?];
        for group in &conf.groups {
            let wrong = |e: io::Error| format!("cannot join the group {group}: {e}");
            let ip: IpAddr = group.parse().map_err(|e| format!("group {group}: {e}"))?;
            let socket = socket(SocketAddr::new(ip, address.port())).map_err(wrong)?;
            join(&socket, ip, address.ip()).map_err(wrong)?;
            udp.push(socket);
        }
        Ok(Self { tcp, udp: udp.into_iter().map(Into::into).collect(), groups: conf.groups.clone() })
    }
}

impl fmt::Display for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tcp.address().fmt(f)?;
        self.groups.iter().try_for_each(|group| write!(f, ", {group}"))
    }
}

/// A socket that shares its address: with the one it replaces at a reload, and with a Tomcat or httpd on this machine that uses the
/// same group.
fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        if address.ip().is_unspecified() {
            socket.set_only_v6(false)?;
        }
        socket.set_multicast_all_v6(false)?;
    }
    // each socket hears the groups that it joined itself, so that no datagram is heard twice
    if address.is_ipv4() {
        socket.set_multicast_all_v4(false)?;
    }
    // less room than wished for loses a beat now and then, no more
    socket.set_recv_buffer_size(BUFFER).ok();
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Joins a group on the interface of an address; on all interfaces if the address stands for all.
fn join(socket: &Socket, group: IpAddr, at: IpAddr) -> io::Result<()> {
    let there =
        |interface: &if_addrs::Interface| at.is_unspecified() || interface.ip() == at || (at.is_loopback() && interface.ip().is_loopback());
    let interfaces = if_addrs::get_if_addrs()?;
    let indexes: BTreeSet<u32> = interfaces.iter().filter(|interface| there(interface)).filter_map(|i| i.index).collect();
    let mut outcome = Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "no interface has this address"));
    for index in indexes {
        let joined = match group {
            IpAddr::V4(group) => socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)),
            IpAddr::V6(group) => socket.join_multicast_v6(&group, index),
        };
        // one interface that knows no multicast does not matter while another does
        outcome = outcome.or(joined);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_addresses_open_with_their_groups_and_again_beside_themselves() {
        for (bind, group) in
            [("127.0.0.1:0", "239.77.3.1"), ("0.0.0.0:0", "239.77.3.1"), ("[::1]:0", "ff05::7703"), ("[::]:0", "ff05::7703")]
        {
            let groups = vec![group.to_owned()];
            let conf = model::ModHeartbeat { bind: bind.into(), groups, ..model::ModHeartbeat::default() };
            if let Err(error) = std::net::TcpListener::bind(bind) {
                eprintln!("skipped: this machine has no {bind}: {error}");
                continue;
            }
            let open = Sockets::open(&conf).unwrap();
            let port = open.udp[0].local_addr().unwrap().port();
            assert!(open.udp.len() == 2 && open.udp.iter().all(|socket| socket.local_addr().unwrap().port() == port));
            assert!(open.to_string().ends_with(&format!(":{port}, {group}")), "{open}");
            let same = model::ModHeartbeat { bind: bind.strip_suffix('0').map(|bind| format!("{bind}{port}")).unwrap(), ..conf };
            Sockets::open(&same).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_joined_is_said() {
        let conf = model::ModHeartbeat { bind: "192.0.2.77:0".into(), ..model::ModHeartbeat::default() };
        assert!(Sockets::open(&conf).err().unwrap().starts_with("cannot listen on 192.0.2.77:0: "));
    }
}
