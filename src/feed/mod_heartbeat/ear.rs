//! Who is heard of those who send to `server.mod-heartbeat`, and what becomes of what they say.

use crate::config::model;
use crate::control::members::{self, Proof};
use crate::feed::beats::{Beats, Dialect, HeardNode, Outcome};
use crate::feed::refused::RefusedBeats;
use crate::heartbeat::Heard;
use crate::heartbeat::datagram::Refusal;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

/// Why an admitted sender was not heard.
pub(super) enum Deaf {
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
pub(super) struct Ear {
    /// Where it goes.
    pub(super) beats: Rc<Beats>,
    /// Who may speak.
    pub(super) conf: RefCell<Rc<model::ModHeartbeat>>,
    /// What is counted and logged of those who are not heard.
    pub(super) refused: RefusedBeats,
}

impl Ear {
    /// Whether a sender may speak at all; to be asked before anything of it is read.
    pub(super) fn admits(&self, from: IpAddr) -> bool {
        let admitted = self.conf.borrow().from.iter().any(|network| network.contains(from));
        if !admitted {
            self.refused.note(from, Outcome::Denied, &"the address is in no network of server.mod-heartbeat.from");
        }
        admitted
    }

    /// Hears what a sender said that was admitted.
    pub(super) async fn hear(&self, said: Result<Heard, Refusal>, from: IpAddr) -> Result<HeardNode, Deaf> {
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
            Err(deaf @ Deaf::Malformed(_)) => self.refused.note(from, Outcome::Malformed, deaf),
            Err(deaf @ Deaf::Refused(refusal)) => self.refused.note(from, refusal.into(), deaf),
        }
        heard
    }
}
