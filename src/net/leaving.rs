//! Whether an HTTP/1 client still waits for its answer.

use crate::proxy::client::Client;
use crate::transport::http1::{ClientEnd, H1Connection};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Notices the client that leaves. One that closes its side alone may read on, as `nc` and old libraries do:
/// it has left when it takes nothing more either, or where the conf says that closing is leaving.
#[derive(Default)]
pub struct Leaving {
    /// Since it has closed its side.
    reset: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Leaving {
    /// Ready when it has left. Not to be asked while its body is read.
    pub fn poll(&mut self, cx: &mut Context<'_>, connection: &H1Connection, client: &Client) -> Poll<()> {
        if self.reset.is_none() {
            match ready!(connection.poll_end(cx)) {
                ClientEnd::Closed if !client.leaves_by_closing.get() => {}
                ClientEnd::Closed | ClientEnd::Gone => return Poll::Ready(()),
            }
        }
        match &mut self.reset {
            Some(reset) => reset.as_mut().poll(cx),
            None => {
                // without another descriptor it is noticed by writing to it
                let Ok(reset) = connection.reset() else { return Poll::Pending };
                self.reset.insert(Box::pin(reset)).as_mut().poll(cx)
            }
        }
    }
}
