//! Changes at run time: what somebody asks for.

use super::{App, OVERLAY};
use crate::base::clock::Now;
use crate::control::Error;
use crate::control::audit::AuditEntry;
use crate::control::handle::{Applied, RegistryCommand};
use crate::control::op::{Change, Op, ProxyChange};
use crate::control::state::writer::Saved;

/// So many changes are told in one line of the log.
const MOST_TOLD: usize = 50;

impl App {
    /// Makes a change that is asked for.
    pub(super) fn handle(&mut self, command: RegistryCommand) {
        let is_arrival = |command: &RegistryCommand| command.op.arrival().is_some();
        let mut commands = vec![command];
        // nodes that come at one time are let in by one table
        while commands.last().is_some_and(is_arrival)
            && let Ok(next) = self.commands.try_recv()
        {
            commands.push(next);
        }
        let other = commands.pop_if(|command| !is_arrival(command));
        let together = if commands.len() > 1 {
            self.change_all(&commands.iter().map(|command| &command.op).collect::<Vec<_>>()).ok()
        } else {
            None
        };
        for command in commands.into_iter().chain(other) {
            let done = match &together {
                Some(done) if is_arrival(&command) => Ok(done.clone()),
                _ => self.change(&command.op),
            };
            // whoever asked and does not wait for the answer any more has still asked
            drop(command.answer.send(done));
        }
    }

    /// Makes one change. Nodes come and move by themselves: that is no news of who did what.
    pub(super) fn change(&mut self, op: &Op) -> Result<Applied, Error> {
        if matches!(op.change, Change::Proxy(ProxyChange::Reload)) {
            return match self.reload("asked for", &op.by) {
                reload if reload.ok => Ok(Applied { changes: reload.changes, saved: Saved::nothing() }),
                reload => Err(Error::Findings(reload.findings)),
            };
        }
        let done = match &op.change {
            Change::Session { cluster, session, change } => {
                self.change_session(op, (cluster, *session), change)?
            }
            _ => self.change_all(&[op])?,
        };
        if op.arrival().is_none() {
            self.admin.changed(AuditEntry::of(op, &done.changes));
        }
        Ok(done)
    }

    /// Makes changes that a table is made of, all of them or none.
    pub(super) fn change_all(&mut self, ops: &[&Op]) -> Result<Applied, Error> {
        let mut prepared = self.registry.prepare_ops(ops, Now::look())?;
        let changes = std::mem::take(&mut prepared.changes);
        let forgets = !prepared.forgotten.is_empty();
        self.put_in_force(prepared).map_err(|why| Error::Findings(vec![why.to_string()]))?;
        if forgets {
            self.beats.remember();
        }
        let saved = self.state.write(OVERLAY, self.registry.overlay().clone());
        if let (Some(op), false) = (ops.first(), changes.is_empty()) {
            let more = if ops.len() > 1 { format!(" and {} more", ops.len() - 1) } else { String::new() };
            let rest = changes.len().saturating_sub(MOST_TOLD);
            let told = changes[..changes.len() - rest].join("; ");
            let rest = if rest > 0 { format!("; and {rest} more") } else { String::new() };
            tracing::info!("{}{more} changed by {}: {told}{rest}", op.target(), op.by);
        }
        Ok(Applied { changes, saved })
    }
}
