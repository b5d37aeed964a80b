//! How full a node is: what it told, what was placed there since and what has left, and what our own ledger
//! knows of it. Its word is not the only witness. The time is an argument.

use crate::base::maybe::MaybeU32;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// A node that tells less than this part of the sessions that are known is not believed,
const CREDIT: f64 = 0.25;
/// if so many at least are known, or as many as a small node takes,
const FEW: f64 = 8.0;
/// for so many milliseconds: one true word among false ones is not enough.
const DOUBT: u64 = 30_000;
/// Seconds in which a session that is live has been seen.
pub const LATELY: u32 = 60;
/// Of what was learned of a cluster so much stays with each heartbeat.
const MEMORY: f64 = 0.99;
/// Seats times seconds that have to be heard of before the rate of leaving is believed.
const ENOUGH: f64 = 20.0;

/// What a heartbeat says of the room on a node.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReportedRoom {
    /// The part of its seats that is in use.
    pub load: Option<f64>,
    /// Its sessions.
    pub sessions: Option<u32>,
    /// Its workers, idle and busy: its size, where it has no other.
    pub workers: Option<u32>,
}

/// What is to be known to judge a node.
#[derive(Debug, Clone, Copy)]
pub struct NodeObservation {
    /// Its seats.
    pub size: f64,
    /// The seats are a number of sessions, which can be compared with our own.
    pub counted: bool,
    /// Sessions that the ledger has there.
    pub ours: u32,
    /// In milliseconds.
    pub now: u64,
}

/// The live cells of how full a node is. Written by the control thread alone but for sessions that end, read
/// by everybody.
#[derive(Debug)]
pub struct Fill {
    /// The part of its seats in use when it last told, as the bits of a `f32`.
    load: MaybeU32,
    /// Sessions that the ledger had there then.
    ours: AtomicU32,
    /// When that was.
    at: AtomicU64,
    sessions: MaybeU32,
    workers: MaybeU32,
    /// Sessions of the ledger that nobody has seen lately.
    stale: AtomicU32,
    /// Until when its word is doubted.
    doubted: AtomicU64,
    /// Of the sessions that it told of so many have left since, if it is as usual.
    gone: AtomicU32,
}

impl Fill {
    /// Nothing was told.
    pub const fn unknown() -> Self {
        Self {
            load: MaybeU32::none(),
            ours: AtomicU32::new(0),
            at: AtomicU64::new(0),
            sessions: MaybeU32::none(),
            workers: MaybeU32::none(),
            stale: AtomicU32::new(0),
            doubted: AtomicU64::new(0),
            gone: AtomicU32::new(0),
        }
    }

    /// Takes what it says, and whether that can be true; what it does not say stays as it was.
    pub fn apply(&self, said: ReportedRoom, sight: &NodeObservation, norm: &Norm) {
        if let Some(workers) = said.workers {
            self.workers.store(Some(workers), Relaxed);
        }
        if let Some(sessions) = said.sessions {
            self.sessions.store(Some(sessions), Relaxed);
        }
        let told = said.sessions.map(|sessions| f64::from(sessions) / sight.size);
        let Some(load) = said.load.or_else(|| told.filter(|_| sight.counted)) else { return };
        let lowest = told.map_or(load, |told| told.min(load)) * sight.size;
        let known = self.witnessed(sight.ours, norm);
        if sight.counted && known >= FEW.min(sight.size.max(FEW / 2.0)) && lowest < known * CREDIT {
            self.doubted.store(sight.now + DOUBT, Relaxed);
        } else if !self.is_doubted(sight.now) {
            self.learn(load, sight, norm);
        }
        self.load.store(Some(load as f32).filter(|load| !load.is_nan()).map(f32::to_bits), Relaxed);
        self.gone.store(0, Relaxed);
        self.ours.store(sight.ours, Relaxed);
        self.at.store(sight.now, Relaxed);
    }

    /// What it tells shows how fast sessions leave without our notice.
    fn learn(&self, load: f64, sight: &NodeObservation, norm: &Norm) {
        if let Some(before) = self.load() {
            let placed = f64::from(sight.ours) - f64::from(self.ours.load(Relaxed));
            let seconds = sight.now.saturating_sub(self.at.load(Relaxed)) as f64 / 1000.0;
            let (before, after) = (before * sight.size, load * sight.size);
            norm.left(before + placed - after, (before + placed.max(0.0) / 2.0) * seconds);
        }
    }

    fn load(&self) -> Option<f64> {
        self.load.load(Relaxed).map(|bits| f32::from_bits(bits).into())
    }

