//! A client: what it has in its jar, and where its session is as far as anybody outside the proxy can tell.

use crate::conf::Pins;
use homing::wire::cookies::SetCookie;
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// Where a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    pub node: String,
    /// The run of the node that it was on, and whether the proxy had heard of that run when the pin was
    /// written.
    pub run: u32,
    pub run_told: bool,
    /// When it began there, and when the proxy last saw it.
    pub began: u64,
    pub last: u64,
    /// It was placed here for want of its node, and has had no answer: should that be back, its pin leads
    /// there.
    pub for_want: bool,
    /// The nodes that it left since its client heard of a pin: who shows one to them is led here, if to any.
    pub left: Vec<String>,
}

/// A client.
pub struct Client {
    pub number: usize,
    pub jar: BTreeMap<String, String>,
    pub home: Option<Home>,
    /// What its session goes by, as far as its client knows.
    pub id: Option<u64>,
    /// The node that its pin names, where pins name one.
    pub pin: Option<String>,
    /// The run of that node in which it was written, and whether the proxy had heard of that run.
    pub pin_run: u32,
    pub pin_told: bool,
    /// When the proxy last had to do with it.
    pub seen: u64,
    /// Counts the changes of what it shows: a request that began before is told by what it showed then.
    pub epoch: u32,
    /// Its requests that are not answered yet.
    pub under_way: u32,
}

impl Client {
    pub fn new(number: usize) -> Self {
        Self {
            number,
            jar: BTreeMap::new(),
            home: None,
            id: None,
            pin: None,
            pin_run: 0,
            pin_told: false,
            seen: 0,
            epoch: 0,
            under_way: 0,
        }
    }

    pub fn ip(&self) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, self.number as u8).into()
    }

    /// The headers of its next request.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !self.jar.is_empty() {
            let pairs: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.insert(COOKIE, HeaderValue::try_from(pairs.join("; ")).unwrap());
        }
        headers.insert("x-user", HeaderValue::from(self.number as u64));
        headers
    }

    /// Puts into the jar what an answer sets, and takes out what it ends.
    pub fn keep(&mut self, headers: &HeaderMap, unix: u64) {
        for line in headers.get_all(SET_COOKIE) {
            let set = SetCookie::parse(line.as_bytes()).unwrap();
            let name = String::from_utf8(set.name.to_vec()).unwrap();
            if set.ends(unix) {
                self.jar.remove(&name);
            } else {
                self.jar.insert(name, String::from_utf8(set.value.to_vec()).unwrap());
            }
        }
    }

    /// It begins anew: another browser, say.
    pub fn forget(&mut self, pins: Pins) {
        self.jar.clear();
        self.epoch += 1;
        self.pin = None;
        // who is known by a header is known all the same
        if !matches!(pins, Pins::Key | Pins::Hashed) {
            self.home = None;
        }
    }
}

/// The application's id in a request's headers, as its node sees them.
pub fn shown_id(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(COOKIE)?.to_str().unwrap();
    let value = text.split("; ").find_map(|pair| pair.strip_prefix("SID="))?;
    value.split('.').next()?.parse().ok()
}
