//! A request's head, and what every later step needs to know of it.

use super::client::Client;
use super::headers;
use super::own_cookie::OwnCookies;
use super::refused::Refused;
use crate::affinity;
use crate::base::clock::Now;
use crate::table::Listener;
use crate::upstream::loop_marks::LoopMarks;
use crate::upstream::own_addresses;
use crate::wire::forwarded::{OriginClaims, Told};
use crate::wire::host::{host_of, port_of};
use crate::wire::protocol::ClientProtocol;
use crate::wire::request_id::RequestId;
use crate::wire::template::TemplateFacts;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri, Version, header};
use std::net::IpAddr;

/// How a request came, beside its head.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Who is at the other end, before any header is looked at.
    pub peer: IpAddr,
    /// What it came in.
    pub protocol: ClientProtocol,
    /// "http" or "https", before any header is looked at.
    pub scheme: &'static str,
    /// Its id, unless a trusted proxy gave it one.
    pub id: &'a RequestId,
    /// When.
    pub now: Now,
}

/// A request's head with what was found out about it.
pub struct RequestHead {
    /// Its id: given by a trusted proxy, else our own.
    pub id: RequestId,
    /// Its head; from `OutboundRequest::prepare` on as the node is sent it.
    pub parts: Parts,
    /// Its target as it came.
    pub uri: Uri,
    /// The host it asks for, without port, as written.
    pub host: String,
    /// Who asks: told by trusted proxies, else the peer.
    pub client: IpAddr,
    /// "http" or "https", as the client came: told by trusted proxies, else as the peer did.
    pub scheme: &'static str,
    /// The peer may speak for others.
    pub trusted: bool,
    /// Whether its headers say where it comes from.
    pub claims: OriginClaims,
    /// Which of the proxy's own cookies its headers mention.
    pub own_cookies: OwnCookies,
    /// Where it has been, if it comes from ourselves.
    pub passed: LoopMarks,
}

/// A request that cannot be understood, or in two ways.
pub struct AmbiguousRequest {
    /// What it is answered.
    pub refused: Refused,
    /// What is known of it.
    pub parts: Parts,
}

impl RequestHead {
    /// Reads what every later step needs; refuses what could be understood in two ways.
    pub(super) fn read(
        listener: &Listener,
        arrival: &Arrival<'_>,
        mut parts: Parts,
    ) -> Result<Self, Box<AmbiguousRequest>> {
        match Self::judge(arrival, &mut parts) {
            Ok((host, passed)) => Ok(Self::of(listener, arrival, parts, host, passed)),
            Err(refused) => Err(Box::new(AmbiguousRequest { refused, parts })),
        }
    }

