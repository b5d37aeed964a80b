//! Header values and redirect targets with names in braces, such as `{client.ip}`, read once when the conf file is read.

use crate::config::model::HeaderEdits;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::io::Write as _;
use std::net::IpAddr;

/// What is known of one request. What is not known renders as nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The client's address, past trusted proxies.
    pub client_ip: Option<IpAddr>,
    /// The client's port.
    pub client_port: Option<u16>,
    /// The host asked for, without port.
    pub host: Option<&'a str>,
    /// The port asked for, if the client named one.
    pub port: Option<u16>,
    /// "http" or "https".
    pub scheme: Option<&'a str>,
    /// The request's method.
    pub method: Option<&'a str>,
    /// The path as the client sent it, without query.
    pub path: Option<&'a str>,
    /// The query, without the question mark.
    pub query: Option<&'a str>,
    /// The listener's name.
    pub listener: Option<&'a str>,
    /// The cluster's name.
    pub cluster: Option<&'a str>,
    /// The node's name.
    pub node: Option<&'a str>,
    /// The node's route.
    pub route: Option<&'a str>,
    /// The request's id.
    pub request_id: Option<&'a str>,
    /// The TLS version towards the client.
    pub tls_version: Option<&'a str>,
    /// The TLS cipher towards the client.
    pub tls_cipher: Option<&'a str>,
    /// The server name the client asked for.
    pub tls_sni: Option<&'a str>,
    /// The subject of the client's certificate.
    pub tls_client_subject: Option<&'a str>,
    /// The request's headers for `{header.NAME}`; `None` means those being edited.
    pub headers: Option<&'a HeaderMap>,
    /// The names a session's route is carried by, as `COOKIE|parameter`.
    pub sticky: Option<&'a str>,
    /// The route that the request carried.
    pub session_route: Option<&'a str>,
    /// The node's URL.
    pub node_url: Option<&'a str>,
    /// True when a sticky cluster chose another route than the request carried, or it carried none.
    pub route_changed: bool,
}

/// A name that may stand in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    ClientIp,
    ClientPort,
    Host,
    Scheme,
    Method,
    Path,
    Query,
    Uri,
    Listener,
    Cluster,
    Node,
    Route,
    RequestId,
    TlsVersion,
    TlsCipher,
    TlsSni,
    TlsClientSubject,
    BalancerSessionSticky,
    BalancerSessionRoute,
    BalancerName,
    BalancerWorkerName,
    BalancerWorkerRoute,
    BalancerRouteChanged,
}

/// Every name as it is written; the last six are httpd's, for operators who bring their header lines along.
const NAMES: [(&str, Known); 23] = [
    ("client.ip", Known::ClientIp),
    ("client.port", Known::ClientPort),
    ("host", Known::Host),
    ("scheme", Known::Scheme),
    ("method", Known::Method),
    ("path", Known::Path),
    ("query", Known::Query),
    ("uri", Known::Uri),
    ("listener", Known::Listener),
    ("cluster", Known::Cluster),
    ("node", Known::Node),
    ("route", Known::Route),
    ("request.id", Known::RequestId),
    ("tls.version", Known::TlsVersion),
    ("tls.cipher", Known::TlsCipher),
    ("tls.sni", Known::TlsSni),
    ("tls.client.subject", Known::TlsClientSubject),
    ("BALANCER_SESSION_STICKY", Known::BalancerSessionSticky),
    ("BALANCER_SESSION_ROUTE", Known::BalancerSessionRoute),
    ("BALANCER_NAME", Known::BalancerName),
    ("BALANCER_WORKER_NAME", Known::BalancerWorkerName),
    ("BALANCER_WORKER_ROUTE", Known::BalancerWorkerRoute),
    ("BALANCER_ROUTE_CHANGED", Known::BalancerRouteChanged),
];

#[derive(Debug, Clone)]
enum Part {
    Text(Box<str>),
    Known(Known),
    Header(HeaderName),
}

