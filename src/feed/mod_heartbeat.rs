//! Where Apache's mod_heartbeat and Tomcat's HeartbeatListener are heard: one address for datagrams and for POSTs, and multicast
//! groups beside it. Neither knows a secret, so that only senders in the networks of the conf are heard.

mod post;

use super::beats::{Beats, Dialect, HeardNode, Outcome};
use crate::base::seldom::Seldom;
use crate::base::tasks::kept;
use crate::config::model::{self, Config};
use crate::control::members::{self, Proof};
use crate::heartbeat::Heard;
use crate::heartbeat::datagram::{self, LONGEST, Refusal};
use crate::listen::{BoundListener, ListenerPlan, ListenerSet, SocketOptions, WantedAddress};
use crate::upstream::home::{Door, Kind};
use std::cell::RefCell;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tracing::{debug, warn};

/// Its key in the conf.
const KEY: &str = "server.mod-heartbeat";
/// New connections that may wait in the kernel's queue.
const BACKLOG: i32 = 128;
/// Datagrams that are read before others on the thread have their turn.
const AT_ONCE: usize = 64;

/// The address, while there is one.
pub struct ModHeartbeat {
    ear: Rc<Ear>,
    set: ListenerSet<JoinSet<()>>,
}

/// What a conf asks for, made ready.
pub struct Plan {
    conf: Option<model::ModHeartbeat>,
    listener: ListenerPlan,
}

impl ModHeartbeat {
    /// Nothing is open yet.
    pub fn new(beats: Rc<Beats>, folder: &Path) -> Self {
        // shared: with the sockets that these replace at a reload
        let options = SocketOptions { shared_by: Some(1), backlog: BACKLOG, mode: None };
        let ear = Ear { beats, conf: RefCell::default(), lines: Seldom::default() };
        Self { ear: Rc::new(ear), set: ListenerSet::new("", options, &[], folder) }
    }

    /// Binds the address and joins the groups, if they are not open already. A failure changes nothing.
    pub fn prepare(&self, config: &Config) -> Result<Plan, String> {
        let mut listener = ListenerPlan::default();
        let conf = config.server.mod_heartbeat.clone();
        if let Some(conf) = &conf {
            let address = conf.bind.parse().map_err(|e| format!("{KEY}: {e}"))?;
            let groups: Result<Vec<IpAddr>, String> =
                conf.groups.iter().map(|group| group.parse().map_err(|e| format!("{KEY}: group {group}: {e}"))).collect();
            self.set.prepare(&mut listener, KEY, vec![WantedAddress::with_datagrams(address, groups?)], None)?;
        }
        Ok(Plan { conf, listener })
    }

    /// Where it will be once the plan is committed.
    pub fn homes(&self, plan: &Plan) -> Vec<Door> {
        self.set.addresses(&plan.listener).into_iter().map(|place| Door { place, kind: Kind::Control(KEY) }).collect()
    }

    /// Opens what was bound and closes what is not wanted any more. Returns what was opened. To be called in a `LocalSet`.
    pub fn commit(&mut self, plan: Plan) -> Option<String> {
        if let Some(conf) = plan.conf {
            self.ear.conf.replace(Rc::new(conf));
        }
        let ear = &self.ear;
        self.set.commit(plan.listener, |_, bound, _| open(bound, ear)).into_iter().next()
    }
}

fn open(bound: BoundListener, ear: &Rc<Ear>) -> std::io::Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    for socket in bound.streams {
        let (tcp, heard) = (Rc::new(socket.into_tokio()?), ear.clone());
        tasks.spawn_local(kept(KEY, move || post::accept(tcp.clone(), heard.clone())));
    }
    for socket in bound.datagrams {
        let (udp, heard) = (Rc::new(UdpSocket::from_std(socket)?), ear.clone());
        tasks.spawn_local(kept(KEY, move || listen(udp.clone(), heard.clone())));
    }
    Ok(tasks)
}

async fn listen(socket: Rc<UdpSocket>, ear: Rc<Ear>) {
    // one byte more than a message may have, so that a longer one is told from the longest
    let mut buffer = [0; LONGEST + 1];
    for n in 1usize.. {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => {
                let from = from.ip().to_canonical();
                if ear.admits(from) {
                    // whoever sends a datagram is told nothing, the log and the counters are
                    ear.hear(datagram::read_udp(&buffer[..length], from), from).await.ok();
                }
            }
            Err(error) => {
                debug!("{KEY}: {error}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        if n.is_multiple_of(AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
}

/// Why an admitted sender was not heard.
enum Deaf {
    /// It says nothing that could be understood.
    Malformed(Refusal),
    /// It changes nothing.
    Refused(members::Refusal),
}

impl std::fmt::Display for Deaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(refusal) => refusal.fmt(f),
            Self::Refused(
                members::Refusal::Unknown(why)
                | members::Refusal::Wrong(why)
                | members::Refusal::Misplaced(why)
                | members::Refusal::Denied(why),
            ) => f.write_str(why),
            Self::Refused(members::Refusal::Replayed) => f.write_str("it was heard before"),
            Self::Refused(members::Refusal::Busy) => f.write_str("too many nodes join at once"),
        }
    }
}

/// Who is heard, and where that goes.
struct Ear {
    beats: Rc<Beats>,
    conf: RefCell<Rc<model::ModHeartbeat>>,
    lines: Seldom,
}

impl Ear {
    /// Whether a sender may speak at all; to be asked before anything of it is read.
    fn admits(&self, from: IpAddr) -> bool {
        let admitted = self.conf.borrow().from.iter().any(|network| network.contains(from));
        if !admitted {
            self.refuse(from, Outcome::Denied, &"the address is in no network of server.mod-heartbeat.from");
        }
        admitted
    }

    /// Hears what a sender said that was admitted.
    async fn hear(&self, said: Result<Heard, Refusal>, from: IpAddr) -> Result<HeardNode, Deaf> {
        let conf = self.conf.borrow().clone();
        let heard = match said {
            Ok(mut heard) => {
                heard.beat.interval = Some(conf.interval.get());
                self.beats.hear(&heard, from, Proof::Address(conf.cluster.as_deref())).await.map_err(Deaf::Refused)
            }
            Err(refusal) => Err(Deaf::Malformed(refusal)),
        };
        match &heard {
            Ok(_) => self.beats.counts.note(Dialect::ModHeartbeat, Outcome::Taken),
            // mod_advertise shares the group and port: that is as it should be
            Err(Deaf::Malformed(Refusal::Advertisement)) => {}
            Err(deaf @ Deaf::Malformed(_)) => self.refuse(from, Outcome::Malformed, deaf),
            Err(deaf @ Deaf::Refused(refusal)) => self.refuse(from, refusal.into(), deaf),
        }
        heard
    }

    fn refuse(&self, from: IpAddr, outcome: Outcome, why: &dyn std::fmt::Display) {
        self.beats.counts.note(Dialect::ModHeartbeat, outcome);
        if let Some(more) = self.lines.now() {
            let more = if more > 0 { format!("; {more} more were refused since the last such line") } else { String::new() };
            warn!("a heartbeat from {from} changes nothing: {why}{more}");
        }
    }
}
