//! Who gets a new session: one tournament over scores, and a balancing method is a score.
//!
//! Everything here is shared between threads without a lock. What is known of a node is written with
//! [`Placement::update`] whenever it changes, and [`Placement::pick`] reads the outcome.

mod candidate;
mod cell;
mod eased_node;
mod easing;
mod parts;
mod ring;
mod score;
mod shares;
#[cfg(test)]
mod tests;
mod tournament;
mod weighted_choice;

use arc_swap::ArcSwap;
use cell::Cell;
use easing::Easing;
use parts::PartSums;
use rand::Rng;
use ring::Ring;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use tournament::{NEVER, Tournament};
use weighted_choice::WeightedChoice;

pub use candidate::{Candidate, Method, SEAT, Seat, Tier, WHOLE};

/// How often a draw by weight is repeated when it hit a node that cannot be had.
const DRAWS: usize = 8;

/// The placement of new sessions in one cluster.
pub struct Placement {
    method: Method,
    cells: Box<[Cell]>,
    tree: Tournament,
    ring: Option<Ring>,
    draw: Option<ArcSwap<WeightedChoice>>,
    /// By room: a node has come or gone since the sizes were drawn up.
    stale: AtomicBool,
    /// Round-robin: the latest turn given. Otherwise: how many were chosen so far.
    clock: AtomicU64,
    /// Where the turns of the methods that only break ties with them count from.
    epoch: AtomicU64,
    /// Nodes in play without a capacity: while there is one, sessions are measured by weight alone.
    uncapped: AtomicU32,
    parts: PartSums,
    easing: Easing,
}

