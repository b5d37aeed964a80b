//! Nodes that are the proxy itself.

use super::super::address::{Address, NodeUrl};
use super::super::model::{Admin, NodeTable};
use super::checker::Checker;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A node that leads to a door of the control plane has to say that it is meant: behind a listener of ours
/// everybody comes from this machine. What only shows once names are looked up is refused when it is
/// connected to.
pub fn check(c: &mut Checker<'_>, at: &str, table: &NodeTable, url: &NodeUrl) {
    let server = &c.config.server;
    let admin = server.admin.iter().flat_map(Admin::binds).map(|bind| ("server.admin", &**bind));
    let announce = server.announce.iter().map(|conf| ("server.announce", conf.bind()));
    let heard = server.mod_heartbeat.iter().map(|heard| ("server.mod-heartbeat", &*heard.bind));
    let leads = |bind: &str| bind.parse().is_ok_and(|bind| leads(c, url, &bind));
    let found = admin.chain(announce).chain(heard).find(|(_, bind)| leads(bind));
    let Some((key, _)) = found.filter(|_| !table.own) else { return };
    c.error(
        at,
        format!("this is the proxy's own {key}: every client of ours would come to it from this machine"),
        "correct the address; if it is meant, add own = true to the node and let a rule say who may come (`source`)",
    );
}

fn leads(c: &Checker<'_>, url: &NodeUrl, bind: &Address) -> bool {
    match (bind, &url.unix) {
        (Address::Unix(path), Some(node)) => c.folder.join(path) == c.folder.join(node),
        (Address::Tcp(at), None) if at.port() == url.port => {
            target(&url.host).is_some_and(|node| match at.ip() {
                ip if ip.is_unspecified() => node.is_loopback(),
                ip => node == reached(ip),
            })
        }
        (Address::Name(host, port), None) if *port == url.port => match (target(&url.host), target(host)) {
            (Some(node), Some(bound)) => node == bound,
            _ => url.host.eq_ignore_ascii_case(host),
        },
        _ => false,
    }
}

/// The address that a connection goes to, where the text tells.
fn target(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    host.parse().ok().map(reached)
}

fn reached(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}
