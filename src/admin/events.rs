//! What happens, told to those who follow it: server-sent events. Followers and what waits for them are
//! bounded; who is too slow is told how much was lost.

use bytes::Bytes;
use serde::Serialize;
use std::cell::Cell;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};

/// Followers at one time.
const FOLLOWERS: usize = 64;
/// Events kept for followers that are behind.
const KEPT: usize = 256;
/// A comment is sent so often, so that a follower that is gone is noticed.
const QUIET: Duration = Duration::from_secs(15);

/// Where events go out.
pub struct EventHub {
    out: broadcast::Sender<Bytes>,
    number: Cell<u64>,
}

impl Default for EventHub {
    fn default() -> Self {
        Self { out: broadcast::Sender::new(KEPT), number: Cell::new(0) }
    }
}

impl EventHub {
    /// Tells all followers.
    pub fn send(&self, event: &str, data: &impl Serialize) {
        if self.out.receiver_count() == 0 {
            return;
        }
        let number = self.number.get() + 1;
        self.number.set(number);
        let data = serde_json::to_string(data).unwrap_or_default();
        // nobody may have been left in between
        let _ = self.out.send(format!("id: {number}\nevent: {event}\ndata: {data}\n\n").into());
    }

    /// Follows from here on, with a first event; none when too many do already. To be called in a `LocalSet`.
    pub fn follow(&self, first: &impl Serialize) -> Option<mpsc::Receiver<Bytes>> {
        if self.out.receiver_count() >= FOLLOWERS {
            return None;
        }
        let (to, follower) = mpsc::channel(1);
        let data = serde_json::to_string(first).unwrap_or_default();
        let hello = format!("retry: 2000\nevent: hello\ndata: {data}\n\n");
        tokio::task::spawn_local(feed(self.out.subscribe(), to, hello.into()));
        Some(follower)
    }
}

async fn feed(mut from: broadcast::Receiver<Bytes>, to: mpsc::Sender<Bytes>, hello: Bytes) {
    let mut next = hello;
    while to.send(next).await.is_ok() {
        next = tokio::select! {
            () = to.closed() => return,
            () = tokio::time::sleep(QUIET) => Bytes::from_static(b":\n\n"),
            event = from.recv() => match event {
                Ok(event) => event,
                Err(broadcast::error::RecvError::Lagged(lost)) => format!("event: lost\ndata: {{\"events\":{lost}}}\n\n").into(),
                Err(broadcast::error::RecvError::Closed) => return,
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn next(follower: &mut mpsc::Receiver<Bytes>) -> String {
        String::from_utf8(follower.recv().await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_slow_follower_is_told_what_it_lost_and_a_gone_one_makes_room() {
        let tasks = tokio::task::LocalSet::new();
        let run = tasks.run_until(async {
            let hub = EventHub::default();
            let mut followers: Vec<_> = (0..FOLLOWERS).map(|_| hub.follow(&1).unwrap()).collect();
            assert!(hub.follow(&1).is_none());
            let slow = &mut followers[0];
            assert_eq!(next(slow).await, "retry: 2000\nevent: hello\ndata: 1\n\n");
            tokio::task::yield_now().await;
            (0..KEPT + 10).for_each(|n| hub.send("state", &n));
            assert_eq!(next(slow).await, "event: lost\ndata: {\"events\":10}\n\n");
            assert_eq!(next(slow).await, "id: 11\nevent: state\ndata: 10\n\n");
            drop(followers);
            while hub.follow(&1).is_none() {
                tokio::task::yield_now().await;
            }
        });
        run.await;
    }
}
