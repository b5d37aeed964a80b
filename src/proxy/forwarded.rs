//! Tells a node who asked, as its cluster wants to be told.

use super::headers::append;
use crate::config::model::{ForwardedField as Field, ForwardedHow as How, Strangers};
use crate::table::forwarding::Forwarding;
use crate::wire::forwarded::{FOR, HOST, OriginClaims, PORT, PROTO, REAL_IP, SERVER, Teller, member};
use crate::wire::host::{has_port, port_of, without_port};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;

/// What a node is told of the client.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The address the connection comes from.
    pub peer: IpAddr,
    /// The same as text.
    pub peer_text: &'a HeaderValue,
    /// Who asks: told by trusted proxies, else the peer.
    pub client: IpAddr,
    /// True when the peer is one whose forwarded headers are believed.
    pub trusted: bool,
    /// "http" or "https", as the client came: told by trusted proxies, else `hop_scheme`.
    pub scheme: &'static str,
    /// "http" or "https", as the peer came.
    pub hop_scheme: &'static str,
    /// The host as asked for, with port if there was one.
    pub host: Option<&'a HeaderValue>,
    /// The port the listener was reached on.
    pub port: &'a HeaderValue,
}

impl Origin<'_> {
    /// The peer asks for itself.
    fn is_direct(&self) -> bool {
        self.client == self.peer.to_canonical()
    }

    fn client_text(&self) -> HeaderValue {
        if self.is_direct() { self.peer_text.clone() } else { text(self.client) }
    }
}

/// Tells the node who asked. What strangers say of it is dropped, unless it is to pass; what trusted proxies
/// say is kept and added to.
pub fn tell(headers: &mut HeaderMap, claims: OriginClaims, way: Forwarding, origin: &Origin<'_>) {
    let said = match way.strangers {
        Strangers::Drop if claims.any() => drop_what_is_not_believed(headers, claims, origin.trusted),
        _ => claims.by_proxies,
    };
    let note = Note { way, origin, said };
    note.client(headers);
    if way.writes(Field::Proto) {
        note.fact(headers, PROTO, || HeaderValue::from_static(origin.scheme));
    }
    if let Some(host) = origin.host.filter(|host| way.writes(Field::Host) && !host.is_empty()) {
        note.fact(headers, HOST, || host.clone());
    }
    if way.writes(Field::Port) {
        let port = port(headers, note.believed(), origin);
        note.fact(headers, PORT, || port);
    }
    if way.writes(Field::Server)
        && let Some(name) =
            origin.host.map(|host| without_port(host.as_bytes())).filter(|name| !name.is_empty())
        && let Ok(name) = HeaderValue::from_bytes(name)
    {
        note.add(headers, SERVER, name);
    }
    if way.writes(Field::RealIp) && !(note.believed() && headers.contains_key(REAL_IP)) {
        headers.insert(REAL_IP, origin.client_text());
    }
    if way.writes(Field::Forwarded) {
        note.forwarded(headers);
    }
}

/// Takes out what is not believed. Whether proxies say something that stays.
fn drop_what_is_not_believed(headers: &mut HeaderMap, claims: OriginClaims, trusted: bool) -> bool {
    if trusted && !claims.by_nobody {
        return claims.by_proxies;
    }
    let goes = |name: &HeaderName| match Teller::of(name.as_str()) {
        Teller::Anybody => false,
        Teller::Proxy => !trusted,
        Teller::Nobody => true,
    };
    let gone: Vec<HeaderName> = headers.keys().filter(|name| goes(name)).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
    claims.by_proxies && trusted
}

/// One telling.
struct Note<'a> {
    way: Forwarding,
    origin: &'a Origin<'a>,
    /// Something is there already that proxies say: trusted ones, or strangers whose words pass.
    said: bool,
}

impl Note<'_> {
    /// What is there is a trusted proxy's.
    fn believed(&self) -> bool {
        self.said && self.origin.trusted
    }

    fn client(&self, headers: &mut HeaderMap) {
        if !self.way.writes(Field::For) {
            return;
        }
        let Origin { peer_text, client, .. } = *self.origin;
        if !self.said || self.origin.is_direct() {
            return self.add(headers, FOR, peer_text.clone());
        }
        match self.way.how {
            How::Replace => self.add(headers, FOR, text(client)),
            // the proxy in front has named it in `Forwarded` alone
            _ if !headers.contains_key(&FOR) => {
                self.add(headers, FOR, text(client));
                self.add(headers, FOR, peer_text.clone());
            }
            _ => self.add(headers, FOR, peer_text.clone()),
        }
    }

    fn forwarded(&self, headers: &mut HeaderMap) {
        let Origin { peer, client, scheme, hop_scheme, host, .. } = *self.origin;
        let one = |who, scheme| HeaderValue::try_from(member(who, host, scheme)).ok();
        let ours = match self.way.how {
            How::Replace => one(client, scheme),
            _ => one(peer, hop_scheme),
        };
        let told_otherwise = self.believed() && !headers.contains_key(header::FORWARDED);
        // the proxy in front has named it in X-Forwarded-For alone (RFC 7239 section 7.4)
        let theirs = (told_otherwise && !self.origin.is_direct() && self.way.how != How::Replace)
            .then(|| one(client, scheme));
        for value in theirs.into_iter().chain([ours]).flatten() {
            self.add(headers, header::FORWARDED, value);
        }
    }

    /// What is one thing and no list: a trusted proxy knows it better, as long as it says one thing.
    fn fact(&self, headers: &mut HeaderMap, name: HeaderName, ours: impl FnOnce() -> HeaderValue) {
        if !self.believed() {
            return self.add(headers, name, ours());
        }
        let mut lines = headers.get_all(&name).iter();
        let one = lines.next().filter(|line| !line.as_bytes().contains(&b',')).is_some();
        if !one || lines.next().is_some() {
            headers.insert(name, ours());
        }
    }

    /// Beside what is there, as the conf says.
    fn add(&self, headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
        match self.way.how {
            How::Join if self.said => append(headers, name, value.as_bytes()),
            How::Line if self.said => drop(headers.append(name, value)),
            _ => drop(headers.insert(name, value)),
        }
    }
}

fn text(ip: IpAddr) -> HeaderValue {
    // made of digits, letters, dots and colons
    HeaderValue::try_from(ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// The port that the client asked at, which need not be the one where it came in: containers and firewalls
/// lead one to the other. It is in the host, or else the scheme's own.
fn port(headers: &HeaderMap, believed: bool, origin: &Origin<'_>) -> HeaderValue {
    let told = if believed { headers.get(HOST) } else { None };
    let Some(host) = told.or(origin.host) else { return origin.port.clone() };
    // mostly it is the one where it came in
    if has_port(host.as_bytes(), origin.port.as_bytes()) {
        return origin.port.clone();
    }
    match host.to_str().ok().and_then(port_of) {
        None if origin.scheme == "https" => HeaderValue::from_static("443"),
        None => HeaderValue::from_static("80"),
        Some(port) => HeaderValue::from_str(port).unwrap_or_else(|_| origin.port.clone()),
    }
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
