//! Where the control loop is asked for changes: one at a time, each with its answer.

use super::error::Error;
use super::op::Op;
use super::state::writer::{NotSaved, Saved};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Changes that wait at most; who asks for more waits himself.
const WAITING: usize = 256;
/// How long whoever asked waits for the disk.
const PATIENCE: Duration = Duration::from_secs(20);

/// A change that is asked for.
pub struct RegistryCommand {
    /// The change.
    pub op: Op,
    /// Where what changed is told.
    pub answer: oneshot::Sender<Result<Applied, Error>>,
}

/// A change that was made: it is in force.
#[derive(Debug, Clone)]
pub struct Applied {
    /// What changed, in words.
    pub changes: Vec<String>,
    /// Until it outlives the process.
    pub saved: Saved,
}

/// Hands changes to the registry. Cheap to clone.
#[derive(Clone)]
pub struct RegistryHandle(mpsc::Sender<RegistryCommand>);

/// Where the control loop takes them.
pub type RegistryCommands = mpsc::Receiver<RegistryCommand>;

/// A handle and its other side.
pub fn channel() -> (RegistryHandle, RegistryCommands) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (RegistryHandle(sender), receiver)
}

impl RegistryHandle {
    /// Has a change made.
    pub async fn apply(&self, op: Op) -> Result<Applied, Error> {
        let (answer, told) = oneshot::channel();
        self.0.send(RegistryCommand { op, answer }).await.map_err(|_| Error::Stopping)?;
        told.await.unwrap_or(Err(Error::Stopping))
    }
}

impl Applied {
    /// What changed, once it outlives the process; and why it does not, if it does not.
    pub async fn once_saved(mut self) -> (Vec<String>, Option<NotSaved>) {
        let unsaved = self.saved.within(PATIENCE).await;
        (self.changes, unsaved)
    }
}
