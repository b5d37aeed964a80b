//! Interim answers (RFC 9110 section 15.2): what a node says before its final answer, and what that means for
//! a body that waits for `100 Continue`.

use super::body::Upload;
use http::{HeaderMap, StatusCode};
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long a body waits for a node that may not know `Expect` (RFC 9110 section 10.1.1: not for an
/// indefinite period).
const PATIENCE: Duration = Duration::from_secs(1);

/// Interim answers passed on for one request; some more are dropped.
const TOLD: u16 = 16;

/// Interim answers that a node may give to one request: who only ever says that it is about to answer does
/// not.
const MOST: u16 = 1000;

/// The interim answers to one request.
#[derive(Default)]
pub struct InterimCount(u16);

/// A node gave more than `MOST`.
#[derive(Debug)]
pub struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {MOST} interim answers, and no final one")
    }
}

impl InterimCount {
    /// One more. Whether it is passed on.
    pub fn another(&mut self) -> Result<bool, Endless> {
        self.0 += 1;
        if self.0 > MOST { Err(Endless) } else { Ok(self.0 <= TOLD) }
    }
}

/// One interim answer.
#[derive(Debug)]
pub struct Interim {
    /// `103 Rewind Hints` and its like; `100 Continue` when the body may come.
    pub status: StatusCode,
    /// As the node sent them.
    pub headers: HeaderMap,
}

/// What a node said.
pub enum InterimEvent<T> {
    /// Something before the answer.
    Interim(Interim),
    /// The answer.
    Final(T),
}

/// Waits for the final answer. What comes before is told to `on_interim`; a body that is held back is
/// released by `100 Continue` or when the node says nothing for a while, and not read at all when the final
/// answer comes first.
pub async fn until_final<T>(
    mut heard: impl FnMut(&mut Context<'_>) -> Poll<InterimEvent<T>>,
    upload: Option<&Upload>,
    on_interim: impl AsyncFn(Interim),
) -> T {
    let upload = upload.filter(|u| u.is_held_back());
    let mut patience = upload.map(|_| Box::pin(tokio::time::sleep(PATIENCE)));
    loop {
        let next = poll_fn(|cx| {
            if patience.as_mut().is_some_and(|p| p.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(InterimEvent::Interim(Interim {
                    status: StatusCode::CONTINUE,
                    headers: HeaderMap::new(),
                }));
            }
            heard(cx)
        });
        match next.await {
            InterimEvent::Final(answer) => return answer,
            InterimEvent::Interim(interim) if interim.status == StatusCode::CONTINUE => {
                // a node may say it unasked, or late: it is passed on once, to a client that waits for it
                if let Some(upload) = upload.filter(|u| u.is_held_back()) {
                    on_interim(interim).await;
                    upload.release();
                }
                patience = None;
            }
            InterimEvent::Interim(interim) => on_interim(interim).await,
        }
    }
}
