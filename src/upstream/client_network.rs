//! Who shares the streams of HTTP/2 to a node with others: an address, and what one machine has of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};

/// The part of an IPv6 address that is one network's: a machine chooses the rest as it likes (RFC 4291
/// section 2.5.4).
const NETWORK: u128 = !0 << 64;

/// All clients at one address, however many connections they have; of IPv6, in one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientNetwork(IpAddr);

impl ClientNetwork {
    /// Who this address belongs to.
    pub fn of(client: IpAddr) -> Self {
        Self(match client.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
            address => address,
        })
    }
}

/// What each of them has of something.
#[derive(Debug, Default)]
pub struct FairShares {
    held: HashMap<ClientNetwork, u32>,
    all: u32,
}

/// Of what is left, nobody takes more who has so many times as much already.
const TIMES: u32 = 7;

impl FairShares {
    /// What one has.
    pub fn of(&self, whose: ClientNetwork) -> u32 {
        self.held.get(&whose).copied().unwrap_or_default()
    }

    /// Whether one may have more where there are so many. Who is alone may have nearly all; the more of it is
    /// taken, the more is kept for those who have less, and the last for who has none: what is never given
    /// back holds up its own household alone.
    pub fn may_have_more(&self, whose: ClientNetwork, there: u32) -> bool {
        let (has, left) = (self.of(whose), there.saturating_sub(self.all));
        has == 0 || (left > 1 && has < left.saturating_mul(TIMES))
    }

    /// One takes one.
    pub fn take(&mut self, whose: ClientNetwork) {
        *self.held.entry(whose).or_default() += 1;
        self.all += 1;
    }

    /// One gives one back.
    pub fn give_back(&mut self, whose: ClientNetwork) {
        if let Entry::Occupied(mut held) = self.held.entry(whose) {
            self.all -= 1;
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> ClientNetwork {
        ClientNetwork::of(address.parse().unwrap())
    }

    #[test]
    fn a_household_is_an_address_or_a_network() {
        for (one, other, same) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            assert_eq!(at(one) == at(other), same, "{one} {other}");
        }
    }

    #[test]
    fn who_is_alone_has_nearly_all_and_others_have_something_beside() {
        for (there, alone, beside) in
            [(1, 1, 0), (2, 1, 1), (4, 3, 1), (8, 7, 1), (128, 112, 14), (256, 224, 28)]
        {
            let mut shares = FairShares::default();
            for (household, most) in [("10.0.0.1", alone), ("10.0.0.2", beside)] {
                // as its callers do, who look for one that is there
                while shares.all < there && shares.may_have_more(at(household), there) {
                    shares.take(at(household));
                }
                assert_eq!(shares.of(at(household)), most, "{household} of {there}");
            }
            for household in ["10.0.0.1", "10.0.0.2"] {
                (0..shares.of(at(household))).for_each(|_| shares.give_back(at(household)));
            }
            assert!(shares.all == 0 && shares.held.is_empty());
        }
    }
}
