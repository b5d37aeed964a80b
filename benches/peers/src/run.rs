//! Doing one work against one peer, and reading the instruments.

use super::client::{Http1, Http2, Target, request};
use super::peers::{Field, Peer, Running};
use super::process::Cpu;
use super::rate;
use super::works::{Door, How, Kind, Load, Sample, Work};
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;

/// Until allocators and kernels have come to rest.
const SETTLE: Duration = Duration::from_millis(1500);

/// Starts a peer and has it do a work. `rate` is that of the works at a constant rate.
pub fn sample(
    field: &Field,
    peer: &'static Peer,
    work: &'static Work,
    round: usize,
    time: Duration,
    rate: f64,
) -> io::Result<Sample> {
    let running = Running::start(peer, field, work.logs)?;
    let sample = Sample {
        work: work.name,
        peer: peer.name,
        round,
        memory: running.process.memory(),
        ..Sample::default()
    };
    match work.kind {
        Kind::Load(load) => block_on(closed_loop(&running, field, load, time, sample)),
        Kind::Rate => constant_rate(&running, time, rate, sample),
        Kind::Idle { door, count } => block_on(idle(&running, field, door, count, sample)),
        Kind::Sockets { count, busy } => block_on(sockets(&running, count, busy, time, sample)),
    }
}

/// Runs on this thread alone.
pub fn block_on<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}

/// What clients have done so far.
#[derive(Default)]
struct Done {
    good: Cell<u64>,
    bad: Cell<u64>,
}

impl Done {
    /// Counts a result; false after a failure.
    fn count(&self, result: &io::Result<()>) -> bool {
        let counter = if result.is_ok() { &self.good } else { &self.bad };
        counter.set(counter.get() + 1);
        result.is_ok()
    }
}

/// Lets the clients warm up, then counts for a time.
async fn measure(running: &Running, done: &Done, time: Duration, sample: Sample) -> Sample {
    sleep(time.min(Duration::from_secs(1)) / 2).await;
    let (start, before, cpu) = (Instant::now(), done.good.get(), running.process.cpu());
    sleep(time).await;
    let (count, seconds) = (done.good.get() - before, start.elapsed().as_secs_f64());
    with_cpu(Sample { errors: done.bad.get(), ..sample }, count, seconds, cpu, running.process.cpu())
}

fn with_cpu(sample: Sample, count: u64, seconds: f64, before: Cpu, after: Cpu) -> Sample {
    let (user, system, core) =
        (after.user - before.user, after.system - before.system, after.core - before.core);
    let each = |seconds: f64| (count > 0).then(|| seconds * 1e6 / count as f64);
    Sample {
        per_second: Some(count as f64 / seconds),
        user_us: each(user),
        system_us: each(system),
        busy: Some((user + system) / seconds),
        others: Some(((core - user - system) / seconds).max(0.0)),
        ..sample
    }
}

fn target(running: &Running, field: &Field, door: Door, how: How) -> io::Result<Target> {
    let (alpn, resume) = match how {
        How::KeepAlive => ("http/1.1", false),
        How::New { resume } => ("http/1.1", resume),
        How::Streams { .. } => ("h2", false),
    };
    Ok(match door {
        Door::Clear => Target::new(running.clear, None),
        Door::Tls => Target::new(running.secure, Some(field.tls(alpn, resume)?)),
    })
}

