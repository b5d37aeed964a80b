//! Where the control loop is asked for changes: one at a time, each with its answer.

use super::edit::{Edit, Refused};
use tokio::sync::{mpsc, oneshot};

/// Changes that wait at most; who asks for more waits himself.
const WAITING: usize = 256;

/// A change that is asked for.
pub enum Order {
    /// Of a node.
    Edit(Edit, oneshot::Sender<Result<Vec<String>, Refused>>),
    /// Reading the conf file again.
    Reload(oneshot::Sender<Result<Vec<String>, Vec<String>>>),
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
        let (sender, answer) = oneshot::channel();
        let stopping = || Refused::Invalid("the proxy is stopping".into());
        self.0.send(Order::Edit(edit, sender)).await.map_err(|_| stopping())?;
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Reads the conf file again; returns what changed, or every finding.
    pub async fn reload(&self) -> Result<Vec<String>, Vec<String>> {
        let (sender, answer) = oneshot::channel();
        let stopping = || vec!["the proxy is stopping".to_owned()];
        self.0.send(Order::Reload(sender)).await.map_err(|_| stopping())?;
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }
}
