//! A request gets its place at the node that was chosen, and waits for it where all are taken.

use super::choose::{Chosen, unavailable};
use super::context::RequestContext;
use super::refused::Refused;
use super::session;
use super::slot::RequestSlot;
use crate::telemetry::termination::Termination;

/// Gives up the place that the request had, and takes one at the node that was chosen now.
pub(super) async fn place(context: &mut RequestContext<'_>, chosen: &Chosen) -> Result<(), Refused> {
    let (cluster, open) = (context.to.cluster, &mut *context.open);
    open.carry(cluster, &chosen.session);
    open.record.chosen(cluster, &chosen.verdict, open.now);
    open.leave_slot(open.now);
    let Some(slot) = RequestSlot::take(cluster, &chosen.verdict.node, cluster.conf.queue_timeout.get()).await
    else {
        session::abandon(cluster, &chosen.session, chosen.verdict.node.live.slot, open.look());
        let message = "Every place at the server is taken. Please try again.";
        return Err(unavailable(cluster, message, "queue-timeout").ended(Termination::QueueTimeout));
    };
    if let Some(waited) = slot.waited {
        open.record.queue_ms = waited.as_secs_f64() * 1000.0;
        open.look();
    }
    slot.rescore(open.now);
    open.record.behind = slot.behind;
    open.slot = Some(slot);
    Ok(())
}
