//! What ten thousand nodes cost that beat once a second each, in every dialect: the processor time of the
//! whole proxy, measured from outside, and what clients of the data plane notice of it. One command: `cargo
//! bench --bench fleet`.
//!
//! The goal is 10 µs a beat: a tenth of one core. It takes 12,000 descriptors in each of the two processes:
//! `ulimit -n`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    dead_code,
    reason = "the modules are shared with tests, and each user needs a part of them"
)]

#[path = "../tests/proxy/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use support::{Certs, Client, Origin, Proxy, free_addr};

const NODES: usize = 10_000;
/// Beats are sent in so many portions a second.
const PORTIONS: usize = 100;
/// Seconds that are measured, and before them until everything goes evenly.
const MEASURED: usize = 10;
const WARM: usize = 3;
/// Requests a second on the data plane.
const REQUESTS: u64 = 200;

struct Site {
    proxy: Proxy,
    announce: SocketAddr,
    datagrams: SocketAddr,
    admin: SocketAddr,
    token: String,
    certs: Certs,
    _origin: Origin,
}

impl Site {
    fn start(secure: bool) -> Self {
        let [announce, datagrams, web, admin] = [(); 4].map(|()| free_addr());
        let (certs, origin) = (Certs::new(), Origin::start("n1"));
        let folder = tempfile::tempdir().unwrap();
        certs.write(&folder.path().join("certs"), &["homing.test"]);
        let tls = if secure { ", tls = { certs = [\"certs\"] }" } else { "" };
        let mut conf = format!(
            "[server]\nworkers = 1\nadmin = \"{admin}\"\nannounce = {{ bind = \"{announce}\"{tls} }}\naccess-log = {{ to = \"off\" }}\n\
             mod-heartbeat = {{ bind = \"{datagrams}\", from = [\"127.0.0.1\"], interval = \"1s\" }}\n[listener.web]\nbind = \"{web}\"\n\
             [[rule]]\npath = \"/fleet\"\ncluster = \"fleet\"\n[[rule]]\ncluster = \"app\"\n\
             [cluster.app]\naffinity = {{ cookie = \"HOMING\" }}\nnodes = {{ n1 = \"{}\" }}\n\
             [cluster.fleet]\naffinity = {{ cookie = \"FLEET\" }}\nhealth = {{ kind = \"off\" }}\n[cluster.fleet.nodes]\n",
            origin.url()
        );
        (0..NODES).for_each(|n| _ = writeln!(conf, "n{n} = \"{}\"", url(n)));
        fs::write(folder.path().join("homing.toml"), conf).unwrap();
        let proxy = Proxy::start_in(folder, "homing.toml");
        let token = support::until("the token is made", || {
            fs::read_to_string(proxy.folder().join("state/join.token")).ok()
        });
        support::until("nodes can announce themselves", || TcpStream::connect(announce).ok());
        Self { proxy, announce, datagrams, admin, token: token.trim().to_owned(), certs, _origin: origin }
    }

