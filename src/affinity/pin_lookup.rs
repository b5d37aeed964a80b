//! What a request says of its session: which node it names, and whose session it is.

/// What a request says of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinLookup<'t> {
    /// Which node it names, if any.
    pub found: FoundPin<'t>,
    /// The session's identity, for the ledger.
    pub session: Option<u64>,
    /// To be handed back with the answer.
    pub stamp: PinMeta,
}

/// Which node a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundPin<'t> {
    /// None.
    Absent,
    /// One of these, in the order of declaration; several nodes may share a value.
    Pin {
        /// The nodes.
        slots: &'t [u32],
        /// Where it was read.
        via: Via,
    },
    /// The one that the ledger has for the session.
    Ledger {
        /// Where the session's identity was read.
        via: Via,
    },
    /// The one that this hash falls on.
    Key {
        /// Hash of the key.
        hash: u64,
    },
    /// One that does not count any more.
    Lost(Lost),
}

/// Where a pin was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A pin cookie.
    Cookie,
    /// The route in the application's own session id.
    Route,
    /// The application's session id, learned from its answers.
    Learned,
    /// A key of the request.
    Key,
}

/// Why a pin does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// It names no node of this cluster.
    UnknownRoute,
    /// It was not sealed by us, or was changed since.
    Tampered,
    /// It is too old.
    Expired,
    /// An operator has ended its session.
    Ended,
}

/// What `read` wants `finish` to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PinMeta {
    /// When the session began, in stamp units.
    pub(super) first: Option<u32>,
    /// The pin must be written again although it is right.
    pub(super) refresh: bool,
    /// A form under `also` matched, so the main form has written nothing yet.
    pub(super) foreign: bool,
    /// The request carried a cookie of the main form's name.
    pub(super) seen: bool,
    /// The session's identity is an id of the application's own, which the client showed.
    pub(super) own_id: bool,
    /// Hash of the node's run when the pin was sealed, if that was known.
    pub(super) boot: Option<u32>,
}

impl PinMeta {
    /// True when the client showed an id of the application's own: whatever else is wrong, that is the
    /// session.
    pub fn shows_id(&self) -> bool {
        self.own_id
    }

    /// True of a pin that we sealed: whose session it is stands in it.
    pub fn is_opened(&self) -> bool {
        self.first.is_some()
    }

    /// Of a session that the application's own id identifies.
    pub fn of_id(known: bool) -> Self {
        Self { own_id: known, ..Self::default() }
    }

    /// Hash of the node's run in which the session began, if the pin tells.
    pub fn boot(&self) -> Option<u32> {
        self.boot
    }
}

impl<'t> PinLookup<'t> {
    /// Of a request that says nothing.
    pub fn absent(session: Option<u64>) -> Self {
        Self { found: FoundPin::Absent, session, stamp: PinMeta::default() }
    }

    pub(super) fn new(found: FoundPin<'t>, session: Option<u64>) -> Self {
        Self { found, session, stamp: PinMeta::default() }
    }

    /// Of an id of the application's own that names no node by itself.
    pub(super) fn of_id(id: u64) -> Self {
        Self { found: FoundPin::Ledger { via: Via::Learned }, session: Some(id), stamp: PinMeta::of_id(true) }
    }

    /// The same of a request whose session an operator has ended: it goes by the same id, and its pin leads
    /// nowhere.
    pub fn ended(&self) -> Self {
        let PinMeta { seen, foreign, own_id, .. } = self.stamp;
        let stamp = PinMeta { seen, foreign, own_id, ..PinMeta::default() };
        Self { found: FoundPin::Lost(Lost::Ended), session: self.session, stamp }
    }

    /// Whether a form under `also` said it.
    pub fn is_foreign(&self) -> bool {
        self.stamp.foreign
    }

    pub(super) fn is_valid(&self) -> bool {
        !matches!(self.found, FoundPin::Absent | FoundPin::Lost(_))
    }
}
