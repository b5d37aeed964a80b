//! Who may use the window, and who it is: holders of a token where there is one, or of a certificate, users of
//! this machine over a Unix socket, else whoever reaches it, but no web page that a browser on this machine
//! happens to show.

use super::refusals::{AdminRefusal, RefusedVisit};
use crate::base::clock;
use crate::base::token::{Passes, ShownToken, Tokens};
use crate::base::users;
use crate::config::address::Address;
use crate::config::files::NamedFiles;
use crate::config::model::{Admin, AdminLevel, Config};
use crate::listen::Peer;
use crate::proxy::own_cookie;
use crate::serve::problem::Problem;
use crate::serve::{Caller, TokenFileError, host_of, is_plain};
use crate::upstream::loop_marks;
use http::{HeaderMap, HeaderName, StatusCode, header};
use std::rc::Rc;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How long a browser is let in: by a cookie in place of the token that it showed, which no script can read.
const LASTS: u64 = 12 * 3600;

/// How a request shows that it may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// Nothing is asked for.
    NotAsked,
    /// By the token itself, which no browser sends by itself.
    Token,
    /// By the cookie of a browser that was let in.
    Cookie,
    /// By a certificate.
    Certificate,
    /// By the Unix socket that it came over.
    Socket,
}

/// Who asks, and what he may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// His name.
    pub name: String,
    /// What he may do.
    pub level: AdminLevel,
    /// How that is known.
    pub by: Credential,
}

/// Tokens of one name.
struct NamedTokens {
    name: String,
    level: AdminLevel,
    tokens: Tokens,
}

/// What is asked of a request before it is looked at.
pub struct AdminGuard {
    tokens: Vec<NamedTokens>,
    /// Whoever shows a certificate is let in by it.
    by_certificate: bool,
    /// Whoever may open a Unix socket is let in by that. Not where the short form stands beside a token, which
    /// has always been asked for; nor who comes to it through a listener of ours.
    sockets_are_open: bool,
    /// Hosts that the window may be asked for by; none when the name tells nothing.
    hosts: Option<Vec<String>>,
    /// Browsers that are let in, whatever the conf.
    passes: Rc<Passes>,
}

impl AdminGuard {
    /// For this conf, with the tokens that were read with it.
    pub fn new(
        config: &Config,
        binds: &[Address],
        files: &NamedFiles,
        passes: Rc<Passes>,
    ) -> Result<Self, TokenFileError> {
        let read = |key: String, name: &str| {
            let file = files.path(name);
            files.tokens(&file).map_err(|why| TokenFileError { key, file, why })
        };
        let server = &config.server;
        let mut tokens = Vec::new();
        if let Some(file) = &server.admin_token_file {
            let read = read("server.admin-token-file".to_owned(), file)?;
            tokens.push(NamedTokens { name: "admin".to_owned(), level: AdminLevel::Admin, tokens: read });
        }
        for (name, token) in server.admin.iter().flat_map(Admin::tokens) {
            let read = read(format!("server.admin.tokens.{name}.file"), &token.file)?;
            tokens.push(NamedTokens { name: name.to_owned(), level: token.level, tokens: read });
        }
        let by_certificate = tokens.is_empty()
            && server.admin.as_ref().and_then(Admin::tls).is_some_and(|tls| tls.client_ca.is_some());
        let sockets_are_open = tokens.is_empty() || matches!(server.admin, Some(Admin::Table(_)));
        // a page that made its own name point here has no token and no certificate to show
        let by_name = tokens.is_empty() && !by_certificate;
        let hosts = by_name.then(|| {
            let own = binds.iter().filter_map(|bind| bind.host_and_port().map(|(host, _)| host));
            let named =
                config.rule.iter().flat_map(|rule| rule.host.as_slice()).filter(|name| !name.contains('*'));
            named.cloned().chain(own).map(|name| name.to_ascii_lowercase()).collect()
        });
        Ok(Self { tokens, by_certificate, sockets_are_open, hosts, passes })
    }

    /// Whether a request may ask at all. Without a token, `Host` must be an address or a name that we know: a
    /// page of another site whose name was made to point here (DNS rebinding) is kept out by it.
    pub fn admit(&self, peer: Peer, headers: &HeaderMap) -> Result<(), RefusedVisit> {
        let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
        // no browser gets to a Unix socket by a name
        if let (Some(hosts), Some(host), Peer::Tcp(_)) = (&self.hosts, host, peer) {
            let name = host_of(host);
            if !is_plain(&name) && !hosts.contains(&name) {
                let detail = format!(
                    "The host {name:?} is not known here. Ask by address, or set server.admin-token-file."
                );
                return Err(AdminRefusal::Origin.with(Problem::new(StatusCode::FORBIDDEN, detail)));
            }
        }
        let is_foreign = |origin: &str| {
            host.is_none_or(|host| {
                origin.split_once("://").is_none_or(|(_, of)| !of.eq_ignore_ascii_case(host))
            })
        };
        match headers.get(header::ORIGIN) {
            Some(origin) if is_foreign(origin.to_str().unwrap_or("?")) => Err(foreign()),
            _ => Ok(()),
        }
    }

