//! What is counted of requests. Each thread writes a block of its own, so that counting costs a few plain
//! stores and no core waits for another; the control plane adds the blocks up when it is asked.

use super::decide::Why;
use crate::base::count::ThreadCount;
use std::time::Duration;
use thread_local::ThreadLocal;

/// Status codes counted by themselves; the others are counted by their class.
const CODES: [u16; 38] = [
    101, 200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409, 410,
    411, 412, 413, 414, 415, 416, 417, 421, 422, 429, 431, 499, 500, 501, 502, 503, 504,
];
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];
const KINDS: usize = CODES.len() + CLASSES.len();

/// By status code, where it is counted.
const PLACES: [u8; 600] = {
    let mut places = [0; 600];
    let mut code = 0;
    while code < 600 {
        places[code] = (CODES.len() + if code < 100 { CLASSES.len() - 1 } else { code / 100 - 1 }) as u8;
        code += 1;
    }
    let mut n = 0;
    while n < CODES.len() {
        places[CODES[n] as usize] = n as u8;
        n += 1;
    }
    places
};

/// Durations are counted in steps of two: the first ends here.
const FIRST_STEP_US: u64 = 250;
/// The last step but the open one ends after 65.5 seconds.
const STEPS: usize = 20;

/// A request that ended.
#[derive(Debug, Clone, Copy)]
pub struct EndedRequest {
    /// Its status.
    pub status: u16,
    /// Why its node.
    pub why: Why,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// Tries after the first.
    pub retries: u8,
    /// How long it took; none for a tunnel, which lasts as long as its users like.
    pub took: Option<Duration>,
}

/// The counters of a cluster, or of requests that belong to none.
#[derive(Default)]
pub struct Traffic {
    blocks: ThreadLocal<ThreadCounters>,
}

/// One thread's counters. Aligned so that no two threads write to one pair of cache lines.
#[repr(align(128))]
struct ThreadCounters {
    codes: [ThreadCount; KINDS],
    whys: [ThreadCount; Why::ALL.len()],
    steps: [ThreadCount; STEPS],
    took_us: ThreadCount,
    bytes: ThreadCount,
    retries: ThreadCount,
    connection_errors: ThreadCount,
    response_errors: ThreadCount,
    connections: ThreadCount,
    tunnels_opened: ThreadCount,
    tunnels_closed: ThreadCount,
    slots_taken: ThreadCount,
    slots_left: ThreadCount,
}

impl Default for ThreadCounters {
    fn default() -> Self {
        let zeros = || std::array::from_fn(|_| ThreadCount::default());
        Self {
            codes: std::array::from_fn(|_| ThreadCount::default()),
            whys: zeros(),
            steps: std::array::from_fn(|_| ThreadCount::default()),
            took_us: ThreadCount::default(),
            bytes: ThreadCount::default(),
            retries: ThreadCount::default(),
            connection_errors: ThreadCount::default(),
            response_errors: ThreadCount::default(),
            connections: ThreadCount::default(),
            tunnels_opened: ThreadCount::default(),
            tunnels_closed: ThreadCount::default(),
            slots_taken: ThreadCount::default(),
            slots_left: ThreadCount::default(),
        }
    }
}

impl Traffic {
    /// Counts a request that ended.
    pub fn ended(&self, request: &EndedRequest) {
        let block = self.blocks.get_or_default();
        let place = PLACES.get(usize::from(request.status)).map_or(KINDS - 1, |place| usize::from(*place));
        block.codes[place].add(1);
        block.whys[request.why as usize].add(1);
        block.bytes.add(request.bytes);
        if request.retries > 0 {
            block.retries.add(request.retries.into());
        }
        if let Some(took) = request.took {
            let micros = took.as_micros() as u64;
            block.steps[step(micros)].add(1);
            block.took_us.add(micros);
        }
    }

