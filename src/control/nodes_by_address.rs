//! Where the nodes of a table are, for heartbeats that say no more than an address.

use crate::table::{Cluster, Node, Table};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Milliseconds between two looks at where the nodes of one table are.
const REFILL: u64 = 500;

/// Made anew with each table.
#[derive(Default)]
pub(super) struct NodesByAddress {
    revision: u64,
    /// `clock::monotonic_ms` of when they were looked at.
    looked: u64,
    /// By cluster and slot. One server may be a node of several clusters.
    by: HashMap<(IpAddr, u16), Vec<(usize, u32)>>,
    /// The only port that nodes have on an address; none where there are several.
    alone: HashMap<IpAddr, Option<u16>>,
}

impl NodesByAddress {
    /// The nodes of one server.
    pub(super) fn find(
        &mut self,
        (ip, port): (IpAddr, Option<u16>),
        table: &Table,
        now_ms: u64,
    ) -> Vec<(Arc<Cluster>, Arc<Node>)> {
        // A name may have been resolved since. Strangers do not make us look at every node each time.
        let stale =
            |addresses: &Self| addresses.at(ip, port).is_empty() && now_ms >= addresses.looked + REFILL;
        if self.revision != table.revision || stale(self) {
            self.fill(table, now_ms);
        }
        let node = |(cluster, slot): &(usize, u32)| {
            let cluster = table.clusters.get(*cluster)?;
            Some((cluster.clone(), cluster.node(*slot)?.clone()))
        };
        self.at(ip, port).iter().filter_map(node).collect()
    }

    /// Without a port, those on the only port there.
    fn at(&self, ip: IpAddr, port: Option<u16>) -> &[(usize, u32)] {
        let port = port.or_else(|| self.alone.get(&ip).copied().flatten());
        port.and_then(|port| self.by.get(&(ip, port))).map_or(&[], Vec::as_slice)
    }

    fn fill(&mut self, table: &Table, now_ms: u64) {
        self.by.clear();
        self.alone.clear();
        self.revision = table.revision;
        self.looked = now_ms;
        for (at, cluster) in table.clusters.iter().enumerate() {
            for node in cluster.nodes() {
                for address in node.link.addresses.load().iter() {
                    let (ip, port, slot) =
                        (address.ip().to_canonical(), node.spec.url.port, (at, node.live.slot));
                    let slots = self.by.entry((ip, port)).or_default();
                    if !slots.contains(&slot) {
                        slots.push(slot);
                    }
                    let alone = self.alone.entry(ip).or_insert(Some(port));
                    *alone = alone.filter(|only| *only == port);
                }
            }
        }
    }
}
