//! What operators do with single sessions: it needs no table, and an end outlives the process.

use super::App;
use crate::base::clock::Now;
use crate::control::Error;
use crate::control::ended_sessions::EndedSessions;
use crate::control::handle::Applied;
use crate::control::op::{Op, SessionChange};
use crate::control::session_change;
use crate::control::state::writer::Saved;
use crate::table::session_names::ShownSession;
use std::sync::Arc;

/// The document with the sessions that were ended.
pub(super) const ENDED: &str = "ended";

impl App {
    /// Moves or ends a session.
    pub(super) fn change_session(
        &mut self,
        op: &Op,
        (cluster, session): (&str, ShownSession),
        change: &SessionChange,
    ) -> Result<Applied, Error> {
        let (table, now) = (self.registry.current().load_full(), Now::look());
        let told = session_change::change(&table, cluster, session, change, now)?;
        if let Some(told) = &told {
            tracing::info!("{} changed by {}: {told}", op.target(), op.by);
        }
        let saved = match change {
            SessionChange::End => self.save_ended(),
            SessionChange::Move { .. } => Saved::nothing(),
        };
        Ok(Applied { changes: told.into_iter().collect(), saved })
    }

    /// Has it written down which sessions were ended.
    fn save_ended(&mut self) -> Saved {
        let ended = EndedSessions::of(&self.registry.current().load(), Now::look());
        self.ended = !ended.is_empty();
        self.state.write(ENDED, Arc::new(ended))
    }

    /// Once none of them counts any more, earlier versions may read the folder again.
    pub(super) fn forget_ended(&mut self) {
        if self.ended && !EndedSessions::any(&self.registry.current().load(), Now::look()) {
            drop(self.save_ended());
        }
    }
}
