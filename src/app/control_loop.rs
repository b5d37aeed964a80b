//! What happens, one thing at a time.

use super::{App, RunEnd};
use crate::feed::names;
use crate::upstream::own_addresses;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

impl App {
    /// Runs until it is to end.
    pub(super) async fn run(mut self) -> RunEnd {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                _ = second.tick() => self.tick(),
                () = self.ends.first() => {
                    tracing::error!("a data-plane thread broke off: ending, to be started again whole");
                    break RunEnd::Broken;
                }
                change = self.files.changed() => self.follow(&change),
                _ = self.signals.hangup.recv() => drop(self.reload("HUP", &"HUP".into())),
                Some(command) = self.commands.recv() => self.handle(command),
                _ = self.signals.reopen.recv() => {
                    self.log.load().reopen();
                    tracing::info!("log files are opened again");
                }
                _ = self.signals.hand_over.recv() => tracing::warn!(
                    "USR2 changes nothing: handing over to the binary on disk is not built yet; TERM ends this process, and \
                     another one can be started at once"
                ),
                () = self.signals.end.any() => break RunEnd::Gracefully,
            }
        };
        self.stop().await;
        ended
    }

    /// Looks at what the passing of time changes.
    fn tick(&mut self) {
        self.end_drains();
        self.forget_silent();
        self.forget_ended();
        self.registry.tidy();
        if own_addresses::look_again() {
            names::review(&self.registry.current().load());
        }
    }
}
