//! Requests of clients: recognised, decided, sent, answered or not. The steps are those of `proxy::exchange`,
//! without its sockets.

use crate::client::{Home, shown_id};
use crate::conf::Pins;
use crate::machine::Process;
use crate::world::{Held, World};
use homing::affinity::{PinLookup, PinMeta, PinRequest, PinResponse};
use homing::proxy::flights::Flight;
use homing::proxy::retry::RetryState;
use homing::proxy::session::{self, Clash, ConnectionSession, OpenSession};
use homing::proxy::slot::RequestSlot;
use homing::table::Cluster;
use homing::table::decide::{self, Decision, DecisionInput, Verdict};
use homing::upstream::failure::ExchangeFailure;
use http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use http::{Method, StatusCode, Uri};
use rand::Rng;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

type Waiting = Pin<Box<dyn Future<Output = Option<RequestSlot>>>>;

/// A request that is under way.
pub struct Ask {
    pub client: usize,
    /// What its client showed.
    epoch: u32,
    pub cluster: Arc<Cluster>,
    pub verdict: Verdict,
    pub session: OpenSession,
    stamp: PinMeta,
    headers: HeaderMap,
    pub tries: RetryState,
    pub flight: Option<Flight>,
    pub step: Step,
    /// When that is over.
    pub due: u64,
}

impl Ask {
    /// Whether it waits for a slot at this node.
    pub fn is_waiting_at(&self, slot: u32) -> bool {
        matches!(self.step, Step::Slot(_)) && self.verdict.node.live.slot == slot
    }
}

/// What a request waits for.
pub enum Step {
    /// A slot at its node.
    Slot(Waiting),
    /// Its answer, from this run of the node.
    Answer { slot: RequestSlot, run: u32 },
}

/// What came of a decision.
enum Chosen {
    At(Verdict, OpenSession, PinMeta),
    Refused,
}

impl World {
    /// A client asks.
    pub fn ask(&mut self, client: usize) -> Held {
        let table = self.registry.current().load_full();
        let cluster = table.clusters[0].clone();
        let tries = RetryState::new(&cluster, true);
        let headers = self.clients[client].headers();
        self.clients[client].under_way += 1;
        self.sum.requests += 1;
        let epoch = self.clients[client].epoch;
        self.attempt(client, epoch, cluster, headers, tries)
    }

    /// Decides, takes a slot, and sends; again where that fails at once and may be repeated.
    fn attempt(
        &mut self,
        client: usize,
        epoch: u32,
        cluster: Arc<Cluster>,
        headers: HeaderMap,
        mut tries: RetryState,
    ) -> Held {
        let uri = Uri::from_static("/");
        loop {
            let incoming = PinRequest {
                method: &Method::GET,
                uri: &uri,
                headers: &headers,
                client: self.clients[client].ip(),
                hearsay: false,
                now: self.now.unix_secs(),
            };
            let reading = decide::recognise(&cluster, &incoming, self.now.secs());
            let (verdict, session, stamp) =
                match self.choose(client, epoch, &cluster, &reading, &mut tries)? {
                    Chosen::At(verdict, session, stamp) => (verdict, session, stamp),
                    Chosen::Refused => {
                        self.clients[client].under_way -= 1;
                        return Ok(());
                    }
                };
            tries.begin();
            let flight = session.live().map(|id| self.flights.begin(&cluster.live, id, self.now));
            let (of, at) = (cluster.clone(), verdict.node.clone());
            let slot: Waiting =
                Box::pin(async move { RequestSlot::take(&of, &at, Duration::from_secs(3600)).await });
            let due = self.second + 5;
            let mut ask = Ask {
                client,
                epoch,
                cluster: cluster.clone(),
                verdict,
                session,
                stamp,
                headers: headers.clone(),
                tries,
                flight,
                step: Step::Slot(slot),
                due,
            };
            if !self.enter(&mut ask)? {
                self.asks.push(ask);
                return Ok(());
            }
            match self.send(ask)? {
                Some(again) => tries = again,
                None => return Ok(()),
            }
        }
    }

