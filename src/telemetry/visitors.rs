//! Who was seen last in a session, for whoever asks who is on a node: one thread's share, without a lock.
//!
//! The ledger, which all threads share, has 24 bytes for a session and no room for this. So each thread keeps it
//! for those that it has seen last, in a table with a place for each of 16,384: of two that share a place the one
//! that came last has it. A request of a session that is there already writes nothing but its time.

use http::HeaderValue;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Places.
const PLACES: usize = 1 << 14;
/// So much of a User-Agent is kept.
const AGENT: usize = 120;

/// Who was seen in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionVisitor {
    /// The cluster's number.
    pub cluster: u32,
    /// The session, as the ledger knows it.
    pub session: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// From where.
    pub client: IpAddr,
    /// By its own word, fit to be shown.
    pub agent: Box<str>,
}

/// Those of them that a thread has seen, once it says so.
pub type SeenVisitors = oneshot::Receiver<Vec<SessionVisitor>>;

/// Asks each thread whom it has seen in some sessions of a cluster.
pub type AskWho = Box<dyn Fn(u32, Arc<[u64]>) -> Vec<SeenVisitors>>;

/// Those that one thread has seen.
#[derive(Debug, Default)]
pub struct Visitors(Vec<Option<Box<SessionVisitor>>>);

impl Visitors {
    /// A request of a session has ended.
    pub fn note(
        &mut self,
        (cluster, session): (u32, u64),
        client: IpAddr,
        agent: Option<&HeaderValue>,
        at: u64,
    ) {
        if self.0.is_empty() {
            self.0 = vec![None; PLACES];
        }
        let Some(place) = self.0.get_mut(place(cluster, session)) else { return };
        if let Some(known) = place
            && (known.cluster, known.session, known.client) == (cluster, session, client)
        {
            known.at = at;
            return;
        }
        let agent = agent.map_or(&b""[..], HeaderValue::as_bytes);
        let agent: Box<str> = agent[..agent.len().min(AGENT)].escape_ascii().to_string().into();
        *place = Some(Box::new(SessionVisitor { cluster, session, at, client, agent }));
    }

    /// Who was seen in these sessions of a cluster.
    pub fn find(&self, cluster: u32, sessions: &[u64]) -> Vec<SessionVisitor> {
        let known = |session: &u64| {
            let known = self.0.get(place(cluster, *session))?.as_deref()?;
            ((known.cluster, known.session) == (cluster, *session)).then(|| known.clone())
        };
        sessions.iter().filter_map(known).collect()
    }
}

fn place(cluster: u32, session: u64) -> usize {
    let spread = (session ^ u64::from(cluster)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread >> 40) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_seen_last_is_known_and_no_more_than_there_are_places() {
        let mut visitors = Visitors::default();
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let agent = HeaderValue::from_bytes("Mozilla \"5\" \u{e9}".as_bytes()).unwrap();
        assert!(visitors.find(1, &[7]).is_empty());
        visitors.note((1, 7), here, Some(&agent), 100);
        visitors.note((2, 7), there, None, 101);
        visitors.note((1, 7), here, None, 102);
        let found = visitors.find(1, &[6, 7]);
        assert_eq!((found.len(), found[0].client, found[0].at), (1, here, 102));
        assert_eq!(&*found[0].agent, "Mozilla \\\"5\\\" \\xc3\\xa9", "nothing in it moves a terminal");
        visitors.note((1, 7), there, None, 103);
        assert_eq!(visitors.find(1, &[7])[0].client, there, "whoever has it now");
        (0..100_000).for_each(|session| visitors.note((1, session), here, Some(&agent), 104));
        assert_eq!(visitors.0.len(), PLACES);
        let latest: Vec<u64> = (99_000..100_000).collect();
        assert!(visitors.find(1, &latest).len() > 950);
    }
}
