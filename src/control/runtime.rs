//! What was decided at run time, on top of the conf file: by a person (drain, weight, limits) or by a node that joined.
//!
//! Each decision remembers what the file said when it was made. A file that says something else by now was edited later, and
//! the later word wins.

use super::drain::{Drain, Then};
use crate::config::model::{AdminState, Changed, Config, Node, NodeTable};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Nodes with decisions of their own in one cluster, at most: a join token in wrong hands must not fill the memory.
pub const MOST_MEMBERS: usize = 20_000;

/// All decisions, by cluster and node name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Runtime {
    /// By cluster, then by node.
    pub clusters: BTreeMap<String, BTreeMap<String, Member>>,
}

/// What was decided of one node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Member {
    /// It announced itself: the file does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined: Option<Joined>,
    /// What the operator wants of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Set<Wanted>>,
    /// Share of new sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Set<u16>>,
    /// The most live sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<Set<Option<u32>>>,
    /// The most requests at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<Set<Option<u32>>>,
}

/// A node that announced itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Joined {
    /// Where it is, by its last word.
    pub url: String,
    /// Its name as sessions carry it, if it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Who let it in; nobody yet for a node that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<By>,
    /// Unix seconds of its first heartbeat.
    pub at: u64,
    /// Who said that address; not known of those that joined before it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
}

/// What the operator wants of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// It serves.
    Enabled,
    /// Its sessions end there, new ones begin elsewhere.
    Draining(Drain),
    /// It serves nobody.
    Maintenance,
    /// It stands alone.
    Removed,
}

/// Who decided something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// In a word or two: "operator", "token", "network 10.0.0.0/8", "node".
    pub who: String,
    /// Unix seconds.
    pub at: u64,
}

/// A value set at run time, over what the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set<T> {
    /// The value.
    pub to: T,
    /// What the file said then.
    pub over: Said<T>,
    /// Who and when.
    pub by: By,
}

/// What the file said of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said<T> {
    /// This.
    Value(T),
    /// Nothing: the node is not in it.
    Nothing,
}

impl Runtime {
    /// What was decided of a node.
    pub fn member(&self, cluster: &str, node: &str) -> Option<&Member> {
        self.clusters.get(cluster)?.get(node)
    }

    /// The entry of a node, made if there is none.
    pub fn member_mut(&mut self, cluster: &str, node: &str) -> &mut Member {
        self.clusters.entry(cluster.to_owned()).or_default().entry(node.to_owned()).or_default()
    }

    /// Drains whose deadline has passed and that are not over yet: cluster and node, with what becomes of who is left.
    pub fn drains_due(&self, now: u64) -> Vec<(String, String, Then)> {
        let members = self.clusters.iter().flat_map(|(cluster, members)| members.iter().map(move |(node, member)| (cluster, node, member)));
        let due = members.filter_map(|(cluster, node, member)| {
            let drain = member.drain().filter(|drain| drain.is_due(now))?;
            Some((cluster.clone(), node.clone(), drain.then))
        });
        due.collect()
    }

    /// The conf with every decision in it. Decisions that a later edit of the file took back, or whose node is gone from it, are
    /// dropped, each with a line that says so. Those of a cluster that the file does not have now are kept for its return.
    pub fn overlay(&mut self, file: &Config) -> (Config, Vec<String>) {
        let (mut config, mut said) = (file.clone(), Vec::new());
        for (name, members) in &mut self.clusters {
            let Some(cluster) = config.cluster.get_mut(name) else { continue };
            let written = file.cluster.get(name).map(|cluster| &cluster.nodes);
            members.retain(|node, member| {
                let in_file = written.and_then(|nodes| nodes.get(node)).map(Node::table);
                let label = format!("{name}/{node}");
                member.settle(in_file.as_ref(), &label, &mut said);
                let base = in_file.or_else(|| member.joined.as_ref().map(Joined::table));
                match base {
                    Some(table) if !member.is_empty() => {
                        cluster.nodes.insert(node.clone(), Node::Table(member.apply(table)));
                    }
                    _ => {}
                }
                !member.is_empty()
            });
        }
        self.clusters.retain(|_, members| !members.is_empty());
        (config, said)
    }
}

