//! Ten thousand nodes loaded again and again, while clients ask at a constant rate.

use super::cases::RELOADED;
use super::rate::Plan;
use super::site::{Field, Site, said};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// Between two reloads.
const PAUSE: Duration = Duration::from_secs(1);

/// What one round showed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Round {
    /// Whether the proxy had every core, and not one alone for its workers and the thread that reloads.
    pub free: bool,
    /// How long each reload took, by the proxy's own log: reading the file, compiling, publishing.
    pub reloads_ms: Vec<f64>,
    /// Microseconds, from the moment that each request was due.
    pub p99_us: [f64; 2],
    pub p999_us: [f64; 2],
    pub longest_us: [f64; 2],
}

/// A time without reloads, then one with.
pub fn round(field: &Field, folder: &Path, rate: f64, time: Duration, free: bool) -> io::Result<Round> {
    let all = format!("0-{}", super::cores() - 1);
    let tool = if free { vec!["taskset".to_owned(), "-c".to_owned(), all] } else { Vec::new() };
    let log = folder.join("out/access.log");
    let site = Site::start(field, folder, &tool, |web| RELOADED.conf(web, field.origin, Some(&log), 100))?;
    let plan = Plan { addr: site.web, connections: 16, rate };
    plan.run(Duration::from_secs(1))?;
    let without = plan.run(time)?;
    let over = AtomicBool::new(false);
    let with = std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            for weight in (50..=100).cycle() {
                if over.load(Relaxed) {
                    break;
                }
                std::fs::write(
                    folder.join("next"),
                    RELOADED.conf(site.web, field.origin, Some(&log), weight),
                )?;
                std::fs::rename(folder.join("next"), folder.join("conf"))?;
                std::thread::sleep(PAUSE);
            }
            io::Result::Ok(())
        });
        let with = plan.run(time);
        over.store(true, Relaxed);
        changing.join().unwrap_or_else(|_| Err(io::Error::other("nobody changed the file")))?;
        with
    })?;
    site.stop();
    let text = std::fs::read_to_string(said(folder))?;
    let took = |line: &str| line.split_once("reloaded in ")?.1.split_once(" ms")?.0.parse().ok();
    let both = |share: f64| [&without, &with].map(|found| found.percentile(share).unwrap_or(f64::NAN));
    Ok(Round {
        free,
        reloads_ms: text.lines().filter_map(took).collect(),
        p99_us: both(0.99),
        p999_us: both(0.999),
        longest_us: both(1.0),
    })
}
