//! Finds the rule for a request. The cost grows with the labels of the host and the segments of the path, not with the rules.

use super::conditions::Conditions;
use super::edits::Edits;
use super::normal_path::{NormalPath, normal};
use super::swap::Swap;
use super::target::{self, Rewrite};
use crate::config::model;
use crate::wire::template::{Facts, Template};
use http::header::{HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use std::collections::HashMap;
use std::net::IpAddr;

/// What a rule looks at.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The host asked for, in any case, without port.
    pub host: &'a str,
    /// The path as it came.
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The headers as they came.
    pub headers: &'a HeaderMap,
    /// The client's address, past trusted proxies.
    pub client: IpAddr,
}

/// What becomes of a request that a rule matches.
#[derive(Debug, Clone)]
pub enum Action {
    /// It goes to the cluster with this index.
    Cluster(usize),
    /// It is given a node of a cluster, and told to go there by itself.
    HandOff(HandOff),
    /// It is answered with a redirect.
    Redirect(Box<Redirect>),
    /// It is answered at once.
    Respond(Box<Respond>),
}

/// A redirect to a node's own address.
#[derive(Debug, Clone)]
pub struct HandOff {
    /// The index of the node's cluster.
    pub cluster: usize,
    /// Its status.
    pub status: StatusCode,
}

/// An answer at once.
#[derive(Debug, Clone)]
pub struct Respond {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: bytes::Bytes,
    /// Its Content-Type.
    pub content_type: HeaderValue,
}

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

/// A rule, ready to use.
#[derive(Debug)]
pub struct Rule {
    /// Its place among all rules of the file, from 0.
    pub index: usize,
    /// What becomes of the request.
    pub action: Action,
    /// The prefix that stands for another on the way to the node, and is put back on the way out.
    pub swap: Option<Swap>,
    /// Changes to the request's headers.
    pub request_headers: Edits,
    /// Changes to the answer's headers.
    pub response_headers: Edits,
    rewrite: Option<Rewrite>,
    conditions: Conditions,
}

/// The rewritten path would be longer than a path can be; the answer is 414.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Rule {
    /// The path and query for the node; `None` when they stay as they came.
    pub fn target(&self, asked: &PathAndQuery) -> Result<Option<PathAndQuery>, TooLong> {
        match (&self.rewrite, &self.swap) {
            (Some(rewrite), _) => rewrite.apply(self.conditions.path_regex(), asked).map(Some),
            (None, Some(swap)) => swap.to_node(asked),
            (None, None) => Ok(None),
        }
    }

    fn compile(index: usize, rule: &model::Rule, cluster_index: &dyn Fn(&str) -> Option<usize>) -> Result<Self, String> {
        let cluster = |name: &str| cluster_index(name).ok_or_else(|| format!("there is no cluster `{name}`"));
        let action = match (&rule.cluster, &rule.hand_off, &rule.redirect, &rule.respond) {
            (Some(name), None, None, None) => Action::Cluster(cluster(name)?),
            (None, Some(hand_off), None, None) => Action::HandOff(HandOff {
                cluster: cluster(&hand_off.cluster)?,
                status: StatusCode::from_u16(hand_off.status).map_err(|_| format!("{} is no status", hand_off.status))?,
            }),
            (None, None, Some(redirect), None) => Action::Redirect(Box::new(Redirect::compile(redirect)?)),
            (None, None, None, Some(respond)) => Action::Respond(Box::new(Respond::compile(respond)?)),
            _ => return Err("a rule takes exactly one of `cluster`, `hand-off`, `redirect` and `respond`".into()),
        };
        let conditions = Conditions::compile(rule)?;
        if rule.rewrite.is_some() && (rule.strip_prefix.is_some() || rule.add_prefix.is_some()) {
            return Err("`rewrite` already gives the whole path; `strip-prefix` and `add-prefix` cannot stand beside it".into());
        }
        Ok(Self {
            index,
            action,
            swap: Swap::compile(rule.strip_prefix.as_deref(), rule.add_prefix.as_deref())?,
            request_headers: Edits::compile(&rule.request_headers)?,
            response_headers: Edits::compile(&rule.response_headers)?,
            rewrite: rule.rewrite.as_deref().map(|text| Rewrite::parse(text, conditions.path_regex())).transpose()?,
            conditions,
        })
    }
}

