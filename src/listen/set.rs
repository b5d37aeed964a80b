//! What is open, of listeners of one kind: made ready for a conf, then committed. An address that stays is
//! never closed, not even for a moment; what cannot be opened changes nothing.

use super::error::{ListenError, ListenFault};
use super::tls::{CertStore, LiveTls, SharedTls, TlsChange, TlsConf};
use super::{Address, BoundSocket, ListenHint, SocketOptions, UnixAccess, datagram, socket};
use crate::config::model::UnixSocket;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Listeners of one kind. `T` is what accepts on an address; the address is closed by dropping it.
pub struct ListenerSet<T> {
    /// What stands before their names where they are spoken of.
    label: &'static str,
    options: SocketOptions,
    /// The protocols that TLS offers.
    offers: &'static [&'static [u8]],
    folder: PathBuf,
    open: HashMap<ListenerKey, OpenListener<T>>,
    /// By name.
    tls: HashMap<String, LiveTls>,
}

/// Name and address, as the conf has them.
type ListenerKey = (String, WantedAddress);

struct OpenListener<T> {
    bound: Address,
    /// What the conf says of its file, and what is so where it says nothing.
    access: UnixAccess,
    made: UnixAccess,
    acceptor: T,
}

/// An address that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WantedAddress {
    address: Address,
    /// The multicast groups on its port where datagrams are heard, too.
    datagrams: Option<Vec<IpAddr>>,
}

impl WantedAddress {
    /// Connections.
    pub fn streams(address: Address) -> Self {
        Self { address, datagrams: None }
    }

    /// Connections, and datagrams to the address and to these groups.
    pub fn with_datagrams(address: Address, groups: Vec<IpAddr>) -> Self {
        Self { address, datagrams: Some(groups) }
    }
}

/// What a conf asks for, made ready.
#[derive(Default)]
pub struct ListenerPlan {
    wanted: Vec<(ListenerKey, UnixAccess)>,
    bound: Vec<(ListenerKey, BoundListener)>,
    tls: HashMap<String, TlsChange>,
}

/// The sockets of one address, which no runtime owns yet.
pub struct BoundListener {
    /// For connections, one at least.
    pub streams: Vec<BoundSocket>,
    /// For datagrams: one for the address, and one for each group.
    pub datagrams: Vec<UdpSocket>,
    bound: Address,
    groups: Vec<IpAddr>,
}

impl BoundListener {
    fn open(wanted: &WantedAddress, folder: &Path, options: SocketOptions) -> Result<Self, ListenFault> {
        let address = wanted.address.clone().within(folder);
        let wrong = |why: io::Error| {
            let hint = ListenHint::of(&address, &why);
            ListenFault::Socket { address: address.clone(), why, hint }
        };
        let streams = socket::bind(&address, options).map_err(wrong)?;
        let bound = streams.first().map_or(&address, BoundSocket::address).clone();
        let (datagrams, groups) = match (&wanted.datagrams, &bound) {
            (Some(groups), Address::Tcp(at)) => (datagram::bind(*at, groups).map_err(wrong)?, groups.clone()),
            _ => (Vec::new(), Vec::new()),
        };
        Ok(Self { streams, datagrams, bound, groups })
    }
}

impl fmt::Display for BoundListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bound.fmt(f)?;
        self.groups.iter().try_for_each(|group| write!(f, ", {group}"))
    }
}

