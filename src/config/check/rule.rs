//! `[[rule]]`.

use super::super::address::is_host;
use super::super::model::{HandOff, Mode, NodeTable, Redirect, Respond, Role, Rule};
use super::super::source::join;
use super::super::suggest::did_you_mean;
use super::checker::{Checker, nth};
use super::way_back;
use http::{HeaderValue, Method};

pub fn check(c: &mut Checker<'_>) {
    let config = c.config;
    for (n, rule) in config.rule.iter().enumerate() {
        let path = format!("rule[{n}]");
        conditions(c, &path, rule);
        target(c, &path, rule);
        changes(c, &path, rule);
    }
    if config.rule.is_empty() && config.cluster.len() > 1 && !config.listener.is_empty() {
        let names: Vec<&str> = config.cluster.keys().map(String::as_str).collect();
        let message = format!(
            "there are {} clusters and no rule that says which requests go to which: all are answered with 404",
            names.len()
        );
        let (last, others) = names.split_last().map_or(("", &names[..]), |(last, others)| (*last, others));
        let each: Vec<String> = others
            .iter()
            .map(|name| format!("[[rule]] with path = \"/{name}\" and cluster = \"{name}\""))
            .collect();
        let help =
            format!("add {}; and [[rule]] with cluster = \"{last}\" for all that is left", each.join(", "));
        c.warn_key(&join("cluster", last), message, help);
    }
}

fn conditions(c: &mut Checker<'_>, path: &str, rule: &Rule) {
    let config = c.config;
    for (n, name) in rule.listener.as_slice().iter().enumerate() {
        if !config.listener.contains_key(name) {
            let help = did_you_mean(name, config.listener.keys().map(String::as_str), "listeners");
            c.error(
                &nth(c.spans, &join(path, "listener"), n),
                format!("there is no listener `{name}`"),
                help,
            );
        }
    }
    for (n, host) in rule.host.as_slice().iter().enumerate() {
        let name = host.strip_prefix("*.").unwrap_or(host);
        if !is_host(name) && !name.starts_with('[') {
            let help = if host.contains("://") || host.contains(['/', ':']) {
                "write the name alone, without scheme, port or path"
            } else {
                "write a name as in \"shop.example.com\", or \"*.example.com\" for all names under it; leave `host` out for every host"
            };
            c.error(&nth(c.spans, &join(path, "host"), n), format!("\"{host}\" is not a host name"), help);
        }
    }
    for (n, prefix) in rule.path.as_slice().iter().enumerate() {
        starts_with_slash(c, &nth(c.spans, &join(path, "path"), n), prefix);
    }
    if let Some(pattern) = &rule.path_regex
        && let Err(error) = regex::Regex::new(pattern)
    {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        c.error(
            &join(path, "path-regex"),
            format!("the regular expression `{pattern}` cannot be used: {reason}"),
            "the syntax is that of Rust's regex: no look-around, no back references; in '…' a backslash stands for itself",
        );
    }
    for (n, method) in rule.method.as_slice().iter().enumerate() {
        let at = nth(c.spans, &join(path, "method"), n);
        if Method::from_bytes(method.as_bytes()).is_err() {
            c.error(
                &at,
                format!("\"{method}\" is not a request method"),
                "write them as in [\"GET\", \"HEAD\"]",
            );
        } else if method.bytes().any(|b| b.is_ascii_lowercase()) {
            c.warn(
                &at,
                format!("methods are told apart by case: \"{method}\" matches nothing that browsers send"),
                format!("did you mean \"{}\"?", method.to_ascii_uppercase()),
            );
        }
    }
    for (name, value) in &rule.header {
        let at = join(&join(path, "header"), name);
        c.header_name(&at, name);
        if HeaderValue::from_bytes(value.as_bytes()).is_err() {
            c.error(
                &at,
                "a header value cannot hold line breaks or control characters",
                "write it on one line",
            );
        }
    }
}

