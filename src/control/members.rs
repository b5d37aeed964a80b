//! What becomes of a heartbeat, whatever dialect it came in: who speaks, whether it is news, and what it
//! changes.

use super::nodes_by_address::NodesByAddress;
use super::op::{JoinRequest, NodeChange, Op};
use super::report_store::{ReportStore, may_be_forgotten};
use super::version;
use crate::base::clock::{Now, millis};
use crate::base::hash::hash64;
use crate::base::log_throttle::LogThrottle;
use crate::config::model::AdminState;
use crate::heartbeat::replay::Novelty;
use crate::heartbeat::{Announced, Heartbeat, HeartbeatMessage, Sender};
use crate::table::claim::Claim;
use crate::table::{Cluster, Node, State, Table};
use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// How often a node beats that does not say it.
pub const INTERVAL: Duration = Duration::from_secs(5);
/// No node is silent before this.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is written down when those last spoke who are forgotten for their silence.
const WRITTEN_EVERY: Duration = Duration::from_secs(3600);

/// What is remembered of the nodes' beats.
#[derive(Default)]
pub struct Members {
    /// Where nodes are, made anew with each table.
    addresses: NodesByAddress,
    /// Something is to be remembered that is not yet written.
    news: bool,
    /// Claims in the log.
    claims: LogThrottle,
    /// When it is to be written down again who was heard last, in milliseconds.
    due: u64,
}

/// What the sender of a beat has shown before it is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderProof<'a> {
    /// A token of the cluster.
    Token,
    /// The node's own.
    NodeToken,
    /// A certificate for a node of the cluster.
    Certificate,
    /// Nothing but an address that may speak; nodes at unknown addresses join this cluster.
    Address(Option<&'a str>),
}

impl SenderProof<'_> {
    fn word(self) -> &'static str {
        match self {
            Self::Token | Self::NodeToken => "token",
            Self::Certificate => "certificate",
            Self::Address(_) => "address",
        }
    }
}

/// What became of a beat.
pub enum HeartbeatResult {
    /// It was taken.
    Taken {
        /// The node's cluster.
        cluster: Arc<Cluster>,
        /// The node.
        node: Arc<Node>,
    },
    /// The node is new, or has moved: this lets it in, and then it is to be heard again.
    Joins(Op),
    /// The node was accepted at another address than it is announced at: this claim may be lodged.
    Claims {
        /// The node's cluster.
        cluster: Arc<Cluster>,
        /// The node.
        node: Arc<Node>,
        /// Where it is said to be.
        claim: Claim,
    },
    /// It changes nothing.
    Refused(BeatRefusal),
}

/// Why a beat changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeatRefusal {
    /// There is no such cluster, or nobody is at this address.
    Unknown(String),
    /// It was heard before, or has been overtaken.
    Replayed,
    /// Its sender does not speak for this node.
    Denied(String),
    /// It cannot be where it says.
    Misplaced(String),
    /// It cannot be as it says.
    Wrong(String),
    /// So many nodes join at one time that it has to wait for its turn.
    Busy,
}

impl Members {
    /// Hears a beat whose sender has been admitted.
    pub fn apply(
        &mut self,
        heard: &HeartbeatMessage,
        from: IpAddr,
        proof: SenderProof<'_>,
        table: &Table,
        now: Now,
    ) -> HeartbeatResult {
        match &heard.speaker {
            Sender::Named { cluster: name, node, url } => {
                let Some(cluster) = table.clusters.iter().find(|cluster| *cluster.name == **name) else {
                    let known: Vec<&str> = table.clusters.iter().map(|cluster| &*cluster.name).collect();
                    return HeartbeatResult::Refused(BeatRefusal::Unknown(format!(
                        "no cluster \"{name}\"; there is {}",
                        known.join(", ")
                    )));
                };
                match cluster.named(node) {
                    Some(known) if proof == SenderProof::Token && known.live.report.has_own_token() => {
                        HeartbeatResult::Refused(BeatRefusal::Denied(format!(
                            "{name}/{node} has spoken with a token of its own: the cluster's does not speak for it any more"
                        )))
                    }
                    Some(known) => {
                        self.news |= proof == SenderProof::NodeToken && known.live.report.shows_own_token();
                        // the name is the node, wherever it is; one of the conf file is where the file says
                        match known.spec.joined && !known.spec.url.is_same_place(url) {
                            true if known.live.report.is_replay(heard.beat.run.as_ref()) => {
                                HeartbeatResult::Refused(BeatRefusal::Replayed)
                            }
                            true => elsewhere(cluster, known, url.to_string(), from, proof),
                            false => {
                                let hearing = self.take(cluster, known, &heard.beat, now);
                                self.news |= matches!(hearing, HeartbeatResult::Taken { .. })
                                    && known.live.report.claims.withdraw();
                                hearing
                            }
                        }
                    }
                    None => stranger_joins(cluster, node, url.to_string(), from, proof),
                }
            }
            Sender::Address { ip, port } => {
                let stranger = if let SenderProof::Address(stranger) = proof { stranger } else { None };
                let at = (ip.to_canonical(), *port);
                let mut there = self.addresses.find(at, table, now.ms());
                if there.is_empty() && stranger.is_none() {
                    // A node may tell the port of a connector that we do not use. Where nobody can join, the
                    // only one there is meant.
                    there = self.addresses.find((at.0, None), table, now.ms());
                }
                let heard = there
                    .iter()
                    .map(|(cluster, node)| self.take(cluster, node, &heard.beat, now))
                    .reduce(|first, _| first);
                heard.unwrap_or_else(|| self.unknown_address(at, from, stranger, table))
            }
        }
    }

