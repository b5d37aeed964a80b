//! Gives the ledgers what their file remembers.

use super::frames::{Frame, FrameReader, SessionRecord};
use crate::base::clock::{self, Now};
use crate::control::error::Error;
use crate::control::state::is_absent;
use crate::ledger::{KnownSession, Standing};
use crate::table::{Cluster, Table};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use tracing::{info, warn};

/// A file that could not be read to its end.
pub struct Damage {
    /// Why.
    pub why: Error,
    /// What that costs.
    pub cost: String,
}

/// Whether a cluster has a ledger worth its name.
pub fn is_kept(cluster: &Cluster) -> bool {
    !cluster.affinity.is_none()
}

/// What is known of a session's client of which this was written.
pub fn standing(cluster: &Cluster, confirmed: bool) -> Standing {
    match confirmed {
        true => Standing::Confirmed,
        // nothing else says where it is
        false if cluster.affinity.asks_ledger() => Standing::Kept,
        false => Standing::Placed,
    }
}

/// Gives the ledgers what the file tells, up to its end or the first damage.
pub fn load(path: &Path, table: &Table) -> Option<Damage> {
    let start = clock::instant();
    let mut lost = HashSet::new();
    let read = match File::open(path) {
        Err(error) if is_absent(&error) => return None,
        Err(error) => Err(Error::Io(error)),
        Ok(file) => restore(BufReader::new(file), table, &mut lost),
    };
    let mut count = 0;
    for cluster in table.clusters.iter().filter(|c| is_kept(c)) {
        cluster.live.count_restored(Now::look(), cluster.idle_secs());
        count += cluster.live.ledger.len();
    }
    if count > 0 {
        info!(
            "{count} sessions are known from before, read in {:.0} ms",
            clock::since(start).as_secs_f64() * 1000.0
        );
    }
    if !lost.is_empty() {
        warn!(
            "{} sessions were on nodes that the cluster no longer has: they are placed anew when they come",
            lost.len()
        );
    }
    read.err().map(|why| Damage {
        why,
        cost: format!("what comes after that place in it is lost; {count} sessions are known"),
    })
}

fn restore(file: impl io::Read, table: &Table, lost: &mut HashSet<u64>) -> Result<(), Error> {
    let clusters: HashMap<&str, (&Cluster, HashMap<&str, u32>)> = table
        .clusters
        .iter()
        .filter(|c| is_kept(c))
        .map(|c| (&*c.name, (&**c, c.nodes().map(|node| (&*node.spec.name, node.live.slot)).collect())))
        .collect();
    let times = Times::now();
    let mut reader = FrameReader::new(file)?;
    while let Some(Frame { cluster, nodes, sessions }) = reader.next()? {
        let Some((cluster, known)) = clusters.get(cluster) else { continue };
        let slots: Vec<Option<u32>> = nodes.iter().map(|name| known.get(name).copied()).collect();
        let slot = |number: u32| slots.get(number as usize).copied().flatten();
        for record in sessions {
            let (SessionRecord::Lives { session, .. } | SessionRecord::Over(session)) = record;
            lost.remove(&session);
            let SessionRecord::Lives { node, first, last, confirmed, from, .. } = record else {
                cluster.live.forget(session);
                continue;
            };
            let Some(slot_now) = slot(node) else {
                lost.insert(session);
                cluster.live.forget(session);
                continue;
            };
            let seen = KnownSession {
                slot: slot_now,
                first: times.mono_of(first),
                last: times.mono_of(last),
                standing: standing(cluster, confirmed),
            };
            cluster.live.restore(session, seen, from.and_then(slot));
        }
    }
    Ok(())
}

/// The coarse clock and the wall clock, read together.
pub struct Times {
    mono: u32,
    unix: u32,
}

impl Times {
    /// Now.
    pub fn now() -> Self {
        Self { mono: clock::monotonic_secs(), unix: u32::try_from(clock::unix_secs()).unwrap_or(u32::MAX) }
    }

    /// In seconds since 1970.
    pub fn unix_of(&self, mono: u32) -> u32 {
        self.unix.saturating_sub(self.mono.saturating_sub(mono))
    }

    /// A time to come is now: the wall clock was set back.
    pub fn mono_of(&self, unix: u32) -> u32 {
        self.mono.saturating_sub(self.unix.saturating_sub(unix)).max(1)
    }
}
