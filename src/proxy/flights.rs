//! Which sessions this thread has something in flight for, so that none is forgotten while it is in use.
//!
//! A request costs a row in a list of the thread's own. Only what lasts longer than a second is told to the
//! ledger, which is shared.

use crate::base::clock::Now;
use crate::table::{Cluster, ClusterLive, Table};
use std::cell::RefCell;
use std::collections::HashMap;

/// Seconds after which the ledger is told first: well before another could have the session's place.
const FIRST_STEP: u32 = 5;
/// Seconds after which it is told again, at most: well within the minute that an unconfirmed session has.
const LONGEST_STEP: u32 = 15;

/// What is in flight on a thread.
#[derive(Default)]
pub struct Flights(RefCell<FlightRows>);

#[derive(Default)]
struct FlightRows {
    rows: Vec<Option<FlightRow>>,
    free: Vec<u32>,
}

struct FlightRow {
    cluster: u32,
    session: u64,
    /// When the ledger last knew, in seconds of the coarse clock.
    touched: u32,
    /// The ledger was told that it lasts, and has to be told of its end.
    lasts: bool,
}

/// The row of a request in flight; to be given back by [`Flights::end`].
pub struct Flight(u32);

impl Flights {
    /// A request of a session begins; the ledger has just seen it.
    pub fn begin(&self, cluster: &ClusterLive, session: u64, now: Now) -> Flight {
        let rows = &mut *self.0.borrow_mut();
        let row = Some(FlightRow { cluster: cluster.id, session, touched: now.secs(), lasts: false });
        if let Some(at) = rows.free.pop() {
            rows.rows[at as usize] = row;
            return Flight(at);
        }
        rows.rows.push(row);
        Flight(rows.rows.len() as u32 - 1)
    }

    /// It goes by another id from now on.
    pub fn rename(&self, flight: &Flight, session: u64) {
        if let Some(Some(row)) = self.0.borrow_mut().rows.get_mut(flight.0 as usize) {
            row.session = session;
        }
    }

    /// It is over: its session was there until now.
    pub fn end(&self, flight: Flight, cluster: Option<&ClusterLive>, now: Now) {
        let row = self.0.borrow_mut().take(flight).filter(|row| row.lasts || row.touched < now.secs());
        if let (Some(row), Some(cluster)) = (row, cluster) {
            cluster.ledger.carried_to_its_end(row.session, now.secs());
        }
    }

    /// It is over, and its session too.
    pub fn forget(&self, flight: Flight) {
        self.0.borrow_mut().take(flight);
    }

    /// Tells the ledgers what lasts; called every second.
    pub fn touch_sessions(&self, table: &Table, now: Now) {
        let rows = &mut *self.0.borrow_mut();
        let mut lasting = rows.rows.iter_mut().flatten().filter(|row| row.touched < now.secs()).peekable();
        if lasting.peek().is_none() {
            return;
        }
        let clusters: HashMap<u32, &Cluster> =
            table.clusters.iter().map(|cluster| (cluster.live.id, &**cluster)).collect();
        for row in lasting {
            let Some(cluster) = clusters.get(&row.cluster) else { continue };
            if now.secs() - row.touched >= step(cluster, row.lasts) {
                row.session = cluster.live.ledger.carried(row.session, now.secs());
                (row.touched, row.lasts) = (now.secs(), true);
            }
        }
    }
}

impl FlightRows {
    fn take(&mut self, flight: Flight) -> Option<FlightRow> {
        self.free.push(flight.0);
        self.rows.get_mut(flight.0 as usize)?.take()
    }
}

/// Seconds after which a cluster's ledger is told, again if it knows that the request lasts.
fn step(cluster: &Cluster, lasts: bool) -> u32 {
    let idle = cluster.conf.session_idle.get().as_secs().min(cluster.affinity.max_idle().unwrap_or(u64::MAX));
    u32::try_from(idle / 4).unwrap_or(u32::MAX).clamp(1, if lasts { LONGEST_STEP } else { FIRST_STEP })
}
