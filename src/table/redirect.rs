//! A redirect: where a client is sent.

use super::rule_error::{RedirectFlaw, RuleError};
use crate::config::model;
use crate::wire::template::{Template, TemplateFacts};
use http::StatusCode;
use http::header::HeaderValue;

/// A redirect; what is not given stays as the client asked.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// Its status.
    pub status: StatusCode,
    scheme: Option<Box<str>>,
    host: Option<Template>,
    path: Option<Template>,
    to: Option<Template>,
}

impl Redirect {
    pub(super) fn compile(redirect: &model::Redirect) -> Result<Self, RuleError> {
        let template = |text: &Option<String>| text.as_deref().map(Template::parse).transpose();
        if !matches!(redirect.status, 301 | 302 | 303 | 307 | 308) {
            return Err(RedirectFlaw::Status(redirect.status).into());
        }
        if redirect.scheme.as_deref().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
            return Err(RedirectFlaw::Scheme.into());
        }
        if redirect.path.as_deref().is_some_and(|path| !path.starts_with(['/', '{'])) {
            return Err(RedirectFlaw::Path.into());
        }
        let parts = [&redirect.scheme, &redirect.host, &redirect.path];
        if redirect.to.is_some() && parts.iter().any(|part| part.is_some()) {
            return Err(RedirectFlaw::WholeAndParts.into());
        }
        if redirect.to.is_none() && parts.iter().all(|part| part.is_none()) {
            return Err(RedirectFlaw::Nowhere.into());
        }
        Ok(Self {
            status: StatusCode::from_u16(redirect.status)
                .map_err(|_| RedirectFlaw::Status(redirect.status))?,
            scheme: redirect.scheme.as_deref().map(Box::from),
            host: template(&redirect.host)?,
            path: template(&redirect.path)?,
            to: template(&redirect.to)?,
        })
    }

    /// The Location for this request.
    pub fn location(&self, facts: &TemplateFacts<'_>) -> HeaderValue {
        let mut out = Vec::with_capacity(128);
        match &self.to {
            Some(to) => {
                to.render(facts, &mut out);
                // `to = "{path}"` and a client that asks for `//elsewhere` must not lead off the site.
                if !to.starts_with("//") {
                    join_leading_slashes(&mut out, 0);
                }
            }
            None => self.build(facts, &mut out),
        }
        HeaderValue::from_maybe_shared(bytes::Bytes::from(out))
            .unwrap_or_else(|_| HeaderValue::from_static("/"))
    }

    fn build(&self, facts: &TemplateFacts<'_>, out: &mut Vec<u8>) {
        let asked = facts.scheme.unwrap_or("http");
        let scheme = self.scheme.as_deref().unwrap_or(asked);
        if self.host.is_some() || facts.host.is_some() {
            out.extend_from_slice(scheme.as_bytes());
            out.extend_from_slice(b"://");
        }
        match (&self.host, facts.host) {
            (Some(host), _) => host.render(facts, out),
            (None, Some(host)) => {
                out.extend(host.bytes().filter(|b| b.is_ascii_graphic()));
                // Another scheme is on another port, so the one asked for says nothing of it.
                let own = if scheme == "https" { 443 } else { 80 };
                if let Some(port) = facts.port.filter(|port| scheme == asked && *port != own) {
                    out.extend_from_slice(format!(":{port}").as_bytes());
                }
            }
            (None, None) => {}
        }
        let start = out.len();
        match &self.path {
            Some(path) => path.render(facts, out),
            None => out.extend_from_slice(facts.path.unwrap_or("/").as_bytes()),
        }
        if start == 0 {
            join_leading_slashes(out, 0);
        }
        if let (Some(query), false) = (facts.query, out[start..].contains(&b'?')) {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
    }
}

/// Makes one slash of several (or of backslashes, which browsers take for slashes) at a place.
fn join_leading_slashes(out: &mut Vec<u8>, at: usize) {
    let count = out[at..].iter().take_while(|b| matches!(b, b'/' | b'\\')).count();
    if count > 1 {
        out.drain(at..at + count - 1);
        out[at] = b'/';
    }
}
