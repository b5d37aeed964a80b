//! How long the end may take.

use super::signals::EndSignals;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Sleep;

/// For so long, and until a second signal.
pub struct Grace {
    over: Pin<Box<Sleep>>,
    signals: EndSignals,
    /// It was over when somebody waited for that.
    ended: bool,
}

impl Grace {
    /// Begins now.
    pub fn new(grace: Duration, signals: EndSignals) -> Self {
        Self { over: Box::pin(tokio::time::sleep(grace)), signals, ended: false }
    }

    /// Waits until it is over. Cheap to give up.
    pub async fn is_over(&mut self) {
        if self.ended {
            return;
        }
        tokio::select! {
            () = &mut self.over => tracing::warn!("shutdown-grace is over: connections that are still open are cut"),
            () = self.signals.any() => {}
        }
        self.ended = true;
    }
}
