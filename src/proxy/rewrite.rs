//! Undoes in an answer what was done to its request, so that the client never sees the node's own address
//! (ProxyPassReverse).

use crate::table::prefix_swap::PrefixSwap;
use crate::wire::cookies::{self, Edit};
use http::header::{CONTENT_LOCATION, HeaderMap, HeaderValue, LOCATION, REFRESH, SET_COOKIE};

/// The two sides of a request.
#[derive(Debug, Clone, Copy)]
pub struct RewriteSides<'a> {
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
    /// The prefixes that the rule has swapped in the path.
    pub swap: Option<&'a PrefixSwap>,
}

/// Rewrites Location, Content-Location, Refresh and Set-Cookie. To be called before our own cookie is added.
pub fn responses(headers: &mut HeaderMap, sides: &RewriteSides<'_>) {
    for (name, new) in [(LOCATION, location as New), (CONTENT_LOCATION, location), (REFRESH, refresh)] {
        let changed = headers.get(&name).and_then(|value| change(value, new, sides));
        if let Some(value) = changed.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()) {
            headers.insert(name, value);
        }
    }
    cookies::edit(headers, &SET_COOKIE, |line| change(line, cookie, sides).map_or(Edit::Keep, Edit::Replace));
}

/// What a value becomes; `None` when it is right already.
type New = fn(&str, &RewriteSides<'_>) -> Option<String>;

/// Bytes beyond ASCII are opaque (RFC 9110 section 5.5): each stands for a character of its own here, and
/// comes out as it went in.
fn change(value: &HeaderValue, new: New, sides: &RewriteSides<'_>) -> Option<Vec<u8>> {
    if let Ok(text) = value.to_str() {
        return new(text, sides).map(String::into_bytes);
    }
    let text: String = value.as_bytes().iter().copied().map(char::from).collect();
    new(&text, sides).map(|text| text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect())
}

/// The location as the client must see it; `None` when it is right already.
///
/// One on the node's own address gets the client's scheme and host. Where the rule has swapped prefixes they
/// are swapped back on these, on paths, and on locations at the client's host by the node's scheme (a node
/// behind TLS does not know better).
fn location(text: &str, sides: &RewriteSides<'_>) -> Option<String> {
    let to_client = |path: &str| sides.swap.and_then(|swap| swap.to_client(path));
    if text.starts_with('/') && !text.starts_with("//") {
        return to_client(text);
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
    let path = match sides.swap {
        Some(_) if !path.starts_with('/') => to_client(&format!("/{path}")),
        _ => to_client(path),
    }
    .unwrap_or_else(|| path.to_owned());
    let new = format!("{}://{}{path}", sides.scheme, sides.host);
    (new != text).then_some(new)
}

/// A refresh (`5; url=…`) as the client must see it; `None` when it is right already.
fn refresh(text: &str, sides: &RewriteSides<'_>) -> Option<String> {
    let (seconds, rest) = text.split_once([';', ','])?;
    let (name, url) = rest.split_once('=')?;
    if !name.trim_ascii().eq_ignore_ascii_case("url") {
        return None;
    }
    let bare = url.trim_ascii().trim_matches(['"', '\'']);
    Some(format!("{seconds}; url={}", location(bare, sides)?))
}

fn names_node(scheme: &str, authority: &str, sides: &RewriteSides<'_>) -> bool {
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
fn cookie(text: &str, sides: &RewriteSides<'_>) -> Option<String> {
    let mut parts = text.split(';');
    let mut new = String::with_capacity(text.len() + 32);
    new.push_str(parts.next()?);
    let mut changed = false;
    let host_is_nodes = same_host(sides);
    for part in parts {
        let (name, value) = part
            .split_once('=')
            .map_or((part.trim_ascii(), ""), |(name, value)| (name.trim_ascii(), value.trim_ascii()));
        let names_node = value.trim_start_matches('.').eq_ignore_ascii_case(sides.node_host);
        if name.eq_ignore_ascii_case("domain") && names_node && !host_is_nodes {
            // Without a domain it is the client's host's own, which is what the node meant.
            changed = true;
            continue;
        }
        new.push(';');
        let path = sides
            .swap
            .filter(|_| name.eq_ignore_ascii_case("path"))
            .and_then(|swap| swap.cookie_to_client(value));
        match path {
            Some(path) => {
                new.push_str(" Path=");
                new.push_str(&path);
                changed = true;
            }
            None => new.push_str(part),
        }
    }
    changed.then_some(new)
}

/// True when the client asked for the host by the node's own name.
fn same_host(sides: &RewriteSides<'_>) -> bool {
    let host = match sides.host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => sides.host,
    };
    host.eq_ignore_ascii_case(sides.node_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: RewriteSides<'_> = RewriteSides {
        node_scheme: "http",
        node_host: "10.0.0.1",
        node_port: 8080,
        scheme: "https",
        host: "shop.example.com",
        swap: None,
    };

    fn swap(strip: &str, add: Option<&str>) -> PrefixSwap {
        PrefixSwap::compile(Some(strip), add).unwrap().unwrap()
    }

    #[test]
    fn locations() {
        let (strip, both) = (swap("/shop", None), swap("/shop", Some("/app")));
        let (strips, swaps) =
            (RewriteSides { swap: Some(&strip), ..BARE }, RewriteSides { swap: Some(&both), ..BARE });
        let six = RewriteSides { node_host: "[fd00::1]", node_port: 80, ..BARE };
        for (sides, from, to) in [
            (swaps, "/app/next?a=/app#b", Some("/shop/next?a=/app#b")),
            (swaps, "/app", Some("/shop")),
            (swaps, "/app;jsessionid=A.n1", Some("/shop;jsessionid=A.n1")),
            (swaps, "http://10.0.0.1:8080/app/", Some("https://shop.example.com/shop/")),
            (swaps, "http://shop.example.com/app/x", Some("https://shop.example.com/shop/x")),
            (swaps, "http://10.0.0.1:8080/other", Some("https://shop.example.com/other")),
            (swaps, "http://10.0.0.1:8080", Some("https://shop.example.com")),
            (swaps, "/application", None),
            (swaps, "/shop/next", None),
            (swaps, "https://login.example.org/app", None),
            (strips, "http://10.0.0.1:8080/a?b#c", Some("https://shop.example.com/shop/a?b#c")),
            (strips, "HTTP://10.0.0.1:8080", Some("https://shop.example.com/shop/")),
            (strips, "//10.0.0.1:8080/a", Some("https://shop.example.com/shop/a")),
            (strips, "/a", Some("/shop/a")),
            (strips, "http://shop.example.com/a", Some("https://shop.example.com/shop/a")),
            (strips, "http://10.0.0.1:8081/a", None),
            (strips, "http://10.0.0.1/a", None),
            (strips, "https://shop.example.com/a", None),
            (strips, "https://login.example.org/?back=http://10.0.0.1:8080/", None),
            (strips, "a/b", None),
            (strips, "", None),
            (strips, "ftp://10.0.0.1:8080/", None),
            (strips, "http://10.0.0.1:99999/", None),
            (BARE, "/a", None),
            (BARE, "http://10.0.0.1:8080?x", Some("https://shop.example.com?x")),
            (six, "http://[FD00::1]/x", Some("https://shop.example.com/x")),
            (six, "http://[fd00::1]:80/x", Some("https://shop.example.com/x")),
        ] {
            assert_eq!(location(from, &sides).as_deref(), to, "{from}");
        }
    }

    #[test]
    fn cookies() {
        let (strip, both) = (swap("/shop", None), swap("/shop", Some("/app")));
        let (strips, swaps) =
            (RewriteSides { swap: Some(&strip), ..BARE }, RewriteSides { swap: Some(&both), ..BARE });
        for (sides, from, to) in [
            (swaps, "JSESSIONID=A.n1; Path=/app; HttpOnly", Some("JSESSIONID=A.n1; Path=/shop; HttpOnly")),
            (swaps, "a=b; path=/app/", Some("a=b; Path=/shop/")),
            (swaps, "a=b; Path=/", None),
            (swaps, "a=b; Path=/application", None),
            (swaps, "a=b; Path=/app; Domain=10.0.0.1", Some("a=b; Path=/shop")),
            (strips, "a=b; Path=/; HttpOnly", Some("a=b; Path=/shop; HttpOnly")),
            (strips, "a=b; path=/x", Some("a=b; Path=/shop/x")),
            (strips, "a=b; Domain=.10.0.0.1; Secure", Some("a=b; Secure")),
            (strips, "a=b; Domain=example.com", None),
            (strips, "a=Path=/", None),
            (BARE, "a=b; Path=/", None),
            (BARE, "a=b;DOMAIN=10.0.0.1", Some("a=b")),
            (RewriteSides { host: "10.0.0.1:443", ..BARE }, "a=b; Domain=10.0.0.1", None),
            (strips, "", None),
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
        headers.append(REFRESH, HeaderValue::from_static("5;URL='http://10.0.0.1:8080/in'"));
        let strip = swap("/shop", None);
        responses(&mut headers, &RewriteSides { swap: Some(&strip), ..BARE });
        assert_eq!(
            (&headers[LOCATION], &headers[REFRESH]),
            (&"/shop/in".parse().unwrap(), &"5; url=https://shop.example.com/shop/in".parse().unwrap())
        );
        let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; Path=/shop", "b=2", "c=3; Path=/shop/c"]);
    }

    #[test]
    fn bytes_beyond_ascii_are_nobodys_business() {
        let both = swap("/sh\u{f6}p", Some("/app"));
        let sides = RewriteSides { swap: Some(&both), ..BARE };
        for (name, from, to) in [
            (
                SET_COOKIE,
                &b"a=1; Path=/app; Comment=gr\xc3\xb6\xc3\x9fe"[..],
                &b"a=1; Path=/sh%C3%B6p; Comment=gr\xc3\xb6\xc3\x9fe"[..],
            ),
            (SET_COOKIE, b"user=J\xf6rg; Path=/app", b"user=J\xf6rg; Path=/sh%C3%B6p"),
            (SET_COOKIE, b"a=1; Path=/app/\xc3\xa0", b"a=1; Path=/sh%C3%B6p/\xc3\xa0"),
            (LOCATION, b"http://10.0.0.1:8080/app/\xc3\xbc", b"https://shop.example.com/sh%C3%B6p/\xc3\xbc"),
            (LOCATION, b"/app/\xfc\x85", b"/sh%C3%B6p/\xfc\x85"),
            (REFRESH, b"5; url=/app/\xa0", b"5; url=/sh%C3%B6p/\xa0"),
            (LOCATION, b"/other/\xfc", b"/other/\xfc"),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(&name, HeaderValue::from_bytes(from).unwrap());
            responses(&mut headers, &sides);
            assert_eq!(headers[&name].as_bytes().escape_ascii().to_string(), to.escape_ascii().to_string());
        }
    }
}