    fn choose(
        &mut self,
        client: usize,
        epoch: u32,
        cluster: &Arc<Cluster>,
        reading: &PinLookup<'_>,
        tries: &mut RetryState,
    ) -> Held<Chosen> {
        let (fresh, mut hint) = (self.rng.random(), None);
        loop {
            let facts =
                DecisionInput { tried: tries.tried(), hint, waited: tries.waited, now: self.now, dry: false };
            let verdict = match decide::decide(cluster, reading, &facts, &mut self.rng) {
                Decision::Serve(verdict) => verdict,
                Decision::Wait => {
                    tries.waited = true;
                    continue;
                }
                Decision::Refuse(refusal) => {
                    self.tell(|| format!("client {client} is refused: {refusal:?}"));
                    self.may_refuse(client, epoch, cluster, refusal, tries.tried())?;
                    self.sum.refused += 1;
                    return Ok(Chosen::Refused);
                }
            };
            self.tell(|| format!("client {client} to {}: {}", verdict.node.spec.name, verdict.why.word()));
            self.may_serve(client, epoch, cluster, &verdict, tries.tried(), hint.is_some())?;
            let caller = ConnectionSession { fresh, met: None, connection: 1000 + client as u64 };
            match session::enter(cluster, reading, &verdict, &caller, tries.tried(), self.now) {
                Ok(session) => {
                    self.entered(client, cluster, &verdict)?;
                    self.clients[client].seen = self.second;
                    let is_named = reading.session.is_some();
                    if self.is_its_own(client, epoch, cluster, session.live()) {
                        self.clients[client].id = session.live();
                        self.moves_in(client, is_named, &verdict);
                    }
                    return Ok(Chosen::At(verdict, session, reading.stamp));
                }
                Err(Clash::Elsewhere(slot)) => hint = Some(slot),
                Err(Clash::Full) => tries.full(verdict.node.live.slot),
            }
        }
    }

    /// Whether a request is one of the session that its client has now: it may have begun before another was
    /// known.
    fn is_its_own(&self, client: usize, epoch: u32, cluster: &Cluster, id: Option<u64>) -> bool {
        let of = &self.clients[client];
        let current = |id: Option<u64>| id.map(|id| cluster.live.ledger.current(id));
        of.epoch == epoch || current(of.id) == current(id)
    }

    /// Where a session is by its identity, once it was placed or moved there.
    fn moves_in(&mut self, client: usize, is_named: bool, verdict: &Verdict) {
        let pins = self.conf.pins;
        let moves =
            pins.identify() && (verdict.was.is_some() || pins.ask_ledger() && verdict.why.cause().is_some());
        // an id whose route is unknown falls where its key does, and is known there from then on
        let moves = moves
            || verdict.why.cause().is_some() && matches!(pins, Pins::Prefix | Pins::Route | Pins::Sealed);
        if !is_named || !(pins.ask_ledger() || moves) {
            return;
        }
        let (second, name) = (self.second, verdict.node.spec.name.to_string());
        let machine = &self.machines[&name];
        let (run, run_told) = (machine.run, machine.run_known.is_some());
        match &mut self.clients[client].home {
            Some(home) if home.node == name && verdict.was.is_none() => home.last = second,
            home => {
                let mut left = Vec::new();
                // of a node that is not in the table no move is remembered
                let for_want = verdict.was.is_none() && !pins.ask_ledger();
                if let Some(before) = home.take().filter(|_| moves && !for_want) {
                    left = before.left;
                    left.push(before.node);
                }
                left.retain(|left| *left != name);
                *home = Some(Home { node: name, run, run_told, began: second, last: second, for_want, left });
            }
        }
    }

