//! One prefix of the path for another: taken off and put on on the way to the node, and the other way round
//! in its answers.

use super::normal_path::{encode, normal};
use super::rule_error::RuleError;
use super::target::{PathTooLong, finish};
use http::uri::PathAndQuery;
use std::borrow::Cow;

/// The prefix that clients see and the one that the node has, without a slash at the end; either may be
/// empty.
#[derive(Debug, PartialEq, Eq)]
pub struct PrefixSwap {
    public: Box<str>,
    /// The same as it is written in a header.
    shown: Box<str>,
    own: Box<str>,
}

impl PrefixSwap {
    /// From `strip-prefix` and `add-prefix`; nothing when there is nothing to be done.
    pub fn compile(strip: Option<&str>, add: Option<&str>) -> Result<Option<Self>, RuleError> {
        let prefix = |key: &'static str, given: Option<&str>| match given {
            Some(prefix) if !prefix.starts_with('/') => Err(RuleError::Path { key, path: prefix.to_owned() }),
            given => Ok(given.unwrap_or_default().trim_end_matches('/').to_owned()),
        };
        let (public, own) = (prefix("strip-prefix", strip)?, prefix("add-prefix", add)?);
        let own = if own.is_empty() { own } else { encode(&own) };
        Ok((public != own).then(|| Self {
            shown: encode(&public).into(),
            public: public.into(),
            own: own.into(),
        }))
    }

    /// The path for the node; `None` when the one asked for is not below the public prefix.
    pub(super) fn to_node(&self, asked: &PathAndQuery) -> Result<Option<PathAndQuery>, PathTooLong> {
        self.rest(asked.path()).map(|rest| finish(&self.own, &rest, asked.query())).transpose()
    }

    /// Whether the prefixes were swapped in this path, as the client asked for it: only then are they in the
    /// answer.
    pub fn applies(&self, asked: &str) -> bool {
        self.rest(asked).is_some()
    }

    /// What follows the public prefix.
    fn rest<'a>(&self, asked: &'a str) -> Option<Cow<'a, str>> {
        let path = normal(asked);
        if !path.reshaped
            && let Some(rest) = below(&self.public, asked)
        {
            return Some(rest.into());
        }
        // The rule matched another spelling of the prefix: that spelling is what goes on.
        below(&normal(&self.public).text, &path.text).map(|rest| rest.replace('?', "%3F").into())
    }

    /// The path (with what follows it) as the client knows it; `None` when it is not below the node's own
    /// prefix.
    pub fn to_client(&self, path: &str) -> Option<String> {
        let rest = below(&self.own, path)?;
        if !self.shown.is_empty() {
            return Some(format!("{}{rest}", self.shown));
        }
        // Two slashes would lead off the site.
        Some(format!("/{}", rest.trim_start_matches(['/', '\\'])))
    }

    /// The path of a cookie as the client must see it; `None` when it is not below the node's own prefix.
    pub fn cookie_to_client(&self, path: &str) -> Option<String> {
        // "/" means everything the node has, and the public prefix stands for that.
        if path == "/" && self.own.is_empty() { Some(self.shown.to_string()) } else { self.to_client(path) }
    }
}

/// What follows a prefix that ends on a border.
fn below<'a>(prefix: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with(['/', ';', '?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swap(strip: &str, add: &str) -> PrefixSwap {
        let given = |text: &'static str| Some(text).filter(|text| !text.is_empty());
        let (strip, add) = (strip.to_owned().leak(), add.to_owned().leak());
        PrefixSwap::compile(given(strip), given(add)).unwrap().unwrap()
    }

    #[test]
    fn what_goes_to_the_node_comes_back() {
        for (strip, add, asked, node) in [
            ("/shop", "/app", "/shop", "/app"),
            ("/shop", "/app", "/shop/", "/app/"),
            ("/shop/", "/app/", "/shop/a/b?c=/shop", "/app/a/b?c=/shop"),
            ("/shop", "/app", "/shop;v=1?x", "/app;v=1?x"),
            ("/shop", "/app/v2", "/shop/a%2Bb", "/app/v2/a%2Bb"),
            ("/shop", "", "/shop/x", "/x"),
            ("", "/app", "/x?y", "/app/x?y"),
            ("", "/app", "/", "/app/"),
            ("/shop", "/shop/app", "/shop/x", "/shop/app/x"),
        ] {
            let swap = swap(strip, add);
            let there = swap.to_node(&asked.parse().unwrap()).unwrap().unwrap();
            assert_eq!(there.as_str(), node, "{asked}");
            assert_eq!(swap.to_client(node).as_deref(), Some(asked), "{node}");
        }
        assert_eq!(swap("/shop", "").to_node(&"/shop".parse().unwrap()).unwrap().unwrap(), "/");
        assert_eq!(swap("/shop", "/app").to_node(&"/shop2/x".parse().unwrap()), Ok(None));
        for (asked, applies) in [("/shop", true), ("/sho%70/x", true), ("/shop2/x", false), ("/", false)] {
            assert_eq!(swap("/shop", "/app").applies(asked), applies, "{asked}");
        }
        assert!(PrefixSwap::compile(Some("/a"), Some("/a/")).unwrap().is_none());
        assert!(
            PrefixSwap::compile(Some("a"), None).is_err() && PrefixSwap::compile(None, Some("a")).is_err()
        );
    }

    #[test]
    fn what_is_not_below_the_nodes_prefix_stays() {
        for path in ["/", "/apple", "/application/x", "/shop/x", ""] {
            assert_eq!(swap("/shop", "/app").to_client(path), None, "{path}");
        }
        assert_eq!(swap("", "/app").to_client("/app//evil.test").as_deref(), Some("/evil.test"));
        assert_eq!(swap("", "/app").to_client("/app").as_deref(), Some("/"));
    }

    #[test]
    fn cookies() {
        for (strip, add, path, to) in [
            ("/shop", "/app", "/app", Some("/shop")),
            ("/shop", "/app", "/app/", Some("/shop/")),
            ("/shop", "/app", "/app/x", Some("/shop/x")),
            ("/shop", "/app", "/", None),
            ("/shop", "", "/", Some("/shop")),
            ("/shop", "", "/x", Some("/shop/x")),
            ("", "/app", "/app", Some("/")),
        ] {
            assert_eq!(swap(strip, add).cookie_to_client(path).as_deref(), to, "{strip} {add} {path}");
        }
    }
}
