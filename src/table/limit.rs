//! The most requests that a node is given at one time, and who waits because there are as many.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Lets in at most so many requests at one time; the others wait, first come, first served. A place that is
/// given back is given on only while fewer are in than may be, so that the limit may change at any time.
/// Where nobody waits it costs one atomic operation to come in and one to leave, with a limit and without.
#[derive(Debug)]
pub struct RequestLimit {
    /// How many are in, whether anybody waits, and how many may be in: in one word, so that they are never
    /// seen apart.
    word: AtomicU64,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// By ticket; whose ticket is no longer here was let in.
    waiting: BTreeMap<u64, Waker>,
}

const IN_USE: u64 = u32::MAX as u64;
/// Set and cleared under the queue's lock alone: somebody waits, and nobody may come in before him.
const QUEUED: u64 = 1 << 32;
const LIMIT_SHIFT: u32 = 33;
const NO_LIMIT: u64 = u64::MAX >> LIMIT_SHIFT;

fn has_room(word: u64) -> bool {
    word & IN_USE < word >> LIMIT_SHIFT
}

fn is_open(word: u64) -> bool {
    word & QUEUED == 0 && has_room(word)
}

impl Default for RequestLimit {
    /// No limit, and nobody in.
    fn default() -> Self {
        Self { word: AtomicU64::new(NO_LIMIT << LIMIT_SHIFT), queue: Mutex::default() }
    }
}

impl RequestLimit {
    /// How many are in.
    pub fn in_use(&self) -> u32 {
        (self.word.load(SeqCst) & IN_USE) as u32
    }

    /// Whether there is a limit.
    pub fn is_set(&self) -> bool {
        self.word.load(SeqCst) >> LIMIT_SHIFT != NO_LIMIT
    }

    /// Whether who comes now has to wait.
    pub fn is_full(&self) -> bool {
        !is_open(self.word.load(SeqCst))
    }

    /// Changes the limit. Those who wait are let in at once as far as it allows; those who are in stay.
    pub fn set(&self, limit: Option<u32>) {
        let limit = limit.map_or(NO_LIMIT, |limit| u64::from(limit).min(NO_LIMIT)) << LIMIT_SHIFT;
        let rest = QUEUED | IN_USE;
        if self.change(|word| Some(word & rest | limit)).is_some_and(|before| before & QUEUED != 0) {
            self.let_in();
        }
    }

    /// Comes in, unless that has to be waited for. Whoever is in leaves with [`RequestLimit::leave`].
    pub fn try_enter(&self) -> bool {
        self.change(|word| is_open(word).then_some(word + 1)).is_some()
    }

    /// Comes in once those who came before are in and there is room. Whoever stops waiting is passed over.
    pub fn enter(&self) -> PlaceWait<'_> {
        PlaceWait { limit: self, ticket: None }
    }

    /// Leaves, which lets in whoever is next.
    pub fn leave(&self) {
        if self.word.fetch_sub(1, SeqCst) & QUEUED != 0 {
            self.let_in();
        }
    }

    /// The word before, if it was changed.
    fn change(&self, to: impl FnMut(u64) -> Option<u64>) -> Option<u64> {
        self.word.fetch_update(SeqCst, SeqCst, to).ok()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets in who waits, as many as there is room for.
    fn let_in(&self) {
        // woken without the lock: what wakes may ask for it
        while let Some(waker) = self.next() {
            waker.wake();
        }
    }

    fn next(&self) -> Option<Waker> {
        let mut queue = self.queue();
        let first = queue.waiting.first_entry()?;
        self.change(|word| has_room(word).then_some(word + 1))?;
        let waker = first.remove();
        self.closes(&queue);
        Some(waker)
    }

    /// Whoever comes may come in again, if nobody waits any more.
    fn closes(&self, queue: &Queue) {
        if queue.waiting.is_empty() {
            self.word.fetch_and(!QUEUED, SeqCst);
        }
    }
}

/// One who waits to come in; ready once he is. Dropped before that, his turn is the next one's.
#[derive(Debug)]
pub struct PlaceWait<'a> {
    limit: &'a RequestLimit,
    ticket: Option<u64>,
}

impl Future for PlaceWait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let mut queue = limit.queue();
        let Some(ticket) = self.ticket else {
            let before = limit.change(|word| Some(if is_open(word) { word + 1 } else { word | QUEUED }));
            if before.is_some_and(is_open) {
                return Poll::Ready(());
            }
            let ticket = queue.next;
            queue.next += 1;
            queue.waiting.insert(ticket, cx.waker().clone());
            self.ticket = Some(ticket);
            return Poll::Pending;
        };
        match queue.waiting.get_mut(&ticket) {
            Some(waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            None => {
                self.ticket = None;
                Poll::Ready(())
            }
        }
    }
}

impl Drop for PlaceWait<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut queue = self.limit.queue();
        let left = queue.waiting.remove(&ticket);
        self.limit.closes(&queue);
        drop(queue);
        if left.is_none() {
            // he was let in and has not heard of it
            self.limit.leave();
        }
    }
}

#[cfg(test)]
mod tests;
