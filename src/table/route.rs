//! Finds the rule for a request. The cost grows with the labels of the host and the segments of the path, not
//! with the rules: those that differ in host or path prefix alone are looked up here, those with both in
//! common by `Candidates`.

use super::candidates::Candidates;
use super::conditions::RouteQuery;
use super::normal_path::{NormalPath, normal};
use super::rule::Rule;
use super::rule_error::RuleError;
use crate::config::model;
use std::collections::HashMap;
use std::fmt;

/// A rule of the file that cannot be used.
#[derive(Debug)]
pub struct BadRule {
    /// Its place among all rules of the file, from 1.
    pub number: usize,
    /// What is wrong with it.
    pub why: RuleError,
}

impl fmt::Display for BadRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "rule {}: {}", self.number, self.why)
    }
}

impl std::error::Error for BadRule {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.why)
    }
}

/// Rules with one host condition in common, by path prefix.
#[derive(Debug, Default)]
struct Bucket {
    loose: Candidates,
    prefixes: HashMap<Box<str>, Candidates>,
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
    pub fn compile(
        rules: &[model::Rule],
        listener: &str,
        cluster_index: &dyn Fn(&str) -> Option<usize>,
    ) -> Result<Self, BadRule> {
        let mut router = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            let on = rule.listener.as_slice();
            if rule.disabled || !on.is_empty() && !on.iter().any(|name| name == listener) {
                continue;
            }
            let bad = |why| BadRule { number: index + 1, why };
            let place = router.rules.len() as u32;
            router.rules.push(Rule::compile(index, rule, cluster_index).map_err(bad)?);
            let mut hosts: Vec<String> = rule
                .host
                .as_slice()
                .iter()
                .map(|host| host.trim_end_matches('.').to_ascii_lowercase())
                .collect();
            if hosts.is_empty() {
                hosts.push("*".into());
            }
            for host in hosts {
                router.bucket(&host).map_err(bad)?.put(place, rule.path.as_slice());
            }
        }
        let hosts = router.exact.values_mut().chain(router.wild.values_mut()).chain([&mut router.any]);
        for lists in hosts.map(|bucket| [&mut bucket.loose].into_iter().chain(bucket.prefixes.values_mut())) {
            lists.for_each(|list| list.index(&router.rules));
        }
        Ok(router)
    }

    /// The first rule of the file that matches.
    ///
    /// Paths are compared in their one spelling (see `normal_path`), hosts without regard to case.
    pub fn find(&self, request: &RouteQuery<'_>) -> Option<&Rule> {
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

    fn bucket(&mut self, host: &str) -> Result<&mut Bucket, RuleError> {
        let (map, key) = match host.strip_prefix("*.") {
            _ if host == "*" => return Ok(&mut self.any),
            Some(suffix) => (&mut self.wild, suffix),
            None => (&mut self.exact, host),
        };
        if key.is_empty() || key.contains('*') {
            return Err(RuleError::Host(host.to_owned()));
        }
        Ok(map.entry(key.into()).or_default())
    }

    /// Lowers `best` to the first rule of the bucket that matches, if it comes before.
    fn search(&self, bucket: &Bucket, request: &RouteQuery<'_>, path: &NormalPath<'_>, best: &mut usize) {
        bucket.loose.search(&self.rules, request, path, best);
        if bucket.prefixes.is_empty() {
            return;
        }
        let (text, longest) = (path.text.as_ref(), bucket.longest);
        let probe = |end: usize, best: &mut usize| {
            if let Some(list) = bucket.prefixes.get(&text[..end]) {
                list.search(&self.rules, request, path, best);
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