    /// Takes the beat of a node that is known.
    pub fn take(
        &mut self,
        cluster: &Arc<Cluster>,
        node: &Arc<Node>,
        beat: &Heartbeat,
        now: Now,
    ) -> HeartbeatResult {
        if let Some(Err(why)) = beat.roles.map(|roles| node.spec.roles.and(roles)) {
            return HeartbeatResult::Refused(BeatRefusal::Wrong(format!(
                "with the roles that the conf file gives {}, {why}",
                node.spec.name
            )));
        }
        let novelty = node.live.report.judge(beat.run.as_ref());
        if novelty == Novelty::Replayed {
            return HeartbeatResult::Refused(BeatRefusal::Replayed);
        }
        self.news |= novelty == Novelty::Rebooted;
        let live = &node.live;
        let patience = beat.interval.unwrap_or(INTERVAL).saturating_mul(3).max(PATIENCE);
        let was_silent = live.report.is_silent();
        let ours = live.sessions.load(std::sync::atomic::Ordering::Relaxed);
        self.news |=
            live.report.apply(beat, ours, u32::try_from(patience.as_millis()).unwrap_or(u32::MAX), now);
        if novelty == Novelty::Rebooted {
            live.fill.restart(ours);
        }
        cluster.roster.apply(node, beat, ours, now);
        if let Some(run) = &beat.run {
            // what pins and cells have in place of none is no run's
            let boot = (hash64(run.boot.as_bytes()) as u32).clamp(1, u32::MAX - 1);
            self.news |= live.report.boot() != Some(boot);
            live.report.set_boot(boot, novelty == Novelty::Rebooted, now);
        }
        if novelty == Novelty::Rebooted {
            info!(
                "cluster {} node {} has restarted: sessions from before are placed anew",
                cluster.name, node.spec.name
            );
        }
        if was_silent {
            info!("cluster {} node {} announces itself again", cluster.name, node.spec.name);
        }
        live.limit.set(node.max_requests());
        cluster.live.learn(live.slot, now);
        HeartbeatResult::Taken { cluster: cluster.clone(), node: node.clone() }
    }

    /// Lodges a claim. Whoever speaks from there may be another: nothing else of what he says is taken.
    pub fn record_claim(&mut self, cluster: &Cluster, node: &Node, claim: Claim) {
        let Claim { url, from } = &claim;
        let said = format!(
            "{url} too, says {from}, which waits to be accepted: homing accept {}/{}",
            cluster.name, node.spec.name
        );
        self.news = true;
        if node.live.report.claims.record(claim)
            && let Some(more) = self.claims.rest("came")
        {
            warn!(
                "cluster {} node {} serves on at {} and is at {said}{more}",
                cluster.name, node.spec.name, node.spec.url
            );
        }
    }

    /// Nothing is to be known of some nodes any more, or when the silent ones last spoke is to be.
    pub fn remember(&mut self) {
        self.news = true;
    }

    /// What is to be remembered, if there is something new.
    pub fn news(&mut self, table: &Table, now: Now) -> Option<ReportStore> {
        std::mem::take(&mut self.news).then(|| ReportStore::of(table, now))
    }

    fn unknown_address(
        &self,
        (ip, port): (IpAddr, Option<u16>),
        from: IpAddr,
        stranger: Option<&str>,
        table: &Table,
    ) -> HeartbeatResult {
        let place =
            port.map_or_else(|| ip.to_string(), |port| std::net::SocketAddr::new(ip, port).to_string());
        let cluster = stranger.and_then(|name| table.clusters.iter().find(|cluster| *cluster.name == *name));
        match (cluster, port) {
            (Some(cluster), Some(port)) => {
                let scheme =
                    cluster.conf.join.as_ref().and_then(|join| join.scheme.as_deref()).unwrap_or("http");
                let name = format!("{ip}-{port}").replace(':', ".");
                stranger_joins(
                    cluster,
                    &name,
                    format!("{scheme}://{place}"),
                    from,
                    SenderProof::Address(stranger),
                )
            }
            (Some(_), None) => HeartbeatResult::Refused(BeatRefusal::Wrong(format!(
                "{place} does not say its port, so it cannot join"
            ))),
            (None, _) => HeartbeatResult::Refused(BeatRefusal::Unknown(format!("no node is at {place}"))),
        }
    }

