//! Why a rule cannot be used.

use crate::wire::template::TemplateError;
use std::error::Error;
use std::fmt;

/// What is wrong with a rule. The check of the conf says the same at its place in the file, and what to write
/// instead.
#[derive(Debug)]
pub enum RuleError {
    /// Not exactly one thing becomes of the request.
    Actions,
    /// A cluster that is not there.
    NoCluster(String),
    /// A host with `*` elsewhere than in front.
    Host(String),
    /// A path that begins otherwise than with a slash.
    Path {
        /// Of what.
        key: &'static str,
        /// As it stands there.
        path: String,
    },
    /// A regular expression that is none.
    Regex(regex::Error),
    /// No request method.
    Method(String),
    /// No header's name.
    HeaderName(String),
    /// No header can hold what it is to have.
    HeaderValue(String),
    /// A header's value, or a part of a redirect.
    Template(TemplateError),
    /// No status of an answer.
    Status(u16),
    /// No status of an answer at once.
    RespondStatus(u16),
    /// No Content-Type.
    ContentType(String),
    /// A redirect that makes no sense.
    Redirect(RedirectFlaw),
    /// A rewrite beside a swap of prefixes.
    RewriteAndPrefix,
    /// A brace that is not closed, in this rewrite.
    OpenBrace(String),
    /// A group that the regular expression does not have.
    NoGroup {
        /// The rewrite that names it.
        rewrite: String,
        /// Its name.
        group: String,
    },
}

/// What is wrong with a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectFlaw {
    /// No status of a redirect.
    Status(u16),
    /// A scheme that is none of the web's.
    Scheme,
    /// A path that begins otherwise than with a slash.
    Path,
    /// A whole location beside parts of one.
    WholeAndParts,
    /// Nothing that leads elsewhere.
    Nowhere,
}

impl fmt::Display for RuleError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Actions => out.write_str("a rule takes exactly one of `cluster`, `hand-off`, `redirect` and `respond`"),
            Self::NoCluster(name) => write!(out, "there is no cluster `{name}`"),
            Self::Host(host) => write!(out, "host `{host}`: `*` can only be the whole first label, as in `*.example.com`"),
            Self::Path { key, path } => write!(out, "{key} `{path}` must begin with `/`"),
            Self::Regex(why) => write!(out, "path-regex: {why}"),
            Self::Method(text) => write!(out, "`{text}` cannot be a request method"),
            Self::HeaderName(text) => write!(out, "`{text}` cannot be a header's name"),
            Self::HeaderValue(name) => write!(out, "header {name}: no header can hold that value"),
            Self::Template(why) => why.fmt(out),
            Self::Status(status) => write!(out, "{status} is no status"),
            Self::RespondStatus(status) => write!(out, "respond: status {status} is not between 200 and 599"),
            Self::ContentType(text) => write!(out, "respond: `{}` cannot be a Content-Type", text.escape_debug()),
            Self::Redirect(flaw) => write!(out, "redirect: {flaw}"),
            Self::RewriteAndPrefix => {
                out.write_str("`rewrite` already gives the whole path; `strip-prefix` and `add-prefix` cannot stand beside it")
            }
            Self::OpenBrace(rewrite) => write!(out, "rewrite `{rewrite}`: a brace is not closed"),
            Self::NoGroup { rewrite, group } => write!(out, "rewrite `{rewrite}`: path-regex has no group `{group}`"),
        }
    }
}

impl fmt::Display for RedirectFlaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(out, "status {status} is not one of 301, 302, 303, 307, 308"),
            Self::Scheme => out.write_str("scheme must be \"http\" or \"https\""),
            Self::Path => out.write_str("path must begin with `/`"),
            Self::WholeAndParts => {
                out.write_str("`to` is a whole location; `scheme`, `host` and `path` cannot stand beside it")
            }
            Self::Nowhere => {
                out.write_str("without `scheme`, `host`, `path` or `to` it would lead to itself")
            }
        }
    }
}

impl Error for RuleError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Regex(why) => Some(why),
            Self::Template(why) => Some(why),
            _ => None,
        }
    }
}

impl From<TemplateError> for RuleError {
    fn from(why: TemplateError) -> Self {
        Self::Template(why)
    }
}

impl From<RedirectFlaw> for RuleError {
    fn from(flaw: RedirectFlaw) -> Self {
        Self::Redirect(flaw)
    }
}
