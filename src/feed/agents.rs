//! Agents in HAProxy's agent-check: one task for each node that has one, asked again and again. What an agent
//! says is a beat; an agent that does not answer changes nothing, but after a while the load that it told of
//! is forgotten.

use super::heartbeat_sink::{Dialect, HeartbeatOutcome, HeartbeatSink};
use super::tasks::{Task, Tasks};
use crate::base::{clock, units};
use crate::config::model::{AdminState, Agent};
use crate::heartbeat::Heartbeat;
use crate::heartbeat::agent::{self, AgentReply, LONGEST};
use crate::table::{Cluster, Link, Node, NodeLive, Table};
use crate::upstream::addresses::Addresses;
use crate::upstream::dial::{self, NoConnection};
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tracing::{info, warn};

/// Agents that are asked at one time.
const AT_ONCE: usize = 256;
/// The shortest pause before an agent is asked again, however long its answer took.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

type AgentKey = (Arc<str>, Arc<str>);

/// The agents that are asked, by cluster and node name.
pub struct Agents {
    tasks: Tasks<AgentKey, Rc<AskedNode>>,
    shared: Rc<AgentsShared>,
}

struct AgentsShared {
    beats: Rc<HeartbeatSink>,
    places: Semaphore,
}

/// The node whose agent it is, and how it is asked.
struct AskedNode {
    cluster: Arc<str>,
    node: Arc<str>,
    live: Arc<NodeLive>,
    link: Arc<Link>,
    conf: Agent,
    /// Where an agent on a host of its own is, and which of its addresses works.
    elsewhere: RefCell<Addresses>,
}

/// Why an agent said nothing.
#[derive(Debug)]
enum AgentError {
    /// Its host's name has no address.
    Name(io::Error),
    /// It is not connected to.
    Connection(NoConnection),
    /// It breaks off.
    Read(io::Error),
    /// It ends before its line does.
    CutShort,
    /// Its line does not end.
    TooLong,
    /// It takes longer than this.
    Late(units::Duration),
}

impl fmt::Display for AgentError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) | Self::Read(error) => error.fmt(out),
            Self::Connection(why) => why.fmt(out),
            Self::CutShort => out.write_str("it ends without the end of a line"),
            Self::TooLong => write!(out, "its line is longer than {LONGEST} bytes"),
            Self::Late(limit) => write!(out, "no answer within {limit}"),
        }
    }
}

impl Error for AgentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Name(error) | Self::Read(error) => Some(error),
            Self::Connection(why) => Some(why),
            Self::CutShort | Self::TooLong | Self::Late(_) => None,
        }
    }
}

impl Agents {
    /// None yet.
    pub fn new(beats: Rc<HeartbeatSink>) -> Self {
        Self {
            tasks: Tasks::default(),
            shared: Rc::new(AgentsShared { beats, places: Semaphore::new(AT_ONCE) }),
        }
    }

    /// Makes the agents that are asked those of the table: an unchanged one keeps its task. To be called in a
    /// `LocalSet`, after each new table.
    pub fn reconcile(&mut self, table: &Table) {
        let nodes =
            table.clusters.iter().flat_map(|cluster| cluster.nodes().map(move |node| (cluster, node)));
        // a stranger does not make us connect to where it says
        let known = nodes.filter(|(_, node)| node.spec.admin != AdminState::Pending);
        let wanted = known.filter_map(|(cluster, node)| {
            let conf = cluster.conf.agent_of(&node.spec.name)?;
            Some(((cluster.name.clone(), node.spec.name.clone()), (cluster, node, conf)))
        });
        let gone = self.tasks.reconcile(
            wanted,
            |subject, (_, node, conf)| subject.is_current(node, conf),
            |(cluster, node, conf), _| begin(&self.shared, cluster, node, conf),
        );
        for subject in gone {
            let cluster = table.clusters.iter().find(|cluster| cluster.name == subject.cluster);
            let node = cluster.and_then(|cluster| Some((cluster, cluster.named(&subject.node)?)));
            if let Some((cluster, node)) = node.filter(|(_, node)| Arc::ptr_eq(&subject.live, &node.live)) {
                self.shared.beats.forget(cluster, node);
            }
        }
    }
}

