//! Headers by which a proxy tells who asked: which they are, and what those in front that are believed say in
//! them.

use crate::base::units::Network;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;

/// The clients that a request came through, each proxy's peer behind those before it.
pub const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The scheme that the client used.
pub const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The host that it asked for.
pub const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// The port that it asked at.
pub const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// The proxies that a request came through, by name.
pub const SERVER: HeaderName = HeaderName::from_static("x-forwarded-server");
/// The client alone.
pub const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Who may say what a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teller {
    /// Whoever asks: it tells nothing of where a request came from.
    Anybody,
    /// A proxy in front that is believed.
    Proxy,
    /// Nobody: an underscore or a dot in place of a hyphen, which servers that make variables of headers (CGI,
    /// WSGI, PHP) cannot tell from the header itself, and `Proxy`, which becomes the variable HTTP_PROXY there.
    Nobody,
}

impl Teller {
    /// Of a header of this name, in lower case. Asked of every header of every request: by its first two letters,
    /// most are anybody's.
    pub fn of(name: &str) -> Self {
        match name.as_bytes() {
            [b'x', second, _, _, _, ..] if !second.is_ascii_alphanumeric() => {}
            [b'f', b'o' | b'r', _, _, _, ..] | [b'h', b'o', _, _, _, ..] | [b'p', b'r', _, _, _, ..] => {}
            [b'c', b'l', _, _, _, ..] | [b't', b'r', _, _, _, ..] | [b'w', b'l', _, _, _, ..] => {}
            _ => return Self::Anybody,
        }
        let hyphen = |c: char| !c.is_ascii_alphanumeric() && c != '-';
        match name.contains(hyphen) {
            true if is_told(&name.replace(hyphen, "-")) => Self::Nobody,
            false if name == "proxy" => Self::Nobody,
            false if is_told(name) => Self::Proxy,
            _ => Self::Anybody,
        }
    }
}

/// Whether a name is one of those by which proxies tell who asked, and for what.
fn is_told(name: &str) -> bool {
    name.starts_with("x-forwarded")
        || name.starts_with("homing-")
        || matches!(
            name,
            "forwarded"
                | "x-real-ip"
                | "x-client-ip"
                | "x-cluster-client-ip"
                | "x-original-for"
                | "x-original-host"
                | "x-original-proto"
                | "x-scheme"
                | "x-url-scheme"
                | "front-end-https"
                | "client-ip"
                | "true-client-ip"
                | "proxy-client-ip"
                | "wl-proxy-client-ip"
                | "wl-proxy-ssl"
        )
}

/// Whether the headers of a request say where it comes from, whoever wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OriginClaims {
    /// In headers that proxies write.
    pub by_proxies: bool,
    /// In headers that nobody has a right to.
    pub by_nobody: bool,
}

impl OriginClaims {
    /// Looks at each header's name.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut claims = Self::default();
        for name in headers.keys() {
            match Teller::of(name.as_str()) {
                Teller::Anybody => {}
                Teller::Proxy => claims.by_proxies = true,
                Teller::Nobody => claims.by_nobody = true,
            }
        }
        claims
    }

    /// Whether there are any.
    pub fn any(self) -> bool {
        self.by_proxies || self.by_nobody
    }
}

/// What proxies in front that are believed tell of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Its address: the rightmost that is not theirs.
    pub client: IpAddr,
    /// "http" or "https", where they say it.
    pub scheme: Option<&'static str>,
}

