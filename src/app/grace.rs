//! How long the end may take.

use super::signals::EndSignals;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Sleep;

/// For so long, and until a second signal.
pub struct Grace {
    over: Pin<Box<Sleep>>,
    signals: EndSignals,
}

impl Grace {
    /// Begins now.
    pub fn new(grace: Duration, signals: EndSignals) -> Self {
        Self { over: Box::pin(tokio::time::sleep(grace)), signals }
    }

    /// Waits until it is over.
    pub async fn is_over(&mut self) {
        tokio::select! {
            () = &mut self.over => tracing::warn!("shutdown-grace is over: connections that are still open are cut"),
            () = self.signals.any() => {}
        }
    }
}
