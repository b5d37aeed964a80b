//! The cookie by which a browser is let into the operator's window. A browser sends it to every port of the
//! window's host, and a node that saw it could use it: no node is ever sent it.

use crate::wire::cookies;
use http::header::{COOKIE, HeaderMap};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// Its name.
pub const NAME: &str = "homing-admin";

static IN_COOKIES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(NAME));

/// Whether it may be in a request; mostly it is not, and one search tells.
pub(super) fn is_in(headers: &HeaderMap) -> bool {
    headers.get_all(COOKIE).iter().any(|line| IN_COOKIES.find(line.as_bytes()).is_some())
}

/// Takes it out of a request, however it came.
pub(super) fn hide(headers: &mut HeaderMap) {
    cookies::remove(headers, NAME.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

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
