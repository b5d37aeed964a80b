//! The bytes of an HTTP/2 client's connection, watched for progress.

use crate::transport::connection_progress::ConnectionProgress;
use crate::transport::stream::Rewind;
use crate::transport::watched::{StreamWatch, WatchedStream};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A connection whose pace is noted.
pub type ClientIo = WatchedStream<Rewind, Rc<ConnectionProgress>>;

impl StreamWatch for Rc<ConnectionProgress> {
    fn write(&mut self, _: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.wrote(written.is_ready());
        written
    }
}
