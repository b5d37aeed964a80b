//! The sessions of one demo node: in memory only, as the applications behind a sticky proxy keep theirs.

use std::collections::HashMap;

/// The most sessions a node remembers; the longest unseen go first.
pub const CAPACITY: usize = 10_000;

struct DemoSession {
    visits: u64,
    seen: u64,
}

/// Sessions by id.
#[derive(Default)]
pub struct DemoSessions {
    by_id: HashMap<String, DemoSession>,
    // Counts visits rather than time: only the order matters to eviction.
    tick: u64,
}

impl DemoSessions {
    /// Counts a visit. A session this node does not know begins anew under a fresh id, as a servlet container
    /// does it: that is what a user loses when he lands on the wrong node.
    pub fn visit(&mut self, id: Option<&str>) -> (String, u64) {
        self.tick += 1;
        if let Some((id, session)) = id.and_then(|id| Some((id, self.by_id.get_mut(id)?))) {
            session.visits += 1;
            session.seen = self.tick;
            return (id.to_owned(), session.visits);
        }
        if self.by_id.len() >= CAPACITY {
            self.evict();
        }
        let id = format!("{:032x}", rand::random::<u128>());
        self.by_id.insert(id.clone(), DemoSession { visits: 1, seen: self.tick });
        (id, 1)
    }

    /// The visits of a session, without counting one; 0 when it is not known here.
    pub fn visits(&self, id: Option<&str>) -> u64 {
        id.and_then(|id| self.by_id.get(id)).map_or(0, |session| session.visits)
    }

    /// How many sessions are held.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True when no session is held.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Forgets all of them, as the death of a process does.
    pub fn clear(&mut self) {
        self.by_id.clear();
    }

    /// A tenth at a time, so that a flood of newcomers does not sort the whole table on every visit.
    fn evict(&mut self) {
        let mut seen: Vec<u64> = self.by_id.values().map(|session| session.seen).collect();
        let (_, oldest, _) = seen.select_nth_unstable(CAPACITY / 10);
        let oldest = *oldest;
        self.by_id.retain(|_, session| session.seen > oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_begins_anew() {
        let mut sessions = DemoSessions::default();
        let (id, first) = sessions.visit(None);
        assert_eq!(first, 1);
        assert_eq!(sessions.visit(Some(&id)), (id.clone(), 2));
        let (other, visits) = sessions.visit(Some("stranger"));
        assert_ne!(other, "stranger");
        assert_eq!(visits, 1);
        assert_eq!(
            (sessions.visits(Some(&id)), sessions.visits(Some("stranger")), sessions.len()),
            (2, 0, 2)
        );
    }

    #[test]
    fn stays_within_its_bound_and_keeps_the_recent() {
        let mut sessions = DemoSessions::default();
        let (id, _) = sessions.visit(None);
        for _ in 0..CAPACITY + 50 {
            sessions.visit(None);
            sessions.visit(Some(&id));
        }
        assert!(sessions.len() <= CAPACITY);
        assert_eq!(sessions.visits(Some(&id)), CAPACITY as u64 + 51);
    }
}