    fn judge(arrival: &Arrival<'_>, parts: &mut Parts) -> Result<(String, LoopMarks), Refused> {
        let bad = |why: &'static str| {
            let message = format!("The request is ambiguous or malformed: {why}.");
            Refused::new(StatusCode::BAD_REQUEST, message).note(why)
        };
        if parts.method == Method::CONNECT {
            match parts.extensions.get::<h2::ext::Protocol>() {
                None => {
                    return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "This is not a forward proxy.")
                        .note("connect"));
                }
                // RFC 9220 section 3; other protocols than this one do not become an upgrade of HTTP/1.1
                Some(protocol) if !protocol.as_str().eq_ignore_ascii_case("websocket") => {
                    return Err(Refused::new(
                        StatusCode::NOT_IMPLEMENTED,
                        "Only WebSockets are opened here.",
                    )
                    .note("unknown-protocol"));
                }
                Some(_) => {}
            }
        }
        let passed = if own_addresses::is_chained() {
            LoopMarks::take(&mut parts.headers)
        } else {
            LoopMarks::default()
        };
        let first = parts.headers.get(header::HOST).cloned();
        if let Some(authority) = parts.uri.authority() {
            // RFC 9112 section 3.2.2: the authority of an absolute URI stands above Host
            if arrival.protocol == ClientProtocol::Http2
                && first
                    .as_ref()
                    .is_some_and(|h| !h.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()))
            {
                return Err(bad("host-and-authority-differ"));
            }
            if authority.as_str().contains('@') {
                return Err(bad("userinfo-in-authority"));
            }
            let value = HeaderValue::try_from(authority.as_str()).map_err(|_| bad("bad-authority"))?;
            parts.headers.insert(header::HOST, value);
        }
        let host = match parts.headers.get(header::HOST) {
            Some(value) => host_of(value.to_str().map_err(|_| bad("bad-host"))?)
                .ok_or_else(|| bad("bad-host"))?
                .to_owned(),
            None if parts.version == Version::HTTP_10 => String::new(),
            None => return Err(bad("no-host")),
        };
        if let Some(path) = parts.uri.path_and_query().cloned().filter(|_| parts.uri.scheme().is_some()) {
            // RFC 9112 section 3.2.1: a URL may have a query behind its host, a target not
            parts.uri = match path.as_str() {
                query if query.starts_with('?') => {
                    Uri::try_from(format!("/{query}")).map_err(|_| bad("bad-target"))?
                }
                _ => path.into(),
            };
        }
        Ok((host, passed))
    }

    fn of(listener: &Listener, arrival: &Arrival<'_>, parts: Parts, host: String, passed: LoopMarks) -> Self {
        let trusted = listener.trusts(arrival.peer);
        let (client, scheme) = match trusted {
            true => {
                let told = Told::read(&parts.headers, arrival.peer, &listener.trusted);
                (told.client, told.scheme.unwrap_or(arrival.scheme))
            }
            false => (arrival.peer, arrival.scheme),
        };
        let given = listener
            .request_id
            .as_ref()
            .filter(|_| trusted)
            .and_then(|name| headers::request_id(&parts.headers, name));
        let id = given.unwrap_or_else(|| arrival.id.clone());
        let uri = parts.uri.clone();
        let claims = OriginClaims::of(&parts.headers);
        let own_cookies = OwnCookies::in_request(&parts.headers);
        Self { id, parts, uri, host, client, scheme, trusted, claims, own_cookies, passed }
    }

    /// Whether a peer that may not speak for others does.
    pub(super) fn is_hearsay(&self) -> bool {
        self.claims.by_proxies && !self.trusted
    }

    /// What a pin is read from.
    pub(super) fn pin_request(&self, now: u64) -> affinity::PinRequest<'_> {
        let Parts { method, uri, headers, .. } = &self.parts;
        affinity::PinRequest { method, uri, headers, client: self.client, hearsay: self.is_hearsay(), now }
    }

    /// The port it asks at, if it names one.
    fn port(&self) -> Option<u16> {
        let host = self.parts.headers.get(header::HOST)?.to_str().ok()?;
        port_of(host)?.parse().ok()
    }

    /// What header values may refer to.
    pub fn facts<'a>(&'a self, client: &'a Client, listener: &'a Listener) -> TemplateFacts<'a> {
        TemplateFacts {
            client_ip: Some(self.client),
            client_port: Some(client.peer(listener).at.port()),
            host: Some(&self.host),
            port: self.port(),
            scheme: Some(self.scheme),
            method: Some(self.parts.method.as_str()),
            path: Some(self.uri.path()),
            query: self.uri.query(),
            listener: Some(&listener.name),
            headers: Some(&self.parts.headers),
            tls_version: client.tls.as_ref().map(|t| t.version),
            tls_cipher: client.tls.as_ref().map(|t| t.cipher.as_str()),
            tls_sni: client.tls.as_ref().and_then(|t| t.sni.as_deref()),
            tls_client: client.tls.as_ref().and_then(|t| t.client.as_ref()),
            request_id: Some(&self.id),
            cluster: None,
            node: None,
            route: None,
        }
    }
}
