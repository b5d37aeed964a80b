//! A thread in the background, whose end can be waited for no longer than so long.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{Builder, JoinHandle, Thread};
use std::time::Duration;

/// A thread in the background.
#[derive(Debug)]
pub struct Background {
    thread: JoinHandle<()>,
    /// Nobody is at its other side any more once the thread has ended, by a panic too.
    ended: Receiver<()>,
}

impl Background {
    /// Starts it.
    pub fn start(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (runs, ended) = channel();
        let thread = Builder::new().name(name.into()).spawn(move || {
            let _runs = runs;
            run();
        })?;
        Ok(Self { thread, ended })
    }

    /// To wake it.
    pub fn thread(&self) -> &Thread {
        self.thread.thread()
    }

    /// Waits for its end, no longer than this. Whether it came; one that goes on is left alone.
    pub fn ends_within(self, patience: Duration) -> bool {
        let ended = self.ended.recv_timeout(patience) != Err(RecvTimeoutError::Timeout);
        if ended {
            // a panic was told of when it happened
            drop(self.thread.join());
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_noticed_also_by_a_panic_and_no_longer_waited_for_than_so_long() {
        let long = Duration::from_secs(60);
        assert!(Background::start("ends", || {}).unwrap().ends_within(long));
        assert!(Background::start("breaks off", || panic!("on purpose")).unwrap().ends_within(long));
        let (held, waits) = channel::<()>();
        let goes_on = Background::start("goes on", move || assert!(waits.recv().is_err())).unwrap();
        assert!(!goes_on.ends_within(Duration::from_millis(1)));
        drop(held);
    }
}
