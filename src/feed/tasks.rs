//! A task for each of those whom a table wants watched: begun for who is new, ended for who is gone, begun
//! anew for who changed.

use crate::base::tasks::kept;
use std::collections::HashMap;
use std::hash::Hash;
use tokio::task::AbortHandle;

/// The tasks that run, each under its key and with what it is about.
pub struct Tasks<K, S> {
    running: HashMap<K, RunningTask<S>>,
    /// How often they were reconciled.
    round: u64,
}

struct RunningTask<S> {
    subject: S,
    /// Runs for as long as it is held.
    _task: Option<Task>,
    /// The last round that wanted it.
    round: u64,
}

/// A task that ends when this is dropped.
pub struct Task(AbortHandle);

impl Task {
    /// Begins one that begins again if it panics. To be called in a `LocalSet`.
    pub fn spawn<F: Future<Output = ()> + 'static>(
        what: &'static str,
        make: impl Fn() -> F + 'static,
    ) -> Self {
        Self(tokio::task::spawn_local(async move { kept(what, make).await }).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<K: Eq + Hash, S> Tasks<K, S> {
    /// Makes them those that are wanted. `begin` is told what was under the key before, which ends with that;
    /// what it returns may do without a task. Those that nobody wants any more are ended and returned.
    pub fn reconcile<W>(
        &mut self,
        wanted: impl IntoIterator<Item = (K, W)>,
        is_current: impl Fn(&S, &W) -> bool,
        begin: impl Fn(W, Option<&S>) -> (S, Option<Task>),
    ) -> Vec<S> {
        self.round += 1;
        let round = self.round;
        for (key, wants) in wanted {
            match self.running.get_mut(&key) {
                Some(entry) if is_current(&entry.subject, &wants) => entry.round = round,
                before => {
                    let (subject, task) = begin(wants, before.map(|entry| &entry.subject));
                    self.running.insert(key, RunningTask { subject, _task: task, round });
                }
            }
        }
        let gone = self.running.extract_if(|_, entry| entry.round != round);
        gone.map(|(_, entry)| entry.subject).collect()
    }

    /// What is under a key.
    #[cfg(test)]
    pub fn get(&self, key: &K) -> Option<&S> {
        self.running.get(key).map(|entry| &entry.subject)
    }

    /// How many there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.running.len()
    }
}

impl<K, S> Default for Tasks<K, S> {
    fn default() -> Self {
        Self { running: HashMap::new(), round: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;
    use tokio::task::{LocalSet, yield_now};

    /// Counts itself while it runs.
    struct Alive(Rc<Cell<i32>>);

    impl Alive {
        fn new(count: &Rc<Cell<i32>>) -> Self {
            count.set(count.get() + 1);
            Self(count.clone())
        }
    }

    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    #[tokio::test]
    async fn who_is_new_begins_who_is_gone_ends_and_who_changed_begins_anew() {
        let (alive, begun) = (Rc::new(Cell::new(0)), Cell::new(0));
        let mut tasks = Tasks::default();
        let round = |tasks: &mut Tasks<&str, (u32, Option<u32>)>, wanted: &[(&'static str, u32)]| {
            tasks.reconcile(
                wanted.iter().copied(),
                |subject, conf| subject.0 == *conf,
                |conf, before| {
                    begun.set(begun.get() + 1);
                    let alive = alive.clone();
                    let task = move || {
                        let alive = Alive::new(&alive);
                        async move {
                            std::future::pending::<()>().await;
                            drop(alive);
                        }
                    };
                    (
                        (conf, before.map(|subject| subject.0)),
                        (conf != 0).then(|| Task::spawn("a test", task)),
                    )
                },
            )
        };
        let look = async {
            assert!(round(&mut tasks, &[("a", 1), ("b", 1), ("c", 0), ("a", 1)]).is_empty());
            yield_now().await;
            assert_eq!(
                (begun.get(), alive.get(), tasks.len()),
                (3, 2, 3),
                "once, though wanted twice; one has no task"
            );
            let gone = round(&mut tasks, &[("a", 1), ("b", 2)]);
            yield_now().await;
            assert_eq!((begun.get(), alive.get(), gone), (4, 2, vec![(0, None)]));
            assert_eq!(tasks.get(&"b"), Some(&(2, Some(1))), "it is told what was before");
            drop(tasks);
            yield_now().await;
            assert_eq!(alive.get(), 0);
        };
        LocalSet::new().run_until(look).await;
    }
}
