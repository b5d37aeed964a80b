//! What sessions are called where they are shown: in the log, in `explain`, by `homing sessions`. The ledger's
//! own ids may be hashes of ids that are secret, so that nobody outside is shown one: each is shown as another
//! number, one for one, that only who has the proxy's keys can make out.

use crate::base::hash::hash64_seeded;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A session as it is shown: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShownSession(pub u64);

impl fmt::Display for ShownSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that is no session's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSessionName(String);

impl fmt::Display for NoSessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no session's id: write the 16 hexadecimal digits that `homing sessions` shows",
            self.0
        )
    }
}

impl std::error::Error for NoSessionName {}

impl FromStr for ShownSession {
    type Err = NoSessionName;
    fn from_str(text: &str) -> Result<Self, NoSessionName> {
        let is_one = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| is_one);
        number.map(Self).ok_or_else(|| NoSessionName(text.chars().take(40).collect()))
    }
}

/// The sessions of one cluster by what they are called: a Feistel cipher of four rounds.
#[derive(Debug)]
pub struct SessionNames([u64; 4]);

impl SessionNames {
    /// By a number that nobody outside knows.
    pub fn new(secret: u64) -> Self {
        Self([1_u64, 2, 3, 4].map(|round| hash64_seeded(secret, &round.to_le_bytes())))
    }

    /// What a session is called.
    pub fn shown(&self, session: u64) -> ShownSession {
        let halves = ((session >> 32) as u32, session as u32);
        let (left, right) =
            self.0.iter().fold(halves, |(left, right), key| (right, left ^ round(*key, right)));
        ShownSession(u64::from(left) << 32 | u64::from(right))
    }

    /// The session of a name.
    pub fn session(&self, shown: ShownSession) -> u64 {
        let halves = ((shown.0 >> 32) as u32, shown.0 as u32);
        let (left, right) =
            self.0.iter().rev().fold(halves, |(left, right), key| (right ^ round(*key, left), left));
        u64::from(left) << 32 | u64::from(right)
    }
}

/// Each request that is logged pays for four of these.
fn round(key: u64, half: u32) -> u32 {
    let mixed = (key ^ u64::from(half)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_name_that_tells_nothing_of_it() {
        let (names, others) = (SessionNames::new(7), SessionNames::new(8));
        for session in [0, 1, u64::MAX, 0x1234_5678_9abc_def0].into_iter().chain((0..1000).map(|n| n << 20)) {
            let shown = names.shown(session);
            assert_eq!((names.session(shown), shown.to_string().parse()), (session, Ok(shown)));
            assert_ne!(shown.0, session);
            assert_ne!(shown, others.shown(session), "each proxy has names of its own");
        }
        for wrong in ["", "ff", "00000000000000zz", "000000000000000ff", "+00000000000000f"] {
            assert!(wrong.parse::<ShownSession>().is_err(), "{wrong}");
        }
    }
}
