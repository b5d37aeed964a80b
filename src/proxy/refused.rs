//! A request that gets an answer of ours in place of a node's, because something is wrong.

use crate::telemetry::termination::Termination;
use crate::wire::Malformed;
use bytes::Bytes;
use http::StatusCode;
use std::borrow::Cow;

/// An answer that we give in place of a node.
#[derive(Debug)]
pub struct Refused {
    /// Its status.
    pub status: StatusCode,
    /// What happened and what to do next, for the person who reads it.
    pub message: Cow<'static, str>,
    /// When to try again, in seconds.
    pub retry_after: Option<u32>,
    /// For the log.
    pub note: Cow<'static, str>,
    /// How the request ended.
    pub ended: Termination,
    /// The cluster's own page.
    pub page: Option<Bytes>,
}

impl Refused {
    /// A plain refusal.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            retry_after: None,
            note: Cow::Borrowed(""),
            ended: Termination::Refused,
            page: None,
        }
    }
    /// What is said to bytes that are no request.
    pub fn malformed(why: Malformed) -> Self {
        let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::BAD_REQUEST);
        Self::new(status, format!("The request cannot be read: {why}.")).note(why.reason()).ended(match why {
            Malformed::CutShort => Termination::ClientRequest,
            Malformed::Late => Termination::ClientRequestTimeout,
            _ => Termination::Refused,
        })
    }
    /// With what goes into the log.
    pub fn note(self, note: impl Into<Cow<'static, str>>) -> Self {
        Self { note: note.into(), ..self }
    }
    /// With how it ended, where we are not the ones who refuse it.
    pub fn ended(self, ended: Termination) -> Self {
        Self { ended, ..self }
    }
    /// With when to try again.
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}
