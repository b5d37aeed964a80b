//! Where the control loop is asked to change nodes: one at a time, each with its answer.

use super::edit::{Edit, Refused};
use tokio::sync::{mpsc, oneshot};

/// Changes that wait at most; who asks for more waits himself.
const WAITING: usize = 256;

/// A change that is asked for.
pub struct Order {
    /// The change.
    pub edit: Edit,
    /// Where what changed is told, in words.
    pub answer: oneshot::Sender<Result<Vec<String>, Refused>>,
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
    /// Changes a node; returns what changed, in words.
    pub async fn edit(&self, edit: Edit) -> Result<Vec<String>, Refused> {
        let (answer, told) = oneshot::channel();
        let stopping = || Refused::Invalid("the proxy is stopping".into());
        self.0.send(Order { edit, answer }).await.map_err(|_| stopping())?;
        told.await.unwrap_or_else(|_| Err(stopping()))
    }
}
