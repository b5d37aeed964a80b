//! Where this process listens itself, and which links may lead there.
//!
//! A node may be a listener of ours: chaining is an old habit. It must not be a door of the control plane
//! unless somebody wrote that it is meant: those doors trust this machine, and behind us everybody would come
//! from it. An address that came over the network is never one of ours at all. All of that is asked of the
//! address that is connected to, whatever name it had.

use crate::base::clock;
use crate::base::units::Network;
use crate::config::address::Address;
use arc_swap::ArcSwap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

/// Milliseconds between two looks at the addresses of this machine: one may come or go while we run.
const AGAIN: u64 = 10_000;

/// One place where this process listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAddress {
    /// Where.
    pub place: Address,
    /// What for.
    pub kind: OwnAddressKind,
}

/// What a door is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnAddressKind {
    /// Clients.
    Clients,
    /// The control plane: the key in the conf.
    Control(&'static str),
}

/// This process's doors, and the addresses of its machine.
#[derive(Debug, Default)]
pub struct OwnAddresses {
    doors: Vec<OwnAddress>,
    interfaces: Vec<IpAddr>,
}

static HOME: LazyLock<ArcSwap<OwnAddresses>> = LazyLock::new(ArcSwap::default);
/// `clock::monotonic_ms` of the last look at the machine's addresses.
static LOOKED: AtomicU64 = AtomicU64::new(0);
/// Whether some link leads home: nothing is asked of requests while none does.
static CHAINED: AtomicBool = AtomicBool::new(false);

/// These are our doors from here on.
pub fn set(doors: Vec<OwnAddress>) {
    if HOME.load().doors == doors {
        look_again();
        return;
    }
    let new = OwnAddresses { doors, interfaces: interfaces() };
    HOME.store(Arc::new(new));
}

/// Looks again at the addresses of this machine, now and then. True when they are others.
pub fn look_again() -> bool {
    let (now, known) = (clock::monotonic_ms(), HOME.load());
    if now < LOOKED.load(Relaxed) + AGAIN {
        return false;
    }
    let interfaces = interfaces();
    let changed = interfaces != known.interfaces;
    if changed {
        HOME.store(Arc::new(OwnAddresses { doors: known.doors.clone(), interfaces }));
    }
    changed
}

/// Our doors as they are now.
pub fn now() -> Arc<OwnAddresses> {
    HOME.load_full()
}

/// Whether requests may come from ourselves.
pub fn is_chained() -> bool {
    CHAINED.load(Relaxed)
}

/// Requests may come from ourselves from here on.
pub(super) fn chain() {
    CHAINED.store(true, Relaxed);
}

fn interfaces() -> Vec<IpAddr> {
    LOOKED.store(clock::monotonic_ms(), Relaxed);
    // what cannot be asked is not known; this machine's loopback is known without
    let mut found: Vec<IpAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .iter()
        .map(|interface| interface.ip().to_canonical())
        .collect();
    found.sort_unstable();
    found
}

/// The address that a connection to this one goes to: of none in particular it is our own.
fn target(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

impl OwnAddresses {
    /// What listens at exactly this address.
    pub fn door(&self, at: SocketAddr) -> Option<OwnAddressKind> {
        let to = target(at.ip());
        self.find(at.port(), |bound| match bound {
            IpAddr::V4(bound) if bound.is_unspecified() => to.is_ipv4() && self.is_here(to),
            IpAddr::V6(bound) if bound.is_unspecified() => self.is_here(to),
            bound => bound.to_canonical() == to,
        })
    }

    /// The same, and any name that our loopback goes by.
    pub fn alias(&self, at: SocketAddr) -> Option<OwnAddressKind> {
        let near = target(at.ip()).is_loopback();
        self.door(at).or_else(|| {
            self.find(at.port(), |bound| {
                near && (bound.is_unspecified() || bound.to_canonical().is_loopback())
            })
        })
    }

    /// What listens on a Unix socket, whatever path leads to it.
    pub fn socket(&self, path: &Path) -> Option<OwnAddressKind> {
        let file = |path: &Path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        let same = |door: &&OwnAddress| matches!(&door.place, Address::Unix(own) if own == path || file(own).is_some_and(|own| Some(own) == file(path)));
        self.doors.iter().find(same).map(|door| door.kind)
    }

    /// Whether an address is this machine's.
    pub fn is_here(&self, ip: IpAddr) -> bool {
        let ip = target(ip);
        ip.is_loopback() || self.interfaces.contains(&ip)
    }

    fn find(&self, port: u16, bound: impl Fn(IpAddr) -> bool) -> Option<OwnAddressKind> {
        let there = |door: &&OwnAddress| matches!(door.place, Address::Tcp(at) if at.port() == port && bound(at.ip()));
        self.doors.iter().find(there).map(|door| door.kind)
    }
}

/// Where a link may lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkReach {
    /// As the conf file says, but to no door of the control plane.
    Written,
    /// As the conf file says, which means a door of the control plane where it leads to one.
    Own,
    /// As the node itself says.
    Announced {
        /// Who said it; not known of nodes that joined before that was asked.
        from: Option<IpAddr>,
        /// How far it is believed.
        into: JoinableAddresses,
    },
}