impl Told {
    /// Reads what they tell. From a stranger it is the peer, whatever it says.
    ///
    /// `X-Forwarded-For` stands above `Forwarded`, as `X-Forwarded-Proto` does. Where several of them have
    /// added to the scheme, it is that of the one which saw the client: what stands further to the left is
    /// what the client says of itself.
    pub fn read(headers: &HeaderMap, peer: IpAddr, trusted: &[Network]) -> Self {
        let mut walk = HopWalk { client: peer.to_canonical(), hops: 0, trusted };
        if !walk.believes() {
            return Self { client: walk.client, scheme: None };
        }
        let by_for = headers.contains_key(&FOR);
        if by_for {
            let mut hops = members(headers, &FOR);
            while hops.next().is_some_and(|text| walk.on(text)) {}
        }
        let mut scheme = None;
        let mut told = members(headers, &header::FORWARDED);
        let mut going = true;
        while let Some(member) = told.next().filter(|_| going) {
            scheme = pair(member, "proto").and_then(scheme_of).or(scheme);
            going = !by_for && pair(member, "for").is_some_and(|node| walk.on(node));
        }
        // the one further left than there are proxies that are believed is a stranger's
        let seen = members(headers, &PROTO).take(walk.hops.max(1)).last().and_then(scheme_of);
        Self { client: walk.client, scheme: seen.or(scheme) }
    }
}

/// From the peer to the client, one proxy after the other.
struct HopWalk<'a> {
    client: IpAddr,
    /// Those that were believed.
    hops: usize,
    trusted: &'a [Network],
}

impl HopWalk<'_> {
    fn believes(&self) -> bool {
        self.trusted.iter().any(|network| network.contains(self.client))
    }

    /// To whom the last one names; whether that one is believed too. Past what nobody can read, nothing can
    /// be.
    fn on(&mut self, text: &str) -> bool {
        self.hops += 1;
        match address(text) {
            Some(ip) => {
                self.client = ip.to_canonical();
                self.believes()
            }
            None => false,
        }
    }
}

/// The members of a list from the last to the first; of a line that is not text, one that is unreadable.
fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    headers.get_all(name).iter().rev().flat_map(|line| line.to_str().unwrap_or("?").rsplit(','))
}

fn scheme_of(text: &str) -> Option<&'static str> {
    let is = |word: &str| text.trim().eq_ignore_ascii_case(word);
    match () {
        () if is("https") || is("wss") => Some("https"),
        () if is("http") || is("ws") => Some("http"),
        () => None,
    }
}

/// What a member of `Forwarded` says by this name, without quotes.
fn pair<'a>(member: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = member.split(';').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().trim_matches('"'))
}

/// An address as these headers write it: bare, quoted, in brackets, with or without port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    if let Some(inner) = text.strip_prefix('[') {
        return inner.split(']').next()?.parse().ok();
    }
    let ip = text.parse().ok();
    ip.or_else(|| {
        text.rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok())
            .and_then(|(host, _)| host.parse().ok())
    })
}

