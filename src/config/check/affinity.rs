//! `affinity`: exactly one form, and only the options that belong to it.

use super::super::model::{Affinity, AffinityTable, Cluster, CookieMode, CookieValue, Node, SameSite};
use super::super::source::join;
use super::checker::{Checker, nth};
use crate::wire::token::is_token;
use http::HeaderName;

/// The longest name of a cookie.
const LONGEST_NAME: usize = 128;

/// Options that only make sense with one form.
const OF_COOKIE: [&str; 17] = [
    "mode",
    "value",
    "indirect",
    "nocache",
    "postonly",
    "preserve",
    "max-idle",
    "max-life",
    "same-site",
    "secure",
    "http-only",
    "partitioned",
    "domain",
    "path",
    "attributes",
    "dynamic-key",
    "keys",
];
const OF_ROUTE: [&str; 2] = ["parameter", "order"];
const OF_KEY: [&str; 1] = ["remember"];
/// Options of a cookie that we write ourselves.
const OF_INSERT: [&str; 9] = [
    "postonly",
    "preserve",
    "max-idle",
    "max-life",
    "same-site",
    "secure",
    "http-only",
    "partitioned",
    "domain",
];

pub fn check(c: &mut Checker<'_>, path: &str, affinity: &Affinity, cluster: &Cluster) {
    let Affinity::Table(table) = affinity else { return };
    form(c, path, table, Some(cluster));
    for (n, other) in table.also.iter().enumerate() {
        let at = format!("{path}.also[{n}]");
        form(c, &at, other, None);
        if !other.also.is_empty() {
            c.error_key(
                &join(&at, "also"),
                "`also` cannot stand inside `also`",
                "put all forms into one list",
            );
        }
    }
}

/// `writer`: the cluster, for the form that it writes.
fn form(c: &mut Checker<'_>, path: &str, table: &AffinityTable, writer: Option<&Cluster>) {
    let forms: Vec<&str> = [
        ("cookie", table.cookie.is_some()),
        ("route", table.route.is_some()),
        ("learn", table.learn.is_some()),
        ("key", table.key.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, given)| given.then_some(key))
    .collect();
    match forms.as_slice() {
        [one] => {
            strangers(c, path, one, table);
            names(c, path, table);
            separator(c, path, table);
            bare_id(c, path, table);
            if *one == "cookie" {
                cookie(c, path, table, writer);
            }
        }
        [] => c.error_key(
            path,
            "this affinity does not say how a session is recognised",
            "add one of: cookie = \"NAME\", route = \"JSESSIONID\", learn = \"PHPSESSID\", key = \"header:NAME\"",
        ),
        [.., last] => c.error_key(
            &join(path, last),
            format!("this affinity has {}; it can have only one", forms.join(" and ")),
            "keep one, and put the other into `also = [{ … }]`",
        ),
    }
}

/// Options that belong to another form than this one.
fn strangers(c: &mut Checker<'_>, path: &str, form: &str, table: &AffinityTable) {
    for (owner, keys) in [("cookie", &OF_COOKIE[..]), ("route", &OF_ROUTE), ("key", &OF_KEY)] {
        for key in keys.iter().filter(|_| owner != form) {
            if c.set(path, key, table) {
                c.error_key(
                    &join(path, key),
                    format!("`{key}` belongs to affinities with `{owner}`, and this one has `{form}`"),
                    "remove it",
                );
            }
        }
    }
}

fn names(c: &mut Checker<'_>, path: &str, table: &AffinityTable) {
    for (key, name) in [("cookie", &table.cookie), ("route", &table.route), ("parameter", &table.parameter)] {
        let Some(name) = name else { continue };
        if !is_token(name) || name.len() > LONGEST_NAME {
            c.error(
                &join(path, key),
                format!("\"{}\" cannot be the name of a cookie", name.escape_debug()),
                "use letters, digits, `-`, `_` and `.`",
            );
        }
    }
    learned_id(c, path, table);
    let Some(key) = &table.key else { return };
    let right = match key.split_once(':') {
        Some(("header", name)) => HeaderName::from_bytes(name.as_bytes()).is_ok(),
        Some(("query", name)) => !name.is_empty(),
        _ => key == "source",
    };
    if !right {
        let help = "write \"query:NAME\", \"header:NAME\" or \"source\"";
        c.error(&join(path, "key"), format!("\"{}\" does not say what the key is", key.escape_debug()), help);
    }
}

