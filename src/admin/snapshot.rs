//! The one snapshot that API, page, command line and metrics show.

use super::Admin;
use super::quantile::quantile;
use super::status::{self, ClusterState, Connections, Durations, Ledger, LostLines, Reload, Status, Step};
use crate::base::clock::{self, Now, rfc3339};
use crate::base::tasks;
use crate::base::words::Word;
use crate::config::model::AdminState;
use crate::feed::heartbeat_sink::{Counts, Dialect, HeartbeatOutcome};
use crate::listen::tls::{CertStore, Certs};
use crate::table::traffic::TrafficTotals;
use crate::table::{Cluster, Node, State, StateChange, Traffic};
use crate::telemetry::traces::{self, Traces};
use crate::upstream::usage;
use crate::wire::pem::Certificate;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Looks at every node's state, so that its age is known and a change is told.
pub fn observe(admin: &Admin) {
    let now = Now::look();
    for cluster in &admin.current.load().clusters {
        for node in cluster.nodes() {
            if let Some(StateChange { before, now: state }) = node.live.note(node.shown(now)) {
                let at = rfc3339(node.live.since());
                let why = cluster.why(node, now);
                if state == State::Drained && before.is_some() {
                    tracing::info!("cluster {} node {} is drained: {why}", cluster.name, node.spec.name);
                }
                let (cluster, node) = (&*cluster.name, &*node.spec.name);
                let (state, before) = (Word::from(state), before.map(Word::from));
                let news = serde_json::json!({"cluster": cluster, "node": node, "state": state, "before": before, "why": why, "at": at});
                admin.events.send("state", &news);
            }
        }
    }
}

/// Everything, now.
pub fn take(admin: &Admin) -> Status {
    observe(admin);
    let table = admin.current.load_full();
    let now = clock::unix_ms();
    admin.snapshots.set(admin.snapshots.get() + 1);
    let totals = admin.traffic.totals();
    let listeners = table.listeners.iter().flatten().map(|listener| status::Listener {
        listener: listener.name.to_string(),
        bind: listener.conf.bind.as_slice().to_vec(),
        tls: listener.conf.tls.is_some(),
    });
    let log = admin.log.load();
    Status {
        version: env!("CARGO_PKG_VERSION").into(),
        snapshot: admin.snapshots.get(),
        time: rfc3339(now),
        started: rfc3339(admin.started),
        uptime: now.saturating_sub(admin.started) / 1000,
        stopping: admin.stopping.get(),
        panics: tasks::panics(),
        revision: table.revision,
        reload: admin.reloads.borrow().front().cloned().unwrap_or_else(|| Reload::at_start(admin.started)),
        reloads: admin.reloads.borrow().iter().cloned().collect(),
        applied_at: admin.applied_at.get(),
        connections: Connections {
            open: admin.places.taken(),
            limit: admin.places.most(),
            accepted: totals.connections,
        },
        heartbeats: heartbeats(&admin.counts),
        spans: admin.traces.as_deref().map(spans).unwrap_or_default(),
        unsaved: admin.state.unsaved(),
        lost_lines: LostLines { slow: log.dropped(), failed: log.failed() },
        admin_refused: admin.refused.counts(),
        elsewhere: traffic(&totals),
        listeners: listeners.collect(),
        certificates: certificates(&admin.certificates.borrow(), now),
        clusters: table.clusters.iter().map(|cluster| cluster_now(cluster)).collect(),
    }
}

fn spans(traces: &Traces) -> BTreeMap<String, u64> {
    let traces::SpanTotals { exported, dropped, failed } = traces.totals();
    [("exported", exported), ("dropped", dropped), ("failed", failed)]
        .map(|(result, count)| (result.to_owned(), count))
        .into()
}

