//! What the product promises, as what has to be true of each decision and at each second, by what is so in
//! the world and not by what the proxy thinks.

use crate::client::Home;
use crate::conf::{CLUSTER, IDLE, Pins, SLOW_START};
use crate::machine::{Machine, Process};
use crate::traffic::Ask;
use crate::world::{Held, World};
use homing::config::model::AdminState;
use homing::heartbeat::Announced;
use homing::table::decide::{Refusal, Verdict, Why};
use homing::table::{Cluster, Health, Node, State};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Seconds after which nothing that was wrong with a node is held against it: checks pass again, an ejection
/// is over.
const CALM: u64 = 26;
/// Seconds after which the checks of a node that is there pass again.
const RISEN: u64 = 6;
/// Seconds that a session counts at most that nobody has seen: a mark of being in use is believed for so
/// long.
pub const BELIEVED: u64 = 60;
/// Seconds in which a node that came up is done with coming up: the first minute among others.
const GROWN: u64 = 63;

fn promise(holds: bool, what: impl FnOnce() -> String) -> Held {
    if holds { Ok(()) } else { Err(what()) }
}

impl World {
    /// Nothing was wrong with it for a while.
    fn is_calm(&self, machine: &Machine) -> bool {
        machine.process == Process::Runs && self.second >= machine.calm_since + CALM
    }