impl<T> ListenerSet<T> {
    /// None is open.
    pub fn new(
        label: &'static str,
        options: SocketOptions,
        offers: &'static [&'static [u8]],
        folder: &Path,
    ) -> Self {
        Self { label, options, offers, folder: folder.to_owned(), open: HashMap::new(), tls: HashMap::new() }
    }

    /// Makes one listener ready: its certificates, where they are others, and those of its addresses that are
    /// not open yet, which are bound. A failure changes nothing.
    pub fn prepare(
        &self,
        plan: &mut ListenerPlan,
        name: &str,
        wanted: Vec<WantedAddress>,
        (tls, unix): (TlsConf<'_>, Option<&UnixSocket>),
    ) -> Result<(), ListenError> {
        let of = |why| ListenError { listener: format!("{}{name}", self.label), why };
        let change = match self.tls.get(name) {
            Some(known) => known.change(tls, self.offers),
            None => LiveTls::make(tls, self.offers).map(TlsChange::Whole).map(Some),
        };
        plan.tls
            .extend(change.map_err(|why| of(ListenFault::Tls(why)))?.map(|change| (name.to_owned(), change)));
        let access = unix.map_or(Ok(UnixAccess::default()), UnixAccess::of);
        let access = access.map_err(|why| of(ListenFault::Unix(why)))?.or(self.options.access);
        for wanted in wanted {
            let key = (name.to_owned(), wanted);
            if !self.open.contains_key(&key) {
                let beside = self.is_beside(plan, &key.1.address);
                let options = SocketOptions { access, beside, ..self.options };
                let bound = BoundListener::open(&key.1, &self.folder, options).map_err(of)?;
                plan.bound.push((key.clone(), bound));
            }
            plan.wanted.push((key, access));
        }
        Ok(())
    }

    /// Whether one of this set has the port already, as when its name changes, or one address covers another.
    fn is_beside(&self, plan: &ListenerPlan, address: &Address) -> bool {
        let port = |address: &Address| match address {
            Address::Tcp(at) => Some(at.port()),
            Address::Name(_, port) => Some(*port),
            Address::Unix(_) => None,
        };
        let open = self.open.values().map(|open| &open.bound);
        let mut all = open.chain(plan.bound.iter().map(|(_, listener)| &listener.bound));
        port(address).is_some_and(|wanted| all.any(|bound| port(bound) == Some(wanted)))
    }

    /// Where it will be listened once the plan is committed.
    pub fn addresses(&self, plan: &ListenerPlan) -> Vec<Address> {
        let bound = plan.bound.iter().map(|(_, listener)| listener.bound.clone());
        let stay =
            plan.wanted.iter().filter_map(|(key, _)| self.open.get(key)).map(|open| open.bound.clone());
        bound.chain(stay).collect()
    }

    /// Opens what was bound, by `open`, and closes what is no longer wanted. Returns what was opened.
    pub fn commit(
        &mut self,
        plan: ListenerPlan,
        mut open: impl FnMut(&str, BoundListener, SharedTls) -> io::Result<T>,
    ) -> Vec<String> {
        for (name, change) in plan.tls {
            self.tls.entry(name).or_default().adopt(change);
        }
        let mut opened = Vec::new();
        for (key, listener) in plan.bound {
            let (told, bound) = (listener.to_string(), listener.bound.clone());
            let tls = self.tls.get(&key.0).map(LiveTls::shared).unwrap_or_default();
            let made = bound.path().and_then(|path| socket::access_of(path).ok()).unwrap_or_default();
            match open(&key.0, listener, tls) {
                Ok(acceptor) => {
                    self.open.insert(key, OpenListener { bound, access: made, made, acceptor });
                    opened.push(told);
                }
                Err(error) => tracing::error!("{}{}: {error}", self.label, key.0),
            }
        }
        let wanted: HashMap<_, _> = plan.wanted.into_iter().collect();
        self.open.retain(|key, _| wanted.contains_key(key));
        self.tls.retain(|name, _| wanted.keys().any(|(wanted, _)| wanted == name));
        for (key, open) in &mut self.open {
            let access = wanted.get(key).copied().unwrap_or_default().or(open.made);
            let Some(path) = open.bound.path().filter(|_| access != open.access) else { continue };
            match socket::grant(path, access) {
                Ok(()) => open.access = access,
                Err(error) => tracing::error!("{}{}: {}: {error}", self.label, key.0, path.display()),
            }
        }
        opened
    }

    /// None is open any more: what accepted is for the caller to end.
    pub fn close(&mut self) -> Vec<T> {
        self.open.drain().map(|(_, open)| open.acceptor).collect()
    }

    /// The certificates that each listener shows; what is in a store changes by itself.
    pub fn certificates(&self) -> Vec<(String, Arc<CertStore>)> {
        let mut stores: Vec<_> =
            self.tls.iter().filter_map(|(name, tls)| Some((name.clone(), tls.store()?.clone()))).collect();
        stores.sort_by(|(a, _), (b, _)| a.cmp(b));
        stores
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Says so when it is closed.
    struct Acceptor(
        String,
        Rc<RefCell<Vec<String>>>,
        #[allow(dead_code, reason = "held open")] BoundListener,
    );

    impl Drop for Acceptor {
        fn drop(&mut self) {
            self.1.borrow_mut().push(self.0.clone());
        }
    }

    fn wanted(address: &str) -> Vec<WantedAddress> {
        vec![WantedAddress::streams(address.parse().unwrap())]
    }

    #[test]
    fn what_stays_is_kept_what_is_new_opens_and_what_is_gone_closes() {
        let folder = tempfile::tempdir().unwrap();
        let options = SocketOptions::new(None, 16);
        let mut set = ListenerSet::new("listener ", options, &[], folder.path());
        let closed = Rc::new(RefCell::new(Vec::new()));
        let open = |name: &str, bound, _| Ok(Acceptor(name.to_owned(), closed.clone(), bound));
        let plan = |set: &ListenerSet<Acceptor>, all: &[(&str, &str)]| {
            let mut plan = ListenerPlan::default();
            all.iter()
                .try_for_each(|(name, at)| set.prepare(&mut plan, name, wanted(at), (None, None)))
                .map(|()| plan)
        };

        let first = plan(&set, &[("a", "127.0.0.1:0"), ("b", "unix:b")]).unwrap();
        let bound = set.addresses(&first);
        let opened = set.commit(first, open);
        assert!(opened.len() == 2 && closed.borrow().is_empty());
        assert_eq!(opened, bound.iter().map(ToString::to_string).collect::<Vec<_>>());

        let failed = plan(&set, &[("c", "unix:c"), ("d", &bound[0].to_string())]).err().unwrap().to_string();
        assert!(failed.starts_with(&format!("listener d: cannot listen on {}: ", bound[0])), "{failed}");
        assert!(closed.borrow().is_empty() && !folder.path().join("c").exists(), "it changed nothing");

        let second = plan(&set, &[("c", "unix:c"), ("a", "127.0.0.1:0")]).unwrap();
        assert_eq!(set.addresses(&second).last(), Some(&bound[0]));
        assert_eq!(set.commit(second, open).len(), 1);
        assert_eq!(*closed.borrow(), ["b"]);
        set.commit(ListenerPlan::default(), open);
        let mut all = closed.take();
        all.sort();
        assert_eq!(all, ["a", "b", "c"]);
    }

    #[test]
    fn datagrams_are_heard_on_the_port_that_was_found_and_groups_beside() {
        let options = SocketOptions::new(Some(1), 16);
        let set: ListenerSet<()> = ListenerSet::new("", options, &[], Path::new("."));
        let at = |groups: &[&str]| {
            let groups = groups.iter().map(|group| group.parse().unwrap()).collect();
            vec![WantedAddress::with_datagrams("127.0.0.1:0".parse().unwrap(), groups)]
        };
        let mut plan = ListenerPlan::default();
        set.prepare(&mut plan, "beats", at(&["239.77.3.1"]), (None, None)).unwrap();
        let (_, bound) = &plan.bound[0];
        let Address::Tcp(tcp) = bound.bound else { panic!() };
        assert!(
            bound.datagrams.iter().all(|udp| udp.local_addr().unwrap().port() == tcp.port())
                && bound.datagrams.len() == 2
        );
        assert_eq!(bound.to_string(), format!("{tcp}, 239.77.3.1"));
        let failed =
            set.prepare(&mut plan, "beats", at(&["192.0.2.78"]), (None, None)).unwrap_err().to_string();
        assert!(
            failed.starts_with("beats: cannot listen on 127.0.0.1:0: cannot join the group 192.0.2.78: "),
            "{failed}"
        );
    }
}