fn begin(
    shared: &Rc<AgentsShared>,
    cluster: &Cluster,
    node: &Node,
    conf: &Agent,
) -> (Rc<AskedNode>, Option<Task>) {
    let subject = Rc::new(AskedNode {
        cluster: cluster.name.clone(),
        node: node.spec.name.clone(),
        live: node.live.clone(),
        link: node.link.clone(),
        conf: conf.clone(),
        elsewhere: RefCell::default(),
    });
    let (of, shared) = (subject.clone(), shared.clone());
    let task = Task::spawn("the asking of an agent", move || follow(of.clone(), shared.clone()));
    (subject, Some(task))
}

impl AskedNode {
    fn is_current(&self, node: &Node, conf: &Agent) -> bool {
        Arc::ptr_eq(&self.live, &node.live) && self.link.id == node.link.id && self.conf == *conf
    }

    async fn connect(&self) -> Result<TcpStream, AgentError> {
        let (port, limit) = (self.conf.port, self.conf.timeout.get());
        let Some(host) = &self.conf.address else {
            return dial::dial_beside(&self.link, port, limit).await.map_err(AgentError::Connection);
        };
        let found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(AgentError::Name)?;
        let found = Addresses::after(found, &self.elsewhere.take());
        let opened = dial::dial_any(&found, limit).await;
        self.elsewhere.replace(found);
        opened.map_err(AgentError::Connection)
    }

    /// What the agent says, or why it said nothing.
    async fn ask(&self) -> Result<Heartbeat, AgentError> {
        let mut stream = self.connect().await?;
        if !self.conf.send.is_empty() {
            // one that says its line unasked and closes has said it all the same
            let _ = stream.write_all(self.conf.send.as_bytes()).await;
        }
        let mut line = Vec::with_capacity(64);
        let mut part = [0; 256];
        loop {
            let length = stream.read(&mut part).await.map_err(AgentError::Read)?;
            line.extend_from_slice(&part[..length]);
            match agent::read(&line) {
                AgentReply::Said(beat) => return Ok(*beat),
                AgentReply::TooLong => return Err(AgentError::TooLong),
                AgentReply::Incomplete if length == 0 => return Err(AgentError::CutShort),
                AgentReply::Incomplete => {}
            }
        }
    }
}

async fn follow(subject: Rc<AskedNode>, shared: Rc<AgentsShared>) {
    let mut last = None;
    loop {
        let interval = subject.conf.interval.get().mul_f64(rand::random_range(0.9..1.1));
        let (said, took) = {
            let _place = shared.places.acquire().await;
            let (from, limit) = (clock::monotonic_ms(), subject.conf.timeout);
            let said = tokio::time::timeout(limit.get(), subject.ask()).await;
            let said = said.unwrap_or(Err(AgentError::Late(limit)));
            (said, clock::monotonic_ms().saturating_sub(from))
        };
        let told = said
            .as_ref()
            .map(|beat| (beat.health, beat.state, beat.note.clone()))
            .map_err(ToString::to_string);
        apply(&subject, &shared, said, last.as_ref() != Some(&told));
        last = Some(told);
        tokio::time::sleep(interval.saturating_sub(Duration::from_millis(took)).max(SHORTEST_PAUSE)).await;
    }
}

/// Hears what an agent said. `news`: it is not what it said the last time.
fn apply(subject: &AskedNode, shared: &AgentsShared, said: Result<Heartbeat, AgentError>, news: bool) {
    let AskedNode { cluster, node, conf, .. } = subject;
    let beats = &shared.beats;
    match said {
        Ok(beat) => {
            let beat = Heartbeat { interval: Some(conf.interval.get()), ..beat };
            // a kept task outlives tables: the node is the one of the present table
            let table = beats.table();
            let found =
                table.clusters.iter().find(|c| c.name == *cluster).and_then(|c| Some((c, c.named(node)?)));
            let Some((of, known)) = found else { return };
            let heard = beats.apply_to(of, known, &beat);
            beats.counts.note(Dialect::Agent, HeartbeatOutcome::from(&heard));
            if news && (beat.health.is_some() || beat.state.is_some() || beat.note.is_some()) {
                info!("cluster {cluster} node {node} agent says {}", in_words(&beat));
            }
        }
        Err(why) => {
            beats.counts.note(Dialect::Agent, HeartbeatOutcome::Unanswered);
            if news {
                warn!("cluster {cluster} node {node} agent does not answer: {why}; nothing changes");
            }
        }
    }
}

fn in_words(beat: &Heartbeat) -> String {
    let state = beat.state.map(|state| state.word().to_owned());
    [state, beat.note.clone()].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
