//! The pin cookie: HAProxy's `cookie` in its four modes, readable or sealed.

use super::error::AffinityError;
use super::value::{PinPurpose, PinValue, write_stamp};
use super::{FoundPin, Lost, PinLookup, PinMeta, PinOutcome, PinRequest, PinResponse, PinSent, Via, dates};
use crate::base::hash::hash64;
use crate::config::model::CookieMode;
use crate::wire::cookies::{self, Edit, SetCookie};
use crate::wire::token::is_token;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, SET_COOKIE};

/// What ends a cookie at the client, as HAProxy writes it.
const DELETION: &[u8] = b"=; Expires=Thu, 01-Jan-1970 00:00:01 GMT";

/// The name of a cookie, if it can be one.
pub(super) fn cookie_name(name: &str) -> Result<Box<str>, AffinityError> {
    if is_token(name) { Ok(name.into()) } else { Err(AffinityError::CookieName(name.to_owned())) }
}

/// A pin cookie, compiled.
#[derive(Debug)]
pub(super) struct PinCookie {
    pub name: Box<str>,
    pub mode: CookieMode,
    pub value: PinValue,
    pub indirect: bool,
    pub nocache: bool,
    pub postonly: bool,
    pub preserve: bool,
    pub max_idle: Option<u64>,
    pub max_life: Option<u64>,
    /// Attributes to clients in clear text.
    pub tail: Box<[u8]>,
    /// Attributes to clients under TLS.
    pub tail_secure: Box<[u8]>,
}

impl PinCookie {
    fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// True when the cookie is ours, beside those of the application.
    pub(super) fn inserts(&self) -> bool {
        self.mode == CookieMode::Insert
    }

    /// True when the cookie names a node and nothing more.
    pub(super) fn guesses(&self) -> bool {
        self.mode != CookieMode::Prefix && !self.value.is_sealed()
    }

    /// Looks at all cookies of the name; the first valid one wins, or else the best reason why none is.
    pub(super) fn read<'t>(&'t self, request: &PinRequest<'_>) -> PinLookup<'t> {
        let mut best: Option<PinLookup<'t>> = None;
        for value in cookies::values(request.headers, self.name()) {
            let mut reading = self.read_one(value, request);
            reading.stamp.seen = true;
            if matches!(reading.found, FoundPin::Pin { .. }) {
                return reading;
            }
            if best.is_none_or(|best| rank(&reading) > rank(&best)) {
                best = Some(reading);
            }
        }
        let absent = PinLookup::absent(if self.guesses() { Some(request.visitor()) } else { None });
        best.unwrap_or(absent)
    }

    fn read_one<'t>(&'t self, value: &[u8], request: &PinRequest<'_>) -> PinLookup<'t> {
        if self.mode == CookieMode::Prefix {
            return self.read_prefix(value);
        }
        match &self.value {
            PinValue::Text(_) if value.is_empty() => PinLookup::absent(Some(request.visitor())),
            PinValue::Text(_) => self.read_text(value, request),
            PinValue::Sealed(_) if value.is_empty() => PinLookup::absent(None),
            PinValue::Sealed(_) => self.read_sealed(value, request.now, self.max_idle),
        }
    }

    /// The nodes that a readable text names.
    fn slots(&self, text: &[u8]) -> Option<&[u32]> {
        match &self.value {
            PinValue::Text(texts) => texts.slots(text),
            PinValue::Sealed(_) => None,
        }
    }

    /// The nodes that a whole value names.
    fn slots_behind(&self, text: &[u8]) -> Option<&[u32]> {
        match &self.value {
            PinValue::Text(texts) => texts.slots_behind(text),
            PinValue::Sealed(_) => None,
        }
    }

