//! What a decision needs to know beside the pin.

use crate::base::clock::Now;

/// What is known beside the pin.
#[derive(Debug, Clone, Copy)]
pub struct DecisionInput<'a> {
    /// Nodes that this request was tried on in vain.
    pub tried: &'a [u32],
    /// Where an earlier request of the same client on this connection was just placed.
    pub hint: Option<u32>,
    /// The wait for first checks is over.
    pub waited: bool,
    /// When it is asked.
    pub now: Now,
    /// Somebody only asks what would be decided: no turn is charged, and no memory renewed.
    pub dry: bool,
}
