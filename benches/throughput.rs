//! The whole proxy over loopback: the real binary with two workers between clients and an origin in this
//! process. What is told is requests a second of proxy, clients and origin together on one machine;
//! `benches/peers` measures the proxy alone, beside others.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    dead_code,
    reason = "the modules are shared with tests, and each user needs a part of them"
)]

#[path = "peers/src/client.rs"]
mod client;
#[path = "peers/src/origin.rs"]
mod origin;
#[path = "../tests/proxy/support/mod.rs"]
mod support;

use client::{HOST, Http1, Http2, Target, request};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use support::{Certs, Conf, Proxy, free_addr};
use tokio::task::{JoinSet, LocalSet};

/// Clients at one time.
const CLIENTS: usize = 16;
const MIB: usize = 1 << 20;

/// The origin and the proxy, and how to reach it.
struct Site {
    _proxy: Proxy,
    clear: Target,
    tls_h1: Target,
    tls_h2: Target,
}

impl Site {
    fn start() -> Self {
        let (certs, folder, secure, origin) =
            (Certs::new(), tempfile::tempdir().expect("a folder"), free_addr(), start_origin());
        certs.write(&folder.path().join("certs"), &[HOST]);
        let conf = Conf::over([])
            .node("n1", &format!("\"http://{origin}\""))
            .node("n2", &format!("\"http://{origin}\""))
            .affinity("{ cookie = 'SRV', value = 'route' }")
            .server("access-log = { to = 'access.log' }")
            .more(&format!("[listener.secure]\nbind = \"{secure}\"\ntls = {{ certs = [\"certs\"] }}"));
        support::proxy::replace(&folder.path().join("homing.toml"), &conf.text());
        let proxy = Proxy::start_in(folder, "homing.toml");
        let over = |alpn: &str| Target::new(secure, Some(certs.trust(&[], &[alpn])));
        Self {
            clear: Target::new(proxy.addr, None),
            tls_h1: over("http/1.1"),
            tls_h2: over("h2"),
            _proxy: proxy,
        }
    }
}

fn start_origin() -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = socket.local_addr().expect("a bound socket has an address");
    std::thread::spawn(move || {
        block_on(async move {
            socket.set_nonblocking(true)?;
            origin::serve(tokio::net::TcpListener::from_std(socket)?).await;
            Ok(())
        })
    });
    addr
}

fn block_on<T>(work: impl Future<Output = io::Result<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, work).expect("no exchange fails")
}

/// How clients spend their requests.
#[derive(Clone, Copy)]
enum Use {
    /// All on one connection each.
    KeepAlive,
    /// A connection for each.
    NewConnections,
    /// As streams of one connection.
    Streams,
}

/// The time that `count` exchanges take; connections that are kept are opened before.
async fn exchanges(target: &Target, how: Use, request: Rc<Vec<u8>>, count: u64) -> io::Result<Duration> {
    let clients = CLIENTS.min(count as usize);
    let share =
        move |client: usize| count / clients as u64 + u64::from((client as u64) < count % clients as u64);
    let mut work = JoinSet::new();
    let start = match how {
        Use::KeepAlive => {
            let mut open = Vec::new();
            for _ in 0..clients {
                open.push(Http1::open(target).await?);
            }
            let start = Instant::now();
            for (client, mut connection) in open.into_iter().enumerate() {
                let request = request.clone();
                work.spawn_local(async move {
                    for _ in 0..share(client) {
                        connection.exchange(&request).await?;
                    }
                    io::Result::Ok(())
                });
            }
            start
        }
        Use::NewConnections => {
            let start = Instant::now();
            for client in 0..clients {
                let (target, request) = (target.clone(), request.clone());
                work.spawn_local(async move {
                    for _ in 0..share(client) {
                        let mut connection = Http1::open(&target).await?;
                        connection.exchange(&request).await?;
                        connection.close().await;
                    }
                    Ok(())
                });
            }
            start
        }
        Use::Streams => {
            let connection = Http2::open(target).await?;
            let start = Instant::now();
            for client in 0..clients {
                let mut stream = connection.clone();
                work.spawn_local(async move {
                    for _ in 0..share(client) {
                        stream.exchange().await?;
                    }
                    Ok(())
                });
            }
            start
        }
    };
    while let Some(done) = work.join_next().await {
        done.expect("no client panics")?;
    }
    Ok(start.elapsed())
}

fn throughput(criterion: &mut Criterion) {
    let site = Site::start();
    let small = request("/", None, "");
    let one = Throughput::Elements(1);
    let mib = Throughput::Bytes(MIB as u64);
    let works = [
        ("keep-alive", one.clone(), &site.clear, Use::KeepAlive, small.clone()),
        (
            "new-connections",
            one.clone(),
            &site.clear,
            Use::NewConnections,
            request("/", None, "Connection: close\r\n"),
        ),
        ("download-1MiB", mib.clone(), &site.clear, Use::KeepAlive, request("/1m", None, "")),
        ("upload-1MiB", mib, &site.clear, Use::KeepAlive, request("/", Some(MIB), "")),
        ("tls-h1", one.clone(), &site.tls_h1, Use::KeepAlive, small.clone()),
        ("tls-h2", one, &site.tls_h2, Use::Streams, small),
    ];
    let mut group = criterion.benchmark_group("throughput");
    for (name, unit, target, how, request) in works {
        let request = Rc::new(request);
        group.throughput(unit);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| block_on(exchanges(target, how, request.clone(), count)))
        });
    }
    group.finish();
}

criterion_group!(benches, throughput);
criterion_main!(benches);
