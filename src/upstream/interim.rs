//! Interim answers (RFC 9110 section 15.2): what a node says before its final answer, and what that means for a body that
//! waits for `100 Continue`.

use super::body::Upload;
use http::{HeaderMap, Request, StatusCode};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long a body waits for a node that may not know `Expect` (RFC 9110 section 10.1.1: not for an indefinite period).
const PATIENCE: Duration = Duration::from_secs(1);

/// Interim answers passed on for one request; what a node says beyond that is dropped.
pub const MOST: u8 = 16;

/// One interim answer.
#[derive(Debug)]
pub struct Interim {
    /// `103 Early Hints` and its like; `100 Continue` when the body may come.
    pub status: StatusCode,
    /// As the node sent them.
    pub headers: HeaderMap,
}

/// Where the interim answers of one HTTP/1 connection come in. hyper tells of them by a callback that could run on another
/// thread, hence the lock; it never does.
#[derive(Default)]
pub struct Inbox(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    heard: VecDeque<Interim>,
    left: u8,
    reader: Option<Waker>,
}

/// What a node said.
pub enum Heard<T> {
    /// Something before the answer.
    Interim(Interim),
    /// The answer.
    Final(T),
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request on the connection: its interim answers are to come in here.
    pub fn announce<B>(self: &Arc<Self>, mut request: Request<B>) -> Request<B> {
        {
            let mut waiting = self.lock();
            waiting.heard.clear();
            waiting.left = MOST;
        }
        let inbox = self.clone();
        hyper::ext::on_informational(&mut request, move |answer| inbox.put(answer.status(), answer.headers()));
        request
    }

    fn put(&self, status: StatusCode, headers: &HeaderMap) {
        let mut waiting = self.lock();
        if waiting.left > 0 {
            waiting.left -= 1;
            waiting.heard.push_back(Interim { status, headers: headers.clone() });
            if let Some(reader) = waiting.reader.take() {
                reader.wake();
            }
        }
    }

    /// What came in, in its order: hyper tells of all interim answers before the final one.
    pub fn poll<F: Future>(&self, cx: &mut Context<'_>, answer: Pin<&mut F>) -> Poll<Heard<F::Output>> {
        let mut waiting = self.lock();
        if let Some(interim) = waiting.heard.pop_front() {
            return Poll::Ready(Heard::Interim(interim));
        }
        if !waiting.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            waiting.reader = Some(cx.waker().clone());
        }
        drop(waiting);
        answer.poll(cx).map(Heard::Final)
    }
}

/// Waits for the final answer. What comes before is told to `on_interim`; a body that is held back is released by `100
/// Continue` or when the node says nothing for a while, and not read at all when the final answer comes first.
pub async fn until_final<T>(
    mut heard: impl FnMut(&mut Context<'_>) -> Poll<Heard<T>>,
    upload: Option<&Upload>,
    on_interim: impl AsyncFn(Interim),
) -> T {
    let upload = upload.filter(|u| u.is_held_back());
    let mut patience = upload.map(|_| Box::pin(tokio::time::sleep(PATIENCE)));
    loop {
        let next = poll_fn(|cx| {
            if patience.as_mut().is_some_and(|p| p.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(Heard::Interim(Interim { status: StatusCode::CONTINUE, headers: HeaderMap::new() }));
            }
            heard(cx)
        });
        match next.await {
            Heard::Final(answer) => return answer,
            Heard::Interim(interim) if interim.status == StatusCode::CONTINUE => {
                // a node may say it unasked, or late: it is passed on once, to a client that waits for it
                if let Some(upload) = upload.filter(|u| u.is_held_back()) {
                    on_interim(interim).await;
                    upload.release();
                }
                patience = None;
            }
            Heard::Interim(interim) => on_interim(interim).await,
        }
    }
}
