//! What is counted of the connections to a cluster's nodes. Each thread writes a block of its own; the
//! control plane adds them up.

use crate::base::count::ThreadCount;
use std::sync::Arc;
use thread_local::ThreadLocal;

/// The connections to the nodes of one cluster.
#[derive(Debug, Default)]
pub struct Usage {
    blocks: ThreadLocal<Arc<UsageBlock>>,
}

/// One thread's part. Aligned so that no two threads write to one pair of cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct UsageBlock {
    attempts: ThreadCount,
    reuses: ThreadCount,
    /// Gauges go up and down; the sum of all threads is what counts, whatever one of them wraps to.
    open: ThreadCount,
    idle: ThreadCount,
}

impl Usage {
    /// This thread's part.
    pub(super) fn mine(&self) -> &Arc<UsageBlock> {
        self.blocks.get_or_default()
    }

    /// The sum of all threads.
    pub fn totals(&self) -> UsageTotals {
        self.blocks.iter().fold(UsageTotals::default(), |sum, block| UsageTotals {
            attempts: sum.attempts + block.attempts.get(),
            reuses: sum.reuses + block.reuses.get(),
            open: sum.open.wrapping_add(block.open.get()),
            idle: sum.idle.wrapping_add(block.idle.get()),
        })
    }
}

impl UsageBlock {
    /// A connection is tried for.
    pub(super) fn attempted(&self) {
        self.attempts.add(1);
    }

    /// A connection waits for its next request.
    pub(super) fn kept(&self) {
        self.idle.add(1);
    }

    /// Connections wait no more: they are closed.
    pub(super) fn dropped(&self, count: usize) {
        self.idle.take(count as u64);
    }

    /// A connection that waited serves again.
    pub(super) fn reused(&self) {
        self.reuses.add(1);
    }
}

/// Counts a connection as open until it is dropped, on the thread that opened it.
pub(super) struct CountedConnection(Arc<UsageBlock>);

impl CountedConnection {
    pub(super) fn new(block: &Arc<UsageBlock>) -> Self {
        block.open.add(1);
        Self(block.clone())
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.0.open.take(1);
    }
}

/// What all threads have counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageTotals {
    /// Connections that were tried for.
    pub attempts: u64,
    /// Requests sent over a connection that had served before.
    pub reuses: u64,
    /// Connections now open, idle ones among them; those of tunnels left out.
    pub open: u64,
    /// Connections that wait for their next request.
    pub idle: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_added_up_and_what_goes_up_comes_down() {
        let usage = Usage::default();
        let one = usage.mine();
        (0..3).for_each(|_| one.kept());
        one.reused();
        let open = CountedConnection::new(one);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let other = usage.mine();
                other.attempted();
                // a block's gauge may fall below nothing: the sum does not
                other.dropped(2);
            });
            other.join().unwrap();
        });
        assert_eq!(usage.totals(), UsageTotals { attempts: 1, reuses: 1, open: 1, idle: 1 });
        drop(open);
        assert_eq!(usage.totals().open, 0);
    }
}
