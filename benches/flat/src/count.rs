//! Instructions by callgrind, thread by thread: of one request after the other over one connection, or of reloads. What the threads
//! do beside is taken off by counting two runs of different length.

use super::cases::{Case, RELOADED};
use super::client::{Http1, Target};
use super::site::{Field, Site, block_on, said};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Requests of the two runs, and reloads.
const RUNS: [u64; 2] = [200, 2200];
const RELOADS: [u64; 2] = [2, 6];

/// Instructions for each request, in user space.
pub fn instructions(field: &Field, folder: &Path, case: &Case) -> io::Result<f64> {
    let counts = |requests| {
        threads(field, folder, case, |site| {
            let target = Target::new(site.web, None);
            block_on(async move {
                let (mut connection, mut request) = (Http1::open(&target).await?, Vec::new());
                for number in 0..requests {
                    case.request(number, &mut request);
                    connection.exchange(&request).await?;
                }
                Ok(())
            })
        })
    };
    // the thread that serves is the one that works more in the longer run
    Ok(more(RUNS, &counts(RUNS[0])?, &counts(RUNS[1])?).into_iter().fold(0.0, f64::max))
}

/// Instructions of the control thread for each reload, and of all the others together, which serve meanwhile.
pub fn of_reload(field: &Field, folder: &Path) -> io::Result<[f64; 2]> {
    let counts = |reloads| {
        threads(field, folder, &RELOADED, |site| {
            let target = Target::new(site.web, None);
            for reload in 0..reloads {
                let conf = RELOADED.conf(site.web, field.origin, None, 50 + reload as u32);
                std::fs::write(folder.join("next"), conf)?;
                std::fs::rename(folder.join("next"), folder.join("conf"))?;
                while std::fs::read_to_string(said(folder))?.matches("reloaded in").count() <= reload as usize {
                    std::thread::sleep(Duration::from_millis(50));
                }
                // the thread that serves has to notice
                let mut request = Vec::new();
                RELOADED.request(reload, &mut request);
                block_on(async { Http1::open(&target).await?.exchange(&request).await })?;
                std::thread::sleep(Duration::from_millis(1500));
            }
            Ok(())
        })
    };
    let each = more(RELOADS, &counts(RELOADS[0])?, &counts(RELOADS[1])?);
    let (control, all) = (each.iter().copied().fold(0.0, f64::max), each.iter().sum::<f64>());
    Ok([control, all - control])
}

/// What each thread did more in the longer run, for each time that it did it.
fn more(runs: [u64; 2], few: &[u64], many: &[u64]) -> Vec<f64> {
    few.iter().zip(many).map(|(few, many)| many.saturating_sub(*few) as f64 / (runs[1] - runs[0]) as f64).collect()
}

/// Instructions of each thread of the proxy, in the order of their start.
fn threads(field: &Field, folder: &Path, case: &Case, work: impl Fn(&Site) -> io::Result<()>) -> io::Result<Vec<u64>> {
    let out = tempfile::tempdir()?;
    let words = ["valgrind", "-q", "--tool=callgrind", "--separate-threads=yes"];
    let mut tool = words.map(str::to_owned).to_vec();
    tool.push(format!("--callgrind-out-file={}/counts", out.path().display()));
    let site = Site::start(field, folder, &tool, |web| case.conf(web, field.origin, None, 100))?;
    work(&site)?;
    site.stop();
    let mut files = std::fs::read_dir(out.path())?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("counts-")));
    files.sort();
    files.iter().map(|path| total(&std::fs::read_to_string(path)?)).collect()
}

/// What a file of callgrind sums up to.
fn total(text: &str) -> io::Result<u64> {
    let line = text.lines().rev().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    line.and_then(|number| number.trim().parse().ok()).ok_or_else(|| io::Error::other("callgrind counted nothing"))
}
