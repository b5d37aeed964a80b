//! Header values and redirect targets with names in braces, such as `{client.ip}`, read once when the conf
//! file is read.

use super::identity::Identity;
use super::request_id::RequestId;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::io::Write as _;
use std::net::IpAddr;

/// What is known of one request. What is not known renders as nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct TemplateFacts<'a> {
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
    pub request_id: Option<&'a RequestId>,
    /// The TLS version towards the client.
    pub tls_version: Option<&'a str>,
    /// The TLS cipher towards the client.
    pub tls_cipher: Option<&'a str>,
    /// The server name the client asked for.
    pub tls_sni: Option<&'a str>,
    /// Who the client's certificate says it is.
    pub tls_client: Option<&'a Identity>,
    /// The request's headers, for `{header.NAME}`.
    pub headers: Option<&'a HeaderMap>,
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
    TlsClientFingerprint,
}

/// Every name as it is written.
const NAMES: [(&str, Known); 18] = [
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
    ("tls.client.fingerprint", Known::TlsClientFingerprint),
];

/// Every name that may stand in braces, but for `header.NAME`.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    NAMES.iter().map(|(name, _)| *name)
}

#[derive(Debug, Clone)]
enum TemplatePart {
    Text(Box<str>),
    Known(Known),
    Header(HeaderName),
}

/// A text with names in it. One without any is a finished header value.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<TemplatePart>,
    fixed: Option<HeaderValue>,
}

/// What is wrong with a template.
#[derive(Debug)]
pub enum TemplateError {
    /// A control character, which no header may carry, in this text.
    Control(String),
    /// A brace that is not closed, in this text.
    OpenBrace(String),
    /// A text that no header can hold.
    Value {
        /// The text.
        text: String,
        /// Why not.
        why: http::header::InvalidHeaderValue,
    },
    /// `{header.NAME}` with what cannot be a header's name.
    HeaderName(String),
    /// A name that nothing has.
    Unknown {
        /// As it is written.
        name: String,
        /// What was likely meant.
        meant: Option<&'static str>,
    },
}

impl fmt::Display for TemplateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control(text) => {
                write!(out, "`{}` holds a control character, which no header may carry", text.escape_debug())
            }
            Self::OpenBrace(text) => {
                write!(out, "`{text}`: a brace is not closed; write `{{{{` for a brace itself")
            }
            Self::Value { text, why } => write!(out, "`{text}`: {why}"),
            Self::HeaderName(header) => {
                write!(out, "`{{header.{header}}}`: `{header}` cannot be a header's name")
            }
            Self::Unknown { name, meant: Some(known) } => {
                write!(out, "unknown name `{{{name}}}`; did you mean `{{{known}}}`?")
            }
            Self::Unknown { name, meant: None } => {
                write!(out, "unknown name `{{{name}}}`; write `{{{{` for a brace itself")
            }
        }
    }
}

impl std::error::Error for TemplateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Value { why, .. } => Some(why),
            _ => None,
        }
    }
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f) {
            return Err(TemplateError::Control(text.to_owned()));
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
            let close = rest.find('}').ok_or_else(|| TemplateError::OpenBrace(text.to_owned()))?;
            if !literal.is_empty() {
                parts.push(TemplatePart::Text(std::mem::take(&mut literal).into()));
            }
            parts.push(named(&rest[..close])?);
            rest = &rest[close + 1..];
        }
        literal.push_str(rest);
        let fixed = match parts.is_empty() {
            true => Some(
                HeaderValue::from_bytes(literal.as_bytes())
                    .map_err(|why| TemplateError::Value { text: text.to_owned(), why })?,
            ),
            false => None,
        };
        if !literal.is_empty() {
            parts.push(TemplatePart::Text(literal.into()));
        }
        Ok(Self { parts, fixed })
    }

    /// Appends the text with all names filled in; control characters in a value are left out.
    pub fn render(&self, facts: &TemplateFacts<'_>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => out.extend_from_slice(text.as_bytes()),
                TemplatePart::Known(name) => fill(*name, facts, out),
                TemplatePart::Header(name) => {
                    // Several lines of one name are one list, as RFC 9110 5.3 joins them.
                    for (n, value) in facts.headers.into_iter().flat_map(|map| map.get_all(name)).enumerate()
                    {
                        if n > 0 {
                            out.extend_from_slice(b", ");
                        }
                        push_clean(value.as_bytes(), out);
                    }
                }
            }
        }
    }

    /// The text with all names filled in, as a header value; `None` when nothing is left of it.
    pub fn value(&self, facts: &TemplateFacts<'_>) -> Option<HeaderValue> {
        if let Some(fixed) = &self.fixed {
            return Some(fixed.clone());
        }
        let mut out = Vec::with_capacity(64);
        self.render(facts, &mut out);
        if out.is_empty() { None } else { HeaderValue::from_maybe_shared(bytes::Bytes::from(out)).ok() }
    }

    /// True when the text begins with exactly this, before any name.
    pub fn starts_with(&self, text: &str) -> bool {
        matches!(self.parts.first(), Some(TemplatePart::Text(first)) if first.starts_with(text))
    }

    /// True when this character stands in the text outside of names.
    pub fn contains(&self, c: char) -> bool {
        self.parts.iter().any(|part| matches!(part, TemplatePart::Text(text) if text.contains(c)))
    }
}

fn named(name: &str) -> Result<TemplatePart, TemplateError> {
    if let Some(header) = name.strip_prefix("header.") {
        return match HeaderName::from_bytes(header.as_bytes()) {
            Ok(header) => Ok(TemplatePart::Header(header)),
            Err(_) => Err(TemplateError::HeaderName(header.to_owned())),
        };
    }
    if let Some((_, found)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(TemplatePart::Known(*found));
    }
    let nearest = NAMES.iter().map(|(known, _)| (strsim::damerau_levenshtein(known, name), *known)).min();
    let meant = nearest.filter(|(distance, _)| *distance <= 1 + name.len() / 3).map(|(_, known)| known);
    Err(TemplateError::Unknown { name: name.to_owned(), meant })
}

fn fill(name: Known, facts: &TemplateFacts<'_>, out: &mut Vec<u8>) {
    let text = match name {
        // Writing to a Vec cannot fail.
        Known::ClientIp => {
            return facts.client_ip.map_or((), |ip| drop(write!(out, "{}", ip.to_canonical())));
        }
        Known::ClientPort => return facts.client_port.map_or((), |port| drop(write!(out, "{port}"))),
        Known::RequestId => return facts.request_id.map_or((), |id| drop(write!(out, "{id}"))),
        Known::Uri => {
            push_clean(facts.path.unwrap_or_default().as_bytes(), out);
            if let Some(query) = facts.query {
                out.push(b'?');
                push_clean(query.as_bytes(), out);
            }
            return;
        }
        Known::Host => facts.host,
        Known::Scheme => facts.scheme,
        Known::Method => facts.method,
        Known::Path => facts.path,
        Known::Query => facts.query,
        Known::Listener => facts.listener,
        Known::Cluster => facts.cluster,
        Known::Node => facts.node,
        Known::Route => facts.route,
        Known::TlsVersion => facts.tls_version,
        Known::TlsCipher => facts.tls_cipher,
        Known::TlsSni => facts.tls_sni,
        Known::TlsClientSubject => facts.tls_client.map(|client| &*client.subject),
        Known::TlsClientFingerprint => facts.tls_client.map(|client| &*client.fingerprint),
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

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
