//! Keeps the ledgers of all clusters in one file. A thread of its own follows them: it asks many times a
//! second which sessions changed and what is true of those now, and appends that. So the order in which
//! requests changed something does not matter, and a kill loses what the last moment brought. Where sessions
//! stand in the ledger alone, their first change wakes the thread. Now and then everything is written anew,
//! to a file that replaces the one before: that keeps the file in bounds, and when each session was last seen
//! with it. The disk is waited for elsewhere, so that what happens meanwhile is appended all the same.
//!
//! What is appended is left to the kernel: a kill of the process loses none of it, a power cut what was not
//! yet on the disk.

mod encode;
pub(super) mod frames;
mod kept;
mod late;
mod load;
mod rewrite;
mod writer;

#[cfg(test)]
mod tests;

use super::StateDir;
use crate::base::background::Background;
use crate::base::tasks::kept_thread;
use crate::table::Current;
use load::{Damage, load};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use tracing::warn;
use writer::{FILE, LedgerOrder, LedgerWriter};

/// How long the end waits for a disk that does not write.
const PATIENCE: Duration = Duration::from_secs(5);

/// The thread that writes, and what it is told by.
pub struct LedgerKeeper {
    thread: Option<(Sender<LedgerOrder>, Background)>,
}

impl LedgerKeeper {
    /// Gives the ledgers of the table what the file remembers, and keeps them from then on. To be called
    /// before the first request.
    pub fn start(dir: Arc<StateDir>, current: Arc<Current>) -> Self {
        let damage = load(&dir.path(FILE), &current.load());
        if !dir.is_held() {
            if let Some(Damage { why, cost }) = damage {
                dir.set_aside(FILE, why, &cost);
            }
            return Self { thread: None };
        }
        let mut writer = LedgerWriter::new(dir, current, damage);
        writer.follow_others();
        // at once, so that what is appended never follows what could not be read
        writer.write_all_anew();
        let (orders, told) = channel();
        let mut begun = false;
        let thread = Background::start("ledgers", move || {
            kept_thread("the writer of the ledgers", || {
                // after a fault nobody knows what the file tells
                writer.lacking |= std::mem::replace(&mut begun, true);
                writer.run(&told);
            });
        });
        match thread {
            Ok(thread) => Self { thread: Some((orders, thread)) },
            Err(error) => {
                warn!("no thread for the ledgers: {error}; sessions will not outlive this process");
                Self { thread: None }
            }
        }
    }

    /// Writes everything, for another process to go on with: what changes from then on is handed to that. True
    /// once it is on the disk, which is waited for five seconds.
    pub fn hand_off(&mut self) -> bool {
        let Some((orders, writer)) = &self.thread else { return true };
        let (told, done) = channel();
        if orders.send(LedgerOrder::HandOff(told)).is_err() {
            return false;
        }
        writer.thread().unpark();
        done.recv_timeout(PATIENCE).unwrap_or(false)
    }

    /// Writes everything a last time. A disk that does not write is waited for five seconds.
    pub fn close(&mut self) {
        let Some((orders, writer)) = self.thread.take() else { return };
        // a thread that is gone ends by itself
        let _ = orders.send(LedgerOrder::End);
        writer.thread().unpark();
        // what is not on a disk by then is lost with the process
        writer.ends_within(PATIENCE);
    }
}

impl Drop for LedgerKeeper {
    fn drop(&mut self) {
        self.close();
    }
}