async fn closed_loop(
    running: &Running,
    field: &Field,
    load: Load,
    time: Duration,
    sample: Sample,
) -> io::Result<Sample> {
    let target = target(running, field, load.door, load.how)?;
    let more = if matches!(load.how, How::New { .. }) { "Connection: close\r\n" } else { "" };
    let request: Rc<[u8]> = request(load.path, load.upload, more).into();
    let (done, mut clients) = (Rc::new(Done::default()), JoinSet::new());
    match load.how {
        How::KeepAlive => {
            for _ in 0..load.clients {
                clients.spawn_local(keep_alive(target.clone(), request.clone(), done.clone()));
            }
        }
        How::New { .. } => {
            for _ in 0..load.clients {
                // with a session store of its own, so that nobody takes another's ticket
                let own = self::target(running, field, load.door, load.how)?.counting_for(&target);
                clients.spawn_local(new_connections(own, request.clone(), done.clone()));
            }
        }
        How::Streams { connections } => {
            for _ in 0..connections {
                let connection = Http2::open(&target).await?;
                for _ in 0..load.clients / connections {
                    clients.spawn_local(streams(connection.clone(), done.clone()));
                }
            }
        }
    }
    let sample = measure(running, &done, time, sample).await;
    let (all, resumed) = (done.good.get(), target.resumed());
    // the first of each client cannot be
    let enough = all.saturating_sub(all / 10 + 2 * load.clients as u64);
    match load.how {
        How::New { resume: true } if resumed < enough => {
            Err(io::Error::other(format!("only {resumed} of {all} handshakes were resumed")))
        }
        How::New { resume: false } if resumed > 0 => {
            Err(io::Error::other(format!("{resumed} of {all} handshakes were resumed")))
        }
        _ => Ok(sample),
    }
}

async fn keep_alive(target: Target, request: Rc<[u8]>, done: Rc<Done>) {
    loop {
        if let Ok(mut connection) = Http1::open(&target).await {
            while done.count(&connection.exchange(&request).await) {}
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn new_connections(target: Target, request: Rc<[u8]>, done: Rc<Done>) {
    let one = async || {
        let mut connection = Http1::open(&target).await?;
        connection.exchange(&request).await?;
        connection.close().await;
        Ok(())
    };
    loop {
        if !done.count(&one().await) {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn streams(mut connection: Http2, done: Rc<Done>) {
    while done.count(&connection.exchange().await) {}
}

fn constant_rate(running: &Running, time: Duration, rate: f64, sample: Sample) -> io::Result<Sample> {
    let plan = rate::Plan { addr: running.clear, connections: 64, rate };
    plan.run(time.min(Duration::from_secs(1)) / 2)?;
    let cpu = running.process.cpu();
    let start = Instant::now();
    let found = plan.run(time)?;
    let sample = Sample {
        p50_us: found.percentile(0.5),
        p99_us: found.percentile(0.99),
        p999_us: found.percentile(0.999),
        errors: found.errors,
        ..sample
    };
    Ok(with_cpu(sample, found.count(), start.elapsed().as_secs_f64(), cpu, running.process.cpu()))
}

/// Opens connections, each with one answered request.
async fn opened(target: &Target, request: &[u8], count: usize) -> io::Result<Vec<Http1>> {
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = Http1::open(target).await?;
        connection.exchange(request).await?;
        open.push(connection);
    }
    Ok(open)
}

async fn memory_each(running: &Running, count: usize, before: u64) -> Option<f64> {
    sleep(SETTLE).await;
    Some((running.process.memory() as f64 - before as f64) / count as f64)
}

async fn idle(
    running: &Running,
    field: &Field,
    door: Door,
    count: usize,
    sample: Sample,
) -> io::Result<Sample> {
    let target = target(running, field, door, How::KeepAlive)?;
    let ask = request("/", None, "");
    // one through this door first, so that what is made once is not counted
    let _first = opened(&target, &ask, 1).await?;
    let before = running.process.memory();
    let _open = opened(&target, &ask, count).await?;
    Ok(Sample { memory_each: memory_each(running, count, before).await, ..sample })
}

async fn sockets(
    running: &Running,
    count: usize,
    busy: usize,
    time: Duration,
    sample: Sample,
) -> io::Result<Sample> {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let (target, ask) = (Target::new(running.clear, None), request("/", None, upgrade));
    let _first = opened(&target, &ask, 1).await?;
    let before = running.process.memory();
    let mut open = opened(&target, &ask, count).await?;
    let sample = Sample { memory_each: memory_each(running, count, before).await, ..sample };
    let (done, mut clients) = (Rc::new(Done::default()), JoinSet::new());
    for mut connection in open.drain(..busy) {
        let done = done.clone();
        // a text frame of 64 bytes, masked with zeros
        let frame = [&[0x81, 0x80 | 64, 0, 0, 0, 0][..], &[b'x'; 64]].concat();
        clients.spawn_local(async move { while done.count(&connection.echo(&frame).await) {} });
    }
    Ok(measure(running, &done, time, sample).await)
}
