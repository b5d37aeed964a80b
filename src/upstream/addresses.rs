//! The addresses behind a node's name, and which of them works.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The addresses of one node: all of them are it, and one that works is enough.
#[derive(Debug, Default)]
pub struct Addresses {
    /// The families in turn, so that one that is out of order does not use up the time of the other.
    list: Box<[SocketAddr]>,
    /// The one that worked last. A core that reads an old one tries one address more, and no harm is done.
    best: AtomicUsize,
}

impl Addresses {
    /// As the resolver has them, doubles left out.
    pub fn new(found: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut of: [Vec<SocketAddr>; 2] = Default::default();
        let mut first = None;
        for address in found {
            let family = usize::from(address.is_ipv6());
            first.get_or_insert(family);
            if !of[family].contains(&address) {
                of[family].push(address);
            }
        }
        let lead = first.unwrap_or(0);
        let (one, other) = (&of[lead], &of[1 - lead]);
        let turns = 0..one.len().max(other.len());
        let list = turns.flat_map(|n| [one.get(n), other.get(n)]).flatten().copied().collect();
        Self { list, best: AtomicUsize::new(0) }
    }

    /// These, and what was learned of those before: the one that worked stays the first to be asked.
    pub fn after(found: impl IntoIterator<Item = SocketAddr>, before: &Self) -> Self {
        let new = Self::new(found);
        if let Some(best) = before.in_turn().next() {
            new.works(best);
        }
        new
    }

    /// In the order to try them: the one that worked last, then the others.
    pub fn in_turn(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let best = self.best.load(Relaxed);
        let others = self.list.iter().enumerate().filter(move |(n, _)| *n != best);
        self.list.get(best).into_iter().chain(others.map(|(_, address)| address)).copied()
    }

    /// This one works.
    pub fn works(&self, address: SocketAddr) {
        if let Some(at) = self.list.iter().position(|known| *known == address) {
            self.best.store(at, Relaxed);
        }
    }

    /// Whether it is the same set, in whatever order.
    pub fn is_same(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|address| other.contains(address))
    }
}

impl Deref for Addresses {
    type Target = [SocketAddr];
    fn deref(&self) -> &[SocketAddr] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_what_worked_comes_first() {
        for (found, turns) in [
            (
                &["10.0.0.1:1", "10.0.0.2:1", "[::1]:1", "[::2]:1"][..],
                &["10.0.0.1:1", "[::1]:1", "10.0.0.2:1", "[::2]:1"][..],
            ),
            (
                &["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1"],
                &["[::1]:1", "10.0.0.1:1", "[::2]:1", "[::3]:1"],
            ),
            (&["10.0.0.1:1", "10.0.0.1:1"], &["10.0.0.1:1"]),
            (&[], &[]),
        ] {
            assert_eq!(Addresses::new(list(found)).in_turn().collect::<Vec<_>>(), list(turns), "{found:?}");
        }
        let three = Addresses::new(list(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]));
        three.works("10.0.0.2:1".parse().unwrap());
        three.works("10.0.0.9:1".parse().unwrap());
        assert_eq!(three.in_turn().collect::<Vec<_>>(), list(&["10.0.0.2:1", "10.0.0.1:1", "10.0.0.3:1"]));
        let more = Addresses::after(list(&["10.0.0.4:1", "10.0.0.2:1"]), &three);
        assert_eq!(more.in_turn().collect::<Vec<_>>(), list(&["10.0.0.2:1", "10.0.0.4:1"]));
        let gone = Addresses::after(list(&["10.0.0.4:1", "10.0.0.5:1"]), &three);
        assert_eq!(gone.in_turn().next(), Some("10.0.0.4:1".parse().unwrap()));
    }
}