    /// Processor time of the whole process so far: user and kernel.
    fn cpu(&self) -> [f64; 2] {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.proxy.pid)).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        [fields[11], fields[12]].map(|ticks| ticks.parse::<f64>().unwrap() / 100.0)
    }

    /// Beats that it has taken since its start.
    fn taken(&self) -> usize {
        let text = Client::new(self.admin).get("/metrics").text();
        let samples = text
            .lines()
            .filter(|line| line.starts_with("homing_heartbeats_total{") && line.contains("result=\"taken\""));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as usize
    }

    fn request(&self, node: usize, sequence: usize) -> Vec<u8> {
        let load = (node + sequence) % 100;
        let body = format!(
            "{{\"cluster\":\"fleet\",\"node\":\"n{node}\",\"url\":\"{}\",\"load\":{load},\"sessions\":{load},\"capacity\":200,\
             \"boot\":\"b1\",\"sequence\":{sequence},\"interval\":1}}",
            url(node)
        );
        let head = format!(
            "Host: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json",
            self.announce, self.token
        );
        format!("POST /heartbeat HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    }
}

fn url(node: usize) -> String {
    format!("http://127.0.0.1:{}", 20_000 + node)
}

/// One way to send a node's beat.
trait Fleet {
    fn beat(&mut self, site: &Site, node: usize, sequence: usize);
}

struct Nobody;

impl Fleet for Nobody {
    fn beat(&mut self, _: &Site, _: usize, _: usize) {}
}

struct Datagrams(UdpSocket);

impl Fleet for Datagrams {
    fn beat(&mut self, site: &Site, node: usize, sequence: usize) {
        let busy = (node + sequence) % 100;
        let text = format!("v=1&ready={}&busy={busy}&port={}", 100 - busy, 20_000 + node);
        self.0.send_to(text.as_bytes(), site.datagrams).unwrap();
    }
}

/// Each node keeps its connection; what was answered a second ago is read before the next beat is sent.
struct Kept<S> {
    streams: Vec<S>,
}

impl<S: Read + Write> Kept<S> {
    fn open(connect: impl Fn() -> S) -> Self {
        Self { streams: (0..NODES).map(|_| connect()).collect() }
    }
}

impl<S: Read + Write> Fleet for Kept<S> {
    fn beat(&mut self, site: &Site, node: usize, sequence: usize) {
        let stream = &mut self.streams[node];
        let mut answer = [0; 4096];
        let length = loop {
            match stream.read(&mut answer) {
                Ok(length) => break length,
                Err(error) if error.kind() == ErrorKind::WouldBlock && sequence > 1 => {
                    std::thread::sleep(Duration::from_micros(50))
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break 0,
                Err(error) => panic!("{error}"),
            }
        };
        assert!(
            sequence == 1 || answer[..length].starts_with(b"HTTP/1.1 200 "),
            "{}",
            answer[..length].escape_ascii()
        );
        stream.write_all(&site.request(node, sequence)).unwrap();
        stream.flush().unwrap();
    }
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A connection for each beat, as `curl` in a loop makes them.
struct Fresh;

impl Fleet for Fresh {
    fn beat(&mut self, site: &Site, node: usize, sequence: usize) {
        let mut stream = connect(site.announce);
        stream.write_all(&site.request(node, sequence)).unwrap();
    }
}

/// Beats evenly; gives the processor time, user and kernel, in how many seconds, and the data plane's
/// latencies in microseconds.
fn measure(site: &Site, fleet: &mut dyn Fleet) -> ([f64; 2], f64, Vec<u64>) {
    let asking = Arc::new(AtomicBool::new(false));
    let client = {
        let (addr, asking) = (site.proxy.addr, asking.clone());
        std::thread::spawn(move || {
            let (mut client, mut latencies) = (Client::with_jar(addr), Vec::new());
            let begin = Instant::now();
            for n in 0.. {
                let at = begin + Duration::from_micros(n * 1_000_000 / REQUESTS);
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                let sent = Instant::now();
                assert_eq!(client.get("/").status, 200);
                match asking.load(Relaxed) {
                    true => latencies.push(sent.elapsed().as_micros() as u64),
                    false if !latencies.is_empty() => break,
                    false => {}
                }
            }
            latencies
        })
    };
    let begin = Instant::now();
    let mut before = (Instant::now(), [0.0; 2]);
    for second in 0..WARM + MEASURED {
        if second == WARM {
            before = (Instant::now(), site.cpu());
            asking.store(true, Relaxed);
        }
        for portion in 0..PORTIONS {
            (portion * NODES / PORTIONS..(portion + 1) * NODES / PORTIONS)
                .for_each(|node| fleet.beat(site, node, second + 1));
            let next = begin
                + Duration::from_secs(second as u64)
                + Duration::from_secs(1) * (portion as u32 + 1) / PORTIONS as u32;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
    let (after, seconds) = (site.cpu(), before.0.elapsed().as_secs_f64());
    asking.store(false, Relaxed);
    let mut latencies = client.join().unwrap();
    latencies.sort_unstable();
    ([0, 1].map(|n| after[n] - before.1[n]), seconds, latencies)
}

fn main() {
    // `cargo test --benches` starts it too
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    println!(
        "{NODES} nodes beat once a second; the whole proxy, {REQUESTS} requests a second beside it, over {MEASURED} s\n"
    );
    println!(
        "{:<22}{:>10}{:>12}{:>12}{:>12}   data plane, ms: half, 99 %, all",
        "", "% a core", "µs a beat", "user", "kernel"
    );
    let mut idle = None;
    for name in ["nobody", "datagram", "http", "http-tls", "http-fresh"] {
        if !wanted.is_empty() && name != "nobody" && !wanted.iter().any(|word| name == word) {
            continue;
        }
        let site = Site::start(name == "http-tls");
        let mut fleet: Box<dyn Fleet> = match name {
            "datagram" => Box::new(Datagrams(UdpSocket::bind("127.0.0.1:0").unwrap())),
            "http" => Box::new(Kept::open(|| {
                let stream = connect(site.announce);
                stream.set_nonblocking(true).unwrap();
                stream
            })),
            "http-tls" => {
                let config = site.certs.trust(&[], &["http/1.1"]);
                Box::new(Kept::open(|| {
                    let mut sock = connect(site.announce);
                    let server = rustls::pki_types::ServerName::try_from("homing.test").unwrap();
                    let mut session = rustls::ClientConnection::new(config.clone(), server).unwrap();
                    while session.is_handshaking() {
                        session.complete_io(&mut sock).unwrap();
                    }
                    sock.set_nonblocking(true).unwrap();
                    rustls::StreamOwned::new(session, sock)
                }))
            }
            "http-fresh" => Box::new(Fresh),
            _ => Box::new(Nobody),
        };
        let (cpu, seconds, latencies) = measure(&site, &mut *fleet);
        let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
        let idle = *idle.get_or_insert(cpu.map(|cpu| cpu / seconds));
        let beat = [0, 1].map(|n| (cpu[n] - idle[n] * seconds).max(0.0) * 1e6 / (NODES * MEASURED) as f64);
        println!(
            "{name:<22}{:>10.1}{:>12.1}{:>12.1}{:>12.1}   {:.2} {:.2} {:.2}",
            (cpu[0] + cpu[1]) / seconds * 100.0,
            beat[0] + beat[1],
            beat[0],
            beat[1],
            at(0.5),
            at(0.99),
            at(1.0)
        );
        // the last ones may be under way, and a datagram may be lost
        let (taken, sent) = (site.taken(), NODES * (WARM + MEASURED));
        if name != "nobody" && taken * 100 <= sent * 98 {
            println!(
                "{:<22}only {taken} of {sent} beats were taken in {seconds:.0} s: senders and proxy had not enough of the cores",
                ""
            );
        }
    }
}
