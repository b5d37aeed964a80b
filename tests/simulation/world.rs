//! The world: what happens in it, second by second.

use crate::client::Client;
use crate::conf::{CLUSTER, Conf, INTERVAL};
use crate::held;
use crate::machine::{Machine, Process};
use crate::promises::BELIEVED;
use crate::sum::Sum;
use crate::traffic::Ask;
use homing::affinity::KeyRing;
use homing::base::clock::Now;
use homing::config::address::NodeUrl;
use homing::config::model::AdminState;
use homing::control::Registry;
use homing::control::members::{BeatRefusal, HeartbeatResult, Members, SenderProof};
use homing::control::overlay::Overlay;
use homing::feed::Housekeeping;
use homing::feed::health::judge::{self, CheckedNode, Outages};
use homing::feed::probe::{CheckAnswer, CheckFailure, Meaning};
use homing::feed::watch::Watch;
use homing::heartbeat::{Announced, Heartbeat, HeartbeatMessage, Sender};
use homing::proxy::flights::Flights;
use homing::table::{Health, Table};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// What a promise says when it does not hold.
pub type Held<T = ()> = Result<T, String>;

/// A world.
pub struct World {
    pub rng: SmallRng,
    /// Seconds since the process started, which it did some time before the world.
    pub second: u64,
    pub now: Now,
    pub conf: Conf,
    pub registry: Registry,
    pub members: Members,
    pub checks: BTreeMap<String, (CheckedNode, Watch)>,
    pub machines: BTreeMap<String, Machine>,
    pub clients: Vec<Client>,
    pub flights: Flights,
    pub asks: Vec<Ask>,
    pub sum: Sum,
    pulse: Housekeeping,
    outages: Outages,
    /// How often something happens, in percent of what is usual.
    weather: f64,
    /// A node that hangs again and again.
    flapper: Option<String>,
    trace: Option<String>,
}

/// When worlds begin.
const DAWN: u64 = 1000;
/// Where the wall clock is, in milliseconds since 1970, when the process starts.
const WALL: u64 = 1_700_000_000_000;
/// Seconds in which something happens.
const DAY: u64 = 60;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

static KEYS: LazyLock<Arc<KeyRing>> = LazyLock::new(|| Arc::new(KeyRing::parse(&"A".repeat(43)).unwrap()));

fn at(second: u64) -> Now {
    Now::at(Duration::from_secs(second))
}

impl World {
    pub fn new(seed: u64, traced: bool) -> Self {
        Now::make_up_wall(WALL);
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut conf = Conf::draw(&mut rng);
        let mut registry = Registry::new(KEYS.clone(), Overlay::default());
        let first = registry.prepare(conf.file.clone(), conf.files.clone(), at(DAWN)).unwrap();
        registry.publish(first, at(DAWN));
        let mut machines = BTreeMap::new();
        for name in conf.nodes().keys() {
            let (beats, tells) = (rng.random_bool(0.5).then(|| rng.random_range(1..5)), rng.random_bool(0.3));
            let capacity = (beats.is_some() && tells).then(|| rng.random_range(4..20));
            machines.insert(name.clone(), Machine::new(name, DAWN, beats, capacity));
        }
        let clients = (0..rng.random_range(3..10)).map(Client::new).collect();
        let weather = rng.random_range(0.3..2.0);
        let flapper = rng.random_bool(0.1).then(|| "n0".to_owned());
        let mut world = Self {
            rng,
            second: DAWN,
            now: at(DAWN),
            conf,
            registry,
            members: Members::default(),
            checks: BTreeMap::new(),
            machines,
            clients,
            flights: Flights::default(),
            asks: Vec::new(),
            sum: Sum::default(),
            pulse: Housekeeping::new(),
            outages: Outages::default(),
            weather,
            flapper,
            trace: traced.then(String::new),
        };
        world.follow(false);
        world
    }

    /// What is broken in the world of a seed, and all that happens in it.
    pub fn traced(seed: u64) -> (Option<String>, String) {
        let mut world = Self::new(seed, true);
        let broken = held(|| world.live()).err();
        (broken, world.trace.unwrap_or_default())
    }

