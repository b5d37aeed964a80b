//! Cookies that are the proxy's own. By one of them a browser is let into the operator's window: a browser sends
//! it to every port of the window's host, and a node that saw it could use it: no node is ever sent it.

use crate::affinity::bypass;
use crate::wire::cookies;
use http::header::{COOKIE, HeaderMap};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// The name of the window's.
pub const NAME: &str = "homing-admin";

/// How the names of all begin.
const BEGINNING: &str = "homing-";

static IN_COOKIES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(BEGINNING));

/// Which of them may be in a request; mostly none is, and one search tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnCookies {
    /// The window's.
    pub window: bool,
    /// A bypass.
    pub bypass: bool,
}

impl OwnCookies {
    pub(super) fn in_request(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for line in headers.get_all(COOKIE) {
            for at in IN_COOKIES.find_iter(line.as_bytes()) {
                let name = &line.as_bytes()[at..];
                found.window |= name.starts_with(NAME.as_bytes());
                found.bypass |= name.starts_with(bypass::COOKIE_NAME.as_bytes());
            }
        }
        found
    }
}

/// Takes the window's out of a request, however it came.
pub(super) fn hide(headers: &mut HeaderMap) {
    cookies::remove(headers, NAME.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_in_a_request_is_seen_in_every_line() {
        for (lines, window, bypass) in [
            (&["a=1; b=2", "HOMING=x"][..], false, false),
            (&["a=1; homing-admin=P"], true, false),
            (&["a=1", "homing-bypass=V"], false, true),
            (&["homing-bypass=V; homing-admin=P"], true, true),
            (&["homing-homing-admin=P"], true, false),
            (&["homing-=1; homing-other=2"], false, false),
            (&[], false, false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, line.parse().unwrap());
            }
            assert_eq!(OwnCookies::in_request(&headers), OwnCookies { window, bypass }, "{lines:?}");
        }
        assert!([NAME, bypass::COOKIE_NAME].iter().all(|name| name.starts_with(BEGINNING)));
    }

    #[test]
    fn it_is_taken_out_of_every_line_and_nothing_else_is() {
        for (lines, left) in [
            (&["a=1; homing-admin=P; b=2"][..], &["a=1; b=2"][..]),
            (&["homing-admin=P"], &[]),
            (&["a=1", "homing-admin=P; homing-admin=Q", "b=2"], &["a=1", "b=2"]),
            (&["homing-admin=\"P\"; a=1"], &["a=1"]),
            (&["my-homing-admin=1; a=homing-admin"], &["my-homing-admin=1; a=homing-admin"]),
            (&["homing-administrator=1"], &["homing-administrator=1"]),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, line.parse().unwrap());
            }
            hide(&mut headers);
            assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), left, "{lines:?}");
        }
    }
}