/// Which addresses a node may name that comes by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JoinableAddresses {
    /// Its own.
    pub sender: bool,
    /// Those in these.
    pub networks: Vec<Network>,
}

impl JoinableAddresses {
    /// From the words of the conf; without any, a node's own address.
    pub fn read<'a>(words: impl IntoIterator<Item = &'a String>) -> Self {
        let mut into = Self::default();
        for word in words {
            match word.parse() {
                Ok(network) => into.networks.push(network),
                Err(_) => into.sender |= word == "sender",
            }
        }
        into.sender |= into.networks.is_empty();
        into
    }
}

/// Why a connection may not go somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForbiddenPlace {
    /// A door of the control plane, which nobody wrote that it is meant.
    NotMeant {
        /// The door.
        place: Address,
        /// Its key in the conf.
        key: &'static str,
    },
    /// One of our own doors, named by a node that comes by itself.
    Own {
        /// The address.
        to: SocketAddr,
        /// The door.
        kind: OwnAddressKind,
    },
    /// An address that means another machine where it comes from.
    OtherThere(IpAddr),
    /// Neither where it comes from, nor where the conf lets it be.
    Elsewhere {
        /// The address.
        at: IpAddr,
        /// Where it comes from.
        from: IpAddr,
    },
}

impl fmt::Display for ForbiddenPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMeant { place, key } => {
                write!(
                    out,
                    "{place} is this proxy's own {key}: write own = true on the node if that is meant"
                )
            }
            Self::Own { to, kind: OwnAddressKind::Control(key) } => {
                write!(out, "{to} is an address of this proxy itself ({key})")
            }
            Self::Own { to, kind: OwnAddressKind::Clients } => {
                write!(out, "{to} is an address of this proxy itself (a listener)")
            }
            Self::OtherThere(at) => {
                write!(out, "{at} means another machine there than here: only a node on it may name it")
            }
            Self::Elsewhere { at, from } => write!(
                out,
                "{at} is not where it comes from ({from}), and in no network of the cluster's join.urls: add it there if it is meant"
            ),
        }
    }
}

impl std::error::Error for ForbiddenPlace {}

impl LinkReach {
    /// Whether a connection may go there; if not, why.
    pub fn admits(&self, home: &OwnAddresses, to: SocketAddr) -> Result<(), ForbiddenPlace> {
        match self {
            Self::Own => Ok(()),
            Self::Written => match home.door(to) {
                Some(OwnAddressKind::Control(key)) => {
                    Err(ForbiddenPlace::NotMeant { place: Address::Tcp(to), key })
                }
                _ => Ok(()),
            },
            Self::Announced { from, into } => {
                let at = match home.alias(to) {
                    Some(kind) => return Err(ForbiddenPlace::Own { to, kind }),
                    None => target(to.ip()),
                };
                let Some(from) = from.map(|from| from.to_canonical()) else { return Ok(()) };
                let same = from == at || (home.is_here(from) && home.is_here(at));
                let listed = into.networks.iter().any(|network| network.contains(at));
                match () {
                    () if (at.is_loopback() || is_link_local(at)) && !same => {
                        Err(ForbiddenPlace::OtherThere(at))
                    }
                    () if listed || (into.sender && same) => Ok(()),
                    () => Err(ForbiddenPlace::Elsewhere { at, from }),
                }
            }
        }
    }

    /// The same of a Unix socket, which only the conf file can name.
    pub fn admits_socket(&self, home: &OwnAddresses, path: &Path) -> Result<(), ForbiddenPlace> {
        match (self, home.socket(path)) {
            (Self::Written, Some(OwnAddressKind::Control(key))) => {
                Err(ForbiddenPlace::NotMeant { place: Address::Unix(path.to_owned()), key })
            }
            _ => Ok(()),
        }
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;