/// A text with names in it. One without any is a finished header value.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<Part>,
    fixed: Option<HeaderValue>,
}

impl Template {
    /// Reads a template; the error says what is wrong and, for a mistyped name, which was likely meant.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f) {
            return Err(format!("`{}` holds a control character, which no header may carry", text.escape_debug()));
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            literal.push_str(&rest[..open]);
            rest = &rest[open + 1..];
            if let Some(after) = rest.strip_prefix('{') {
                literal.push('{');
                rest = after;
                continue;
            }
            let close = rest.find('}').ok_or_else(|| format!("`{text}`: a brace is not closed; write `{{{{` for a brace itself"))?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal).into()));
            }
            parts.push(named(&rest[..close])?);
            rest = &rest[close + 1..];
        }
        literal.push_str(rest);
        let fixed = match parts.is_empty() {
            true => Some(HeaderValue::from_bytes(literal.as_bytes()).map_err(|e| format!("`{text}`: {e}"))?),
            false => None,
        };
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        Ok(Self { parts, fixed })
    }

    /// Appends the text with all names filled in; control characters in a value are left out.
    pub fn render(&self, facts: &Facts<'_>, out: &mut Vec<u8>) {
        self.render_with(facts, facts.headers, out);
    }

    /// The text with all names filled in, as a header value; `None` when nothing is left of it.
    pub fn value(&self, facts: &Facts<'_>) -> Option<HeaderValue> {
        self.value_with(facts, facts.headers)
    }

    /// True when the text begins with exactly this, before any name.
    pub fn starts_with(&self, text: &str) -> bool {
        matches!(self.parts.first(), Some(Part::Text(first)) if first.starts_with(text))
    }

    /// True when this character stands in the text outside of names.
    pub fn contains(&self, c: char) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains(c)))
    }

    fn reads_headers(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Header(_)))
    }

    fn value_with(&self, facts: &Facts<'_>, headers: Option<&HeaderMap>) -> Option<HeaderValue> {
        if let Some(fixed) = &self.fixed {
            return Some(fixed.clone());
        }
        let mut out = Vec::with_capacity(64);
        self.render_with(facts, headers, &mut out);
        if out.is_empty() { None } else { HeaderValue::from_maybe_shared(bytes::Bytes::from(out)).ok() }
    }

    fn render_with(&self, facts: &Facts<'_>, headers: Option<&HeaderMap>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Known(name) => fill(*name, facts, out),
                Part::Header(name) => {
                    // Several lines of one name are one list, as RFC 9110 5.3 joins them.
                    for (n, value) in headers.into_iter().flat_map(|map| map.get_all(name)).enumerate() {
                        if n > 0 {
                            out.extend_from_slice(b", ");
                        }
                        push_clean(value.as_bytes(), out);
                    }
                }
            }
        }
    }
}

fn named(name: &str) -> Result<Part, String> {
    if let Some(header) = name.strip_prefix("header.") {
        return match HeaderName::from_bytes(header.as_bytes()) {
            Ok(header) => Ok(Part::Header(header)),
            Err(_) => Err(format!("`{{{name}}}`: `{header}` cannot be a header's name")),
        };
    }
    if let Some((_, found)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(Part::Known(*found));
    }
    let nearest = NAMES.iter().map(|(known, _)| (strsim::damerau_levenshtein(known, name), *known)).min();
    Err(match nearest {
        Some((distance, known)) if distance <= 1 + name.len() / 3 => format!("unknown name `{{{name}}}`; did you mean `{{{known}}}`?"),
        _ => format!("unknown name `{{{name}}}`; write `{{{{` for a brace itself"),
    })
}

