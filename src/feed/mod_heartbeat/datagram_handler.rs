//! Who is heard of those who send to `server.mod-heartbeat`, and what becomes of what they say.

use crate::config::model;
use crate::control::members::{self, SenderProof};
use crate::feed::heartbeat_sink::{Dialect, HeartbeatOutcome, HeartbeatReceipt, HeartbeatSink};
use crate::feed::refused::RefusedBeats;
use crate::heartbeat::HeartbeatMessage;
use crate::heartbeat::datagram::DatagramRefusal;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

/// Why an admitted sender was not heard.
pub(super) enum DatagramRejection {
    /// It says nothing that could be understood.
    Malformed(DatagramRefusal),
    /// It changes nothing.
    Refused(members::BeatRefusal),
}

impl std::fmt::Display for DatagramRejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(refusal) => refusal.fmt(f),
            Self::Refused(
                members::BeatRefusal::Unknown(why)
                | members::BeatRefusal::Wrong(why)
                | members::BeatRefusal::Misplaced(why)
                | members::BeatRefusal::Denied(why),
            ) => f.write_str(why),
            Self::Refused(members::BeatRefusal::Replayed) => f.write_str("it was heard before"),
            Self::Refused(members::BeatRefusal::Busy) => f.write_str("too many nodes join at once"),
        }
    }
}

/// Who is heard, and where that goes.
pub(super) struct DatagramHandler {
    /// Where it goes.
    pub(super) beats: Rc<HeartbeatSink>,
    /// Who may speak.
    pub(super) conf: RefCell<Rc<model::ModHeartbeat>>,
    /// What is counted and logged of those who are not heard.
    pub(super) refused: RefusedBeats,
}

impl DatagramHandler {
    /// Whether a sender may speak at all; to be asked before anything of it is read.
    pub(super) fn admits(&self, from: IpAddr) -> bool {
        let admitted = self.conf.borrow().from.iter().any(|network| network.contains(from));
        if !admitted {
            self.refused.note(
                from,
                HeartbeatOutcome::Denied,
                &"the address is in no network of server.mod-heartbeat.from",
            );
        }
        admitted
    }

    /// Hears what a sender said that was admitted.
    pub(super) async fn handle(
        &self,
        said: Result<HeartbeatMessage, DatagramRefusal>,
        from: IpAddr,
    ) -> Result<HeartbeatReceipt, DatagramRejection> {
        let conf = self.conf.borrow().clone();
        let heard = match said {
            Ok(mut heard) => {
                heard.beat.interval = Some(conf.interval.get());
                self.beats
                    .apply(&heard, from, SenderProof::Address(conf.cluster.as_deref()))
                    .await
                    .map_err(DatagramRejection::Refused)
            }
            Err(refusal) => Err(DatagramRejection::Malformed(refusal)),
        };
        match &heard {
            Ok(_) => self.beats.counts.note(Dialect::ModHeartbeat, HeartbeatOutcome::Taken),
            // mod_advertise shares the group and port: that is as it should be
            Err(DatagramRejection::Malformed(DatagramRefusal::Advertisement)) => {}
            Err(deaf @ DatagramRejection::Malformed(_)) => {
                self.refused.note(from, HeartbeatOutcome::Malformed, deaf)
            }
            Err(deaf @ DatagramRejection::Refused(refusal)) => self.refused.note(from, refusal.into(), deaf),
        }
        heard
    }
}
