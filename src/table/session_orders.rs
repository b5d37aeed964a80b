//! What operators said of single sessions of a cluster. Mostly nothing: then a request pays a look at a number.

use dashmap::DashMap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Sessions that were ended, or were moved and have not come since, at most, of each.
pub const MOST: u32 = 10_000;
/// Orders that sockets have not seen yet, at most.
const MOST_UNSEEN: usize = 1024;

/// Of a session that was ended: its pin does not count any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedSession {
    /// The slot that it was on; none of a node that is not known any more.
    pub was: Option<u32>,
    /// Seconds since 1970.
    pub at: u64,
}

impl EndedSession {
    /// Whether its pin may still be shown, for who is idle after so many seconds.
    fn counts(&self, idle: u32, unix: u64) -> bool {
        unix.saturating_sub(self.at) <= kept_for(idle)
    }
}

/// A session that was moved by hand and has not come since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentSession {
    /// The slot that it was on.
    pub from: u32,
    /// The one that it goes to.
    pub to: u32,
    /// Seconds of the coarse clock.
    at: u32,
}

/// What operators said of single sessions.
#[derive(Debug, Default)]
pub struct SessionOrders {
    ended: DashMap<u64, EndedSession>,
    sent: DashMap<u64, SentSession>,
    /// How many there are of both.
    count: AtomicU32,
    /// Orders so far.
    given: AtomicU64,
    /// The latest of them, for sockets: their number, and whose.
    latest: Mutex<VecDeque<(u64, u64)>>,
    told: Notify,
}

impl SessionOrders {
    /// It is over. False if too many are.
    pub fn end(&self, session: u64, ended: EndedSession) -> bool {
        let has_room = self.ended.len() < MOST as usize || self.ended.contains_key(&session);
        if has_room {
            self.take(&self.sent, session);
            self.put(&self.ended, session, ended);
        }
        has_room
    }

    /// Whether it can be sent to another node: too many may be under way. It stays so until one is sent.
    pub fn may_send(&self, session: u64) -> bool {
        self.sent.len() < MOST as usize || self.sent.contains_key(&session)
    }

    /// It goes to another node. False if too many do.
    pub fn send(&self, session: u64, from: u32, to: u32, now: u32) -> bool {
        let has_room = self.may_send(session);
        if has_room {
            self.take(&self.ended, session);
            self.put(&self.sent, session, SentSession { from, to, at: now });
        }
        has_room
    }

    /// That it was ended.
    pub fn ended(&self, session: u64) -> Option<EndedSession> {
        if self.count.load(Relaxed) == 0 {
            return None;
        }
        self.ended.get(&session).map(|ended| *ended)
    }

    /// That it was moved by hand, and no request has followed yet.
    pub fn sent(&self, session: u64) -> Option<SentSession> {
        if self.count.load(Relaxed) == 0 {
            return None;
        }
        self.sent.get(&session).map(|sent| *sent)
    }

    /// A request has followed.
    pub fn followed(&self, session: u64) {
        if self.count.load(Relaxed) > 0 {
            self.take(&self.sent, session);
        }
    }

    /// All that were ended, and not too long ago for who is idle after so many seconds.
    pub fn all_ended(&self, idle: u32, unix: u64) -> Vec<(u64, EndedSession)> {
        let all = self.ended.iter().map(|row| (*row.key(), *row.value()));
        all.filter(|(_, ended)| ended.counts(idle, unix)).collect()
    }

    /// Whether there is one of those.
    pub fn any_ended(&self, idle: u32, unix: u64) -> bool {
        self.ended.iter().any(|row| row.counts(idle, unix))
    }

    /// Forgets what is older than so many seconds.
    pub fn sweep(&self, idle: u32, now: u32, unix: u64) {
        if self.count.load(Relaxed) > 0 {
            self.retain(&self.ended, |ended| ended.counts(idle, unix));
            self.retain(&self.sent, |sent| now.saturating_sub(sent.at) <= idle);
        }
    }

    /// How many orders were given so far: who begins now has seen them.
    pub fn given(&self) -> u64 {
        self.given.load(Relaxed)
    }