impl Respond {
    fn compile(respond: &model::Respond) -> Result<Self, String> {
        let status = StatusCode::from_u16(respond.status).ok().filter(|status| (200..600).contains(&status.as_u16()));
        Ok(Self {
            status: status.ok_or_else(|| format!("respond: status {} is not between 200 and 599", respond.status))?,
            body: respond.body.clone().into(),
            content_type: HeaderValue::from_str(&respond.content_type)
                .map_err(|_| format!("respond: `{}` cannot be a Content-Type", respond.content_type.escape_debug()))?,
        })
    }
}

impl Redirect {
    fn compile(redirect: &model::Redirect) -> Result<Self, String> {
        let template = |text: &Option<String>| text.as_deref().map(Template::parse).transpose();
        if !matches!(redirect.status, 301 | 302 | 303 | 307 | 308) {
            return Err(format!("redirect: status {} is not one of 301, 302, 303, 307, 308", redirect.status));
        }
        if redirect.scheme.as_deref().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
            return Err("redirect: scheme must be \"http\" or \"https\"".into());
        }
        if redirect.path.as_deref().is_some_and(|path| !path.starts_with(['/', '{'])) {
            return Err("redirect: path must begin with `/`".into());
        }
        let parts = [&redirect.scheme, &redirect.host, &redirect.path];
        if redirect.to.is_some() && parts.iter().any(|part| part.is_some()) {
            return Err("redirect: `to` is a whole location; `scheme`, `host` and `path` cannot stand beside it".into());
        }
        if redirect.to.is_none() && parts.iter().all(|part| part.is_none()) {
            return Err("redirect: without `scheme`, `host`, `path` or `to` it would lead to itself".into());
        }
        Ok(Self {
            status: StatusCode::from_u16(redirect.status).map_err(|e| e.to_string())?,
            scheme: redirect.scheme.as_deref().map(Box::from),
            host: template(&redirect.host)?,
            path: template(&redirect.path)?,
            to: template(&redirect.to)?,
        })
    }

    /// The Location for this request.
    pub fn location(&self, facts: &Facts<'_>) -> HeaderValue {
        let mut out = Vec::with_capacity(128);
        match &self.to {
            Some(to) => {
                to.render(facts, &mut out);
                // `to = "{path}"` and a client that asks for `//elsewhere` must not lead off the site.
                if !to.starts_with("//") {
                    target::join_leading_slashes(&mut out, 0);
                }
            }
            None => self.build(facts, &mut out),
        }
        HeaderValue::from_maybe_shared(bytes::Bytes::from(out)).unwrap_or_else(|_| HeaderValue::from_static("/"))
    }

    fn build(&self, facts: &Facts<'_>, out: &mut Vec<u8>) {
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
            target::join_leading_slashes(out, 0);
        }
        if let (Some(query), false) = (facts.query, out[start..].contains(&b'?')) {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
    }
}

/// Rules with one host condition in common, by path prefix. The lists ascend.
#[derive(Debug, Default)]
struct Bucket {
    loose: Vec<u32>,
    prefixes: HashMap<Box<str>, Vec<u32>>,
    longest: usize,
}

/// The rules of one listener.
#[derive(Debug, Default)]
pub struct Router {
    rules: Vec<Rule>,
    exact: HashMap<Box<str>, Bucket>,
    wild: HashMap<Box<str>, Bucket>,
    any: Bucket,
}

/// The longest host a name can be (RFC 1035); a longer one matches only rules without a host.
const LONGEST_HOST: usize = 255;

