//! How far a client may send ahead over one connection of HTTP/2 follows what nodes take of its uploads.

use super::client_io::ClientIo;
use crate::transport::receiving::Taking;
use crate::transport::window::{Bounds, Share, Window};
use bytes::Bytes;
use h2::server::{Builder, Connection};
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Waker};

/// The window at first: that of a client that has not heard of it yet (RFC 9113 section 6.5.2), so that a
/// first upload is not held up.
const START: u32 = 64 << 10;

/// How far the windows of uploads grow: on one connection to half of what all of them may have under way, so
/// that others have room beside some that nobody takes any more; on all connections of a worker together,
/// since a socket takes much at first also for a node that reads nothing.
const BOUNDS: Bounds =
    Bounds { start: START, most: 512 << 10, sum: MOST as u64 / 2, common: 32 << 20, steps: 8 };

/// What all uploads of a connection may have under way together: at first,
const ROOM: u32 = 256 << 10;
/// and at most.
const MOST: u32 = 4 << 20;

/// What small frames may take of memory besides their bytes.
const FRAMES: usize = 1 << 20;

/// The uploads of one connection.
pub struct Uploads {
    window: Rc<Window>,
    /// What they may have under way together, as was last told.
    room: u32,
}

/// One of them, until nobody takes it any more.
struct StandingUpload {
    window: Rc<Window>,
    share: Share,
    /// Bytes that were taken since the window was last outgrown.
    taken: Cell<u64>,
}

impl Uploads {
    /// Of a connection that is about to be opened, on a worker with others.
    pub fn begin(builder: &mut Builder, beyond: &Rc<Cell<u64>>) -> Self {
        builder.initial_window_size(START).initial_connection_window_size(ROOM).data_frame_budget(FRAMES);
        Self { window: Rc::new(Window::new(BOUNDS, beyond.clone())), room: ROOM }
    }

    /// The client begins one.
    pub fn welcome(&self) -> Rc<dyn Taking> {
        Rc::new(StandingUpload {
            window: self.window.clone(),
            share: self.window.welcome(),
            taken: Cell::default(),
        })
    }

    /// Tells the client how far it may send ahead from now on. Whether there is something to be sent.
    pub fn update(&mut self, streams: &mut Connection<ClientIo, Bytes>, cx: &Context<'_>) -> bool {
        let told = self.window.update(cx, |size| streams.set_initial_window_size(size).is_ok());
        let room = self.window.held().clamp(ROOM.into(), MOST.into()) as u32;
        if room != self.room {
            self.room = room;
            streams.set_target_window_size(room);
            return true;
        }
        told
    }
}

impl Taking for StandingUpload {
    fn took(&self, bytes: usize) {
        self.window.took(&self.taken, bytes);
    }
    fn waits(&self, reader: &Waker) {
        self.window.waits(&self.share, reader);
    }
}

impl Drop for StandingUpload {
    fn drop(&mut self) {
        self.window.give_back(&self.share);
    }
}
