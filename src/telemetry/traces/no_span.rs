//! What stands for a request's span in a binary without them.

use http::HeaderMap;

/// There is none.
pub enum Span {}

impl Span {
    /// Whether it is sent.
    pub fn is_sampled(&self) -> bool {
        match *self {}
    }

    /// Tells the node.
    pub fn inject(&self, _: &mut HeaderMap) {
        match *self {}
    }

    /// The trace's id.
    pub fn trace<'t>(&self, _: &'t mut [u8; 32]) -> &'t str {
        match *self {}
    }
}