    /// The text of a value that names no node.
    pub(super) fn unclaimed<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        let PinValue::Text(texts) = &self.value else { return None };
        let text = match self.mode {
            CookieMode::Prefix => &value[..memchr::memchr(b'~', value)?],
            _ => dates::split(cookies::unquoted(value)).0,
        };
        (!text.is_empty() && texts.slots_behind(text).is_none()).then_some(text)
    }

    /// The hash of the node's name in a value that we sealed, if that node is not here.
    pub(super) fn unclaimed_hash(&self, value: &[u8]) -> Option<u64> {
        let PinValue::Sealed(seals) = &self.value else { return None };
        let (pin, _) = seals.open(value)?;
        seals.slots(pin.node).is_none().then_some(pin.node)
    }

    fn read_prefix<'t>(&'t self, value: &[u8]) -> PinLookup<'t> {
        let tilde = memchr::memchr(b'~', value);
        let (pin, rest) = tilde.map_or((value, value), |at| (&value[..at], &value[at + 1..]));
        let session = (!rest.is_empty()).then(|| hash64(rest));
        let pinned = self.slots(pin).map_or(FoundPin::Lost(Lost::UnknownRoute), at);
        match pinned {
            // The application's cookie as it was before we stood in front of it.
            FoundPin::Lost(_) if tilde.is_none() => session.map_or(PinLookup::absent(None), PinLookup::of_id),
            found => PinLookup { found, session, stamp: PinMeta::of_id(session.is_some()) },
        }
    }

    fn read_text<'t>(&'t self, value: &[u8], request: &PinRequest<'_>) -> PinLookup<'t> {
        let session = Some(request.visitor());
        let now = request.now;
        // Envoy's comes in quotes
        let (text, last, first) = dates::split(cookies::unquoted(value));
        if dates::is_over(first, self.max_life, now) || dates::is_over(last, self.max_idle, now) {
            return PinLookup::new(FoundPin::Lost(Lost::Expired), session);
        }
        let stale = last.is_none_or(|last| dates::seconds(last) < now);
        let refresh = ((self.max_idle.is_some() || last.is_some()) && stale)
            || self.max_life.is_some() != first.is_some();
        let stamp = PinMeta { first, refresh, ..PinMeta::default() };
        PinLookup {
            found: self.slots_behind(text).map_or(FoundPin::Lost(Lost::UnknownRoute), at),
            session,
            stamp,
        }
    }

    /// What a pin says if it is not too old but for its last use; none where pins name no session.
    pub(super) fn read_unused<'t>(&'t self, request: &PinRequest<'_>) -> Option<PinLookup<'t>> {
        if !self.value.is_sealed() {
            return None;
        }
        let mut readings = cookies::values(request.headers, self.name())
            .map(|value| self.read_sealed(value, request.now, None));
        let found = readings.find(|reading| matches!(reading.found, FoundPin::Pin { .. }))?;
        Some(PinLookup { stamp: PinMeta { seen: true, ..found.stamp }, ..found })
    }

    fn read_sealed<'t>(&'t self, value: &[u8], now: u64, max_idle: Option<u64>) -> PinLookup<'t> {
        let PinValue::Sealed(seals) = &self.value else { return PinLookup::absent(None) };
        let Some((pin, old_key)) = seals.open(value) else {
            return PinLookup::new(FoundPin::Lost(Lost::Tampered), None);
        };
        if dates::is_over(Some(pin.first), self.max_life, now)
            || dates::is_over(Some(pin.last), max_idle, now)
        {
            return PinLookup::new(FoundPin::Lost(Lost::Expired), None);
        }
        let half_way = self
            .max_idle
            .is_some_and(|idle| now.saturating_sub(dates::seconds(pin.last)) > (idle / 2).max(4));
        let stamp = PinMeta {
            first: Some(pin.first),
            refresh: old_key || half_way,
            boot: pin.boot,
            ..PinMeta::default()
        };
        PinLookup {
            found: seals.slots(pin.node).map_or(FoundPin::Lost(Lost::UnknownRoute), at),
            session: Some(pin.session),
            stamp,
        }
    }

    /// Takes our part out of the request.
    pub(super) fn prepare(&self, headers: &mut HeaderMap) {
        if self.mode == CookieMode::Prefix {
            cookies::shorten(headers, self.name(), |value| {
                Some(memchr::memchr(b'~', value)? + 1..value.len())
            });
        } else if self.indirect {
            cookies::remove(headers, self.name());
        }
    }

    /// Takes another front end's prefix out of the request, if it surely is one: the application would not
    /// know its session with it.
    pub(super) fn prepare_foreign(&self, headers: &mut HeaderMap) {
        if self.mode != CookieMode::Prefix {
            return;
        }
        cookies::shorten(headers, self.name(), |value| {
            let tilde = memchr::memchr(b'~', value)?;
            self.slots(&value[..tilde]).map(|_| tilde + 1..value.len())
        });
    }

    /// Marks the answer.
    pub(super) fn finish(
        &self,
        answer: &PinResponse<'_>,
        release: bool,
        headers: &mut HeaderMap,
    ) -> PinOutcome {
        let direct = answer.honoured && !answer.stamp.foreign;
        let mut outcome = PinOutcome::default();
        let app_set =
            headers.contains_key(SET_COOKIE) && self.edit_set_cookies(answer, direct, headers, &mut outcome);
        if self.mode == CookieMode::Insert && !(self.preserve && app_set) {
            self.insert(answer, direct, release, headers, &mut outcome);
        }
        if outcome.pinned && self.nocache {
            mark_private(headers);
        }
        outcome
    }

    /// Does to the application's own Set-Cookie lines of our name what the mode says; true if there were any.
    fn edit_set_cookies(
        &self,
        answer: &PinResponse<'_>,
        direct: bool,
        headers: &mut HeaderMap,
        outcome: &mut PinOutcome,
    ) -> bool {
        let mut app_set = false;
        cookies::edit(headers, &SET_COOKIE, |line| {
            let Some(set) = SetCookie::parse(line.as_bytes()).filter(|set| set.name == self.name()) else {
                return Edit::Keep;
            };
            app_set = true;
            let insert = self.mode == CookieMode::Insert;
            if !self.preserve && (insert || (self.indirect && direct)) {
                outcome.cookie = PinSent::Deleted;
                return Edit::Remove;
            }
            outcome.cookie = PinSent::Provided;
            let ends = set.ends(answer.now);
            outcome.ended |= ends;
            let prefix = self.mode == CookieMode::Prefix;
            if insert || !(prefix || self.mode == CookieMode::Rewrite) {
                return Edit::Keep;
            }
            if prefix && !ends {
                outcome.learned = Some(hash64(set.value));
            }
            let mut pin = Vec::new();
            if !self.value.write(&mut pin, &self.wanted(answer)) {
                return Edit::Keep;
            }
            (outcome.pinned, outcome.cookie) = (true, PinSent::Rewritten);
            if prefix {
                Edit::Replace(set.with_value(&[&pin, b"~", set.value]))
            } else {
                Edit::Replace(set.with_value(&[&pin]))
            }
        });
        app_set
    }

    fn insert(
        &self,
        answer: &PinResponse<'_>,
        direct: bool,
        release: bool,
        headers: &mut HeaderMap,
        outcome: &mut PinOutcome,
    ) {
        let reboots = self.value.is_sealed() && answer.boot.is_some() && answer.stamp.boot != answer.boot;
        let due = if release { answer.stamp.seen } else { !direct || answer.stamp.refresh || reboots };
        if !due || (self.postonly && answer.method != http::Method::POST) {
            return;
        }
        let tail = if answer.secure { &self.tail_secure } else { &self.tail };
        let mut line = Vec::with_capacity(self.name.len() + 96 + tail.len());
        line.extend_from_slice(self.name());
        line.push(b'=');
        if !release && self.value.write(&mut line, &self.wanted(answer)) {
            (outcome.pinned, outcome.cookie) =
                (true, if direct { PinSent::Updated } else { PinSent::Inserted });
            self.write_stamps(&mut line, answer);
        } else {
            // A node without a value keeps nobody: the client is to forget its pin, as with HAProxy.
            outcome.cookie = PinSent::Deleted;
            line.truncate(self.name.len());
            line.extend_from_slice(DELETION);
        }
        line.extend_from_slice(tail);
        if let Ok(line) = HeaderValue::from_maybe_shared(bytes::Bytes::from(line)) {
            headers.append(SET_COOKIE, line);
        }
    }

    fn write_stamps(&self, line: &mut Vec<u8>, answer: &PinResponse<'_>) {
        if self.value.is_sealed() || (self.max_idle.is_none() && self.max_life.is_none()) {
            return;
        }
        let now = dates::units(answer.now);
        write_stamp(line, now);
        if self.max_life.is_some() {
            write_stamp(line, answer.stamp.first.unwrap_or(now));
        }
    }

    fn wanted(&self, answer: &PinResponse<'_>) -> PinPurpose {
        PinPurpose {
            slot: answer.slot,
            session: answer.session,
            first: answer.stamp.first,
            boot: answer.boot,
            now: answer.now,
        }
    }
}

fn at(slots: &[u32]) -> FoundPin<'_> {
    FoundPin::Pin { slots, via: Via::Cookie }
}

/// Of several readings that name no node, the one that tells the most.
fn rank(reading: &PinLookup<'_>) -> u8 {
    match reading.found {
        FoundPin::Ledger { .. } => 4,
        FoundPin::Lost(Lost::Expired) => 3,
        FoundPin::Lost(Lost::UnknownRoute) => 2,
        FoundPin::Lost(Lost::Tampered) => 1,
        _ => 0,
    }
}

/// A shared cache must not hand one client's pin to another.
fn mark_private(headers: &mut HeaderMap) {
    let said =
        headers.get_all(CACHE_CONTROL).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let mut words = said.map(|word| word.trim_ascii());
    if !words.any(|word| word.eq_ignore_ascii_case(b"private") || word.eq_ignore_ascii_case(b"no-store")) {
        headers.append(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}
