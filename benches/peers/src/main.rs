//! Homing, HAProxy, nginx, Apache httpd and a bare byte relay side by side: same origin, same clients, same
//! work, cookie affinity and an access log in each, interleaved in one run. `benches/peers/run` installs what
//! is needed and starts this.
//!
//! `peers` has who is measured, `works` what they are asked to do, `run` how that is measured, `report` and
//! `plot` what is told.

#![allow(missing_docs, reason = "a program, not a library")]

mod client;
mod origin;
mod peers;
mod plot;
mod process;
mod rate;
mod relay;
mod report;
mod run;
mod spread;
mod works;

use clap::{Parser, Subcommand};
use peers::{Field, PEERS, Peer, RELAY};
use process::machine;
use report::Run;
use run::block_on;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use works::{CAPACITY, Kind, WORKS, Work};

/// Measures Homing beside its peers.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which works, by name or by how their names begin
    #[arg(long, value_delimiter = ',')]
    works: Vec<String>,
    /// Which peers
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// How often each is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each measurement takes
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// A look in under two minutes: one round, one second, a few works
    #[arg(long)]
    quick: bool,
    /// Requests a second of the works at a constant rate; otherwise 60 % of what the slowest peer can do
    #[arg(long)]
    rate: Option<f64>,
    /// The core of whoever is measured; this program should be kept off it
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// The binary under test
    #[arg(long, default_value = "target/dist/homing")]
    homing: PathBuf,
    /// The folder of peers.md, peers.json and peers.svg
    #[arg(long, default_value = "benches/peers/results")]
    out: PathBuf,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Be the bare byte relay
    Relay { listen: SocketAddr, origin: SocketAddr },
}

const QUICK: [&str; 6] = ["small-64", "new", "down-1m", "tls-h1", "rate", "idle"];

fn main() -> ExitCode {
    match bench(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(mut arguments: Arguments) -> io::Result<()> {
    if let Some(Role::Relay { listen, origin }) = arguments.role {
        return block_on(relay::serve(listen, origin));
    }
    if arguments.quick {
        (arguments.rounds, arguments.seconds) = (1, 1.0);
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    rate::exact_timers();
    let field = Field::new(arguments.core, arguments.homing.clone(), start_origin()?)?;
    let run = measure(&field, &arguments)?;
    write(&run, &arguments.out)
}

fn measure(field: &Field, arguments: &Arguments) -> io::Result<Run> {
    let (peers, works) = (chosen_peers(arguments)?, chosen_works(arguments)?);
    let time = Duration::from_secs_f64(arguments.seconds);
    let mut run = Run {
        machine: machine(),
        versions: field.versions(&peers),
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        rate: 0.0,
        works,
        peers: peers.iter().map(|peer| peer.name).collect(),
        samples: Vec::new(),
        failures: Vec::new(),
    };
    if run.works.iter().any(|work| matches!(work.kind, Kind::Rate)) {
        run.rate = arguments.rate.map_or_else(|| rate_for_all(field, &peers), Ok)?;
        eprintln!("the constant rate is {:.0} requests a second", run.rate);
    }
    for round in 1..=run.rounds {
        for work in &run.works {
            for at in 0..peers.len() {
                // another one first in each round
                let peer = peers[(at + round) % peers.len()];
                if peer.name == RELAY && !work.for_relay() {
                    continue;
                }
                match run::sample(field, peer, work, round, time, run.rate) {
                    Ok(sample) => {
                        eprintln!("{}", serde_json::to_string(&sample)?);
                        run.samples.push(sample);
                    }
                    Err(error) => {
                        let failure = format!("{} at {}, round {round}: {error}", peer.name, work.name);
                        eprintln!("{failure}");
                        run.failures.push(failure);
                    }
                }
            }
        }
    }
    Ok(run)
}

/// 60 % of what the slowest of them can do.
fn rate_for_all(field: &Field, peers: &[&'static Peer]) -> io::Result<f64> {
    static LOOK: Work = Work { name: "capacity", what: "", kind: Kind::Load(CAPACITY), logs: true };
    let mut slowest = f64::INFINITY;
    for peer in peers {
        let sample = run::sample(field, peer, &LOOK, 0, Duration::from_secs(1), 0.0)?;
        slowest = sample.per_second.unwrap_or(0.0).min(slowest);
    }
    Ok((slowest * 0.6).round())
}

fn chosen_peers(arguments: &Arguments) -> io::Result<Vec<&'static Peer>> {
    let all: Vec<_> = PEERS.iter().map(|peer| peer.name).collect();
    check(&arguments.peers, &all, |wanted, name| wanted == name)?;
    let wanted =
        |peer: &&Peer| arguments.peers.is_empty() || arguments.peers.iter().any(|name| name == peer.name);
    Ok(PEERS.iter().filter(wanted).collect())
}

fn chosen_works(arguments: &Arguments) -> io::Result<Vec<&'static Work>> {
    let all: Vec<_> = WORKS.iter().map(|work| work.name).collect();
    check(&arguments.works, &all, |wanted, name| name.starts_with(wanted))?;
    let wanted = |work: &&Work| match arguments.works.is_empty() {
        true => !arguments.quick || QUICK.contains(&work.name),
        false => arguments.works.iter().any(|wanted| work.name.starts_with(wanted.as_str())),
    };
    Ok(WORKS.iter().filter(wanted).collect())
}

fn check(wanted: &[String], all: &[&str], fits: fn(&str, &str) -> bool) -> io::Result<()> {
    match wanted.iter().find(|wanted| !all.iter().any(|name| fits(wanted, name))) {
        Some(unknown) => Err(io::Error::other(format!("`{unknown}` is none of {}", all.join(", ")))),
        None => Ok(()),
    }
}

/// Starts the application on a thread of this process, on one port of two addresses: its nodes.
fn start_origin() -> io::Result<u16> {
    let first = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = first.local_addr()?.port();
    let second = std::net::TcpListener::bind(("127.0.0.2", port))?;
    for socket in [&first, &second] {
        socket.set_nonblocking(true)?;
    }
    std::thread::spawn(move || {
        block_on(async move {
            let (first, second) =
                (tokio::net::TcpListener::from_std(first)?, tokio::net::TcpListener::from_std(second)?);
            tokio::join!(origin::serve(first), origin::serve(second));
            Ok(())
        })
    });
    Ok(port)
}

fn write(run: &Run, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let markdown = run.markdown();
    std::fs::write(folder.join("peers.md"), &markdown)?;
    std::fs::write(folder.join("peers.json"), run.json())?;
    std::fs::write(folder.join("peers.svg"), plot::svg(run))?;
    println!("{markdown}");
    Ok(())
}