impl Member {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Drops what the file, edited later, says otherwise.
    fn settle(&mut self, file: Option<&NodeTable>, label: &str, said: &mut Vec<String>) {
        if file.is_some() && self.joined.take().is_some() {
            said.push(format!("{label} is in the conf file now: what the file says of it stands"));
        }
        let gone = file.is_none() && self.joined.is_none();
        let mut drop = |what: &str, by: &By| {
            let why = if gone { "it is not in the conf file any more" } else { "the conf file was edited since" };
            said.push(format!("{label}: {what} set by {} is dropped: {why}", by.who));
        };
        if let Some(set) = self.wanted.take_if(|set| !set.stands(file.map(|table| Wanted::of(table.state)), gone)) {
            drop("state", &set.by);
        }
        if let Some(set) = self.weight.take_if(|set| !set.stands(file.map(|table| table.weight), gone)) {
            drop("weight", &set.by);
        }
        if let Some(set) = self.max_sessions.take_if(|set| !set.stands(file.map(|table| table.max_sessions), gone)) {
            drop("max-sessions", &set.by);
        }
        if let Some(set) = self.max_requests.take_if(|set| !set.stands(file.map(|table| table.max_requests), gone)) {
            drop("max-requests", &set.by);
        }
    }

    fn apply(&self, mut table: NodeTable) -> NodeTable {
        let drain = self.drain().cloned().unwrap_or_default();
        let Drain { deadline, over, left, .. } = drain;
        let moves = drain.then == Then::Move;
        table.set = self.set_by().map(|by| Box::new(Changed { by: by.who.clone(), at: by.at, deadline, moves, over, left }));
        if let Some(set) = &self.wanted {
            table.state = set.to.state();
        }
        if self.joined.as_ref().is_some_and(|joined| joined.accepted.is_none()) {
            table.state = AdminState::Pending;
        }
        if let Some(set) = &self.weight {
            table.weight = set.to;
        }
        if let Some(set) = &self.max_sessions {
            table.max_sessions = set.to;
        }
        if let Some(set) = &self.max_requests {
            table.max_requests = set.to;
        }
        table
    }

    /// The newest decision: who made it.
    pub fn set_by(&self) -> Option<&By> {
        let accepted = self.joined.as_ref().and_then(|joined| joined.accepted.as_ref());
        let sets = [
            self.wanted.as_ref().map(|set| &set.by),
            self.weight.as_ref().map(|set| &set.by),
            self.max_sessions.as_ref().map(|set| &set.by),
            self.max_requests.as_ref().map(|set| &set.by),
            accepted,
        ];
        sets.into_iter().flatten().max_by_key(|by| by.at)
    }

    /// The drain that is on.
    pub fn drain(&self) -> Option<&Drain> {
        self.wanted.as_ref()?.to.drain()
    }
}

impl<T: PartialEq> Set<T> {
    /// Whether it still holds, when the file says this now, or nothing of the node; `gone`: nobody says anything of the node.
    fn stands(&self, now: Option<T>, gone: bool) -> bool {
        !gone
            && match (&self.over, now) {
                (Said::Value(then), Some(now)) => *then == now,
                // made before the file knew the node: its word is newer
                (Said::Nothing, Some(_)) => false,
                (_, None) => true,
            }
    }
}

impl Wanted {
    /// As the table has it.
    pub fn state(&self) -> AdminState {
        match self {
            Self::Enabled => AdminState::Enabled,
            Self::Draining(drain) if drain.moved() => AdminState::Drained,
            Self::Draining(_) => AdminState::Draining,
            Self::Maintenance => AdminState::Maintenance,
            Self::Removed => AdminState::Removed,
        }
    }

    /// The drain, if it is one.
    pub fn drain(&self) -> Option<&Drain> {
        match self {
            Self::Draining(drain) => Some(drain),
            _ => None,
        }
    }

    /// What a state in the conf file stands for.
    pub fn of(state: AdminState) -> Self {
        match state {
            AdminState::Draining | AdminState::Drained => Self::Draining(Drain::default()),
            AdminState::Maintenance => Self::Maintenance,
            AdminState::Removed => Self::Removed,
            AdminState::Enabled | AdminState::Pending => Self::Enabled,
        }
    }
}

