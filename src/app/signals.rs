//! The signals that the process hears.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Each of them.
pub struct Signals {
    /// The conf file is to be read again.
    pub hangup: Signal,
    /// Log files are to be opened again.
    pub reopen: Signal,
    /// Somebody wants another process to take over, which is not built yet.
    pub hand_over: Signal,
    /// Somebody wants the process to end.
    pub end: EndSignals,
}

/// Those that want the process to end.
pub struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    /// From here on none of them finds its default action.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            hand_over: signal(SignalKind::user_defined2())?,
            end: EndSignals {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                quit: signal(SignalKind::quit())?,
            },
        })
    }
}

impl EndSignals {
    /// Waits for one of them. Cheap to give up.
    pub async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
        }
    }
}
