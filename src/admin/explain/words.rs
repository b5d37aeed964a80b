//! Why, in a sentence that a person reads.

use crate::affinity::{Lost, PinFinding, Via};
use crate::base::clock::{self, Now};
use crate::base::units::span;
use crate::table::decide::{Refusal, Why};
use crate::table::{Cluster, State};
use crate::telemetry::recent::{Manner, RecentDecision};

/// Whether it was or might be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tense {
    /// It was.
    Past,
    /// It might be.
    Present,
}

/// Why a request went where it went.
pub fn because(cluster: Option<&Cluster>, decided: &RecentDecision, tense: Tense) -> String {
    let Some(cluster) = cluster else { return without_cluster(decided, tense) };
    let source = cluster.affinity.source(&decided.gist).unwrap_or_else(|| "it".into());
    let was = decided.was.and_then(|(slot, _)| name_of(cluster, slot)).unwrap_or_else(|| "a node".into());
    let is = if tense == Tense::Past { "was" } else { "is" };
    let balance = cluster.conf.balance.word();
    if let Some(refusal) = decided.refused {
        return match refusal {
            Refusal::Disabled => format!("{} {is} disabled", cluster.name),
            Refusal::Strict => {
                format!("{source} pins it to a node that {is} not there, and failover is \"strict\"")
            }
            Refusal::Full => format!("every node of {} {is} full", cluster.name),
            Refusal::NoNode => format!("no node of {} {is} there for it", cluster.name),
        };
    }
    if decided.node.is_none() {
        return format!("it ended with {} before a node was chosen", decided.status);
    }
    match decided.why {
        Why::New => {
            let said = match decided.gist.heard {
                PinFinding::Pin(_) => format!(
                    "{source} pins it to a node that is being drained and did not know its session any more"
                ),
                PinFinding::Identity(_) => format!("{source} is not known yet"),
                PinFinding::Lost(Lost::Ended) => "an operator has ended its session".into(),
                _ => format!("it shows no {source}"),
            };
            match decided.manner {
                Manner::Balanced => format!("{said}: a new session, placed by {balance}"),
                Manner::TookPlace => format!(
                    "{said}: a new session, placed by {balance}, in the place of one whose client never came back"
                ),
                Manner::Together => {
                    format!(
                        "{said}, and goes with another first request of its client on the same connection"
                    )
                }
            }
        }
        Why::Cookie | Why::Route | Why::Learned => {
            format!("{source} pins it{}{}", age(decided), against(cluster, decided, tense))
        }
        Why::Key if decided.gist.heard == PinFinding::Identity(Via::Key) => {
            format!("{source} is remembered there{}", against(cluster, decided, tense))
        }
        Why::Key => format!("{source} falls there{}", against(cluster, decided, tense)),
        Why::Forced => "an operator's bypass named it".into(),
        Why::MovedDown => match decided.was.and_then(|(_, state)| state) {
            Some(State::Down) => format!("{source} pins it to {was}, which {is} down"),
            Some(state) if !state.keeps_sessions() => {
                format!("{source} pins it to {was}, which {is} {}", state.word())
            }
            _ => format!("{source} pins it to {was}, which did not answer"),
        },
        Why::MovedDraining => match decided.was.and_then(|(_, state)| state) {
            Some(State::Aside) => format!("{source} pins it to {was}, which only tells clients where to go"),
            Some(State::Draining) => {
                format!("{source} pins it to {was}, which {is} being drained and did not answer")
            }
            state => format!(
                "{source} pins it to {was}, which {is} taken out ({})",
                state.map_or("leaving", State::word)
            ),
        },
        Why::MovedUnknownRoute => unknown_route(cluster, decided, &source, &was, is),
        Why::MovedTampered => format!("{source} was not sealed by this proxy, or was changed since"),
        Why::MovedExpired => format!("{source} is older than max-idle or max-life allows"),
        Why::MovedRebooted => {
            format!("{source} pins it to {was}, which has restarted since and lost the session")
        }
        Why::MovedOperator => format!("an operator moved its session here from {was}"),
        Why::None => format!("{} has no affinity: placed by {balance}", cluster.name),
    }
}

/// Of a pin that names what the cluster does not have.
fn unknown_route(cluster: &Cluster, decided: &RecentDecision, source: &str, was: &str, is: &str) -> String {
    let name = &cluster.name;
    match &decided.unclaimed {
        _ if decided.was.is_some() => format!("{source} pins it to {was}, which {is} not in {name} any more"),
        Some(text) if cluster.affinity.seals() && !decided.gist.is_foreign() => {
            format!("{source} pins it to {text}, which {is} not in {name} any more")
        }
        Some(text) => format!(
            "{source} says \"{text}\", and no node of {name} has that route; those that it has are {}",
            cluster.roster.routes()
        ),
        None => format!("{source} names a node that {is} not in {name}"),
    }
}

fn without_cluster(decided: &RecentDecision, tense: Tense) -> String {
    match (decided.rule, decided.cluster, decided.status) {
        (_, Some(_), _) => "its cluster is not there any more: the conf was changed since".into(),
        (Some(_), None, status) => format!("the rule itself answers it, with {status}"),
        (None, None, 404) => "no rule matches it".into(),
        (None, None, status) if tense == Tense::Present => {
            format!(
                "it is answered {status} before a rule is looked for: it is malformed, or can be understood in two ways"
            )
        }
        (None, None, status) => {
            format!("it ended with {status} before a rule was looked for; the access log has a note")
        }
    }
}

/// Why it may stay on a node that is down now.
fn against(cluster: &Cluster, decided: &RecentDecision, tense: Tense) -> String {
    let node = decided.node.and_then(|slot| cluster.node(slot)).filter(|_| tense == Tense::Present);
    node.and_then(|node| cluster.kept(node, Now::look()))
        .map_or_else(String::new, |kept| format!("; that one is down, but {kept}"))
}

fn age(decided: &RecentDecision) -> String {
    let ago = |began: u64| span((decided.at / 1000).max(clock::unix_secs()).saturating_sub(began));
    decided.gist.began().map_or_else(String::new, |began| format!(" (its session began {} ago)", ago(began)))
}

/// The name of the node that has, or had, a slot.
pub fn name_of(cluster: &Cluster, slot: u32) -> Option<String> {
    cluster.roster.lives.get(slot as usize).map(|live| live.name.to_string())
}