/// Where the id stands that is learned: in a cookie, unless it says something else.
fn learned_id(c: &mut Checker<'_>, path: &str, table: &AffinityTable) {
    let Some(id) = &table.learn else { return };
    let right = match id.split_once(':') {
        None => is_token(id) && id.len() <= LONGEST_NAME,
        Some(("header", name)) => HeaderName::from_bytes(name.as_bytes()).is_ok(),
        Some(("query" | "path", name)) => is_token(name),
        Some(_) => false,
    };
    if !right {
        c.error_key(
            &join(path, "learn"),
            format!("\"{}\" does not say where the application's id is", id.escape_debug()),
            "write the name of a cookie, or \"header:NAME\", \"query:NAME\" or \"path:NAME\"",
        );
    }
}

/// Session ids that never carry a route: `appsession` became this in many a conf, and what is meant is
/// `learn`.
fn bare_id(c: &mut Checker<'_>, path: &str, table: &AffinityTable) {
    if let Some(name) =
        table.route.as_deref().filter(|name| ["PHPSESSID", "ASP.NET_SessionId", "connect.sid"].contains(name))
    {
        c.warn_key(
            &join(path, "route"),
            format!("the ids in {name} carry no route, so they name no node"),
            format!("write learn = \"{name}\""),
        );
    }
}

/// What stands before a route: in an id of the application's, or in a cookie that holds the route and nothing
/// else.
fn separator(c: &mut Checker<'_>, path: &str, table: &AffinityTable) {
    let Some(separator) = &table.separator else { return };
    let at = join(path, "separator");
    let of_route = table.route.is_some();
    if !of_route && !table.is_readable() {
        let help = "remove it, or add value = \"route\" to a cookie of ours";
        return c.error_key(
            &at,
            "`separator` belongs to affinities with `route`, and to cookies that hold nothing but the route",
            help,
        );
    }
    let octets = if of_route {
        |ch: char| ch.is_ascii_graphic()
    } else {
        |ch: char| u8::try_from(ch).is_ok_and(is_cookie_octet) && ch != '|'
    };
    let one = separator.chars().count() == 1 && separator.chars().all(octets);
    let whole = of_route && separator == "off";
    if !one && !whole {
        let message = format!("the separator \"{}\" is not one character", separator.escape_debug());
        c.error(
            &at,
            message,
            "write one character, as in \".\"; with `route`, \"off\" when the whole value is the route",
        );
    }
}

/// A node's route: plain where it is a part of something else; whatever a cookie may hold where one holds
/// nothing but the route, for the values of other front ends are addresses, hashes and what they look like in
/// base64.
pub fn node_route(c: &mut Checker<'_>, path: &str, route: &str, cluster: &Cluster) {
    let readable = cluster.affinity.iter().flat_map(Affinity::forms).any(AffinityTable::is_readable);
    if !readable {
        return c.name(path, "route", route);
    }
    if route.is_empty()
        || route.len() > 256
        || !route.bytes().all(|byte| is_cookie_octet(byte) && byte != b'|')
    {
        c.error_key(
            path,
            format!("\"{}\" cannot be the route of a node: no cookie could hold it", route.escape_debug()),
            "write it as the cookie has it, without quotes: no space, `\"`, `,`, `;`, `\\` or `|`, 256 characters at most",
        );
    }
}

/// What RFC 6265 takes in a cookie's value.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

