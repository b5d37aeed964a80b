//! Undoes in an answer what was done to its request, so that the client never sees the node's own address (ProxyPassReverse).

use http::header::{CONTENT_LOCATION, HeaderMap, HeaderValue, LOCATION, SET_COOKIE};

/// The two sides of a request.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// "http" or "https", towards the node.
    pub node_scheme: &'a str,
    /// The node's host, IPv6 in brackets, without port.
    pub node_host: &'a str,
    /// The node's port.
    pub node_port: u16,
    /// "http" or "https", as the client came.
    pub scheme: &'a str,
    /// The host as the client asked for it, with port if there was one.
    pub host: &'a str,
    /// The prefix that was taken off the path; without a slash at its end.
    pub strip_prefix: Option<&'a str>,
}

/// Rewrites Location, Content-Location and Set-Cookie. To be called before our own cookie is added.
pub fn responses(headers: &mut HeaderMap, sides: &Sides<'_>) {
    for name in [LOCATION, CONTENT_LOCATION] {
        let new = headers.get(&name).and_then(|value| value.to_str().ok()).and_then(|text| location(text, sides));
        if let Some(value) = new.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
    let changes = |value: &HeaderValue| value.to_str().ok().and_then(|text| cookie(text, sides));
    if !headers.get_all(SET_COOKIE).iter().any(|value| changes(value).is_some()) {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for line in lines {
        let new = changes(&line).and_then(|text| HeaderValue::try_from(text).ok());
        headers.append(SET_COOKIE, new.unwrap_or(line));
    }
}

/// The location as the client must see it; `None` when it is right already.
///
/// One on the node's own address gets the client's scheme and host. With a prefix taken off, it is put back on these, on paths, and
/// on locations at the client's host by the node's scheme (a node behind TLS does not know better).
fn location(text: &str, sides: &Sides<'_>) -> Option<String> {
    let prefix = sides.strip_prefix.unwrap_or_default();
    if text.starts_with('/') && !text.starts_with("//") {
        return (!prefix.is_empty()).then(|| format!("{prefix}{text}"));
    }
    let (scheme, rest) = match text.strip_prefix("//") {
        Some(rest) => (sides.node_scheme, rest),
        None => text.split_once("://")?,
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let own = scheme.eq_ignore_ascii_case(sides.node_scheme) && authority.eq_ignore_ascii_case(sides.host);
    if !own && !names_node(scheme, authority, sides) {
        return None;
    }
    let slash = if path.starts_with('/') || prefix.is_empty() { "" } else { "/" };
    let new = format!("{}://{}{prefix}{slash}{path}", sides.scheme, sides.host);
    (new != text).then_some(new)
}

fn names_node(scheme: &str, authority: &str, sides: &Sides<'_>) -> bool {
    let own = match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => 80,
        _ if scheme.eq_ignore_ascii_case("https") => 443,
        _ => return false,
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, Some(own)),
    };
    host.eq_ignore_ascii_case(sides.node_host) && port == Some(sides.node_port)
}

/// The cookie as the client must see it; `None` when it is right already.
fn cookie(text: &str, sides: &Sides<'_>) -> Option<String> {
    let prefix = sides.strip_prefix.unwrap_or_default();
    let mut parts = text.split(';');
    let mut new = String::with_capacity(text.len() + prefix.len());
    new.push_str(parts.next()?);
    let mut changed = false;
    let host_is_nodes = same_host(sides);
    for part in parts {
        let (name, value) = part.split_once('=').map_or((part.trim(), ""), |(name, value)| (name.trim(), value.trim()));
        let names_node = value.trim_start_matches('.').eq_ignore_ascii_case(sides.node_host);
        if name.eq_ignore_ascii_case("domain") && names_node && !host_is_nodes {
            // Without a domain it is the client's host's own, which is what the node meant.
            changed = true;
            continue;
        }
        new.push(';');
        if name.eq_ignore_ascii_case("path") && value.starts_with('/') && !prefix.is_empty() {
            new.push_str(" Path=");
            new.push_str(prefix);
            new.push_str(if value == "/" { "" } else { value });
            changed = true;
        } else {
            new.push_str(part);
        }
    }
    changed.then_some(new)
}

/// True when the client asked for the host by the node's own name.
fn same_host(sides: &Sides<'_>) -> bool {
    let host = match sides.host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => sides.host,
    };
    host.eq_ignore_ascii_case(sides.node_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDES: Sides<'_> = Sides {
        node_scheme: "http",
        node_host: "10.0.0.1",
        node_port: 8080,
        scheme: "https",
        host: "shop.example.com",
        strip_prefix: Some("/shop"),
    };

    #[test]
    fn locations() {
        let bare = Sides { strip_prefix: None, ..SIDES };
        let six = Sides { node_host: "[fd00::1]", node_port: 80, ..bare };
        for (sides, from, to) in [
            (SIDES, "http://10.0.0.1:8080/a?b#c", Some("https://shop.example.com/shop/a?b#c")),
            (SIDES, "HTTP://10.0.0.1:8080", Some("https://shop.example.com/shop/")),
            (SIDES, "//10.0.0.1:8080/a", Some("https://shop.example.com/shop/a")),
            (SIDES, "/a", Some("/shop/a")),
            (SIDES, "http://shop.example.com/a", Some("https://shop.example.com/shop/a")),
            (SIDES, "http://10.0.0.1:8081/a", None),
            (SIDES, "http://10.0.0.1/a", None),
            (SIDES, "https://shop.example.com/a", None),
            (SIDES, "https://login.example.org/?back=http://10.0.0.1:8080/", None),
            (SIDES, "a/b", None),
            (SIDES, "", None),
            (SIDES, "ftp://10.0.0.1:8080/", None),
            (SIDES, "http://10.0.0.1:99999/", None),
            (bare, "/a", None),
            (bare, "http://10.0.0.1:8080?x", Some("https://shop.example.com?x")),
            (six, "http://[FD00::1]/x", Some("https://shop.example.com/x")),
            (six, "http://[fd00::1]:80/x", Some("https://shop.example.com/x")),
        ] {
            assert_eq!(location(from, &sides).as_deref(), to, "{from}");
        }
    }

    #[test]
    fn cookies() {
        let bare = Sides { strip_prefix: None, ..SIDES };
        for (sides, from, to) in [
            (SIDES, "a=b; Path=/; HttpOnly", Some("a=b; Path=/shop; HttpOnly")),
            (SIDES, "a=b; path=/x", Some("a=b; Path=/shop/x")),
            (SIDES, "a=b; Domain=.10.0.0.1; Secure", Some("a=b; Secure")),
            (SIDES, "a=b; Domain=example.com", None),
            (SIDES, "a=Path=/", None),
            (bare, "a=b; Path=/", None),
            (bare, "a=b;DOMAIN=10.0.0.1", Some("a=b")),
            (Sides { host: "10.0.0.1:443", ..bare }, "a=b; Domain=10.0.0.1", None),
            (SIDES, "", None),
        ] {
            assert_eq!(cookie(from, &sides).as_deref(), to, "{from}");
        }
    }

    #[test]
    fn all_lines_of_an_answer() {
        let mut headers = HeaderMap::new();
        headers.append(LOCATION, HeaderValue::from_static("/in"));
        for line in ["a=1; Path=/", "b=2", "c=3; Path=/c"] {
            headers.append(SET_COOKIE, HeaderValue::from_static(line));
        }
        responses(&mut headers, &SIDES);
        assert_eq!(headers[LOCATION], "/shop/in");
        let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; Path=/shop", "b=2", "c=3; Path=/shop/c"]);
    }
}
