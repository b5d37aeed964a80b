//! Why the proxy does not start.

use super::component::PrepareError;
use crate::control;
use crate::telemetry::traces::CollectorError;
use std::error::Error;
use std::fmt;
use std::io;

/// What it was that could not be had.
#[derive(Debug)]
pub(super) enum StartError {
    /// The signals.
    Signals(io::Error),
    /// A thread.
    Thread(io::Error),
    /// The state folder, the keys in it, or a table of the conf.
    Control(control::Error),
    /// The collector of traces.
    Traces(CollectorError),
    /// A component.
    Component(PrepareError),
}

impl From<control::Error> for StartError {
    fn from(why: control::Error) -> Self {
        Self::Control(why)
    }
}

impl From<CollectorError> for StartError {
    fn from(why: CollectorError) -> Self {
        Self::Traces(why)
    }
}

impl From<PrepareError> for StartError {
    fn from(why: PrepareError) -> Self {
        Self::Component(why)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signals(why) => write!(out, "signals: {why}"),
            Self::Thread(why) => write!(out, "thread: {why}"),
            Self::Control(why) => why.fmt(out),
            Self::Traces(why) => write!(out, "server.traces: {why}"),
            Self::Component(why) => why.fmt(out),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Signals(why) | Self::Thread(why) => Some(why),
            Self::Control(why) => Some(why),
            Self::Traces(why) => Some(why),
            Self::Component(why) => Some(why),
        }
    }
}
