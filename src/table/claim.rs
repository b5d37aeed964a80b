//! Another address that a node was announced at after it was accepted. It changes nothing until an operator
//! accepts it.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Where else somebody says that a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The address, as `NodeUrl` prints it.
    pub url: String,
    /// Who says so.
    pub from: IpAddr,
}

/// The claim on one node: the newest alone.
#[derive(Debug)]
pub struct Claims(Mutex<Latest>);

#[derive(Debug)]
struct Latest {
    /// Kept when it does not stand any more: two that take turns are told of once.
    claim: Option<Claim>,
    stands: bool,
}

impl Claims {
    /// There was none.
    pub const fn none() -> Self {
        Self(Mutex::new(Latest { claim: None, stands: false }))
    }

    /// The one that stands.
    pub fn standing(&self) -> Option<Claim> {
        self.ask(|latest| latest.claim.clone().filter(|_| latest.stands))
    }

    /// Whether this one stands.
    pub fn is_standing(&self, claim: &Claim) -> bool {
        self.ask(|latest| latest.stands && latest.claim.as_ref() == Some(claim))
    }

    /// From here on this one stands. True when it is for another address than the one before.
    pub fn record(&self, claim: Claim) -> bool {
        self.ask(|latest| {
            let is_news = latest.claim.as_ref().is_none_or(|before| before.url != claim.url);
            *latest = Latest { claim: Some(claim), stands: true };
            is_news
        })
    }

    /// There was none.
    pub fn forget(&self) {
        self.ask(|latest| *latest = Latest { claim: None, stands: false });
    }

    /// The node is where it was. True when one stood.
    pub fn withdraw(&self) -> bool {
        self.ask(|latest| std::mem::take(&mut latest.stands))
    }

    fn ask<T>(&self, ask: impl FnOnce(&mut Latest) -> T) -> T {
        ask(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(url: &str) -> Claim {
        Claim { url: url.into(), from: [10, 0, 0, 1].into() }
    }

    #[test]
    fn the_newest_stands_until_it_is_withdrawn_and_is_news_once() {
        let (claims, one, other) = (Claims::none(), claim("http://a:1"), claim("http://b:2"));
        assert_eq!((claims.standing(), claims.withdraw()), (None, false));
        assert!(claims.record(one.clone()) && claims.is_standing(&one) && !claims.is_standing(&other));
        assert_eq!((claims.withdraw(), claims.standing(), claims.is_standing(&one)), (true, None, false));
        assert!(!claims.record(one.clone()), "it was told of");
        assert!(claims.record(other.clone()));
        assert_eq!(claims.standing(), Some(other));
        assert!(
            !claims.record(Claim { from: [10, 0, 0, 2].into(), ..claim("http://b:2") }),
            "who says so is no news"
        );
    }
}
