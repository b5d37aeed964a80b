//! Sockets for datagrams: of an address, and of multicast groups beside it.

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Room for the datagrams of many senders while the thread is busy with something else.
const BUFFER: usize = 1 << 20;

/// Binds an address, and each group on its port; the groups are joined on the address's interface.
pub fn bind(address: SocketAddr, groups: &[IpAddr]) -> io::Result<Vec<UdpSocket>> {
    let mut sockets = vec![socket(address)?];
    for group in groups {
        let wrong = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot join the group {group}: {error}"))
        };
        let socket = socket(SocketAddr::new(*group, address.port())).map_err(wrong)?;
        join(&socket, *group, address.ip()).map_err(wrong)?;
        sockets.push(socket);
    }
    Ok(sockets.into_iter().map(Into::into).collect())
}

/// A socket that shares its address: with the one it replaces at a reload, and with a Tomcat or httpd on this
/// machine that uses the same group.
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
    let there = |interface: &if_addrs::Interface| {
        at.is_unspecified() || interface.ip() == at || (at.is_loopback() && interface.ip().is_loopback())
    };
    let interfaces = if_addrs::get_if_addrs()?;
    let indexes: BTreeSet<u32> =
        interfaces.iter().filter(|interface| there(interface)).filter_map(|i| i.index).collect();
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
        for (at, group) in [
            ("127.0.0.1:0", "239.77.3.1"),
            ("0.0.0.0:0", "239.77.3.1"),
            ("[::1]:0", "ff05::7703"),
            ("[::]:0", "ff05::7703"),
        ] {
            let (at, groups): (SocketAddr, [IpAddr; 1]) = (at.parse().unwrap(), [group.parse().unwrap()]);
            let port = match std::net::TcpListener::bind(at) {
                Ok(tcp) => tcp.local_addr().unwrap().port(),
                Err(error) => {
                    eprintln!("skipped: this machine has no {at}: {error}");
                    continue;
                }
            };
            let at = SocketAddr::new(at.ip(), port);
            let open = bind(at, &groups).unwrap();
            assert!(open.len() == 2 && open.iter().all(|socket| socket.local_addr().unwrap().port() == port));
            bind(at, &groups).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_bound_or_joined_is_said() {
        assert!(bind("192.0.2.77:0".parse().unwrap(), &[]).is_err());
        let group = ["192.0.2.78".parse().unwrap()];
        let error = bind("127.0.0.1:0".parse().unwrap(), &group).unwrap_err().to_string();
        assert!(error.starts_with("cannot join the group 192.0.2.78: "), "{error}");
    }
}
