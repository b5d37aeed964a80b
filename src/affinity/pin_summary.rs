//! What a request said of its session, small enough to be kept for every request, and without anything a
//! client would keep secret.

use super::{Affinity, AffinityMethod, FoundPin, Lost, PinLookup, Via, dates};

/// What a request said of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PinSummary {
    /// What it was.
    pub heard: PinFinding,
    /// A form under `also` said it.
    foreign: bool,
    /// When the session began, in stamp units; 0 for not known.
    first: u32,
}

/// What was heard, whichever node it named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PinFinding {
    /// Nothing.
    #[default]
    Nothing,
    /// A pin that names its node.
    Pin(Via),
    /// An identity that the ledger may know.
    Identity(Via),
    /// A key that falls on a node.
    Key,
    /// A pin that does not count any more.
    Lost(Lost),
}

impl PinSummary {
    /// Whether a form under `also` said it.
    pub fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// When the session began, in seconds since 1970, if the pin tells.
    pub fn began(&self) -> Option<u64> {
        (self.first != 0).then(|| dates::seconds(self.first))
    }
}

impl PinFinding {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Pin(_) => "pin",
            Self::Identity(_) => "identity",
            Self::Key => "key",
            Self::Lost(Lost::UnknownRoute) => "unknown-route",
            Self::Lost(Lost::Tampered) => "tampered",
            Self::Lost(Lost::Expired) => "expired",
            Self::Lost(Lost::Ended) => "ended",
        }
    }

    fn via(self) -> Option<Via> {
        match self {
            Self::Pin(via) | Self::Identity(via) => Some(via),
            Self::Key => Some(Via::Key),
            Self::Nothing | Self::Lost(_) => None,
        }
    }
}

impl PinLookup<'_> {
    /// What it says, to be kept.
    pub fn gist(&self) -> PinSummary {
        let heard = match self.found {
            FoundPin::Absent => PinFinding::Nothing,
            FoundPin::Pin { via, .. } => PinFinding::Pin(via),
            FoundPin::Ledger { via } => PinFinding::Identity(via),
            FoundPin::Key { .. } => PinFinding::Key,
            FoundPin::Lost(lost) => PinFinding::Lost(lost),
        };
        PinSummary { heard, foreign: self.stamp.foreign, first: self.stamp.first.unwrap_or(0) }
    }
}

impl Affinity {
    /// Where a request was looked at for what it said: `cookie HOMING`, `key query:sid`.
    pub fn source(&self, gist: &PinSummary) -> Option<String> {
        let main = self.main.iter().filter(|_| !gist.foreign);
        let mut forms =
            main.chain(&self.also).filter(|form| gist.heard.via().is_none_or(|via| form.reads(via)));
        forms.next().map(|form| form.name(gist.heard.via()))
    }
}

impl AffinityMethod {
    fn reads(&self, via: Via) -> bool {
        match self {
            Self::Cookie(_) => via == Via::Cookie || (via == Via::Learned && self.shows_ids()),
            Self::Route(_) => via == Via::Route || via == Via::Learned,
            Self::Learn(_) => via == Via::Learned,
            Self::Key(_) => via == Via::Key,
        }
    }

    fn name(&self, via: Option<Via>) -> String {
        match self {
            Self::Cookie(form) if via == Some(Via::Learned) => format!("session id {}", form.name),
            Self::Route(form) if via == Some(Via::Learned) => format!("session id {}", form.cookie),
            Self::Cookie(form) => format!("cookie {}", form.name),
            Self::Route(form) => format!("route in {}", form.cookie),
            Self::Learn(form) => format!("session id {}", form.source),
            Self::Key(form) => format!("key {}", form.source),
        }
    }
}
