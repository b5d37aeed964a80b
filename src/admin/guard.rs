//! Who may use the window: holders of the token where there is one, else whoever reaches it, but no web page
//! that a browser on this machine happens to show.

use crate::base::clock;
use crate::base::token::{Passes, ShownToken, Tokens};
use crate::config::address::Address;
use crate::config::files::NamedFiles;
use crate::config::model::Config;
use crate::serve::problem::Problem;
use crate::serve::{TokenFileError, host_of, is_plain};
use http::{HeaderMap, HeaderName, StatusCode, header};
use std::sync::LazyLock;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The cookie that a browser is given in place of the token that it showed: a script cannot read it, and what
/// is stolen of it is worth nothing once it is over.
const COOKIE: &str = "homing-admin";
/// How long a browser is let in.
const LASTS: u64 = 12 * 3600;

static PASSES: LazyLock<Passes> = LazyLock::new(Passes::new);

/// How a request shows that it may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// No token is asked for.
    NotAsked,
    /// By the token itself, which no browser sends by itself.
    Token,
    /// By the cookie of a browser that was let in.
    Cookie,
}

/// What is asked of a request before it is looked at.
pub struct AdminGuard {
    tokens: Option<Tokens>,
    /// Hosts that the window may be asked for by; none when the name tells nothing.
    hosts: Option<Vec<String>>,
}

impl AdminGuard {
    /// For this conf, with the tokens that were read with it.
    pub fn new(config: &Config, bind: &Address, files: &NamedFiles) -> Result<Self, TokenFileError> {
        let tokens = match &config.server.admin_token_file {
            Some(name) => {
                let file = files.path(name);
                let tokens = files.tokens(&file);
                Some(tokens.map_err(|why| TokenFileError {
                    key: "server.admin-token-file".to_owned(),
                    file,
                    why,
                })?)
            }
            None => None,
        };
        // no browser gets to a Unix socket by a name, and a page that made its own name point here has no
        // token to show
        let by_name = bind.host_and_port().filter(|_| tokens.is_none());
        let hosts = by_name.map(|(host, _)| {
            let named =
                config.rule.iter().flat_map(|rule| rule.host.as_slice()).filter(|name| !name.contains('*'));
            named.chain([&host]).map(|name| name.to_ascii_lowercase()).collect()
        });
        Ok(Self { tokens, hosts })
    }

    /// Whether a request may ask at all. Without a token, `Host` must be an address or a name that we know: a
    /// page of another site whose name was made to point here (DNS rebinding) is kept out by it.
    pub fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
        if let (Some(hosts), Some(host)) = (&self.hosts, host) {
            let name = host_of(host);
            if !is_plain(&name) && !hosts.contains(&name) {
                let detail = format!(
                    "The host {name:?} is not known here. Ask by address, or set server.admin-token-file."
                );
                return Err(Problem::new(StatusCode::FORBIDDEN, detail));
            }
        }
        let foreign = |origin: &str| {
            host.is_none_or(|host| {
                origin.split_once("://").is_none_or(|(_, of)| !of.eq_ignore_ascii_case(host))
            })
        };
        if headers.get(header::ORIGIN).is_some_and(|origin| foreign(origin.to_str().unwrap_or("?"))) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "The request comes from a page of another site.",
            ));
        }
        Ok(())
    }

    /// Whether a request may change something. What a browser adds unasked, a cookie, is believed only with
    /// the word that it comes from our own page.
    pub fn admit_change(&self, proof: Option<Credential>, headers: &HeaderMap) -> Result<(), Problem> {
        let foreign =
            || Err(Problem::new(StatusCode::FORBIDDEN, "The request comes from a page of another site."));
        let unasked = proof == Some(Credential::Cookie);
        match headers.get(FETCH_SITE).map(|site| site.as_bytes()) {
            Some(b"same-origin") => Ok(()),
            Some(b"none") if !unasked => Ok(()),
            Some(_) => foreign(),
            // `admit` has seen that it is ours
            None if unasked && !headers.contains_key(header::ORIGIN) => foreign(),
            None => Ok(()),
        }
    }

    /// How a request shows that it may ask; not at all if it does not.
    pub fn proof(&self, headers: &HeaderMap) -> Option<Credential> {
        let Some(tokens) = &self.tokens else { return Some(Credential::NotAsked) };
        if headers.contains_key(header::AUTHORIZATION) {
            return ShownToken::by(headers).filter(|shown| tokens.admit(shown)).map(|_| Credential::Token);
        }
        let cookies = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'));
        let mut passes = cookies.filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
        passes.any(|pass| PASSES.admit(tokens, pass, clock::unix_secs())).then_some(Credential::Cookie)
    }

    /// The cookie for a browser that shows a token, if it is a good one.
    pub fn let_in(&self, token: &str) -> Option<String> {
        let pass =
            PASSES.issue(self.tokens.as_ref()?, &ShownToken::of(token.trim()), clock::unix_secs() + LASTS)?;
        Some(format!("{COOKIE}={pass}; Path=/; HttpOnly; SameSite=Strict; Max-Age={LASTS}"))
    }
}

