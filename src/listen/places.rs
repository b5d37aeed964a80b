//! How many clients may be connected at one time, over all listeners.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tokio::sync::Semaphore;

/// A place for each of them.
#[derive(Debug)]
pub struct ConnectionPlaces {
    free: Arc<Semaphore>,
    most: AtomicU32,
}

impl ConnectionPlaces {
    /// So many.
    pub fn new(most: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(most as usize)), most: AtomicU32::new(most) }
    }

    /// Those that nobody has.
    pub fn free(&self) -> &Arc<Semaphore> {
        &self.free
    }

    /// How many there may be.
    pub fn most(&self) -> u64 {
        self.most.load(Relaxed).into()
    }

    /// How many somebody has.
    pub fn taken(&self) -> u64 {
        self.most().saturating_sub(self.free.available_permits() as u64)
    }

    /// From here on it is so many: whoever has a place keeps it, and while there are too many nobody gets one
    /// that becomes free. To be called in a `LocalSet`.
    pub fn resize(&self, most: u32) {
        let before = self.most.swap(most, Relaxed);
        self.free.add_permits(most.saturating_sub(before) as usize);
        let fewer = before.saturating_sub(most);
        let owed = fewer - self.free.forget_permits(fewer as usize) as u32;
        if owed > 0 {
            let free = self.free.clone();
            tokio::task::spawn_local(async move {
                // nobody closes it
                if let Ok(places) = free.acquire_many(owed).await {
                    places.forget();
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::{LocalSet, yield_now};

    #[tokio::test]
    async fn who_has_a_place_keeps_it_and_the_number_holds_from_then_on() {
        let of = |places: &ConnectionPlaces| (places.taken(), places.most());
        LocalSet::new()
            .run_until(async {
                let places = ConnectionPlaces::new(4);
                let take = || places.free().clone().try_acquire_owned();
                let mut taken: Vec<_> = (0..3).map(|_| take().unwrap()).collect();
                places.resize(6);
                assert_eq!(of(&places), (3, 6));
                places.resize(2);
                yield_now().await;
                assert!(take().is_err());
                for left in [2, 1] {
                    taken.pop();
                    yield_now().await;
                    assert_eq!(take().is_ok(), left < 2, "with {left} left");
                }
                assert_eq!(of(&places), (1, 2));
                // one that is owed still is not given away, and is there again when there may be more
                places.resize(0);
                places.resize(1);
                yield_now().await;
                assert!(take().is_err());
                taken.pop();
                yield_now().await;
                assert!(take().is_ok());
                assert_eq!(of(&places), (0, 1));
            })
            .await;
    }
}
