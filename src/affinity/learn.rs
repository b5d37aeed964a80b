//! The application's own session id, learned from its answers: the ledger knows the node.

use super::cookie::cookie_name;
use super::error::AffinityError;
use super::key::{hash_decoded, query_values};
use super::{PinLookup, PinOutcome, PinRequest, PinResponse, route};
use crate::base::hash::hash64;
use crate::wire::cookies;
use crate::wire::token::is_token;
use http::header::{HeaderMap, HeaderName, LOCATION};
use http::{Method, StatusCode};
use std::fmt;

/// The header of a protocol that says what a 404 means to an id: the session is over (Model Context Protocol,
/// Streamable HTTP). Of any other it may be one page that is not there.
const GONE_BY_404: HeaderName = HeaderName::from_static("mcp-session-id");

/// A session id of the application's.
#[derive(Debug)]
pub(super) struct LearnForm {
    pub source: IdSource,
}

/// Where the id stands.
#[derive(Debug)]
pub(super) enum IdSource {
    /// In a cookie.
    Cookie(Box<str>),
    /// In a header of this name, of answers and of requests.
    Header(HeaderName),
    /// In a query parameter; answers name it in the address that they redirect to.
    Query(Box<str>),
    /// In a path parameter, `;NAME=ID`, likewise.
    Path(Box<str>),
}

impl IdSource {
    /// Reads the name of a cookie, "header:NAME", "query:NAME" or "path:NAME".
    pub(super) fn parse(text: &str) -> Result<Self, AffinityError> {
        match text.split_once(':') {
            None => cookie_name(text).map(Self::Cookie),
            Some(("header", name)) => HeaderName::from_bytes(name.as_bytes())
                .map(Self::Header)
                .map_err(|_| AffinityError::HeaderName(name.to_owned())),
            Some(("query", name)) if is_token(name) => Ok(Self::Query(name.into())),
            Some(("path", name)) if is_token(name) => Ok(Self::Path(name.into())),
            Some(_) => Err(AffinityError::Learn(text.to_owned())),
        }
    }

    /// The identity that an address names.
    fn in_target(&self, path: &str, query: Option<&str>) -> Option<u64> {
        let found = match self {
            Self::Query(name) => query_values(query?, name).find(|value| !value.is_empty()),
            Self::Path(name) => route::path_parameters(path, name).find(|value| !value.is_empty()),
            Self::Cookie(_) | Self::Header(_) => None,
        };
        found.map(hash_decoded)
    }
}

impl fmt::Display for IdSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cookie(name) => out.write_str(name),
            Self::Header(name) => write!(out, "header:{name}"),
            Self::Query(name) => write!(out, "query:{name}"),
            Self::Path(name) => write!(out, "path:{name}"),
        }
    }
}

impl LearnForm {
    /// The first id that says anything is the session.
    pub(super) fn read<'t>(&'t self, request: &PinRequest<'_>) -> PinLookup<'t> {
        let id = match &self.source {
            IdSource::Cookie(name) => {
                let mut values = cookies::values(request.headers, name.as_bytes()).map(cookies::unquoted);
                values.find(|value| !value.is_empty()).map(hash64)
            }
            IdSource::Header(name) => in_header(request.headers, name),
            source => source.in_target(request.uri.path(), request.uri.query()),
        };
        id.map_or(PinLookup::absent(None), PinLookup::of_id)
    }

    /// What the application set or ended.
    pub(super) fn finish(&self, answer: &PinResponse<'_>, headers: &HeaderMap) -> PinOutcome {
        match &self.source {
            IdSource::Cookie(name) => route::observe(name, answer, headers, |value| Some(hash64(value))),
            IdSource::Header(name) => {
                let learned = in_header(headers, name);
                let is_deleted = *answer.method == Method::DELETE && answer.status.is_success();
                let is_gone = answer.status == StatusCode::NOT_FOUND && *name == GONE_BY_404;
                let ended = answer.stamp.shows_id() && learned.is_none() && (is_deleted || is_gone);
                PinOutcome { learned: learned.filter(|_| !is_deleted), ended, ..PinOutcome::default() }
            }
            source => {
                let learned = headers.get(LOCATION).and_then(|to| to.to_str().ok()).and_then(|to| {
                    let to = to.split('#').next().unwrap_or_default();
                    let (path, query) =
                        to.split_once('?').map_or((to, None), |(path, query)| (path, Some(query)));
                    source.in_target(path, query)
                });
                PinOutcome { learned, ..PinOutcome::default() }
            }
        }
    }
}

/// The first value that says anything.
fn in_header(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut values = headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii());
    values.find(|value| !value.is_empty()).map(hash64)
}
