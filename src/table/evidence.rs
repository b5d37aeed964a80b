//! What counts as proof that a node is gone. This is the one place that judges what clients' requests met
//! there.
//!
//! | met by a request                                  | counts towards setting the node aside                | its pinned sessions                               |
//! |---------------------------------------------------|------------------------------------------------------|---------------------------------------------------|
//! | connection refused, reset, no route               | always                                               | move: with this request, or once set aside        |
//! | turned away, broken off without an answer         | unless it answered a client within the last interval | stay while it answers clients                     |
//! | no connection, or no answer, in time              | as above, and unless its check is answered           | stay while it answers clients or its check passes |
//! | neither clients nor a check that asks are answered | sets it aside, see below                            | move                                              |
//! | an answer that is no HTTP, a 5xx                  | never: something answers                             | stay                                              |
//! | the client gave up, a race over a kept connection | never: says nothing of the node                      | stay                                              |
//!
//! `passive.failures` that count, in a row, set it aside for `passive.eject`: it is given no new sessions. An
//! interval is `health.interval`. With `health.pinned = "check"` a node that is set aside loses its pinned
//! sessions at once. What checks say, and who keeps pinned sessions against it, is in [`super::kept`].
//!
//! A connection opens at a process that hangs, too. Where a check only connects, clients wait in vain once
//! `passive.failures` requests in a row had no answer in time, each begun after the one before had ended:
//! what one client opens at once is one observation. If another node has answered a client since (else they
//! more likely wait for the same thing), the node is asked for "/", beside its check. Any answer will do, and
//! then speaks for it as a check would. Pins move only if there is none, to clients neither, for the longer
//! of `timeouts.response` and three times `passive.eject`, and only as long as the node is set aside for it.

use crate::base::clock::Now;
use crate::base::maybe::MaybeU64;
use crate::upstream::failure::ExchangeFailure;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

/// What a client's request met in place of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FailureKind {
    /// Nobody listens.
    Refused = 1,
    /// It was taken, and broken off.
    BrokenOff = 2,
    /// Nothing came in time.
    Late = 3,
    /// Nothing came for many clients, nor for the check that asked.
    InVain = 4,
}

impl FailureKind {
    /// Of a failure, if it says anything of the node.
    pub fn of(failure: ExchangeFailure) -> Option<Self> {
        match failure {
            ExchangeFailure::Connect => Some(Self::Refused),
            ExchangeFailure::NoAnswer | ExchangeFailure::Declined => Some(Self::BrokenOff),
            ExchangeFailure::Unreached | ExchangeFailure::Timeout => Some(Self::Late),
            ExchangeFailure::Unsent
            | ExchangeFailure::WantsHttp1
            | ExchangeFailure::Unswitched
            | ExchangeFailure::Full
            | ExchangeFailure::BadAnswer => None,
            ExchangeFailure::Client | ExchangeFailure::Stalled => None,
        }
    }
}

/// Who else speaks for a node when a request fails there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Witness {
    /// It answered a client within the last interval.
    pub answers: bool,
    /// Its check is answered, or it was when it asked: more than that a connection opens.
    pub check_answered: bool,
}

impl Witness {
    /// Whether what a request met is proof against the node.
    pub fn admits(self, met: FailureKind) -> bool {
        match met {
            FailureKind::Refused | FailureKind::InVain => true,
            FailureKind::BrokenOff => !self.answers,
            FailureKind::Late => !self.answers && !self.check_answered,
        }
    }
}

/// What traffic and checks have shown of a node. Times are in milliseconds since the process started.
#[derive(Debug, Default)]
pub struct Evidence {
    last_answer: MaybeU64,
    /// What was seen since the last answer: nothing, `UNANSWERED`, or `REFUSED`.
    against: AtomicU8,
    failures: AtomicU32,
    ejections: AtomicU32,
    /// It is set aside until then.
    ejected_until: AtomicU64,
    /// What set it aside.
    proof: AtomicU8,
    /// Its last check was good.
    check_passes: AtomicBool,
    /// Requests in a row that had no answer in time, each begun after the one before had ended.
    waits: AtomicU32,
    /// When the last of them ended.
    last_wait: MaybeU64,
    /// Since when clients wait in vain.
    in_vain_since: MaybeU64,
    /// So long the answer to a check that asked speaks for it.
    vouched_until: AtomicU64,
    /// The first failed check of those in a row, of a node that served.
    failing_since: MaybeU64,
}

/// A request failed.
const UNANSWERED: u8 = 1;
/// Nobody listens: a request or a check was refused.
const REFUSED: u8 = 2;

/// An answer is noted when the last that was is so old: the line is shared by all threads.
const TICK_MS: u64 = 16;

impl Evidence {
    /// A client's request was answered: proof of life, whatever was said.
    pub fn answered(&self, now: Now) {
        if self.against.load(Relaxed) != 0 {
            self.against.store(0, Relaxed);
            self.failures.store(0, Relaxed);
            self.ejections.store(0, Relaxed);
            self.end_waits();
        }
        if self.since_answer(now).is_none_or(|ms| ms >= TICK_MS) {
            self.last_answer.store(Some(now.ms()), Relaxed);
        }
    }

    /// Milliseconds since a client's request was answered; `None` if none was.
    pub fn since_answer(&self, now: Now) -> Option<u64> {
        self.last_answer().map(|at| now.ms().saturating_sub(at))
    }

    /// Whether the latest request failed, or was refused.
    pub fn is_unanswered(&self) -> bool {
        self.against.load(Relaxed) != 0
    }