    /// Counts a try that failed at a node; `unseen`: before the node saw it.
    pub fn failed(&self, unseen: bool) {
        let block = self.blocks.get_or_default();
        let count = if unseen { &block.connection_errors } else { &block.response_errors };
        count.add(1);
    }

    /// Counts a client connection.
    pub fn connected(&self) {
        self.blocks.get_or_default().connections.add(1);
    }

    /// Counts a tunnel that opens.
    pub fn tunnel_opened(&self) {
        self.blocks.get_or_default().tunnels_opened.add(1);
    }

    /// Counts a tunnel that ends, on the thread that it was opened on.
    pub fn tunnel_closed(&self) {
        self.blocks.get_or_default().tunnels_closed.add(1);
    }

    /// Counts a request that has come to a node.
    pub fn slot_taken(&self) {
        self.blocks.get_or_default().slots_taken.add(1);
    }

    /// Counts a request that is over at its node, on the thread that it came to it on.
    pub fn slot_left(&self) {
        self.blocks.get_or_default().slots_left.add(1);
    }

    /// Requests that nodes work on now, open sockets among them: by thread, so that it costs the same with
    /// any number of nodes.
    pub fn in_flight(&self) -> u32 {
        // those that are over first, as with tunnels
        let one = |block: &ThreadCounters| {
            let left = block.slots_left.get();
            block.slots_taken.get().wrapping_sub(left)
        };
        self.blocks.iter().map(one).fold(0, u64::wrapping_add) as u32
    }

    /// What all threads have counted so far.
    pub fn totals(&self) -> TrafficTotals {
        let mut totals = TrafficTotals::default();
        for block in self.blocks.iter() {
            let sum = |into: &mut [u64], from: &[ThreadCount]| {
                into.iter_mut().zip(from).for_each(|(sum, n)| *sum += n.get())
            };
            sum(&mut totals.codes, &block.codes);
            sum(&mut totals.whys, &block.whys);
            sum(&mut totals.steps, &block.steps);
            totals.took_us += block.took_us.get();
            totals.bytes += block.bytes.get();
            totals.retries += block.retries.get();
            totals.connection_errors += block.connection_errors.get();
            totals.response_errors += block.response_errors.get();
            totals.connections += block.connections.get();
            // closed first: what opens and closes in between must not be counted as closed alone
            totals.tunnels -= block.tunnels_closed.get() as i64;
            totals.tunnels += block.tunnels_opened.get() as i64;
        }
        totals
    }
}

fn step(micros: u64) -> usize {
    let steps = micros.div_ceil(FIRST_STEP_US).max(1);
    (steps.next_power_of_two().trailing_zeros() as usize).min(STEPS - 1)
}

/// The sum over all threads.
#[derive(Debug, Clone, Default)]
pub struct TrafficTotals {
    codes: Sums<KINDS>,
    whys: Sums<{ Why::ALL.len() }>,
    steps: Sums<STEPS>,
    took_us: u64,
    /// Bytes of answers' bodies.
    pub bytes: u64,
    /// Tries after the first.
    pub retries: u64,
    /// Tries that failed before the node saw them.
    pub connection_errors: u64,
    /// Tries that the node saw, and left without an answer.
    pub response_errors: u64,
    /// Client connections accepted.
    pub connections: u64,
    /// Tunnels now open.
    pub tunnels: i64,
}

/// An array that can be all zeros whatever its length.
#[derive(Debug, Clone)]
struct Sums<const N: usize>([u64; N]);

impl<const N: usize> Default for Sums<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> std::ops::Deref for Sums<N> {
    type Target = [u64];
    fn deref(&self) -> &[u64] {
        &self.0
    }
}

impl<const N: usize> std::ops::DerefMut for Sums<N> {
    fn deref_mut(&mut self) -> &mut [u64] {
        &mut self.0
    }
}