fn cookie(c: &mut Checker<'_>, path: &str, table: &AffinityTable, writer: Option<&Cluster>) {
    if table.mode != CookieMode::Insert {
        if table.value == Some(CookieValue::Sealed) {
            c.error(
                &join(path, "value"),
                "only a cookie of ours can be sealed: in this mode the application writes it, and the proxy before this one read it as text",
                "remove `value`: the node's route it is then, as in HAProxy; or remove `mode`",
            );
        }
        for key in OF_INSERT {
            if c.set(path, key, table) {
                c.error_key(
                    &join(path, key),
                    format!("`{key}` belongs to mode \"insert\": in the other modes the application writes the cookie"),
                    "remove it, or the mode",
                );
            }
        }
    }
    let value = |wanted: CookieValue, key: &str, word: &str, c: &mut Checker<'_>| {
        if table.cookie_value() != wanted && c.set(path, key, table) {
            c.error_key(
                &join(path, key),
                format!("`{key}` belongs to value = \"{word}\""),
                format!("add value = \"{word}\", or remove it"),
            );
        }
    };
    value(CookieValue::Dynamic, "dynamic-key", "dynamic", c);
    value(CookieValue::Sealed, "keys", "sealed", c);
    if table.cookie_value() == CookieValue::Dynamic && table.dynamic_key.as_ref().is_none_or(String::is_empty)
    {
        c.error_key(
            &join(path, "value"),
            "dynamic cookies need a key",
            "add dynamic-key = \"…\", the same on every proxy",
        );
    }
    if let Some(keys) = &table.keys {
        c.readable(&join(path, "keys"), keys);
    }
    if let (Some(idle), Some(life)) = (table.max_idle, table.max_life)
        && idle > life
    {
        c.warn(
            &join(path, "max-idle"),
            format!("`max-idle` ({idle}) is longer than `max-life` ({life}) and has no effect"),
            "make it shorter",
        );
    }
    let dotted = |node: &Node| node.table().route.is_some_and(|route| route.starts_with('.'));
    let httpd = table.is_readable() && name_of(table) == "ROUTEID" && table.separator.is_none();
    if httpd && writer.is_some_and(|cluster| !cluster.nodes.values().any(dotted)) {
        c.warn_key(
            &join(path, "cookie"),
            "httpd writes ROUTEID=.1 and follows nothing else: back there, sessions that began here would be lost",
            "add separator = \".\"",
        );
    }
    attributes(c, path, table);
}

fn name_of(table: &AffinityTable) -> &str {
    table.cookie.as_deref().unwrap_or_default()
}

fn attributes(c: &mut Checker<'_>, path: &str, table: &AffinityTable) {
    let name = name_of(table);
    let clear = c.config.listener.values().any(|listener| listener.tls.is_none());
    match table.secure {
        Some(false) if table.partitioned => c.error(
            &join(path, "partitioned"),
            "browsers refuse a Partitioned cookie that is not Secure",
            "remove secure = false",
        ),
        None if table.partitioned && clear => {
            c.warn(
                &join(path, "partitioned"),
                "over clear text the cookie is not Secure, and browsers refuse it when Partitioned",
                "add secure = true if TLS ends before homing",
            );
        }
        _ => {}
    }
    if table.same_site == SameSite::None && table.secure == Some(false) {
        c.error(
            &join(path, "same-site"),
            "browsers refuse a SameSite=None cookie that is not Secure",
            "remove secure = false, or write same-site = \"lax\"",
        );
    }
    if name.starts_with("__Host-")
        && (!table.domain.is_empty() || table.path != "/" || table.secure == Some(false))
    {
        c.error(
            &join(path, "cookie"),
            "browsers take a `__Host-` cookie only with Secure, Path=/ and no Domain",
            "remove the options that stand against it, or the prefix",
        );
    }
    if name.starts_with("__Secure-") && table.secure == Some(false) {
        c.error(
            &join(path, "cookie"),
            "browsers take a `__Secure-` cookie only with Secure",
            "remove secure = false, or the prefix",
        );
    }
    for (n, domain) in table.domain.as_slice().iter().enumerate() {
        let at = nth(c.spans, &join(path, "domain"), n);
        let plain = domain.strip_prefix('.').unwrap_or(domain);
        if !super::super::address::is_host(plain) {
            c.error(
                &at,
                format!("\"{}\" is not a domain", domain.escape_debug()),
                "write it as in \"example.com\"",
            );
        } else if !domain.contains('.') {
            c.error(
                &at,
                format!("the domain \"{domain}\" has no dot, so browsers refuse the cookie"),
                "write it as in \"example.com\", or remove it",
            );
        }
    }
    if !table.path.starts_with('/') || table.path.contains(';') || table.path.chars().any(char::is_control) {
        c.error(
            &join(path, "path"),
            format!("\"{}\" cannot be a cookie's path", table.path.escape_debug()),
            "write it as in \"/\" or \"/shop\", without `;`",
        );
    }
    for (n, attribute) in table.attributes.iter().enumerate() {
        if attribute.is_empty() || attribute.contains(';') || attribute.chars().any(char::is_control) {
            let at = format!("{path}.attributes[{n}]");
            c.error(
                &at,
                format!("\"{}\" cannot be an attribute of a cookie", attribute.escape_debug()),
                "write one attribute for each text, without `;`, as in [\"Priority=High\"]",
            );
        }
    }
}