    /// Whether a request may change something. What a browser adds unasked, a cookie or a certificate, is
    /// believed only with the word that it comes from our own page.
    pub fn admit_change(&self, proof: Option<Credential>, headers: &HeaderMap) -> Result<(), RefusedVisit> {
        let cookie = proof == Some(Credential::Cookie);
        match headers.get(FETCH_SITE).map(|site| site.as_bytes()) {
            Some(b"same-origin") => Ok(()),
            Some(b"none") if !cookie => Ok(()),
            Some(_) => Err(foreign()),
            // `admit` has seen that it is ours
            None if cookie && !headers.contains_key(header::ORIGIN) => Err(foreign()),
            None => Ok(()),
        }
    }

    /// Who asks; nobody if he shows nothing that he may ask by. Whoever shows a token that is none is refused.
    pub fn visitor(&self, caller: &Caller, headers: &HeaderMap) -> Result<Option<Visitor>, RefusedVisit> {
        let admin = |name: String, by| Ok(Some(Visitor { name, level: AdminLevel::Admin, by }));
        let certified = caller.names.as_ref().and_then(|names| names.first());
        if caller.peer == Peer::Unix && self.sockets_are_open && !headers.contains_key(loop_marks::HEADER) {
            // who may open it was decided by the file's mode
            return admin(caller.user.map_or_else(|| "unix".to_owned(), users::name_of), Credential::Socket);
        }
        match (self.tokens.is_empty(), self.by_certificate, certified) {
            (true, true, Some(name)) => return admin(name.clone(), Credential::Certificate),
            (true, true, None) => return Ok(None),
            (true, false, _) => return admin("operator".to_owned(), Credential::NotAsked),
            (false, ..) => {}
        }
        let of = |known: &NamedTokens, by| {
            let token = known.name.clone();
            let name = certified.map_or_else(|| token.clone(), |name| format!("{token} ({name})"));
            Some(Visitor { name, level: known.level, by })
        };
        if headers.contains_key(header::AUTHORIZATION) {
            let shown = ShownToken::by(headers);
            let known = shown.and_then(|shown| self.tokens.iter().find(|known| known.tokens.admit(&shown)));
            return known
                .map(|known| of(known, Credential::Token))
                .ok_or_else(|| AdminRefusal::Token.with(unauthorized()));
        }
        let now = clock::unix_secs();
        let known = passes(headers)
            .find_map(|pass| self.tokens.iter().find(|known| self.passes.admit(&known.tokens, pass, now)));
        Ok(known.and_then(|known| of(known, Credential::Cookie)))
    }

    /// The cookie for a browser that shows a token, if it is a good one.
    pub fn let_in(&self, token: &str, caller: &Caller) -> Result<String, RefusedVisit> {
        let (shown, now) = (ShownToken::of(token.trim()), clock::unix_secs());
        let mut all = self.tokens.iter();
        let pass = all.find_map(|known| self.passes.issue(&known.tokens, &shown, now + LASTS, now));
        let detail = "This is none of the tokens; they are in the files that server.admin-token-file and server.admin.tokens name.";
        let wrong = || AdminRefusal::Token.with(Problem::new(StatusCode::UNAUTHORIZED, detail));
        pass.map(|pass| cookie(&pass, LASTS, caller)).ok_or_else(wrong)
    }

    /// Nobody gets in any more by what this browser shows; what takes its cookie back.
    pub fn let_out(&self, caller: &Caller, headers: &HeaderMap) -> String {
        passes(headers).for_each(|pass| self.passes.end(pass));
        cookie("", 0, caller)
    }
}

/// The passes that a browser shows.
fn passes(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| pair.trim().strip_prefix(own_cookie::NAME)?.strip_prefix('='))
}

fn cookie(pass: &str, lasts: u64, caller: &Caller) -> String {
    let secure = if caller.encrypted { " Secure;" } else { "" };
    format!("{}={pass}; Path=/; HttpOnly;{secure} SameSite=Strict; Max-Age={lasts}", own_cookie::NAME)
}

fn foreign() -> RefusedVisit {
    let detail = "The request comes from a page of another site.";
    AdminRefusal::Origin.with(Problem::new(StatusCode::FORBIDDEN, detail))
}

/// The refusal of a request without a token.
pub fn unauthorized() -> Problem {
    let detail = "A token is needed: Authorization: Bearer TOKEN, as in the file that server.admin-token-file or one of \
                  server.admin.tokens names.";
    Problem::new(StatusCode::UNAUTHORIZED, detail).header("www-authenticate", "Bearer realm=\"homing\"")
}

/// The refusal of who may not so much.
pub fn not_allowed(visitor: &Visitor, needed: AdminLevel) -> RefusedVisit {
    let (needed, has, name) = (needed.word(), visitor.level.word(), &visitor.name);
    let detail = format!(
        "This needs the level \"{needed}\", and the token of {name} has \"{has}\": show one of a higher level."
    );
    AdminRefusal::Level.with(Problem::new(StatusCode::FORBIDDEN, detail).with("level", needed))
}

#[cfg(test)]
mod tests;
