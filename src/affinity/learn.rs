//! The application's own session cookie, learned from its answers: the ledger knows the node.

use super::{PinLookup, PinOutcome, PinRequest, PinResponse, route};
use crate::base::hash::hash64;
use crate::wire::cookies;
use http::header::HeaderMap;

/// A session cookie of the application's.
#[derive(Debug)]
pub(super) struct LearnForm {
    pub cookie: Box<str>,
}

impl LearnForm {
    /// The first cookie of the name that says anything is the session.
    pub(super) fn read<'t>(&'t self, request: &PinRequest<'_>) -> PinLookup<'t> {
        let mut values = cookies::values(request.headers, self.cookie.as_bytes()).map(cookies::unquoted);
        match values.find(|value| !value.is_empty()) {
            Some(value) => PinLookup::of_id(hash64(value)),
            None => PinLookup::absent(None),
        }
    }

    /// What the application set or ended.
    pub(super) fn finish(&self, answer: &PinResponse<'_>, headers: &HeaderMap) -> PinOutcome {
        route::observe(&self.cookie, answer, headers, |value| Some(hash64(value)))
    }
}
