//! Clients that ask as fast as they are answered, and what the proxy spends on them.

use super::cases::Case;
use super::client::{Http1, Target};
use super::site::{Site, block_on};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const CLIENTS: u64 = 64;
const WARM: Duration = Duration::from_millis(500);

/// What one case took in one round.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Sample {
    pub part: &'static str,
    pub case: &'static str,
    pub round: usize,
    pub per_second: f64,
    /// Processor time of the whole proxy for each request, in microseconds.
    pub user_us: f64,
    pub system_us: f64,
    /// Processors that it kept busy.
    pub busy: f64,
    /// Resident memory at the start, in bytes.
    pub memory: u64,
}

impl Sample {
    pub fn cpu_us(&self) -> f64 {
        self.user_us + self.system_us
    }
}

/// Asks for a time, after a moment to warm up.
pub fn sample(site: &Site, case: &Case, round: usize, time: Duration) -> io::Result<Sample> {
    let memory = site.process.memory();
    let load = Load::start(site, case);
    std::thread::sleep(WARM);
    let (start, first, before) = (Instant::now(), load.done(), site.process.cpu());
    std::thread::sleep(time);
    let (seconds, count, after) = (start.elapsed().as_secs_f64(), load.done() - first, site.process.cpu());
    load.stop()?;
    let (user, system) = (after.user - before.user, after.system - before.system);
    let each = |seconds: f64| seconds * 1e6 / count as f64;
    Ok(Sample {
        part: case.part,
        case: case.name,
        round,
        per_second: count as f64 / seconds,
        user_us: each(user),
        system_us: each(system),
        busy: (user + system) / seconds,
        memory,
    })
}

/// Has every session of a case known.
pub fn acquaint(site: &Site, case: &Case) -> io::Result<()> {
    let (web, pin, case) = (site.web, site.pin.clone(), *case);
    block_on(async move {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let pin = pin.clone();
            clients.spawn_local(async move {
                let (mut connection, mut request) = (Http1::open(&Target::new(web, None)).await?, Vec::new());
                for session in (client..case.sessions).step_by(CLIENTS as usize) {
                    case.acquaint(session, &pin, &mut request);
                    connection.exchange(&request).await?;
                }
                io::Result::Ok(())
            });
        }
        clients.join_all().await.into_iter().collect()
    })
}

/// Clients on threads of their own, one for each core that is left.
struct Load {
    done: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Load {
    fn start(site: &Site, case: &Case) -> Self {
        let (done, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let count = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let (web, pin, case) = (site.web, &site.pin, *case);
        let threads = (0..count).map(|thread| {
            let (done, over, pin) = (done.clone(), over.clone(), pin.clone());
            std::thread::spawn(move || {
                block_on(async move {
                    let (target, mut clients) = (Rc::new(Target::new(web, None)), JoinSet::new());
                    for client in (thread..CLIENTS).step_by(count as usize) {
                        clients.spawn_local(ask(
                            target.clone(),
                            case,
                            client,
                            pin.clone(),
                            done.clone(),
                            over.clone(),
                        ));
                    }
                    clients.join_all().await.into_iter().collect()
                })
            })
        });
        let threads = threads.collect();
        Self { done, over, threads }
    }

    fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    fn stop(self) -> io::Result<()> {
        self.over.store(true, Relaxed);
        self.threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a client panicked")))
        })
    }
}

async fn ask(
    target: Rc<Target>,
    case: Case,
    client: u64,
    pin: String,
    done: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
) -> io::Result<()> {
    let (mut connection, mut request) = (Http1::open(&target).await?, Vec::new());
    for number in (client..).step_by(CLIENTS as usize) {
        if over.load(Relaxed) {
            break;
        }
        case.request(number, &pin, &mut request);
        connection.exchange(&request).await?;
        done.fetch_add(1, Relaxed);
    }
    Ok(())
}
