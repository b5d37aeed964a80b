//! Rules that can never match, because an earlier one takes all their requests.

use super::super::model::{OneOrMany, Rule};
use super::super::source::EntryPart;
use super::checker::Checker;
use indexmap::IndexMap;

/// Beyond so many rules, only that many before a rule are looked at: the check must not grow with the square
/// of the file.
const LOOK_BACK: usize = 1000;

pub fn check(c: &mut Checker<'_>) {
    let rules = &c.config.rule;
    for (n, rule) in rules.iter().enumerate() {
        let from = n.saturating_sub(LOOK_BACK);
        if let Some(first) = (from..n).find(|first| covers(&rules[*first], rule)) {
            let place = c
                .spans
                .place(&format!("rule[{first}]"), EntryPart::Key)
                .map(|p| format!("{}:{}", p.path.display(), p.line))
                .unwrap_or_default();
            let message = format!("this rule never matches: the rule at {place} takes all its requests");
            c.warn_key(&format!("rule[{n}]"), message, "put it before that rule, or remove it");
        }
    }
}

/// True when every request that the later rule matches is matched by the earlier one. May say no where that
/// is hard to tell.
fn covers(earlier: &Rule, later: &Rule) -> bool {
    !earlier.disabled
        && all(&earlier.listener, &later.listener, |a, b| a == b)
        && all(&earlier.host, &later.host, |a, b| host(a, b))
        && all(&earlier.path, &later.path, |a, b| prefix(a, b))
        && (earlier.path_regex.is_none() || earlier.path_regex == later.path_regex)
        && all(&earlier.method, &later.method, |a, b| a == b)
        && pairs(&earlier.header, &later.header, str::eq_ignore_ascii_case)
        && pairs(&earlier.query, &later.query, |a, b| a == b)
        && all(&earlier.source, &later.source, |a, b| a.0.contains(&b.0))
}

/// A condition not given holds always; else each alternative of the later rule must fall under one of the
/// earlier.
fn all<T>(earlier: &OneOrMany<T>, later: &OneOrMany<T>, under: impl Fn(&T, &T) -> bool) -> bool {
    earlier.is_empty()
        || !later.is_empty()
            && later.as_slice().iter().all(|b| earlier.as_slice().iter().any(|a| under(a, b)))
}

fn host(earlier: &str, later: &str) -> bool {
    let (a, b) = (earlier.to_ascii_lowercase(), later.to_ascii_lowercase());
    a == b || a.strip_prefix('*').is_some_and(|end| b.len() > end.len() && b.ends_with(end))
}

fn prefix(earlier: &str, later: &str) -> bool {
    let earlier = earlier.trim_end_matches('/');
    later.strip_prefix(earlier).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn pairs(
    earlier: &IndexMap<String, String>,
    later: &IndexMap<String, String>,
    same: impl Fn(&str, &str) -> bool,
) -> bool {
    earlier.iter().all(|(name, value)| {
        later.iter().any(|(other, theirs)| same(name, other) && (value == "*" || value == theirs))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_rules_cover_narrower_ones() {
        let rule = |text: &str| toml::from_str::<Rule>(text).unwrap();
        for (earlier, later, covered) in [
            ("", "path = '/a'", true),
            ("path = '/a'", "", false),
            ("path = '/a'", "path = ['/a/b', '/a']", true),
            ("path = '/a'", "path = '/ab'", false),
            ("path = '/'", "path = '/a'", true),
            ("host = '*.x.org'", "host = 'a.x.org'", true),
            ("host = '*.x.org'", "host = 'x.org'", false),
            ("host = ['a.org', 'b.org']", "host = 'B.org'\npath = '/x'", true),
            ("method = 'GET'", "method = ['GET', 'POST']", false),
            ("header.A = '*'", "header.a = '1'", true),
            ("source = '10.0.0.0/8'", "source = '10.1.0.0/16'", true),
            ("disabled = true", "path = '/a'", false),
        ] {
            assert_eq!(covers(&rule(earlier), &rule(later)), covered, "{earlier} / {later}");
        }
    }
}