impl Joined {
    fn table(&self) -> NodeTable {
        NodeTable { url: self.url.clone(), route: self.route.clone(), joined: true, from: self.from, ..NodeTable::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(nodes: &str) -> Config {
        let text = format!("[listener.web]\nbind = '127.0.0.1:0'\n[cluster.shop]\n[cluster.shop.nodes]\n{nodes}");
        toml::from_str(&text).unwrap()
    }

    fn by(who: &str) -> By {
        By { who: who.into(), at: 1 }
    }

    fn node(config: &Config, name: &str) -> Option<NodeTable> {
        config.cluster["shop"].nodes.get(name).map(Node::table)
    }

    fn weight(to: u16, over: Said<u16>) -> Member {
        Member { weight: Some(Set { to, over, by: by("operator") }), ..Member::default() }
    }

    fn runtime(node: &str, member: Member) -> Runtime {
        let mut runtime = Runtime::default();
        *runtime.member_mut("shop", node) = member;
        runtime
    }

    #[test]
    fn a_decision_stands_until_the_file_says_something_else() {
        let old = file("n1 = { url = 'http://a:1', weight = 50 }");
        let mut runtime = runtime("n1", weight(7, Said::Value(50)));
        let (config, said) = runtime.overlay(&old);
        assert_eq!((node(&config, "n1").unwrap().weight, said.len()), (7, 0));
        let moved = file("n1 = { url = 'http://b:2', weight = 50 }");
        let (config, said) = runtime.overlay(&moved);
        let n1 = node(&config, "n1").unwrap();
        assert_eq!((n1.weight, n1.url.as_str(), said.len()), (7, "http://b:2", 0), "another key does not matter");
        let (config, said) = runtime.overlay(&file("n1 = { url = 'http://a:1', weight = 60 }"));
        assert_eq!(node(&config, "n1").unwrap().weight, 60);
        assert_eq!(said, ["shop/n1: weight set by operator is dropped: the conf file was edited since"]);
        assert_eq!(runtime, Runtime::default());
    }

    #[test]
    fn a_node_that_joined_waits_until_it_is_accepted_and_the_file_wins_over_it() {
        let joined = Joined { url: "http://c:3".into(), route: Some("r3".into()), accepted: None, at: 1, from: None };
        let mut runtime = runtime("n3", Member { joined: Some(joined), ..Member::default() });
        let old = file("n1 = 'http://a:1'");
        assert_eq!(node(&runtime.overlay(&old).0, "n3").unwrap().state, AdminState::Pending);
        runtime.member_mut("shop", "n3").joined.as_mut().unwrap().accepted = Some(by("operator"));
        let n3 = node(&runtime.overlay(&old).0, "n3").unwrap();
        assert_eq!((n3.state, n3.url.as_str(), n3.route.as_deref()), (AdminState::Enabled, "http://c:3", Some("r3")));
        let (config, said) = runtime.overlay(&file("n1 = 'http://a:1'\nn3 = 'http://d:4'"));
        assert_eq!((node(&config, "n3").unwrap().url.as_str(), said.len()), ("http://d:4", 1));
    }

    #[test]
    fn a_node_gone_from_the_file_takes_its_decisions_along_and_a_cluster_does_not() {
        let mut gone = runtime("n9", weight(7, Said::Value(100)));
        let (config, said) = gone.overlay(&file("n1 = 'http://a:1'"));
        assert_eq!((node(&config, "n9"), said.len(), gone), (None, 1, Runtime::default()));
        let mut elsewhere = Runtime::default();
        *elsewhere.member_mut("bank", "n1") = weight(7, Said::Value(100));
        let before = elsewhere.clone();
        assert_eq!(elsewhere.overlay(&file("n1 = 'http://a:1'")).1.len(), 0);
        assert_eq!(elsewhere, before);
    }

    #[test]
    fn a_drain_moves_who_is_left_only_when_it_was_told_to() {
        for (then, over, state) in [
            (Then::Keep, false, AdminState::Draining),
            (Then::Keep, true, AdminState::Draining),
            (Then::Move, false, AdminState::Draining),
            (Then::Move, true, AdminState::Drained),
        ] {
            let drain = Drain { deadline: Some(1), then, over, left: None };
            assert_eq!(Wanted::Draining(drain).state(), state, "{then:?} {over}");
        }
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let set = Set {
            to: Wanted::Draining(Drain { deadline: Some(9), then: Then::Move, over: true, left: Some(2) }),
            over: Said::Nothing,
            by: by("x"),
        };
        let joined = Joined { url: "http://c:3".into(), route: None, accepted: Some(by("token")), at: 1, from: None };
        let saved = runtime("n1", Member { joined: Some(joined), wanted: Some(set), ..weight(1, Said::Value(2)) });
        let text = serde_json::to_string(&saved).unwrap();
        assert_eq!(serde_json::from_str::<Runtime>(&text).unwrap(), saved);
    }
}
