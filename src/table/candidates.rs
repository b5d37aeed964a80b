//! Rules that have host and path prefix in common, found by what else they ask for: many that ask for one
//! value of a header, or for a path that fits a regular expression, cost about as much as one.

use super::conditions::{Conditions, RouteQuery};
use super::normal_path::NormalPath;
use super::rule::Rule;
use http::header::{HeaderName, HeaderValue};
use regex::{RegexSet, RegexSetBuilder};
use std::collections::HashMap;

/// So few rules are asked one after the other sooner than looked up.
const FEW: usize = 8;
/// The most memory that an automaton of many expressions may take, in bytes; beyond it each is asked alone.
const AUTOMATON: usize = 64 << 20;
/// The most that a thread keeps of an automaton's states, in bytes. What is beyond is computed anew.
const STATES: usize = 8 << 20;

/// Rules in one place of the index, each by its place among the rules of its listener. All lists ascend.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Asked one after the other.
    each: Vec<u32>,
    /// By the first header that they ask to have one value, and that value.
    by_header: Vec<(HeaderName, HashMap<HeaderValue, Vec<u32>>)>,
    /// By their regular expressions, all in one automaton.
    by_regex: Option<(RegexSet, Vec<u32>)>,
}

impl Candidates {
    /// One more, which comes after all that are there.
    pub(super) fn push(&mut self, place: u32) {
        self.each.push(place);
    }

    /// Sorts them by what they ask for, once all are there.
    pub(super) fn index(&mut self, rules: &[Rule]) {
        let conditions = |place: u32| rules.get(place as usize).map(Rule::conditions);
        let header = |place: u32| conditions(place).and_then(Conditions::first_header);
        let regex = |place: u32| conditions(place).and_then(Conditions::path_regex);
        let (with_header, rest): (Vec<u32>, Vec<u32>) =
            self.each.iter().partition(|place| header(**place).is_some());
        let (with_regex, rest): (Vec<u32>, Vec<u32>) =
            rest.iter().partition(|place| regex(**place).is_some());
        let mut each = rest;
        match with_header.len() > FEW {
            true => with_header.into_iter().for_each(|place| self.put_by_header(place, header(place))),
            false => each.extend(with_header),
        }
        let expressions = with_regex.iter().filter_map(|place| regex(*place).map(regex::Regex::as_str));
        let set = (with_regex.len() > FEW).then(|| {
            RegexSetBuilder::new(expressions).size_limit(AUTOMATON).dfa_size_limit(STATES).build().ok()
        });
        match set.flatten() {
            Some(set) => self.by_regex = Some((set, with_regex)),
            None => each.extend(with_regex),
        }
        each.sort_unstable();
        self.each = each;
    }

    fn put_by_header(&mut self, place: u32, header: Option<(&HeaderName, &HeaderValue)>) {
        let Some((name, value)) = header else { return };
        let known = self.by_header.iter().position(|(known, _)| known == name);
        let at = known.unwrap_or_else(|| {
            self.by_header.push((name.clone(), HashMap::new()));
            self.by_header.len() - 1
        });
        if let Some((_, values)) = self.by_header.get_mut(at) {
            values.entry(value.clone()).or_default().push(place);
        }
    }

    /// Lowers `best` to the first of them that holds, if it comes before.
    pub(super) fn search(
        &self,
        rules: &[Rule],
        request: &RouteQuery<'_>,
        path: &NormalPath<'_>,
        best: &mut usize,
    ) {
        scan(self.each.iter().copied(), rules, request, path, best);
        for (name, values) in &self.by_header {
            for line in request.headers.get_all(name) {
                if let Some(list) = values.get(line) {
                    scan(list.iter().copied(), rules, request, path, best);
                }
            }
        }
        if let Some((set, places)) = &self.by_regex
            && places.first().is_some_and(|first| (*first as usize) < *best)
        {
            let fitting = set.matches(&path.text);
            scan(fitting.iter().filter_map(|index| places.get(index).copied()), rules, request, path, best);
        }
    }
}

