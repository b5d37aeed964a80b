//! Sessions that operators have ended, as a document: their pins may still be shown after a restart.

use super::state::Stored;
use crate::base::clock::Now;
use crate::ledger::KnownSession;
use crate::table::session_orders::EndedSession;
use crate::table::{Cluster, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// By cluster, then by the session's id in its ledger, in hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EndedSessions {
    clusters: BTreeMap<String, BTreeMap<String, EndedRecord>>,
}

/// That one was ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct EndedRecord {
    /// The node that it was on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// Seconds since 1970.
    at: u64,
}

/// A version that knows nothing of it would let them go on.
impl Stored for EndedSessions {
    fn format(&self) -> u32 {
        if self.is_empty() { 1 } else { 3 }
    }
}

impl EndedSessions {
    /// Those of a table that still count.
    pub fn of(table: &Table, now: Now) -> Self {
        let of = |cluster: &Cluster| {
            let name =
                |slot: u32| Some(cluster.live.roster.load().lives.get(slot as usize)?.name.to_string());
            let counts = cluster.live.orders.all_ended(cluster.idle_secs(), now.unix_secs()).into_iter();
            let record = |(session, EndedSession { was, at }): (u64, EndedSession)| {
                (format!("{session:016x}"), EndedRecord { node: was.and_then(name), at })
            };
            (cluster.name.to_string(), counts.map(record).collect::<BTreeMap<_, _>>())
        };
        let all = table.known().map(|cluster| of(cluster));
        Self { clusters: all.filter(|(_, ended)| !ended.is_empty()).collect() }
    }

    /// Whether there is any in a table that still counts.
    pub fn any(table: &Table, now: Now) -> bool {
        table.known().any(|cluster| cluster.live.orders.any_ended(cluster.idle_secs(), now.unix_secs()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }

    /// Tells the clusters of a table, whose ledgers know again what they knew. One that the ledger still had when
    /// the process ended is over; what has begun since goes on.
    pub fn recall(&self, table: &Table, now: Now) {
        for cluster in &table.clusters {
            for (session, EndedRecord { node, at }) in self.clusters.get(&*cluster.name).into_iter().flatten()
            {
                let Ok(session) = u64::from_str_radix(session, 16) else { continue };
                let was = node.as_ref().and_then(|name| cluster.roster.slots.get(&**name)).copied();
                cluster.live.orders.end(session, EndedSession { was, at: *at });
                let begun =
                    |first: u32| now.unix_secs().saturating_sub(now.secs().saturating_sub(first).into());
                // what began anew is elsewhere, unless there was no elsewhere; both clocks count whole seconds
                let is_it = |known: KnownSession| match was {
                    Some(was) => known.slot == was && begun(known.first) <= *at + 1,
                    None => begun(known.first) + 1 < *at,
                };
                if cluster.live.ledger.find(session).is_some_and(is_it) {
                    cluster.live.ledger.end(session, &cluster.live.tally(now));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_before_does_not_read_it_where_there_is_one() {
        let none = EndedSessions::default();
        let record = EndedRecord { node: Some("n1".into()), at: 7 };
        let one = BTreeMap::from([("00000000000000ff".to_owned(), record)]);
        let some = EndedSessions { clusters: BTreeMap::from([("app".to_owned(), one)]) };
        assert_eq!((none.format(), some.format()), (1, 3));
        let text = serde_json::to_string(&some).unwrap();
        assert_eq!(serde_json::from_str::<EndedSessions>(&text).unwrap(), some);
    }
}