impl Placement {
    /// A placement over these nodes, `keyed` for one that can also place by key whatever the method. Nobody
    /// is chosen until [`Placement::update`] has told about them. Round-robin turns are taken over from
    /// `previous` by slot, so that a reload does not start the rotation again.
    pub fn new(method: Method, keyed: bool, seats: &[Seat<'_>], previous: Option<&Placement>) -> Self {
        let slots = seats.iter().map(|seat| seat.slot as usize + 1).max().unwrap_or(0);
        let cells: Box<[Cell]> = (0..slots).map(|_| Cell::default()).collect();
        let previous = previous.filter(|old| old.method == method && method == Method::RoundRobin);
        for (order, seat) in seats.iter().enumerate() {
            let cell = &cells[seat.slot as usize];
            cell.seat(seat.position);
            if method == Method::RoundRobin {
                // Each node's first turn is put at another part of its stride: light nodes then come spread
                // among the turns of the heavy ones, not all at once.
                let first = || score::stride(seat.weight << 16) / seats.len() as u64 * order as u64;
                cell.start(previous.and_then(|old| old.turn_ahead(seat.slot)).unwrap_or_else(first));
            }
        }
        Self {
            method,
            tree: Tournament::new(slots),
            cells,
            ring: (keyed || method == Method::Hash).then(|| Ring::new(seats)),
            draw: matches!(method, Method::Hash | Method::Random | Method::Room)
                .then(|| ArcSwap::from_pointee(WeightedChoice::by_weight(seats, method))),
            stale: AtomicBool::new(false),
            clock: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            uncapped: AtomicU32::new(0),
            parts: PartSums::default(),
            easing: Easing::none(),
        }
    }

    /// How far ahead of the clock a slot's next turn is; none for a slot without a node.
    fn turn_ahead(&self, slot: u32) -> Option<u64> {
        let cell = self.cells.get(slot as usize).filter(|cell| cell.seated())?;
        Some(cell.turn().saturating_sub(self.clock.load(SeqCst)))
    }

    /// Tells what is known of a node now. Any thread; O(log n).
    ///
    /// Of two threads that update one slot the last to write wins; [`Placement::refresh`] makes sure that it
    /// wrote the latest.
    pub fn update(&self, slot: u32, candidate: &Candidate) {
        let Some(cell) = self.cells.get(slot as usize).filter(|cell| cell.seated()) else { return };
        let candidate = &self.in_turns(candidate);
        let tier = score::effective_tier(candidate);
        let before = cell.write(candidate);
        if self.method == Method::RoundRobin {
            let now = self.clock.load(SeqCst);
            if before.share != candidate.weight {
                // A turn that was charged at a smaller share must not keep the node waiting at a larger one.
                cell.turn_at_most(now + score::stride(candidate.weight));
            }
            if tier != Tier::Never && before.tier != tier {
                // Turns that passed while it was away are not made up for.
                cell.turn_at_least(now);
            }
        }
        cell.set_tier(tier);
        let (ramps, catches_up) = (candidate.ramp < WHOLE, self.method.catches_up());
        self.easing.tell(slot, &self.cells, ramps && tier != Tier::Never, candidate.young, catches_up);
        let bare = candidate.capacity.is_none() && tier != Tier::Never;
        if self.method == Method::LeastSessions && cell.set_bare(bare) != bare {
            let flipped = if bare {
                self.uncapped.fetch_add(1, SeqCst) == 0
            } else {
                self.uncapped.fetch_sub(1, SeqCst) == 1
            };
            if flipped {
                // what the others are measured by is another
                self.cells.iter().for_each(|cell| self.measure(cell));
                return self.publish_all();
            }
        }
        self.measure(cell);
        self.publish(slot, cell);
        if self.method == Method::Room && before.told != candidate.tier {
            self.stale.store(true, SeqCst);
        }
    }

    /// Turns are given by shares as exactly as can be: there the ramp is a part of the share.
    fn in_turns(&self, candidate: &Candidate) -> Candidate {
        if self.method != Method::RoundRobin || candidate.ramp >= WHOLE {
            return *candidate;
        }
        let weight = (u64::from(candidate.weight) * u64::from(candidate.ramp)) >> 16;
        Candidate { weight: weight as u32, ramp: WHOLE, ..*candidate }
    }

    /// As [`Placement::update`], after the node's counters were changed: of several threads that changed
    /// some, none leaves an old picture behind. Whoever writes what he read before another began to look,
    /// reads again.
    pub fn refresh(&self, slot: u32, read: impl Fn() -> Candidate) {
        let Some(cell) = self.cells.get(slot as usize) else { return };
        let mut look = cell.begin_look();
        loop {
            self.update(slot, &read());
            let latest = cell.latest_look();
            if latest == look {
                return;
            }
            look = latest;
        }
    }

    /// Chooses a node for a new session: never one that is full, `Never` or to be avoided.
    ///
    /// `key` matters to `hash` alone, which without one draws at random. `round-robin` charges the chosen
    /// node a turn. A key pays no regard to slow start: one that moved twice would cost a session.
    pub fn pick(&self, key: Option<u64>, avoid: &[u32], rng: &mut impl Rng) -> Option<(u32, Tier)> {
        let (slot, tier) = self.find(key, avoid, rng, false)?;
        self.charge(slot);
        Some((slot, tier))
    }

    /// What [`Placement::pick`] would choose. Nothing changes.
    pub fn peek(&self, key: Option<u64>, avoid: &[u32], rng: &mut impl Rng) -> Option<(u32, Tier)> {
        self.find(key, avoid, rng, true)
    }

    fn find(&self, key: Option<u64>, avoid: &[u32], rng: &mut impl Rng, dry: bool) -> Option<(u32, Tier)> {
        let (best, score) = self.tree.best_except(avoid)?;
        let tier = score::tier_of(score);
        let eligible = |slot: u32| score::tier_of(self.tree.get(slot)) == tier && !avoid.contains(&slot);
        if let (Method::Hash, Some(key), Some(ring)) = (self.method, key, &self.ring) {
            return Some((ring.from(key).find(|&slot| eligible(slot)).unwrap_or(best), tier));
        }
        if !self.easing.applies() {
            return Some((self.by_method(best, &eligible, rng), tier));
        }
        let turn = self.easing.turn(&self.cells, eligible, |slot| self.part_beside(slot, best), dry);
        if let Some(due) = turn.due {
            return Some((due, tier));
        }
        self.note_caught_up(avoid, dry);
        let passed = [avoid, &turn.passed].concat();
        match self.tree.best_except(&passed).filter(|&(_, score)| score::tier_of(score) == tier) {
            Some((other, _)) => {
                Some((self.by_method(other, &|slot| eligible(slot) && !passed.contains(&slot), rng), tier))
            }
            // nobody else can be had
            None => Some((self.by_method(best, &eligible, rng), tier)),
        }
    }

    /// Whom the method chooses, of those that are eligible; `best` has the best score of them.
    fn by_method(&self, best: u32, eligible: &impl Fn(u32) -> bool, rng: &mut impl Rng) -> u32 {
        if self.stale.load(SeqCst) && self.stale.swap(false, SeqCst) {
            self.redraw();
        }
        let Some(draw) = &self.draw else { return best };
        let better = self.better_of_two(&draw.load(), eligible, rng);
        better
            .filter(|&better| self.method != Method::Room || !self.is_just_behind(best, better))
            .unwrap_or(best)
    }

    /// Who is no longer behind the others needs no easing.
    fn note_caught_up(&self, avoid: &[u32], dry: bool) {
        let behind = if dry { Vec::new() } else { self.easing.catching_up(&self.cells) };
        if behind.is_empty() {
            return;
        }
        let others = self.tree.best_except(&[avoid, &behind].concat());
        for slot in behind {
            let score = self.tree.get(slot);
            if others.is_some_and(|(_, others)| others <= score && score != NEVER) {
                self.easing.caught_up(slot, &self.cells);
            }
        }
    }

    /// Draws by the sizes that are known now. To be called when some have changed; O(n).
    pub fn redraw(&self) {
        if let Some(draw) = self.draw.as_ref().filter(|_| self.method == Method::Room) {
            let leading = self.tree.best().map_or(Tier::Never, |(_, score)| score::tier_of(score));
            // those that are full at the moment may have room at the next
            let shares = (0..)
                .zip(&self.cells)
                .filter(|(_, cell)| cell.read().tier == leading)
                .map(|(slot, cell)| (slot, cell.share()));
            draw.store(Arc::new(WeightedChoice::new(shares)));
        }
    }

    /// The number that a slot is compared by within its tier, the smaller the better; none for one that takes
    /// no new sessions.
    pub fn score_of(&self, slot: u32) -> Option<f64> {
        let score = self.tree.get(slot);
        (score::tier_of(score) != Tier::Never)
            .then(|| score::readable(self.method, score, self.clock.load(SeqCst)))
    }

    /// The slots in the order in which a key falls on them, each as often as it has points; none unless
    /// placed by key.
    pub fn by_key(&self, key: u64) -> impl Iterator<Item = u32> + '_ {
        self.ring.iter().flat_map(move |ring| ring.from(key))
    }

