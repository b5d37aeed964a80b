//! What a rule does to the path, and whether answers find the way back: a session is lost with its cookie's
//! path.

use super::super::model::Rule;
use super::super::source::join;
use super::checker::Checker;
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

/// What is stripped has to be there: where it is not, the path goes to the node as it is.
fn strips(c: &mut Checker<'_>, path: &str, rule: &Rule) {
    let Some(strip) = rule.strip_prefix.as_deref().filter(|strip| strip.starts_with('/')) else { return };
    let at = join(path, "strip-prefix");
    let own = plain(strip);
    if own.is_empty() {
        return c.warn(
            &at,
            "`strip-prefix = \"/\"` strips nothing",
            "write the prefix that the node does not know, or remove the line",
        );
    }
    let paths = rule.path.as_slice();
    let public: Vec<&str> = match &rule.path_regex {
        Some(regex) => vec![literal_start(regex).0],
        None => paths.iter().map(String::as_str).collect(),
    };
    // what follows the plain start of an expression may be all that is missing
    let perhaps = |public: &str| match rule.path_regex {
        Some(_) => own.starts_with(public) || below(public, &own),
        None => below(&own, &plain(public)) || below(&plain(public), &own),
    };
    if let Some(never) = public.iter().find(|public| !perhaps(public)) {
        let message = format!(
            "\"{strip}\" is never stripped from what is below \"{never}\": such requests go to the node as they are"
        );
        let help = match rule.path_regex {
            Some(_) => "write the prefix that all of them start with, or remove the line".to_owned(),
            None if paths.len() > 1 => "give each path a rule of its own".to_owned(),
            None => format!("write strip-prefix = \"{never}\""),
        };
        c.warn(&at, message, help);
    } else if let Some(some) =
        paths.iter().find(|public| rule.path_regex.is_none() && !below(&plain(public), &own))
    {
        let message = format!(
            "\"{some}\" matches more than \"{strip}\": what is not below that goes to the node as it is"
        );
        let or =
            if plain(some).is_empty() { String::new() } else { format!(", or strip-prefix = \"{some}\"") };
        c.warn(&at, message, format!("write path = \"{strip}\"{or}"));
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

/// No answer is put back into the client's terms where `rewrite` has made the path: a cookie for `/app` is
/// not sent to `/shop`.
fn rewrites(c: &mut Checker<'_>, path: &str, rule: &Rule) {
    let Some(rewrite) = &rule.rewrite else { return };
    let own = directory(rewrite, rule.path_regex.as_deref().unwrap_or_default());
    let matched = rule.path_regex.as_deref().map(|regex| plain(whole(regex))).unwrap_or_default();
    let paths: Vec<String> = match rule.path.as_slice() {
        [] => vec![matched.clone()],
        paths => paths.iter().map(|path| plain(path)).collect(),
    };
    let Some(public) = paths.iter().find(|public| !below(public, &own) && !below(&matched, &own)) else {
        return;
    };
    let place = if public.is_empty() {
        "every path that this rule matches".to_owned()
    } else {
        format!("\"{public}\"")
    };
    let message = format!(
        "`rewrite-responses` cannot undo a `rewrite`: a cookie for \"{own}\" does not come back at {place}"
    );
    let help = match both_ways(rule) {
        Some(prefixes) => format!("write {prefixes} in place of path-regex and rewrite: that goes both ways"),
        None => format!(
            "look at the Path of the node's cookies: \"/\" comes back everywhere, \"{own}\" only where clients ask for that"
        ),
    };
    let at = join(path, "rewrite");
    // all that is below a path of its own, and not below the public one: no page of an application, but all
    // of it
    match rewrite.contains('$') && !below(&own, public) {
        true => c.error_key(&at, message, help),
        false => c.warn_key(&at, message, help),
    }
}

/// Where the new path is, as far as it is plain to see: what cookies are for most often.
fn directory(rewrite: &str, regex: &str) -> String {
    let start = rewrite.split('$').next().unwrap_or_default();
    // a group that begins with a slash follows a whole name
    let is_whole = rewrite[start.len()..].starts_with('$') && regex.contains("(/");
    plain(if is_whole { start } else { start.rsplit_once('/').map_or("", |(directory, _)| directory) })
}

/// The prefixes that do the same as a `rewrite` of all that is below a path.
fn both_ways(rule: &Rule) -> Option<String> {
    let (start, rest) = literal_start(rule.path_regex.as_deref()?);
    let slash = match rest.trim_end_matches('$') {
        "(/.*)" | "(/.*)?" => "",
        "(.*)" => "/",
        _ => return None,
    };
    let own = rule.rewrite.as_deref()?.strip_suffix("$1")?.strip_suffix(slash)?;
    let public = start.strip_suffix(slash)?;
    let is_plain = |path: &str| path.len() > 1 && !path.ends_with('/') && !path.contains('$');
    (is_plain(public) && is_plain(own))
        .then(|| format!("path = \"{public}\", strip-prefix = \"{public}\" and add-prefix = \"{own}\""))
}

/// The whole names that every path that matches starts with.
fn whole(regex: &str) -> &str {
    let (start, rest) = literal_start(regex);
    let ends = rest.is_empty() || ["$", "(/", "(?:/"].iter().any(|end| rest.starts_with(end));
    if ends { start } else { start.rsplit_once('/').map_or("", |(whole, _)| whole) }
}

/// What every path that matches starts with, as far as it is plain to see, and what follows that in the
/// expression.
fn literal_start(regex: &str) -> (&str, &str) {
    let depth = |depth: i32, ch| depth + i32::from(ch == '(') - i32::from(ch == ')');
    let alternates = regex.match_indices('|').any(|(at, _)| regex[..at].chars().fold(0, depth) <= 0);
    let Some(regex) = regex.strip_prefix('^').filter(|_| !alternates) else { return ("", regex) };
    let end =
        regex.find(|ch: char| !ch.is_ascii_alphanumeric() && !"/-_".contains(ch)).unwrap_or(regex.len());
    // a sign that may be left out is none that all have
    let end = if regex[end..].starts_with(['?', '*', '{']) { end.saturating_sub(1) } else { end };
    regex.split_at(end)
}