impl TrafficTotals {
    /// Requests by status code, or by class where a code is rare; those that occurred.
    pub fn codes(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let names = CODES.iter().map(u16::to_string).chain(CLASSES.iter().map(|class| (*class).to_owned()));
        names.zip(self.codes.iter().copied()).filter(|(_, n)| *n > 0)
    }

    /// Requests by the reason for their node; those that occurred.
    pub fn whys(&self) -> impl Iterator<Item = (Why, u64)> + '_ {
        Why::ALL.into_iter().zip(self.whys.iter().copied()).filter(|(_, n)| *n > 0)
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.codes.iter().sum()
    }

    /// How many requests took at most so many seconds, step by step; the last step is open.
    pub fn durations(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.steps.iter().enumerate().scan(0, |sum, (n, count)| {
            *sum += count;
            let end = if n + 1 == STEPS { f64::INFINITY } else { (FIRST_STEP_US << n) as f64 / 1e6 };
            Some((end, *sum))
        })
    }

    /// Seconds that all requests together took.
    pub fn seconds(&self) -> f64 {
        self.took_us as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const SOME: EndedRequest = EndedRequest {
        status: 200,
        why: Why::Cookie,
        bytes: 10,
        retries: 0,
        took: Some(Duration::from_millis(1)),
    };

    #[test]
    fn threads_are_added_up() {
        let traffic = Arc::new(Traffic::default());
        let threads: Vec<_> = (0..3)
            .map(|n| {
                let traffic = traffic.clone();
                std::thread::spawn(move || {
                    (0..100).for_each(|_| traffic.ended(&SOME));
                    traffic.ended(&EndedRequest { status: 500 + n, why: Why::MovedDown, retries: 2, ..SOME });
                    traffic.tunnel_opened();
                    (0..=n).for_each(|_| traffic.slot_taken());
                    traffic.slot_left();
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        traffic.tunnel_closed();
        let totals = traffic.totals();
        let codes: Vec<_> = totals.codes().collect();
        assert_eq!(codes, [("200".into(), 300), ("500".into(), 1), ("501".into(), 1), ("502".into(), 1)]);
        assert_eq!(totals.whys().collect::<Vec<_>>(), [(Why::Cookie, 300), (Why::MovedDown, 3)]);
        assert_eq!((totals.requests(), totals.bytes, totals.retries, totals.tunnels), (303, 3030, 6, 2));
        assert_eq!(traffic.in_flight(), 3);
        assert!((totals.seconds() - 0.303).abs() < 1e-9);
    }

    #[test]
    fn rare_codes_are_counted_by_class() {
        let traffic = Traffic::default();
        for status in [103, 226, 300, 418, 599, 99, 999, 0] {
            traffic.ended(&EndedRequest { status, ..SOME });
        }
        let codes: Vec<_> = traffic.totals().codes().collect();
        let expected = [("1xx", 1), ("2xx", 1), ("3xx", 1), ("4xx", 1), ("5xx", 1), ("other", 3)];
        assert_eq!(codes, expected.map(|(code, n)| (code.to_owned(), n)));
    }

    #[test]
    fn durations_fall_into_the_step_that_ends_with_them() {
        for (micros, wanted) in [
            (0, 0),
            (250, 0),
            (251, 1),
            (500, 1),
            (501, 2),
            (65_536_000, 18),
            (65_536_001, 19),
            (u64::MAX, 19),
        ] {
            assert_eq!(step(micros), wanted, "{micros}");
        }
        let traffic = Traffic::default();
        for millis in [0, 1, 1, 100_000] {
            traffic.ended(&EndedRequest { took: Some(Duration::from_millis(millis)), ..SOME });
        }
        traffic.ended(&EndedRequest { took: None, ..SOME });
        let durations: Vec<_> = traffic.totals().durations().collect();
        assert_eq!((durations[0], durations[2], durations[18].1), ((0.00025, 1), (0.001, 3), 3));
        assert_eq!(durations[19], (f64::INFINITY, 4));
    }
}