    /// The slots that take new sessions, best first: the normal ones, or the backups when there is no other.
    pub fn order(&self) -> Vec<u32> {
        let ranking = self.tree.ranking();
        let leading = ranking.first().map_or(Tier::Never, |&(_, score)| score::tier_of(score));
        if leading > Tier::Backup {
            return Vec::new();
        }
        ranking
            .into_iter()
            .take_while(|&(_, score)| score::tier_of(score) == leading)
            .map(|(slot, _)| slot)
            .collect()
    }

    /// Two draws by weight, of which the one with less to do for its weight wins; the first of equals.
    fn better_of_two(
        &self,
        draw: &WeightedChoice,
        eligible: &impl Fn(u32) -> bool,
        rng: &mut impl Rng,
    ) -> Option<u32> {
        let mut once = || {
            (0..DRAWS).find_map(|_| {
                let ticket = draw.draw(rng)?;
                let share = self.cells[ticket.slot as usize].share();
                // A node that has less by now than the weight it was drawn with keeps that part of its draws.
                let keep = share >= ticket.share || rng.random_range(0..ticket.share) < share;
                (keep && eligible(ticket.slot)).then_some(ticket.slot)
            })
        };
        let (first, second) = (once()?, once()?);
        let workload = |slot| score::workload_of(self.tree.get(slot));
        Some(if workload(second) < workload(first) { second } else { first })
    }

    /// By room: whether the least full node is a seat behind another, and hardly more: then it has it, and
    /// nodes stay even to a seat. One that is further behind is no more than lucky in the draws: what it
    /// tells may be wrong, and others may be told the same.
    fn is_just_behind(&self, least: u32, other: u32) -> bool {
        let (least, other) = (&self.cells[least as usize], &self.cells[other as usize]);
        let behind = u64::from(other.load().saturating_sub(least.load())) * u64::from(least.share());
        let seat = u64::from(SEAT) << 16;
        (seat..=2 * seat).contains(&behind)
    }

    /// Notes that a slot was chosen, so that the next equal one has its turn.
    fn charge(&self, slot: u32) {
        let cell = &self.cells[slot as usize];
        cell.eased.spend();
        match self.method {
            Method::RoundRobin => {
                let turn = cell.take_turn(score::stride(cell.share()));
                self.clock.fetch_max(turn, SeqCst);
            }
            Method::LeastSessions | Method::LeastRequests => {
                let chosen = self.clock.fetch_add(1, SeqCst) + 1;
                cell.start(chosen);
                let epoch = self.epoch.load(SeqCst);
                // The score has room for so many turns; then all count from here on. Rare, and its cost is
                // spread thin.
                let over = chosen - epoch.min(chosen) >= score::turn_limit(self.method);
                if over && self.epoch.compare_exchange(epoch, chosen, SeqCst, SeqCst).is_ok() {
                    return self.publish_all();
                }
            }
            Method::Random | Method::Hash | Method::Room | Method::First => return,
        }
        self.publish(slot, cell);
    }

    fn publish_all(&self) {
        for (slot, cell) in self.cells.iter().enumerate() {
            self.publish(slot as u32, cell);
        }
    }

    /// Brings the tree up to date with a cell. Computed again after it was stored: whoever stores last has
    /// seen the latest.
    fn publish(&self, slot: u32, cell: &Cell) {
        let mut score = self.score(cell);
        loop {
            self.tree.set(slot, score);
            let now = self.score(cell);
            if now == score {
                return;
            }
            score = now;
        }
    }

    /// Brings a cell's part of the new sessions up to date, in the same way: nothing but news of a node changes
    /// it.
    fn measure(&self, cell: &Cell) {
        let mut size = self.size_in_tier(cell);
        loop {
            self.parts.put(&cell.part, size.0, size.1);
            let now = self.size_in_tier(cell);
            if now == size {
                return;
            }
            size = now;
        }
    }

    fn size_in_tier(&self, cell: &Cell) -> (Tier, u64) {
        let known = cell.read();
        (score::effective_tier(&known), self.size(&known))
    }

    fn is_capped(&self) -> bool {
        self.uncapped.load(SeqCst) == 0
    }

    fn score(&self, cell: &Cell) -> u64 {
        if !cell.seated() {
            return NEVER;
        }
        let turn = match self.method {
            Method::RoundRobin => cell.turn(),
            _ => cell.turn().saturating_sub(self.epoch.load(SeqCst)),
        };
        score::score(self.method, &cell.read(), cell.position(), turn, self.is_capped())
    }
}