    /// A node of this table that is as it should be.
    fn calm<'c>(&self, cluster: &'c Cluster, name: &str) -> Option<&'c Arc<Node>> {
        let machine = self.machines.get(name)?;
        cluster.named(name).filter(|_| self.is_calm(machine) && machine.says != Announced::Maintenance)
    }

    /// A node that nothing is wrong with any more, and that is held because it changed sides too often.
    fn held<'c>(&self, cluster: &'c Cluster, name: &str) -> Option<&'c Arc<Node>> {
        let machine = self.machines.get(name)?;
        let passes = machine.process == Process::Runs && self.second >= machine.calm_since + RISEN;
        let is_obeyed = |node: &&Arc<Node>| {
            machine.says != Announced::Maintenance && !node.live.evidence.is_ejected(self.now)
        };
        cluster.named(name).filter(|node| passes && self.is_held(node)).filter(is_obeyed)
    }

    /// The node that a client's session is on and can stay on.
    fn keeper<'c>(&self, client: usize, cluster: &'c Cluster) -> Option<&'c Arc<Node>> {
        let home = self.clients[client].home.as_ref().filter(|home| !home.for_want)?;
        let node = self.calm(cluster, &home.node).or_else(|| self.held(cluster, &home.node))?;
        let is_wanted = matches!(node.spec.admin, AdminState::Enabled | AdminState::Draining);
        (is_wanted && !self.has_lost(home) && self.is_known(client, home) && self.conf.pins != Pins::Hashed)
            .then_some(node)
    }

    /// Its node has restarted since.
    fn has_lost(&self, home: &Home) -> bool {
        home.run != self.machines[&home.node].run
    }

    /// Whether nothing but the ledger knows that its session lives: of a sealed pin too, that names the run
    /// before.
    fn stands_in_ledger(&self, client: usize, home: &Home) -> bool {
        let (of, is_told) = (&self.clients[client], self.machines[&home.node].run_known.is_some());
        let pin_is_older =
            self.conf.pins == Pins::Sealed && is_told && (of.pin_run != home.run || !of.pin_told);
        self.conf.pins.stand_in_ledger() || pin_is_older
    }

    /// Whether the ledger has not forgotten it, if that matters.
    fn is_known(&self, client: usize, home: &Home) -> bool {
        !self.stands_in_ledger(client, home) || self.second - home.last < u64::from(IDLE)
    }

    /// It takes somebody new, for all that anybody can tell.
    fn takes_new(&self, cluster: &Cluster, node: &Node) -> bool {
        let machine = &self.machines[&*node.spec.name];
        let is_open = node.spec.admin == AdminState::Enabled
            && node.spec.weight > 0
            && machine.says == Announced::Ready;
        let is_known = node.live.health() == Health::Up;
        let has_room = node.spec.max_sessions.is_none_or(|most| node.live.all_sessions() < most)
            && machine.capacity.is_none();
        is_open && is_known && has_room && self.calm(cluster, &node.spec.name).is_some()
    }

    /// A decision to serve: the session stays where it can, goes nowhere where it must not, and the reason is
    /// true.
    pub fn may_serve(
        &self,
        client: usize,
        epoch: u32,
        cluster: &Cluster,
        verdict: &Verdict,
        tried: &[u32],
        hinted: bool,
    ) -> Held {
        let (name, why) = (&*verdict.node.spec.name, verdict.why);
        let of = &self.clients[client];
        let admin = verdict.node.spec.admin;
        promise(matches!(admin, AdminState::Enabled | AdminState::Draining), || {
            format!("client {client} is served by {name}: {admin:?}")
        })?;
        if of.epoch != epoch {
            return Ok(());
        }
        if let Some(keeper) = self.keeper(client, cluster) {
            let at = &*keeper.spec.name;
            promise(
                at == name && (why.cause().is_none() || of.under_way > 1 || !self.is_current(cluster)),
                || format!("client {client} could stay on {at} and is served by {name}: {}", why.word()),
            )?;
        }
        let follows =
            matches!(why, Why::Cookie | Why::Route | Why::Learned) || why == Why::Key && verdict.honoured;
        if follows {
            let is_there =
                of.home.as_ref().is_some_and(|home| home.node == name) || of.pin.as_deref() == Some(name);
            promise(is_there, || {
                format!(
                    "client {client} follows its pin to {name}: its session is {:?}, its pin {:?}",
                    of.home, of.pin
                )
            })?;
            promise(!self.is_left(cluster, &verdict.node), || {
                format!("client {client} follows its pin to {name}, which is long gone")
            })?;
            self.knows_run(client, verdict)?;
        } else if why != Why::Key || of.home.as_ref().is_none_or(|home| home.node != name) {
            promise(hinted || self.may_place(cluster, &verdict.node), || {
                format!(
                    "client {client} is placed on {name}, which takes nobody new: {}",
                    self.state_of(&verdict.node)
                )
            })?;
        }
        // one that was replaced knows nothing of the nodes that came since
        if let Some(slot) = verdict.was.filter(|_| self.is_current(cluster)) {
            let was = cluster.roster.lives.get(slot as usize).map(|live| live.name.to_string());
            let is_true =
                was.is_none() || was == of.pin || was == of.home.as_ref().map(|home| home.node.clone());
            promise(is_true, || {
                format!(
                    "client {client} is said to come from {was:?}: its session is {:?}, its pin {:?}",
                    of.home, of.pin
                )
            })?;
        }
        self.is_true(client, cluster, verdict, tried)
    }

    /// A restart that was heard of is known: nobody follows a pin to a process that has never seen it.
    fn knows_run(&self, client: usize, verdict: &Verdict) -> Held {
        let of = &self.clients[client];
        let Some(home) = &of.home else { return Ok(()) };
        let name = &*verdict.node.spec.name;
        let machine = &self.machines[name];
        // who was seen since the run before was last heard of may be in this one
        let is_unseen = of.under_way < 2 && machine.former_heard.is_some_and(|at| of.seen < at);
        // a move that its client has not heard of goes where it went
        let is_told = match self.conf.pins {
            Pins::Sealed => of.pin.as_deref() == Some(name) && of.pin_told && of.pin_run != machine.run,
            pins => pins.know_runs() && home.run_told,
        };
        let is_lost = home.node == name
            && home.run != machine.run
            && machine.run_known.is_some()
            && is_unseen
            && is_told;
        promise(!is_lost, || {
            format!(
                "client {client} follows its pin to run {} of {name}, and began in {}",
                machine.run, home.run
            )
        })
    }

    /// Whether somebody new may be given to a node.
    fn may_place(&self, cluster: &Cluster, node: &Node) -> bool {
        let machine = &self.machines[&*node.spec.name];
        let is_open = node.spec.admin == AdminState::Enabled && node.spec.weight > 0;
        // what it says is known with its next beat, and of a node that is down with that
        let says = machine.heard_says;
        let is_willing = !matches!(says, Announced::Draining | Announced::Maintenance | Announced::Stopping)
            || machine.beats.is_none();
        // where nobody else can be had, one that is down is tried, whatever it said
        let is_last = || node.state(self.now) == State::Down && !self.others_take_new(cluster, node);
        is_open && (is_willing || is_last()) && !self.is_left(cluster, node)
    }

    fn is_current(&self, cluster: &Cluster) -> bool {
        Arc::ptr_eq(&cluster.roster, &self.registry.current().load().clusters[0].roster)
    }

    fn others_take_new(&self, cluster: &Cluster, node: &Node) -> bool {
        cluster.nodes().any(|other| {
            other.live.slot != node.live.slot && self.takes_new(cluster, other) && !other.spec.backup
        })
    }

    /// Nobody listens, for so long that it is known, and others do.
    fn is_left(&self, cluster: &Cluster, node: &Node) -> bool {
        let machine = &self.machines[&*node.spec.name];
        let is_known = self.second >= machine.gone_since + 8 && node.live.health() != Health::Unknown;
        machine.process == Process::Gone && is_known && self.others_take_new(cluster, node)
    }

    /// The word for a move is true.
    fn is_true(&self, client: usize, cluster: &Cluster, verdict: &Verdict, tried: &[u32]) -> Held {
        let of = &self.clients[client];
        let was = verdict.was.and_then(|slot| cluster.node(slot));
        let why = verdict.why;
        let is_true = match why {
            Why::New => verdict.was.is_none() && (of.pin.is_none() || of.home.is_none()),
            Why::Cookie | Why::Route | Why::Learned | Why::Key => verdict.was.is_none(),
            Why::MovedDown => was.is_some_and(|node| {
                let is_gone =
                    self.calm(cluster, &node.spec.name).is_none() || tried.contains(&node.live.slot);
                let may_move = !self.conf.strict || self.conf.pins == Pins::Hashed;
                node.spec.admin == AdminState::Enabled && is_gone && may_move
            }),
            Why::MovedDraining => was.is_some_and(|node| node.spec.admin != AdminState::Enabled),
            Why::MovedUnknownRoute => {
                let gone = |name: &String| cluster.named(name).is_none();
                of.pin.iter().chain(of.home.iter().map(|home| &home.node)).any(gone)
            }
            Why::MovedRebooted => was.is_some_and(|node| {
                let is_lost = |home: &Home| {
                    home.node != *node.spec.name || self.has_lost(home) || !self.is_known(client, home)
                };
                self.machines[&*node.spec.name].run > 1 && of.home.as_ref().is_none_or(is_lost)
            }),
            Why::MovedTampered | Why::MovedExpired | Why::MovedOperator | Why::Forced | Why::None => false,
        };
        promise(is_true, || {
            let state = was.map(|node| self.state_of(node));
            format!(
                "client {client} is told {}: its session is {:?}, its pin {:?}, which is {state:?}",
                why.word(),
                of.home,
                of.pin
            )
        })
    }

    /// A decision to refuse: nobody could have served it.
    pub fn may_refuse(
        &self,
        client: usize,
        epoch: u32,
        cluster: &Cluster,
        refusal: Refusal,
        tried: &[u32],
    ) -> Held {
        if let Some(keeper) = self.keeper(client, cluster).filter(|_| self.clients[client].epoch == epoch) {
            return Err(format!(
                "client {client} could stay on {} and is refused: {refusal:?}",
                keeper.spec.name
            ));
        }
        if refusal == Refusal::Strict {
            return promise(self.conf.strict, || {
                format!("client {client} is refused for a word that is not in the conf")
            });
        }
        let is_open = |node: &&Arc<Node>| {
            self.takes_new(cluster, node) && !tried.contains(&node.live.slot) && !self.is_held(node)
        };
        let open = cluster.nodes().find(is_open);
        promise(open.is_none(), || {
            format!(
                "client {client} is refused ({refusal:?}), and {} has room",
                open.map_or("", |node| &node.spec.name)
            )
        })
    }

    /// A session was entered on a node: it has no more than it may have.
    pub fn entered(&self, client: usize, cluster: &Cluster, verdict: &Verdict) -> Held {
        let (node, why) = (&verdict.node, verdict.why);
        let is_placed = matches!(why, Why::New) || verdict.was.is_some();
        let Some(most) = node.spec.max_sessions.filter(|_| is_placed && !cluster.roster.any_tells()) else {
            return Ok(());
        };
        let has = node.live.sessions.load(Relaxed);
        let is_ready = node.live.health() == Health::Up && !node.live.evidence.is_ejected(self.now);
        promise(has <= most || !is_ready, || {
            format!("client {client} is one of {has} on {}, which may have {most}", node.spec.name)
        })
    }

    /// An answer was settled: a session that is over is not in the ledger.
    pub fn is_settled(&self, ask: &Ask, goes_on: Option<u64>) -> Held {
        let (ledger, id) = (&ask.cluster.live.ledger, ask.session.id);
        let is_there = ledger.current(id) == id && ledger.find(id).is_some();
        promise(goes_on.is_some() || !is_there, || {
            format!("the session of client {} is over and in the ledger", ask.client)
        })
    }

    /// A request was let in: there are no more than may be.
    pub fn has_room(&self, node: &Node, count: u32) -> Held {
        // the newest table's limit counts, whichever the request goes by
        let cluster = &self.registry.current().load().clusters[0];
        let most = cluster.named(&node.spec.name).and_then(|node| node.spec.max_requests);
        promise(most.is_none_or(|most| count <= most), || {
            format!("{} works on {count} requests of {most:?}", node.spec.name)
        })
    }

    /// What is true at each second.
    pub fn at_rest(&mut self) -> Held {
        let table = self.registry.current().load_full();
        let cluster = &table.clusters[0];
        let (counted, order) = (cluster.live.ledger.per_slot(), cluster.roster.placement.order());
        for live in &cluster.roster.lives {
            let (has, knows) = (live.sessions.load(Relaxed), counted.get(&live.slot).copied().unwrap_or(0));
            promise(has == knows, || {
                format!("{} counts {has} sessions, and the ledger has {knows}", live.name)
            })?;
        }
        for node in cluster.nodes() {
            let (machine, live) = (&self.machines[&*node.spec.name], &node.live);
            let name = &machine.name;
            let waiting = self.asks.iter().filter(|ask| ask.is_waiting_at(live.slot)).count() as u32;
            let holds = (machine.in_flight..=machine.in_flight + waiting).contains(&live.in_flight());
            promise(holds, || {
                format!("{name} counts {} requests, and has {}", live.in_flight(), machine.in_flight)
            })?;
            if !self.is_calm(machine) || node.spec.admin != AdminState::Enabled {
                continue;
            }
            promise(!live.evidence.is_ejected(self.now), || format!("{name} is still set aside"))?;
            promise(live.health() == Health::Up || self.is_held(node), || {
                format!("{name} is {:?} though nothing is wrong", live.health())
            })?;
            if machine.says == Announced::Ready && live.health() == Health::Up {
                let state = node.state(self.now);
                promise(matches!(state, State::Ready | State::Full), || {
                    format!("{name} is {state:?} though nothing is wrong: {}", node.why(self.now))
                })?;
                let is_open = state == State::Ready
                    && node.spec.weight > 0
                    && !live.limit.is_full()
                    && !node.spec.backup
                    && machine.capacity.is_none();
                promise(!is_open || order.contains(&live.slot), || {
                    format!("{name} is ready, and the board has only {order:?}")
                })?;
            }
            if machine.up_since.is_some_and(|since| self.second >= since + GROWN.max(u64::from(SLOW_START))) {
                let ramp = live.ramp(SLOW_START, self.now);
                promise(ramp == 1 << 16 && !live.is_young(self.now), || {
                    format!("{name} is eased in for ever, at {ramp}")
                })?;
            }
        }
        Ok(())
    }

    /// Whom nobody has seen for so long is forgotten.
    pub fn forgets(&self) -> Held {
        let cluster = &self.registry.current().load().clusters[0];
        let (mut rows, mut part) = (Vec::new(), 0);
        while cluster.live.ledger.part(part, &mut rows) {
            part += 1;
        }
        let now = self.now.secs();
        for (id, seen) in rows.into_iter().filter_map(|(id, seen)| Some((id, seen?))) {
            let unseen = now.saturating_sub(seen.last);
            promise(u64::from(unseen) <= BELIEVED + 8, || {
                format!("session {id:x} was not seen for {unseen} s, and is in the ledger")
            })?;
        }
        Ok(())
    }

    /// When all is over nothing is left.
    pub fn is_over(&self) -> Held {
        let table = self.registry.current().load_full();
        let live = &table.clusters[0].live;
        promise(live.ledger.is_empty(), || format!("{} sessions are left in the ledger", live.ledger.len()))?;
        for node in &live.roster.load().lives {
            let left = (node.sessions.load(Relaxed), node.in_flight(), node.waiting.load(Relaxed));
            promise(left == (0, 0, 0), || {
                format!("sessions, requests, waiting at {}: {left:?} are left", node.name)
            })?;
        }
        Ok(())
    }

    /// Its checks pass, and it is not trusted yet because it changed sides too often, or was not at its
    /// latest check.
    pub fn is_held(&self, node: &Node) -> bool {
        self.checks.get(&*node.spec.name).is_some_and(|(_, watch)| watch.held(self.now.ms() - 3000).is_some())
    }

    fn state_of(&self, node: &Node) -> String {
        let calm =
            self.machines.get(&*node.spec.name).map(|machine| self.second.saturating_sub(machine.calm_since));
        format!("{}/{} {:?}, calm for {calm:?} s", CLUSTER, node.spec.name, node.state(self.now))
    }
}