fn starts_with_slash(c: &mut Checker<'_>, at: &str, path: &str) {
    if !path.starts_with('/') {
        let help = if path.starts_with('^') || path.contains('*') {
            "for patterns use path-regex; `path` is a prefix".into()
        } else {
            format!("did you mean \"/{path}\"?")
        };
        c.error(at, format!("the path \"{path}\" does not start with `/`"), help);
    } else if path.contains(['?', '#']) || path.chars().any(char::is_control) {
        c.error(
            at,
            format!("\"{}\" is more than a path", path.escape_debug()),
            "leave out what follows the path; `query` is a condition of its own",
        );
    } else if path.contains('*') {
        c.warn(
            at,
            format!("`*` has no meaning in \"{path}\": it matches only itself"),
            "`path` is a prefix already: leave the `*` out, or use path-regex",
        );
    }
}

fn target(c: &mut Checker<'_>, path: &str, rule: &Rule) {
    let possible = [
        ("cluster", rule.cluster.is_some()),
        ("hand-off", rule.hand_off.is_some()),
        ("redirect", rule.redirect.is_some()),
        ("respond", rule.respond.is_some()),
    ];
    let targets: Vec<&str> = possible.into_iter().filter_map(|(key, given)| given.then_some(key)).collect();
    match targets.as_slice() {
        [] => c.error_key(
            path,
            "this rule says which requests, and not what becomes of them",
            "add one of: cluster = \"NAME\", hand-off = { … }, redirect = { … }, respond = { … }",
        ),
        [_] => {}
        [.., last] => c.error_key(
            &join(path, last),
            format!("this rule has {}; it can have only one", targets.join(" and ")),
            "make it two rules, or remove one of them",
        ),
    }
    if let Some(name) = rule.cluster.as_ref().filter(|name| !c.config.cluster.contains_key(*name)) {
        let help = did_you_mean(name, c.config.cluster.keys().map(String::as_str), "clusters");
        c.error(&join(path, "cluster"), format!("there is no cluster `{name}`"), help);
    }
    if let Some(hand_off) = &rule.hand_off {
        check_hand_off(c, &join(path, "hand-off"), hand_off);
    }
    if let Some(redirect) = &rule.redirect {
        check_redirect(c, &join(path, "redirect"), redirect);
    }
    if let Some(respond) = &rule.respond {
        check_respond(c, &join(path, "respond"), respond);
    }
}

fn check_hand_off(c: &mut Checker<'_>, path: &str, hand_off: &HandOff) {
    if !matches!(hand_off.status, 302 | 307) {
        let message = format!("{} does not hand a client over", hand_off.status);
        c.error(&join(path, "status"), message, "write 302, or 307 to keep the method");
    }
    let Some(cluster) = c.config.cluster.get(&hand_off.cluster) else {
        let help = did_you_mean(&hand_off.cluster, c.config.cluster.keys().map(String::as_str), "clusters");
        return c.error(&join(path, "cluster"), format!("there is no cluster `{}`", hand_off.cluster), help);
    };
    let is_given = |node: &NodeTable| cluster.mode == Mode::Shared || !node.roles.contains(&Role::Lb);
    let hides = |node: &NodeTable| is_given(node) && node.public_url.is_none();
    let hidden: Vec<&str> =
        cluster.nodes.iter().filter(|(_, node)| hides(&node.table())).map(|(name, _)| &**name).collect();
    if !hidden.is_empty() {
        let message = format!(
            "clients are handed over to nodes of `{}` that say no address for it: {}",
            hand_off.cluster,
            hidden.join(", ")
        );
        c.error(
            &join(path, "cluster"),
            message,
            "give each of them a public-url, as in { url = \"…\", public-url = \"https://n1.example.com\" }",
        );
    }
}

