//! `affinity`: how a session is recognised and marked.

use super::OneOrMany;
use crate::base::units::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a cluster recognises and marks a session: the word "cookie", or a table with exactly one of
/// `cookie`, `route`, `learn`, `key`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Affinity {
    /// `affinity = "cookie"`: our own, named after the cluster.
    Word(AffinityWord),
    /// Everything else.
    Table(Box<AffinityTable>),
}

impl Affinity {
    /// All its forms: the main one, and those honoured on the way in.
    pub fn forms(&self) -> impl Iterator<Item = &AffinityTable> {
        let table = match self {
            Self::Word(_) => None,
            Self::Table(table) => Some(&**table),
        };
        table.into_iter().flat_map(|table| std::iter::once(table).chain(&table.also))
    }
}

keywords! {
    /// The short form of an affinity.
    pub enum AffinityWord {
        /// Our own cookie, named `homing-` and a short hash of the cluster's name.
        #[default]
        Cookie = "cookie",
    }
}

conf! {
    /// An affinity in full. Exactly one of `cookie`, `route`, `learn`, `key`.
    pub struct AffinityTable {
        /// Our own cookie, or the application's with `mode`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cookie: Option<String>,
        /// The jvmRoute suffix in this cookie of the application's, and in the path parameter of its
        /// lower-case name.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub route: Option<String>,
        /// The application's own session id, learned from its answers: the name of its cookie, "header:NAME",
        /// "query:NAME" or "path:NAME".
        #[serde(skip_serializing_if = "Option::is_none")]
        pub learn: Option<String>,
        /// "query:NAME", "header:NAME" or "source".
        #[serde(skip_serializing_if = "Option::is_none")]
        pub key: Option<String>,

        /// With `cookie`: who writes it.
        pub mode: CookieMode,
        /// With `cookie`: what its value is. Absent means "sealed" for a cookie of ours, and "route" in every
        /// other mode.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub value: Option<CookieValue>,
        /// With `cookie`: hide it from the application (ours is hidden unless this says false).
        #[serde(skip_serializing_if = "Option::is_none")]
        pub indirect: Option<bool>,
        /// Mark answers that carry a new cookie as private.
        pub nocache: bool,
        /// Write the cookie on answers to POST only.
        pub postonly: bool,
        /// If the application sets the cookie itself, leave it.
        pub preserve: bool,
        /// A pin not used for so long is not honoured.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub max_idle: Option<Duration>,
        /// A pin older than this is not honoured.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub max_life: Option<Duration>,
        /// SameSite; "auto" is None under TLS and absent otherwise.
        pub same_site: SameSite,
        /// Secure; absent means under TLS.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub secure: Option<bool>,
        /// HttpOnly; absent means yes for sealed cookies, no for HAProxy's kinds.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub http_only: Option<bool>,
        /// Partitioned (needs Secure).
        pub partitioned: bool,
        /// Domain, or several (one attribute each, as HAProxy writes them).
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub domain: OneOrMany<String>,
        /// Path.
        pub path: String,
        /// Further attributes, verbatim.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub attributes: Vec<String>,
        /// With `value = "dynamic"`: HAProxy's dynamic-cookie-key.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub dynamic_key: Option<String>,
        /// With `value = "sealed"`: a file with keys, one a line, newest first; absent means one in
        /// state-dir, made at first start.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub keys: Option<String>,

        /// What stands between id and route; the first one counts. With `route` it is "." unless given;
        /// "off": the whole value is the route. With a readable `cookie` it is written in front of the route,
        /// as httpd's ROUTEID has it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub separator: Option<String>,
        /// With `route`: the path parameter's name; absent means the cookie's name in lower case.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub parameter: Option<String>,
        /// With `route`: which is looked at first.
        pub order: RouteOrder,

        /// With `key`: remember each key's node in the ledger, rather than only hash it.
        pub remember: bool,

        /// Other forms honoured on the way in, such as those of the front end that was replaced. Never
        /// written.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub also: Vec<AffinityTable>,
    }
}

impl Default for AffinityTable {
    fn default() -> Self {
        Self {
            cookie: None,
            route: None,
            learn: None,
            key: None,
            mode: CookieMode::default(),
            value: None,
            indirect: None,
            nocache: true,
            postonly: false,
            preserve: false,
            max_idle: None,
            max_life: None,
            same_site: SameSite::default(),
            secure: None,
            http_only: None,
            partitioned: false,
            domain: OneOrMany::default(),
            path: "/".into(),
            attributes: Vec::new(),
            dynamic_key: None,
            keys: None,
            separator: None,
            parameter: None,
            order: RouteOrder::default(),
            remember: true,
            also: Vec::new(),
        }
    }
}

impl AffinityTable {
    /// What stands before the route in an id of the application's; nothing when the whole of it is the route.
    pub fn route_separator(&self) -> Option<&str> {
        Some(self.separator.as_deref().unwrap_or(".")).filter(|text| *text != "off")
    }

    /// True for a cookie that holds the node's route as text, and nothing else.
    pub fn is_readable(&self) -> bool {
        self.cookie.is_some() && self.mode != CookieMode::Prefix && self.cookie_value() == CookieValue::Route
    }

    /// What a cookie's value is. Only one that we write ourselves can be sealed: the other modes are
    /// HAProxy's, whose values are readable.
    pub fn cookie_value(&self) -> CookieValue {
        self.value.unwrap_or(match self.mode {
            CookieMode::Insert => CookieValue::Sealed,
            CookieMode::Rewrite | CookieMode::Prefix | CookieMode::Passive => CookieValue::Route,
        })
    }
}

keywords! {
    /// Who writes the cookie (HAProxy's words).
    pub enum CookieMode {
        /// We add our own.
        #[default]
        Insert = "insert",
        /// We replace the value of one that the application sets.
        Rewrite = "rewrite",
        /// We put the node in front of the value of the application's.
        Prefix = "prefix",
        /// We only read it.
        Passive = "passive",
    }
}

keywords! {
    /// What a pin cookie's value is.
    pub enum CookieValue {
        /// Authenticated and opaque, valid on every proxy with the same keys.
        #[default]
        Sealed = "sealed",
        /// The node's route, readable.
        Route = "route",
        /// HAProxy's dynamic cookie: a keyed hash of the node's address.
        Dynamic = "dynamic",
    }
}

keywords! {
    /// The SameSite attribute.
    pub enum SameSite {
        /// None under TLS, absent otherwise.
        #[default]
        Auto = "auto",
        /// SameSite=None
        None = "none",
        /// SameSite=Lax
        Lax = "lax",
        /// SameSite=Strict
        Strict = "strict",
        /// No attribute.
        Off = "off",
    }
}

keywords! {
    /// Where a route is looked for first.
    pub enum RouteOrder {
        /// Path parameter, then cookies (httpd, mod_jk).
        #[default]
        UrlFirst = "url-first",
        /// Cookies, then path parameter (mod_cluster).
        CookieFirst = "cookie-first",
    }
}
