//! Whether a node that comes by itself may be where it says that it is. Asked again of each address that is
//! connected to: a name may change its mind.

use super::names;
use crate::config::address::{AddressError, NodeUrl};
use crate::control::members::BeatRefusal;
use crate::control::op::Op;
use crate::table::{Cluster, Table, compile};
use crate::upstream::own_addresses::{self, ForbiddenPlace};
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a name may take to resolve before the node is let in without its addresses.
const LIMIT: Duration = Duration::from_secs(2);

/// Asks it of a node that joins or moves.
pub async fn admits_arrival(op: &Op, table: &Table) -> Result<(), BeatRefusal> {
    let Some((name, arrival)) = op.arrival() else { return Ok(()) };
    let Some(cluster) = table.clusters.iter().find(|cluster| *cluster.name == *name) else { return Ok(()) };
    admits(cluster, &arrival.url, arrival.from).await
}

/// Refuses what leads to ourselves, and what nobody said that the node is believed in.
pub async fn admits(cluster: &Cluster, url: &str, from: IpAddr) -> Result<(), BeatRefusal> {
    let misplaced = |why: &dyn Display| BeatRefusal::Misplaced(format!("url {url}: {why}"));
    let reach = compile::announced(&cluster.conf, Some(from));
    let addresses = addresses_of(&url.parse().map_err(|why: AddressError| misplaced(&why))?).await;
    let home = own_addresses::now();
    let refused: Vec<ForbiddenPlace> =
        addresses.iter().filter_map(|address| reach.admits(&home, *address).err()).collect();
    let ours = addresses.iter().any(|address| home.alias(*address).is_some());
    match refused.into_iter().next() {
        // of several addresses those that will do are used, but whoever names ours means no good
        Some(why) if ours || addresses.iter().all(|address| reach.admits(&home, *address).is_err()) => {
            Err(misplaced(&why))
        }
        _ => Ok(()),
    }
}

/// None for a name that does not resolve now.
async fn addresses_of(url: &NodeUrl) -> Vec<SocketAddr> {
    match names::name_of(url) {
        Some(name) => match tokio::time::timeout(LIMIT, tokio::net::lookup_host(name)).await {
            Ok(Ok(found)) => found.collect(),
            _ => Vec::new(),
        },
        None => url.host.parse().map(|ip| SocketAddr::new(ip, url.port)).into_iter().collect(),
    }
}