impl Router {
    /// The rules that apply to this listener, in file order. `cluster_index` maps a cluster's name.
    pub fn compile(rules: &[model::Rule], listener: &str, cluster_index: &dyn Fn(&str) -> Option<usize>) -> Result<Self, String> {
        let mut router = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            let on = rule.listener.as_slice();
            if !on.is_empty() && !on.iter().any(|name| name == listener) {
                continue;
            }
            let place = router.rules.len() as u32;
            router.rules.push(Rule::compile(index, rule, cluster_index).map_err(|e| format!("rule {}: {e}", index + 1))?);
            let mut hosts: Vec<String> = rule.host.as_slice().iter().map(|host| host.trim_end_matches('.').to_ascii_lowercase()).collect();
            if hosts.is_empty() {
                hosts.push("*".into());
            }
            for host in hosts {
                router.bucket(&host).map_err(|e| format!("rule {}: {e}", index + 1))?.put(place, rule.path.as_slice());
            }
        }
        Ok(router)
    }

    /// The first rule of the file that matches.
    ///
    /// Paths are compared in their one spelling (see `normal_path`), hosts without regard to case.
    pub fn find(&self, request: &Ask<'_>) -> Option<&Rule> {
        let path = normal(request.path);
        let mut best = usize::MAX;
        let host = request.host.trim_end_matches('.');
        let mut buffer = [0; LONGEST_HOST];
        if host.len() <= LONGEST_HOST && !(self.exact.is_empty() && self.wild.is_empty()) {
            let host = lower(host, &mut buffer);
            if let Some(bucket) = self.exact.get(host) {
                self.search(bucket, request, &path, &mut best);
            }
            let dots = if self.wild.is_empty() { "" } else { host };
            for (dot, _) in dots.match_indices('.') {
                if let Some(bucket) = self.wild.get(&host[dot + 1..]) {
                    self.search(bucket, request, &path, &mut best);
                }
            }
        }
        self.search(&self.any, request, &path, &mut best);
        self.rules.get(best)
    }

    /// The rules in file order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    fn bucket(&mut self, host: &str) -> Result<&mut Bucket, String> {
        let (map, key) = match host.strip_prefix("*.") {
            _ if host == "*" => return Ok(&mut self.any),
            Some(suffix) => (&mut self.wild, suffix),
            None => (&mut self.exact, host),
        };
        if key.is_empty() || key.contains('*') {
            return Err(format!("host `{host}`: `*` can only be the whole first label, as in `*.example.com`"));
        }
        Ok(map.entry(key.into()).or_default())
    }

    /// Lowers `best` to the first rule of the bucket that matches, if it comes before.
    fn search(&self, bucket: &Bucket, request: &Ask<'_>, path: &NormalPath<'_>, best: &mut usize) {
        self.scan(&bucket.loose, request, path, best);
        if bucket.prefixes.is_empty() {
            return;
        }
        let (text, longest) = (path.text.as_ref(), bucket.longest);
        let probe = |end: usize, best: &mut usize| {
            if let Some(list) = bucket.prefixes.get(&text[..end]) {
                self.scan(list, request, path, best);
            }
        };
        for border in memchr::memchr_iter(b'/', text.as_bytes()).take_while(|border| *border <= longest) {
            if border > 0 {
                probe(border, best);
            }
            // A prefix may itself end in a slash: then only what is below it is meant.
            if border + 1 < text.len() {
                probe(border + 1, best);
            }
        }
        if text.len() <= longest {
            probe(text.len(), best);
        }
    }

    fn scan(&self, list: &[u32], request: &Ask<'_>, path: &NormalPath<'_>, best: &mut usize) {
        for place in list.iter().map(|place| *place as usize).take_while(|place| *place < *best) {
            if self.rules.get(place).is_some_and(|rule| rule.conditions.hold(request, path)) {
                *best = place;
                return;
            }
        }
    }
}

impl Bucket {
    fn put(&mut self, place: u32, paths: &[String]) {
        // "/" is a prefix of every path.
        if paths.is_empty() || paths.iter().any(|path| path == "/") {
            return self.loose.push(place);
        }
        for path in paths {
            let path = normal(path).text.into_owned();
            self.longest = self.longest.max(path.len());
            self.prefixes.entry(path.into()).or_default().push(place);
        }
    }
}

/// The host in lower case, in the buffer only if it was not already.
fn lower<'a>(host: &'a str, buffer: &'a mut [u8; LONGEST_HOST]) -> &'a str {
    if !host.bytes().any(|b| b.is_ascii_uppercase()) {
        return host;
    }
    let copy = &mut buffer[..host.len()];
    copy.copy_from_slice(host.as_bytes());
    copy.make_ascii_lowercase();
    std::str::from_utf8(copy).unwrap_or(host)
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
