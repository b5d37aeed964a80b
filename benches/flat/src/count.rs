//! Instructions of the thread that serves, by callgrind. One user asks after the other, over one connection;
//! what the thread does beside is taken off by counting two runs of different length.

use super::cases::Case;
use super::client::{Http1, Target};
use super::site::{Field, Site, block_on};
use std::io;
use std::path::Path;

/// Requests of the two runs.
const RUNS: [u64; 2] = [200, 2200];

/// What a clock does each second is no request's, and a slow machine has more of it.
const TICKS: &str = "--toggle-collect=homing::net::housekeeping::sweep";
/// What only threads that serve do.
const SERVES: &str = "homing::net::http1";

/// Instructions for each request, in user space.
pub fn instructions(field: &Field, folder: &Path, case: &Case) -> io::Result<f64> {
    let [few, many] = [threads(field, folder, case, RUNS[0])?, threads(field, folder, case, RUNS[1])?];
    // the thread that serves is the one that works more in the longer run
    let more = few.iter().zip(&many).map(|(few, many)| many.saturating_sub(*few)).max().unwrap_or(0);
    Ok(more as f64 / (RUNS[1] - RUNS[0]) as f64)
}

/// Instructions of each thread of the proxy, in the order of their start.
fn threads(field: &Field, folder: &Path, case: &Case, requests: u64) -> io::Result<Vec<u64>> {
    let out = tempfile::tempdir()?;
    let words =
        ["valgrind", "-q", "--tool=callgrind", "--separate-threads=yes", TICKS, "--collect-atstart=yes"];
    let mut tool = words.map(str::to_owned).to_vec();
    tool.push(format!("--callgrind-out-file={}/counts", out.path().display()));
    // a timer hands the log over, which shifts the count a little: only where the log itself is compared
    let log = (case.part == case.log).then(|| folder.join("out/access.log"));
    let site = Site::start(field, folder, &tool, |web| case.conf(web, field.origin, log.as_deref(), 100))?;
    let target = Target::new(site.web, None);
    block_on(async {
        let (mut connection, mut request) = (Http1::open(&target).await?, Vec::new());
        for number in 0..requests {
            case.request(number, &site.pin, &mut request);
            connection.exchange(&request).await?;
        }
        Ok(())
    })?;
    site.stop();
    let mut files =
        std::fs::read_dir(out.path())?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("counts-")));
    files.sort();
    let texts = files.iter().map(std::fs::read_to_string).collect::<io::Result<Vec<_>>>()?;
    // the thread that looks after many nodes may work more than those that serve
    texts.iter().map(|text| if text.contains(SERVES) { total(text) } else { Ok(0) }).collect()
}

/// What a file of callgrind sums up to.
fn total(text: &str) -> io::Result<u64> {
    let line = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    line.and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| io::Error::other("callgrind counted nothing"))
}
