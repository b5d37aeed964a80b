//! How requests end that are not answered: they fail, wait in vain, or their client walks away; and what each
//! gives back.

use crate::traffic::{Ask, Step};
use crate::world::{Held, World};
use homing::proxy::retry::RetryState;
use homing::proxy::session;
use homing::upstream::failure::{ExchangeFailure, SendError};

impl World {
    /// The request failed. What to try again with.
    pub fn fail(&mut self, mut ask: Ask, kind: ExchangeFailure) -> Held<Option<RetryState>> {
        self.tell(|| format!("client {} fails at {}: {kind:?}", ask.client, ask.verdict.node.spec.name));
        self.sum.failed += 1;
        let name = ask.verdict.node.spec.name.clone();
        let second = self.second;
        self.machine(&name).calm_since = second;
        self.abandon(&ask);
        let error = SendError::new(kind, "");
        let again = ask.tries.again(&error, &ask.verdict, &ask.session, &ask.cluster, true, self.now);
        let (client, tries) =
            (ask.client, std::mem::replace(&mut ask.tries, RetryState::new(&ask.cluster, true)));
        self.drop_flight(&mut ask);
        self.leave(ask);
        if again {
            return Ok(Some(tries));
        }
        self.clients[client].under_way -= 1;
        Ok(None)
    }

    fn abandon(&mut self, ask: &Ask) {
        session::abandon(&ask.cluster, &ask.session, ask.verdict.node.live.slot, self.now);
        if self.conf.pins.ask_ledger() && ask.cluster.live.ledger.find(ask.session.id).is_none() {
            self.clients[ask.client].home = None;
        }
    }

    /// Waited too long for a slot.
    pub fn give_up(&mut self, mut ask: Ask) {
        self.abandon(&ask);
        self.clients[ask.client].under_way -= 1;
        self.drop_flight(&mut ask);
        self.leave(ask);
    }

    /// A client does not wait for the rest.
    pub fn walk_away(&mut self, at: usize) {
        let mut ask = self.asks.swap_remove(at);
        self.tell(|| format!("client {} does not wait", ask.client));
        self.clients[ask.client].under_way -= 1;
        self.drop_flight(&mut ask);
        self.leave(ask);
    }

    fn drop_flight(&mut self, ask: &mut Ask) {
        if let Some(flight) = ask.flight.take() {
            self.flights.end(flight, Some(&ask.cluster.live), self.now);
        }
    }

    /// Gives back what a request has.
    pub fn leave(&mut self, ask: Ask) {
        self.clients[ask.client].seen = self.second;
        if let Step::Answer { slot, .. } = ask.step {
            self.machine(&ask.verdict.node.spec.name).in_flight -= 1;
            slot.leave(self.now);
        }
    }
}
