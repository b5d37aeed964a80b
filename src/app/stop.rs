//! The graceful end.

use super::App;
use super::grace::Grace;
use sd_notify::NotifyState;

impl App {
    /// Ends gracefully within `shutdown-grace`; a second signal ends at once.
    pub(super) async fn stop(mut self) {
        let grace = self.registry.current().load().config.server.shutdown_grace.get();
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        // whoever asks for a change from here on is told that it is too late
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        tracing::info!("stopping: requests in flight have {grace:?}; a second signal stops at once");
        self.components.stop(&mut Grace::new(grace, self.signals.end)).await;
        tracing::info!("stopped");
    }
}
