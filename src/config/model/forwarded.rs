//! `forwarded`: how nodes learn who asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the nodes of a cluster learn who asked: a word for what is usual, or a table that says all of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Forwarded {
    /// What is usual.
    Style(ForwardedStyle),
    /// All of it.
    Table(ForwardedTable),
}

keywords! {
    /// How nodes learn who asked, where it is usual: joined to what proxies in front have said, and what
    /// strangers say is dropped.
    pub enum ForwardedStyle {
        /// X-Forwarded-For, -Proto, -Host, -Port.
        #[default]
        XForwarded = "x-forwarded",
        /// RFC 7239 Forwarded.
        Forwarded = "forwarded",
        /// Both.
        Both = "both",
        /// Neither.
        Off = "off",
    }
}

conf! {
    /// Everything about how nodes learn who asked.
    pub struct ForwardedTable {
        /// What is written.
        pub write: Vec<ForwardedField>,
        /// How what is written stands beside what proxies in front have said, and strangers where theirs
        /// pass.
        pub how: ForwardedHow,
        /// What becomes of what strangers say of themselves.
        pub strangers: Strangers,
    }
}

keywords! {
    /// A header that tells a node who asked.
    pub enum ForwardedField {
        /// X-Forwarded-For: the peer's address.
        #[default]
        For = "for",
        /// X-Forwarded-Proto: the scheme that the client used.
        Proto = "proto",
        /// X-Forwarded-Host: the host that it asked for.
        Host = "host",
        /// X-Forwarded-Port: the port in it, else that of the scheme.
        Port = "port",
        /// X-Forwarded-Server: the host without its port, the name that this proxy was reached by.
        Server = "server",
        /// X-Real-IP: the client's address alone, past all proxies that are believed.
        RealIp = "real-ip",
        /// Forwarded: all of it, as RFC 7239 has it.
        Forwarded = "forwarded",
    }
}

keywords! {
    /// How what is written stands beside what is there.
    pub enum ForwardedHow {
        /// At the end of the list, in one line (Apache httpd's ProxyAddHeaders). What a proxy that is
        /// believed says of scheme, host and port stays.
        #[default]
        Join = "join",
        /// As a further line behind it (HAProxy's `option forwardfor`).
        Line = "line",
        /// In its place: one client, one scheme, one host, as far as proxies in front are believed.
        Replace = "replace",
    }
}

keywords! {
    /// What becomes of what those say who are not in `trusted-proxies`.
    pub enum Strangers {
        /// It is dropped, whether or not something is written in its place: all X-Forwarded-*, Forwarded,
        /// X-Real-IP, Front-End-Https, Homing-* and the like; `Proxy`, and names with underscores that
        /// servers take for one of these, whoever sends them.
        #[default]
        Drop = "drop",
        /// It is passed on: nodes cannot tell it from ours.
        Pass = "pass",
    }
}

impl Default for Forwarded {
    fn default() -> Self {
        Self::Style(ForwardedStyle::default())
    }
}

impl Default for ForwardedTable {
    fn default() -> Self {
        Forwarded::default().table()
    }
}

impl Forwarded {
    /// In full, however it was written.
    pub fn table(&self) -> ForwardedTable {
        use ForwardedField::{For, Forwarded, Host, Port, Proto};
        let write: &[ForwardedField] = match self {
            Self::Table(table) => return table.clone(),
            Self::Style(ForwardedStyle::XForwarded) => &[For, Proto, Host, Port],
            Self::Style(ForwardedStyle::Forwarded) => &[Forwarded],
            Self::Style(ForwardedStyle::Both) => &[For, Proto, Host, Port, Forwarded],
            Self::Style(ForwardedStyle::Off) => &[],
        };
        let (how, strangers) = (ForwardedHow::default(), Strangers::default());
        ForwardedTable { write: write.to_vec(), how, strangers }
    }
}