/// What takes the cookie back.
pub const LEAVE: &str = "homing-admin=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0";

/// The refusal of a request without the token.
pub fn unauthorized() -> Problem {
    let detail =
        "A token is needed: Authorization: Bearer TOKEN, as in the file that server.admin-token-file names.";
    Problem::new(StatusCode::UNAUTHORIZED, detail).header("www-authenticate", "Bearer realm=\"homing\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(conf: &str) -> AdminGuard {
        let config: Config = toml::from_str(conf).unwrap();
        let bind = config.server.admin.clone().unwrap().parse().unwrap();
        AdminGuard::new(&config, &bind, &NamedFiles::default()).unwrap()
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn without_a_token_the_host_is_an_address_or_known() {
        let guard =
            guard("server.admin = 'localhost:9900'\n[[rule]]\nhost = ['Shop.example.com', '*.example.org']");
        for (host, good) in [
            ("127.0.0.1:9900", true),
            ("127.0.0.1", true),
            ("[::1]:9900", true),
            ("localhost:9900", true),
            ("LOCALHOST", true),
            ("shop.example.com:9900", true),
            ("shop.example.com.", true),
            ("evil.example.com:9900", false),
            ("x.example.org", false),
            ("127.0.0.1.evil.com", false),
            ("", false),
        ] {
            assert_eq!(guard.admit(&headers(&[("host", host)])).is_ok(), good, "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let guard = guard("server.admin = '127.0.0.1:9900'");
        for (origin, good) in [
            ("http://127.0.0.1:9900", true),
            ("http://127.0.0.1:9901", false),
            ("http://evil.com", false),
            ("https://127.0.0.1", false),
            ("null", false),
        ] {
            assert_eq!(
                guard.admit(&headers(&[("host", "127.0.0.1:9900"), ("origin", origin)])).is_ok(),
                good,
                "{origin}"
            );
        }
        for (site, good) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)]
        {
            let headers = headers(&[("sec-fetch-site", site)]);
            assert_eq!(guard.admit_change(Some(Credential::NotAsked), &headers).is_ok(), good, "{site}");
        }
    }

    #[test]
    fn cookies_say_where_they_come_from() {
        let guard = guard("server.admin = '127.0.0.1:9900'");
        for (lines, proof, good) in [
            (&[][..], Credential::Cookie, false),
            (&[("sec-fetch-site", "same-origin")], Credential::Cookie, true),
            (&[("origin", "http://127.0.0.1:9900")], Credential::Cookie, true),
            (&[("sec-fetch-site", "none")], Credential::Cookie, false),
            (
                &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:9900")],
                Credential::Cookie,
                false,
            ),
            (&[], Credential::NotAsked, true),
            (&[], Credential::Token, true),
        ] {
            assert_eq!(guard.admit_change(Some(proof), &headers(lines)).is_ok(), good, "{lines:?} {proof:?}");
        }
    }

    #[test]
    fn the_token_is_asked_for_where_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t"), "0123456789abcdef\n").unwrap();
        let config: Config =
            toml::from_str("server.admin = '0.0.0.0:9900'\nserver.admin-token-file = 't'").unwrap();
        let bind = "0.0.0.0:9900".parse().unwrap();
        let mut files = NamedFiles::of(folder.path());
        assert!(AdminGuard::new(&config, &bind, &files).is_err(), "it was not read");
        files.read_tokens(&files.path("t")).unwrap();
        let guard = AdminGuard::new(&config, &bind, &files).unwrap();
        for (shown, good) in [
            ("Bearer 0123456789abcdef", true),
            ("bearer 0123456789abcdef", true),
            ("Bearer 0123456789abcdeF", false),
            ("Basic 0123456789abcdef", false),
            ("Bearer ", false),
            ("", false),
        ] {
            assert_eq!(
                guard.proof(&headers(&[("authorization", shown)])),
                good.then_some(Credential::Token),
                "{shown}"
            );
        }
        assert_eq!(guard.proof(&HeaderMap::new()), None);
        assert_eq!(guard.let_in("0123456789abcdeF"), None);
        let cookie = guard.let_in("0123456789abcdef").unwrap();
        let pair = cookie.split(';').next().unwrap();
        for (shown, good) in [
            (pair, true),
            (&format!("a=b; {pair}; c=d"), true),
            (&pair[1..], false),
            (&pair[..40], false),
            ("homing-admin=", false),
        ] {
            assert_eq!(
                guard.proof(&headers(&[("cookie", shown)])),
                good.then_some(Credential::Cookie),
                "{shown}"
            );
        }
        assert_eq!(guard.proof(&headers(&[("cookie", pair), ("authorization", "Bearer wrong")])), None);
        assert!(
            guard.admit(&headers(&[("host", "proxy.example.com")])).is_ok(),
            "the token stands in for the name"
        );
    }
}
