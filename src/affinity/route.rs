//! The route inside the application's own session id: Tomcat's jvmRoute, in its cookie, path parameter or
//! query.

use super::value::Texts;
use super::{FoundPin, Lost, PinLookup, PinMeta, PinOutcome, PinRequest, PinResponse, Via};
use crate::base::hash::hash64;
use crate::config::model::RouteOrder;
use crate::wire::cookies::{self, SetCookie};
use http::header::{HeaderMap, SET_COOKIE};

/// A session id with the route behind a separator.
#[derive(Debug)]
pub(super) struct RouteForm {
    pub cookie: Box<str>,
    pub parameter: Box<str>,
    /// None: the whole value is the route.
    pub separator: Option<Box<str>>,
    pub order: RouteOrder,
    pub routes: Texts,
}

/// What was seen on the way to a known route.
#[derive(Default)]
struct RouteSeen {
    session: Option<u64>,
    /// The session is an id of the application's own.
    own_id: bool,
    unknown: bool,
}

impl RouteForm {
    /// Tries every id in the URL and in the cookies until one names a known node.
    pub(super) fn read<'t>(&'t self, request: &PinRequest<'_>) -> PinLookup<'t> {
        let mut seen = RouteSeen::default();
        let pinned = self.ids(request).find_map(|value| self.follow(value, request, &mut seen));
        pinned.unwrap_or_else(|| match seen {
            RouteSeen { session, own_id, unknown: true } => PinLookup {
                found: FoundPin::Lost(Lost::UnknownRoute),
                session,
                stamp: PinMeta::of_id(own_id),
            },
            RouteSeen { session: Some(id), own_id: true, .. } => PinLookup::of_id(id),
            RouteSeen { session, .. } => PinLookup::absent(session),
        })
    }

    /// Every id that the request shows, in the order in which they are looked at.
    fn ids<'r>(&'r self, request: &'r PinRequest<'_>) -> impl Iterator<Item = &'r [u8]> {
        let in_url = |first| (self.order == first).then(|| self.in_url(request)).into_iter().flatten();
        let in_cookies = cookies::values(request.headers, self.cookie.as_bytes()).map(cookies::unquoted);
        in_url(RouteOrder::UrlFirst).chain(in_cookies).chain(in_url(RouteOrder::CookieFirst))
    }

    fn in_url<'r>(&'r self, request: &'r PinRequest<'_>) -> impl Iterator<Item = &'r [u8]> {
        let name = self.parameter.as_bytes();
        let query = request.uri.query().unwrap_or_default().as_bytes();
        path_parameters(request.uri.path(), &self.parameter)
            .chain(query.split(|byte| *byte == b'&').filter_map(|piece| parameter(piece, name, b';')))
    }

    /// The first route that is no node's.
    pub(super) fn unclaimed<'r>(&'r self, request: &'r PinRequest<'_>) -> Option<&'r [u8]> {
        let mut routes = self.ids(request).filter_map(|id| self.split(id).1);
        routes.find(|route| !route.is_empty() && self.routes.slots(route).is_none())
    }

    fn follow<'t>(
        &'t self,
        value: &[u8],
        request: &PinRequest<'_>,
        seen: &mut RouteSeen,
    ) -> Option<PinLookup<'t>> {
        if value.is_empty() {
            return None;
        }
        let (id, route) = self.split(value);
        // httpd's ROUTEID has no id before the dot, and many sessions share it.
        let session = if id.is_empty() { request.visitor() } else { hash64(id) };
        if seen.session.is_none() {
            (seen.session, seen.own_id) = (Some(session), !id.is_empty());
        }
        let route = route.filter(|route| !route.is_empty())?;
        let Some(slots) = self.routes.slots(route) else {
            seen.unknown = true;
            return None;
        };
        Some(PinLookup::new(FoundPin::Pin { slots, via: Via::Route }, Some(session)))
    }

    /// Id and route.
    fn split<'v>(&self, value: &'v [u8]) -> (&'v [u8], Option<&'v [u8]>) {
        let Some(separator) = &self.separator else { return (&[], Some(value)) };
        let found = match separator.as_bytes() {
            [byte] => memchr::memchr(*byte, value),
            text => memchr::memmem::find(value, text),
        };
        match found {
            Some(at) => (&value[..at], value.get(at + separator.len()..)),
            None => (value, None),
        }
    }

    /// Learns from the application's own cookie. Nothing is written.
    pub(super) fn finish(&self, answer: &PinResponse<'_>, headers: &HeaderMap) -> PinOutcome {
        observe(&self.cookie, answer, headers, |value| {
            let (id, _) = self.split(value);
            (!id.is_empty()).then(|| hash64(id))
        })
    }
}

/// The values of a path parameter, `;NAME=VALUE`. The first piece of the path stands before any `;`, so it is
/// no parameter.
pub(super) fn path_parameters<'u>(path: &'u str, name: &'u str) -> impl Iterator<Item = &'u [u8]> {
    let pieces = path.as_bytes().split(|byte| *byte == b';').skip(1);
    pieces.filter_map(move |piece| parameter(piece, name.as_bytes(), b'/'))
}

/// The value of `name=value` at the start of a piece, up to `end`.
fn parameter<'u>(piece: &'u [u8], name: &[u8], end: u8) -> Option<&'u [u8]> {
    let value = piece.strip_prefix(name)?.strip_prefix(b"=")?;
    Some(&value[..memchr::memchr(end, value).unwrap_or(value.len())])
}

/// What the application does with its session cookie: the identity of the id it sets, and whether it ends
/// one.
pub(super) fn observe(
    name: &str,
    answer: &PinResponse<'_>,
    headers: &HeaderMap,
    identity: impl Fn(&[u8]) -> Option<u64>,
) -> PinOutcome {
    let mut outcome = PinOutcome::default();
    for line in headers.get_all(SET_COOKIE) {
        let Some(set) = SetCookie::parse(line.as_bytes()).filter(|set| set.name == name.as_bytes()) else {
            continue;
        };
        if set.ends(answer.now) {
            outcome.ended = true;
        } else {
            outcome.learned = identity(cookies::unquoted(set.value)).or(outcome.learned);
        }
    }
    outcome
}
