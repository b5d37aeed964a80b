//! What a request costs with few and with many nodes, rules and sessions; what a reload of many nodes costs;
//! how much memory a session takes; what a second worker brings. `benches/flat/run` installs what is needed
//! and starts this.
//!
//! `cases` has what is compared, `load` and `count` how a request's cost is measured, `report` what is told.

#![allow(missing_docs, reason = "a program, not a library")]

mod cases;
#[allow(dead_code, reason = "a part of it is enough here")]
#[path = "../../peers/src/client.rs"]
mod client;
mod count;
mod load;
#[path = "../../peers/src/origin.rs"]
mod origin;
#[allow(dead_code, reason = "a part of it is enough here")]
#[path = "../../peers/src/process.rs"]
mod process;
#[allow(dead_code, reason = "a part of it is enough here")]
#[path = "../../peers/src/rate.rs"]
mod rate;
mod reload;
mod report;
mod site;
#[path = "../../peers/src/spread.rs"]
mod spread;

use cases::{CASES, Case};
use clap::Parser;
use report::{Counted, Run};
use site::{Field, Site, block_on};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Measures what a request costs with more of everything.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which parts, such as nodes, rules, "hashed key", httplog, reload: all that the table names
    #[arg(long, value_delimiter = ',')]
    parts: Vec<String>,
    /// How often each case is measured
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// How long each measurement takes
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How often instructions are counted: what repeats needs no more than one
    #[arg(long, default_value_t = 1)]
    counts: usize,
    /// A look in a few minutes: two rounds of a second, nothing counted
    #[arg(long)]
    quick: bool,
    /// Requests a second while the conf is reloaded
    #[arg(long, default_value_t = 2000.0)]
    rate: f64,
    /// The binary under test
    #[arg(long, default_value = "target/dist/homing")]
    homing: PathBuf,
    /// The folder of flat.md and flat.json
    #[arg(long, default_value = "benches/flat/results")]
    out: PathBuf,
}

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
    if arguments.quick {
        (arguments.rounds, arguments.seconds, arguments.counts) = (2, 1.0, 0);
    }
    rate::exact_timers();
    let field = Field { homing: arguments.homing.clone(), origin: start_origin()? };
    let run = measure(&field, &arguments)?;
    std::fs::create_dir_all(&arguments.out)?;
    let markdown = run.markdown();
    std::fs::write(arguments.out.join("flat.md"), &markdown)?;
    std::fs::write(arguments.out.join("flat.json"), run.json()?)?;
    println!("{markdown}");
    Ok(())
}

fn measure(field: &Field, arguments: &Arguments) -> io::Result<Run> {
    let wanted =
        |part: &str| arguments.parts.is_empty() || arguments.parts.iter().any(|wanted| wanted == part);
    let cases: Vec<&'static Case> = CASES.iter().filter(|case| wanted(case.part)).collect();
    let (time, home) = (Duration::from_secs_f64(arguments.seconds), tempfile::tempdir()?);
    let folder = |case: &Case| home.path().join(format!("{} {}", case.part, case.name));
    let mut run = Run {
        machine: process::machine(),
        version: process::said(&field.homing.display().to_string(), &["--version"]).trim().to_owned(),
        cores: cores(),
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        rate: arguments.rate,
        ..Run::default()
    };
    for case in &cases {
        let grown = fill(field, &folder(case), case)?;
        if case.part == "ledger" {
            run.filled.push((case.sessions, grown));
        }
    }
    for round in 1..=arguments.rounds {
        for at in 0..cases.len() {
            // another one first in each round
            let case = cases[(at + round) % cases.len()];
            let sample = sample(field, &folder(case), case, round, time)?;
            eprintln!("{}", serde_json::to_string(&sample)?);
            run.samples.push(sample);
        }
    }
    for _ in 0..arguments.counts {
        for case in &cases {
            let counted = Counted {
                part: case.part,
                case: case.name,
                instructions: count::instructions(field, &folder(case), case)?,
            };
            eprintln!("{}", serde_json::to_string(&counted)?);
            run.counted.push(counted);
        }
    }
    if wanted("reload") {
        for round in 1..=arguments.rounds {
            for free in [round % 2 == 0, round % 2 == 1] {
                let round = reload::round(field, &home.path().join("reload"), arguments.rate, time, free)?;
                eprintln!("{}", serde_json::to_string(&round)?);
                run.reloads.push(round);
            }
        }
    }
    Ok(run)
}

/// Has all sessions of a case known and written down, for the proxies that start in this folder from then on.
/// Returns by how many bytes the proxy grew.
fn fill(field: &Field, folder: &Path, case: &Case) -> io::Result<f64> {
    let site = Site::start(field, folder, &[], |web| case.conf(web, field.origin, None, 100))?;
    // what is made with the first connections is no session's
    load::acquaint(&site, &Case { sessions: 64, ..*case })?;
    let before = site.process.memory();
    load::acquaint(&site, case)?;
    std::thread::sleep(Duration::from_millis(1500));
    let grown = site.process.memory() as f64 - before as f64;
    site.stop();
    Ok(grown)
}

fn sample(
    field: &Field,
    folder: &Path,
    case: &Case,
    round: usize,
    time: Duration,
) -> io::Result<load::Sample> {
    let log = folder.join("out/access.log");
    let site = Site::start(field, folder, &among(case), |web| case.conf(web, field.origin, Some(&log), 100))?;
    let sample = load::sample(&site, case, round, time)?;
    site.stop();
    std::fs::remove_file(log)?;
    Ok(sample)
}

/// The cores of a case: with one for each worker where there are two for clients and origin too; else scaling
/// is measured on two that everybody shares.
fn among(case: &Case) -> Vec<String> {
    match case.part {
        "scaling" => {
            let last = if cores() < 4 { 1 } else { case.workers - 1 };
            ["taskset".to_owned(), "-c".to_owned(), format!("0-{last}")].to_vec()
        }
        _ => Vec::new(),
    }
}

/// Of the whole machine, and not only those left to this program.
fn cores() -> usize {
    std::fs::read_to_string("/proc/cpuinfo")
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count()
        .max(1)
}

/// Starts the application, each of its two addresses on a thread of its own.
fn start_origin() -> io::Result<u16> {
    let first = TcpListener::bind("127.0.0.1:0")?;
    let port = first.local_addr()?.port();
    for socket in [first, TcpListener::bind(("127.0.0.2", port))?] {
        socket.set_nonblocking(true)?;
        std::thread::spawn(move || {
            block_on(async move {
                origin::serve(tokio::net::TcpListener::from_std(socket)?).await;
                Ok(())
            })
        });
    }
    Ok(port)
}
