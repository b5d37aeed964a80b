//! The graceful end.

use super::App;
use super::grace::Grace;
use sd_notify::NotifyState;

impl App {
    /// Ends gracefully within `shutdown-grace`; a second signal ends at once. Addresses and the state folder
    /// are given up first, so that another process can serve from then on, however long requests in flight
    /// take here.
    pub(super) async fn stop(mut self) {
        let grace = self.registry.current().load().config.server.shutdown_grace.get();
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        // whoever asks for a change from here on is told that it is too late
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        tracing::info!("stopping: requests in flight have {grace:?}; a second signal stops at once");
        self.admin.stopping();
        let mut grace = Grace::new(grace, self.signals.end);
        self.components.leave(&mut grace).await;
        if self.components.save() {
            self.state.dir().give_up();
            tracing::info!("addresses and state-dir are free for another process");
        }
        self.components.stop(&mut grace).await;
        tracing::info!("stopped");
    }
}