    /// What the passing of time changes: nodes that fell silent, and which version is the newest that is
    /// ready.
    pub fn tick(&mut self, table: &Table, now: Now) {
        if now.ms() >= self.due {
            let mut nodes = table.clusters.iter().flat_map(|cluster| cluster.nodes());
            self.news |= self.due > 0 && nodes.any(|node| may_be_forgotten(node));
            self.due = now.ms() + millis(WRITTEN_EVERY);
        }
        for cluster in &table.clusters {
            for node in cluster.nodes().filter(|node| node.live.report.notice_silence(now)) {
                warn!(
                    "cluster {} node {} is silent: its load is forgotten, checks decide",
                    cluster.name, node.spec.name
                );
                node.live.fill.forget();
                cluster.live.rescore(node.live.slot, now);
            }
            compare_versions(cluster, now);
        }
    }
}

/// A node that nobody has heard of: how it is let in, if at all.
fn stranger_joins(
    cluster: &Cluster,
    node: &str,
    url: String,
    from: IpAddr,
    proof: SenderProof<'_>,
) -> HeartbeatResult {
    if let Some(other) = cluster.nodes().find(|other| *other.spec.route == *node) {
        let why = format!(
            "the name {node} is the route of node {}: sessions of the two could not be told apart",
            other.spec.name
        );
        return HeartbeatResult::Refused(BeatRefusal::Wrong(why));
    }
    let admitted = admitted(cluster, from, proof);
    joins(cluster, node, NodeChange::Join(JoinRequest { url, from, admitted }), proof.word())
}

/// A node that joined is announced at another address. One that was accepted is where it was until somebody
/// lets it in there: a beat by mistake, or of another who knows the token, must not take its sessions from
/// it.
fn elsewhere(
    cluster: &Arc<Cluster>,
    node: &Arc<Node>,
    url: String,
    from: IpAddr,
    proof: SenderProof<'_>,
) -> HeartbeatResult {
    let admitted = admitted(cluster, from, proof);
    if admitted.is_some() || node.spec.admin == AdminState::Pending {
        return joins(
            cluster,
            &node.spec.name,
            NodeChange::Relocate(JoinRequest { url, from, admitted }),
            "node",
        );
    }
    let (claim, cluster, node) = (Claim { url, from }, cluster.clone(), node.clone());
    match node.live.report.claims.is_standing(&claim) {
        true => HeartbeatResult::Taken { cluster, node },
        false => HeartbeatResult::Claims { cluster, node, claim },
    }
}

/// What lets a node in that comes by itself, or is elsewhere now; none where somebody is to be asked.
fn admitted(cluster: &Cluster, from: IpAddr, proof: SenderProof<'_>) -> Option<String> {
    let words = cluster.conf.join.iter().flat_map(|join| join.admit.as_slice());
    words.into_iter().find_map(|word| match word.as_str() {
        "ask" => None,
        "token" => (!matches!(proof, SenderProof::Address(_))).then(|| proof.word().to_owned()),
        network => network
            .parse::<crate::base::units::Network>()
            .ok()
            .filter(|network| network.contains(from))
            .map(|_| format!("network {network}")),
    })
}

fn joins(cluster: &Cluster, node: &str, change: NodeChange, by: &str) -> HeartbeatResult {
    HeartbeatResult::Joins(Op::of_node(&cluster.name, node, change, by))
}

/// While a newer version is ready, the older ones keep their sessions and take no new ones: a rolling deploy
/// logs nobody out.
fn compare_versions(cluster: &Cluster, now: Now) {
    // as if no version were behind
    let ready = |node: &Node| match node.state(now) {
        State::Ready => true,
        State::Syncing => node.live.report.announced() == Announced::Ready,
        _ => false,
    };
    let newest = cluster.nodes().filter(|node| ready(node)).filter_map(|node| node.live.report.version());
    let newest = newest.max_by(|a, b| version::compare(a, b));
    for node in cluster.nodes() {
        let own = node.live.report.version();
        let behind = match (&own, &newest) {
            (Some(own), Some(newest)) => version::compare(own, newest) == Ordering::Less,
            _ => false,
        };
        if node.live.report.set_outdated(behind) != behind && node.spec.admin == AdminState::Enabled {
            let (name, own) = (&node.spec.name, own.unwrap_or_default());
            match behind {
                true => info!(
                    "cluster {} node {name} serves version {own}: a newer one is ready, it keeps its sessions",
                    cluster.name
                ),
                false => info!("cluster {} node {name} takes new sessions again", cluster.name),
            }
            cluster.live.rescore(node.live.slot, now);
        }
    }
}