fn scan(
    list: impl Iterator<Item = u32>,
    rules: &[Rule],
    request: &RouteQuery<'_>,
    path: &NormalPath<'_>,
    best: &mut usize,
) {
    for place in list.map(|place| place as usize).take_while(|place| *place < *best) {
        if rules.get(place).is_some_and(|rule| rule.conditions().hold(request, path)) {
            *best = place;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::model;
    use crate::table::conditions::RouteQuery;
    use crate::table::route::Router;
    use http::{HeaderMap, HeaderName, HeaderValue, Method};
    use proptest::prelude::*;

    /// Rules that look at few things, so that many hold for one request.
    fn rule() -> impl Strategy<Value = model::Rule> {
        let regex = prop_oneof![Just(None), (0..4u8).prop_map(|n| Some(format!("^/{n}|{n}$")))];
        let header = prop::collection::vec((0..3u8, prop_oneof![Just("*"), Just("a"), Just("b")]), 0..3);
        let path = prop_oneof![4 => Just(None), 1 => Just(Some("/1"))];
        let method = prop_oneof![4 => Just(None), 1 => Just(Some("POST"))];
        (regex, header, path, method).prop_map(|(regex, header, path, method)| model::Rule {
            path_regex: regex,
            header: header.into_iter().map(|(n, value)| (format!("x-{n}"), value.to_owned())).collect(),
            path: model::OneOrMany::Many(path.map(str::to_owned).into_iter().collect()),
            method: model::OneOrMany::Many(method.map(str::to_owned).into_iter().collect()),
            cluster: Some("c".into()),
            ..model::Rule::default()
        })
    }

    fn find(rules: &[model::Rule], ask: &RouteQuery<'_>) -> Option<usize> {
        Router::compile(rules, "web", &|_| Some(0)).unwrap().find(ask).map(|rule| rule.index)
    }

    proptest! {
        #[test]
        fn the_index_finds_what_asking_one_rule_after_the_other_finds(
            rules in prop::collection::vec(rule(), 1..60),
            path in "/[0-4](/[0-4])?",
            sent in prop::collection::vec((0..3u8, prop_oneof![Just("a"), Just("b"), Just("c")]), 0..4),
            post: bool,
        ) {
            let mut headers = HeaderMap::new();
            for (n, value) in sent {
                let name = HeaderName::try_from(format!("x-{n}")).unwrap();
                headers.append(name, HeaderValue::from_static(value));
            }
            let method = if post { Method::POST } else { Method::GET };
            let client = [10, 0, 0, 1].into();
            let ask =
                RouteQuery { host: "h", path: &path, query: None, method: &method, headers: &headers, client };
            let one_by_one = rules.iter().position(|rule| find(std::slice::from_ref(rule), &ask).is_some());
            prop_assert_eq!(find(&rules, &ask), one_by_one);
        }
    }

    #[test]
    fn the_first_of_many_rules_that_look_alike_wins_and_a_rule_between_them_keeps_its_place() {
        let mut text = String::from("rule = [");
        for n in 0..40 {
            text += &format!("{{ path-regex = '^/a{n}(/|$)', cluster = 'c' }}, ");
            text += &format!("{{ header = {{ X-Tenant = 't{n}' }}, cluster = 'c' }}, ");
        }
        text += "{ path-regex = '^/a7', cluster = 'c' }, { cluster = 'c' }]";
        let rules = toml::from_str::<model::Config>(&text).unwrap().rule;
        for (path, tenant, expected) in [
            ("/a7/x", "t30", 14),
            ("/a7/x", "t3", 7),
            ("/a7", "none", 14),
            ("/a7x", "none", 80),
            ("/a39", "none", 78),
            ("/b", "t39", 79),
            ("/b", "none", 81),
        ] {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static("x-tenant"),
                HeaderValue::from_str(tenant).unwrap(),
            )]);
            let method = Method::GET;
            let client = [10, 0, 0, 1].into();
            let ask = RouteQuery { host: "h", path, query: None, method: &method, headers: &headers, client };
            assert_eq!(find(&rules, &ask), Some(expected), "{path} of {tenant}");
        }
    }
}