    /// It tells how full it is, or how many sessions it has.
    pub fn has_report(&self) -> bool {
        self.load().is_some() || self.sessions().is_some()
    }

    /// The sessions it told of last.
    pub fn sessions(&self) -> Option<u32> {
        self.sessions.load(Relaxed)
    }

    /// The workers it told of.
    pub fn workers(&self) -> Option<u32> {
        self.workers.load(Relaxed).filter(|workers| *workers > 0)
    }

    /// Sessions that are believed to have left since it told how many it has, though nobody said so.
    pub fn gone(&self) -> u32 {
        self.gone.load(Relaxed)
    }

    /// Time has passed. `sum`: what it told of and what was placed since.
    pub fn pass(&self, sum: u32, sight: &NodeObservation, norm: &Norm) {
        let since = sight.now.saturating_sub(self.at.load(Relaxed)) as f64 / 1000.0;
        // at least one stays: only the node itself can say that nobody is left
        let gone = f64::from(sum.saturating_sub(1)) * (1.0 - (-norm.leaving() * since).exp());
        self.gone
            .store(if self.load().is_some() && self.sessions().is_some() { gone as u32 } else { 0 }, Relaxed);
    }

    /// What it told does not hold any more; who was not seen lately is counted anew when it speaks again.
    pub fn forget(&self) {
        self.stale.store(0, Relaxed);
        self.gone.store(0, Relaxed);
        self.load.store(None, Relaxed);
        self.sessions.store(None, Relaxed);
        self.doubted.store(0, Relaxed);
    }

    /// It begins anew with none of the sessions that the ledger has there.
    pub fn restart(&self, ours: u32) {
        self.forget();
        self.stale.store(ours, Relaxed);
    }

    /// So many of those of the ledger were not seen lately.
    pub fn unseen(&self, stale: u32) {
        self.stale.store(stale, Relaxed);
    }

    /// So many sessions of the ledger are over. Until the next count they pass for ones that were not seen
    /// lately: so nobody who was seen is overlooked.
    pub fn ended(&self, many: u32) {
        let _ = self
            .stale
            .fetch_update(Relaxed, Relaxed, |stale| (stale > 0).then(|| stale.saturating_sub(many)));
    }

    /// Seats in use now, by its word.
    pub fn reported(&self, sight: &NodeObservation, norm: &Norm) -> Option<f64> {
        let load = self.load()?;
        let age = sight.now.saturating_sub(self.at.load(Relaxed)) as f64 / 1000.0;
        let stay = (-norm.leaving() * age).exp();
        let placed = f64::from(sight.ours) - f64::from(self.ours.load(Relaxed));
        Some((load * sight.size * stay + if placed > 0.0 { placed * stay.sqrt() } else { placed }).max(0.0))
    }

    /// Seats in use by our own count, as nodes count that are believed.
    fn witnessed(&self, ours: u32, norm: &Norm) -> f64 {
        f64::from(self.lately(ours)) * norm.counted()
    }

    /// Its sessions that were seen lately.
    pub fn lately(&self, ours: u32) -> u32 {
        ours.saturating_sub(self.stale.load(Relaxed))
    }

    /// Our own count, if it goes before the node's word.
    pub fn doubted(&self, ours: u32, now: u64, norm: &Norm) -> Option<f64> {
        self.is_doubted(now).then(|| self.witnessed(ours, norm))
    }

    fn is_doubted(&self, now: u64) -> bool {
        now < self.doubted.load(Relaxed)
    }
}

/// What is usual in a cluster, learned from its nodes. Written by the control thread alone.
#[derive(Debug)]
pub struct Norm {
    /// Part of the sessions that leaves each second without our notice.
    leaving: AtomicU32,
    /// Seats in use for each session that was seen lately, 1 at most.
    counted: AtomicU32,
    /// Seats of a node that does not tell its size; 0 where none does.
    usual: AtomicU32,
    /// Sessions that left, of how many seats times seconds.
    sums: Mutex<(f64, f64)>,
}

impl Default for Norm {
    fn default() -> Self {
        let (leaving, usual) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { leaving, counted: AtomicU32::new(1f32.to_bits()), usual, sums: Mutex::default() }
    }
}

