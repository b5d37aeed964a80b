//! Why no table can be made of a conf.

use super::route::BadRule;
use crate::affinity::{AffinityError, KeyRingError};
use crate::base::file::FileError;
use crate::config::address::AddressError;
use crate::wire::pem_error::TlsError;
use std::error::Error;
use std::fmt;

/// What is wrong, and with which part of the conf.
#[derive(Debug)]
pub enum TableError {
    /// A cluster.
    Cluster {
        /// Its name.
        cluster: String,
        /// What is wrong with it.
        why: ClusterError,
    },
    /// A listener.
    Listener {
        /// Its name.
        listener: String,
        /// What is wrong with it.
        why: ListenerError,
    },
}

/// What is wrong with a cluster.
#[derive(Debug)]
pub enum ClusterError {
    /// The address of a node.
    Url {
        /// The node.
        node: String,
        /// What is wrong with it.
        why: AddressError,
    },
    /// The roles of a node.
    Roles {
        /// The node.
        node: String,
        /// What is wrong with them.
        why: &'static str,
    },
    /// No certificate can have this name.
    ServerName(String),
    /// No header can name this host.
    Authority(String),
    /// TLS towards its nodes.
    Tls(TlsError),
    /// How it recognises sessions.
    Affinity(AffinityError),
    /// The file of its keys is of no use.
    Keys {
        /// The file.
        file: String,
        /// Why.
        why: KeyRingError,
    },
    /// A file that it names.
    File {
        /// What for.
        key: &'static str,
        /// Its name.
        file: String,
        /// Why it is of no use.
        why: FileError,
    },
}

/// What is wrong with a listener.
#[derive(Debug)]
pub enum ListenerError {
    /// A rule.
    Rule(BadRule),
    /// No header's name, where requests are to have their id.
    RequestId(String),
}

impl fmt::Display for TableError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster { cluster, why } => write!(out, "cluster {cluster}: {why}"),
            Self::Listener { listener, why } => write!(out, "listener {listener}: {why}"),
        }
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { node, why } => write!(out, "node {node}: {why}"),
            Self::Roles { node, why } => write!(out, "node {node}: {why}"),
            Self::ServerName(name) => write!(out, "`{name}` cannot be a certificate's name"),
            Self::Authority(host) => write!(out, "`{host}` cannot be a Host header"),
            Self::Tls(why) => why.fmt(out),
            Self::Affinity(why) => why.fmt(out),
            Self::Keys { file, why } => write!(out, "keys {file}: {why}"),
            Self::File { key, file, why } => write!(out, "{key} {file} {why}"),
        }
    }
}

impl fmt::Display for ListenerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(why) => why.fmt(out),
            Self::RequestId(name) => write!(out, "request-id-header: \"{name}\" is not a header name"),
        }
    }
}

impl Error for TableError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Cluster { why, .. } => Some(why),
            Self::Listener { why, .. } => Some(why),
        }
    }
}

impl Error for ClusterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Url { why, .. } => Some(why),
            Self::Affinity(why) => Some(why),
            Self::Keys { why, .. } => Some(why),
            Self::Tls(why) => Some(why),
            Self::File { why, .. } => Some(why),
            Self::Roles { .. } | Self::ServerName(_) | Self::Authority(_) => None,
        }
    }
}

impl Error for ListenerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Rule(why) => Some(why),
            Self::RequestId(_) => None,
        }
    }
}
