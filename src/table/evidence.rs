//! What counts as proof that a node is gone. This is the one place that judges what clients' requests met there.
//!
//! | met by a request                                  | counts towards setting the node aside                | its pinned sessions                               |
//! |---------------------------------------------------|------------------------------------------------------|---------------------------------------------------|
//! | connection refused, reset, no route               | always                                               | move: with this request, or once set aside        |
//! | turned away, broken off without an answer         | unless it answered a client within the last interval | stay while it answers clients                     |
//! | no connection, or no answer, in time              | as above, and unless its check is answered           | stay while it answers clients or its check passes |
//! | an answer that is no HTTP, a 5xx                  | never: something answers                             | stay                                              |
//! | the client gave up, a race over a kept connection | never: says nothing of the node                      | stay                                              |
//!
//! `passive.failures` that count, in a row, set it aside for `passive.eject`: it is given no new sessions. An interval is
//! `health.interval`. A connection opens at a process that hangs, too: at a node that was set aside because no answer came in time, a
//! check that only connects asks for an answer, whatever it says, as soon as another node has answered a client since. Where none
//! does they more likely wait for the same thing. With `health.pinned = "check"` a node that is set aside loses its pinned sessions at once. What checks say,
//! and who keeps pinned sessions against it, is in [`super::kept`].

use crate::base::clock::{self, Now};
use crate::upstream::send::Failure;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

/// What a client's request met in place of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Met {
    /// Nobody listens.
    Refused = 1,
    /// It was taken, and broken off.
    BrokenOff = 2,
    /// Nothing came in time.
    Late = 3,
}

impl Met {
    /// Of a failure, if it says anything of the node.
    pub fn of(failure: Failure) -> Option<Self> {
        match failure {
            Failure::Connect => Some(Self::Refused),
            Failure::NoAnswer | Failure::Declined => Some(Self::BrokenOff),
            Failure::Unreached | Failure::Timeout => Some(Self::Late),
            Failure::Unsent | Failure::WantsHttp1 | Failure::Unswitched | Failure::Full | Failure::BadAnswer | Failure::Client => None,
        }
    }
}

/// Who else speaks for a node when a request fails there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Witness {
    /// It answered a client within the last interval.
    pub answers: bool,
    /// Its check is answered: more than that a connection opens.
    pub check_answered: bool,
}

impl Witness {
    /// Whether what a request met is proof against the node.
    pub fn admits(self, met: Met) -> bool {
        match met {
            Met::Refused => true,
            Met::BrokenOff => !self.answers,
            Met::Late => !self.answers && !self.check_answered,
        }
    }
}

