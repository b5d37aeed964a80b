//! Single sessions: who is on a node, where one is, and what an operator has done with one.

use super::Admin;
use super::status;
use crate::base::clock::{self, Now, rfc3339};
use crate::control::Error;
use crate::control::op::{Change, SessionChange};
use crate::ledger::{KnownSession, Standing};
use crate::serve::problem::Problem;
use crate::table::session_names::ShownSession;
use crate::table::{Cluster, Node, Table};
use crate::telemetry::visitors::SessionVisitor;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Sessions of a node that are shown at most.
const MOST: usize = 1000;
/// The longest a thread may take to say whom it has seen.
const ANSWER: Duration = Duration::from_secs(2);

/// Who is on a node.
pub async fn of_node(admin: &Admin, cluster: &Cluster, node: &Node) -> status::Sessions {
    let newest = cluster.live.ledger.newest_on(node.live.slot, MOST);
    let seen = visitors(admin, cluster.live.id, newest.iter().map(|(session, _)| *session).collect()).await;
    status::Sessions {
        node: node.spec.name.to_string(),
        total: node.live.sessions.load(std::sync::atomic::Ordering::Relaxed).into(),
        sessions: newest.iter().map(|known| one(cluster, known, &seen)).collect(),
    }
}

/// Where a session is, and whose.
pub async fn find(admin: &Admin, shown: ShownSession) -> Result<status::FoundSession, Problem> {
    let table = admin.current.load_full();
    let (cluster, session, known) = locate(&table, shown).ok_or_else(|| unknown(shown))?;
    let seen = visitors(admin, cluster.live.id, vec![session]).await;
    Ok(status::FoundSession {
        cluster: cluster.name.to_string(),
        node: cluster.roster.lives.get(known.slot as usize).map(|live| live.name.to_string()),
        session: one(cluster, &(session, known), &seen),
    })
}

/// What is to be done with a session, as the registry takes it.
pub fn change(table: &Table, shown: ShownSession, change: SessionChange) -> Result<Change, Problem> {
    let (cluster, ..) = locate(table, shown).ok_or_else(|| unknown(shown))?;
    Ok(Change::Session { cluster: cluster.name.to_string(), session: shown, change })
}

/// The cluster that has it, with its own id for it.
fn locate(table: &Table, shown: ShownSession) -> Option<(&Arc<Cluster>, u64, KnownSession)> {
    table.clusters.iter().find_map(|cluster| {
        let session = cluster.live.names.session(shown);
        Some((cluster, session, cluster.live.ledger.find(session)?))
    })
}

fn unknown(shown: ShownSession) -> Problem {
    Problem::from(Error::NoSession(shown))
}

fn one(
    cluster: &Cluster,
    (session, known): &(u64, KnownSession),
    seen: &HashMap<u64, SessionVisitor>,
) -> status::Session {
    let (ticks, now) = (clock::monotonic_secs(), Now::look().unix_secs());
    let at = |then: u32| rfc3339(now.saturating_sub(ticks.saturating_sub(then).into()) * 1000);
    let visitor = seen.get(session);
    status::Session {
        session: cluster.live.names.shown(*session).to_string(),
        begun: at(known.first),
        seen: at(known.last),
        confirmed: known.standing == Standing::Confirmed,
        client: visitor.map(|visitor| visitor.client.to_string()),
        agent: visitor.map(|visitor| visitor.agent.to_string()).filter(|agent| !agent.is_empty()),
    }
}

/// Who was seen last in each of these sessions, as far as the workers know.
async fn visitors(admin: &Admin, cluster: u32, sessions: Vec<u64>) -> HashMap<u64, SessionVisitor> {
    let deadline = clock::timer_instant() + ANSWER;
    let mut latest: HashMap<u64, SessionVisitor> = HashMap::new();
    for answer in (admin.ask_who)(cluster, sessions.into()) {
        // a thread on its way out remembers nobody
        let known = tokio::time::timeout_at(deadline, answer).await.ok().and_then(Result::ok);
        for visitor in known.into_iter().flatten() {
            if latest.get(&visitor.session).is_none_or(|other| other.at < visitor.at) {
                latest.insert(visitor.session, visitor);
            }
        }
    }
    latest
}
