//! The other side of a connection has to take what it is sent: one that takes nothing for too long is cut
//! off.

use crate::transport::watched::StreamWatch;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// How long nothing may be taken.
pub struct WriteLimit {
    limit: Duration,
    /// Ends when it does; there while the other side takes nothing.
    end: Option<Pin<Box<Sleep>>>,
}

impl WriteLimit {
    /// So long.
    pub fn of(limit: Duration) -> Self {
        Self { limit, end: None }
    }
}

impl StreamWatch for WriteLimit {
    fn write(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.end = None;
            return written;
        }
        let limit = self.limit;
        let end = self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        end.as_mut()
            .poll(cx)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the other side takes nothing")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::watched::WatchedStream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn who_takes_nothing_is_cut_off_and_who_takes_a_little_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(100);
        let mut patient = WatchedStream::new(ours, WriteLimit::of(Duration::from_secs(60)));
        let taker = async {
            let mut taken = [0; 50];
            for _ in 0..10 {
                theirs.read_exact(&mut taken).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(patient.write_all(&[0; 500]), taker);
        written.unwrap();
        let (ours, _theirs) = tokio::io::duplex(100);
        let mut patient = WatchedStream::new(ours, WriteLimit::of(Duration::from_millis(20)));
        let error = patient.write_all(&[0; 500]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