fn certificates(stores: &[(String, Arc<CertStore>)], now: u64) -> Vec<status::Certificate> {
    let of = |listener: &str, certs: &Certs| -> Vec<status::Certificate> {
        let one = |certificate: &Certificate| status::Certificate {
            listener: listener.to_owned(),
            subject: certificate.subject.clone(),
            names: certificate.names.clone(),
            file: certificate.file.display().to_string(),
            expires: rfc3339(u64::try_from(certificate.not_after).unwrap_or_default().saturating_mul(1000)),
            not_after: certificate.not_after,
            left: certificate.not_after.saturating_sub_unsigned(now / 1000),
        };
        certs.all().iter().map(one).collect()
    };
    let mut all: Vec<_> =
        stores.iter().flat_map(|(listener, store)| of(listener, &store.current())).collect();
    all.sort_by_key(|certificate| certificate.left);
    all
}

fn heartbeats(counts: &Counts) -> BTreeMap<String, BTreeMap<String, u64>> {
    let of = |dialect: Dialect| {
        let by = HeartbeatOutcome::ALL
            .into_iter()
            .map(|outcome| (outcome.word().to_owned(), counts.get(dialect, outcome)));
        (dialect.word().to_owned(), by.filter(|(_, count)| *count > 0).collect())
    };
    Dialect::ALL.into_iter().map(of).collect()
}

/// A cluster's nodes with their slots, in the order of the file.
pub(super) fn nodes(cluster: &Cluster) -> impl Iterator<Item = (u32, status::Node)> + '_ {
    let now = Now::look();
    let shares = PlacementShares::of(cluster);
    cluster.nodes().map(move |node| (node.live.slot, node_now(cluster, node, &shares, now)))
}

fn cluster_now(cluster: &Cluster) -> status::Cluster {
    let (nodes, now): (Vec<status::Node>, _) = (nodes(cluster).map(|(_, node)| node).collect(), Now::look());
    let serving = cluster.nodes().filter(|node| node.state(now).keeps_sessions()).count();
    // what the operator took out on purpose, or has not let in, is as it should be
    let as_wanted = |node: &status::Node| {
        matches!(
            node.state.known(),
            Some(State::Ready | State::Maintenance | State::Removed | State::Drained | State::Pending)
        )
    };
    let ledger = &cluster.live.ledger;
    status::Cluster {
        cluster: cluster.name.to_string(),
        state: match serving {
            _ if cluster.conf.disabled => ClusterState::Disabled,
            0 => ClusterState::Down,
            _ if nodes.iter().all(as_wanted) => ClusterState::Ready,
            _ => ClusterState::Degraded,
        }
        .into(),
        serving: serving as u64,
        balance: cluster.conf.balance.word().to_owned(),
        settings: cluster.settings.hash.to_string(),
        sessions: nodes.iter().map(|node| node.sessions).sum(),
        capacity: capacity(cluster),
        bypass_refused: cluster.live.bypass_refused.load(Relaxed),
        in_flight: nodes.iter().map(|node| node.in_flight).sum(),
        waiting: cluster.nodes().map(|node| u64::from(node.live.waiting.load(Relaxed))).sum(),
        pool: pool(cluster.live.usage.totals()),
        ledger: Ledger {
            entries: ledger.len() as u64,
            limit: ledger.limit() as u64,
            evicted: ledger.evicted(),
            given_up: ledger.given_up(),
        },
        traffic: counted(&cluster.live.traffic),
        nodes,
    }
}

fn pool(usage: usage::UsageTotals) -> status::Pool {
    let usage::UsageTotals { attempts, reuses, open, idle } = usage;
    status::Pool { open, idle, attempts, reuses }
}

fn capacity(cluster: &Cluster) -> Option<u64> {
    let serving = cluster.nodes().filter(|node| !node.stands_aside());
    serving
        .filter_map(|node| node.capacity())
        .fold(None, |sum: Option<u64>, capacity| Some(sum.unwrap_or(0) + u64::from(capacity)))
}