fn check_redirect(c: &mut Checker<'_>, path: &str, redirect: &Redirect) {
    if ![301, 302, 303, 307, 308].contains(&redirect.status) {
        c.error(
            &join(path, "status"),
            format!("{} is not the status of a redirect", redirect.status),
            "write 301, 302, 303, 307 or 308",
        );
    }
    let parts = redirect.scheme.is_some() || redirect.host.is_some() || redirect.path.is_some();
    match &redirect.to {
        Some(_) if parts => c.error_key(
            &join(path, "to"),
            "`to` is the whole location; scheme, host and path cannot stand beside it",
            "remove `to`, or the others",
        ),
        Some(to) if to.is_empty() => c.error(
            &join(path, "to"),
            "the location is empty",
            "write where to, as in \"https://www.example.com{path}\"",
        ),
        Some(to) => c.template(&join(path, "to"), to),
        None if !parts => c.error_key(
            path,
            "this redirect leads back to where the client came from",
            "add scheme, host, path or to, as in { scheme = \"https\" }",
        ),
        None => {}
    }
    if let Some(scheme) =
        redirect.scheme.as_ref().filter(|scheme| !matches!(scheme.as_str(), "http" | "https"))
    {
        c.error(
            &join(path, "scheme"),
            format!("\"{scheme}\" is not a scheme to redirect to"),
            "write \"http\" or \"https\"",
        );
    }
    if let Some(to) = &redirect.path {
        let at = join(path, "path");
        if to.chars().any(char::is_control) || !to.starts_with('/') {
            c.error(
                &at,
                format!("the path \"{}\" does not start with `/`", to.escape_debug()),
                "write the whole path, as in \"/new\"",
            );
        }
    }
    if let Some(host) = &redirect.host {
        let (name, port) = host.rsplit_once(':').filter(|_| !host.ends_with(']')).unwrap_or((host, "1"));
        if (!is_host(name) && !name.starts_with('[')) || port.parse::<u16>().is_err() {
            c.error(
                &join(path, "host"),
                format!("\"{}\" is not a host", host.escape_debug()),
                "write a name, with :port if it is not the scheme's own",
            );
        }
    }
}

fn check_respond(c: &mut Checker<'_>, path: &str, respond: &Respond) {
    if !(200..=599).contains(&respond.status) {
        c.error(
            &join(path, "status"),
            format!("{} is not a status to answer with", respond.status),
            "write a number from 200 to 599",
        );
    }
    if HeaderValue::from_str(&respond.content_type).is_err() {
        c.error(
            &join(path, "content-type"),
            "this is not a content type",
            "write it as in \"text/html; charset=utf-8\"",
        );
    }
    if matches!(respond.status, 204 | 205 | 304) && !respond.body.is_empty() {
        c.error(
            &join(path, "body"),
            format!("an answer with status {} has no body", respond.status),
            "remove the body, or answer with 200",
        );
    }
}

fn changes(c: &mut Checker<'_>, path: &str, rule: &Rule) {
    for (key, prefix) in [("strip-prefix", &rule.strip_prefix), ("add-prefix", &rule.add_prefix)] {
        let Some(prefix) = prefix else { continue };
        starts_with_slash(c, &join(path, key), prefix);
        if rule.rewrite.is_some() {
            let message = format!("`rewrite` replaces the whole path, so `{key}` beside it does nothing");
            c.error_key(&join(path, "rewrite"), message, "remove one of the two");
        }
    }
    way_back::check(c, path, rule);
    if let Some(rewrite) = &rule.rewrite {
        let at = join(path, "rewrite");
        if rule.path_regex.is_none() || !rewrite.starts_with('$') {
            starts_with_slash(c, &at, rewrite);
        }
        let group = rewrite.split('$').skip(1).any(|after| after.starts_with(|ch: char| ch.is_ascii_digit()));
        if group && rule.path_regex.is_none() {
            c.error(
                &at,
                "`$1` stands for a group of `path-regex`, and there is none",
                "add path-regex = '…' with a group in ( )",
            );
        }
    }
    if rule.cluster.is_none() {
        for key in ["strip-prefix", "add-prefix", "rewrite", "request-headers"] {
            if c.given(path, key) {
                c.warn_key(
                    &join(path, key),
                    format!("`{key}` has no effect here: nothing goes to a node"),
                    "remove it, or send the request to a cluster",
                );
            }
        }
    }
    c.header_edits(&join(path, "request-headers"), &rule.request_headers);
    c.header_edits(&join(path, "response-headers"), &rule.response_headers);
}
