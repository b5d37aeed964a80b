//! Where Apache's mod_heartbeat and Tomcat's HeartbeatListener are heard: one address for datagrams and for POSTs, and multicast
//! groups beside it. Neither knows a secret, so that only senders in the networks of the conf are heard.

mod post;
mod sockets;

use super::beats::{Beats, Dialect, Known, Outcome};
use crate::base::seldom::Seldom;
use crate::base::tasks::kept;
use crate::config::model::{self, Config};
use crate::control::members::{self, Proof};
use crate::heartbeat::Heard;
use crate::heartbeat::datagram::{self, LONGEST, Refusal};
use crate::upstream::home::{Door, Kind, Place};
use sockets::Sockets;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tracing::{debug, warn};

/// Datagrams that are read before others on the thread have their turn.
const AT_ONCE: usize = 64;

/// The open address, if there is one.
pub struct ModHeartbeat {
    beats: Rc<Beats>,
    open: Option<Open>,
}

struct Open {
    ear: Rc<Ear>,
    place: Place,
    _tasks: JoinSet<()>,
}

/// What a conf asks for, made ready.
pub struct Plan(Option<Wanted>);

struct Wanted {
    conf: model::ModHeartbeat,
    /// None when they are open already.
    sockets: Option<Sockets>,
}

impl ModHeartbeat {
    /// Nothing is open yet.
    pub fn new(beats: Rc<Beats>) -> Self {
        Self { beats, open: None }
    }

    /// Binds the address and joins the groups, if they are not open already. A failure changes nothing.
    pub fn prepare(&self, config: &Config) -> Result<Plan, String> {
        let Some(conf) = config.server.mod_heartbeat.clone() else { return Ok(Plan(None)) };
        let is_open = self.open.as_ref().is_some_and(|open| {
            let now = open.ear.conf.borrow();
            now.bind == conf.bind && now.groups == conf.groups
        });
        let sockets = match is_open {
            true => None,
            false => Some(Sockets::open(&conf).map_err(|e| format!("server.mod-heartbeat: {e}"))?),
        };
        Ok(Plan(Some(Wanted { conf, sockets })))
    }

    /// Where it will be once the plan is applied.
    pub fn home(&self, plan: &Plan) -> Option<Door> {
        let place = match &plan.0.as_ref()?.sockets {
            Some(sockets) => sockets.tcp.address().into(),
            None => self.open.as_ref()?.place.clone(),
        };
        Some(Door { place, kind: Kind::Control("server.mod-heartbeat") })
    }

    /// Opens what was bound and closes what is not wanted any more. Returns what was opened. To be called in a `LocalSet`.
    pub fn apply(&mut self, plan: Plan) -> Option<String> {
        let Some(Wanted { conf, sockets }) = plan.0 else {
            self.open = None;
            return None;
        };
        let Some(sockets) = sockets else {
            if let Some(open) = &self.open {
                open.ear.conf.replace(Rc::new(conf));
            }
            return None;
        };
        let (opened, place) = (sockets.to_string(), sockets.tcp.address().into());
        let ear = Rc::new(Ear { beats: self.beats.clone(), conf: RefCell::new(Rc::new(conf)), lines: Seldom::default() });
        match open(sockets, &ear) {
            Ok(tasks) => self.open = Some(Open { ear, place, _tasks: tasks }),
            Err(error) => tracing::error!("server.mod-heartbeat: {error}"),
        }
        Some(opened)
    }
}

fn open(sockets: Sockets, ear: &Rc<Ear>) -> std::io::Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    let (tcp, heard) = (Rc::new(sockets.tcp.into_tokio()?), ear.clone());
    tasks.spawn_local(kept("server.mod-heartbeat", move || post::accept(tcp.clone(), heard.clone())));
    for socket in sockets.udp {
        let (udp, heard) = (Rc::new(UdpSocket::from_std(socket)?), ear.clone());
        tasks.spawn_local(kept("server.mod-heartbeat", move || listen(udp.clone(), heard.clone())));
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
                debug!("server.mod-heartbeat: {error}");
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
    async fn hear(&self, said: Result<Heard, Refusal>, from: IpAddr) -> Result<Known, Deaf> {
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