/// One value of a list, as RFC 7239 writes it.
pub fn member(client: IpAddr, host: Option<&HeaderValue>, scheme: &str) -> String {
    let client = match client.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("\"[{ip}]\""),
    };
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or("");
    let host: String = host.chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()).collect();
    format!("for={client};host=\"{host}\";proto={scheme}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_told_by_proxies_by_nobody_or_by_anybody() {
        use Teller::{Anybody, Nobody, Proxy};
        for (names, teller) in [
            (
                "x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port x-forwarded-server \
                 x-forwarded-prefix x-forwarded-ssl x-forwarded-scheme x-forwarded-by x-forwarded-user \
                 x-forwarded forwarded x-real-ip front-end-https homing-state homing-anything client-ip \
                 true-client-ip x-original-host wl-proxy-ssl",
                Proxy,
            ),
            (
                "proxy x_forwarded_for x-forwarded_for x_forwarded-proto x_real_ip front_end_https homing_state \
                 x-forwarded-for_ x_forwarded x.forwarded.for x.real.ip x-forwarded.proto x~real~ip",
                Nobody,
            ),
            (
                "host cookie accept content-type proxy-authorization x-requested-with x_requested_with x-forward \
                 x-real-ip2 user_agent front-end x-user via te connection if-none-match the_proxy",
                Anybody,
            ),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(Teller::of(name), teller, "{name}");
            }
        }
    }

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    #[test]
    fn the_client_behind_proxies() {
        let trusted: Vec<Network> =
            ["10.0.0.0/8", "fd00::/8"].iter().map(|text| text.parse().unwrap()).collect();
        for (peer, lines, expected) in [
            ("9.9.9.9", &[("x-forwarded-for", "1.1.1.1")][..], "9.9.9.9"),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.2")], "1.1.1.1"),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1:4000")], "1.1.1.1"),
            ("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, garbage, 10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1", &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            (
                "10.0.0.1",
                &[("forwarded", "for=6.6.6.6, for=\"[2001:db8::1]:80\";proto=http, For=10.1.1.1")],
                "2001:db8::1",
            ),
            ("::ffff:10.0.0.1", &[], "10.0.0.1"),
        ] {
            let told = Told::read(&map(lines), peer.parse().unwrap(), &trusted);
            assert_eq!(told.client.to_string(), expected, "{peer} {lines:?}");
        }
    }

    /// A peer, what it says, and the scheme that is believed.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>);

    #[test]
    fn the_scheme_is_that_of_the_proxy_which_saw_the_client() {
        let trusted: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap()];
        let (proto, xff, rfc) = ("x-forwarded-proto", "x-forwarded-for", "forwarded");
        let cases: &[Case<'_>] = &[
            ("9.9.9.9", &[(proto, "https")], None),
            ("10.0.0.1", &[], None),
            ("10.0.0.1", &[(proto, "https")], Some("https")),
            ("10.0.0.1", &[(proto, "HTTPS")], Some("https")),
            ("10.0.0.1", &[(proto, "wss")], Some("https")),
            ("10.0.0.1", &[(proto, "gopher")], None),
            ("10.0.0.1", &[(proto, "https,https"), (xff, "1.1.1.1")], Some("https")),
            ("10.0.0.1", &[(proto, "https"), (proto, "https")], Some("https")),
            // the edge saw https, its next in line http
            ("10.0.0.1", &[(proto, "https, http"), (xff, "1.1.1.1, 10.0.0.2")], Some("https")),
            // the client says https of itself, the only proxy that it came by http
            ("10.0.0.1", &[(proto, "https, http"), (xff, "1.1.1.1")], Some("http")),
            ("10.0.0.1", &[(proto, "https, http"), (xff, "6.6.6.6, 1.1.1.1")], Some("http")),
            // one of them kept what the other said
            ("10.0.0.1", &[(proto, "https"), (xff, "1.1.1.1, 10.0.0.2, 10.0.0.3")], Some("https")),
            ("10.0.0.1", &[(rfc, "for=1.1.1.1;proto=https;host=a")], Some("https")),
            ("10.0.0.1", &[(rfc, "for=1.1.1.1; Proto=\"HTTPS\"")], Some("https")),
            ("10.0.0.1", &[(rfc, "for=1.1.1.1;proto=https, for=10.0.0.2;proto=http")], Some("https")),
            ("10.0.0.1", &[(rfc, "for=1.1.1.1;proto=https"), (rfc, "for=10.0.0.2")], Some("https")),
            ("10.0.0.1", &[(rfc, "for=6.6.6.6;proto=https, for=1.1.1.1;proto=http")], Some("http")),
            ("10.0.0.1", &[(rfc, "proto=https")], Some("https")),
            ("10.0.0.1", &[(rfc, "proto=https"), (xff, "1.1.1.1")], Some("https")),
            ("10.0.0.1", &[(rfc, "for=1.1.1.1;proto=https"), (proto, "http")], Some("http")),
        ];
        for (peer, lines, scheme) in cases {
            let told = Told::read(&map(lines), peer.parse().unwrap(), &trusted);
            assert_eq!(told.scheme, *scheme, "{peer} {lines:?}");
        }
    }
}
