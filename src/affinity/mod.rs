//! How a cluster recognises and marks a session: what a request says of its node, and what the answer tells
//! the client.
//!
//! Everything here is a pure function of the compiled conf and the message at hand: no clock, no I/O, no
//! memory.

pub mod bypass;
mod compile;
mod cookie;
mod dates;
mod error;
mod key;
mod learn;
mod message;
mod pin_lookup;
mod pin_summary;
mod route;
pub mod seal;
mod unclaimed;
mod value;

#[cfg(test)]
mod tests;

pub use bypass::BypassIssuer;
pub use error::{AffinityError, KeyRingError};
pub use message::{Member, PinOutcome, PinRequest, PinResponse, PinSent, visitor};
pub use pin_lookup::{FoundPin, Lost, PinLookup, PinMeta, Via};
pub use pin_summary::{PinFinding, PinSummary};
pub use seal::KeyRing;

use crate::config::model::CookieMode;
use crate::wire::cookies::{self, SetCookie};
use http::header::{HeaderMap, SET_COOKIE};

/// With this header in its answer a node ends the session's pin. It does not reach the client.
const RELEASE: http::HeaderName = http::HeaderName::from_static("homing-release");

/// What widespread servers call their session cookie. None of them changes the id of a living session with
/// each answer.
const SESSION_COOKIES: [&[u8]; 4] = [b"JSESSIONID", b"PHPSESSID", b"ASP.NET_SessionId", b"connect.sid"];

/// A cluster's affinity, compiled for its nodes.
#[derive(Debug)]
pub struct Affinity {
    main: Option<AffinityMethod>,
    also: Box<[AffinityMethod]>,
}

/// One way to recognise a session.
#[derive(Debug)]
enum AffinityMethod {
    Cookie(Box<cookie::PinCookie>),
    Route(route::RouteForm),
    Learn(learn::LearnForm),
    Key(key::KeyForm),
}

impl Affinity {
    /// What the request says of its session: the main form first, then, if that finds nothing valid, those
    /// under `also`.
    pub fn read<'t>(&'t self, request: &PinRequest<'_>) -> PinLookup<'t> {
        let Some(main) = &self.main else { return PinLookup::absent(None) };
        let own = main.read(request);
        if self.also.is_empty() || own.is_valid() {
            return own;
        }
        let Some(theirs) = self.read_also(request) else { return own };
        // What only guesses at a session must not become the identity inside a seal.
        let session = own.session.or(if theirs.guessed { None } else { theirs.reading.session });
        match (own.found, theirs.reading.found) {
            (FoundPin::Lost(_), FoundPin::Lost(_)) => own,
            (_, found) => {
                let stamp = PinMeta {
                    foreign: true,
                    seen: own.stamp.seen,
                    own_id: own.stamp.own_id,
                    ..PinMeta::default()
                };
                PinLookup { found, session, stamp }
            }
        }
    }

