//! Tasks that are not to end, and panics: what goes wrong in one is told, counted, and does not leave half a
//! process.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

/// How long a task that panicked is left alone before it begins again.
const PAUSE: Duration = if cfg!(test) { Duration::from_millis(1) } else { Duration::from_secs(1) };

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Panics of this process so far, wherever they were caught.
pub fn panics() -> u64 {
    PANICS.load(Relaxed)
}

/// From here on a panic is a line in the log and counts.
pub fn notice_panics() {
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Relaxed);
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("a fault in Homing itself, please report it: {} at {place}", words(panic.payload()));
    }));
}

/// Runs a task of the control plane. One that panics begins again, by what `make` makes: what it watches over
/// is not left alone.
pub async fn kept<F: Future<Output = ()>>(what: &str, make: impl Fn() -> F) {
    loop {
        let mut task = pin!(make());
        let ended = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        });
        match ended.await {
            Ok(()) => return,
            Err(panic) => tracing::error!("{what} broke off and begins again: {}", words(&*panic)),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The same for a thread.
pub fn kept_thread(what: &str, mut run: impl FnMut()) {
    while let Err(panic) = catch_unwind(AssertUnwindSafe(&mut run)) {
        tracing::error!("{what} broke off and begins again: {}", words(&*panic));
        std::thread::sleep(PAUSE);
    }
}

fn words(panic: &dyn Any) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test]
    async fn a_task_that_panics_begins_again_and_one_that_is_through_ends() {
        let begun = Cell::new(0);
        kept("the third time", || async {
            begun.set(begun.get() + 1);
            tokio::task::yield_now().await;
            assert!(begun.get() >= 3, "not yet");
        })
        .await;
        assert_eq!(begun.get(), 3);
        kept_thread("the sixth time", || {
            begun.set(begun.get() + 1);
            assert!(begun.get() >= 6, "not yet");
        });
        assert_eq!(begun.get(), 6);
    }
}