/// What traffic and checks have shown of a node. Times are in milliseconds since the process started; 0 is never.
#[derive(Debug, Default)]
pub struct Evidence {
    last_answer: AtomicU64,
    /// What was seen since the last answer: nothing, `UNANSWERED`, or `REFUSED`.
    against: AtomicU8,
    failures: AtomicU32,
    ejections: AtomicU32,
    ejected_until: AtomicU64,
    /// What set it aside.
    proof: AtomicU8,
    /// Its last check was good.
    check_passes: AtomicBool,
    /// Since when so many requests that nobody answered in time set it aside.
    in_vain_since: AtomicU64,
    /// The first failed check of those in a row, of a node that served.
    failing_since: AtomicU64,
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
        let now = now.ms().max(1);
        if self.against.load(Relaxed) != 0 {
            self.against.store(0, Relaxed);
            self.failures.store(0, Relaxed);
            self.ejections.store(0, Relaxed);
            self.in_vain_since.store(0, Relaxed);
        }
        if now.saturating_sub(self.last_answer.load(Relaxed)) >= TICK_MS || self.last_answer.load(Relaxed) == 0 {
            self.last_answer.store(now, Relaxed);
        }
    }

    /// Milliseconds since a client's request was answered; `None` if none was.
    pub fn since_answer(&self) -> Option<u64> {
        match self.last_answer.load(Relaxed) {
            0 => None,
            at => Some(clock::monotonic_ms().saturating_sub(at)),
        }
    }

    /// Whether the latest request failed, or was refused.
    pub fn is_unanswered(&self) -> bool {
        self.against.load(Relaxed) != 0
    }

    /// Whether nobody listens, by what was seen last.
    pub fn is_refused(&self) -> bool {
        self.against.load(Relaxed) == REFUSED
    }

    /// A client's request failed. After `limit` that count in a row the node is set aside for `eject_ms`, doubled each time up to ten
    /// times. True when that just happened.
    pub fn failed(&self, met: Met, witness: Witness, limit: u8, eject_ms: u64) -> bool {
        // what breaks off may be a connection from before nobody listened
        self.against.fetch_max(if met == Met::Refused { REFUSED } else { UNANSWERED }, Relaxed);
        if !witness.admits(met) {
            return false;
        }
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        if limit == 0 || failures < u32::from(limit) {
            return false;
        }
        if met == Met::Late {
            self.in_vain_since.compare_exchange(0, clock::monotonic_ms().max(1), Relaxed, Relaxed).ok();
        }
        if self.is_ejected() {
            return false;
        }
        let times = self.ejections.fetch_add(1, Relaxed).min(4);
        let pause = (eject_ms << times).min(eject_ms.saturating_mul(10));
        self.proof.store(met as u8, Relaxed);
        self.ejected_until.store(clock::monotonic_ms() + pause, Relaxed);
        true
    }

    /// Whether failing traffic has set it aside.
    pub fn is_ejected(&self) -> bool {
        match self.ejected_until.load(Relaxed) {
            0 => false,
            until => clock::monotonic_ms() < until,
        }
    }

    /// What set it aside, while it is.
    pub fn proof(&self) -> Option<Met> {
        let met = match self.proof.load(Relaxed) {
            1 => Met::Refused,
            2 => Met::BrokenOff,
            _ => Met::Late,
        };
        self.is_ejected().then_some(met)
    }

    /// Since when requests that nobody answered in time have set it aside, while none was answered; 0 if they have not.
    pub fn in_vain_since(&self) -> u64 {
        self.in_vain_since.load(Relaxed)
    }

    /// It answered a check: whoever waits in vain waits for a page of its own.
    pub fn check_answered(&self) {
        self.in_vain_since.store(0, Relaxed);
    }

    /// When a client's request was answered last; 0 if none was.
    pub fn last_answer(&self) -> u64 {
        self.last_answer.load(Relaxed)
    }

    /// It is up: what was before counts no more.
    pub fn acquit(&self) {
        self.failures.store(0, Relaxed);
        self.ejected_until.store(0, Relaxed);
    }

    /// A check found that somebody listens, or nobody.
    pub fn listens(&self, listens: bool) {
        if !listens {
            self.against.store(REFUSED, Relaxed);
            self.in_vain_since.store(0, Relaxed);
        } else if self.is_refused() {
            self.against.store(0, Relaxed);
            self.failures.store(0, Relaxed);
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

    /// Its checks fail, of a node that served, or call it up, whether it is held down or not. True if that is news.
    pub fn check(&self, fails: bool, now_ms: u64) -> bool {
        let is_new = fails != (self.failing_since() != 0);
        if is_new {
            self.failing_since.store(if fails { now_ms.max(1) } else { 0 }, Relaxed);
        }
        is_new
    }

    /// Since when its checks have failed in a row; 0 if they call it up, or never did.
    pub fn failing_since(&self) -> u64 {
        self.failing_since.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Witness = Witness { answers: false, check_answered: false };
    const CLIENTS: Witness = Witness { answers: true, check_answered: false };
    const CHECK: Witness = Witness { answers: false, check_answered: true };

    #[test]
    fn each_failure_counts_as_the_table_says() {
        for (met, nobody, clients, check) in
            [(Met::Refused, true, true, true), (Met::BrokenOff, true, false, true), (Met::Late, true, false, false)]
        {
            let found = [NOBODY, CLIENTS, CHECK].map(|witness| Evidence::default().failed(met, witness, 1, 60_000));
            assert_eq!(found, [nobody, clients, check], "{met:?}");
        }
        for failure in [Failure::Unsent, Failure::Unswitched, Failure::BadAnswer, Failure::Client] {
            assert_eq!(Met::of(failure), None);
        }
        assert_eq!(Met::of(Failure::Declined), Some(Met::BrokenOff), "something listens");
    }

    #[test]
    fn an_answer_ends_the_row_and_what_does_not_count_is_remembered_as_unanswered() {
        let evidence = Evidence::default();
        assert_eq!(evidence.since_answer(), None);
        assert!(!evidence.failed(Met::Refused, NOBODY, 2, 60_000));
        evidence.answered(Now::look());
        assert!(!evidence.failed(Met::Refused, NOBODY, 2, 60_000));
        assert!(!evidence.failed(Met::Late, CLIENTS, 2, 60_000) && evidence.is_unanswered());
        assert!(evidence.failed(Met::BrokenOff, NOBODY, 2, 60_000));
        assert_eq!(evidence.proof(), Some(Met::BrokenOff));
        assert!(!evidence.failed(Met::Refused, NOBODY, 2, 60_000), "it is set aside already");
        evidence.acquit();
        assert_eq!(evidence.proof(), None);
        assert!(evidence.is_refused(), "what breaks off later changes nothing");
        evidence.listens(true);
        assert!(!evidence.is_unanswered(), "but a good check does");
        assert!(!evidence.failed(Met::Late, CLIENTS, 2, 60_000));
        evidence.listens(true);
        assert!(evidence.is_unanswered() && !evidence.is_refused(), "it is no answer, though");
        evidence.listens(false);
        assert!(evidence.is_refused());
        evidence.answered(Now::look());
        assert!(!evidence.is_unanswered());
    }

    #[test]
    fn requests_that_nobody_answers_in_time_ask_for_an_answer_until_there_is_one() {
        type Ends = fn(&Evidence);
        let ends: [Ends; 3] = [|e| e.answered(Now::look()), Evidence::check_answered, |e| e.listens(false)];
        for end in ends {
            let evidence = Evidence::default();
            for (met, witness, vain) in
                [(Met::Late, NOBODY, false), (Met::Late, CLIENTS, false), (Met::BrokenOff, NOBODY, false), (Met::Late, NOBODY, true)]
            {
                evidence.failed(met, witness, 2, 0);
                assert_eq!(evidence.in_vain_since() != 0, vain, "{met:?} {witness:?}");
            }
            evidence.listens(true);
            assert_ne!(evidence.in_vain_since(), 0, "a connection is no answer");
            end(&evidence);
            assert_eq!(evidence.in_vain_since(), 0);
        }
        let evidence = Evidence::default();
        evidence.failed(Met::Late, NOBODY, 0, 0);
        assert_eq!(evidence.in_vain_since(), 0, "nothing sets it aside");
    }

    #[test]
    fn a_row_of_failed_checks_has_one_beginning() {
        let evidence = Evidence::default();
        assert!(!evidence.check(false, 5));
        assert!(evidence.check(true, 10) && !evidence.check(true, 20));
        assert_eq!(evidence.failing_since(), 10);
        assert!(evidence.check(false, 30));
        assert_eq!(evidence.failing_since(), 0);
    }
}
