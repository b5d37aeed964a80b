//! Why a request went where it went: one that was, found among the latest of all threads, or one that
//! somebody makes up. Both come from the code that decides (`table::route`, `affinity`, `table::decide`), and
//! both are told in the same words.

mod made_up;
mod question;
mod words;

pub use question::Question;

use super::status::{self, Explanation, Moved, Moves};
use super::{Admin, snapshot};
use crate::affinity::PinLookup;
use crate::base::clock::{self, Now, rfc3339};
use crate::serve::problem::Problem;
use crate::table::decide::{self, Decision, DecisionInput};
use crate::table::session_names::ShownSession;
use crate::table::{Cluster, Table};
use crate::telemetry::recent::{RecentDecision, RecentDecisions};
use http::StatusCode;
use std::time::Duration;

/// The longest a thread may take to say what it remembers.
const RECALL: Duration = Duration::from_secs(2);
const FORGOTTEN: &str = "No request of this id, or of a session of this id, is remembered: only the latest are, once they have ended. Its line in the access log tells the same.";
/// Moves shown for one cluster.
const MOVES: usize = 50;

/// The answer to a question.
pub async fn explain(admin: &Admin, question: Question) -> Result<Explanation, Problem> {
    let (kept, detail) = match question {
        Question::MadeUp(request) => {
            let table = admin.current.load_full();
            let decided = made_up::decide(&table, &request)?;
            return Ok(told(&table, &decided, None));
        }
        Question::Last => {
            let last = recall(admin)
                .await
                .iter()
                .flat_map(RecentDecisions::iter)
                .max_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)))
                .cloned();
            (last, "No request has come yet.")
        }
        Question::Id(id) => {
            let memories = recall(admin).await;
            let all = || memories.iter().flat_map(RecentDecisions::iter);
            let table = admin.current.load();
            let request = all().find(|decided| decided.id == id);
            let of_session = || {
                let shown: ShownSession = id.to_string().parse().ok()?;
                let of = all().filter(|decided| session_of(&table, decided) == Some(shown));
                of.max_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)))
            };
            (request.or_else(of_session).cloned(), FORGOTTEN)
        }
    };
    let decided = kept.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, detail))?;
    let request = status::Asked {
        id: decided.id.to_string(),
        at: rfc3339(decided.at),
        client: decided.client.to_string(),
        status: decided.status,
        retries: decided.retries.into(),
    };
    Ok(told(&admin.current.load_full(), &decided, Some(request)))
}

/// The sessions that were moved: how many, by cause, and the latest of them.
pub async fn moves(admin: &Admin) -> Moves {
    let recent = recall(admin).await;
    let table = admin.current.load_full();
    let of = |cluster: &std::sync::Arc<Cluster>| {
        let totals = cluster.live.traffic.totals();
        let mut latest: Vec<&RecentDecision> = recent
            .iter()
            .flat_map(RecentDecisions::moved)
            .filter(|d| d.cluster == Some(cluster.live.id))
            .collect();
        latest.sort_unstable_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
        latest.truncate(MOVES);
        Moved {
            cluster: cluster.name.to_string(),
            requests: totals.requests(),
            causes: totals.whys().filter_map(|(why, n)| Some((why.cause()?.to_owned(), n))).collect(),
            latest: latest.into_iter().map(|decided| one_move(cluster, decided)).collect(),
        }
    };
    Moves { time: rfc3339(clock::unix_ms()), clusters: table.clusters.iter().map(of).collect() }
}

/// The session of a request, as it is shown.
fn session_of(table: &Table, decided: &RecentDecision) -> Option<ShownSession> {
    let cluster = table.clusters.iter().find(|cluster| Some(cluster.live.id) == decided.cluster)?;
    (decided.session != 0).then(|| cluster.live.names.shown(decided.session))
}

fn one_move(cluster: &Cluster, decided: &RecentDecision) -> status::Move {
    status::Move {
        id: decided.id.to_string(),
        at: rfc3339(decided.at),
        session: (decided.session != 0).then(|| cluster.live.names.shown(decided.session).to_string()),
        client: decided.client.to_string(),
        node: decided.node.and_then(|slot| words::name_of(cluster, slot)),
        was: decided.was.and_then(|(slot, _)| words::name_of(cluster, slot)),
        cause: decided.why.cause().unwrap_or_default().to_owned(),
        because: words::because(Some(cluster), decided, words::Tense::Past),
    }
}

/// What every thread remembers.
async fn recall(admin: &Admin) -> Vec<RecentDecisions> {
    let deadline = clock::timer_instant() + RECALL;
    let mut all = Vec::new();
    for answer in (admin.recall)() {
        // a thread on its way out remembers nothing
        all.extend(tokio::time::timeout_at(deadline, answer).await.ok().and_then(Result::ok));
    }
    all
}

/// In words, with the cluster's nodes as they are now.
fn told(table: &Table, decided: &RecentDecision, request: Option<status::Asked>) -> Explanation {
    let cluster = decided
        .cluster
        .and_then(|id| table.clusters.iter().find(|cluster| cluster.live.id == id))
        .map(|cluster| &**cluster);
    let name = |slot: u32| words::name_of(cluster?, slot);
    let tense = if request.is_some() { words::Tense::Past } else { words::Tense::Present };
    Explanation {
        time: rfc3339(clock::unix_ms()),
        because: words::because(cluster, decided, tense),
        reloaded: request.is_some() && decided.rule.is_some() && decided.revision != table.revision,
        request,
        listener: table
            .listeners
            .get(decided.listener as usize)
            .and_then(Option::as_ref)
            .map(|listener| listener.name.to_string()),
        rule: decided.rule.map(|index| u64::from(index) + 1),
        cluster: cluster.map(|cluster| cluster.name.to_string()),
        source: cluster.and_then(|cluster| cluster.affinity.source(&decided.gist)),
        said: decided.gist.heard.word().to_owned(),
        session: session_of(table, decided).map(|session| session.to_string()),
        began: decided.gist.began().map(|at| rfc3339(at * 1000)),
        node: decided.node.and_then(name),
        why: decided.why.word().to_owned(),
        was: decided.was.and_then(|(slot, _)| name(slot)),
        fresh: cluster.and_then(fresh),
        nodes: cluster.map(candidates).unwrap_or_default(),
    }
}

/// Where a new session would go.
fn fresh(cluster: &Cluster) -> Option<String> {
    let facts = DecisionInput { tried: &[], hint: None, waited: true, now: Now::look(), dry: true };
    match decide::decide(cluster, &PinLookup::absent(None), &facts, &mut made_up::rng()) {
        Decision::Serve(verdict) => Some(verdict.node.spec.name.to_string()),
        Decision::Wait | Decision::Refuse(_) => None,
    }
}

fn candidates(cluster: &Cluster) -> Vec<status::Candidate> {
    let mut nodes: Vec<status::Candidate> = snapshot::nodes(cluster)
        .map(|(slot, node)| status::Candidate { score: cluster.roster.placement.score_of(slot), node })
        .collect();
    nodes.sort_by_key(|candidate| candidate.node.rank.unwrap_or(u64::MAX));
    nodes
}