impl Norm {
    fn left(&self, left: f64, of: f64) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        *sums = ((sums.0 + left).max(0.0) * MEMORY, (sums.1 + of) * MEMORY);
        let rate = if sums.1 > ENOUGH { (sums.0 / sums.1).min(0.5) } else { 0.0 };
        self.leaving.store((rate as f32).to_bits(), Relaxed);
    }

    fn leaving(&self) -> f64 {
        f32::from_bits(self.leaving.load(Relaxed)).into()
    }

    fn counted(&self) -> f64 {
        f32::from_bits(self.counted.load(Relaxed)).into()
    }

    /// Seats of a node that does not tell its size, if others do.
    pub fn usual(&self) -> Option<u32> {
        Some(self.usual.load(Relaxed)).filter(|usual| *usual > 0)
    }

    /// Looks at all nodes: at the sizes that they told, and for each that tells how full it is, at the seats
    /// in use and the sessions of ours that were seen lately. The middle one says what is usual, so that a
    /// few cannot.
    pub fn survey(&self, sizes: &[u32], tellers: impl Iterator<Item = (f64, u32)>) {
        let mean = sizes.iter().map(|size| u64::from(*size)).sum::<u64>().checked_div(sizes.len() as u64);
        self.usual.store(mean.and_then(|mean| u32::try_from(mean).ok()).unwrap_or(0), Relaxed);
        let worth = tellers.filter(|(_, seen)| f64::from(*seen) >= FEW);
        let mut ratios: Vec<f64> = worth.map(|(used, seen)| used / f64::from(seen)).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        // one node alone is no witness of itself
        let middle = if ratios.len() < 2 { 1.0 } else { ratios[ratios.len() / 2].min(1.0) };
        self.counted.store((middle as f32).to_bits(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(ours: u32, now: u64) -> NodeObservation {
        NodeObservation { size: 100.0, counted: true, ours, now }
    }

    fn load(load: f64) -> ReportedRoom {
        ReportedRoom { load: Some(load), ..ReportedRoom::default() }
    }

    #[test]
    fn what_was_placed_since_is_added_and_what_leaves_is_learned() {
        let (fill, norm) = (Fill::unknown(), Norm::default());
        assert_eq!(fill.reported(&sight(3, 0), &norm), None);
        fill.apply(load(0.5), &sight(50, 0), &norm);
        assert_eq!(fill.reported(&sight(57, 500), &norm), Some(57.0));
        assert_eq!(fill.reported(&sight(40, 500), &norm), Some(40.0));
        // a tenth leaves each second, and the ledger does not know
        for second in 1..20 {
            fill.apply(load(0.5), &sight(50 + second * 5, u64::from(second) * 1000), &norm);
        }
        let later = fill.reported(&sight(145, 24_000), &norm).unwrap();
        assert!((29.0..=33.0).contains(&later), "{later}");
    }

    #[test]
    fn a_word_that_cannot_be_true_is_not_believed_for_a_while() {
        let (fill, norm) = (Fill::unknown(), Norm::default());
        fill.apply(ReportedRoom { sessions: Some(0), ..load(0.0) }, &sight(272, 0), &norm);
        assert_eq!((fill.doubted(272, 1, &norm), fill.sessions()), (Some(272.0), Some(0)));
        fill.apply(load(1.0), &sight(272, 1000), &norm);
        assert_eq!((fill.doubted(280, 2000, &norm), fill.doubted(280, DOUBT, &norm)), (Some(280.0), None));
        // half of what is known may be a stronger machine, and few are no proof
        for (said, ours) in [(0.5, 100), (0.0, 7)] {
            let fill = Fill::unknown();
            fill.apply(load(said), &sight(ours, 0), &norm);
            assert_eq!(fill.doubted(ours, 1, &norm), None);
        }
        // nor is what nobody has seen for a while, or a load that counts no sessions
        let fill = Fill::unknown();
        fill.unseen(267);
        fill.apply(load(0.0), &sight(272, 0), &norm);
        fill.apply(load(0.0), &NodeObservation { counted: false, ..sight(999, 0) }, &norm);
        assert_eq!((fill.doubted(272, 1, &norm), fill.lately(272)), (None, 5));
        fill.restart(300);
        fill.apply(load(0.0), &sight(301, 0), &norm);
        assert_eq!((fill.doubted(301, 1, &norm), fill.lately(301)), (None, 1));
    }

    #[test]
    fn what_is_usual_is_not_what_a_few_say() {
        let norm = Norm::default();
        norm.survey(&[50, 150], [(0.0, 300), (30.0, 100), (28.0, 100), (33.0, 100), (900.0, 7)].into_iter());
        assert!((norm.counted() - 0.3).abs() < 1e-6, "{}", norm.counted());
        assert_eq!(norm.usual(), Some(100));
        norm.survey(&[], [(0.0, 300)].into_iter());
        assert_eq!((norm.counted(), norm.usual()), (1.0, None));
    }
}
