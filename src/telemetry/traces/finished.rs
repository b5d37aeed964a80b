//! A span that is over, on its way to the collector.

use crate::table::decide::Why;
use crate::wire::traceparent::Traceparent;
use std::net::IpAddr;

/// A span of a request that is over.
#[derive(Debug)]
pub(super) struct FinishedSpan {
    pub place: Traceparent,
    /// The span it is under, in the same trace.
    pub parent: Option<u64>,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    pub client: IpAddr,
    pub tls: bool,
    pub status: u16,
    pub why: Why,
    pub rule: Option<u32>,
    pub method: String,
    pub path: String,
    pub host: String,
    /// "HTTP/1.1" or the like.
    pub version: &'static str,
    pub cluster: Option<String>,
    pub node: Option<String>,
    pub was: Option<String>,
    pub id: String,
}