fn fill(name: Known, facts: &Facts<'_>, out: &mut Vec<u8>) {
    let text = match name {
        // Writing to a Vec cannot fail.
        Known::ClientIp => return facts.client_ip.map_or((), |ip| drop(write!(out, "{}", ip.to_canonical()))),
        Known::ClientPort => return facts.client_port.map_or((), |port| drop(write!(out, "{port}"))),
        Known::Uri => {
            push_clean(facts.path.unwrap_or_default().as_bytes(), out);
            if let Some(query) = facts.query {
                out.push(b'?');
                push_clean(query.as_bytes(), out);
            }
            return;
        }
        Known::BalancerName => {
            if facts.cluster.is_some() {
                out.extend_from_slice(b"balancer://");
            }
            facts.cluster
        }
        Known::BalancerRouteChanged => facts.route_changed.then_some("1"),
        Known::Host => facts.host,
        Known::Scheme => facts.scheme,
        Known::Method => facts.method,
        Known::Path => facts.path,
        Known::Query => facts.query,
        Known::Listener => facts.listener,
        Known::Cluster => facts.cluster,
        Known::Node => facts.node,
        Known::Route | Known::BalancerWorkerRoute => facts.route,
        Known::RequestId => facts.request_id,
        Known::TlsVersion => facts.tls_version,
        Known::TlsCipher => facts.tls_cipher,
        Known::TlsSni => facts.tls_sni,
        Known::TlsClientSubject => facts.tls_client_subject,
        Known::BalancerSessionSticky => facts.sticky,
        Known::BalancerSessionRoute => facts.session_route,
        Known::BalancerWorkerName => facts.node_url,
    };
    push_clean(text.unwrap_or_default().as_bytes(), out);
}

/// A value from outside must not be able to end the header line it is put into.
fn push_clean(bytes: &[u8], out: &mut Vec<u8>) {
    let bad = |b: &u8| (*b < 0x20 && *b != b'\t') || *b == 0x7f;
    match bytes.iter().any(bad) {
        false => out.extend_from_slice(bytes),
        true => out.extend(bytes.iter().filter(|b| !bad(b))),
    }
}

/// Changes to headers, ready to apply.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, Template)>,
    add: Vec<(HeaderName, Template)>,
    reads_headers: bool,
}

impl Edits {
    /// Reads the edits of a rule.
    pub fn compile(edits: &HeaderEdits) -> Result<Self, String> {
        let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` cannot be a header's name"));
        let pairs = |map: &indexmap::IndexMap<String, String>| {
            map.iter().map(|(key, value)| Ok((name(key)?, Template::parse(value)?))).collect::<Result<Vec<_>, String>>()
        };
        let (set, add) = (pairs(&edits.set)?, pairs(&edits.add)?);
        let remove = edits.remove.iter().map(|text| name(text)).collect::<Result<Vec<_>, String>>()?;
        let reads_headers = set.iter().chain(&add).any(|(_, template)| template.reads_headers());
        Ok(Self { remove, set, add, reads_headers })
    }

    /// True when nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// True when a value holds `{header.NAME}`: on the way back the caller then needs to have kept the request's headers.
    pub fn reads_headers(&self) -> bool {
        self.reads_headers
    }

    /// Removes, sets, adds, in this order. All values are taken from the headers as they were before.
    pub fn apply(&self, headers: &mut HeaderMap, facts: &Facts<'_>) {
        if self.is_empty() {
            return;
        }
        if self.reads_headers && facts.headers.is_none() {
            // A removed header may be named in a value, so a copy of the old ones is what the values are read from.
            let before = headers.clone();
            return self.change(headers, &Facts { headers: Some(&before), ..*facts });
        }
        self.change(headers, facts);
    }

    fn change(&self, headers: &mut HeaderMap, facts: &Facts<'_>) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, template) in &self.set {
            // With nothing to say the header is absent, and the client's own line of that name must not pass for ours.
            match template.value(facts) {
                Some(value) => drop(headers.try_insert(name, value)),
                None => drop(headers.remove(name)),
            }
        }
        for (name, template) in &self.add {
            if let Some(value) = template.value(facts) {
                drop(headers.try_append(name, value));
            }
        }
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