    pub fn run(mut self, sum: &mut Sum) -> Held {
        self.live()?;
        sum.add(&self.sum);
        Ok(())
    }

    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push_str(&format!("{:>4} {}\n", self.second - DAWN, what()));
        }
    }

    pub fn machine(&mut self, name: &str) -> &mut Machine {
        self.machines.get_mut(name).unwrap()
    }

    fn live(&mut self) -> Held {
        let conf = format!(
            "{:?}, strict {}: {:?}",
            self.conf.pins, self.conf.strict, self.conf.file.cluster[CLUSTER].nodes
        );
        self.tell(|| conf);
        for _ in 0..DAY {
            self.pass(1)?;
            self.happen()?;
            for _ in 0..self.rng.random_range(0..3) {
                let client = self.rng.random_range(0..self.clients.len());
                if self.clients[client].under_way < if self.clients[client].home.is_some() { 2 } else { 1 } {
                    self.ask(client)?;
                }
            }
            if self.second.is_multiple_of(2) {
                self.at_rest()?;
            }
            if self.second.is_multiple_of(5) {
                self.forgets()?;
            }
        }
        while !self.asks.is_empty() {
            self.pass(1)?;
            self.at_rest()?;
        }
        // nobody is seen any more: each part of the ledger is looked through once
        self.pass(BELIEVED + 1)?;
        for _ in 0..4 {
            self.pass(1)?;
        }
        self.is_over()
    }

    fn by_chance(&mut self, percent: f64) -> bool {
        let chance = (percent * self.weather / 100.0).min(1.0);
        self.rng.random_bool(chance)
    }

    pub fn any_machine(&mut self) -> String {
        let at = self.rng.random_range(0..self.machines.len());
        self.machines.keys().nth(at).unwrap().clone()
    }

    /// Time passes, and what goes by it.
    fn pass(&mut self, seconds: u64) -> Held {
        self.second += seconds;
        self.now = at(self.second);
        self.check();
        self.beat()?;
        let table = self.registry.current().load_full();
        self.pulse.tick(self.registry.current(), self.now);
        self.members.tick(&table, self.now);
        self.flights.touch_sessions(&table, self.now);
        self.end_drains()?;
        self.note_truth(&table);
        self.go_on()
    }

    /// What is so of each node, for the promises.
    fn note_truth(&mut self, table: &Table) {
        let second = self.second;
        for machine in self.machines.values_mut() {
            let node = table.clusters[0].named(&machine.name);
            let is_wanted = node
                .is_some_and(|node| matches!(node.spec.admin, AdminState::Enabled | AdminState::Draining));
            if machine.process != Process::Runs
                || !is_wanted
                || machine.heard_says != machine.says
                || machine.says == Announced::Maintenance
            {
                machine.calm_since = second;
            }
            let is_up = node.is_some_and(|node| node.live.health() == Health::Up);
            machine.up_since = is_up.then(|| machine.up_since.unwrap_or(second));
        }
    }

    /// Those checks that are due.
    fn check(&mut self) {
        let second = self.second;
        for (name, (subject, watch)) in &mut self.checks {
            let machine = &self.machines[name];
            if !second.is_multiple_of(INTERVAL) && watch.health() != Health::Unknown {
                continue;
            }
            let fail = |meaning, why: &str| Err(CheckFailure { why: why.into(), meaning });
            let found = match machine.process {
                Process::Runs => Ok(CheckAnswer { words: "check 200".into(), drains: false }),
                Process::Hangs => fail(Meaning::Silent, "no answer"),
                Process::Gone => fail(Meaning::Refused, "refused"),
            };
            judge::record(subject, watch, &self.outages, found, self.now);
        }
    }

    /// Those beats that are due, and old ones that somebody sends again.
    fn beat(&mut self) -> Held {
        for name in self.machines.keys().cloned().collect::<Vec<_>>() {
            let second = self.second;
            let machine = self.machine(&name);
            let Some(every) = machine.beats else { continue };
            if machine.process != Process::Runs || machine.mute || !second.is_multiple_of(every) {
                continue;
            }
            let beat = machine.beat();
            let table = self.registry.current().load_full();
            if table.clusters[0].named(&name).is_none() {
                continue;
            }
            match self.hear(&name, beat.clone(), &table) {
                HeartbeatResult::Taken { .. } => {}
                HeartbeatResult::Refused(why) => {
                    return Err(format!("the beat of {name} is refused: {why:?}"));
                }
                _ => return Err(format!("{name} is taken for another")),
            }
            let machine = self.machine(&name);
            machine.run_known.get_or_insert(second);
            machine.heard = Some(second);
            machine.heard_says = machine.says;
            machine.old.push(beat);
            if self.by_chance(2.0) {
                self.replay(&name, &table)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, name: &str, beat: Heartbeat, table: &Table) -> HeartbeatResult {
        let url: NodeUrl = self
            .conf
            .node(name)
            .map_or_else(|| "http://127.0.0.1:1".into(), |node| node.url)
            .parse()
            .unwrap();
        let speaker = Sender::Named { cluster: CLUSTER.into(), node: name.into(), url };
        self.members.apply(&HeartbeatMessage { speaker, beat }, HERE, SenderProof::Token, table, self.now)
    }

    fn replay(&mut self, name: &str, table: &Table) -> Held {
        let old = &self.machines[name].old;
        // only so many former runs are remembered
        let at = self.rng.random_range(old.len().saturating_sub(12)..old.len());
        let beat = old[at].clone();
        self.sum.replays += 1;
        match self.hear(name, beat, table) {
            HeartbeatResult::Refused(BeatRefusal::Replayed) => Ok(()),
            _ => Err(format!("a beat of {name} that was heard before is taken again")),
        }
    }

    /// What nodes, operators and clients come to.
    fn happen(&mut self) -> Held {
        self.flap();
        if self.by_chance(4.0) {
            let name = self.any_machine();
            self.befall(&name);
        }
        if self.by_chance(6.0) {
            self.edit()?;
        }
        if self.by_chance(3.0) {
            self.reload()?;
        }
        if self.by_chance(2.0) {
            let (client, pins) = (self.rng.random_range(0..self.clients.len()), self.conf.pins);
            if self.clients[client].under_way == 0 {
                self.clients[client].forget(pins);
            }
        }
        if self.by_chance(4.0) && !self.asks.is_empty() {
            let at = self.rng.random_range(0..self.asks.len());
            self.walk_away(at);
        }
        Ok(())
    }

    /// A node hangs for eight seconds of thirteen, for which its checks call it down: it is held down for
    /// longer and longer.
    fn flap(&mut self) {
        let (second, Some(machine)) =
            (self.second, self.flapper.as_ref().and_then(|name| self.machines.get_mut(name)))
        else {
            return;
        };
        let (from, to) = match (second - DAWN) % 13 {
            1 if second < DAWN + DAY - 15 => (Process::Runs, Process::Hangs),
            9 => (Process::Hangs, Process::Runs),
            _ => return,
        };
        if machine.process == from {
            (machine.process, machine.calm_since) = (to, second);
        }
    }

    /// Something happens to a node.
    fn befall(&mut self, name: &str) {
        let (what, second) = (self.rng.random_range(0..8), self.second);
        let machine = self.machine(name);
        let (before, said) = (machine.process, machine.says);
        match (what, before) {
            (0, Process::Runs) => (machine.process, machine.gone_since) = (Process::Gone, second),
            (1, Process::Runs) => machine.process = Process::Hangs,
            (2 | 3, Process::Runs) => machine.restart(),
            (_, Process::Gone) => machine.restart(),
            (0, Process::Hangs) => (machine.process, machine.gone_since) = (Process::Gone, second),
            (_, Process::Hangs) => machine.process = Process::Runs,
            (4, _) => machine.says = Announced::Draining,
            (5, _) => machine.says = Announced::Maintenance,
            (6, _) => machine.mute = !machine.mute,
            _ => machine.says = Announced::Ready,
        }
        if machine.beats.is_none() {
            machine.says = Announced::Ready;
        }
        if machine.says != said || machine.process != before || matches!(what, 2 | 3) {
            machine.calm_since = second;
        }
        let line = format!(
            "{name}: {:?}, run {}, says {:?}, mute {}",
            machine.process, machine.run, machine.says, machine.mute
        );
        self.sum.restarts += u64::from(matches!(what, 2 | 3));
        self.tell(|| line);
    }

    /// The checks are those of the table.
    pub fn follow(&mut self, joined: bool) {
        let table = self.registry.current().load_full();
        let cluster = &table.clusters[0];
        self.checks.retain(|name, _| cluster.named(name).is_some());
        for node in cluster.nodes() {
            let (name, subject) = (node.spec.name.to_string(), CheckedNode::of(cluster, node, joined));
            match self.checks.get_mut(&name) {
                Some((known, _)) => *known = subject,
                None => {
                    let mut watch = Watch::new(node.live.health(), 2, 2, INTERVAL * 1000);
                    if node.live.health() != Health::Unknown {
                        watch.start_anew();
                    }
                    self.checks.insert(name, (subject, watch));
                }
            }
        }
    }
}