    /// What the forms under `also` say of a session that the main form sends to the ledger, for when the
    /// ledger does not know it. The identity stays that of the main form, so that the ledger knows it from
    /// then on.
    pub fn read_other<'t>(&'t self, own: &PinLookup<'t>, request: &PinRequest<'_>) -> Option<PinLookup<'t>> {
        let other = self.read_also(request)?.reading;
        let session =
            if matches!(other.found, FoundPin::Ledger { .. }) { other.session } else { own.session };
        Some(PinLookup { found: other.found, session, stamp: PinMeta { foreign: true, ..own.stamp } })
    }

    /// What a pin says that is too old only because it was not used for so long: whoever saw its session
    /// meanwhile knows better.
    pub fn read_unused<'t>(&'t self, request: &PinRequest<'_>) -> Option<PinLookup<'t>> {
        match &self.main {
            Some(AffinityMethod::Cookie(form)) => form.read_unused(request),
            _ => None,
        }
    }

    /// Seconds for which a pin may be unused.
    pub fn max_idle(&self) -> Option<u64> {
        match &self.main {
            Some(AffinityMethod::Cookie(form)) => form.max_idle,
            _ => None,
        }
    }

    /// The first valid reading of a form under `also`, or else the first that is lost.
    fn read_also<'t>(&'t self, request: &PinRequest<'_>) -> Option<Other<'t>> {
        let mut lost = None;
        for form in &self.also {
            let reading = form.read(request);
            let other = Other { reading, guessed: form.guesses() };
            // an id that only the ledger could know names no node that another front end has chosen
            if reading.is_valid() && reading.found != (FoundPin::Ledger { via: Via::Learned }) {
                return Some(other);
            }
            if matches!(reading.found, FoundPin::Lost(_)) {
                lost = lost.or(Some(other));
            }
        }
        lost
    }

    /// Hides or strips our pin before the request goes to the node. No work and no allocation when there is
    /// nothing to do.
    pub fn prepare(&self, headers: &mut HeaderMap) {
        if let Some(AffinityMethod::Cookie(form)) = &self.main {
            form.prepare(headers);
        }
        for form in &self.also {
            if let AffinityMethod::Cookie(form) = form {
                form.prepare_foreign(headers);
            }
        }
    }

    /// Marks the answer; tells what the application did with its session.
    pub fn finish(&self, answer: &PinResponse<'_>, headers: &mut HeaderMap) -> PinOutcome {
        let release = headers.remove(RELEASE).is_some() || self.logs_out(answer, headers);
        let mut outcome = match &self.main {
            Some(AffinityMethod::Cookie(form)) => form.finish(answer, release, headers),
            Some(AffinityMethod::Route(form)) => form.finish(answer, headers),
            Some(AffinityMethod::Learn(form)) => form.finish(answer, headers),
            // the client brings the key by itself
            Some(AffinityMethod::Key(_)) => PinOutcome { pinned: true, ..PinOutcome::default() },
            None => PinOutcome::default(),
        };
        outcome.ended |= release;
        // the application has taken the id that was shown, although it says nothing: it is the pin from now
        // on
        outcome.pinned |= answer.stamp.own_id && !outcome.ended;
        outcome
    }

    /// The application ends its own session cookie, which a form under `also` names: our pin ends with it.
    fn logs_out(&self, answer: &PinResponse<'_>, headers: &HeaderMap) -> bool {
        headers.contains_key(SET_COOKIE)
            && self.also.iter().any(|form| {
                let AffinityMethod::Route(form) = form else { return false };
                let said = form.finish(answer, headers);
                said.ended && said.learned.is_none()
            })
    }

    /// Leaves the answer to a bypass as it is, but for what is meant for us.
    pub fn pass_by(&self, headers: &mut HeaderMap) -> PinOutcome {
        headers.remove(RELEASE);
        PinOutcome::default()
    }

    /// True when the application gives the client a new session id in place of the one it showed: it does not
    /// know that one any more, or has just changed it.
    pub fn replaces_id(&self, asked: &HeaderMap, answered: &HeaderMap, now: u64) -> bool {
        let known = |name: &[u8]| match &self.main {
            Some(AffinityMethod::Route(form)) => form.cookie.as_bytes() == name,
            Some(AffinityMethod::Cookie(form)) if form.inserts() => SESSION_COOKIES.contains(&name),
            // the id is the pin itself, and some applications write it anew with each answer
            _ => false,
        };
        answered.get_all(SET_COOKIE).iter().any(|line| {
            let set = SetCookie::parse(line.as_bytes()).filter(|set| known(set.name) && !set.ends(now));
            set.is_some_and(|set| {
                let mut shown = cookies::values(asked, set.name).peekable();
                shown.peek().is_some()
                    && shown.all(|id| cookies::unquoted(id) != cookies::unquoted(set.value))
            })
        })
    }

    /// The reading of a request whose session turned out to be over: as of one that comes for the first time.
    pub fn freed<'t>(&self, reading: &PinLookup<'t>) -> PinLookup<'t> {
        let session = reading.session.filter(|_| !self.identifies());
        let stamp =
            PinMeta { seen: reading.stamp.seen, foreign: reading.stamp.foreign, ..PinMeta::default() };
        PinLookup { found: FoundPin::Absent, session, stamp }
    }

    /// Why no single session can be moved or ended, where none can.
    pub fn no_orders(&self) -> Option<&'static str> {
        match &self.main {
            None => Some("it has no affinity: no session of it is on any node"),
            Some(AffinityMethod::Cookie(form)) if form.guesses() => Some(
                "its cookie names a node and not whose session it is: those who show it cannot be told apart",
            ),
            Some(AffinityMethod::Route(form)) if form.separator.is_none() => {
                Some("its cookie is a route and nothing more: those who show it cannot be told apart")
            }
            Some(AffinityMethod::Key(form)) if !form.remembers() => {
                Some("its sessions are where the hash of their key falls, and nowhere else")
            }
            _ => None,
        }
    }

    /// True when sessions are neither recognised nor marked.
    pub fn is_none(&self) -> bool {
        self.main.is_none()
    }

    /// True when nothing but the ledger says where a session is.
    pub fn stands_in_ledger(&self) -> bool {
        match &self.main {
            Some(AffinityMethod::Learn(_)) => true,
            Some(AffinityMethod::Key(form)) => form.remembers(),
            _ => false,
        }
    }

    /// True when of some sessions nothing but the ledger says where they are: those with an id that names no
    /// node.
    pub fn asks_ledger(&self) -> bool {
        self.stands_in_ledger() || self.main.as_ref().is_some_and(AffinityMethod::shows_ids)
    }

    /// True when sessions are pinned by a cookie that names their node.
    pub fn pins_by_cookie(&self) -> bool {
        matches!(self.main, Some(AffinityMethod::Cookie(_)))
    }

    /// What the key is called that pins are sealed with, if they are.
    pub fn key_id(&self) -> Option<String> {
        match &self.main {
            Some(AffinityMethod::Cookie(cookie)) => cookie.value.key_id(),
            _ => None,
        }
    }

    /// True when a session's identity is its own, not only who seems to be asking.
    pub fn identifies(&self) -> bool {
        self.main.as_ref().is_some_and(|form| !form.guesses())
    }

    /// True when some sessions go where their key or their id falls, so that the cluster needs a ring of its
    /// nodes.
    pub fn hashes(&self) -> bool {
        let falls = |form: &AffinityMethod| matches!(form, AffinityMethod::Key(form) if !form.remembers());
        self.main.as_ref().is_some_and(AffinityMethod::shows_ids)
            || self.main.iter().chain(&self.also).any(falls)
    }
}

/// A reading of a form under `also`.
struct Other<'t> {
    reading: PinLookup<'t>,
    guessed: bool,
}

impl AffinityMethod {
    fn read<'t>(&'t self, request: &PinRequest<'_>) -> PinLookup<'t> {
        match self {
            Self::Cookie(form) => form.read(request),
            Self::Route(form) => form.read(request),
            Self::Learn(form) => form.read(request),
            Self::Key(form) => form.read(request),
        }
    }

    /// True when clients show an id of the application's own, which may name no node.
    fn shows_ids(&self) -> bool {
        match self {
            Self::Cookie(form) => form.mode == CookieMode::Prefix,
            Self::Route(_) | Self::Learn(_) => true,
            Self::Key(_) => false,
        }
    }

    /// True when the session's identity is only who seems to be asking.
    fn guesses(&self) -> bool {
        matches!(self, Self::Cookie(form) if form.guesses())
    }
}