    /// Whether nobody listens, by what was seen last.
    pub fn is_refused(&self) -> bool {
        self.against.load(Relaxed) == REFUSED
    }

    /// A client's request failed. After `limit` that count in a row the node is set aside for `eject_ms`,
    /// doubled each time up to ten times. True when that just happened.
    pub fn failed(&self, met: FailureKind, witness: Witness, limit: u8, eject_ms: u64, now: Now) -> bool {
        // what breaks off may be a connection from before nobody listened
        self.against.fetch_max(if met == FailureKind::Refused { REFUSED } else { UNANSWERED }, Relaxed);
        if !witness.admits(met) {
            return false;
        }
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        let is_proven = limit != 0 && failures >= u32::from(limit) && !self.is_ejected(now);
        if is_proven {
            self.set_aside(met, eject_ms, now);
        }
        is_proven
    }

    fn set_aside(&self, met: FailureKind, eject_ms: u64, now: Now) {
        let times = self.ejections.fetch_add(1, Relaxed).min(4);
        let pause = (eject_ms << times).min(eject_ms.saturating_mul(10));
        self.proof.store(met as u8, Relaxed);
        self.ejected_until.store(now.ms() + pause, Relaxed);
    }

    /// Whether failing traffic has set it aside.
    pub fn is_ejected(&self, now: Now) -> bool {
        now.ms() < self.ejected_until.load(Relaxed)
    }

    /// What set it aside, while it is.
    pub fn proof(&self, now: Now) -> Option<FailureKind> {
        let met = match self.proof.load(Relaxed) {
            1 => FailureKind::Refused,
            2 => FailureKind::BrokenOff,
            3 => FailureKind::Late,
            _ => FailureKind::InVain,
        };
        self.is_ejected(now).then_some(met)
    }

    /// A client's request had no answer within `limit_ms`, nor had others lately. After `limit` in a row
    /// clients wait in vain.
    pub fn waited(&self, limit_ms: u64, limit: u8, now: Now) {
        let (now, last) = (now.ms(), self.last_wait.load(Relaxed));
        let began_before_it_ended = last.is_some_and(|last| now.saturating_sub(last) < limit_ms);
        if limit == 0 || began_before_it_ended || !self.last_wait.exchange(last, Some(now), Relaxed) {
            return;
        }
        if self.waits.fetch_add(1, Relaxed) + 1 >= u32::from(limit) {
            self.in_vain_since.exchange(None, Some(now), Relaxed);
        }
    }

    fn end_waits(&self) {
        self.waits.store(0, Relaxed);
        self.in_vain_since.store(None, Relaxed);
    }

    /// Since when clients wait in vain, if they do.
    pub fn in_vain_since(&self) -> Option<u64> {
        self.in_vain_since.load(Relaxed)
    }

    /// The check that asked was answered: who waits, waits for a page of its own. That holds for so long; the
    /// next one who waits has it asked again.
    pub fn record_check_answer(&self, for_ms: u64, now: Now) {
        self.vouched_until.store(now.ms() + for_ms, Relaxed);
        self.in_vain_since.store(None, Relaxed);
        if matches!(self.proof(now), Some(FailureKind::Late | FailureKind::InVain)) {
            self.clear();
            self.ejections.store(0, Relaxed);
        }
    }

    /// Whether an answer to a check that asked speaks for it.
    pub fn is_vouched(&self, now: Now) -> bool {
        now.ms() < self.vouched_until.load(Relaxed)
    }

    /// The check that asked those who wait in vain `since` then had no answer either: sets it aside. False if
    /// somebody was answered meanwhile.
    pub fn found_in_vain(&self, since: u64, eject_ms: u64, now: Now) -> bool {
        let still = self.in_vain_since.exchange(Some(since), None, Relaxed);
        if still {
            self.vouched_until.store(0, Relaxed);
            self.set_aside(FailureKind::InVain, eject_ms, now);
        }
        still
    }

    /// When a client's request was answered last, if one was.
    pub fn last_answer(&self) -> Option<u64> {
        self.last_answer.load(Relaxed)
    }

    /// It is up: what was before counts no more.
    pub fn clear(&self) {
        self.failures.store(0, Relaxed);
        self.ejected_until.store(0, Relaxed);
    }

    /// A check found that somebody listens, or nobody.
    pub fn listens(&self, listens: bool) {
        if !listens {
            self.against.store(REFUSED, Relaxed);
            self.vouched_until.store(0, Relaxed);
            self.end_waits();
        } else if self.is_refused() {
            self.against.store(0, Relaxed);
            self.failures.store(0, Relaxed);
            self.end_waits();
        }
    }

    /// Sets whether its last check was good. True if that is news.
    pub fn set_check_passes(&self, passes: bool) -> bool {
        self.check_passes.swap(passes, Relaxed) != passes
    }

    /// Whether its last check was good; not if it had none.
    pub fn check_passes(&self) -> bool {
        self.check_passes.load(Relaxed)
    }

    /// Its checks fail, of a node that served, or call it up, whether it is held down or not. True if that is
    /// news.
    pub fn check(&self, fails: bool, now_ms: u64) -> bool {
        let is_new = fails != self.failing_since().is_some();
        if is_new {
            self.failing_since.store(fails.then_some(now_ms), Relaxed);
        }
        is_new
    }

    /// Since when its checks have failed in a row; none if they call it up, or never did.
    pub fn failing_since(&self) -> Option<u64> {
        self.failing_since.load(Relaxed)
    }
}

#[cfg(test)]
mod tests;
