//! Where the control loop is asked to change nodes: one at a time, each with its answer.

use super::edit::{Edit, Refused};
use super::state::writer::Saved;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Changes that wait at most; who asks for more waits himself.
const WAITING: usize = 256;
/// How long whoever asked waits for the disk.
const PATIENCE: Duration = Duration::from_secs(20);

/// A change that is asked for.
pub struct Order {
    /// The change.
    pub edit: Edit,
    /// Where what changed is told.
    pub answer: oneshot::Sender<Result<Done, Refused>>,
}

/// A change that was made: it is in force.
#[derive(Debug, Clone)]
pub struct Done {
    /// What changed, in words.
    pub changes: Vec<String>,
    /// Until it outlives the process.
    pub saved: Saved,
}

/// Hands orders in. Cheap to clone.
#[derive(Clone)]
pub struct Desk(mpsc::Sender<Order>);

/// Where the control loop takes them.
pub type Orders = mpsc::Receiver<Order>;

/// A desk and its other side.
pub fn open() -> (Desk, Orders) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Desk(sender), receiver)
}

impl Desk {
    /// Changes a node.
    pub async fn edit(&self, edit: Edit) -> Result<Done, Refused> {
        let (answer, told) = oneshot::channel();
        let stopping = || Refused::Invalid("the proxy is stopping".into());
        self.0.send(Order { edit, answer }).await.map_err(|_| stopping())?;
        told.await.unwrap_or_else(|_| Err(stopping()))
    }
}

impl Done {
    /// What changed, once it outlives the process; also that it does not, if the disk does not take it in time.
    pub async fn once_saved(mut self) -> Vec<String> {
        if tokio::time::timeout(PATIENCE, self.saved.wait()).await.is_err() {
            let secs = PATIENCE.as_secs();
            self.changes
                .push(format!("it is in force, but the disk of state-dir has not taken it within {secs} s: a restart now would undo it"));
        }
        self.changes
    }
}