    /// Whether it has its slot.
    fn enter(&mut self, ask: &mut Ask) -> Held<bool> {
        let Step::Slot(waiting) = &mut ask.step else { return Ok(true) };
        let polled = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(slot)) = polled else { return Ok(false) };
        let node = ask.verdict.node.clone();
        slot.rescore(self.now);
        let machine = self.machine(&node.spec.name);
        machine.in_flight += 1;
        let (count, run) = (machine.in_flight, machine.run);
        ask.step = Step::Answer { slot, run };
        self.has_room(&node, count)?;
        Ok(true)
    }

    /// Sends a request that has its slot. What to try again with, if it failed at once.
    fn send(&mut self, mut ask: Ask) -> Held<Option<RetryState>> {
        let process = self.machine(&ask.verdict.node.spec.name).process;
        match process {
            Process::Gone => self.fail(ask, ExchangeFailure::Connect),
            Process::Hangs => {
                ask.due = self.second + 4;
                self.asks.push(ask);
                Ok(None)
            }
            Process::Runs => {
                ask.due =
                    self.second + if self.rng.random_bool(0.6) { 0 } else { self.rng.random_range(1..12) };
                if ask.due > self.second {
                    self.asks.push(ask);
                    return Ok(None);
                }
                self.answer(ask)?;
                Ok(None)
            }
        }
    }

    /// Goes on with what is under way.
    pub fn go_on(&mut self) -> Held {
        let mut at = 0;
        while at < self.asks.len() {
            let machine = &self.machines[&*self.asks[at].verdict.node.spec.name];
            let (runs, run) = (machine.process, machine.run);
            let ask = &self.asks[at];
            let is_over = ask.due <= self.second;
            let is_cut =
                matches!(&ask.step, Step::Answer { run: of, .. } if *of != run || runs == Process::Gone);
            if matches!(ask.step, Step::Slot(_)) {
                let mut ask = self.asks.remove(at);
                if self.enter(&mut ask)? {
                    let (client, epoch, cluster, headers) =
                        (ask.client, ask.epoch, ask.cluster.clone(), ask.headers.clone());
                    if let Some(tries) = self.send(ask)? {
                        self.attempt(client, epoch, cluster, headers, tries)?;
                    }
                } else if is_over {
                    self.give_up(ask);
                } else {
                    self.asks.insert(at, ask);
                    at += 1;
                }
            } else if is_cut || is_over {
                let ask = self.asks.remove(at);
                let failure = match (is_cut, runs) {
                    (true, _) => Some(ExchangeFailure::NoAnswer),
                    (_, Process::Hangs) => Some(ExchangeFailure::Timeout),
                    _ => None,
                };
                match failure {
                    Some(failure) => {
                        let (client, epoch, cluster, headers) =
                            (ask.client, ask.epoch, ask.cluster.clone(), ask.headers.clone());
                        if let Some(tries) = self.fail(ask, failure)? {
                            self.attempt(client, epoch, cluster, headers, tries)?;
                        }
                    }
                    None => self.answer(ask)?,
                }
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    /// The node answers.
    fn answer(&mut self, mut ask: Ask) -> Held {
        let (node, client, pins) = (ask.verdict.node.clone(), ask.client, self.conf.pins);
        let mut seen = ask.headers.clone();
        ask.cluster.affinity.prepare(&mut seen);
        let shown = shown_id(&seen);
        let (leaves, fresh) = (self.rng.random_bool(0.03), self.rng.random::<u32>().into());
        let (sign_in, unix) = (self.rng.random_bool(0.05), self.now.unix_secs());
        let machine = self.machine(&node.spec.name);
        let known = shown.filter(|id| machine.sessions.contains(id));
        let route = if pins == Pins::Route { format!(".{}", node.spec.route) } else { String::new() };
        let (run, run_told) = (machine.run, machine.run_known.is_some());
        let mut headers = HeaderMap::new();
        let mut set = |value: String| {
            headers.append(SET_COOKIE, HeaderValue::try_from(value).unwrap());
        };
        match known {
            Some(id) if leaves => {
                machine.sessions.remove(&id);
                set("SID=; Max-Age=0".into());
            }
            Some(id) if sign_in => {
                machine.sessions.remove(&id);
                machine.sessions.insert(fresh);
                set(format!("SID={fresh}{route}"));
            }
            Some(_) => {}
            None => {
                machine.sessions.insert(fresh);
                set(format!("SID={fresh}{route}"));
            }
        }
        let ended = known.is_some() && leaves;
        let marks = PinResponse {
            method: &Method::GET,
            secure: false,
            now: unix,
            slot: node.live.slot,
            boot: node.live.report.boot(),
            honoured: ask.verdict.honoured,
            stamp: ask.stamp,
            session: ask.session.id,
            status: StatusCode::OK,
        };
        node.live.answered(StatusCode::OK, self.now);
        let outcome = ask.cluster.affinity.finish(&marks, &mut headers);
        let goes_on = session::conclude(&ask.cluster, &ask.session, node.live.slot, &outcome, self.now);
        self.is_settled(&ask, goes_on)?;
        if let Some(flight) = ask.flight.take() {
            match goes_on {
                Some(id) => {
                    self.flights.rename(&flight, id);
                    self.flights.end(flight, Some(&ask.cluster.live), self.now);
                }
                None => self.flights.forget(flight),
            }
        }
        self.tell(|| format!("client {client} is answered by {}: {headers:?}, {outcome:?}", node.spec.name));
        // its pin leads nowhere, and the ledger to where its session went
        let is_removed = self.registry.current().load().clusters[0].named(&node.spec.name).is_none();
        let second = self.second;
        let of = &mut self.clients[client];
        let (written, sets) = (outcome.pinned || outcome.learned.is_some(), headers.contains_key(SET_COOKIE));
        let names_it = matches!(pins, Pins::Sealed | Pins::Readable | Pins::Prefix | Pins::Route);
        // another answer has overtaken this one
        let is_late = of.epoch != ask.epoch && !(written && sets) && (names_it || pins == Pins::Learned);
        of.keep(&headers, unix);
        of.under_way -= 1;
        of.epoch += u32::from(sets);
        if names_it && written && !is_late {
            (of.pin, of.pin_run, of.pin_told) = (Some(node.spec.name.to_string()), run, run_told);
        }
        // a session that was moved meanwhile stays where it went, unless it has a new id from here
        let is_led = |home: &Home| {
            pins.ask_ledger()
                || home.for_want
                || is_removed
                || home.left.iter().any(|left| **left == *node.spec.name)
        };
        let led = |home: &Home| *home.node != *node.spec.name && is_led(home);
        let went = pins.identify() && outcome.learned.is_none() && of.home.as_ref().is_some_and(led);
        let is_elsewhere =
            of.home.as_ref().is_some_and(|home| *home.node != *node.spec.name || home.run != run);
        if is_late {
            // an id that comes with it is not known where the pin leads
            of.home = of.home.take().filter(|_| !(sets && (is_elsewhere || goes_on.is_none())));
        } else if goes_on.is_none() {
            (of.home, of.id) = (None, None);
            of.pin = of.pin.take().filter(|_| !ended);
        } else if !went {
            of.id = goes_on;
            let stays = of.home.as_ref().filter(|home| *home.node == *node.spec.name && home.run == run);
            let written = written || stays.is_none();
            let began = stays.map_or(second, |home| home.began);
            let run_told = if written { run_told } else { stays.is_some_and(|home| home.run_told) };
            let left = stays.map_or_else(Vec::new, |home| home.left.clone());
            of.home = Some(Home {
                node: node.spec.name.to_string(),
                run,
                run_told,
                began,
                last: second,
                for_want: false,
                left,
            });
        }
        self.leave(ask);
        Ok(())
    }
}