fn node_now(cluster: &Cluster, node: &Node, shares: &PlacementShares<'_>, now: Now) -> status::Node {
    let (spec, live, slot) = (&node.spec, &node.live, node.live.slot);
    let deadline = spec.set.as_ref().and_then(|set| set.deadline);
    let drains = matches!(spec.admin, AdminState::Draining | AdminState::Drained);
    status::Node {
        node: spec.name.to_string(),
        url: spec.url.to_string(),
        claimed: node.claim().map(|claim| claim.url),
        route: spec.route.to_string(),
        state: node.shown(now).into(),
        why: cluster.why(node, now),
        since: rfc3339(live.since()),
        sessions: live.all_sessions().into(),
        capacity: node.capacity().filter(|_| !node.stands_aside()).map(Into::into),
        in_flight: live.in_flight().into(),
        sockets: live.sockets.load(Relaxed).into(),
        weight: live.report.weight(spec.weight).into(),
        load: live.report.load().map(Into::into),
        known: cluster
            .roster
            .doubted(node, now)
            .map(|_| live.fill.lately(live.sessions.load(Relaxed)).into()),
        version: live.report.version().map(|version| version.to_string()),
        set_by: spec
            .set
            .as_ref()
            .map_or("file".into(), |set| format!("{} at {}", set.by, rfc3339(set.at * 1000))),
        set_from: spec.set.as_ref().and_then(|set| set.from.clone()),
        set_reason: spec.set.as_ref().and_then(|set| set.reason.clone()),
        deadline: deadline.map(|at| rfc3339(at * 1000)),
        over: drains.then(|| spec.set.as_ref().is_some_and(|set| set.over)),
        left: spec.set.as_ref().filter(|_| drains).and_then(|set| set.left),
        then: spec.set.as_ref().filter(|_| drains).map(|set| set.then),
        share: shares.share(slot),
        rank: shares.ranks.get(&slot).copied(),
        requests: live.requests.load(Relaxed),
        errors: status::Errors {
            connection: live.errors.connect.load(Relaxed),
            response: live.errors.response.load(Relaxed),
            answers: live.errors.answers.load(Relaxed),
            checks: live.errors.checks.load(Relaxed),
        },
        heartbeat_ms: live.report.silence(now),
    }
}

/// Who is given new sessions, by the board.
struct PlacementShares<'c> {
    cluster: &'c Cluster,
    ranks: HashMap<u32, u64>,
}

impl<'c> PlacementShares<'c> {
    fn of(cluster: &'c Cluster) -> Self {
        Self { cluster, ranks: cluster.roster.placement.order().into_iter().zip(1..).collect() }
    }

    fn share(&self, slot: u32) -> f64 {
        (self.cluster.roster.placement.part_of(slot) * 10_000.0).round() / 10_000.0
    }
}

fn counted(counters: &Traffic) -> status::Traffic {
    traffic(&counters.totals())
}

fn traffic(totals: &TrafficTotals) -> status::Traffic {
    let steps: Vec<(f64, u64)> = totals.durations().collect();
    let count = steps.last().map_or(0, |(_, count)| *count);
    let at = |part: f64| quantile(&steps, part).map(|seconds| (seconds * 100_000.0).round() / 100.0);
    status::Traffic {
        requests: totals.requests(),
        codes: totals.codes().collect(),
        whys: totals.whys().map(|(why, n)| (why.word().to_owned(), n)).collect(),
        moved: totals.whys().filter_map(|(why, n)| Some((why.cause()?.to_owned(), n))).collect(),
        bytes: totals.bytes,
        retries: totals.retries,
        connection_errors: totals.connection_errors,
        response_errors: totals.response_errors,
        tunnels: u64::try_from(totals.tunnels).unwrap_or_default(),
        duration: Durations {
            count,
            sum: totals.seconds(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            steps: steps
                .iter()
                .filter(|(le, _)| le.is_finite())
                .map(|&(le, count)| Step { le, count })
                .collect(),
        },
    }
}
