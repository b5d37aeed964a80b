//! Requests at a constant rate, and how long each took from the moment it was due. A late answer makes the
//! next request late, and that lateness counts: no coordinated omission. Threads that sleep until their
//! moment and wait for their answer, because the kernel wakes them within microseconds; the process's timer
//! slack is set to match (`exact_timers`).

use super::client::{answer_head, request};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// So many requests a second, in turn over so many connections.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub addr: SocketAddr,
    pub connections: u32,
    pub rate: f64,
}

/// How long the requests took, in order of length.
pub struct Found {
    sorted: Vec<Duration>,
    pub errors: u64,
}

impl Found {
    pub fn count(&self) -> u64 {
        self.sorted.len() as u64
    }

    /// In microseconds.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let at = ((self.sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
        self.sorted.get(at).map(|time| time.as_secs_f64() * 1e6)
    }
}

/// Sleeps of this thread, and of those it starts, end when they should and not 50 microseconds later.
pub fn exact_timers() {
    let _ = std::fs::write("/proc/self/timerslack_ns", "1");
}

impl Plan {
    pub fn run(&self, time: Duration) -> io::Result<Found> {
        let open =
            (0..self.connections).map(|_| TcpStream::connect(self.addr)).collect::<io::Result<Vec<_>>>()?;
        // soon, so that all threads are there
        let start = Instant::now() + Duration::from_millis(20);
        let interval = Duration::from_secs_f64(f64::from(self.connections) / self.rate);
        let offset = |connection: usize| interval.mul_f64(connection as f64 / f64::from(self.connections));
        let threads: Vec<_> = open
            .into_iter()
            .enumerate()
            .map(|(i, stream)| {
                let first = start + offset(i);
                std::thread::spawn(move || one(stream, first, interval, start + time))
            })
            .collect();
        let mut found = Found { sorted: Vec::new(), errors: 0 };
        for thread in threads {
            match thread.join() {
                Ok(Ok(times)) => found.sorted.extend(times),
                _ => found.errors += 1,
            }
        }
        found.sorted.sort_unstable();
        Ok(found)
    }
}

/// One connection's requests, each when it is due or at once if that is past.
fn one(mut stream: TcpStream, first: Instant, interval: Duration, end: Instant) -> io::Result<Vec<Duration>> {
    stream.set_nodelay(true)?;
    let (request, mut times, mut due) = (request("/", None, ""), Vec::new(), first);
    let mut buffer = [0; 4096];
    while due < end {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(&request)?;
        let (mut filled, mut whole) = (0, None);
        while whole.is_none_or(|size| filled < size) {
            match stream.read(&mut buffer[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                got => filled += got,
            }
            whole = answer_head(&buffer[..filled])?.map(|(head, body)| head + body);
        }
        times.push(due.elapsed());
        due += interval;
    }
    Ok(times)
}
