//! `[[rule]]`: which requests, and what becomes of them.

use super::OneOrMany;
use crate::base::units::Network;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

conf! {
    /// Which requests, and what becomes of them. All given conditions must hold.
    #[derive(Default)]
    pub struct Rule {
        /// Only on these listeners.
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub listener: OneOrMany<String>,
        /// Host names, exact or `*.example.com`.
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub host: OneOrMany<String>,
        /// Path prefixes, on segment borders: "/shop" matches "/shop" and "/shop/x", not "/shopping".
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub path: OneOrMany<String>,
        /// A regular expression over the path (Rust regex syntax, linear time).
        #[serde(skip_serializing_if = "Option::is_none")]
        pub path_regex: Option<String>,
        /// Request methods.
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub method: OneOrMany<String>,
        /// Header values, exact; "*" for present.
        #[serde(skip_serializing_if = "IndexMap::is_empty")]
        pub header: IndexMap<String, String>,
        /// Query parameters, exact after percent-decoding; "*" for present.
        #[serde(skip_serializing_if = "IndexMap::is_empty")]
        pub query: IndexMap<String, String>,
        /// Client networks.
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub source: OneOrMany<Network>,

        /// Send it to this cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cluster: Option<String>,
        /// Redirect the client to the node that it is given: it goes on there by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub hand_off: Option<HandOff>,
        /// Answer with a redirect.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub redirect: Option<Redirect>,
        /// Answer at once.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub respond: Option<Respond>,

        /// Remove this prefix from the path before it goes to the node.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub strip_prefix: Option<String>,
        /// Put this prefix in front of the path before it goes to the node. With `strip-prefix` the one
        /// stands for the other, and the cluster's `rewrite-responses` puts the client's back into answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub add_prefix: Option<String>,
        /// Replace the path; with `path-regex`, `$1` stands for its first group.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub rewrite: Option<String>,
        /// Changes to the request's headers.
        #[serde(skip_serializing_if = "HeaderEdits::is_empty")]
        pub request_headers: HeaderEdits,
        /// Changes to the answer's headers.
        #[serde(skip_serializing_if = "HeaderEdits::is_empty")]
        pub response_headers: HeaderEdits,

        /// It is passed over, as if it were not written.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub disabled: bool,
    }
}

conf! {
    /// A redirect to the public address of the node that a session of the cluster is given, path and query
    /// kept.
    pub struct HandOff {
        /// The cluster.
        pub cluster: String,
        /// 302, or 307 to keep the method.
        pub status: u16,
    }
}

impl Default for HandOff {
    fn default() -> Self {
        Self { cluster: String::new(), status: 302 }
    }
}

conf! {
    /// A redirect; what is not given stays as the client asked.
    pub struct Redirect {
        /// "http" or "https".
        #[serde(skip_serializing_if = "Option::is_none")]
        pub scheme: Option<String>,
        /// Host, with port if it is not the scheme's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub host: Option<String>,
        /// The whole path.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub path: Option<String>,
        /// A whole location; the values of `request-headers` such as `{path}` may be used in it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub to: Option<String>,
        /// 301, 302, 303, 307 or 308.
        pub status: u16,
    }
}

impl Default for Redirect {
    fn default() -> Self {
        Self { scheme: None, host: None, path: None, to: None, status: 302 }
    }
}

conf! {
    /// An answer at once.
    pub struct Respond {
        /// Status code, 200 to 599.
        pub status: u16,
        /// The body.
        pub body: String,
        /// Its Content-Type.
        pub content_type: String,
    }
}

impl Default for Respond {
    fn default() -> Self {
        Self { status: 200, body: String::new(), content_type: "text/plain; charset=utf-8".into() }
    }
}

conf! {
    /// Changes to headers, in this order: remove, set, add. Values may hold `{client.ip}`, `{client.port}`,
    /// `{host}`, `{scheme}`, `{method}`, `{path}`, `{query}`, `{uri}`, `{listener}`, `{cluster}`, `{node}`,
    /// `{route}`, `{request.id}`, `{tls.version}`, `{tls.cipher}`, `{tls.sni}`, `{tls.client.subject}`,
    /// `{tls.client.fingerprint}`, `{header.NAME}`, `{{` for a brace.
    #[derive(Default)]
    pub struct HeaderEdits {
        /// Replaces all lines of that name.
        #[serde(skip_serializing_if = "IndexMap::is_empty")]
        pub set: IndexMap<String, String>,
        /// Adds a line.
        #[serde(skip_serializing_if = "IndexMap::is_empty")]
        pub add: IndexMap<String, String>,
        /// Removes all lines of that name.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub remove: Vec<String>,
    }
}

impl HeaderEdits {
    /// True when nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}
