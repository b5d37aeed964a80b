//! Names of nodes: looked up at once and again and again, one bad name never stopping the others; and sooner when
//! one did not lead to its node.

use super::tasks::{Task, Tasks};
use crate::config::address::NodeUrl;
use crate::table::{Link, Table};
use crate::upstream::addresses::Addresses;
use crate::upstream::own_addresses;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing::{info, warn};

/// Time between two look-ups of a name that resolves.
const AGAIN: Duration = Duration::from_secs(30);
/// Time between two look-ups of a name that does not.
const AGAIN_FAILING: Duration = Duration::from_secs(5);
/// The least time between two look-ups of one name, however often it is doubted: a node that is dead is asked for
/// with each check.
const PAUSE: Duration = Duration::from_secs(1);
/// Look-ups at one time: each holds a thread of the runtime's pool, for as long as the resolver takes.
const AT_ONCE: usize = 64;

/// The name and port to look up; none for an address and for a Unix socket.
pub fn name_of(url: &NodeUrl) -> Option<(&str, u16)> {
    (url.unix.is_none() && !url.host.is_empty() && url.host.parse::<IpAddr>().is_err())
        .then_some((url.host.as_str(), url.port))
}

/// The look-ups that run, one for each link with a name.
pub struct Resolver {
    tasks: Tasks<u64, ()>,
    places: Rc<Semaphore>,
}

impl Resolver {
    /// None yet.
    pub fn new() -> Self {
        Self { tasks: Tasks::default(), places: Rc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Makes the running look-ups those the table asks for. To be called in a `LocalSet`.
    pub fn reconcile(&mut self, table: &Table) {
        review(table);
        let named = links(table).filter(|link| name_of(&link.url).is_some());
        let begin = |link: &Arc<Link>, _: Option<&()>| {
            let (link, places) = (Arc::clone(link), Rc::clone(&self.places));
            (
                (),
                Some(Task::spawn("the look-up of a name", move || {
                    follow(Arc::clone(&link), Rc::clone(&places))
                })),
            )
        };
        self.tasks.reconcile(named.map(|link| (link.id, link)), |(), _| true, begin);
    }
}

/// Looks which links lead to doors of ours, which may have changed.
pub fn review(table: &Table) {
    let home = own_addresses::now();
    links(table).for_each(|link| link.review(&home));
}

/// Has every name looked up again, as far as that has not just been done.
pub fn look_again(table: &Table) {
    links(table).for_each(|link| link.doubt_addresses());
}

fn links(table: &Table) -> impl Iterator<Item = &Arc<Link>> {
    table.clusters.iter().flat_map(|cluster| cluster.nodes()).map(|node| &node.link)
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new()
    }
}

async fn follow(link: Arc<Link>, places: Rc<Semaphore>) {
    let Some(target) = name_of(&link.url) else { return };
    let mut failing = false;
    loop {
        let found = {
            let _place = places.acquire().await;
            tokio::net::lookup_host(target).await.map(Iterator::collect::<Vec<_>>)
        };
        let resolves = apply(&link, target.0, found, failing);
        failing = !resolves;
        tokio::time::sleep(PAUSE).await;
        let rest = if failing { AGAIN_FAILING } else { AGAIN } - PAUSE;
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = link.doubted.notified() => {}
        }
    }
}

/// Stores what a look-up found and says what is new. Returns whether the name resolves.
fn apply(link: &Link, name: &str, found: io::Result<Vec<SocketAddr>>, was_failing: bool) -> bool {
    let before = link.addresses.load_full();
    let found = found.map(|list| Addresses::after(list, &before));
    match found.and_then(|found| {
        if found.is_empty() { Err(io::Error::other("it has no address")) } else { Ok(found) }
    }) {
        Ok(found) => {
            // resolvers shuffle: only a different set is news
            if before.is_empty() {
                info!("name {name} is {}", list(&found));
            } else if !before.is_same(&found) {
                info!("name {name} is now {}, was {}", list(&found), list(&before));
            } else {
                if was_failing {
                    info!("name {name} resolves again");
                }
                return true;
            }
            link.found(found);
            link.review(&own_addresses::now());
            true
        }
        Err(error) => {
            if !was_failing {
                let then = if before.is_empty() {
                    "it is tried again every 5 s".into()
                } else {
                    format!("{} is used on", list(&before))
                };
                warn!("name {name} does not resolve: {error}; {then}");
            }
            false
        }
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::probe::tests::link_to;

    fn addresses(ips: &[u8]) -> Vec<SocketAddr> {
        ips.iter().map(|n| SocketAddr::from(([10, 0, 0, *n], 80))).collect()
    }

    #[test]
    fn only_names_are_looked_up() {
        for (url, name) in [
            ("http://app.internal:8080", Some(("app.internal", 8080))),
            ("http://10.0.0.1:80", None),
            ("http://[::1]:80", None),
            ("unix:/run/app.sock", None),
        ] {
            assert_eq!(name_of(&url.parse().unwrap()), name, "{url}");
        }
    }

    #[test]
    fn the_last_good_addresses_stay() {
        let link = link_to("http://app:80");
        assert!(!apply(&link, "app", Err(io::Error::other("no")), false));
        assert!(link.addresses.load().is_empty());
        assert!(apply(&link, "app", Ok(addresses(&[1, 2, 1])), true));
        assert_eq!(link.addresses.load()[..], addresses(&[1, 2])[..]);
        let kept = link.addresses.load_full();
        assert!(apply(&link, "app", Ok(addresses(&[2, 1])), false));
        assert!(Arc::ptr_eq(&kept, &link.addresses.load_full()));
        assert!(!apply(&link, "app", Ok(Vec::new()), false));
        assert_eq!(link.addresses.load()[..], addresses(&[1, 2])[..]);
        assert!(apply(&link, "app", Ok(addresses(&[3])), true));
        assert_eq!(link.addresses.load()[..], addresses(&[3])[..]);
    }

    #[tokio::test]
    async fn a_name_is_looked_up_at_once() {
        let link = link_to("http://localhost:8080");
        tokio::task::LocalSet::new()
            .run_until(async {
                let task = tokio::task::spawn_local(follow(Arc::clone(&link), Rc::new(Semaphore::new(1))));
                link.is_found().await;
                task.abort();
            })
            .await;
        assert!(
            link.addresses.load().iter().all(|address| address.ip().is_loopback() && address.port() == 8080)
        );
        assert!(!link.addresses.load().is_empty());
    }
}