    /// Tells the sockets of a session that it is not here any more.
    pub fn tell_sockets(&self, session: u64) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.push_back((self.given.fetch_add(1, Relaxed) + 1, session));
        if latest.len() > MOST_UNSEEN {
            latest.pop_front();
        }
        drop(latest);
        self.told.notify_waiters();
    }

    /// Waits until one after the first so many is of a session that `is_it` knows.
    pub async fn is_told(&self, seen: u64, is_it: impl Fn(u64) -> bool) {
        loop {
            let told = self.told.notified();
            let mut told = std::pin::pin!(told);
            // what comes while the others are looked at is not missed
            told.as_mut().enable();
            let found = {
                let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
                latest
                    .iter()
                    .rev()
                    .take_while(|(number, _)| *number > seen)
                    .any(|(_, session)| is_it(*session))
            };
            if found {
                return;
            }
            told.await;
        }
    }

    /// Puts an order in. It is counted before it is there and until it is gone: where none is counted, there
    /// is none, whoever else puts some in or takes some out.
    fn put<T>(&self, orders: &DashMap<u64, T>, session: u64, order: T) {
        self.count.fetch_add(1, Relaxed);
        if orders.insert(session, order).is_some() {
            self.count.fetch_sub(1, Relaxed);
        }
    }

    /// Takes one out, if it is there.
    fn take<T>(&self, orders: &DashMap<u64, T>, session: u64) {
        if orders.remove(&session).is_some() {
            self.count.fetch_sub(1, Relaxed);
        }
    }

    /// Takes out all others than these.
    fn retain<T>(&self, orders: &DashMap<u64, T>, keep: impl Fn(&T) -> bool) {
        let mut gone = 0;
        orders.retain(|_, order| {
            let kept = keep(order);
            gone += u32::from(!kept);
            kept
        });
        self.count.fetch_sub(gone, Relaxed);
    }
}

/// Seconds for which it is known that a session was ended: by then its application has forgotten it too.
fn kept_for(idle: u32) -> u64 {
    u64::from(idle).max(3600)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    const ROUNDS: usize = 5000;

    #[test]
    fn an_order_holds_until_it_is_followed_or_too_old() {
        let orders = SessionOrders::default();
        assert_eq!((orders.ended(7), orders.sent(7)), (None, None));
        assert!(orders.send(7, 0, 1, 100) && orders.end(8, EndedSession { was: Some(0), at: 1000 }));
        assert_eq!(orders.sent(7).map(|sent| (sent.from, sent.to)), Some((0, 1)));
        orders.followed(7);
        assert_eq!((orders.sent(7), orders.ended(8).is_some()), (None, true));
        assert!(orders.send(8, 0, 1, 100));
        assert_eq!(orders.ended(8), None, "the newer word holds");
        orders.sweep(50, 150, 2000);
        assert!(orders.sent(8).is_some());
        orders.sweep(50, 151, 2000);
        assert_eq!((orders.sent(8), orders.count.load(Relaxed)), (None, 0));
        assert!(orders.end(9, EndedSession { was: None, at: 1000 }));
        orders.sweep(50, 151, 4600);
        assert!(orders.ended(9).is_some());
        orders.sweep(50, 151, 4601);
        assert_eq!(orders.ended(9), None);
    }

    #[test]
    fn so_many_and_no_more() {
        let orders = SessionOrders::default();
        let ended = EndedSession { was: None, at: 1 };
        assert_eq!((0..2 * u64::from(MOST)).filter(|id| orders.end(*id, ended)).count(), MOST as usize);
        assert!(orders.end(1, ended), "one that is there is renewed");
    }

    #[test]
    fn an_order_that_comes_while_workers_follow_others_is_known() {
        const WORKERS: u64 = 3;
        let orders = SessionOrders::default();
        let (begin, over) = (Barrier::new(WORKERS as usize + 1), Barrier::new(WORKERS as usize + 1));
        let lost = std::thread::scope(|scope| {
            for worker in 1..=WORKERS {
                let (orders, begin, over) = (&orders, &begin, &over);
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        begin.wait();
                        orders.followed(worker);
                        over.wait();
                    }
                });
            }
            let lost = (0..ROUNDS).filter(|_| {
                (1..=WORKERS).for_each(|worker| _ = orders.send(worker, 0, 1, 1));
                begin.wait();
                orders.end(9, EndedSession { was: Some(0), at: 1 });
                over.wait();
                let is_lost = orders.ended(9).is_none() || orders.count.load(Relaxed) != 1;
                orders.send(9, 0, 1, 1);
                orders.followed(9);
                is_lost
            });
            lost.count()
        });
        assert_eq!((lost, orders.count.load(Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn a_socket_hears_of_orders_that_came_after_it() {
        let orders = SessionOrders::default();
        orders.tell_sockets(7);
        let seen = orders.given();
        let mut told = std::pin::pin!(orders.is_told(seen, |session| session == 7));
        let soon = std::time::Duration::from_millis(1);
        assert!(tokio::time::timeout(soon, told.as_mut()).await.is_err(), "it came before");
        orders.tell_sockets(8);
        assert!(tokio::time::timeout(soon, told.as_mut()).await.is_err(), "another's");
        orders.tell_sockets(7);
        told.await;
        orders.is_told(seen, |session| session == 8).await;
    }
}
