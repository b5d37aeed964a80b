//! What a rule does to the path, and whether answers find the way back: a session is lost with its cookie's path.

use super::super::model::Rule;
use super::super::source::join;
use super::Checker;
use percent_encoding::percent_decode_str;

pub fn check(c: &mut Checker<'_>, path: &str, rule: &Rule) {
    strips(c, path, rule);
    let Some(cluster) = rule.cluster.as_ref().and_then(|name| c.config.cluster.get(name)) else { return };
    if rule.add_prefix.is_some() && !cluster.rewrite_responses {
        c.warn_key(
            &join(path, "add-prefix"),
            "the node's cookies and redirects are for its own path, which clients do not know: their sessions are lost",
            "add rewrite-responses = true to the cluster, unless the application writes the public path itself",
        );
    }
    if cluster.rewrite_responses {
        rewrites(c, path, rule);
    }
}

/// What is stripped has to be there: where it is not, nothing is put on either, and answers are put back all the same.
fn strips(c: &mut Checker<'_>, path: &str, rule: &Rule) {
    let Some(strip) = rule.strip_prefix.as_deref().filter(|strip| strip.starts_with('/')) else { return };
    let at = join(path, "strip-prefix");
    let own = plain(strip);
    if own.is_empty() {
        return c.warn(&at, "`strip-prefix = \"/\"` strips nothing", "write the prefix that the node does not know, or remove the line");
    }
    let public: Vec<&str> = match &rule.path_regex {
        Some(regex) => regex.strip_prefix('^').map(literal_start).into_iter().collect(),
        None => rule.path.as_slice().iter().map(String::as_str).collect(),
    };
    // what follows the plain start of an expression may be all that is missing
    let perhaps = |public: &str| match rule.path_regex {
        Some(_) => own.starts_with(public) || below(public, &own),
        None => below(&own, &plain(public)) || below(&plain(public), &own),
    };
    if let Some(never) = public.iter().find(|public| !perhaps(public)) {
        let message = format!("\"{strip}\" is never stripped from what is below \"{never}\": such requests go to the node as they are");
        let help = match rule.path_regex {
            Some(_) => "write the prefix that all of them start with, or remove the line".to_owned(),
            None => format!("write strip-prefix = \"{never}\", or give each path a rule of its own"),
        };
        let loses = rule.cluster.as_ref().and_then(|name| c.config.cluster.get(name)).is_some_and(|cluster| cluster.rewrite_responses);
        match loses {
            true => c.error(&at, format!("{message}, and `rewrite-responses` gives their cookies a path that clients do not go to"), help),
            false => c.warn(&at, message, help),
        }
    } else if let Some(some) = rule.path.as_slice().iter().find(|public| rule.path_regex.is_none() && !below(&plain(public), &own)) {
        let message = format!("\"{some}\" matches more than \"{strip}\": what is not below that goes to the node as it is");
        c.warn(&at, message, format!("write path = \"{strip}\", or strip-prefix = \"{some}\""));
    }
}

/// Whether a path is the other one or below it.
fn below(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path as it is matched, without a slash at the end.
fn plain(path: &str) -> String {
    percent_decode_str(path.trim_end_matches('/')).decode_utf8_lossy().into_owned()
}

/// No answer is put back into the client's terms where `rewrite` has made the path: a cookie for `/app` is not sent to `/shop`.
fn rewrites(c: &mut Checker<'_>, path: &str, rule: &Rule) {
    let Some(rewrite) = &rule.rewrite else { return };
    let own = rewrite.split('$').next().unwrap_or_default().trim_end_matches('/');
    let public = match (rule.path.as_slice(), &rule.path_regex) {
        ([one], _) => one.trim_end_matches('/'),
        (_, Some(regex)) => literal_start(regex.strip_prefix('^').unwrap_or(regex)).trim_end_matches('/'),
        _ => "",
    };
    let name = |text: &str| if text.is_empty() { "/…".to_owned() } else { text.to_owned() };
    let help = format!(
        "write path = \"{0}\", strip-prefix = \"{0}\" and add-prefix = \"{1}\" in place of path-regex and rewrite: that goes both ways",
        name(public),
        name(own)
    );
    let message = "`rewrite-responses` cannot undo a `rewrite`: cookies and redirects would be for a path that clients do not know";
    if !rewrite.contains('$') && c.config.rule.iter().any(|other| lets_through(other, rule, own)) {
        let message = "`rewrite-responses` cannot undo a `rewrite`: cookies are for the path that the node knows, and come back only there";
        return c.warn_key(&join(path, "rewrite"), message, help);
    }
    c.error_key(&join(path, "rewrite"), message, help);
}

/// Whether clients reach this path of the same cluster as it is.
fn lets_through(other: &Rule, rule: &Rule, own: &str) -> bool {
    let unchanged = other.strip_prefix.is_none() && other.add_prefix.is_none() && other.rewrite.is_none();
    let by_path = other.path.is_empty() || other.path.as_slice().iter().any(|prefix| below(own, prefix.trim_end_matches('/')));
    let matches = |regex: &String| regex::Regex::new(regex).is_ok_and(|regex| regex.is_match(own));
    unchanged && other.cluster == rule.cluster && by_path && other.path_regex.as_ref().is_none_or(matches)
}

/// What every path that matches starts with, as far as it is plain to see.
fn literal_start(regex: &str) -> &str {
    let end = regex.find(|ch: char| !ch.is_ascii_alphanumeric() && !"/-_".contains(ch)).unwrap_or(regex.len());
    // a sign that may be left out is none that all have
    let end = if regex[end..].starts_with(['?', '*', '{', '|']) { end.saturating_sub(1) } else { end };
    &regex[..end]
}
